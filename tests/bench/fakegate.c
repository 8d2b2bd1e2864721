/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for the listener, provisiond and ws-init in one process, so that sshd-gate-session can be driven by real SSH
 * clients without a workspace: `fakegate -p PORT -k AUTHORIZED_KEYS -s PATH/sshd-gate-session`.  Programs run on this
 * host as the caller.  Prints "ready", and on SIGTERM what the sessions cost.  Helper of tests and benchmarks.
 */
#include "auth.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proto/ctl.h"
#include "proto/gate.h"
#include "proto/init.h"

#define CONNS_MAX  1024
#define SPAWNS_MAX 4096
#define KEYS_MAX   16

struct conn {
	int gate, init; /* our ends; -1 = free / not attached */
	int mute;       /* provisiond plays dead */
	uint8_t sid[64];
	uint32_t sid_len;
	pid_t pid;
};
struct spawn {
	pid_t pid;
	uint32_t id;
	int init;
};

static struct {
	int listener, zygote, signals;
	struct conn conns[CONNS_MAX];
	struct spawn spawns[SPAWNS_MAX];
	uint8_t seed[32], pub[32];
	struct gate_welcome welcome;
	struct {
		uint8_t blob[4096];
		uint32_t len;
	} keys[KEYS_MAX];
	unsigned int nkeys;
	const char *refuse, *progress, *motd, *why;
	unsigned int sessions, crashed, signs;
	uint64_t cpu_us;
} f;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_msg(int fd, const struct msg_proto *p, uint32_t type, const void *body,
		     const int *fds, uint32_t n)
{
	struct err e = { 0 };

	if (msg_send_fds(fd, p, &(struct msg_out){ type, body, fds, n }, &e) < 0)
		fprintf(stderr, "fakegate: %s\n", e.text);
}

/* --- provisiond --- */
static void load_keys(const char *path)
{
	char line[8192];
	FILE *in = fopen(path, "re");

	if (!in)
		die(path);
	while (fgets(line, sizeof(line), in) && f.nkeys < KEYS_MAX) {
		char *b64 = strchr(line, ' ');
		size_t len;
		int n;

		if (line[0] == '#' || !b64)
			continue;
		b64++;
		len = strcspn(b64, " \n");
		b64[len] = 0;
		n = EVP_DecodeBlock(f.keys[f.nkeys].blob, (unsigned char *)b64, (int)len);
		if (n <= 0)
			continue;
		n -= (len > 1 && b64[len - 1] == '=') + (len > 2 && b64[len - 2] == '=');
		f.keys[f.nkeys++].len = (uint32_t)n;
	}
	fclose(in);
}

static int known(const struct gate_key *k)
{
	for (unsigned int i = 0; i < f.nkeys; i++)
		if (f.keys[i].len == k->key.len &&
		    memcmp(f.keys[i].blob, k->key.data, k->key.len) == 0)
			return 1;
	return 0;
}

/* With provisiond's own verification: the session's signature blobs must satisfy it. */
static int verify(const struct conn *c, const struct gate_key *k)
{
	struct verify_request v = { .session_id = c->sid,
				    .session_id_len = c->sid_len,
				    .login = k->login,
				    .alg = k->alg,
				    .key = k->key.data,
				    .key_len = k->key.len,
				    .sig = k->sig.data,
				    .sig_len = k->sig.len };
	struct err e = { 0 };

	return known(k) && verify_signature(&v, &e) == 0;
}

static void sign(struct conn *c, const struct gate_sign *q)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, f.seed, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct gate_signed a = { .sig.len = 64 };
	size_t len = 64;

	if (!c->sid_len) {
		memcpy(c->sid, q->hash.data, q->hash.len);
		c->sid_len = q->hash.len;
	}
	f.signs++;
	EVP_DigestSignInit(ctx, NULL, NULL, NULL, key);
	EVP_DigestSign(ctx, a.sig.data, &len, q->hash.data, q->hash.len);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	send_msg(c->gate, &gate_proto, GATE_SIGNED, &a, NULL, 0);
}

static void progress(struct conn *c)
{
	static const struct gate_progress steps[] = { { "workspace", "alice", 0 },
						      { "rootfs", "bookworm", 3000 },
						      { "network", "172.31.199.3", 2000 } };

	for (size_t i = 0; i < 3; i++)
		send_msg(c->gate, &gate_proto, GATE_PROGRESS, &steps[i], NULL, 0);
}

static void attach(struct conn *c, const struct gate_attach *q)
{
	struct gate_attached a = {
		.workspace = "alice", .user = "alice", .created = 1, .took_us = 12000
	};
	struct gate_refused r = { 0 };
	struct init_bound b = { .home = "/root", .shell = "/bin/sh" };
	struct err e;
	int sv[2];

	if (f.refuse) {
		snprintf(r.text, sizeof(r.text), "%s", f.refuse);
		send_msg(c->gate, &gate_proto, GATE_REFUSED, &r, NULL, 0);
		return;
	}
	if (f.progress && q->progress)
		progress(c);
	if (f.motd)
		snprintf(a.motd, sizeof(a.motd), "%s", f.motd);
	if (msg_pair(sv, &e) < 0)
		die("msg_pair");
	c->init = sv[0];
	send_msg(c->gate, &gate_proto, GATE_ATTACHED, &a, &sv[1], 1);
	close(sv[1]);
	send_msg(c->init, &init_proto, INIT_BOUND, &b, NULL, 0);
}

static void gate_message(struct conn *c, struct msg *m)
{
	struct gate_verdict v = { 0 };
	struct gate_because b = { 0 };
	static const struct gate_permit may = { .flags = GATE_MAY_PTY | GATE_MAY_FORWARD };

	switch (m->type) {
	case GATE_SIGN:
		sign(c, m->body);
		break;
	case GATE_PROBE:
	case GATE_VERIFY:
		v.ok = m->type == GATE_PROBE ? (uint32_t)known(m->body)
					     : (uint32_t)verify(c, m->body);
		if (v.ok && m->type == GATE_VERIFY)
			send_msg(c->gate, &gate_proto, GATE_PERMIT, &may, NULL, 0);
		send_msg(c->gate, &gate_proto, GATE_VERDICT, &v, NULL, 0);
		break;
	case GATE_ATTACH:
		attach(c, m->body);
		break;
	case GATE_WHY:
		snprintf(b.text, sizeof(b.text), "%s", f.why ? f.why : "");
		send_msg(c->gate, &gate_proto, GATE_BECAUSE, &b, NULL, 0);
		break;
	}
}

/* --- ws-init --- */
static _Noreturn void child(const struct init_spawn *q)
{
	char *env[80], *p = (char *)q->env.data, *end = p + q->env.len, cmd[INIT_COMMAND_MAX + 1];
	int n = 0;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	closefrom(3);
	clearenv();
	for (; p < end && n < 79; p += strlen(p) + 1)
		env[n++] = p;
	for (int i = 0; i < n; i++)
		putenv(env[i]);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	if (q->flags & INIT_PTY)
		setenv("TERM", q->term, 1);
	memcpy(cmd, q->command.data, q->command.len);
	cmd[q->command.len] = 0;
	if (q->kind == INIT_SHELL)
		execl("/bin/bash", "-bash", NULL);
	else if (q->kind == INIT_SUBSYSTEM)
		execl("/usr/lib/openssh/sftp-server", "sftp-server", NULL);
	else
		execl("/bin/sh", "sh", "-c", cmd, NULL);
	_exit(127);
}

static pid_t spawn_pty(const struct init_spawn *q, int fds[3])
{
	struct winsize w = { (unsigned short)q->rows, (unsigned short)q->cols, 0, 0 };
	pid_t pid = forkpty(&fds[0], NULL, NULL, &w);

	if (pid == 0)
		child(q);
	return pid;
}

static pid_t spawn_pipes(const struct init_spawn *q, int fds[3])
{
	int p[3][2];
	pid_t pid;

	for (int i = 0; i < 3; i++)
		if (pipe2(p[i], O_CLOEXEC) < 0)
			die("pipe");
	pid = fork();
	if (pid == 0) {
		setsid();
		dup2(p[0][0], 0);
		dup2(p[1][1], 1);
		dup2(p[2][1], 2);
		child(q);
	}
	close(p[0][0]);
	close(p[1][1]);
	close(p[2][1]);
	fds[0] = p[0][1];
	fds[1] = p[1][0];
	fds[2] = p[2][0];
	return pid;
}

/* A readable error queue and nothing else: poll reports it, read finds nothing. */
static int trap_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	socklen_t len = sizeof(on);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || send(fd, "x", 1, 0) < 0)
		die("trap");
	usleep(50000);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &on, &len);
	return fd;
}

/* What a hostile ws-init does to descriptors; the command names it. */
static void spoil(const struct init_spawn *q, int fds[3])
{
	char cmd[64] = "";

	memcpy(cmd, q->command.data, q->command.len < 63 ? q->command.len : 63);
	if (strstr(cmd, "#trap")) {
		close(fds[1]);
		fds[1] = trap_socket();
	}
	if (strstr(cmd, "#block") && fork() == 0) {
		usleep(300000);
		for (int i = 0; i < 2; i++) /* the session has made them non-blocking by now */
			fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) & ~O_NONBLOCK);
		_exit(0);
	}
}

static void do_spawn(struct conn *c, const struct init_spawn *q)
{
	struct init_spawned a = { .id = q->id };
	int fds[3] = { -1, -1, -1 }, pty = q->flags & INIT_PTY;
	pid_t pid = pty ? spawn_pty(q, fds) : spawn_pipes(q, fds);

	spoil(q, fds);
	a.pid = (uint32_t)pid;
	for (size_t i = 0; i < SPAWNS_MAX; i++)
		if (!f.spawns[i].pid) {
			f.spawns[i] = (struct spawn){ pid, q->id, c->init };
			break;
		}
	send_msg(c->init, &init_proto, INIT_SPAWNED, &a, fds, pty ? 1 : 3);
	for (int i = 0; i < 3; i++)
		fd_close(&fds[i]);
}

static void init_failed(struct conn *c, uint32_t id, const char *what)
{
	struct init_failed a = { .id = id, .code = (uint32_t)errno };

	snprintf(a.text, sizeof(a.text), "%s: %s", what, strerror(errno));
	send_msg(c->init, &init_proto, INIT_FAILED, &a, NULL, 0);
}

static void do_open(struct conn *c, const struct init_address *q, int listening)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM,
				 .ai_flags = listening ? AI_PASSIVE : 0 },
			*ai = NULL;
	struct init_opened a = { .id = q->id };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char port[8];
	int fd = -1, ok, on = 1;

	snprintf(port, sizeof(port), "%u", q->port);
	if (getaddrinfo(q->host, port, &hint, &ai) == 0)
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ok = fd >= 0 &&
	     (listening ? bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 16) == 0
			: connect(fd, ai->ai_addr, ai->ai_addrlen) == 0);
	if (ai)
		freeaddrinfo(ai);
	if (!ok) {
		init_failed(c, q->id, listening ? "listen" : "dial");
	} else {
		getsockname(fd, (struct sockaddr *)&ss, &len);
		if (listening && q->port == 4444) { /* a hostile ws-init */
			close(fd);
			fd = trap_socket();
		}
		a.port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
		send_msg(c->init, &init_proto, listening ? INIT_LISTENING : INIT_DIALED, &a, &fd,
			 1);
	}
	fd_close(&fd);
}

static void do_signal(const struct conn *c, const struct init_signal *q)
{
	for (size_t i = 0; i < SPAWNS_MAX; i++)
		if (f.spawns[i].pid && f.spawns[i].init == c->init && f.spawns[i].id == q->id)
			kill(-f.spawns[i].pid, (int)q->signal);
}

static void init_message(struct conn *c, struct msg *m)
{
	if (m->type == INIT_SPAWN)
		do_spawn(c, m->body);
	else if (m->type == INIT_SIGNAL)
		do_signal(c, m->body);
	else if (m->type == INIT_DIAL || m->type == INIT_LISTEN)
		do_open(c, m->body, m->type == INIT_LISTEN);
}

/* --- listener --- */
static void start_zygote(const char *path)
{
	struct err e;
	struct msg m;
	int sv[2];

	if (msg_pair(sv, &e) < 0)
		die("msg_pair");
	if (fork() == 0) {
		if (sv[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(sv[1], 3);
		execl(path, "sshd-gate-session", getenv("SESSION_VERBOSE") ? "-v" : NULL, NULL);
		die(path);
	}
	close(sv[1]);
	f.zygote = sv[0];
	if (msg_recv(f.zygote, &zygote_proto, NULL, 0, &m, &e) != 1 || m.type != ZYGOTE_READY) {
		fprintf(stderr, "fakegate: the zygote did not come up: %s\n", e.text);
		exit(1);
	}
}

static void new_connection(void)
{
	struct zygote_spawn q = { 0 };
	struct zygote_spawned a = { 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conn *c = f.conns;
	struct err e;
	struct msg m;
	int sv[2], fds[2], fd = accept4(f.listener, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	ip_from_sockaddr((struct sockaddr *)&ss, len, &q.peer);
	len = sizeof(ss);
	getsockname(fd, (struct sockaddr *)&ss, &len);
	ip_from_sockaddr((struct sockaddr *)&ss, len, &q.local);
	while (c < f.conns + CONNS_MAX && c->gate >= 0)
		c++;
	if (c == f.conns + CONNS_MAX || msg_pair(sv, &e) < 0)
		die("msg_pair");
	*c = (struct conn){ .gate = sv[0], .init = -1 };
	fds[0] = fd;
	fds[1] = sv[1];
	send_msg(c->gate, &gate_proto, GATE_WELCOME, &f.welcome, NULL, 0);
	send_msg(f.zygote, &zygote_proto, ZYGOTE_SPAWN, &q, fds, 2);
	close(fd);
	close(sv[1]);
	if (msg_recv(f.zygote, &zygote_proto, &a, sizeof(a), &m, &e) != 1 || !a.pid) {
		fprintf(stderr, "fakegate: the zygote failed\n");
		exit(1);
	}
	c->pid = (pid_t)a.pid;
	f.sessions++;
}

static int report_exit(pid_t pid, int status)
{
	for (size_t i = 0; i < SPAWNS_MAX; i++) {
		struct spawn *s = &f.spawns[i];
		struct init_exited x = { .id = s->id };
		struct err e;

		if (s->pid != pid)
			continue;
		if (WIFSIGNALED(status)) {
			x.signal = (uint32_t)WTERMSIG(status);
			x.core = WCOREDUMP(status) ? 1 : 0;
		} else {
			x.status = (uint32_t)WEXITSTATUS(status);
		}
		if (s->init >= 0)
			(void)msg_send(s->init, &init_proto, INIT_EXITED, &x, &e);
		s->pid = 0;
		return 1;
	}
	return 0;
}

static void reap(void)
{
	struct rusage r;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &r)) > 0) {
		if (report_exit(pid, status))
			continue;
		f.cpu_us += (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
			    (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
		if (WIFSIGNALED(status)) {
			fprintf(stderr, "fakegate: session %d died of signal %d\n", (int)pid,
				WTERMSIG(status));
			f.crashed++;
		}
	}
}

static void on_signal(void)
{
	struct signalfd_siginfo si;

	while (read(f.signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD) {
			reap();
		} else if (si.ssi_signo == SIGUSR1) {
			/* provisiond comes back: ask everything again */
			for (size_t i = 0; i < CONNS_MAX; i++)
				if (f.conns[i].gate >= 0)
					send_msg(f.conns[i].gate, &gate_proto, GATE_RESUMED, NULL,
						 NULL, 0);
		} else {
			printf("sessions %u crashed %u cpu_us %llu signs %u\n", f.sessions,
			       f.crashed, (unsigned long long)f.cpu_us, f.signs);
			exit(0);
		}
	}
}

static void drop_init(struct conn *c)
{
	for (size_t i = 0; i < SPAWNS_MAX; i++)
		if (f.spawns[i].init == c->init)
			f.spawns[i].init = -1;
	fd_close(&c->init);
}

static void conn_readable(struct conn *c, int init)
{
	static union {
		struct init_spawn s;
		struct gate_key k;
		char room[sizeof(struct init_spawn)];
	} body;
	struct err e = { 0 };
	struct msg m;
	int ret = init ? msg_recv(c->init, &init_proto, &body, sizeof(body), &m, &e)
		       : msg_recv(c->gate, &gate_proto, &body, sizeof(body), &m, &e);

	if (ret == -EAGAIN)
		return;
	if (ret <= 0) {
		if (ret < 0)
			fprintf(stderr, "fakegate: %s\n", e.text);
		if (c->init >= 0)
			drop_init(c);
		if (!init)
			fd_close(&c->gate);
		return;
	}
	if (init)
		init_message(c, &m);
	else
		gate_message(c, &m);
	msg_close_fds(&m);
}

static void loop(void)
{
	static struct pollfd p[2 + 2 * CONNS_MAX];

	for (;;) {
		p[0] = (struct pollfd){ f.listener, POLLIN, 0 };
		p[1] = (struct pollfd){ f.signals, POLLIN, 0 };
		for (size_t i = 0; i < CONNS_MAX; i++) {
			p[2 + 2 * i] = (struct pollfd){ f.conns[i].gate, POLLIN, 0 };
			p[3 + 2 * i] = (struct pollfd){ f.conns[i].init, POLLIN, 0 };
		}
		if (poll(p, 2 + 2 * CONNS_MAX, -1) < 0)
			continue;
		if (p[1].revents)
			on_signal();
		for (size_t i = 0; i < CONNS_MAX; i++) {
			if (f.conns[i].init >= 0 && p[3 + 2 * i].revents)
				conn_readable(&f.conns[i], 1);
			if (f.conns[i].gate >= 0 && p[2 + 2 * i].revents)
				conn_readable(&f.conns[i], 0);
		}
		if (p[0].revents)
			new_connection();
	}
}

static void setup(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	EVP_PKEY *key;
	sigset_t set;
	size_t len = 32;
	int on = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	RAND_bytes(f.seed, 32);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, f.seed, 32);
	EVP_PKEY_get_raw_public_key(key, f.pub, &len);
	EVP_PKEY_free(key);
	f.welcome.host_key.len = 32;
	memcpy(f.welcome.host_key.data, f.pub, 32);
	for (size_t i = 0; i < CONNS_MAX; i++)
		f.conns[i].gate = f.conns[i].init = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	f.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(f.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(f.listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(f.listener, 512) < 0)
		die("listen");
}

int main(int argc, char **argv)
{
	const char *keys = NULL, *session = NULL;
	int port = 2222, o;

	f.welcome = (struct gate_welcome){
		.auth_tries = 6, .max_sessions = 10, .grace_s = 30, .alive_count = 3
	};
	snprintf(f.welcome.kex, sizeof(f.welcome.kex),
		 "curve25519-sha256,curve25519-sha256@libssh.org");
	snprintf(f.welcome.ciphers, sizeof(f.welcome.ciphers),
		 "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
		 "aes256-ctr,aes128-ctr");
	snprintf(f.welcome.macs, sizeof(f.welcome.macs),
		 "hmac-sha2-256-etm@openssh.com,hmac-sha2-256");
	snprintf(f.welcome.accept_env, sizeof(f.welcome.accept_env), "LANG LC_*");
	while ((o = getopt(argc, argv, "p:k:s:r:gm:w:b:n:a:R:G:")) != -1) {
		switch (o) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'k':
			keys = optarg;
			break;
		case 's':
			session = optarg;
			break;
		case 'r':
			f.refuse = optarg;
			break;
		case 'g':
			f.progress = "yes";
			break;
		case 'm':
			f.motd = optarg;
			break;
		case 'w':
			f.why = optarg;
			break;
		case 'b':
			snprintf(f.welcome.banner, sizeof(f.welcome.banner), "%s\n", optarg);
			break;
		case 'n':
			f.welcome.max_sessions = (uint32_t)atoi(optarg);
			break;
		case 'a':
			f.welcome.alive_interval_s = (uint32_t)atoi(optarg);
			break;
		case 'R':
			f.welcome.rekey_mb = (uint32_t)atoi(optarg);
			break;
		case 'G':
			f.welcome.grace_s = (uint32_t)atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!keys || !session)
		return 2;
	load_keys(keys);
	setup(port);
	start_zygote(session);
	puts("ready");
	fflush(stdout);
	loop();
}
