/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ws-init against hostile peers and a hostile root file system; its memory and its speed. Root; TAP. */
#include "init_lab.h"

#include <spawn.h>

static struct lab lab;

static int alive(void)
{
	int fd = bind_as(&lab, "alice", 0), good;

	good = fd >= 0 && run(fd, "exit 5")->status == 5;
	if (fd >= 0)
		close(fd);
	return good;
}

static void refused(const char *user, const char *reason)
{
	uint64_t start = clk_now_us();
	int fd = bind_as(&lab, user, 1);

	ok(fd < 0 && strstr(reply.failed.text, reason) && clk_now_us() - start < 2000000,
	   "refused: %s", reply.failed.text);
	if (fd >= 0)
		close(fd);
}

static void check_passwd(void)
{
	char saved[8192];
	int fd;

	str_copy(saved, sizeof(saved), slurp(inside(&lab, "/etc/passwd")));
	unlink(inside(&lab, "/etc/passwd"));
	plant_fifo(&lab, "/etc/passwd");
	refused("bob", "not a regular file");
	fd = bind_as(&lab, "root", 0);
	ok(fd >= 0 && run(fd, "rm /etc/passwd; ln -s /etc/shadow /etc/passwd")->status == 0,
	   "root gets in and can repair it");
	close(fd);
	refused("bob", "symbolic link");
	unlink(inside(&lab, "/etc/passwd"));
	plant_file(&lab, "/etc/passwd", "");
	fd = open(inside(&lab, "/etc/passwd"), O_WRONLY | O_CLOEXEC);
	need(fd >= 0 && ftruncate(fd, 1LL << 40) == 0, "a sparse file");
	close(fd);
	refused("bob", "larger than");
	plant_file(&lab, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbob:x:12");
	refused("bob", "malformed");
	plant_file(&lab, "/etc/passwd",
		   "root:x:0:0:root:/root:/bin/sh\nbob:x:4294967295:1::/:/bin/sh\n");
	refused("bob", "malformed");
	unlink(inside(&lab, "/etc/passwd"));
	fd = bind_as(&lab, "bob", 0);
	ok(fd >= 0 && strncmp(slurp(inside(&lab, "/etc/passwd")), "root:", 5) == 0,
	   "a missing file is made, with root");
	close(fd);
	plant_file(&lab, "/etc/passwd", saved);
	plant_move(&lab, "/etc/group", "/etc/group.saved");
	plant_fifo(&lab, "/etc/group");
	ok(alive(), "an existing user logs in without a usable /etc/group");
	refused("carol", "not a regular file");
	plant_move(&lab, "/etc/group.saved", "/etc/group");
}

static void check_lock(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(inside(&lab, "/etc/.pwd.lock"), O_WRONLY | O_CLOEXEC), other;
	uint64_t start = clk_now_us();

	need(fd >= 0 && fcntl(fd, F_SETLK, &fl) == 0, "lock");
	ok(alive(), "an existing user needs no lock");
	start = clk_now_us();
	other = bind_as(&lab, "dora", 0);
	ok(other < 0 && strstr(reply.failed.text, "held by another program") &&
		   clk_now_us() - start < 8000000,
	   "a held lock ends in time: %s", reply.failed.text);
	close(fd);
	other = bind_as(&lab, "dora", 0);
	ok(other >= 0, "and works once it is free");
	close(other);
}

/* A helper that never ends, as on a file system that hangs: stopped while it waits for the lock. */
static void check_hang(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int lock = open(inside(&lab, "/etc/.pwd.lock"), O_WRONLY | O_CLOEXEC), fd = dial_init(&lab),
	    r;
	struct init_bind b = { .user = "fred" };
	uint64_t start = clk_now_us();
	pid_t helper;

	need(lock >= 0 && fcntl(lock, F_SETLK, &fl) == 0, "lock");
	ask(fd, INIT_BIND, &b);
	usleep(200000);
	helper = child_of(lab.init);
	ok(helper > 0 && kill(helper, SIGSTOP) == 0, "a helper hangs");
	ok(!strcmp(fds_of(helper), "0 1 2 3 4 5 "),
	   "it holds its report, the root and the lock, no connection: %s", fds_of(helper));
	close(lock);
	ok(alive(), "others are served meanwhile");
	r = next_reply(fd, 20000);
	ok(r == INIT_FAILED && reply.failed.code == ETIMEDOUT && clk_now_us() - start < 12000000,
	   "it is given up: %s", r == INIT_FAILED ? reply.failed.text : "");
	usleep(100000);
	ok(!child_of(lab.init), "and killed");
	close(fd);
}

/* Traps where a spawn opens something. */
static void check_traps(void)
{
	int fd = bind_as(&lab, "alice", 0);
	struct init_spawn *s = spawn_request(1, INIT_SHELL, "");

	plant_move(&lab, "/etc/environment", "/etc/environment.saved");
	plant_fifo(&lab, "/etc/environment");
	unlink(inside(&lab, "/run/utmp"));
	plant_fifo(&lab, "/run/utmp");
	plant_move(&lab, "/var/log/wtmp", "/var/log/saved");
	plant_fifo(&lab, "/var/log/wtmp");
	s->flags = INIT_PTY;
	ask(fd, INIT_SPAWN, s);
	ok(next_reply(fd, 2000) == INIT_SPAWNED,
	   "FIFOs as /etc/environment, utmp and wtmp hold up nothing");
	close(fd);
	fd = bind_as(&lab, "root", 0);
	run(fd, "umount -l /dev/pts; mkfifo /dev/pts/ptmx /dev/ptmx; umount /dev/null; rm "
		"/dev/null; mkfifo /dev/null");
	s = spawn_request(1, INIT_SHELL, "");
	s->flags = INIT_PTY;
	ask(fd, INIT_SPAWN, s);
	ok(next_reply(fd, 2000) == INIT_FAILED && strstr(reply.failed.text, "ptmx"),
	   "a FIFO as ptmx: %s", reply.failed.text);
	ok(alive(), "a FIFO as /dev/null harms nobody");
	/* The library traps of an image: none of them is even looked at by ws-init. */
	run(fd, "echo /tmp/evil.so > /etc/ld.so.preload; echo 'passwd: evil' > /etc/nsswitch.conf");
	ok(alive() && !strstr(slurp(inside(&lab, "/proc/1/maps")), "evil"),
	   "ld.so.preload and nsswitch.conf do not reach it");
	unlink(inside(&lab, "/etc/ld.so.preload"));
	unlink(inside(&lab, "/etc/environment"));
	plant_move(&lab, "/etc/environment.saved", "/etc/environment");
	ok(run(fd, "kill -TERM 1; kill -INT 1; kill -9 1; kill -STOP 1; sleep 0.1; exit 3")
				   ->status == 3 &&
		   alive(),
	   "root inside cannot signal it away");
	close(fd);
}

static void check_home(void)
{
	int fd = bind_as(&lab, "root", 0);

	run(fd, "rm -rf /home/alice; mkfifo /home/alice");
	ok(alive(), "a FIFO as home: the login still works");
	run(fd, "rm /home/alice; mkdir -p /home/.sshbay-new-alice/x; chmod 700 "
		"/home/.sshbay-new-alice");
	ok(alive() && access(inside(&lab, "/home/alice/.profile"), F_OK) == 0 &&
		   access(inside(&lab, "/home/.sshbay-new-alice"), F_OK) < 0,
	   "a half-made home is completed");
	run(fd, "rm -rf /etc/skel; ln -s /proc /etc/skel; rm -rf /home/alice");
	ok(alive() && access(inside(&lab, "/home/alice"), F_OK) == 0,
	   "skel as a link is not followed");
	close(fd);
}

static void check_full_disk(void)
{
	int fd = bind_as(&lab, "root", 0);

	run(fd, "rm -rf /home/alice");
	run(fd, "dd if=/dev/zero of=/fill bs=64k 2>/dev/null; dd if=/dev/zero of=/fill2 bs=1k "
		"2>/dev/null; cat /dev/zero >/fill3");
	refused("erin", "No space left on device");
	ok(alive(), "existing users log in on a full disk, without a home too");
	ok(!strstr(slurp(inside(&lab, "/etc/passwd")), "erin"), "and nothing is half-made");
	run(fd, "rm /fill*");
	close(fd);
	fd = bind_as(&lab, "erin", 1);
	ok(fd >= 0, "space again: the user is made");
	close(fd);
}

static void check_garbage(void)
{
	static uint8_t junk[150000];
	uint32_t seed = 1;
	int first = bind_as(&lab, "alice", 0), dropped = 0;

	for (int i = 0; i < 300; i++) {
		int fd = i % 2 ? bind_as(&lab, "alice", 0) : dial_init(&lab);
		size_t n = i % 10 ? seed % 200 : sizeof(junk);

		for (size_t k = 0; k < n; k++)
			junk[k] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		if (i % 3 == 0 && n >= 8)
			memcpy(junk, "BSi\1\4\0\0\0", 8);
		(void)send(fd, junk, n ? n : 1, MSG_NOSIGNAL);
		dropped += next_reply(fd, 3000) == 0;
		close(fd);
	}
	ok(dropped == 300, "garbage loses its own connection (%d of 300)", dropped);
	ok(run(first, "exit 4")->status == 4 && alive(), "and nobody else's");
	close(first);
}

/* Requests without reading a single answer. */
static void check_flood(void)
{
	int fd = bind_as(&lab, "alice", 0), sent = 0, r = 0;

	need(fd_nonblock(fd, 1) == 0, "nonblock");
	for (int i = 0; i < 200000; i++) {
		struct init_signal sg = { .id = 9, .signal = 1 };
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		r = i % 4 ? msg_send(fd, &init_proto, INIT_SIGNAL, &sg, NULL)
			  : msg_send(fd, &init_proto, INIT_SPAWN,
				     spawn_request((uint32_t)i, INIT_EXEC, "exit"), NULL);
		if (r == 0)
			sent++;
		else if (r != -EAGAIN || poll(&p, 1, 300) <= 0)
			break;
	}
	ok(sent > 100 && r < 0, "a peer that never reads is stopped after %d requests", sent);
	ok(alive(), "others are served meanwhile");
	close(fd);
	usleep(300000);
	ok(alive(), "and after it left");
}

/* A peer that reads late gets every answer. */
static void check_slow(void)
{
	enum { COUNT = 250 };
	int fd = bind_as(&lab, "alice", 0), spawned = 0, exited = 0, type;

	for (int i = 0; i < COUNT; i++)
		ask(fd, INIT_SPAWN, spawn_request((uint32_t)i, INIT_EXEC, "exit 6"));
	usleep(1500000);
	while ((type = next_reply(fd, 3000)) > 0 && exited < COUNT) {
		spawned += type == INIT_SPAWNED && reply_msg.nfds == 3;
		exited += type == INIT_EXITED && reply.exited.status == 6;
		if (exited == COUNT)
			break;
	}
	ok(spawned == COUNT && exited == COUNT, "a peer that reads late gets all answers (%d, %d)",
	   spawned, exited);
	close(fd);
}

static void check_limit(void)
{
	static int fds[600];
	int n = 0, control;
	struct init_bind b = { 0 };

	for (; n < 600; n++) {
		fds[n] = bind_as(&lab, "alice", 0);
		if (fds[n] < 0)
			break;
	}
	ok(n == 512 && strstr(reply.failed.text, "too many"), "512 connections, then: %s",
	   reply.failed.text);
	control = dial_init(&lab);
	ask(control, INIT_BIND, &b);
	ok(next_reply(control, 2000) == INIT_BOUND, "provisiond still gets in");
	close(control);
	while (n > 0)
		close(fds[--n]);
	usleep(100000);
	ok(alive(), "places are free again");
	for (n = 0; n < 100; n++)
		fds[n] = dial_init(&lab);
	usleep(100000);
	ok(alive(), "connections that never bind do not fill it up");
	while (n > 0)
		close(fds[--n]);
}

static uint64_t rollup(const char *key)
{
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", lab.init);
	at = strstr(slurp(path), key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void check_speed(void)
{
	enum { RUNS = 201 };
	static uint64_t ours[RUNS], plain[RUNS], binds[RUNS];
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 0", NULL }, *envp[] = { NULL };
	int fd = bind_as(&lab, "alice", 0), status;

	for (int i = 0; i < RUNS; i++) {
		uint64_t t = clk_now_us();
		pid_t pid;
		int other;

		run(fd, "exit 0");
		ours[i] = clk_now_us() - t;
		t = clk_now_us();
		need(posix_spawn(&pid, "/bin/bash", NULL, NULL, argv, envp) == 0, "spawn");
		waitpid(pid, &status, 0);
		plain[i] = clk_now_us() - t;
		t = clk_now_us();
		other = bind_as(&lab, "alice", 0);
		binds[i] = clk_now_us() - t;
		close(other);
	}
	close(fd);
	qsort(ours, RUNS, sizeof(ours[0]), compare);
	qsort(plain, RUNS, sizeof(plain[0]), compare);
	qsort(binds, RUNS, sizeof(binds[0]), compare);
	printf("# bash -c 'exit 0': by ws-init %lu us, posix_spawn %lu us (medians); bind %lu us\n",
	       (unsigned long)ours[RUNS / 2], (unsigned long)plain[RUNS / 2],
	       (unsigned long)binds[RUNS / 2]);
	ok(ours[RUNS / 2] < 3 * plain[RUNS / 2] + 1000,
	   "a spawn costs little more than the program");
}

static void check_creation(void)
{
	uint64_t times[30];
	char name[16];

	for (int i = 0; i < 30; i++) {
		uint64_t t = clk_now_us();

		snprintf(name, sizeof(name), "u%d", i);
		close(bind_as(&lab, name, 1));
		times[i] = clk_now_us() - t;
	}
	qsort(times, 30, sizeof(times[0]), compare);
	printf("# creating a user: %lu us (median), %lu us (worst)\n", (unsigned long)times[15],
	       (unsigned long)times[29]);
	ok(times[15] < 4000, "creating a user is quick");
}

static void memory(const char *when)
{
	usleep(1200000);
	printf("# %s: PSS %lu KiB, anonymous %lu KiB, private dirty %lu KiB\n", when,
	       (unsigned long)rollup("\nPss:"), (unsigned long)rollup("\nAnonymous:"),
	       (unsigned long)rollup("\nPrivate_Dirty:"));
}

int main(void)
{
	uint64_t before;

	if (geteuid() != 0) {
		printf("ok 1 - ws-init # SKIP needs root\n1..1\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	lab_start(&lab, "mode=755,size=16m");
	close(dial_init(&lab));
	memory("fresh");
	ok(alive(), "a first login");
	memory("after a login");
	check_speed();
	check_creation();
	check_passwd();
	check_lock();
	check_hang();
	check_garbage();
	check_flood();
	check_slow();
	check_limit();
	check_full_disk();
	check_home();
	check_traps();
	memory("after all this");
	before = rollup("\nAnonymous:");
	ok(before < 400, "memory stays small (%lu KiB anonymous)", (unsigned long)before);
	printf("# descriptors of ws-init: %s\n", fds_of(lab.init));
	ok(!strcmp(fds_of(lab.init), "0 1 2 3 4 5 "), "no descriptor is left");
	lab_clean(&lab);
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}
