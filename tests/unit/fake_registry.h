/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A registry on fakes, for the tests of provisiond's core: the functions of plan.h, record.h, nic.h and of the hosts
 * file are replaced at link time.  Workers are real forks; what they do is counted in shared memory.  ws-init is a
 * sleeping process.  Include in exactly one file per test program.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "provision/limits.h"
#include "hostnet.h"
#include "net.h"
#include "net_bridge.h"
#include "nic_identify.h"
#include "ns.h"
#include "plan.h"
#include "proto/work.h"
#include "registry.h"

#define FAKE_STEPS      9
#define FAKE_MAX        512
#define FAKE_BOOT_OTHER "00000000-0000-0000-0000-000000000000"

/* One per workspace, by slot-independent index of its name; in shared memory, because workers write it. */
struct fake_ws {
	char name[STR_NAME_MAX];
	unsigned int built; /* bit per step that is up */
	bool files;
	pid_t init;
	unsigned int ups, downs, purges, attaches;
};

static struct fake_shared {
	struct fake_ws ws[FAKE_MAX];
	unsigned int nws, running, most; /* workers inside of plan_up */
	/* What the next plan calls do. */
	int fail_step;             /* 1..FAKE_STEPS: plan_up fails there; 0 = never */
	int die_step, hang_step;   /* the worker is killed, or sleeps, there */
	int fail_downs, die_downs; /* that many plan_downs fail, or die */
	unsigned int pause_ms;     /* plan_up takes that long */
	int fail_attach;           /* 1: plan_attach fails and is clean, 2: and is not */
	int die_attach;
	unsigned int host_ups;
} * fake;

static struct {
	struct record rec[FAKE_MAX];
	unsigned int n;
	int fail_saves; /* that many record_saves fail with ENOSPC, after `ok_saves` more have not */
	int ok_saves;
	unsigned int saves, hosts;
	char unreadable[STR_NAME_MAX], fell_back[STR_NAME_MAX];
	char events[65536];
} disk;

static inline struct fake_ws *fake_of(const char *name)
{
	for (unsigned int i = 0; i < fake->nws; i++)
		if (!strcmp(fake->ws[i].name, name))
			return &fake->ws[i];
	str_copy(fake->ws[fake->nws].name, STR_NAME_MAX, name);
	return &fake->ws[fake->nws++];
}

/* --- plan.h --- */

const struct step plan_steps[FAKE_STEPS] = { { .name = "lease" } };
const unsigned int plan_nsteps = FAKE_STEPS;

void plan_init(struct plan *p, const struct settings *s, const struct spec *spec,
	       struct record *rec)
{
	memset(p, 0, sizeof(*p));
	p->settings = s;
	p->spec = spec;
	p->rec = rec;
	p->initfd = p->filterfd = p->userns = p->netns = p->rootfd = p->listenfd = p->pidfd =
		p->report = -1;
}

void plan_close(struct plan *p)
{
}

static void fake_report(struct plan *p, unsigned int step, unsigned int done)
{
	struct work_step m = { .us = 10, .up = 1, .done = done };
	struct err e;

	str_format(m.step, sizeof(m.step), "step%u", step);
	str_format(m.detail, sizeof(m.detail), "of %s", p->rec->name);
	msg_send(p->report, &work_proto, WORK_STEP, &m, &e);
}

static void fake_init_up(struct plan *p, struct fake_ws *f)
{
	pid_t pid = fork();

	if (pid == 0) {
		close_range(0, ~0U, 0);
		for (;;)
			pause();
	}
	f->init = pid;
	p->rec->init_pid = (uint32_t)pid;
	proc_start_time(pid, &p->rec->init_start, NULL);
	proc_ns_inode(pid, "user", &p->rec->ns_user, NULL);
	proc_ns_inode(pid, "net", &p->rec->ns_net, NULL);
	p->pidfd = pidfd_open(pid, 0);
}

int plan_down(struct plan *p, bool all, struct err *e)
{
	struct fake_ws *f = fake_of(p->rec->name);

	__atomic_add_fetch(&f->downs, 1, __ATOMIC_SEQ_CST);
	if (fake->die_downs > 0 && __atomic_fetch_sub(&fake->die_downs, 1, __ATOMIC_SEQ_CST) > 0)
		raise(SIGKILL);
	if (fake->fail_downs > 0 && __atomic_fetch_sub(&fake->fail_downs, 1, __ATOMIC_SEQ_CST) > 0)
		return err_set(e, EBUSY, "move 'cable0' home: busy");
	if (f->init) {
		kill(f->init, SIGKILL);
		while (kill(f->init, 0) == 0 && waitpid(f->init, NULL, WNOHANG) != f->init) {
			char state[64];

			/* A zombie of the test process is as dead as can be. */
			str_format(state, sizeof(state), "/proc/%d/fd/0", f->init);
			usleep(1000);
			if (access(state, F_OK) && errno == ENOENT)
				break;
		}
		f->init = 0;
	}
	/* Bits 2..4 (namespaces, net, nic) stay at a stop. */
	f->built &= all ? 0 : 0x1c;
	return 0;
}

int plan_up(struct plan *p, struct err *e)
{
	struct fake_ws *f = fake_of(p->rec->name);
	unsigned int running = __atomic_add_fetch(&fake->running, 1, __ATOMIC_SEQ_CST);
	int ret = 0;

	if (running > fake->most)
		fake->most = running;
	__atomic_add_fetch(&f->ups, 1, __ATOMIC_SEQ_CST);
	usleep(fake->pause_ms * 1000);
	for (unsigned int i = 1; i <= FAKE_STEPS && !ret; i++) {
		fake_report(p, i, 0);
		f->built |= 1U << i;
		if (i == 6)
			f->files = true;
		if (i == 7)
			fake_init_up(p, f);
		if (fake->die_step == (int)i) {
			__atomic_sub_fetch(&fake->running, 1, __ATOMIC_SEQ_CST);
			raise(SIGKILL);
		}
		if (fake->hang_step == (int)i) {
			__atomic_sub_fetch(&fake->running, 1, __ATOMIC_SEQ_CST);
			for (;;)
				pause();
		}
		if (fake->fail_step == (int)i)
			ret = err_set(e, EIO, "run step %u", i);
		else
			fake_report(p, i, 1);
	}
	__atomic_sub_fetch(&fake->running, 1, __ATOMIC_SEQ_CST);
	if (ret)
		plan_down(p, true, NULL);
	return ret;
}

int plan_attach(struct plan *p, bool *clean, struct err *e)
{
	struct fake_ws *f = fake_of(p->rec->name);

	if (fake->fail_attach) {
		*clean = fake->fail_attach == 1;
		return err_set(e, EIO, "run step 'nic'");
	}
	if (fake->die_attach)
		raise(SIGKILL);
	f->attaches++;
	return 0;
}

int plan_purge(struct plan *p, struct err *e)
{
	struct fake_ws *f = fake_of(p->rec->name);

	f->purges++;
	f->files = false;
	return 0;
}

/* --- record.h --- */

static struct record *fake_record(const char *name)
{
	for (unsigned int i = 0; i < disk.n; i++)
		if (!strcmp(disk.rec[i].name, name))
			return &disk.rec[i];
	return NULL;
}

const char *record_state_text(enum record_state s)
{
	static const char *const text[] = { "absent",   "creating", "running",
					    "stopping", "stopped",  "destroying" };

	return text[s];
}

int record_save(int recordsfd, struct record *r, struct err *e)
{
	struct record *old = fake_record(r->name);

	if (disk.ok_saves > 0)
		disk.ok_saves--;
	else if (disk.fail_saves > 0 && disk.fail_saves--)
		return err_set(e, ENOSPC, "write record '%s': No space left on device", r->name);
	disk.saves++;
	r->generation++;
	if (!old)
		old = &disk.rec[disk.n++];
	*old = *r;
	return 0;
}

int record_load(int recordsfd, const char *name, struct record *r, int *fell_back, struct err *e)
{
	const struct record *old = fake_record(name);

	if (!strcmp(disk.unreadable, name))
		return err_set(e, EUCLEAN, "load record '%s': both generations are damaged", name);
	*fell_back = !strcmp(disk.fell_back, name);
	if (!old)
		return err_set(e, ENOENT, "load record '%s'", name);
	*r = *old;
	if (*fell_back)
		err_set(e, EUCLEAN, "load record '%s': checksum", name);
	return 0;
}

int record_remove(int recordsfd, const char *name, struct err *e)
{
	struct record *old = fake_record(name);

	if (old)
		*old = disk.rec[--disk.n];
	return 0;
}

int record_each(int recordsfd, int (*fn)(void *ctx, const char *name), void *ctx, struct err *e)
{
	int ret = 0;

	for (unsigned int i = 0; i < disk.n && !ret; i++)
		ret = fn(ctx, disk.rec[i].name);
	return ret ? err_ret(e, ret, "list records") : 0;
}

/* --- the rest of the world --- */

/* "dark.." has no carrier; "pci:X", "nameX" and "alt-X" are one device; "missing.." is not there.
 * The last byte of a permanent MAC is that of the name. */
int nic_identify(const struct settings *s, const char *what, struct record *rec,
		 struct nic_seen *seen, struct err *e)
{
	bool macvlan = !strncmp(what, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN));
	const char *name = macvlan ? what + strlen(NIC_IDENTIFY_MACVLAN) : what;

	memset(&rec->nic, 0, sizeof(rec->nic));
	if (!strncmp(what, "missing", 7))
		return err_set(e, ENODEV, "lease '%s': no such interface", what);
	if (!strncmp(name, "pci:", 4) || !strncmp(name, "name", 4) || !strncmp(name, "alt-", 4))
		name += 4;
	str_format(rec->nic.name, sizeof(rec->nic.name), "name%s", name);
	if (!strncmp(name, "cable", 5) || !strncmp(name, "dark", 4))
		str_copy(rec->nic.name, sizeof(rec->nic.name), name);
	str_format(rec->nic.id, sizeof(rec->nic.id), "%spci:%s",
		   macvlan ? NIC_IDENTIFY_MACVLAN : "", name);
	rec->nic.mtu = 1500;
	if (seen)
		*seen = (struct nic_seen){ .carrier = strncmp(name, "dark", 4) != 0,
					   .perm = { 2, 0, 0, 0, 0,
						     (uint8_t)name[strlen(name) - 1] } };
	return 0;
}

bool nic_identify_clash(const char *a, const char *b)
{
	size_t n = strlen(NIC_IDENTIFY_MACVLAN);
	bool va = !strncmp(a, NIC_IDENTIFY_MACVLAN, n), vb = !strncmp(b, NIC_IDENTIFY_MACVLAN, n);

	return *a && *b && !(va && vb) && !strcmp(va ? a + n : a, vb ? b + n : b);
}

int hostnet_up(const struct settings *s, struct err *e)
{
	fake->host_ups++;
	return 0;
}

/* What reconcile_bridge.c would see of a bridge. */
static const char *fake_bridge_lost;

bool net_bridge_lost(const struct record *rec, char *why, size_t size)
{
	if (fake_bridge_lost)
		snprintf(why, size, "%s is gone from %s", fake_bridge_lost, rec->name);
	return fake_bridge_lost != NULL;
}

const char *net_bridge_name(const struct settings *s, unsigned int i)
{
	return i == 0 ? "br0" : NULL;
}

uint64_t net_bridge_state(const struct settings *s)
{
	return 0;
}

int net_hosts_add(const struct settings *s, const struct record *r, struct err *e)
{
	return 0;
}

int net_hosts_rewrite(const struct settings *s, const struct record *const *records, unsigned int n,
		      struct err *e)
{
	disk.hosts++;
	return 0;
}

int limits_oom_kills(const struct settings *s, const char *name, uint64_t *kills, struct err *e)
{
	return err_set(e, ENOENT, "read 'oom'");
}

int ns_connect(const struct settings *s, const char *name, struct err *e)
{
	return err_set(e, EAGAIN, "connect");
}

int audit_open(const char *path, struct err *e)
{
	return 0;
}

void audit_subscribe(void (*fn)(void *ctx, const char *line), void *ctx)
{
}

void audit_write(const char *event, const struct audit_field *fields, unsigned int n)
{
	size_t len = strlen(disk.events);

	snprintf(disk.events + len, sizeof(disk.events) - len, "%s %s\n", event,
		 fields[0].text ? fields[0].text : "");
}

static inline unsigned int fake_events(const char *event, const char *name)
{
	char line[128];
	unsigned int n = 0;

	snprintf(line, sizeof(line), "%s %s\n", event, name);
	for (const char *at = disk.events; (at = strstr(at, line)); at++)
		n += at == disk.events || at[-1] == '\n';
	return n;
}

/* --- a registry in a scratch directory --- */

static struct {
	char dir[64];
	struct settings settings;
	struct spec specs[32];
	sd_event *loop;
	struct registry *reg;
} bench;

static int bench_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline void bench_add_spec(const char *name, const char *users, const char *ip)
{
	struct settings *s = &bench.settings;
	struct spec *spec = &bench.specs[s->nworkspaces++];

	*spec = s->defaults;
	str_copy(spec->name, sizeof(spec->name), name);
	spec->nusers = 1;
	str_copy(spec->users[0], STR_NAME_MAX, users);
	if (ip)
		assert_int_equal(ip_parse(ip, &spec->control_ip, NULL), 0);
	s->workspaces = bench.specs;
}

static inline void bench_start(void)
{
	const struct registry_files none = { -1, -1, { -1, -1 } };
	struct err e = { 0 };

	if (registry_new(bench.loop, &bench.settings, &bench.reg, &e))
		fail_msg("%s", e.text);
	registry_start(bench.reg, &none);
}

/* As if provisiond had been killed: memory is lost, records and processes stay. */
static inline void bench_crash(void)
{
	registry_free(bench.reg);
	bench.reg = NULL;
}

static inline int bench_setup(void **state)
{
	struct settings *s = &bench.settings;
	sigset_t set;

	memset(&bench, 0, sizeof(bench));
	memset(&disk, 0, sizeof(disk));
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_setup("test", LOG_LEVEL_ERROR);
	log_to_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	strcpy(bench.dir, "/tmp/sshbay-test-XXXXXX");
	assert_non_null(mkdtemp(bench.dir));
	str_format(s->storage.state, PATH_MAX, "%s/state", bench.dir);
	str_format(s->storage.run, PATH_MAX, "%s/run", bench.dir);
	s->storage.id_base = 1000000;
	s->storage.id_count = 262144;
	s->storage.id_slots = 4096;
	s->gate.create_on_login = true;
	assert_int_equal(ip_parse_net("172.31.199.0/24", &s->network.control_cidr, NULL), 0);
	s->limits.workers = 4;
	s->limits.start_timeout = 20;
	s->limits.stop_timeout = 1;
	str_copy(s->defaults.image, sizeof(s->defaults.image), "bookworm");
	str_copy(s->defaults.nic, sizeof(s->defaults.nic), "none");
	s->defaults.disk = SETTINGS_UNLIMITED;
	assert_true(sd_event_new(&bench.loop) >= 0);
	return 0;
}

/* This process is a subreaper: every ws-init whose worker is gone, also one that a killed worker never told of. */
static inline void bench_end_children(void)
{
	pid_t pids[FAKE_MAX];
	unsigned int n;
	FILE *f;

	do {
		n = 0;
		f = fopen("/proc/thread-self/children", "re");
		assert_non_null(f);
		while (n < FAKE_MAX && fscanf(f, "%d", &pids[n]) == 1)
			n++;
		fclose(f);
		for (unsigned int i = 0; i < n; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	} while (n);
}

static inline int bench_teardown(void **state)
{
	registry_free(bench.reg);
	sd_event_unref(bench.loop);
	bench_end_children();
	munmap(fake, sizeof(*fake));
	return nftw(bench.dir, bench_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- waiters --- */

struct wait {
	struct waiter w;
	int calls, ret;
	unsigned int steps;
	char text[ERR_TEXT_MAX];
	struct workspace *ws;
};

static void wait_progress(struct waiter *w, const char *step, const char *detail, uint64_t us,
			  int up)
{
	struct wait *me = w->ctx;

	me->steps++;
}

static void wait_done(struct waiter *w, struct workspace *ws, int ret, const struct err *e)
{
	struct wait *me = w->ctx;

	me->calls++;
	me->ret = ret;
	me->ws = ws;
	str_copy(me->text, sizeof(me->text), ret ? e->text : "");
}

static inline struct waiter *wait_on(struct wait *me)
{
	*me = (struct wait){ .w = { .progress = wait_progress, .done = wait_done, .ctx = me } };
	return &me->w;
}

/* Run the loop until `*value` reaches `want`, 10 s at most. */
static inline void run_until(const int *value, int want)
{
	uint64_t end = clk_now_us() + 10000000;

	while (*value < want && clk_now_us() < end)
		assert_true(sd_event_run(bench.loop, 20000) >= 0);
	assert_int_equal(*value, want);
}

/* Run the loop for a while, for what has nobody to tell. */
static inline void run_for(unsigned int ms)
{
	uint64_t end = clk_now_us() + ms * 1000ULL;

	while (clk_now_us() < end)
		assert_true(sd_event_run(bench.loop, 5000) >= 0);
}

static inline void run_until_state(const char *name, enum record_state state)
{
	uint64_t end = clk_now_us() + 10000000;
	struct workspace *ws;

	while ((ws = workspace_find(bench.reg, name)) && (ws->rec.state != state || ws->busy) &&
	       clk_now_us() < end)
		assert_true(sd_event_run(bench.loop, 20000) >= 0);
	assert_non_null(ws);
	assert_int_equal(ws->rec.state, state);
}

static inline int login(const char *name)
{
	struct wait me;

	workspace_run(bench.reg, name, wait_on(&me));
	run_until(&me.calls, 1);
	return me.ret;
}

/* Until the workers have exited: ws-init is then a child of this process, which learns how it ends. */
static inline void run_until_idle(void)
{
	uint64_t end = clk_now_us() + 10000000;

	while (registry_busy(bench.reg) && clk_now_us() < end)
		assert_true(sd_event_run(bench.loop, 5000) >= 0);
}

static inline int operate(const char *name, enum workspace_op op, int purge)
{
	const struct workspace_request req = { .op = op, .purge = purge != 0 };
	struct wait me;

	workspace_operate(bench.reg, name, &req, wait_on(&me));
	run_until(&me.calls, 1);
	return me.ret;
}
