/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The step table: order, reports, undo in reverse, what a stop leaves, which error is told. Every step is a stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "devices.h"
#include "plan.h"
#include "proto/work.h"

static char trace[512];
static const char *fail_at, *fail_too;

static int step(const char *name, struct err *e)
{
	strncat(trace, name, sizeof(trace) - strlen(trace) - 1);
	strncat(trace, " ", sizeof(trace) - strlen(trace) - 1);
	if ((fail_at && !strcmp(name, fail_at)) || (fail_too && !strcmp(name, fail_too)))
		return err_set(e, EIO, "do '%s': injected", name);
	return 0;
}

#define STEP(f)                                                                                    \
	int f(struct plan *p, struct err *e);                                                      \
	int f(struct plan *p, struct err *e)                                                       \
	{                                                                                          \
		(void)p;                                                                           \
		return step(#f, e);                                                                \
	}
STEP(gpu_lease_up)
STEP(gpu_lease_down)
STEP(limits_up)
STEP(limits_down)
STEP(ns_up)
STEP(ns_down)
STEP(net_up)
STEP(net_down)
STEP(nic_up)
STEP(nic_down)
STEP(rdma_up)
STEP(rdma_down)
STEP(rootfs_up)
STEP(rootfs_down)
STEP(ns_init_up)
STEP(ns_init_down)
STEP(devices_up)
STEP(devices_down)
STEP(ns_ready_up)
const struct devices_node devices_nodes[] = { { 0 } };

static struct settings settings;
static struct spec spec;
static struct record rec;
static struct plan plan;

static int setup(void **state)
{
	(void)state;
	trace[0] = '\0';
	fail_at = fail_too = NULL;
	strcpy(settings.storage.run, "/nowhere/run");
	strcpy(settings.storage.state, "/nowhere/state");
	strcpy(rec.name, "alice");
	plan_init(&plan, &settings, &spec, &rec);
	return 0;
}

static void test_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_string_equal(plan.dir, "/nowhere/run/ws/alice");
	assert_string_equal(plan.store, "/nowhere/state/workspaces/alice");
	assert_int_equal(plan_up(&plan, &e), 0);
	assert_string_equal(trace, "gpu_lease_up limits_up ns_up net_up nic_up rdma_up rootfs_up "
				   "ns_init_up devices_up ns_ready_up ");
	assert_string_equal(rec.step, "ready");
}

static void test_stop_keeps(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plan_down(&plan, false, &e), 0);
	assert_string_equal(trace, "devices_down ns_init_down rootfs_down limits_down ");
}

static void test_down_goes_on(void **state)
{
	struct err e = { 0 };

	(void)state;
	fail_at = "ns_init_down";
	fail_too = "net_down";
	assert_int_equal(plan_down(&plan, true, &e), -EIO);
	assert_string_equal(e.text, "do 'ns_init_down': injected");
	assert_string_equal(trace,
			    "devices_down ns_init_down rootfs_down rdma_down nic_down net_down "
			    "ns_down limits_down gpu_lease_down ");
}

/* Namespaces that still have the NIC are not let go: the next attempt brings it home. */
static void test_nic_guards(void **state)
{
	struct err e = { 0 };

	(void)state;
	fail_at = "nic_down";
	assert_int_equal(plan_down(&plan, true, &e), -EIO);
	assert_string_equal(e.text, "do 'nic_down': injected");
	assert_string_equal(trace, "devices_down ns_init_down rootfs_down rdma_down nic_down ");
}

static void test_undo(void **state)
{
	struct err e = { 0 };

	(void)state;
	fail_at = "rootfs_up";
	assert_int_equal(plan_up(&plan, &e), -EIO);
	assert_string_equal(e.text, "do 'rootfs_up': injected");
	assert_string_equal(trace, "gpu_lease_up limits_up ns_up net_up nic_up rdma_up rootfs_up "
				   "rootfs_down rdma_down nic_down net_down ns_down "
				   "limits_down gpu_lease_down ");
}

static void test_undo_fails(void **state)
{
	struct err e = { 0 };

	(void)state;
	fail_at = "nic_up";
	fail_too = "net_down";
	assert_int_equal(plan_up(&plan, &e), -EIO);
	assert_string_equal(e.text, "do 'nic_up': injected; undo: do 'net_down': injected");
	assert_non_null(strstr(trace, "limits_down"));
}

static void test_no_spec(void **state)
{
	struct err e = { 0 };

	(void)state;
	plan_init(&plan, &settings, NULL, &rec);
	assert_int_equal(plan_up(&plan, &e), -EINVAL);
	assert_string_equal(trace, "");
	assert_int_equal(plan_down(&plan, true, &e), 0);
}

static void test_reports(void **state)
{
	struct work_step got;
	struct err e = { 0 };
	struct msg m;
	int sv[2];

	(void)state;
	assert_int_equal(msg_pair(sv, &e), 0);
	plan.report = sv[0];
	fail_at = "ns_up";
	assert_int_equal(plan_up(&plan, &e), -EIO);
	for (int i = 0; i < 6; i++)
		assert_int_equal(msg_recv(sv[1], &work_proto, &got, sizeof(got), &m, &e), 1);
	assert_string_equal(got.step, "limits");
	assert_int_equal(got.done, 1);
	assert_int_equal(got.up, 1);
	assert_int_equal(msg_recv(sv[1], &work_proto, &got, sizeof(got), &m, &e), 1);
	assert_string_equal(got.step, "namespaces");
	assert_int_equal(got.done, 0);
	assert_int_equal(msg_recv(sv[1], &work_proto, &got, sizeof(got), &m, &e), 1);
	assert_string_equal(got.step, "namespaces");
	assert_int_equal(got.up, 0);
	close(sv[0]);
	close(sv[1]);
}

static void test_purge(void **state)
{
	char dir[] = "/tmp/sbplan.XXXXXX", path[128];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plan_purge(&plan, &e), 0);
	assert_non_null(mkdtemp(dir));
	strcpy(settings.storage.state, dir);
	plan_init(&plan, &settings, &spec, &rec);
	snprintf(path, sizeof(path), "%s/workspaces", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(plan.store, 0700), 0);
	strcpy(rec.name, "../x");
	assert_int_equal(plan_purge(&plan, &e), -EINVAL);
	strcpy(rec.name, "alice");
	assert_int_equal(plan_purge(&plan, &e), 0);
	assert_int_equal(access(plan.store, F_OK), -1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_cut_path(void **state)
{
	(void)state;
	memset(settings.storage.run, 'x', sizeof(settings.storage.run) - 1);
	plan_init(&plan, &settings, &spec, &rec);
	assert_string_equal(plan.dir, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_up, setup),
		cmocka_unit_test_setup(test_stop_keeps, setup),
		cmocka_unit_test_setup(test_down_goes_on, setup),
		cmocka_unit_test_setup(test_nic_guards, setup),
		cmocka_unit_test_setup(test_undo, setup),
		cmocka_unit_test_setup(test_undo_fails, setup),
		cmocka_unit_test_setup(test_no_spec, setup),
		cmocka_unit_test_setup(test_reports, setup),
		cmocka_unit_test_setup(test_purge, setup),
		cmocka_unit_test_setup(test_cut_path, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
