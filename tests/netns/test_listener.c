/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listener as a process, between a provisiond and a zygote that this test plays: confinement, admission, what a
 * refused OpenSSH client reads, grace time, and every death: provisiond's, the zygote's, a session's, its own.
 * Needs root; runs in its own network namespace. The same file is the zygote, when it is called sshd-gate-session.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "proto/ctl.h"
#include "proto/msg.h"
#include "process_lab.h"

#define PORT    2201
#define GATE_ID 65534
#define WAIT_MS 10000

/* --- the zygote and the session, as far as the listener is concerned --- */

/* Says its pid to the client; then does what the other end of its gate socket tells it. */
static void __attribute__((noreturn)) fake_session(int conn, int gate)
{
	char text[64];
	ssize_t n;

	(void)!write(conn, text, (size_t)snprintf(text, sizeof(text), "session %d\n", getpid()));
	while ((n = recv(gate, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = 0;
		if (strncmp(text, "exit", 4) == 0)
			_exit(atoi(text + 4));
		if (strncmp(text, "signal", 6) == 0)
			raise(atoi(text + 6));
		(void)!write(conn, text, (size_t)n);
	}
	_exit(9);
}

static int fake_zygote(void)
{
	struct zygote_spawn req;
	struct msg m;

	if (msg_send(3, &zygote_proto, ZYGOTE_READY, NULL, NULL) < 0)
		return 1;
	while (msg_recv(3, &zygote_proto, &req, sizeof(req), &m, NULL) > 0) {
		struct zygote_spawned ans = { .serial = req.serial };
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		if (pid == 0) {
			close(3);
			fake_session(m.fds[0], m.fds[1]);
		}
		ans.pid = pid > 0 ? (uint32_t)pid : 0;
		ans.code = pid > 0 ? 0 : (uint32_t)errno;
		msg_close_fds(&m);
		msg_send(3, &zygote_proto, ZYGOTE_SPAWNED, &ans, NULL);
	}
	return 0;
}

/* --- the bed --- */

static char dir[] = "/tmp/sshbay-listener-XXXXXX";
static char self[PATH_MAX], gate_path[PATH_MAX + 32], sock_path[64];
static int tcp = -1, server = -1, ctl = -1;
static pid_t listener;
static struct ctl_settings settings;
static struct ctl_start started;
static unsigned int started_fds;
static int ntest, nfail;

/* A connection as provisiond knows it. */
struct conn {
	uint8_t id[CTL_ID_LEN];
	int gate;
	uint32_t resumed;
};

static void ok(int good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++ntest, name);
	fflush(stdout);
	nfail += !good;
}

static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	if (listener > 0)
		kill(listener, SIGKILL);
	exit(1);
}

static void open_server(void)
{
	struct err e = { 0 };

	server = msg_listen(sock_path, 0666, 8, &e);
	if (server < 0)
		die(e.text);
}

/* Wait for the listener, answer its CTL_START. */
static int serve_start(void)
{
	struct msg m;

	if (!readable(server, WAIT_MS))
		return 0;
	ctl = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (ctl < 0 || !readable(ctl, WAIT_MS) ||
	    msg_recv(ctl, &ctl_proto, &started, sizeof(started), &m, NULL) <= 0)
		return 0;
	started_fds = m.nfds;
	msg_close_fds(&m);
	return m.type == CTL_START &&
	       msg_send_fds(ctl, &ctl_proto, &(struct msg_out){ CTL_SETTINGS, &settings, &tcp, 1 },
			    NULL) == 0;
}

static void kill_provisiond(void)
{
	fd_close(&ctl);
	fd_close(&server);
}

static void start_listener(rlim_t files)
{
	struct rlimit limit = { files, files };

	listener = fork();
	if (listener == 0) {
		if (files && setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(126);
		execl(gate_path, "sshd-gate", "-r", dir, (char *)NULL);
		_exit(127);
	}
}

static void stop_listener(int sig)
{
	kill(listener, sig);
	waitpid(listener, NULL, 0);
	listener = 0;
}

static int take_conn(struct conn *c, int ms)
{
	struct ctl_conn body;
	struct msg m;

	if (!readable(ctl, ms) || msg_recv(ctl, &ctl_proto, &body, sizeof(body), &m, NULL) <= 0)
		return 0;
	if (m.type != CTL_CONN) {
		msg_close_fds(&m);
		return 0;
	}
	memcpy(c->id, body.id.data, CTL_ID_LEN);
	c->gate = fd_take(&m.fds[0]);
	c->resumed = body.resumed;
	return 1;
}

static int take_closed(const struct conn *c, struct ctl_closed *out)
{
	struct msg m;

	return readable(ctl, WAIT_MS) &&
	       msg_recv(ctl, &ctl_proto, out, sizeof(*out), &m, NULL) > 0 && m.type == CTL_CLOSED &&
	       memcmp(out->id.data, c->id, CTL_ID_LEN) == 0;
}

static void tell(const struct conn *c, enum ctl_state_kind kind)
{
	struct ctl_state s = { .kind = kind };

	s.id.len = CTL_ID_LEN;
	memcpy(s.id.data, c->id, CTL_ID_LEN);
	msg_send(ctl, &ctl_proto, CTL_STATE, &s, NULL);
}

static void say(const struct conn *c, const char *text)
{
	(void)!send(c->gate, text, strlen(text), MSG_NOSIGNAL);
}

static void hang_up(int *client, struct conn *c)
{
	fd_close(client);
	fd_close(&c->gate);
}

static int dial(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
	return fd;
}

/* Next line or packet that the client sees; "" at the end of the connection or after `ms`. */
static const char *hear(int fd, int ms)
{
	static char buf[512];
	ssize_t n = readable(fd, ms) ? read(fd, buf, sizeof(buf) - 1) : 0;

	buf[n > 0 ? n : 0] = 0;
	return buf;
}

/* Connect and be served: the pid of the session. */
static pid_t serve(int *client, struct conn *c)
{
	const char *line;
	int pid = 0;

	*client = dial();
	if (!take_conn(c, WAIT_MS))
		return 0;
	line = hear(*client, WAIT_MS);
	sscanf(line, "session %d", &pid);
	return pid;
}

/* The child of the listener that is called like the zygote and is not one of `sessions`. */
static pid_t zygote_pid(const pid_t *sessions, int n)
{
	char path[64], buf[4096] = "";
	FILE *f;
	int pid, at = 0, used;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", listener, listener);
	f = fopen(path, "r");
	if (!f || !fgets(buf, sizeof(buf), f))
		buf[0] = 0;
	if (f)
		fclose(f);
	while (sscanf(buf + at, "%d%n", &pid, &used) == 1) {
		int mine = 0;

		at += used;
		for (int i = 0; i < n; i++)
			mine |= sessions[i] == pid;
		if (!mine && alive(pid))
			return pid;
	}
	return 0;
}

static char *real_ssh(void)
{
	static char out[2048];
	char cmd[256];
	FILE *f;

	snprintf(cmd, sizeof(cmd),
		 "timeout 20 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no "
		 "-o UserKnownHostsFile=/dev/null -p %d x@127.0.0.1 true 2>&1",
		 PORT);
	f = popen(cmd, "r");
	out[fread(out, 1, sizeof(out) - 1, f)] = 0;
	pclose(f);
	return out;
}

static int ssh_reads(const char *text)
{
	const char *out = real_ssh();

	if (strstr(out, text))
		return 1;
	printf("# ssh said: %s\n", out);
	return 0;
}

/* --- the tests --- */

static void test_confinement(void)
{
	static const char none[] = "0000000000000000";
	struct conn c = { .gate = -1 };
	int client = -1;
	pid_t pid;
	char ids[64];

	snprintf(ids, sizeof(ids), "%d\t%d\t%d\t%d", GATE_ID, GATE_ID, GATE_ID, GATE_ID);
	pid = serve(&client, &c);
	ok(pid > 0 && !c.resumed, "a connection gets a session and is announced to provisiond");
	ok(status_is(listener, "Uid", ids) && status_is(listener, "Gid", ids) &&
		   status_is(listener, "Groups", " ") && status_is(pid, "Uid", ids),
	   "listener and session run as the gate's uid");
	ok(status_is(listener, "CapPrm", none) && status_is(listener, "CapEff", none) &&
		   status_is(listener, "CapBnd", none) && status_is(listener, "CapAmb", none) &&
		   status_is(listener, "NoNewPrivs", "1") && status_is(listener, "Seccomp", "2"),
	   "no capabilities, no_new_privs, seccomp");
	say(&c, "exit 0");
	ok(wait_dead(pid), "the session ends");
	struct ctl_closed closed;
	ok(take_closed(&c, &closed) && closed.signal == 0 && !closed.timeout, "provisiond is told");
	ok(strcmp(hear(client, WAIT_MS), "") == 0, "nobody else holds the connection");
	hang_up(&client, &c);
}

static void test_admission(void)
{
	struct conn c[3];
	int client[3], extra;
	struct ctl_closed closed;
	int good = 1;

	for (int i = 0; i < 3; i++)
		good &= serve(&client[i], &c[i]) > 0;
	ok(good, "as many unauthenticated connections as one source may have");
	ok(ssh_reads("too many unauthenticated connections from your address, try again"),
	   "the next one is refused in words that OpenSSH shows");
	tell(&c[0], CTL_AUTHENTICATED);
	usleep(100000);
	extra = dial();
	struct conn more;
	ok(take_conn(&more, WAIT_MS), "an authenticated connection counts no more");
	say(&more, "exit 0");
	ok(take_closed(&more, &closed), "... and an ended one neither");
	hang_up(&extra, &more);
	for (int i = 0; i < 3; i++) {
		say(&c[i], "exit 0");
		good &= take_closed(&c[i], &closed);
		hang_up(&client[i], &c[i]);
	}
	ok(good, "all three end");
}

static void test_full(void)
{
	struct ctl_settings loose = settings;
	struct conn c[2];
	int client[2];
	struct ctl_closed closed;

	loose.per_source = 0;
	loose.startups_begin = loose.startups_full = 2;
	msg_send_fds(ctl, &ctl_proto, &(struct msg_out){ CTL_SETTINGS, &loose, &tcp, 1 }, NULL);
	usleep(100000);
	for (int i = 0; i < 2; i++)
		serve(&client[i], &c[i]);
	ok(ssh_reads("too many unauthenticated connections, try again"),
	   "max_startups refuses; new settings are in force");
	for (int i = 0; i < 2; i++) {
		say(&c[i], "exit 0");
		take_closed(&c[i], &closed);
		hang_up(&client[i], &c[i]);
	}
	msg_send_fds(ctl, &ctl_proto, &(struct msg_out){ CTL_SETTINGS, &settings, &tcp, 1 }, NULL);
	usleep(100000);
}

static void test_grace(void)
{
	struct conn slow, quick;
	struct ctl_closed closed = { 0 };
	int a, b;
	pid_t pa = serve(&a, &slow), pb = serve(&b, &quick);
	uint64_t began = clk_now_us();

	tell(&quick, CTL_AUTHENTICATED);
	ok(take_closed(&slow, &closed) && closed.timeout == 1 && closed.signal == SIGKILL &&
		   !alive(pa),
	   "a connection that does not authenticate is killed at the end of the grace time");
	ok(clk_now_us() - began > 1000000 && clk_now_us() - began < 4000000,
	   "... not earlier, not much later");
	ok(alive(pb), "an authenticated one lives on");
	tell(&quick, CTL_DROP);
	ok(take_closed(&quick, &closed) && !closed.timeout && wait_dead(pb),
	   "provisiond can drop a connection");
	hang_up(&a, &slow);
	hang_up(&b, &quick);
}

/* A busy listener finds both at once, that provisiond is gone and that somebody wants to be served. */
static void test_gone_and_asked_for(void)
{
	struct ctl_closed closed;
	struct conn c = { .gate = -1 };
	static const char text[] = "provisiond is not running";
	int client;

	kill(listener, SIGSTOP);
	kill_provisiond();
	client = dial();
	kill(listener, SIGCONT);
	/* One packet, with NULs in it. */
	ok(memmem(hear(client, WAIT_MS), 256, text, strlen(text)) != NULL,
	   "a client that comes as provisiond goes is told so");
	fd_close(&client);
	open_server();
	ok(serve_start(), "the listener comes back");
	/* Gone and back while the listener was busy: whoever came meanwhile is served. */
	kill(listener, SIGSTOP);
	kill_provisiond();
	client = dial();
	unlink(sock_path);
	open_server();
	kill(listener, SIGCONT);
	ok(serve_start() && take_conn(&c, WAIT_MS), "one who comes while it restarts is served");
	ok(strncmp(hear(client, WAIT_MS), "session ", 8) == 0, "by a session");
	say(&c, "exit 0");
	ok(take_closed(&c, &closed), "which ends");
	hang_up(&client, &c);
}

static void test_provisiond_restart(void)
{
	struct conn c, again, more;
	int client, client2;
	pid_t pid = serve(&client, &c), pid2;

	tell(&c, CTL_AUTHENTICATED);
	usleep(100000);
	kill_provisiond();
	fd_close(&c.gate);
	ok(ssh_reads("provisiond is not running, no workspace can be reached now"),
	   "provisiond is down: clients are told");
	ok(alive(pid), "... and sessions run on");
	open_server();
	ok(serve_start() && started_fds == 1 && started.nplain == 1,
	   "the listener comes back and brings its sockets");
	ok(take_conn(&again, WAIT_MS) && again.resumed == 1 &&
		   memcmp(again.id, c.id, CTL_ID_LEN) == 0,
	   "a living connection is handed over again");
	say(&again, "ping");
	ok(strcmp(hear(client, WAIT_MS), "ping") == 0,
	   "... with a socket that reaches its session");
	pid2 = serve(&client2, &more);
	ok(pid2 > 0 && !more.resumed, "new connections work again");
	struct ctl_closed closed = { 0 };
	ok(take_closed(&more, &closed) && closed.timeout && alive(pid),
	   "their grace time counts, the resumed one's is over for good");
	say(&again, "exit 3");
	ok(take_closed(&again, &closed) && closed.signal == 0,
	   "the resumed connection's end is told");
	hang_up(&client, &again);
	hang_up(&client2, &more);
}

static void put_settings(const struct ctl_settings *m)
{
	msg_send_fds(ctl, &ctl_proto, &(struct msg_out){ CTL_SETTINGS, m, &tcp, 1 }, NULL);
	usleep(100000);
}

static void test_crash(void)
{
	struct ctl_settings patient = settings;
	struct conn a, b, c, d;
	struct ctl_closed closed;
	int ca, cb, cc, cd;
	pid_t sessions[3], zygote, next;

	/* Zygotes that are started on a busy machine take longer than the grace time of the others. */
	patient.grace_s = 600;
	put_settings(&patient);
	sessions[0] = serve(&ca, &a);
	sessions[1] = serve(&cb, &b);
	tell(&b, CTL_AUTHENTICATED);
	zygote = zygote_pid(sessions, 2);
	say(&a, "signal 11");
	ok(take_closed(&a, &closed) && closed.signal == SIGSEGV && !closed.timeout,
	   "a crash of a session is told");
	ok(zygote && wait_dead(zygote), "it retires the zygote");
	sessions[2] = serve(&cc, &c);
	tell(&c, CTL_AUTHENTICATED);
	next = zygote_pid(sessions, 3);
	ok(sessions[2] > 0 && next > 0 && next != zygote,
	   "a fresh zygote serves the next connection");
	ok(alive(sessions[1]), "other sessions live on");
	/* The end of a later one tells that the zygote has said all it had to say about this one. */
	ok(serve(&cd, &d) > 0, "and another one");
	say(&d, "exit 0");
	take_closed(&d, &closed);
	hang_up(&cd, &d);
	kill(next, SIGKILL);
	ok(wait_dead(next) && alive(sessions[1]) && alive(sessions[2]),
	   "sessions survive a killed zygote");
	say(&c, "exit 0");
	take_closed(&c, &closed);
	hang_up(&cc, &c);
	ok(serve(&cc, &c) > 0, "which is started again");
	say(&c, "exit 0");
	take_closed(&c, &closed);
	say(&b, "exit 0");
	ok(take_closed(&b, &closed), "a session of an old zygote is still reaped");
	put_settings(&settings);
	hang_up(&ca, &a);
	hang_up(&cb, &b);
	hang_up(&cc, &c);
}

/* Few descriptors, many clients: it must neither spin nor stay broken. */
static void test_exhaustion(void)
{
	struct ctl_settings loose = settings;
	struct conn c;
	struct ctl_closed closed;
	struct msg m;
	int clients[40], client, told = 0, spare = 0;
	uint64_t ticks;
	union {
		struct ctl_conn conn;
		struct ctl_closed closed;
	} body;

	loose.per_source = 0;
	loose.startups_begin = loose.startups_full = 1000;
	fd_close(&ctl);
	start_listener(17);
	struct ctl_settings strict = settings;
	settings = loose;
	ok(serve_start(), "a listener with 17 descriptors starts");
	settings = strict;
	usleep(200000);
	ticks = cpu_ticks(listener);
	for (int i = 0; i < 40; i++)
		clients[i] = dial();
	usleep(1500000);
	for (int i = 0; i < 40; i++) {
		const char *text = hear(clients[i], 0);

		spare += strncmp(text, "session", 7) == 0;
		told += strncmp(text, "SSH-2.0-OpenSSH_compatible_sshbay", 33) == 0;
	}
	usleep(1500000);
	ticks = cpu_ticks(listener) - ticks;
	printf("# %llu ticks of CPU in 3 s, %d served, %d refused at first\n",
	       (unsigned long long)ticks, spare, told);
	ok(alive(listener) && ticks < 60, "out of descriptors it does not spin");
	ok(spare > 0 && spare < 20 && told > 0,
	   "it serves what it can and refuses others in words");
	for (int i = 0; i < 40; i++)
		fd_close(&clients[i]);
	/* Throw away what it told about the flood; the grace time ends its sessions. */
	for (int quiet = 0; quiet < 35;) {
		if (!readable(ctl, 100)) {
			quiet++;
			continue;
		}
		quiet = 0;
		if (msg_recv(ctl, &ctl_proto, &body, sizeof(body), &m, NULL) <= 0)
			break;
		msg_close_fds(&m);
	}
	ok(serve(&client, &c) > 0, "it recovers");
	say(&c, "exit 0");
	ok(take_closed(&c, &closed), "and keeps its table");
	hang_up(&client, &c);
	stop_listener(SIGTERM);
}

static void test_own_death(void)
{
	struct conn c, d;
	int client, client2;
	pid_t pid = serve(&client, &c), zygote = zygote_pid(&pid, 1), pid2;

	tell(&c, CTL_AUTHENTICATED);
	usleep(100000);
	stop_listener(SIGKILL);
	ok(alive(pid) && wait_dead(zygote),
	   "kill -9 of the listener leaves sessions, and no zygote");
	fd_close(&ctl);
	say(&c, "still here");
	ok(strcmp(hear(client, WAIT_MS), "still here") == 0,
	   "... whose socket to provisiond works on");
	/* Connections that come meanwhile wait in the sockets that provisiond keeps open. */
	client2 = dial();
	start_listener(0);
	ok(serve_start() && started_fds == 0, "a new listener starts with nothing");
	pid2 = take_conn(&d, WAIT_MS) && sscanf(hear(client2, WAIT_MS), "session %d", &pid2) == 1
		       ? pid2
		       : 0;
	ok(pid2 > 0, "and serves who has waited");
	stop_listener(SIGTERM);
	ok(alive(pid) && alive(pid2), "SIGTERM leaves sessions, too");
	say(&c, "exit 0");
	say(&d, "exit 0");
	ok(wait_dead(pid) && wait_dead(pid2), "they end when they are told to");
	hang_up(&client, &c);
	hang_up(&client2, &d);
}

/* --- */

static void open_tcp(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int on = 1;

	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ioctl(tcp, SIOCSIFFLAGS, &ifr) < 0 ||
	    setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(tcp, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(tcp, 128) < 0)
		die("listen");
}

static void setup(void)
{
	char cmd[3 * PATH_MAX], copy[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0 || !mkdtemp(dir) || chmod(dir, 0755) < 0)
		die("make a directory");
	self[n] = 0;
	snprintf(copy, sizeof(copy), "%s", self);
	/* Where the gate's uid can reach them; the listener finds the session program beside itself. */
	snprintf(cmd, sizeof(cmd),
		 "cp %s/../bin/sshd-gate %s/sshd-gate && cp %s %s/sshd-gate-session", dirname(copy),
		 dir, self, dir);
	if (system(cmd) != 0)
		die("copy the programs");
	snprintf(gate_path, sizeof(gate_path), "%s/sshd-gate", dir);
	snprintf(sock_path, sizeof(sock_path), "%s/gate.sock", dir);
	settings = (struct ctl_settings){
		.uid = GATE_ID,
		.gid = GATE_ID,
		.nplain = 1,
		.grace_s = 2,
		.startups_begin = 10,
		.startups_rate = 100,
		.startups_full = 20,
		.per_source = 3,
		.source_v4_len = 32,
		.source_v6_len = 128,
	};
	open_tcp();
}

int main(int argc, char **argv)
{
	char cmd[128];

	if (strcmp(basename(argv[0]), "sshd-gate-session") == 0)
		return fake_zygote();
	if (geteuid() != 0) {
		puts("1..1\nok 1 - listener # SKIP needs root");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	setup();
	start_listener(0);
	usleep(200000); /* it has to wait for provisiond */
	open_server();
	ok(serve_start() && started_fds == 0,
	   "the listener waits for provisiond and asks it for sockets");
	test_confinement();
	test_admission();
	test_full();
	test_grace();
	test_provisiond_restart();
	test_gone_and_asked_for();
	test_crash();
	test_own_death();
	test_exhaustion();
	printf("1..%d\n", ntest);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) != 0 || nfail != 0;
}
