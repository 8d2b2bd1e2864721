/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real ws-init: agents and displays that it lends to logins, what is left of them afterwards (nothing), hostile /tmp,
 * full disks, and what runs before a login's program.  Root; TAP.
 */
#include "init_lab.h"

#include <netinet/in.h>
#include <sys/un.h>

#define COOKIE "00112233445566778899aabbccddeeff"
#define MIT    "MIT-MAGIC-COOKIE-1 " COOKIE

static struct lab lab;
static uint32_t next_id = 100;

/* The descriptor that came, or -1; the answer is in `reply`. */
static int serve(int fd, uint32_t kind, const char *host)
{
	struct init_address a = { .id = ++next_id, .kind = kind };

	str_copy(a.host, sizeof(a.host), host);
	ask(fd, INIT_LISTEN, &a);
	return next_reply(fd, 20000) == INIT_LISTENING ? fd_take(&reply_msg.fds[0]) : -1;
}

static void release(int fd, uint32_t id)
{
	struct init_release r = { .id = id };

	ask(fd, INIT_RELEASE, &r);
}

/* Entries of /tmp inside that begin with ssh-. */
static int count_left(void)
{
	DIR *d = opendir(inside(&lab, "/tmp"));
	struct dirent *e;
	int n = 0;

	need(d != NULL, "open /tmp inside");
	while ((e = readdir(d)))
		n += strncmp(e->d_name, "ssh-", 4) == 0;
	closedir(d);
	return n;
}

static int left(int want)
{
	int n = -1;

	for (int i = 0; i < 300 && (n = count_left()) != want; i++)
		usleep(10000);
	return n == want;
}

static int dial(int fd, const char *path)
{
	struct init_address a = { .id = ++next_id, .kind = INIT_UNIX };

	str_copy(a.host, sizeof(a.host), path);
	ask(fd, INIT_DIAL, &a);
	return next_reply(fd, 20000) == INIT_DIALED ? fd_take(&reply_msg.fds[0]) : -1;
}

static void check_agent(void)
{
	int fd = bind_as(&lab, "alice", 0), bob = bind_as(&lab, "bob", 0), other, s, t, c;
	char path[256], dir[256];
	struct stat st;

	s = serve(fd, INIT_AGENT, "");
	str_copy(path, sizeof(path), reply.opened.path);
	str_copy(dir, sizeof(dir), path);
	ok(s >= 0 && strncmp(path, "/tmp/ssh-", 9) == 0 && strlen(path) > 26 &&
		   strncmp(path + 19, "/agent.", 7) == 0,
	   "an agent's socket: %s", path);
	*strrchr(dir, '/') = '\0';
	ok(lstat(inside(&lab, dir), &st) == 0 && st.st_mode == (S_IFDIR | 0700) &&
		   st.st_uid == 1001002,
	   "its directory is the user's alone");
	ok(lstat(inside(&lab, path), &st) == 0 && st.st_mode == (S_IFSOCK | 0600) &&
		   st.st_uid == 1001002,
	   "so is the socket");
	c = dial(fd, path);
	ok(c >= 0 && accept(s, NULL, NULL) >= 0, "the user connects");
	close(c);
	ok(dial(bob, path) < 0 && reply.failed.code == EACCES, "another user does not: %s",
	   reply.failed.text);
	t = serve(fd, INIT_AGENT, "");
	ok(t < 0 && reply.failed.code == EBUSY, "a second one on a connection is refused: %s",
	   reply.failed.text);
	other = bind_as(&lab, "alice", 0);
	t = serve(other, INIT_AGENT, "");
	ok(t >= 0 && strcmp(path, reply.opened.path) != 0 && left(2),
	   "another connection has its own");
	close(other);
	ok(left(1) && lstat(inside(&lab, path), &st) == 0,
	   "which goes with its connection, and no other");
	close(t);
	release(fd, 9999);
	release(fd, next_id - 4);
	ok(run(fd, "true")->type == INIT_SPAWNED, "ids that are unknown are ignored");
	close(fd);
	ok(left(0), "nothing is left after the connection");
	close(s);
	close(bob);
}

static void check_release(void)
{
	int fd = bind_as(&lab, "alice", 0), s, all = 1;

	for (int i = 0; i < 20; i++) {
		s = serve(fd, i % 2 ? INIT_AGENT : INIT_X11, MIT);
		all &= s >= 0;
		release(fd, next_id);
		close(s);
	}
	ok(all && left(0), "what is given back makes room, twenty times");
	close(fd);
	/* The connection is gone before the helper is done: 100 chances to leave something. */
	for (int i = 0; i < 100; i++) {
		struct init_address a = { .id = 1, .kind = i % 2 ? INIT_AGENT : INIT_X11 };

		fd = bind_as(&lab, "alice", 0);
		str_copy(a.host, sizeof(a.host), MIT);
		ask(fd, INIT_LISTEN, &a);
		usleep((useconds_t)i * 20);
		close(fd);
	}
	usleep(300000);
	ok(left(0), "nothing is left by connections that end at once");
}

static void check_display(void)
{
	int fd = bind_as(&lab, "alice", 0), s[5], n[5], taken, c;
	struct init_address port = { .id = 5, .kind = INIT_TCP, .port = 6010 };
	char path[256];
	struct stat st;

	/* Until the helpers of the connections before are all gone. */
	for (int i = 0, at = 0; i < 100 && at != 10; i++) {
		c = serve(fd, INIT_X11, MIT);
		at = (int)reply.opened.port;
		release(fd, next_id);
		close(c);
		usleep(10000);
	}
	str_copy(port.host, sizeof(port.host), "127.0.0.1");
	ask(fd, INIT_LISTEN, &port);
	taken = next_reply(fd, 5000) == INIT_LISTENING ? fd_take(&reply_msg.fds[0]) : -1;
	port.port = 6011;
	str_copy(port.host, sizeof(port.host), "::1");
	ask(fd, INIT_LISTEN, &port);
	c = next_reply(fd, 5000) == INIT_LISTENING ? fd_take(&reply_msg.fds[0]) : -1;
	s[0] = serve(fd, INIT_X11, MIT);
	n[0] = (int)reply.opened.port;
	str_copy(path, sizeof(path), reply.opened.path);
	ok(taken >= 0 && c >= 0 && s[0] >= 0 && n[0] == 12,
	   "displays whose port is taken, on ::1 too, are passed over (%d)", n[0]);
	close(taken);
	close(c);
	ok(lstat(inside(&lab, path), &st) == 0 && st.st_mode == (S_IFREG | 0600) &&
		   st.st_uid == 1001002 && st.st_size > 92 && st.st_size <= 92 + 64,
	   "the authority file is the user's alone (%s)", path);
	for (int i = 1; i < 5; i++) {
		s[i] = serve(fd, INIT_X11, MIT);
		n[i] = s[i] < 0 ? -1 : (int)reply.opened.port;
	}
	ok(n[1] == 10 && n[2] == 11 && n[3] == 13, "the next are the lowest free ones");
	ok(s[4] < 0 && reply.failed.code == EBUSY, "a fifth on a connection is refused: %s",
	   reply.failed.text);
	ok(serve(fd, INIT_AGENT, "") >= 0 && left(5), "an agent is not counted with them");
	close(fd);
	ok(left(0), "all files go with the connection");
	for (int i = 0; i < 4; i++)
		close(s[i]);
}

static void check_cookies(void)
{
	static const char *const bad[] = { "",        "MIT-MAGIC-COOKIE-1", "MIT-MAGIC-COOKIE-1 0g",
					   "A\nB 00", "../x 00\n",          " 00" };
	int fd = bind_as(&lab, "alice", 0), all = 1;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		all &= serve(fd, INIT_X11, bad[i]) < 0 && reply.failed.code == EINVAL;
	ok(all && left(0), "bad cookies are refused: %s", reply.failed.text);
	close(fd);
}

/* Whoever may rename in /tmp: the login's user, and with a /tmp that is not sticky everybody. */
static void check_swapped(void)
{
	int fd = bind_as(&lab, "alice", 0), bob = bind_as(&lab, "bob", 0), root, s;
	char path[256], dir[256], command[1024];
	const char *name;

	s = serve(fd, INIT_AGENT, "");
	str_copy(path, sizeof(path), reply.opened.path);
	str_copy(dir, sizeof(dir), path);
	name = path + 20;
	dir[19] = '\0';
	snprintf(command, sizeof(command),
		 "mkdir -m 700 ~/keep && echo x >~/keep/%s && mv %s ~/old && ln -s ~/keep %s", name,
		 dir, dir);
	ok(s >= 0 && run(fd, command)->status == 0, "a link in the place of the directory");
	release(fd, next_id);
	usleep(200000);
	snprintf(command, sizeof(command), "cat ~/keep/%s && rm -r ~/keep ~/old %s", name, dir);
	ok(!strcmp(run(fd, command)->out, "x\n"), "is not followed");
	close(s);
	s = serve(fd, INIT_AGENT, "");
	str_copy(path, sizeof(path), reply.opened.path);
	str_copy(dir, sizeof(dir), path);
	dir[19] = '\0';
	name = path + 20;
	snprintf(command, sizeof(command), "mv %s ~/old", dir);
	ok(s >= 0 && run(fd, command)->status == 0, "the directory goes away");
	snprintf(command, sizeof(command), "mkdir -m 700 %s && echo y >%s", dir, path);
	ok(run(bob, command)->status == 0, "another user makes one of that name");
	release(fd, next_id);
	usleep(200000);
	snprintf(command, sizeof(command), "cat %s && rm -r %s", path, dir);
	ok(!strcmp(run(bob, command)->out, "y\n"), "which stays");
	run(fd, "rm -r ~/old");
	close(s);
	close(bob);
	root = bind_as(&lab, "root", 0);
	run(root, "chmod 755 /tmp");
	ok(serve(fd, INIT_AGENT, "") < 0 && reply.failed.code == EACCES, "no room in /tmp: %s",
	   reply.failed.text);
	run(root, "mv /tmp /old; touch /tmp");
	ok(serve(fd, INIT_X11, MIT) < 0 && reply.failed.code == ENOTDIR, "no /tmp: %s",
	   reply.failed.text);
	run(root, "rm /tmp; mkfifo /tmp");
	ok(serve(fd, INIT_AGENT, "") < 0 && reply.failed.code == ENOTDIR,
	   "a fifo does not hold up");
	run(root, "rm /tmp; mv /old /tmp; chmod 1777 /tmp");
	ok(serve(fd, INIT_AGENT, "") >= 0, "and with a good one it works again");
	close(fd);
	ok(left(0), "nothing is left");
	close(root);
}

/* No inode left, then one: the directory can be made, what belongs into it cannot. */
static void check_full(void)
{
	int fd = bind_as(&lab, "alice", 0), root = bind_as(&lab, "root", 0);
	static const uint32_t kinds[] = { INIT_AGENT, INIT_X11 };

	run(root, "mkdir /fill; i=0; while : >/fill/$i; do i=$((i+1)); done 2>/dev/null");
	for (int free = 0; free < 2; free++) {
		for (size_t k = 0; k < 2; k++)
			ok(serve(fd, kinds[k], MIT) < 0 && reply.failed.code == ENOSPC && left(0),
			   "%d inodes left: %s", free, reply.failed.text);
		run(root, "rm /fill/0");
	}
	run(root, "rm -r /fill");
	ok(serve(fd, INIT_AGENT, "") >= 0, "space again");
	close(fd);
	close(root);
	ok(left(0), "and nothing is left");
}

static struct result *run_with(int fd, uint32_t kind, uint32_t flags, const char *x11)
{
	struct init_spawn *s = spawn_request(7, kind, kind == INIT_SUBSYSTEM ? "sftp" : "echo ran");

	s->flags = flags;
	str_copy(s->x11, sizeof(s->x11), x11);
	return run_spawn(fd, s, NULL);
}

static void check_rc(void)
{
	int fd = bind_as(&lab, "alice", 0), root = bind_as(&lab, "root", 0);

	run(fd, "mkdir -p ~/.ssh; echo 'echo rc $USER $SHELL; cat; exit 3' >~/.ssh/rc");
	ok(!strcmp(run_with(fd, INIT_EXEC, INIT_RC, "")->out, "rc alice /bin/bash\nran\n"),
	   "~/.ssh/rc runs before a command");
	ok(!strcmp(run_with(fd, INIT_EXEC, INIT_RC, MIT)->out,
		   "rc alice /bin/bash\n" MIT "\nran\n"),
	   "and reads the protocol and cookie of a display");
	ok(!strcmp(run_with(fd, INIT_EXEC, 0, "")->out, "ran\n"), "not where it may not");
	ok(!strstr(run_with(fd, INIT_SUBSYSTEM, INIT_RC, "")->out, "rc"), "nor before sftp");
	run(root, "mkdir -p /etc/ssh; echo 'echo system' >/etc/ssh/sshrc");
	ok(!strcmp(run_with(fd, INIT_EXEC, INIT_RC, "")->out, "rc alice /bin/bash\nran\n"),
	   "the system's is not run as well");
	run(fd, "rm ~/.ssh/rc");
	ok(!strcmp(run_with(fd, INIT_EXEC, 0, "")->out, "system\nran\n"), "but in its place");
	run(root, "rm /etc/ssh/sshrc");
	run(fd, "echo 'kill -9 $$' >~/.ssh/rc");
	ok(!strcmp(run_with(fd, INIT_EXEC, INIT_RC, MIT)->out, "ran\n"),
	   "one that dies does no harm, nor one that reads nothing");
	run(fd, "rm ~/.ssh/rc; mkdir ~/.ssh/rc");
	ok(strstr(run_with(fd, INIT_EXEC, INIT_RC, MIT)->out, "ran\n") != NULL,
	   "one that is a directory neither");
	run(fd, "rmdir ~/.ssh/rc");
	close(fd);
	close(root);
}

static int hush_of(int fd)
{
	struct init_spawn *s = spawn_request(8, INIT_SHELL, "");
	int hush;

	s->flags = INIT_PTY;
	ask(fd, INIT_SPAWN, s);
	if (next_reply(fd, 5000) != INIT_SPAWNED)
		return -1;
	hush = (int)reply.spawned.hush;
	close(fd_take(&reply_msg.fds[0]));
	next_reply(fd, 5000);
	return hush;
}

static void check_hush(void)
{
	int fd = bind_as(&lab, "alice", 0);

	ok(hush_of(fd) == 0, "a shell may be greeted");
	run(fd, "touch ~/.hushlogin");
	ok(hush_of(fd) == 1, "but for ~/.hushlogin");
	run(fd, "rm ~/.hushlogin");
	close(fd);
}

/* What a workspace that was killed has left. */
static void check_sweep(void)
{
	struct init_setup s = { .hostname = "box" };
	struct init_bind control = { 0 };
	int root = bind_as(&lab, "root", 0), fd = bind_as(&lab, "alice", 0), c, sock;

	sock = serve(fd, INIT_AGENT, "");
	run(root,
	    "for d in A B C; do cp -a /tmp/ssh-* /x; mkdir -m 700 /tmp/ssh-${d}aaaaaaaaa; "
	    "mv /x/* /tmp/ssh-${d}aaaaaaaaa; rmdir /x; done; echo z >/tmp/ssh-Caaaaaaaaa/mine; "
	    "ln -s /tmp/ssh-Caaaaaaaaa /tmp/ssh-Daaaaaaaaa; mkdir /tmp/ssh-short; "
	    "echo k >/tmp/ssh-Caaaaaaaaa/Xauthority");
	close(sock);
	close(fd);
	ok(left(5), "files of an earlier life");
	c = dial_init(&lab);
	ask(c, INIT_BIND, &control);
	next_reply(c, 5000);
	ask(c, INIT_SETUP, &s);
	ok(next_reply(c, 5000) == INIT_READY && left(3), "go when the workspace starts");
	ok(!strcmp(run(root, "ls /tmp/ssh-Caaaaaaaaa; readlink /tmp/ssh-Daaaaaaaaa; ls -d "
			     "/tmp/ssh-short")
			   ->out,
		   "mine\n/tmp/ssh-Caaaaaaaaa\n/tmp/ssh-short\n"),
	   "what somebody else put there stays");
	run(root, "rm -r /tmp/ssh-*");
	close(root);
	close(c);
}

int main(void)
{
	if (geteuid() != 0) {
		printf("ok 1 - ws-init # SKIP needs root\n1..1\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	lab_start(&lab, "mode=755,size=16m,nr_inodes=4096");
	/* Both users are there, with the ids that the checks know. */
	close(bind_as(&lab, "alice", 0));
	close(bind_as(&lab, "bob", 0));
	check_agent();
	check_release();
	check_display();
	check_cookies();
	check_swapped();
	check_full();
	check_rc();
	check_hush();
	check_sweep();
	for (int i = 0; i < 200 && strlen(fds_of(lab.init)) > 12; i++)
		usleep(10000);
	ok(!strcmp(fds_of(lab.init), "0 1 2 3 4 5 "), "no descriptor is left (%s)",
	   fds_of(lab.init));
	lab_clean(&lab);
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}
