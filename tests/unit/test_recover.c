/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a new provisiond makes of every state that a killed one can leave: nothing lives that no record speaks for,
 * nothing is lost that a record speaks for.
 */
#include "unit/fake_registry.h"

#include "reconcile.h"
#include "reconcile_bridge.h"

static void put(const char *name, enum record_state state, const char *step, bool was_created,
		bool was_started)
{
	struct record *rec = &disk.rec[disk.n];

	memset(rec, 0, sizeof(*rec));
	str_copy(rec->name, sizeof(rec->name), name);
	rec->state = state;
	str_copy(rec->step, sizeof(rec->step), step);
	rec->slot = disk.n;
	rec->id_base = 1000000 + 262144ULL * disk.n;
	rec->id_count = 262144;
	rec->created = was_created ? 1700000000 : 0;
	rec->started = was_started ? 1700000001 : 0;
	str_copy(rec->image, sizeof(rec->image), "bookworm");
	rec->control_ip = (struct ip){ AF_INET, { 172, 31, 199, (uint8_t)(disk.n + 1) } };
	proc_boot_id(rec->boot_id, NULL);
	disk.n++;
	fake_of(name)->files = was_created;
}

/* Let a registry make it, then forget the registry. */
static void make_running(const char *name)
{
	bench_start();
	assert_int_equal(login(name), 0);
	bench_crash();
}

static void test_adopt(void **state)
{
	struct wait me;
	pid_t init;

	make_running("alice");
	init = fake_of("alice")->init;
	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&me));
	assert_int_equal(me.calls, 1);
	assert_int_equal(me.ret, 0);
	assert_int_equal(fake_of("alice")->init, init);
	assert_int_equal(fake_of("alice")->ups, 1);
	assert_int_equal(fake_of("alice")->downs, 0);
	/* It is watched: its end is seen. */
	kill(init, SIGKILL);
	run_until_state("alice", RECORD_STOPPED);
}

static void test_dead_meanwhile(void **state)
{
	struct wait me;

	make_running("alice");
	kill(fake_of("alice")->init, SIGKILL);
	while (waitpid(fake_of("alice")->init, NULL, WNOHANG) == 0)
		usleep(1000);
	bench_start();
	/* A login that arrives before the downs are done waits for them. */
	workspace_run(bench.reg, "alice", wait_on(&me));
	assert_int_equal(me.calls, 0);
	run_until(&me.calls, 1);
	assert_int_equal(me.ret, 0);
	assert_int_equal(fake_of("alice")->downs, 1);
	assert_int_equal(fake_of("alice")->ups, 2);
}

static void test_pid_of_another(void **state)
{
	make_running("alice");
	fake_record("alice")->init_start++;
	bench_start();
	run_until_state("alice", RECORD_STOPPED);
}

static void test_namespace_of_another(void **state)
{
	make_running("alice");
	fake_record("alice")->ns_net++;
	bench_start();
	run_until_state("alice", RECORD_STOPPED);
}

static void test_first_creation_leaves_nothing(void **state)
{
	put("alice", RECORD_CREATING, "rootfs", false, false);
	fake_of("alice")->files = true;
	fake_of("alice")->built = 0x7e;
	bench_start();
	run_for(100);
	assert_null(fake_record("alice"));
	assert_false(fake_of("alice")->files);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_null(workspace_find(bench.reg, "alice"));
	assert_int_equal(fake_events("state.recover", "alice"), 1);
}

static void test_start_keeps_files(void **state)
{
	put("alice", RECORD_CREATING, "init", true, true);
	put("bob", RECORD_CREATING, "init", true, false);
	fake_of("alice")->built = 0xff;
	bench_start();
	run_until_state("alice", RECORD_STOPPED);
	run_until_state("bob", RECORD_ABSENT);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_true(fake_of("alice")->files);
	assert_true(fake_of("bob")->files);
}

static void test_stopping(void **state)
{
	put("alice", RECORD_STOPPING, "", true, true);
	fake_of("alice")->built = 0xff;
	bench_start();
	run_until_state("alice", RECORD_STOPPED);
	assert_int_equal(fake_of("alice")->built, 0x1c);
	assert_true(fake_of("alice")->files);
}

static void test_destroying(void **state)
{
	put("alice", RECORD_DESTROYING, "", true, true);
	put("bob", RECORD_DESTROYING, "purge", true, true);
	bench_start();
	run_until_state("alice", RECORD_ABSENT);
	run_for(100);
	assert_true(fake_of("alice")->files);
	assert_null(fake_record("bob"));
	assert_false(fake_of("bob")->files);
}

static void test_quiet_states(void **state)
{
	put("alice", RECORD_STOPPED, "", true, true);
	put("bob", RECORD_ABSENT, "", true, false);
	bench_start();
	run_for(50);
	assert_int_equal(disk.saves, 0);
	assert_int_equal(fake_of("alice")->downs + fake_of("bob")->downs, 0);
	assert_int_equal(login("bob"), 0);
	assert_int_equal(fake_record("bob")->slot, 1);
}

static void test_other_boot(void **state)
{
	static const char *const names[] = { "running",  "stopping", "stopped",
					     "creating", "first",    "purging" };

	put("running", RECORD_RUNNING, "", true, true);
	put("stopping", RECORD_STOPPING, "", true, true);
	put("stopped", RECORD_STOPPED, "", true, true);
	put("creating", RECORD_CREATING, "net", true, true);
	put("first", RECORD_CREATING, "net", false, false);
	put("purging", RECORD_DESTROYING, "purge", true, true);
	for (unsigned int i = 0; i < disk.n; i++) {
		struct record *rec = &disk.rec[i];

		strcpy(rec->boot_id, FAKE_BOOT_OTHER);
		/* A pid of that boot is anybody's now: this test's own must survive. */
		rec->init_pid = (uint32_t)getpid();
		proc_start_time(getpid(), &rec->init_start, NULL);
		rec->ns_user = rec->ns_net = 4026531840;
		strcpy(rec->nic.name, "cable0");
	}
	bench_start();
	run_for(200);
	for (unsigned int i = 0; i < 4; i++) {
		struct workspace *ws = workspace_find(bench.reg, names[i]);

		assert_non_null(ws);
		assert_int_equal(ws->rec.state, RECORD_STOPPED);
		assert_int_equal(ws->rec.init_pid, 0);
		assert_int_equal(ws->rec.ns_net, 0);
		assert_string_equal(ws->rec.nic.name, "");
	}
	assert_null(fake_record("first"));
	assert_null(fake_record("purging"));
	assert_non_null(strstr(fake_record("running")->note, "restarted"));
}

static void test_autostart(void **state)
{
	bench_add_spec("auto", "auto", NULL);
	bench_add_spec("old", "old", NULL);
	bench_add_spec("rest", "rest", NULL);
	for (int i = 0; i < 3; i++)
		bench.specs[i].autostart = true;
	put("old", RECORD_RUNNING, "", true, true);
	strcpy(disk.rec[0].boot_id, FAKE_BOOT_OTHER);
	put("rest", RECORD_STOPPED, "", true, true); /* stopped in this boot: by somebody's will */
	bench_start();
	run_until_state("auto", RECORD_RUNNING);
	run_until_state("old", RECORD_RUNNING);
	run_for(50);
	assert_int_equal(fake_of("rest")->ups, 0);
}

static void test_damaged(void **state)
{
	char text[ERR_TEXT_MAX];
	struct wait me;

	put("alice", RECORD_RUNNING, "", true, true);
	put("bob", RECORD_STOPPED, "", true, true);
	strcpy(disk.unreadable, "alice");
	bench_start();
	assert_string_equal(workspace_state(workspace_find(bench.reg, "alice")), "damaged");
	workspace_run(bench.reg, "alice", wait_on(&me));
	assert_int_equal(me.calls, 1);
	assert_int_equal(me.ret, -EUCLEAN);
	memcpy(text, me.text, sizeof(text));
	assert_non_null(strstr(text, "both generations are damaged"));
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), -EUCLEAN);
	assert_true(fake_of("alice")->files);
	assert_non_null(fake_record("alice"));
	assert_int_equal(login("bob"), 0);
	assert_int_equal(fake_events("state.corrupt", "alice"), 1);
}

static void test_damaged_keeps_its_claims(void **state)
{
	static const char text[] =
		"# damaged\n[workspace]\nslot = 0\ncontrol_ip = 172.31.199.1\nid_base = ?\n"
		"[nic]\nid = \"pci:0000:29:00.0\"\nrdma = \"mlx5_0\"\n[devices]\ngpus = "
		"\"GPU-1,GPU-2\"\n";
	const struct record *kept;
	char path[160];
	FILE *f;

	put("alice", RECORD_RUNNING, "", true, true);
	strcpy(disk.unreadable, "alice");
	snprintf(path, sizeof(path), "%s/state/records", bench.dir);
	assert_int_equal(path_mkdirs(path, 0700, NULL), 0);
	snprintf(path, sizeof(path), "%s/state/records/alice.ini.prev", bench.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	bench_start();
	assert_int_equal(login("bob"), 0);
	assert_int_equal(fake_record("bob")->slot, 1);
	assert_int_equal(fake_record("bob")->control_ip.b[3], 2);
	kept = &workspace_find(bench.reg, "alice")->rec;
	assert_string_equal(kept->nic.id, "pci:0000:29:00.0");
	assert_string_equal(kept->rdma, "mlx5_0");
	assert_string_equal(kept->gpus, "GPU-1,GPU-2");
}

static void test_previous_generation_costs_no_file(void **state)
{
	static const enum record_state states[] = { RECORD_CREATING, RECORD_DESTROYING,
						    RECORD_STOPPING, RECORD_RUNNING };

	for (unsigned int i = 0; i < 4; i++) {
		put("alice", states[i], i == 1 ? "purge" : "", i != 0, i != 0);
		fake_of("alice")->files = true;
		strcpy(disk.fell_back, "alice");
		bench_start();
		run_until_state("alice", RECORD_STOPPED);
		run_for(20);
		assert_true(fake_of("alice")->files);
		assert_int_equal(fake_of("alice")->purges, 0);
		bench_crash();
		disk.n = 0;
	}
}

static void test_shared_range(void **state)
{
	put("alice", RECORD_STOPPED, "", true, true);
	put("bob", RECORD_STOPPED, "", true, true);
	disk.rec[1].id_base = disk.rec[0].id_base + 1000;
	bench_start();
	assert_int_equal(login("bob"), -EUCLEAN);
	assert_int_equal(login("alice"), 0);
}

static void test_interrupted_deletion(void **state)
{
	char path[160], kept[160];

	snprintf(path, sizeof(path), "%s/state/workspaces/.trash-zoe/upper/etc", bench.dir);
	assert_int_equal(path_mkdirs(path, 0755, NULL), 0);
	snprintf(kept, sizeof(kept), "%s/state/workspaces/unknown/upper", bench.dir);
	assert_int_equal(path_mkdirs(kept, 0755, NULL), 0);
	bench_start();
	run_for(200);
	snprintf(path, sizeof(path), "%s/state/workspaces/.trash-zoe", bench.dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(kept, F_OK), 0);
}

static void test_down_dies_in_recovery(void **state)
{
	put("alice", RECORD_STOPPING, "", true, true);
	fake->die_downs = 1;
	bench_start();
	run_for(100);
	assert_int_equal(fake_record("alice")->state, RECORD_STOPPING);
	/* The next login tries again. */
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_of("alice")->downs, 2);
}

/* provisiond dies while workers run: at each time the record and the kernel's state lead back to a clean one. */
static void test_crash_at_any_time(void **state)
{
	struct wait me;

	for (int i = 0; i < 30; i++) {
		fake->pause_ms = (unsigned int)(i % 3);
		bench_start();
		workspace_run(bench.reg, "alice", wait_on(&me));
		run_for((unsigned int)i % 10);
		if (i & 1)
			workspace_operate(bench.reg, "alice",
					  &(struct workspace_request){ i & 2 ? WORKSPACE_STOP
									     : WORKSPACE_DESTROY,
								       i & 4, 0 },
					  NULL);
		run_for((unsigned int)i % 7);
		bench_crash();
	}
	fake->pause_ms = 0;
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_int_equal(disk.n, 0);
}

static unsigned int told(const char *event)
{
	unsigned int n = 0;

	for (const char *at = disk.events; (at = strstr(at, event)); at++)
		n++;
	return n;
}

/* Two things are wrong with one workspace; the record has room for one. */
static void test_two_notes(void **state)
{
	struct workspace *ws;
	unsigned int saves;
	char note[256];

	bench_start();
	assert_int_equal(login("alice"), 0);
	ws = workspace_find(bench.reg, "alice");
	assert_int_equal(str_copy(ws->rec.attach, sizeof(ws->rec.attach), "br0"), 0);
	assert_int_equal(str_copy(ws->rec.vfio, sizeof(ws->rec.vfio), "ffff:1f:1f.7"), 0);
	fake_bridge_lost = "br0";
	reconcile_bridge_now(bench.reg);
	assert_string_equal(ws->rec.note, "network: br0 is gone from alice (sshbay stop, start)");
	(void)str_copy(note, sizeof(note), ws->rec.note);
	saves = disk.saves;
	for (int i = 0; i < 3; i++) {
		reconcile_now(bench.reg);
		assert_string_equal(ws->rec.note, note);
		reconcile_bridge_now(bench.reg);
		assert_string_equal(ws->rec.note, note);
	}
	assert_int_equal(told("ws.bridge_lost"), 1);
	assert_int_equal(disk.saves, saves);
	/* One of them is over: the other has the room. */
	fake_bridge_lost = NULL;
	reconcile_bridge_now(bench.reg);
	assert_string_equal(ws->rec.note, "");
	reconcile_now(bench.reg);
	assert_non_null(strstr(ws->rec.note, "has been unplugged"));
	fake_bridge_lost = "br0";
	reconcile_bridge_now(bench.reg);
	assert_non_null(strstr(ws->rec.note, "has been unplugged"));
	assert_int_equal(told("ws.bridge_lost"), 2);
	fake_bridge_lost = NULL;
}

static void one_more_host_up(unsigned int *before)
{
	uint64_t end = clk_now_us() + 60000000;

	while ((fake->host_ups == *before || bench.reg->host_busy) && clk_now_us() < end)
		assert_true(sd_event_run(bench.loop, 20000) >= 0);
	assert_int_equal(fake->host_ups, ++*before);
}

/* What a worker could not do is asked for again, however often that is said. */
static void test_host_again(void **state)
{
	struct err e = { .code = EAGAIN, .text = "start worker: no process" };
	unsigned int ups = 0;

	bench_start();
	registry_refresh_host(bench.reg);
	one_more_host_up(&ups);
	reconcile_bridge_now(bench.reg);
	assert_false(bench.reg->host_busy);
	reconcile_bridge_again(bench.reg);
	reconcile_bridge_again(bench.reg);
	reconcile_bridge_now(bench.reg);
	one_more_host_up(&ups);
	reconcile_bridge_now(bench.reg);
	assert_false(bench.reg->host_busy);
	bench.reg->host.refused(&bench.reg->host, &e);
	reconcile_bridge_now(bench.reg);
	one_more_host_up(&ups);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_adopt),
		T(test_dead_meanwhile),
		T(test_pid_of_another),
		T(test_namespace_of_another),
		T(test_first_creation_leaves_nothing),
		T(test_start_keeps_files),
		T(test_stopping),
		T(test_destroying),
		T(test_quiet_states),
		T(test_other_boot),
		T(test_autostart),
		T(test_damaged),
		T(test_damaged_keeps_its_claims),
		T(test_previous_generation_costs_no_file),
		T(test_shared_range),
		T(test_interrupted_deletion),
		T(test_down_dies_in_recovery),
		T(test_crash_at_any_time),
		T(test_two_notes),
		T(test_host_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
