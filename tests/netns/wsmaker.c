/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driver of the step table for the tests: plays the worker and the keeper of one record, without network steps.
 * usage: wsmaker -d DIR -i IMAGES [-n NAME] [-m BYTES] [-w SWAP] [-p PIDS] [-c CPUS] [-g GROUP] [-u ID_BASE] [-x] [-I ws-init] VERB
 *   up | up-to STEP (then SIGKILL oneself) | stop | down | purge | show | oom | time N | exec COMMAND...
 * The record stays in DIR/record between calls; `exec` runs as root inside, by ws-init, and exits as the command did.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "filter.h"
#include "provision/limits.h" /* by its folder: the C library has one of that name */
#include "net.h"
#include "nic.h"
#include "ns.h"
#include "plan.h"
#include "proto/init.h"
#include "proto/work.h"

/* The network has tests of its own. */
int net_up(struct plan *p, struct err *e)
{
	(void)p, (void)e;
	return 0;
}
int net_down(struct plan *p, struct err *e)
{
	(void)p, (void)e;
	return 0;
}
int nic_up(struct plan *p, struct err *e)
{
	(void)p, (void)e;
	return 0;
}
int nic_down(struct plan *p, struct err *e)
{
	(void)p, (void)e;
	return 0;
}

static struct settings settings;
static struct spec spec;
static struct record rec;
static const char *dir, *image_file = "build/bin/ws-init";
static int initfd = -1, filterfd = -1;

static void die(const struct err *e)
{
	fprintf(stderr, "wsmaker: %s\n", e->text);
	exit(1);
}

static void record_io(int save)
{
	char path[PATH_MAX];
	struct err e;
	size_t len;

	(void)str_format(path, sizeof(path), "%s/record", dir);
	if (save &&
	    path_write_atomic(AT_FDCWD, path,
			      &(struct path_content){ &rec, sizeof(rec), 0600, false }, &e) < 0)
		die(&e);
	if (!save) {
		static char buf[sizeof(rec) + 2];

		if (path_read(AT_FDCWD, path, buf, sizeof(buf), &len, &e) == 0 &&
		    len == sizeof(rec))
			memcpy(&rec, buf, sizeof(rec));
	}
}

static void plan_ready(struct plan *p)
{
	struct err e;

	plan_init(p, &settings, &spec, &rec);
	if (initfd < 0) {
		initfd = ns_init_image(image_file, &e);
		if (initfd < 0)
			die(&e);
		filterfd = filter_build(&e);
		if (filterfd < 0)
			die(&e);
		(void)limits_describe((char[256]){ 0 }, 256, &e);
	}
	p->initfd = initfd;
	p->filterfd = filterfd;
}

static int up(void)
{
	struct plan p;
	struct err e;

	plan_ready(&p);
	if (plan_up(&p, &e) < 0) {
		record_io(1);
		die(&e);
	}
	plan_close(&p);
	record_io(1);
	return 0;
}

/* Steps up to and with `name`, then the end of the worker by SIGKILL. What it learned is lost, as in life. */
static int up_to(const char *name)
{
	struct plan p;
	struct err e;

	plan_ready(&p);
	record_io(1);
	for (unsigned int i = 0; i < plan_nsteps; i++) {
		if (plan_steps[i].up(&p, &e) < 0)
			die(&e);
		if (!strcmp(plan_steps[i].name, name))
			raise(SIGKILL);
	}
	return 2;
}

static int down(bool all)
{
	struct plan p;
	struct err e;

	plan_init(&p, &settings, NULL, &rec);
	if (plan_down(&p, all, &e) < 0)
		die(&e);
	record_io(1);
	return 0;
}

static int purge(void)
{
	struct plan p;
	struct err e;

	plan_init(&p, &settings, NULL, &rec);
	if (plan_purge(&p, &e) < 0)
		die(&e);
	return 0;
}

/* --- time --- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One worker per round, as in provisiond; the median of each step. */
static int timing(unsigned int n)
{
	static uint64_t us[16][1024];
	struct plan warm;
	int pipefd[2];

	plan_ready(&warm);
	if (pipe(pipefd) < 0 || n == 0 || n > 1024)
		return 2;
	for (unsigned int k = 0; k < n; k++) {
		uint64_t t[16] = { 0 };
		pid_t pid = fork();

		if (pid == 0) {
			struct plan p;
			struct err e;

			plan_ready(&p);
			for (unsigned int i = 0; i < plan_nsteps; i++) {
				uint64_t t0 = clk_now_us();

				if (plan_steps[i].up(&p, &e) < 0)
					die(&e);
				t[i] = clk_now_us() - t0;
			}
			if (write(pipefd[1], t, sizeof(t)) != sizeof(t) ||
			    plan_down(&p, true, &e) < 0)
				die(&e);
			_exit(0);
		}
		if (fd_read_all(pipefd[0], t, sizeof(t)) < 0 || waitpid(pid, NULL, 0) < 0)
			return 1;
		t[plan_nsteps] = 0;
		for (unsigned int i = 0; i < plan_nsteps; i++)
			t[plan_nsteps] += t[i];
		for (unsigned int i = 0; i <= plan_nsteps; i++)
			us[i][k] = t[i];
		usleep(50000);
	}
	for (unsigned int i = 0; i <= plan_nsteps; i++) {
		qsort(us[i], n, sizeof(us[i][0]), by_size);
		printf("%-12s p50 %6llu us  min %6llu  max %6llu\n",
		       i < plan_nsteps ? plan_steps[i].name : "all",
		       (unsigned long long)us[i][n / 2], (unsigned long long)us[i][0],
		       (unsigned long long)us[i][n - 1]);
	}
	return 0;
}

/* --- exec --- */

static union {
	struct init_bound bound;
	struct init_spawned spawned;
	struct init_exited exited;
	struct init_failed failed;
} body;

static int copy(int from, int to)
{
	char buf[16384];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n > 0 && write(to, buf, (size_t)n) != n)
		exit(3);
	return n > 0;
}

static uint32_t receive(int sock, struct msg *m)
{
	struct err e;
	int r = msg_recv(sock, &init_proto, &body, sizeof(body), m, &e);

	if (r <= 0) {
		fprintf(stderr, "wsmaker: %s\n", r ? e.text : "ws-init hung up");
		exit(1);
	}
	if (m->type == INIT_FAILED) {
		fprintf(stderr, "wsmaker: ws-init: %s\n", body.failed.text);
		exit(1);
	}
	return m->type;
}

static int watch(int sock, int out, int errs)
{
	struct pollfd f[3] = { { .fd = out, .events = POLLIN },
			       { .fd = errs, .events = POLLIN },
			       { .fd = sock, .events = POLLIN } };
	int status = -1;
	struct msg m;

	while (f[0].fd >= 0 || f[1].fd >= 0 || status < 0) {
		if (poll(f, 3, 60000) <= 0)
			exit(4);
		for (int i = 0; i < 2; i++)
			if (f[i].revents && !copy(f[i].fd, i + 1))
				f[i].fd = -1;
		if (f[2].revents && receive(sock, &m) == INIT_EXITED) {
			status = body.exited.signal ? 128 + (int)body.exited.signal
						    : (int)body.exited.status;
			f[2].fd = -1;
		}
	}
	return status;
}

static int execute(char **argv)
{
	static struct init_spawn spawn = { .id = 1, .kind = INIT_EXEC };
	struct init_bind bind = { .user = "root" };
	struct err e = { 0 };
	struct msg m;
	int sock = ns_connect(&settings, rec.name, &e);

	for (int i = 0; argv[i]; i++)
		spawn.command.len += (uint32_t)snprintf(
			(char *)spawn.command.data + spawn.command.len,
			sizeof(spawn.command.data) - spawn.command.len, i ? " %s" : "%s", argv[i]);
	if (sock < 0 || msg_send(sock, &init_proto, INIT_BIND, &bind, &e) < 0)
		die(&e);
	if (receive(sock, &m) != INIT_BOUND ||
	    msg_send(sock, &init_proto, INIT_SPAWN, &spawn, &e) < 0)
		die(&e);
	if (receive(sock, &m) != INIT_SPAWNED || m.nfds != 3)
		return 5;
	close(m.fds[0]);
	return watch(sock, m.fds[1], m.fds[2]);
}

static int show(void)
{
	char path[PATH_MAX] = "-";
	struct err e;

	(void)limits_path(&settings, rec.name, path, sizeof(path), &e);
	printf("pid %u\nuser %llu\nnet %llu\nmnt %llu\ngroup %s\n", rec.init_pid,
	       (unsigned long long)rec.ns_user, (unsigned long long)rec.ns_net,
	       (unsigned long long)rec.ns_mnt, path);
	return 0;
}

static int oom(void)
{
	struct err e;
	uint64_t n;

	if (limits_oom_kills(&settings, rec.name, &n, &e) < 0)
		die(&e);
	printf("%llu\n", (unsigned long long)n);
	return 0;
}

static void defaults(void)
{
	(void)str_copy(rec.name, sizeof(rec.name), "alice");
	(void)str_copy(settings.limits.cgroup, sizeof(settings.limits.cgroup), "sbtest");
	(void)str_copy(rec.image, sizeof(rec.image), "bookworm");
	(void)str_copy(settings.storage.images, sizeof(settings.storage.images),
		       "/var/cache/sshbay/images");
	rec.id_base = 1000000;
	rec.id_count = 262144;
	spec.memory = 256 << 20;
	spec.pids = 128;
	spec.disk = SETTINGS_UNLIMITED;
	settings.limits.start_timeout = 20;
	settings.limits.stop_timeout = 3;
	settings.network.ndns = 1;
	settings.network.dns[0] = (struct ip){ .family = AF_INET, .b = { 192, 0, 2, 53 } };
}

static void option(int o)
{
	uint64_t n = optarg ? strtoull(optarg, NULL, 0) : 0;

	switch (o) {
	case 'd':
		dir = optarg;
		break;
	case 'i':
		(void)str_copy(settings.storage.images, PATH_MAX, optarg);
		break;
	case 'I':
		image_file = optarg;
		break;
	case 'b':
		(void)str_copy(rec.image, sizeof(rec.image), optarg);
		break;
	case 'n':
		(void)str_copy(rec.name, sizeof(rec.name), optarg);
		break;
	case 'g':
		(void)str_copy(settings.limits.cgroup, sizeof(settings.limits.cgroup), optarg);
		break;
	case 'c':
		(void)str_copy(spec.cpus, sizeof(spec.cpus), optarg);
		break;
	case 'm':
		spec.memory = n ? n : SETTINGS_UNLIMITED;
		break;
	case 'w':
		spec.swap = strcmp(optarg, "unlimited") ? n : SETTINGS_UNLIMITED;
		break;
	case 'p':
		spec.pids = (uint32_t)n;
		break;
	case 'u':
		rec.id_base = n;
		break;
	case 'x':
		spec.nesting = true;
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *verb;
	int o;

	defaults();
	while ((o = getopt(argc, argv, "+d:i:I:b:n:g:c:m:w:p:u:x")) != -1)
		option(o);
	verb = argv[optind] ? argv[optind] : "";
	if (!dir)
		return 2;
	(void)str_format(settings.storage.run, PATH_MAX, "%s/run", dir);
	(void)str_format(settings.storage.state, PATH_MAX, "%s/state", dir);
	(void)str_copy(spec.name, sizeof(spec.name), rec.name);
	record_io(0);
	if (!strcmp(verb, "up"))
		return up();
	if (!strcmp(verb, "up-to"))
		return up_to(argv[optind + 1]);
	if (!strcmp(verb, "stop"))
		return down(false);
	if (!strcmp(verb, "down"))
		return down(true);
	if (!strcmp(verb, "purge"))
		return purge();
	if (!strcmp(verb, "show"))
		return show();
	if (!strcmp(verb, "oom"))
		return oom();
	if (!strcmp(verb, "time"))
		return timing((unsigned int)atoi(argv[optind + 1]));
	if (!strcmp(verb, "exec"))
		return execute(argv + optind + 1);
	return 2;
}
