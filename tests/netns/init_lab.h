/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small workspace for the tests of ws-init: user, mount, pid, net, ipc, uts and cgroup namespaces, a tmpfs root with
 * the host's /usr read-only, and the built ws-init started in it from a sealed memfd, as a worker does.  The test is the
 * asker.  Nothing of the host is touched; when the test ends or dies, so does the workspace.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/str.h"
#include "proto/init.h"

static int tap_count, tap_failed;

static inline int ok(int good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline int ok(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !good;
	return good;
}

static inline void need(int good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

struct lab {
	char dir[64], sock[96];
	pid_t outer; /* our child: waits for ws-init and exits as it does */
	pid_t init;  /* ws-init as we see it */
};

static inline void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	need(fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0 && fchmod(fd, mode) == 0, path);
	close(fd);
}

static inline void put_etc(void)
{
	mkdir("etc/skel", 0755);
	mkdir("etc/skel/.config", 0700);
	put_file("etc/skel/.config/deep", "x", 0640);
	put_file("etc/skel/.profile", "# profile\n", 0644);
	need(symlink("/etc/hostname", "etc/skel/link") == 0 && mkfifo("etc/skel/fifo", 0666) == 0,
	     "skel");
	put_file("etc/passwd",
		 "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\n"
		 "zed:x:1001:1001::/home/zed:/bin/missing-shell\nfalse:x:1003:1003::/nowhere:/bin/"
		 "false",
		 0644);
	put_file("etc/group", "root:x:0:\ntty:x:5:\nsudo:x:27:\nutmp:x:43:\nspare:x:1000:\n", 0644);
	put_file("etc/shadow", "root:*:19000:0:99999:7:::\n", 0640);
	put_file("etc/gshadow", "root:*::\nsudo:*::\n", 0640);
	put_file("etc/environment", "# c\nexport FROMFILE=\"a b\"\nLD_AUDIT=/x\n", 0644);
	put_file("etc/nsswitch.conf", "hosts: files\n", 0644);
	put_file("etc/hosts", "127.0.0.1 localhost inside-name\n", 0644);
	need(chown("etc/shadow", 0, 42) == 0, "chown");
}

static inline void put_dev(void)
{
	static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };

	need(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k") == 0, "mount /dev");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		char to[32], from[32];

		snprintf(to, sizeof(to), "dev/%s", nodes[i]);
		snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
		put_file(to, "", 0644);
		need(mount(from, to, NULL, MS_BIND, NULL) == 0, from);
	}
	mkdir("dev/pts", 0755);
	need(mount("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5") ==
		     0,
	     "devpts");
}

/* In the new namespaces, as PID 1: the root, then ws-init. */
static inline _Noreturn void lab_inside(const char *dir, int listener, int program,
					const char *options)
{
	static const char *const dirs[] = { "usr", "etc",  "proc", "dev", "run",
					    "tmp", "home", "root", "var", "var/log" };
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	char *argv[] = { (char *)"ws-init", NULL }, *envp[] = { NULL };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	need(mount("tmpfs", dir, "tmpfs", MS_NODEV, options) == 0 && chdir(dir) == 0, "mount root");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		mkdir(dirs[i], strcmp(dirs[i], "tmp") == 0 ? 01777 : 0755);
	need(mount("/usr", "usr", NULL, MS_BIND | MS_REC, NULL) == 0, "bind /usr");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char to[16];

		snprintf(to, sizeof(to), "usr/%s", links[i]);
		need(symlink(to, links[i]) == 0, to);
	}
	need(symlink("/run", "var/run") == 0, "var/run");
	need(mount("proc", "proc", "proc", 0, NULL) == 0, "proc");
	put_dev();
	put_etc();
	put_file("var/log/wtmp", "", 0664);
	ioctl(s, SIOCSIFFLAGS, &lo);
	need(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
		     chdir("/") == 0,
	     "pivot_root");
	need(dup2(listener, 3) == 3 && fcntl(3, F_SETFD, 0) == 0, "dup2");
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	need(0, "exec ws-init");
	abort();
}

static inline int sealed_program(void)
{
	char exe[512], path[600];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int from, to = memfd_create("ws-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	static char buf[1 << 20];

	need(n > 0, "readlink");
	exe[n] = '\0';
	snprintf(path, sizeof(path), "%s/bin/ws-init", dirname(dirname(exe)));
	from = open(path, O_RDONLY | O_CLOEXEC);
	need(from >= 0 && to >= 0, path);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		need(fd_write_all(to, buf, (size_t)n) == 0, "copy");
	need(fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0,
	     "seal");
	close(from);
	return to;
}

static inline void write_map(pid_t pid, const char *file)
{
	static const char map[] = "0 1000000 262144\n";
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	need(fd >= 0 && write(fd, map, sizeof(map) - 1) == (ssize_t)sizeof(map) - 1, path);
	close(fd);
}

/* The child of a process, by /proc; 0 = none. */
static inline pid_t child_of(pid_t pid)
{
	char path[64];
	pid_t child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		fclose(f);
	return child;
}

static inline void lab_start(struct lab *l, const char *options)
{
	struct err e = { 0 };
	int go[2], unshared[2], listener, program;
	char c;

	snprintf(l->dir, sizeof(l->dir), "/tmp/sshbay-init-XXXXXX");
	need(mkdtemp(l->dir) && chmod(l->dir, 0755) == 0, "mkdtemp");
	snprintf(l->sock, sizeof(l->sock), "%s.sock", l->dir);
	listener = msg_listen(l->sock, 0600, 1024, &e);
	program = sealed_program();
	need(listener >= 0 && pipe2(go, O_CLOEXEC) == 0 && pipe2(unshared, O_CLOEXEC) == 0, e.text);
	l->outer = fork();
	if (l->outer == 0) {
		int status;
		pid_t pid;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		need(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
			     CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) == 0,
		     "unshare");
		close(unshared[1]);
		need(read(go[0], &c, 1) == 1 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0,
		     "become root");
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* again: a change of ids clears it */
		pid = fork();
		if (pid == 0)
			lab_inside(l->dir, listener, program, options);
		while (waitpid(pid, &status, 0) < 0)
			;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	close(unshared[1]);
	need(read(unshared[0], &c, 1) == 0, "wait for the namespaces");
	write_map(l->outer, "uid_map");
	write_map(l->outer, "gid_map");
	need(write(go[1], "g", 1) == 1, "go");
	close(go[0]);
	close(go[1]);
	close(unshared[0]);
	close(listener);
	close(program);
	for (int i = 0; i < 200 && !(l->init = child_of(l->outer)); i++)
		usleep(1000);
	need(l->init, "find ws-init");
}

static inline void lab_clean(struct lab *l)
{
	/* ws-init alone: `outer` reaps it and ends with it. After a stop both are gone already. */
	if (child_of(l->outer) == l->init)
		kill(l->init, SIGKILL);
	while (waitpid(l->outer, NULL, 0) < 0 && errno == EINTR)
		;
	unlink(l->sock);
	rmdir(l->dir);
}

/* A path inside, as we reach it. */
static inline const char *inside(const struct lab *l, const char *path)
{
	static char buf[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "/proc/%d/root%s", l->init, path);
	return buf[i];
}

/* Make things inside as its root does: our own uid does not exist there. */
static inline void plant_fifo(const struct lab *l, const char *path)
{
	setfsuid(1000000);
	setfsgid(1000000);
	need(mkfifo(inside(l, path), 0666) == 0, path);
	setfsuid(0);
	setfsgid(0);
}

static inline void plant_file(const struct lab *l, const char *path, const char *text)
{
	setfsuid(1000000);
	setfsgid(1000000);
	put_file(inside(l, path), text, 0644);
	setfsuid(0);
	setfsgid(0);
}

static inline void plant_move(const struct lab *l, const char *from, const char *to)
{
	setfsuid(1000000);
	setfsgid(1000000);
	need(rename(inside(l, from), inside(l, to)) == 0, from);
	setfsuid(0);
	setfsgid(0);
}

static inline const char *slurp(const char *path)
{
	static char buf[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

/* ---- the asker ---- */

static union {
	struct init_bound bound;
	struct init_spawned spawned;
	struct init_exited exited;
	struct init_opened opened;
	struct init_failed failed;
} reply;
static struct msg reply_msg;

static inline int dial_init(const struct lab *l)
{
	struct err e = { 0 };
	int fd = -1;

	for (int i = 0; i < 2000 && (fd = msg_connect(l->sock, &e)) < 0; i++)
		usleep(1000);
	need(fd >= 0, e.text);
	return fd;
}

/* Next message; its type, 0 = closed, -1 = nothing within `ms`. Descriptors are in reply_msg. */
static inline int next_reply(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	msg_close_fds(&reply_msg);
	reply_msg.nfds = 0;
	if (poll(&p, 1, ms) <= 0)
		return -1;
	r = msg_recv(fd, &init_proto, &reply, sizeof(reply), &reply_msg, NULL);
	return r == 1 ? (int)reply_msg.type : 0;
}

static inline void ask(int fd, uint32_t type, const void *body)
{
	struct err e = { 0 };

	need(msg_send(fd, &init_proto, type, body, &e) == 0, e.text);
}

/* A connection bound to `user`; -1 when refused (the reason is in reply.failed). */
static inline int bind_as(const struct lab *l, const char *user, int sudo)
{
	struct init_bind b = { .sudo = (uint32_t)sudo };
	int fd = dial_init(l);

	str_copy(b.user, sizeof(b.user), user);
	ask(fd, INIT_BIND, &b);
	if (next_reply(fd, 20000) == INIT_BOUND)
		return fd;
	close(fd);
	return -1;
}

static inline struct init_spawn *spawn_request(uint32_t id, uint32_t kind, const char *command)
{
	static struct init_spawn s;

	memset(&s, 0, offsetof(struct init_spawn, env));
	s.id = id;
	s.kind = kind;
	s.env.len = 0;
	s.command.len = (uint32_t)strlen(command);
	memcpy(s.command.data, command, s.command.len);
	return &s;
}

static inline void add_env(struct init_spawn *s, const char *var)
{
	memcpy(s->env.data + s->env.len, var, strlen(var) + 1);
	s->env.len += (uint32_t)strlen(var) + 1;
}

struct result {
	int type; /* INIT_SPAWNED, INIT_FAILED, ... */
	uint32_t status, signal, pid;
	char out[1 << 16], err[4096];
};

static inline void read_all(int fd, char *buf, size_t cap)
{
	size_t got = 0;
	ssize_t n;

	while (got < cap - 1 && (n = read(fd, buf + got, cap - 1 - got)) > 0)
		got += (size_t)n;
	buf[got] = '\0';
}

/* Spawn with pipes, feed `input`, collect both outputs, wait for the exit. */
static inline struct result *run_spawn(int fd, const struct init_spawn *s, const char *input)
{
	static struct result r;
	int in, out, err;

	memset(&r, 0, sizeof(r));
	ask(fd, INIT_SPAWN, s);
	r.type = next_reply(fd, 10000);
	if (r.type != INIT_SPAWNED)
		return &r;
	r.pid = reply.spawned.pid;
	in = fd_take(&reply_msg.fds[0]);
	out = fd_take(&reply_msg.fds[1]);
	err = fd_take(&reply_msg.fds[2]);
	if (input)
		(void)!write(in, input, strlen(input));
	close(in);
	read_all(out, r.out, sizeof(r.out));
	read_all(err, r.err, sizeof(r.err));
	close(out);
	close(err);
	if (next_reply(fd, 10000) == INIT_EXITED) {
		r.status = reply.exited.status;
		r.signal = reply.exited.signal;
	} else {
		r.status = 9999;
	}
	return &r;
}

static inline struct result *run(int fd, const char *command)
{
	return run_spawn(fd, spawn_request(7, INIT_EXEC, command), NULL);
}

/* Descriptors of a process as seen from here: "0 1 2 " ... */
static inline const char *fds_of(pid_t pid)
{
	static char buf[4096];
	char path[64];
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	buf[0] = '\0';
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s ", d->d_name);
	if (dir)
		closedir(dir);
	return buf;
}

/* The process in our pid namespace whose pid in the workspace is `pid`; 0 = none. Counts zombies there too. */
static inline pid_t find_inside(const struct lab *l, uint32_t pid, int *zombies)
{
	char line[256], path[300];
	pid_t found = 0;
	struct stat mine, its;
	struct dirent *d;
	DIR *dir = opendir("/proc");

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", l->init);
	need(dir && stat(path, &its) == 0, path);
	while ((d = readdir(dir))) {
		long in_ns = 0;
		char state = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/status", d->d_name);
		f = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "State: %c", &state) == 1)
				continue;
			if (strncmp(line, "NSpid:", 6) == 0 && strrchr(line, '\t'))
				in_ns = strtol(strrchr(line, '\t'), NULL, 10);
		}
		if (f)
			fclose(f);
		snprintf(path, sizeof(path), "/proc/%s/ns/pid", d->d_name);
		if (!f || stat(path, &mine) != 0 || mine.st_ino != its.st_ino)
			continue;
		if (zombies && state == 'Z')
			(*zombies)++;
		if (in_ns == (long)pid)
			found = (pid_t)strtol(d->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}
