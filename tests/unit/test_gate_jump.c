/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jump.c, gate_jump.c, hostkeys.c: where a jump may go and what of it the listener hears; which host key a connection shows. */
#include "gate_lab.h"

#include "hostkeys.h"
#include "jump.h"

static struct ctl_jump jumped;
static int jumps, jump_error, listener_end = -1;

static int on_jump(void *who, const struct ctl_jump *j, int fd, struct err *e)
{
	assert_ptr_equal(who, &owner);
	if (jump_error)
		return err_set(e, EAGAIN, "jump: full");
	jumped = *j;
	jumps++;
	fd_close(&listener_end);
	listener_end = dup(fd);
	return 0;
}

/* alice may enter `client`, 172.31.199.1; the pool holds more. */
static int fresh_pool(void **state)
{
	int ret = fresh(state);

	gate_server_on_jump(server, on_jump);
	jumps = jump_error = 0;
	settings.gate.jump = SETTINGS_JUMP_OWN;
	settings.gate.max_forwards = 2;
	settings.gate.own_host_keys = false;
	(void)str_copy(settings.storage.state, sizeof(settings.storage.state), dir);
	assert_int_equal(ip_parse_net("172.31.199.0/24", &settings.network.control_cidr, NULL), 0);
	assert_int_equal(ip_parse_net("fd00:31::/64", &settings.network.control_cidr6, NULL), 0);
	assert_int_equal(ip_parse("172.31.199.1", &own_address, NULL), 0);
	the_spec.control_ip = own_address;
	(void)str_copy(the_spec.users[0], STR_NAME_MAX, "alice");
	the_spec.nusers = 1;
	return ret;
}

static enum gate_jump_result decide(const char *user, const char *host, struct err *e)
{
	struct ip to;
	enum gate_jump_result r;

	memset(e, 0, sizeof(*e));
	r = jump_decide((struct registry *)&settings, user, host, &to, e);
	if (r == GATE_JUMP_CONNECTED)
		assert_true(ip_in_net(&to, &settings.network.control_cidr) ||
			    ip_in_net(&to, &settings.network.control_cidr6));
	else
		assert_int_equal(e->code != 0, r == GATE_JUMP_REFUSED);
	return r;
}

static void who_may_jump_where(void **state)
{
	static const struct {
		enum settings_jump rule;
		const char *user, *host;
		enum gate_jump_result result;
		const char *why;
	} cases[] = {
		{ SETTINGS_JUMP_OWN, "alice", "172.31.199.1", GATE_JUMP_CONNECTED, "" },
		{ SETTINGS_JUMP_OWN, "alice", "client", GATE_JUMP_CONNECTED, "" },
		{ SETTINGS_JUMP_OWN, "bob", "172.31.199.1", GATE_JUMP_REFUSED, "its users" },
		{ SETTINGS_JUMP_OWN, "bob", "client", GATE_JUMP_REFUSED, "its users" },
		{ SETTINGS_JUMP_OWN, "alice", "172.31.199.9", GATE_JUMP_REFUSED, "no such" },
		{ SETTINGS_JUMP_OWN, "alice", "fd00:31::7", GATE_JUMP_REFUSED, "no such" },
		{ SETTINGS_JUMP_OWN, "alice", "172.31.200.1", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "127.0.0.1", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "::1", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "169.254.1.1", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "github.com", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "../client", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_OWN, "alice", "", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_ANY, "bob", "172.31.199.1", GATE_JUMP_CONNECTED, "" },
		{ SETTINGS_JUMP_ANY, "bob", "172.31.199.9", GATE_JUMP_CONNECTED, "" },
		{ SETTINGS_JUMP_ANY, "bob", "fd00:31::7", GATE_JUMP_CONNECTED, "" },
		{ SETTINGS_JUMP_ANY, "bob", "192.0.2.1", GATE_JUMP_INSIDE, "" },
		{ SETTINGS_JUMP_NO, "alice", "172.31.199.1", GATE_JUMP_REFUSED, "[gate] jump" },
		{ SETTINGS_JUMP_NO, "alice", "client", GATE_JUMP_REFUSED, "[gate] jump" },
		{ SETTINGS_JUMP_NO, "alice", "192.0.2.1", GATE_JUMP_INSIDE, "" },
	};
	struct err e;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		settings.gate.jump = cases[i].rule;
		if (decide(cases[i].user, cases[i].host, &e) != cases[i].result ||
		    !strstr(e.text, cases[i].why))
			fail_msg("case %zu, %s to %s: %s", i, cases[i].user, cases[i].host, e.text);
	}
	/* A name without an address cannot be reached by one. */
	settings.gate.jump = SETTINGS_JUMP_OWN;
	the_spec.control_ip.family = 0;
	assert_int_equal(decide("alice", "client", &e), GATE_JUMP_REFUSED);
	assert_non_null(strstr(e.text, "no address yet"));
	the_workspace.exists = 1;
	the_record.control_ip = own_address;
	assert_int_equal(decide("alice", "client", &e), GATE_JUMP_CONNECTED);
}

static int jump(struct session *s, const char *host, uint32_t port)
{
	struct gate_jump q = { .id = 7, .port = port };

	(void)str_copy(q.host, sizeof(q.host), host);
	assert_int_equal(ask(s, GATE_JUMP, &q), GATE_JUMPED);
	assert_int_equal(got.jumped.id, 7);
	assert_int_equal(got_msg.nfds, got.jumped.result == GATE_JUMP_CONNECTED);
	return (int)got.jumped.result;
}

/* What the listener makes of a jump of `s`. */
static void arrive(struct session *far, const struct session *s, uint8_t id)
{
	struct ctl_conn conn = { .id = { .len = CTL_ID_LEN }, .via = { .len = CTL_ID_LEN } };

	memset(conn.id.data, id, CTL_ID_LEN);
	memcpy(conn.via.data, s->conn.id.data, CTL_ID_LEN);
	connect_as(far, 0, &conn);
	assert_int_equal(next(far), GATE_WELCOME);
}

static void a_jump_joins_session_and_listener(void **state)
{
	struct session s, far, third;
	char buf[8] = "", via[40], hex[33];

	log_in(&s, "alice");
	assert_int_equal(jump(&s, "172.31.199.1", 22), GATE_JUMP_CONNECTED);
	assert_int_equal(jumps, 1);
	assert_memory_equal(jumped.via.data, s.conn.id.data, CTL_ID_LEN);
	/* The far client's address, not one of this host. */
	assert_true(ip_equal(&jumped.peer.addr, &s.conn.peer.addr));
	assert_true(ip_equal(&jumped.local.addr, &own_address) && jumped.local.port == 22);
	assert_int_equal(write(got_msg.fds[0], "SSH-", 4), 4);
	assert_int_equal(read(listener_end, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "SSH-");
	msg_close_fds(&got_msg);
	assert_non_null(strstr(audited, "result=accepted reason=172.31.199.1"));
	audited[0] = '\0';
	arrive(&far, &s, 0xee);
	str_hex(s.conn.id.data, CTL_ID_LEN, hex);
	snprintf(via, sizeof(via), " via=%s ", hex);
	assert_non_null(strstr(audited, via));
	assert_int_equal(jump(&s, "client", 22), GATE_JUMP_CONNECTED);
	msg_close_fds(&got_msg);
	/* Two live then: no third. */
	arrive(&third, &s, 0xef);
	assert_int_equal(jump(&s, "client", 22), GATE_JUMP_REFUSED);
	assert_non_null(strstr(got.jumped.text, "max_forwards"));
	hang_up(&third, 0);
	assert_int_equal(jump(&s, "client", 22), GATE_JUMP_CONNECTED);
	msg_close_fds(&got_msg);
	hang_up(&far, 0);
	hang_up(&s, 0);
	fd_close(&listener_end);
}

static void jumps_that_do_not_come_to_be(void **state)
{
	struct gate_jump q = { .id = 1, .port = 22, .host = "client" };
	struct session s;

	log_in(&s, "alice");
	assert_int_equal(jump(&s, "172.31.199.9", 22), GATE_JUMP_REFUSED);
	assert_non_null(strstr(audited, "result=refused reason=jump to '172.31.199.9'"));
	assert_int_equal(jump(&s, "172.31.199.1", 23), GATE_JUMP_INSIDE);
	assert_int_equal(jump(&s, "172.31.199.1", 2222), GATE_JUMP_INSIDE);
	assert_int_equal(jump(&s, "localhost.localdomain", 22), GATE_JUMP_INSIDE);
	jump_error = 1;
	assert_int_equal(jump(&s, "client", 22), GATE_JUMP_REFUSED);
	jump_error = 0;
	gate_server_disown(server, &owner); /* the listener restarts */
	assert_int_equal(jump(&s, "client", 22), GATE_JUMP_REFUSED);
	assert_non_null(strstr(got.jumped.text, "listener"));
	assert_int_equal(jumps, 0);
	fd_close(&s.fd);
	spin();
	open_session(&s);
	ask(&s, GATE_JUMP, &q); /* not logged in */
	assert_dropped(&s);
}

static void key_of(struct session *s, uint8_t out[32])
{
	connect_as(s, 0, NULL);
	assert_int_equal(next(s), GATE_WELCOME);
	memcpy(out, got.welcome.host_key.data, 32);
}

static void every_workspace_shows_its_own_key(void **state)
{
	uint8_t first[32], second[32];
	struct ip address = own_address;
	struct session s, other;
	char path[128];
	struct stat st;
	struct err e;

	settings.gate.own_host_keys = true;
	key_of(&s, first);
	assert_memory_not_equal(first, hostkey_public(hostkey), 32);
	snprintf(path, sizeof(path), "%s/hostkeys/client", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(path, sizeof(path), "%s/hostkeys", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	own_address.b[3] = 77; /* what is dialled belongs to nobody now */
	key_of(&other, second);
	assert_memory_equal(second, hostkey_public(hostkey), 32);
	hang_up(&other, 0);
	own_address = address;
	key_of(&other, second);
	assert_memory_equal(first, second, 32);
	hang_up(&other, 0);
	/* Another file, another key: the cache does not hide it. */
	assert_int_equal(hostkeys_remove(dir, "client", &e), 0);
	assert_int_equal(hostkeys_make(dir, "client", &e), 0);
	key_of(&other, second);
	assert_memory_not_equal(first, second, 32);
	hang_up(&other, 0);
	settings.gate.own_host_keys = false;
	key_of(&other, second);
	assert_memory_equal(second, hostkey_public(hostkey), 32);
	hang_up(&other, 0);
	hang_up(&s, 0);
}

/* Is the signature that has just come by this key? */
static bool signed_by(const uint8_t pub[32], const uint8_t hash[32])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		    EVP_DigestVerify(ctx, got.sig.sig.data, 64, hash, 32) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return good;
}

static void the_key_stays_with_the_connection(void **state)
{
	uint8_t pub[32], rekey[32] = { 5 };
	struct session s, again;
	struct err e;

	settings.gate.own_host_keys = true;
	key_of(&s, pub);
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	assert_true(signed_by(pub, s.hash));
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	settings.gate.own_host_keys = false;
	assert_int_equal(sign(&s, rekey), GATE_SIGNED);
	assert_true(signed_by(pub, rekey));
	gate_server_free(server);
	start();
	fd_close(&s.fd);
	connect_as(&again, 1, &s.conn);
	assert_int_equal(next(&again), GATE_RESUMED);
	assert_int_equal(sign(&again, rekey), GATE_SIGNED);
	assert_true(signed_by(pub, rekey));
	/* Without its key it cannot go on: no other one will do. */
	assert_int_equal(hostkeys_remove(dir, "client", &e), 0);
	gate_server_free(server);
	start();
	fd_close(&again.fd);
	connect_as(&again, 1, &s.conn);
	assert_dropped(&again);
	fd_close(&again.fd);
}

static void more_workspaces_than_the_cache_holds(void **state)
{
	struct hostkey *k, *first;
	uint8_t pub[100][32];
	struct hostkeys *c;
	char name[16];
	struct err e;

	assert_int_equal(hostkeys_new(dir, &c, &e), 0);
	assert_int_equal(hostkeys_get(c, "nobody", false, &k, &e), -ENOENT);
	assert_null(k);
	assert_int_equal(hostkeys_get(c, "../x", true, &k, &e), -EINVAL);
	assert_int_equal(hostkeys_get(c, "w0", true, &first, &e), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 100; i++) {
			snprintf(name, sizeof(name), "w%d", i);
			assert_int_equal(hostkeys_get(c, name, !round, &k, &e), 0);
			if (!round)
				memcpy(pub[i], hostkey_public(k), 32);
			assert_memory_equal(pub[i], hostkey_public(k), 32);
			hostkey_free(k);
		}
	assert_memory_equal(hostkey_public(first), pub[0], 32); /* out of the cache, still ours */
	hostkey_free(first);
	assert_int_equal(hostkeys_make(dir, "w1", &e), 0);
	assert_int_equal(hostkeys_get(c, "w1", false, &k, &e), 0);
	assert_memory_equal(hostkey_public(k), pub[1], 32);
	hostkey_free(k);
	assert_int_equal(hostkeys_remove(dir, "w1", &e), 0);
	assert_int_equal(hostkeys_remove(dir, "w1", &e), 0);
	assert_int_equal(hostkeys_get(c, "w1", false, &k, &e), -ENOENT);
	hostkeys_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh_pool, finish)
	const struct CMUnitTest tests[] = {
		T(who_may_jump_where),
		T(a_jump_joins_session_and_listener),
		T(jumps_that_do_not_come_to_be),
		T(every_workspace_shows_its_own_key),
		T(the_key_stays_with_the_connection),
		T(more_workspaces_than_the_cache_holds),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_jump", tests, setup, teardown);
}
