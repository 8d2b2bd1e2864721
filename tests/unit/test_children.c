/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* children.c: the table, deadlines, and the reaping of real processes, in every order of death and answer. */
#include "sshd-gate/listener/children.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct children table;
static uint32_t ended_serial[8];
static int ended_status[8];
static unsigned int nended;

static int fresh(void **state)
{
	children_free(&table);
	nended = 0;
	return 0;
}

static void ended(void *ctx, const struct child *c, int status)
{
	assert_ptr_equal(ctx, &table);
	ended_serial[nended] = c->serial;
	ended_status[nended++] = status;
}

static void reap(void)
{
	children_reap(&table, ended, &table);
}

/* A child of ours that waits (code < 0) or exits at once. */
static pid_t spawn(int code)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (code >= 0)
			_exit(code);
		pause();
		_exit(0);
	}
	return pid;
}

static void wait_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void lookups(void **state)
{
	struct child *a = children_add(&table), *b = children_add(&table);

	assert_non_null(a);
	assert_non_null(b);
	assert_int_not_equal(a->serial, b->serial);
	assert_int_equal(a->conn, -1);
	assert_int_equal(a->gate, -1);
	memset(b->id, 7, sizeof(b->id));
	assert_ptr_equal(children_by_serial(&table, b->serial), b);
	assert_ptr_equal(children_by_id(&table, b->id), b);
	assert_int_equal(children_pending(&table), 2);
	children_remove(&table, a);
	assert_ptr_equal(children_by_serial(&table, b->serial), b);
	assert_null(children_by_serial(&table, b->serial + 1));
	assert_int_equal(children_pending(&table), 1);
}

static void serials_of_the_living_are_skipped(void **state)
{
	struct child *old = children_add(&table), *next;

	table.serial = old->serial - 1;
	next = children_add(&table);
	assert_int_equal(next->serial, old->serial + 1);
}

static void descriptors_are_closed(void **state)
{
	struct child *c = children_add(&table);
	int p[2];

	assert_int_equal(pipe(p), 0);
	c->conn = p[0];
	c->gate = p[1];
	children_remove(&table, c);
	assert_int_equal(close(p[0]), -1);
	assert_int_equal(close(p[1]), -1);
}

static void table_is_bounded(void **state)
{
	for (int i = 0; i < CHILDREN_MAX; i++)
		assert_non_null(children_add(&table));
	assert_null(children_add(&table));
	children_remove(&table, table.v[17]);
	assert_non_null(children_add(&table));
}

static void load_counts_the_unauthenticated(void **state)
{
	struct ipnet here = { .addr = { AF_INET, { 192, 0, 2, 1 } }, .plen = 32 }, there = here;
	struct admission_load load = { .all_max = 9 };

	there.addr.b[3] = 2;
	for (int i = 0; i < 5; i++) {
		struct child *c = children_add(&table);

		c->source = i < 3 ? here : there;
		c->authenticated = i == 0;
	}
	children_load(&table, &here, &load);
	assert_int_equal(load.all, 5);
	assert_int_equal(load.startups, 4);
	assert_int_equal(load.from_source, 2);
	assert_int_equal(load.all_max, 9);
}

static void death_before_the_answer(void **state)
{
	struct child *c = children_add(&table);
	pid_t pid = spawn(3);

	wait_zombie(pid);
	reap();
	assert_int_equal(nended, 0); /* nobody knows yet whose it is */
	assert_true(children_adopt(c, pid));
	reap();
	assert_int_equal(nended, 1);
	assert_int_equal(WEXITSTATUS(ended_status[0]), 3);
	assert_int_equal(table.n, 0);
}

static void foreign_pids_are_not_adopted(void **state)
{
	struct child *c = children_add(&table);

	assert_false(children_adopt(c, 1));
	assert_false(children_adopt(c, getpid()));
	assert_false(children_adopt(c, 0));
	assert_false(children_adopt(c, -1));
	assert_int_equal(c->pid, 0);
}

static void deadlines_kill(void **state)
{
	struct child *slow = children_add(&table), *quick = children_add(&table),
		     *dropped = children_add(&table);

	assert_true(children_deadline(&table) == UINT64_MAX);
	assert_true(children_adopt(slow, spawn(-1)));
	assert_true(children_adopt(quick, spawn(-1)));
	assert_true(children_adopt(dropped, spawn(-1)));
	slow->deadline_us = 100;
	dropped->deadline_us = 200;
	dropped->dropped = true;
	quick->authenticated = true;
	assert_int_equal(children_deadline(&table), 100);
	assert_int_equal(children_expire(&table, 99), 0);
	assert_int_equal(children_expire(&table, 100), 1);
	assert_true(slow->killed && slow->timeout);
	assert_int_equal(children_expire(&table, 100000), 1);
	assert_true(dropped->killed && !dropped->timeout);
	wait_zombie(slow->pid);
	wait_zombie(dropped->pid);
	reap();
	assert_int_equal(nended, 2);
	assert_int_equal(WTERMSIG(ended_status[0]), SIGKILL);
	assert_int_equal(table.n, 1);
	assert_int_equal(kill(quick->pid, 0), 0);
	kill(quick->pid, SIGKILL);
	wait_zombie(quick->pid);
	reap();
	assert_int_equal(nended, 3);
}

static void deadline_waits_for_the_pid(void **state)
{
	struct child *c = children_add(&table);

	c->deadline_us = 100;
	assert_int_equal(children_expire(&table, 1000), 0);
	assert_true(c->deadline_us > 1000);
	assert_true(children_adopt(c, spawn(-1)));
	assert_int_equal(children_expire(&table, c->deadline_us), 1);
	wait_zombie(c->pid);
	reap();
	assert_int_equal(nended, 1);
}

/* A session whose zygote died before it told the pid: reaped, when no answer is outstanding, and counted once. */
static void lost_children_are_reaped(void **state)
{
	struct child *pending = children_add(&table), *known;
	pid_t stray = spawn(0), mine;

	wait_zombie(stray);
	table.lost = 1;
	reap();
	assert_int_equal(kill(stray, 0), 0); /* may be the pending one's */
	children_remove(&table, pending);
	known = children_add(&table);
	mine = spawn(5);
	assert_true(children_adopt(known, mine));
	wait_zombie(mine);
	reap();
	assert_int_equal(table.lost, 0);
	assert_int_equal(nended, 1);
	assert_int_equal(WEXITSTATUS(ended_status[0]), 5);
	assert_int_equal(kill(stray, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lookups, fresh, fresh),
		cmocka_unit_test_setup_teardown(serials_of_the_living_are_skipped, fresh, fresh),
		cmocka_unit_test_setup_teardown(descriptors_are_closed, fresh, fresh),
		cmocka_unit_test_setup_teardown(table_is_bounded, fresh, fresh),
		cmocka_unit_test_setup_teardown(load_counts_the_unauthenticated, fresh, fresh),
		cmocka_unit_test_setup_teardown(death_before_the_answer, fresh, fresh),
		cmocka_unit_test_setup_teardown(foreign_pids_are_not_adopted, fresh, fresh),
		cmocka_unit_test_setup_teardown(deadlines_kill, fresh, fresh),
		cmocka_unit_test_setup_teardown(deadline_waits_for_the_pid, fresh, fresh),
		cmocka_unit_test_setup_teardown(lost_children_are_reaped, fresh, fresh),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("children", tests, NULL, NULL);
}
