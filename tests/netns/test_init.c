/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real ws-init in real namespaces: users, shells, commands, terminals, forwards, stopping. Root; TAP. */
#include "init_lab.h"

#include <netinet/in.h>
#include <sys/un.h>
#include <termios.h>
#include <utmp.h>

static struct lab lab;

static void check_setup(void)
{
	struct init_setup s = { .hostname = "box", .resolv_conf = "nameserver 192.0.2.1\n" };
	struct init_bind control = { 0 };
	int fd = dial_init(&lab);

	ask(fd, INIT_BIND, &control);
	ok(next_reply(fd, 5000) == INIT_BOUND, "an empty user makes a control connection");
	ask(fd, INIT_SETUP, &s);
	ok(next_reply(fd, 5000) == INIT_READY, "setup is answered");
	ok(!strcmp(slurp(inside(&lab, "/etc/hostname")), "box\n"), "/etc/hostname is written");
	ok(!strcmp(slurp(inside(&lab, "/etc/resolv.conf")), "# sshbay\nnameserver 192.0.2.1\n"),
	   "/etc/resolv.conf is written and marked");
	ok(strlen(slurp(inside(&lab, "/etc/machine-id"))) == 33, "/etc/machine-id is made");
	ask(fd, INIT_SPAWN, spawn_request(1, INIT_EXEC, "true"));
	ok(next_reply(fd, 5000) == 0, "a control connection may not spawn");
	close(fd);
}

static void check_user(void)
{
	char passwd[4096];
	struct stat st;
	int fd = bind_as(&lab, "alice", 1);

	if (!ok(fd >= 0, "a new user is made"))
		printf("# %s\n", reply.failed.text);
	ok(reply.bound.uid == 1002, "its uid is the first that is neither a uid nor a gid (%u)",
	   reply.bound.uid);
	ok(!strcmp(reply.bound.home, "/home/alice") && !strcmp(reply.bound.shell, "/bin/bash"),
	   "home and shell");
	str_copy(passwd, sizeof(passwd), slurp(inside(&lab, "/etc/passwd")));
	ok(strstr(passwd, ":/bin/false\nalice:x:1002:1002:,,,:/home/alice:/bin/bash\n") != NULL,
	   "passwd has one line more");
	ok(strstr(slurp(inside(&lab, "/etc/group")), "sudo:x:27:alice\n") != NULL &&
		   strstr(slurp(inside(&lab, "/etc/group")), "alice:x:1002:\n") != NULL,
	   "group has the user's and sudo's member");
	ok(strstr(slurp(inside(&lab, "/etc/shadow")), "\nalice:*:") != NULL,
	   "shadow has a locked password");
	ok(strstr(slurp(inside(&lab, "/etc/gshadow")), "sudo:*::alice\nalice:!::\n") != NULL,
	   "gshadow too");
	ok(stat(inside(&lab, "/etc/shadow"), &st) == 0 && (st.st_mode & 07777) == 0640 &&
		   st.st_gid == 1000042,
	   "shadow keeps mode and group");
	ok(stat(inside(&lab, "/etc/sudoers.d/sshbay-alice"), &st) == 0 &&
		   (st.st_mode & 07777) == 0440,
	   "sudo rule with mode 0440");
	ok(stat(inside(&lab, "/home/alice"), &st) == 0 && (st.st_mode & 07777) == 0755 &&
		   st.st_uid == 1001002 &&
		   stat(inside(&lab, "/home/alice/.config/deep"), &st) == 0 &&
		   (st.st_mode & 07777) == 0640 &&
		   lstat(inside(&lab, "/home/alice/link"), &st) == 0 && S_ISLNK(st.st_mode) &&
		   st.st_uid == 1001002,
	   "home is a copy of skel owned by the user");
	ok(lstat(inside(&lab, "/home/alice/fifo"), &st) < 0,
	   "what is no file, directory or link is left out");
	close(fd);
	fd = bind_as(&lab, "alice", 1);
	ok(fd >= 0 && !strcmp(passwd, slurp(inside(&lab, "/etc/passwd"))),
	   "binding again changes nothing");
	close(fd);
	fd = bind_as(&lab, "alice", 0);
	ok(fd >= 0 && access(inside(&lab, "/etc/sudoers.d/sshbay-alice"), F_OK) < 0 &&
		   strstr(slurp(inside(&lab, "/etc/group")), "sudo:x:27:\n") != NULL,
	   "sudo rights are taken back");
	close(fd);
	ok(bind_as(&lab, "root", 1) >= 0 && reply.bound.uid == 0, "root is taken as it is");
}

/* A user that was bound before is answered from memory, and looked up by the helper of each request. */
static void check_user_again(void)
{
	char passwd[4096];
	int fd, later;

	str_copy(passwd, sizeof(passwd), slurp(inside(&lab, "/etc/passwd")));
	close(bind_as(&lab, "alice", 1));
	fd = bind_as(&lab, "alice", 1);
	plant_file(&lab, "/etc/passwd",
		   "root:x:0:0:root:/root:/bin/bash\n"
		   "alice:x:1777:1002::/home:/bin/sh\n");
	ok(!strcmp(run(fd, "id -u; pwd; echo $0")->out, "1777\n/home\nsh\n"),
	   "a user that changed since it was bound is what it is now");
	plant_file(&lab, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
	ok(!strcmp(run(fd, "id -un")->out, "alice\n") &&
		   strstr(slurp(inside(&lab, "/etc/passwd")), "\nalice:x:") != NULL,
	   "one that vanished is made again");
	plant_file(&lab, "/etc/passwd", "alice:broken\n");
	ask(fd, INIT_SPAWN, spawn_request(1, INIT_EXEC, "true"));
	ok(next_reply(fd, 5000) == INIT_FAILED && strstr(reply.failed.text, "malformed"),
	   "and a failure of that is told: %s", reply.failed.text);
	plant_file(&lab, "/etc/passwd", passwd);
	later = bind_as(&lab, "alice", 0);
	ok(run(fd, "true")->status == 0 &&
		   access(inside(&lab, "/etc/sudoers.d/sshbay-alice"), F_OK) < 0,
	   "an older connection does not bring sudo rights back");
	close(fd);
	close(later);
}

static void check_exec(int fd)
{
	struct result *r;

	ok(run(fd, "exit 0")->status == 0 && run(fd, "exit 42")->status == 42,
	   "exit status 0 and 42");
	ok(run(fd, "/etc/passwd")->status == 126 && run(fd, "no-such-command")->status == 127,
	   "126 and 127");
	r = run(fd, "kill -9 $$");
	ok(r->signal == 9, "killed by signal 9");
	r = run(fd, "echo out; echo err >&2; id -un; pwd; umask; echo $0");
	ok(!strcmp(r->out, "out\nalice\n/home/alice\n0022\nbash\n") && !strcmp(r->err, "err\n"),
	   "stdout and stderr apart, as the user, at home");
	r = run_spawn(fd, spawn_request(7, INIT_EXEC, "cat; echo end"), "some\0input");
	ok(!strcmp(r->out, "someend\n"), "end of input is seen");
	ok(!strcmp(run(fd, "echo x > /proc/self/fd/1")->out, "x\n"),
	   "the user may reopen its own output");
	r = run(fd, "trap '' TERM; cat /proc/self/status | grep -E 'Sig(Blk|Ign)'; cat "
		    "/proc/self/oom_score_adj; ulimit -n");
	ok(strstr(r->out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000004000\n") != NULL,
	   "no blocked or ignored signals");
	if (!strstr(r->out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000004000\n"))
		printf("# it said: %s / %s\n", r->out, r->err);
	r = run(fd, "ps -o pid=,pgid=,sid= -p $$");
	ok(1, "ps says %s", strtok(r->out, "\n") ? r->out : "");
}

static void check_env(int fd)
{
	struct init_spawn *s = spawn_request(7, INIT_EXEC, "env | sort");
	struct result *r;

	add_env(s, "LANG=C.UTF-8");
	add_env(s, "LD_PRELOAD=/tmp/evil.so");
	add_env(s, "HOME=/tmp");
	add_env(s, "1BAD=x");
	add_env(s, "NOVALUE");
	add_env(s, "EMPTY=");
	r = run_spawn(fd, s, NULL);
	ok(strstr(r->out, "\nLANG=C.UTF-8\n") && strstr(r->out, "EMPTY=\n") &&
		   strstr(r->out, "\nFROMFILE=a b\n"),
	   "environment of the asker and of /etc/environment");
	ok(!strstr(r->out, "LD_") && !strstr(r->out, "BAD") && !strstr(r->out, "NOVALUE"),
	   "bad names are dropped");
	ok(strstr(r->out, "\nHOME=/home/alice\n") && strstr(r->out, "\nUSER=alice\n") &&
		   strstr(r->out, "\nLOGNAME=alice\n") && strstr(r->out, "\nSHELL=/bin/bash\n") &&
		   strstr(r->out, "\nMAIL=/var/mail/alice\n") &&
		   strstr(r->out, "\nPATH=/usr/local/bin:") && !strstr(r->out, "SSH_TTY"),
	   "identity cannot be overridden");
	if (tap_failed)
		printf("# %s", r->out);
}

/* Large data both ways at once, and 50 spawns at once. */
static void check_bulk(int fd)
{
	enum { COUNT = 50 };
	int in[COUNT], out[COUNT], er[COUNT], good = 0, statuses = 0;
	char command[64], line[64];

	for (int i = 0; i < COUNT; i++) {
		snprintf(command, sizeof(command), "read x; echo $x %d; exit %d", i, i);
		ask(fd, INIT_SPAWN, spawn_request((uint32_t)i, INIT_EXEC, command));
	}
	for (int i = 0; i < COUNT; i++) {
		uint32_t id;

		if (next_reply(fd, 10000) != INIT_SPAWNED || (id = reply.spawned.id) >= COUNT)
			break;
		in[id] = fd_take(&reply_msg.fds[0]);
		out[id] = fd_take(&reply_msg.fds[1]);
		er[id] = fd_take(&reply_msg.fds[2]);
		good++;
	}
	ok(good == COUNT, "50 spawns at once");
	for (int i = 0; i < good; i++) {
		(void)!write(in[i], "go\n", 3);
		read_all(out[i], line, sizeof(line));
		snprintf(command, sizeof(command), "go %d\n", i);
		statuses += !strcmp(line, command);
		close(in[i]);
		close(out[i]);
		close(er[i]);
	}
	ok(statuses == COUNT, "each with its own pipes");
	statuses = 0;
	for (int i = 0; i < COUNT; i++)
		statuses += next_reply(fd, 10000) == INIT_EXITED &&
			    reply.exited.status == reply.exited.id;
	ok(statuses == COUNT, "each with its own exit status");
}

/* Read from a terminal until `want` shows up. */
static int expect(int master, const char *want)
{
	static char buf[65536];
	size_t n = 0;

	for (int i = 0; i < 500 && n < sizeof(buf) - 1; i++) {
		struct pollfd p = { .fd = master, .events = POLLIN };
		ssize_t r = poll(&p, 1, 10) > 0 ? read(master, buf + n, sizeof(buf) - 1 - n) : 0;

		n += r > 0 ? (size_t)r : 0;
		buf[n] = '\0';
		if (strstr(buf, want))
			return 1;
	}
	printf("# wanted %s, got %s\n", want, buf);
	return 0;
}

static int open_shell(int fd, uint32_t id)
{
	static const uint8_t modes[] = { 53, 0, 0, 0, 0, 3, 0, 0, 0, 8, 129, 0, 0, 0x96, 0, 0 };
	struct init_spawn *s = spawn_request(id, INIT_SHELL, "");

	s->flags = INIT_PTY;
	str_copy(s->term, sizeof(s->term), "xterm-test");
	s->cols = 93;
	s->rows = 41;
	s->modes.len = sizeof(modes);
	memcpy(s->modes.data, modes, sizeof(modes));
	add_env(s, "SSH_CONNECTION=192.0.2.7 1 192.0.2.8 22");
	ask(fd, INIT_SPAWN, s);
	if (next_reply(fd, 10000) != INIT_SPAWNED)
		return -1;
	return fd_take(&reply_msg.fds[0]);
}

static void type(int master, const char *text)
{
	(void)!write(master, text, strlen(text));
}

static void check_pty(int fd)
{
	int master = open_shell(fd, 9);
	struct winsize ws = { 50, 100, 0, 0 };
	uint32_t pid = reply.spawned.pid;
	char want[64];
	struct stat st;

	if (!ok(master >= 0, "a shell on a terminal"))
		return;
	type(master, "echo $0 $TERM $SSH_TTY $(stty size)\n");
	ok(expect(master, "-bash xterm-test /dev/pts/0 41 93"), "login shell, TERM, SSH_TTY, size");
	usleep(50000);
	ok(!strcmp(fds_of(find_inside(&lab, pid, NULL)), "0 1 2 255 "),
	   "only 0, 1, 2 and bash's own 255 are open");
	type(master, "stty -a | tr '\\n' ' '; echo; who; ps -o pgid=,tpgid=,sid= $$\n");
	ok(expect(master, "alice    pts/0"), "who shows the login");
	snprintf(want, sizeof(want), "%u", pid);
	ok(stat(inside(&lab, "/dev/pts/0"), &st) == 0 && st.st_uid == 1001002 &&
		   st.st_gid == 1000005 && (st.st_mode & 07777) == 0620,
	   "the terminal is the user's, group tty, 0620");
	ioctl(master, TIOCSWINSZ, &ws);
	type(master,
	     "stty size; stty -a | grep -oE -- '-echo|erase = ..|iutf8' | tr '\\n' ,; echo\n");
	ok(expect(master, "50 100"), "window change arrives");
	ok(expect(master, "erase = ^H"), "modes of the client: erase");
	type(master, "stty -a | grep -oE 'iutf8'; tty; exit 7\n");
	ok(expect(master, "iutf8\r\n/dev/pts/0"), "IUTF8 by default");
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.status == 7,
	   "exit status of the shell");
	close(master);
	for (int i = 0; i < 100 && strstr(run(fd, "who")->out, "alice"); i++)
		usleep(10000);
	ok(!strstr(run(fd, "who")->out, "alice"), "who shows it no more");
	for (int i = 0; i < 100 && slurp(inside(&lab, "/run/utmp"))[0] != DEAD_PROCESS; i++)
		usleep(10000);
	ok(slurp(inside(&lab, "/run/utmp"))[0] == DEAD_PROCESS, "the login record is ended");
	ok(stat(inside(&lab, "/var/log/wtmp"), &st) == 0 &&
		   st.st_size == 2 * (off_t)sizeof(struct utmp),
	   "wtmp has login and logout");
	master = open_shell(fd, 10);
	ok(master >= 0 && expect(master, "$"), "a second shell");
	close(master);
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.signal == SIGHUP,
	   "closing the master hangs up");
}

static void check_signals(int fd)
{
	struct init_signal sg = { .id = 3, .signal = SIGTERM };
	int zombies = 0;

	ask(fd, INIT_SPAWN, spawn_request(3, INIT_EXEC, "sleep 60 | sleep 61; :"));
	ok(next_reply(fd, 5000) == INIT_SPAWNED, "a pipeline");
	usleep(100000);
	ok(!strcmp(fds_of(find_inside(&lab, reply.spawned.pid, NULL)), "0 1 2 "),
	   "a command has only 0, 1, 2");
	ask(fd, INIT_SIGNAL, &sg);
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.signal == SIGTERM,
	   "a signal reaches the process group");
	for (int i = 0; i < 20; i++)
		run(fd, "(sleep 0.1 &) ; (setsid sh -c 'exit 3' &); exit 0");
	usleep(400000);
	find_inside(&lab, 0, &zombies);
	ok(zombies == 0, "orphans are reaped (%d zombies)", zombies);
}

static void check_shells(void)
{
	int fd = bind_as(&lab, "zed", 0);

	ask(fd, INIT_SPAWN, spawn_request(1, INIT_EXEC, "true"));
	ok(next_reply(fd, 5000) == INIT_FAILED && reply.failed.code == ENOENT &&
		   !strcmp(reply.failed.text, "run shell '/bin/missing-shell' for 'zed': No such "
					      "file or directory (edit /etc/passwd)"),
	   "a missing shell is explained: %s", reply.failed.text);
	ok(next_reply(fd, 200) == -1, "and no exit follows");
	close(fd);
	fd = bind_as(&lab, "daemon", 0);
	ok(strstr(run_spawn(fd, spawn_request(1, INIT_SHELL, ""), NULL)->out, "not available") !=
		   NULL,
	   "nologin runs and says so");
	close(fd);
	fd = bind_as(&lab, "false", 0);
	ok(run(fd, "true")->status == 1, "a user without a home can run its shell");
	close(fd);
}

static void check_sftp(int fd)
{
	struct result *r;
	int in, out;
	char version[9];

	ask(fd, INIT_SPAWN, spawn_request(4, INIT_SUBSYSTEM, "sftp"));
	ok(next_reply(fd, 5000) == INIT_SPAWNED, "subsystem sftp");
	in = fd_take(&reply_msg.fds[0]);
	out = fd_take(&reply_msg.fds[1]);
	(void)!write(in, "\0\0\0\5\1\0\0\0\3", 9);
	ok(fd_read_all(out, version, 9) == 0 && version[4] == 2 && version[8] == 3,
	   "it speaks sftp 3");
	close(in);
	close(out);
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.status == 0, "and ends");
	r = run_spawn(fd, spawn_request(4, INIT_SUBSYSTEM, "other"), NULL);
	ok(r->type == INIT_FAILED && strstr(reply.failed.text, "'other'"),
	   "another subsystem is refused by name");
}

static int ask_address(int fd, uint32_t type_, uint32_t kind, const char *host, uint32_t port)
{
	static uint32_t id = 77; /* what is listened on keeps its id */
	struct init_address a = { .id = id++, .kind = kind, .port = port };

	str_copy(a.host, sizeof(a.host), host);
	ask(fd, type_, &a);
	return next_reply(fd, 40000);
}

static void check_forwards(int fd)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "inside-name", "::1",
					     "[::1]" };
	int listener, a, b;
	uint32_t port;

	ok(ask_address(fd, INIT_LISTEN, INIT_TCP, "", 0) == INIT_LISTENING && reply.opened.port > 0,
	   "listen on any port");
	listener = fd_take(&reply_msg.fds[0]);
	port = reply.opened.port;
	for (size_t i = 0; i < 5; i++) {
		char c = 0;
		int r = ask_address(fd, INIT_DIAL, INIT_TCP, hosts[i], port);

		a = r == INIT_DIALED ? fd_take(&reply_msg.fds[0]) : -1;
		b = a >= 0 ? accept(listener, NULL, NULL) : -1;
		(void)!write(b, "x", 1);
		ok(r == INIT_DIALED && read(a, &c, 1) == 1 && c == 'x', "dial '%s'%s%s", hosts[i],
		   r == INIT_FAILED ? ": " : "", r == INIT_FAILED ? reply.failed.text : "");
		close(a);
		close(b);
	}
	ok(ask_address(fd, INIT_LISTEN, INIT_TCP, "127.0.0.1", port) == INIT_FAILED &&
		   reply.failed.code == EADDRINUSE,
	   "a port in use is an error: %s", reply.failed.text);
	close(listener);
	ok(ask_address(fd, INIT_DIAL, INIT_TCP, "127.0.0.1", port) == INIT_FAILED &&
		   reply.failed.code == ECONNREFUSED,
	   "connection refused: %s", reply.failed.text);
	ok(ask_address(fd, INIT_DIAL, INIT_TCP, "no-such-name.invalid", port) == INIT_FAILED &&
		   reply.failed.code == ENOENT,
	   "no such name: %s", reply.failed.text);
	ok(ask_address(fd, INIT_DIAL, INIT_TCP, "-x;$(id)", port) == INIT_FAILED &&
		   reply.failed.code == EINVAL,
	   "not a name: %s", reply.failed.text);
	ok(ask_address(fd, INIT_LISTEN, INIT_TCP, "127.0.0.1", 80) == INIT_FAILED &&
		   reply.failed.code == EACCES,
	   "low ports are root's: %s", reply.failed.text);
	ok(ask_address(fd, INIT_LISTEN, INIT_UNIX, "/tmp/s", 0) == INIT_LISTENING,
	   "listen on a unix path");
	listener = fd_take(&reply_msg.fds[0]);
	ok(ask_address(fd, INIT_DIAL, INIT_UNIX, "/tmp/s", 0) == INIT_DIALED, "dial a unix path");
	ok(ask_address(fd, INIT_LISTEN, INIT_UNIX, "/tmp/s", 0) == INIT_FAILED &&
		   reply.failed.code == EADDRINUSE,
	   "an existing path is not removed");
	ok(ask_address(fd, INIT_LISTEN, INIT_UNIX, "/root-only", 0) == INIT_FAILED &&
		   reply.failed.code == EACCES,
	   "as the user: %s", reply.failed.text);
	close(listener);
}

/* Whose identity a dial has: a socket that only root may connect to. */
static void check_dial_user(int fd)
{
	int root = bind_as(&lab, "root", 0), listener;

	ok(ask_address(root, INIT_LISTEN, INIT_UNIX, "/tmp/roots", 0) == INIT_LISTENING,
	   "root listens");
	listener = fd_take(&reply_msg.fds[0]);
	ok(ask_address(fd, INIT_DIAL, INIT_UNIX, "/tmp/roots", 0) == INIT_FAILED &&
		   reply.failed.code == EACCES,
	   "a dial has the rights of its user: %s", reply.failed.text);
	ok(run(fd, "id -Gn")->status == 0 &&
		   !strcmp(run(fd, "id -u; id -G; grep -E '^Cap(Eff|Prm)' /proc/self/status")->out,
			   "1002\n1002\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"),
	   "ids, groups and no capabilities");
	close(root);
	root = bind_as(&lab, "alice", 1);
	ok(!strcmp(run(root, "id -G")->out, "1002 27\n"),
	   "supplementary groups of a new connection");
	close(listener);
	close(root);
}

static void check_disconnect(void)
{
	int fd = bind_as(&lab, "alice", 0), still;
	uint32_t pid;

	ask(fd, INIT_SPAWN, spawn_request(1, INIT_EXEC, "exec sleep 300 >/dev/null 2>&1"));
	ok(next_reply(fd, 5000) == INIT_SPAWNED, "a command that stays");
	pid = reply.spawned.pid;
	close(fd);
	usleep(100000);
	still = find_inside(&lab, pid, NULL) > 0;
	ok(still, "it outlives the connection");
}

/* Ends everything: shells and a process that ignores SIGTERM. */
static void check_power(void)
{
	struct init_power p = { .kind = INIT_STOP, .timeout_s = 1 };
	struct init_bind control = { 0 };
	int fd = bind_as(&lab, "alice", 0), c = dial_init(&lab), status;
	uint64_t start;

	ok(open_shell(fd, 1) >= 0, "a shell");
	ask(fd, INIT_SPAWN,
	    spawn_request(2, INIT_EXEC, "trap '' TERM HUP; while :; do sleep 1; done"));
	ok(next_reply(fd, 5000) == INIT_SPAWNED, "a stubborn command");
	usleep(100000);
	ask(c, INIT_BIND, &control);
	next_reply(c, 5000);
	start = clk_now_us();
	ask(c, INIT_POWER, &p);
	close(c);
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.id == 1 &&
		   reply.exited.signal == SIGHUP,
	   "the login shell hangs up");
	ok(next_reply(fd, 5000) == INIT_EXITED && reply.exited.id == 2 &&
		   reply.exited.signal == SIGKILL,
	   "the stubborn one is killed");
	ok(waitpid(lab.outer, &status, 0) == lab.outer && WIFEXITED(status) &&
		   WEXITSTATUS(status) == 0 && clk_now_us() - start > 900000 &&
		   clk_now_us() - start < 3000000,
	   "ws-init exits with 0 after the timeout");
}

int main(void)
{
	int fd;

	if (geteuid() != 0) {
		printf("ok 1 - ws-init # SKIP needs root\n1..1\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	lab_start(&lab, "mode=755,size=64m");
	check_setup();
	check_user();
	check_user_again();
	fd = bind_as(&lab, "alice", 0);
	check_exec(fd);
	check_env(fd);
	check_bulk(fd);
	check_pty(fd);
	check_signals(fd);
	check_shells();
	check_sftp(fd);
	check_forwards(fd);
	check_dial_user(fd);
	check_disconnect();
	check_power();
	lab_clean(&lab);
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}
