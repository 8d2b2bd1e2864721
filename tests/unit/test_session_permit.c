/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* permit.c: what a login may do, as the session keeps and enforces it. */
#include "../../sshd-gate/session/env.h"
#include "../../sshd-gate/session/permit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct session s;
static struct gate_permit p;

#define LIST(field, text)                                                                          \
	do {                                                                                       \
		p.field.len = sizeof(text);                                                        \
		memcpy(p.field.data, text, sizeof(text));                                          \
	} while (0)

static int fresh(void **state)
{
	free(s.permit);
	memset(&s, 0, sizeof(s));
	memset(&p, 0, sizeof(p));
	p.flags = GATE_MAY_ALL;
	return 0;
}

static void nothing_before_the_login(void **state)
{
	s.may = GATE_MAY_ALL; /* even then */
	assert_false(permit_has(&s, GATE_MAY_PTY));
	assert_false(permit_open(&s, "localhost", 80));
	assert_false(permit_listen(&s, "localhost", 80));
	assert_false(permit_unix(&s));
	assert_null(permit_command(&s));
}

static void a_plain_permit_costs_nothing(void **state)
{
	assert_int_equal(permit_take(&s, &p), 0);
	assert_null(s.permit);
	assert_true(permit_has(&s, GATE_MAY_PTY));
	assert_true(permit_has(&s, GATE_MAY_AGENT | GATE_MAY_X11));
	assert_true(permit_open(&s, "anything", 1));
	assert_true(permit_listen(&s, "", 0));
	assert_true(permit_unix(&s));
	p.flags = GATE_MAY_FORWARD;
	assert_int_equal(permit_take(&s, &p), 0);
	assert_false(permit_has(&s, GATE_MAY_PTY));
	assert_false(permit_has(&s, GATE_MAY_PTY | GATE_MAY_FORWARD));
	assert_true(permit_unix(&s));
	p.flags = 0;
	assert_int_equal(permit_take(&s, &p), 0);
	assert_false(permit_open(&s, "anything", 1));
	assert_false(permit_listen(&s, "", 0));
	assert_false(permit_unix(&s));
}

static void lists_of_places(void **state)
{
	LIST(open, "db.example:5432\0[fd00::1]:80\0web:*\0*:443\0noport\0bad:0\0bad2:65536");
	assert_int_equal(permit_take(&s, &p), 0);
	assert_non_null(s.permit);
	assert_true(permit_open(&s, "db.example", 5432));
	assert_false(permit_open(&s, "db.example", 5433));
	assert_false(permit_open(&s, "db.exampl", 5432));
	assert_false(permit_open(&s, "db.example.", 5432));
	assert_false(permit_open(&s, "DB.example", 5432));
	assert_true(permit_open(&s, "fd00::1", 80));
	assert_false(permit_open(&s, "[fd00::1]", 80));
	assert_true(permit_open(&s, "web", 1));
	assert_true(permit_open(&s, "anything", 443));
	assert_false(permit_open(&s, "*", 80));
	assert_false(permit_open(&s, "noport", 0));
	assert_false(permit_open(&s, "bad", 0));
	assert_false(permit_open(&s, "bad2", 0));
	assert_false(permit_unix(&s));
	/* The other direction has no list. */
	assert_true(permit_listen(&s, "db.example", 1));
	fresh(NULL);
	LIST(listen, "localhost:8080\0*:9090");
	assert_int_equal(permit_take(&s, &p), 0);
	assert_true(permit_listen(&s, "localhost", 8080));
	assert_true(permit_listen(&s, "", 9090));
	assert_false(permit_listen(&s, "", 8080));
	assert_false(permit_listen(&s, "localhost", 0));
	assert_true(permit_open(&s, "any", 1));
	assert_false(permit_unix(&s));
	p.flags &= ~(uint32_t)GATE_MAY_FORWARD;
	assert_int_equal(permit_take(&s, &p), 0);
	assert_false(permit_listen(&s, "localhost", 8080));
}

static void a_list_without_its_end_is_refused(void **state)
{
	p.open.len = 3;
	memcpy(p.open.data, "a:1", 3);
	assert_int_equal(permit_take(&s, &p), -EBADMSG);
	assert_false(permit_has(&s, GATE_MAY_PTY));
	p.open.len = 0;
	p.environment.len = 3;
	memcpy(p.environment.data, "A=1", 3);
	assert_int_equal(permit_take(&s, &p), -EBADMSG);
	assert_false(permit_has(&s, GATE_MAY_PTY));
}

static void command_and_environment(void **state)
{
	uint8_t block[64];
	uint32_t len = 0;

	memcpy(p.command, "backup --all", 13);
	LIST(environment, "A=1\0noequals\0B=x=y");
	assert_int_equal(permit_take(&s, &p), 0);
	assert_string_equal(permit_command(&s), "backup --all");
	assert_int_equal(env_put(block, &len, sizeof(block), "A", "client"), 0);
	assert_int_equal(permit_environment(&s, block, &len, sizeof(block)), 0);
	assert_int_equal(len, 10);
	assert_memory_equal(block, "A=1\0B=x=y\0", 10);
	len = 0;
	assert_int_equal(permit_environment(&s, block, &len, 8), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_before_the_login, fresh),
		cmocka_unit_test_setup(a_plain_permit_costs_nothing, fresh),
		cmocka_unit_test_setup(lists_of_places, fresh),
		cmocka_unit_test_setup(a_list_without_its_end_is_refused, fresh),
		cmocka_unit_test_setup(command_and_environment, fresh),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("session permit", tests, NULL, NULL);
}
