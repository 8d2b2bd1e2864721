/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs of workspaces, from the first login to the purge, with real worker processes on a fake step table.
 */
#include "unit/fake_registry.h"

static struct record *rec(const char *name)
{
	return fake_record(name);
}

static void test_first_login(void **state)
{
	struct wait me;

	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&me));
	run_until(&me.calls, 1);
	assert_int_equal(me.ret, 0);
	assert_int_equal(me.steps, FAKE_STEPS);
	assert_int_equal(rec("alice")->state, RECORD_RUNNING);
	assert_true(rec("alice")->created && rec("alice")->started);
	assert_int_equal(rec("alice")->init_pid, fake_of("alice")->init);
	assert_int_equal(fake_events("ws.create.ok", "alice"), 1);
	/* The second one finds it running and is served before the call returns. */
	workspace_run(bench.reg, "alice", wait_on(&me));
	assert_int_equal(me.calls, 1);
	assert_int_equal(fake_of("alice")->ups, 1);
}

static void test_joiners(void **state)
{
	struct wait all[50];
	int n = 0;

	fake->pause_ms = 50;
	bench_start();
	for (int i = 0; i < 50; i++)
		workspace_run(bench.reg, "alice", wait_on(&all[i]));
	run_until(&all[49].calls, 1);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(all[i].calls, 1);
		assert_int_equal(all[i].ret, 0);
		assert_int_equal(all[i].steps, FAKE_STEPS);
		n++;
	}
	assert_int_equal(n, 50);
	assert_int_equal(fake_of("alice")->ups, 1);
	assert_int_equal(fake_events("ws.create.begin", "alice"), 1);
}

static void test_queue(void **state)
{
	struct wait all[20];
	char name[16];

	fake->pause_ms = 20;
	bench_start();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		workspace_run(bench.reg, name, wait_on(&all[i]));
	}
	for (int i = 0; i < 20; i++) {
		run_until(&all[i].calls, 1);
		assert_int_equal(all[i].ret, 0);
	}
	/* plan_up counts the workers inside of it: never more than the limit, and the limit is used. */
	assert_in_range(fake->most, 2, 4);
	for (unsigned int i = 0; i < disk.n; i++)
		for (unsigned int k = 0; k < i; k++) {
			assert_int_not_equal(disk.rec[i].slot, disk.rec[k].slot);
			assert_false(ip_equal(&disk.rec[i].control_ip, &disk.rec[k].control_ip));
		}
}

static void test_every_step_fails(void **state)
{
	bench_start();
	for (int step = 1; step <= FAKE_STEPS; step++) {
		fake->fail_step = step;
		assert_int_equal(login("alice"), -EIO);
		assert_int_equal(fake_of("alice")->built, 0);
		assert_false(fake_of("alice")->files);
		assert_null(rec("alice"));
		assert_null(workspace_find(bench.reg, "alice"));
	}
	fake->fail_step = 0;
	assert_int_equal(login("alice"), 0);
	assert_int_equal(rec("alice")->slot, 0);
}

static void test_worker_dies_at_every_step(void **state)
{
	bench_start();
	for (int step = 1; step <= FAKE_STEPS; step++) {
		fake->die_step = step;
		assert_int_equal(login("alice"), -ECHILD);
		assert_int_equal(fake_of("alice")->built, 0);
		assert_false(fake_of("alice")->files);
		assert_null(rec("alice"));
	}
	fake->die_step = 0;
	assert_int_equal(login("alice"), 0);
}

static void test_failed_start_keeps_files(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	for (int step = 1; step <= FAKE_STEPS; step++) {
		fake->fail_step = step & 1 ? step : 0;
		fake->die_step = step & 1 ? 0 : step;
		assert_true(login("alice") < 0);
		assert_true(fake_of("alice")->files);
		assert_int_equal(fake_of("alice")->built, 0);
		assert_int_equal(rec("alice")->state, RECORD_STOPPED);
		assert_true(rec("alice")->note[0]);
	}
	fake->fail_step = fake->die_step = 0;
	assert_int_equal(login("alice"), 0);
	assert_string_equal(rec("alice")->note, "");
	assert_int_equal(fake_of("alice")->purges, 0);
}

static void test_hanging_worker(void **state)
{
	bench.settings.limits.start_timeout = 0;
	bench.settings.limits.stop_timeout = 0;
	fake->hang_step = 5;
	bench_start();
	/* The pool's slack would make this test slow: end the worker as its timer does. */
	struct wait me;

	workspace_run(bench.reg, "alice", wait_on(&me));
	run_for(100);
	assert_int_equal(me.calls, 0);
	assert_int_equal(fake_of("alice")->ups, 1);
	run_until(&me.calls, 1);
	assert_int_equal(me.ret, -ETIMEDOUT);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_null(rec("alice"));
}

static void test_undo_fails_then_heals(void **state)
{
	bench_start();
	fake->die_step = 8;
	fake->fail_downs = 1;
	assert_int_equal(login("alice"), -ECHILD);
	/* What is left is on record, and it is not handed to anybody. */
	assert_int_equal(rec("alice")->state, RECORD_CREATING);
	assert_true(rec("alice")->note[0]);
	assert_int_equal(login("bob"), -ECHILD);
	fake->die_step = 0;
	assert_int_equal(login("alice"), 0);
	assert_int_equal(rec("alice")->state, RECORD_RUNNING);
	assert_int_equal(fake_of("alice")->purges, 1);
}

static void test_clean_failure_reaches_the_login(void **state)
{
	bench_start();
	fake->die_step = 8;
	fake->fail_downs = 2;
	assert_int_equal(login("alice"), -ECHILD);
	fake->die_step = 0;
	assert_int_equal(login("alice"), -EBUSY);
	assert_int_equal(login("alice"), 0);
}

static void test_disk_full_before(void **state)
{
	bench_start();
	disk.fail_saves = 1;
	assert_int_equal(login("alice"), -ENOSPC);
	assert_null(rec("alice"));
	assert_int_equal(fake_of("alice")->ups, 0);
	assert_int_equal(login("alice"), 0);
}

static void test_disk_full_after(void **state)
{
	bench_start();
	disk.ok_saves = 1;
	disk.fail_saves = 1;
	assert_int_equal(login("alice"), -ENOSPC);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_int_equal(fake_of("alice")->init, 0);
	assert_null(rec("alice"));
	assert_int_equal(login("alice"), 0);
}

static void test_destroy_on_full_disk(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	disk.fail_saves = 1000;
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	assert_null(rec("alice"));
	assert_false(fake_of("alice")->files);
}

static void test_stop_behind_create(void **state)
{
	struct wait create, stop, again;

	fake->pause_ms = 30;
	bench_start();
	workspace_operate(bench.reg, "alice",
			  &(struct workspace_request){ WORKSPACE_CREATE, false, 0 },
			  wait_on(&create));
	workspace_operate(bench.reg, "alice",
			  &(struct workspace_request){ WORKSPACE_STOP, false, 0 }, wait_on(&stop));
	workspace_run(bench.reg, "alice", wait_on(&again));
	run_until(&create.calls, 1);
	assert_int_equal(create.ret, 0);
	assert_int_equal(stop.calls, 0);
	run_until(&stop.calls, 1);
	assert_int_equal(stop.ret, 0);
	assert_int_equal(again.calls, 0);
	run_until(&again.calls, 1);
	assert_int_equal(again.ret, 0);
	assert_int_equal(fake_of("alice")->ups, 2);
	assert_int_equal(rec("alice")->state, RECORD_RUNNING);
}

static void test_stop_keeps_network(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	assert_int_equal(fake_of("alice")->built, 0x1c);
	assert_int_equal(rec("alice")->state, RECORD_STOPPED);
	assert_int_equal(rec("alice")->init_pid, 0);
	assert_true(rec("alice")->ns_net);
	assert_true(rec("alice")->control_ip.family);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	assert_int_equal(operate("alice", WORKSPACE_START, 0), 0);
	assert_int_equal(fake_of("alice")->downs, 1);
}

static void test_changed_address_takes_down_first(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	bench_add_spec("alice", "alice", "172.31.199.77");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_of("alice")->downs, 2);
	assert_int_equal(rec("alice")->control_ip.b[3], 77);
}

static void test_destroy(void **state)
{
	uint32_t slot;

	bench_start();
	assert_int_equal(login("alice"), 0);
	slot = rec("alice")->slot;
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(fake_of("alice")->built, 0);
	assert_true(fake_of("alice")->files);
	assert_int_equal(rec("alice")->state, RECORD_ABSENT);
	assert_int_equal(rec("alice")->control_ip.family, 0);
	/* Its ids are not given to another, its address is. */
	assert_int_equal(login("bob"), 0);
	assert_int_not_equal(rec("bob")->slot, slot);
	assert_int_equal(rec("bob")->control_ip.b[3], 1);
	/* A failed return to life costs no file. */
	fake->fail_step = 7;
	assert_int_equal(login("alice"), -EIO);
	assert_int_equal(rec("alice")->state, RECORD_ABSENT);
	assert_true(fake_of("alice")->files);
	fake->fail_step = 0;
	assert_int_equal(login("alice"), 0);
	assert_int_equal(rec("alice")->slot, slot);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	assert_null(rec("alice"));
	assert_false(fake_of("alice")->files);
	assert_null(workspace_find(bench.reg, "alice"));
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), -ENOENT);
	assert_int_equal(login("carol"), 0);
	assert_int_equal(rec("carol")->slot, slot);
}

static void test_purge_of_files_kept(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	assert_null(rec("alice"));
	assert_false(fake_of("alice")->files);
}

static void test_destroy_many(void **state)
{
	struct wait all[40];
	char name[16];

	bench_start();
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		workspace_run(bench.reg, name, wait_on(&all[i]));
	}
	for (int i = 0; i < 40; i++)
		run_until(&all[i].calls, 1);
	run_for(20);
	disk.hosts = 0;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		workspace_operate(bench.reg, name,
				  &(struct workspace_request){ WORKSPACE_DESTROY, true, 0 },
				  wait_on(&all[i]));
	}
	for (int i = 0; i < 40; i++) {
		run_until(&all[i].calls, 1);
		assert_int_equal(all[i].ret, 0);
	}
	assert_int_equal(disk.n, 0);
	run_for(20);
	assert_in_range(disk.hosts, 1, 40);
}

static void test_verbs(void **state)
{
	bench_start();
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), -ENOENT);
	assert_int_equal(operate("alice", WORKSPACE_START, 0), -ENOENT);
	assert_int_equal(operate("../x", WORKSPACE_CREATE, 0), -EINVAL);
	assert_int_equal(operate("alice", WORKSPACE_CREATE, 0), 0);
	assert_int_equal(operate("alice", WORKSPACE_CREATE, 0), -EEXIST);
	assert_int_equal(operate("alice", WORKSPACE_START, 0), 0);
	bench_add_spec("client", "alice", NULL);
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(operate("client", WORKSPACE_START, 0), 0);
}

static void test_cancel(void **state)
{
	struct wait a, b, c;

	fake->pause_ms = 30;
	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&a));
	workspace_run(bench.reg, "alice", wait_on(&b));
	workspace_operate(bench.reg, "alice",
			  &(struct workspace_request){ WORKSPACE_STOP, false, 0 }, wait_on(&c));
	waiter_cancel(&a.w);
	waiter_cancel(&c.w);
	run_until(&b.calls, 1);
	run_until_state("alice", RECORD_STOPPED);
	assert_int_equal(a.calls, 0);
	assert_int_equal(c.calls, 0);
	/* Cancelled after the end: nothing happens. */
	waiter_cancel(&b.w);
}

static void test_creation_survives_its_client(void **state)
{
	struct wait a;

	fake->pause_ms = 30;
	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&a));
	run_for(5);
	waiter_cancel(&a.w);
	run_until_state("alice", RECORD_RUNNING);
}

static struct wait *to_cancel;

static void cancel_other(struct waiter *w, struct workspace *ws, int ret, const struct err *e)
{
	waiter_cancel(&to_cancel->w);
	wait_done(w, ws, ret, e);
}

static void cancel_in_progress(struct waiter *w, const char *step, const char *detail, uint64_t us,
			       int up)
{
	waiter_cancel(w);
	waiter_cancel(&to_cancel->w);
}

static void test_cancel_inside_callbacks(void **state)
{
	struct wait a, b, c, d;

	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&a));
	workspace_run(bench.reg, "alice", wait_on(&b));
	a.w.done = cancel_other;
	to_cancel = &b;
	run_until(&a.calls, 1);
	assert_int_equal(b.calls, 0);
	workspace_run(bench.reg, "bob", wait_on(&c));
	workspace_run(bench.reg, "bob", wait_on(&d));
	c.w.progress = cancel_in_progress;
	to_cancel = &d;
	run_until_state("bob", RECORD_RUNNING);
	assert_int_equal(c.calls + d.calls, 0);
}

static void again_done(struct waiter *w, struct workspace *ws, int ret, const struct err *e)
{
	struct wait *next = to_cancel;

	wait_done(w, ws, ret, e);
	workspace_operate(bench.reg, "alice",
			  &(struct workspace_request){ WORKSPACE_STOP, false, 0 }, wait_on(next));
}

static void test_operation_from_done(void **state)
{
	struct wait a, b;

	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&a));
	a.w.done = again_done;
	to_cancel = &b;
	b.calls = 0;
	run_until(&a.calls, 1);
	run_until(&b.calls, 1);
	assert_int_equal(b.ret, 0);
	assert_int_equal(rec("alice")->state, RECORD_STOPPED);
}

static void test_init_dies(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	run_until_idle();
	kill(fake_of("alice")->init, SIGKILL);
	run_until_state("alice", RECORD_STOPPED);
	assert_non_null(strstr(rec("alice")->note, "signal 9"));
	/* What it leased is home. */
	assert_int_equal(fake_of("alice")->built, 0);
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_of("alice")->ups, 2);
	run_until_idle();
	/* A poweroff from inside is a stop: that keeps it. */
	kill(fake_of("alice")->init, SIGINT);
	run_until_state("alice", RECORD_STOPPED);
	assert_int_equal(fake_of("alice")->built, 0x1c);
}

/* What is to go home goes home, too, when the first try fails and provisiond is killed then. */
static void test_init_dies_and_provisiond(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	run_until_idle();
	fake->fail_downs = 1;
	kill(fake_of("alice")->init, SIGKILL);
	run_until_state("alice", RECORD_STOPPING);
	run_until_idle();
	assert_int_not_equal(fake_of("alice")->built, 0);
	bench_crash();
	bench_start();
	run_until_state("alice", RECORD_STOPPED);
	assert_int_equal(fake_of("alice")->built, 0);
}

static void test_login_while_init_is_dying(void **state)
{
	bench_start();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(login("alice"), 0);
		kill(fake_of("alice")->init, SIGKILL);
	}
	run_for(100);
	assert_int_equal(login("alice"), 0);
}

static void test_reboot_from_inside(void **state)
{
	bench_start();
	assert_int_equal(login("alice"), 0);
	run_until_idle();
	workspace_find(bench.reg, "alice")->rec.started -= 60;
	kill(fake_of("alice")->init, SIGHUP);
	for (int i = 0; i < 200 && fake_of("alice")->ups < 2; i++)
		run_for(10);
	run_until_state("alice", RECORD_RUNNING);
	/* At once again: a loop is not fed. */
	run_until_idle();
	kill(fake_of("alice")->init, SIGHUP);
	run_until_state("alice", RECORD_STOPPED);
	run_for(50);
	assert_int_equal(fake_of("alice")->ups, 2);
}

static void test_reload(void **state)
{
	struct wait a;
	char name[STR_NAME_MAX];
	struct err e;

	fake->pause_ms = 20;
	bench_start();
	workspace_run(bench.reg, "alice", wait_on(&a));
	bench_add_spec("client", "alice", "172.31.199.9");
	registry_set_settings(bench.reg, &bench.settings);
	run_until(&a.calls, 1);
	assert_int_equal(a.ret, 0);
	assert_non_null(workspace_find(bench.reg, "client"));
	assert_int_equal(workspace_choose(bench.reg, "alice", "client", NULL, name, &e), 0);
	bench.settings.nworkspaces = 0;
	registry_set_settings(bench.reg, &bench.settings);
	assert_null(workspace_find(bench.reg, "client"));
	assert_int_equal(workspace_choose(bench.reg, "alice", "client", NULL, name, &e), -EACCES);
}

static void test_choose(void **state)
{
	char name[STR_NAME_MAX];
	struct ip ip, other;
	struct err e;

	bench_add_spec("client", "alice", "172.31.199.9");
	bench_add_spec("server", "bob", "172.31.199.10");
	bench_start();
	ip_parse("172.31.199.9", &ip, NULL);
	ip_parse("172.31.199.77", &other, NULL);
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, NULL, name, &e), 0);
	assert_string_equal(name, "alice");
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, &ip, name, &e), 0);
	assert_string_equal(name, "client");
	assert_int_equal(workspace_choose(bench.reg, "bob", NULL, &ip, name, &e), -EACCES);
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, &other, name, &e), -ENOENT);
	assert_string_equal(
		e.text,
		"find workspace at '172.31.199.77': no workspace has this address (sshbay list)");
	ip_parse("10.0.0.1", &other, NULL);
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, &other, name, &e), 0);
	assert_string_equal(name, "alice");
	/* Not yours and no such: the same words. */
	assert_int_equal(workspace_choose(bench.reg, "alice", "server", NULL, name, &e), -EACCES);
	assert_string_equal(
		e.text,
		"enter workspace 'server': no such workspace, or 'alice' is not among its users");
	assert_int_equal(workspace_choose(bench.reg, "alice", "nobody", NULL, name, &e), -EACCES);
	assert_string_equal(
		e.text,
		"enter workspace 'nobody': no such workspace, or 'alice' is not among its users");
	assert_int_equal(workspace_choose(bench.reg, "alice", "../etc", NULL, name, &e), -EINVAL);
	assert_int_equal(workspace_choose(bench.reg, "Alice", NULL, NULL, name, &e), -EINVAL);
	assert_int_equal(workspace_choose(bench.reg, "", NULL, NULL, name, &e), -EINVAL);
	/* By the address that a running workspace got by itself. */
	assert_int_equal(login("carol"), 0);
	ip = rec("carol")->control_ip;
	assert_int_equal(workspace_choose(bench.reg, "carol", "", &ip, name, &e), 0);
	assert_string_equal(name, "carol");
	assert_int_equal(workspace_choose(bench.reg, "alice", "", &ip, name, &e), -EACCES);
}

static void test_choose_configured_only(void **state)
{
	char name[STR_NAME_MAX];
	struct err e;

	bench.settings.gate.create_on_login = false;
	bench_add_spec("client", "alice", NULL);
	bench_add_spec("server", "bob", NULL);
	bench_start();
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, NULL, name, &e), 0);
	assert_string_equal(name, "client");
	assert_int_equal(workspace_choose(bench.reg, "carol", NULL, NULL, name, &e), -EACCES);
	bench_add_spec("third", "alice", NULL);
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(workspace_choose(bench.reg, "alice", NULL, NULL, name, &e), -EACCES);
	assert_int_equal(workspace_choose(bench.reg, "alice", "third", NULL, name, &e), 0);
}

static void test_iteration(void **state)
{
	static const char *const want[] = { "alice", "client", "zoe" };
	struct workspace *ws = NULL;
	int n = 0;

	bench_add_spec("client", "alice", NULL);
	bench_start();
	assert_int_equal(login("zoe"), 0);
	assert_int_equal(login("alice"), 0);
	assert_int_equal(login("bob"), 0);
	assert_int_equal(operate("bob", WORKSPACE_DESTROY, 1), 0);
	while ((ws = workspace_next(bench.reg, ws)))
		assert_string_equal(workspace_name(ws), want[n++]);
	assert_int_equal(n, 3);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first_login),
		T(test_joiners),
		T(test_queue),
		T(test_every_step_fails),
		T(test_worker_dies_at_every_step),
		T(test_failed_start_keeps_files),
		T(test_undo_fails_then_heals),
		T(test_clean_failure_reaches_the_login),
		T(test_disk_full_before),
		T(test_disk_full_after),
		T(test_destroy_on_full_disk),
		T(test_stop_behind_create),
		T(test_stop_keeps_network),
		T(test_changed_address_takes_down_first),
		T(test_destroy),
		T(test_purge_of_files_kept),
		T(test_destroy_many),
		T(test_verbs),
		T(test_cancel),
		T(test_creation_survives_its_client),
		T(test_cancel_inside_callbacks),
		T(test_operation_from_done),
		T(test_init_dies),
		T(test_init_dies_and_provisiond),
		T(test_login_while_init_is_dying),
		T(test_reboot_from_inside),
		T(test_reload),
		T(test_choose),
		T(test_choose_configured_only),
		T(test_iteration),
		T(test_hanging_worker),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
