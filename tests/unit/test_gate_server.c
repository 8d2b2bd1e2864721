/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate_server.c, gate_auth.c, gate_attach.c, sessions.c: this test is the session at the other end of the socket, honest
 * or not, with a real key; registry, limits, key files and the audit log are played.
 */
#include "gate_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "provision/limits.h"
#include "proto/gate.h"
#include "sessions.h"
#include "wire.h"

/* --- what provisiond has beside the gate --- */

struct workspace {
	int exists;
	int sessions;
};

static struct settings settings;
static struct workspace the_workspace;
static struct waiter *waiting;
static int run_at_once, choose_error, connect_error, cancelled;
static char chosen_user[STR_NAME_MAX], chosen_wanted[STR_NAME_MAX], bound_user[STR_NAME_MAX];
static uint64_t oom_kills;
static char audited[64 * 1024];
static char listed_user[STR_NAME_MAX];	/* whose file holds our key */

const struct settings *registry_settings(const struct registry *r)
{
	return &settings;
}

int workspace_choose(struct registry *r, const char *user, const char *wanted, const struct ip *dialled,
		     char name[STR_NAME_MAX], struct err *e)
{
	(void)str_copy(chosen_user, sizeof(chosen_user), user);
	(void)str_copy(chosen_wanted, sizeof(chosen_wanted), wanted ? wanted : "");
	if (choose_error)
		return err_set(e, EACCES, "enter workspace 'x': not yours");
	return str_copy(name, STR_NAME_MAX, wanted && wanted[0] ? wanted : user);
}

struct workspace *workspace_find(struct registry *r, const char *name)
{
	return &the_workspace;
}

bool workspace_exists(const struct workspace *ws)
{
	return ws->exists;
}

void workspace_spec(struct registry *r, const struct workspace *ws, struct spec *out)
{
	memset(out, 0, sizeof(*out));
	out->memory = 128 << 20;
}

void workspace_run(struct registry *r, const char *name, struct waiter *w)
{
	waiting = w;
	if (run_at_once) {
		waiting = NULL;
		w->done(w, &the_workspace, 0, NULL);
	}
}

void waiter_cancel(struct waiter *w)
{
	cancelled += waiting == w;
	waiting = NULL;
}

int workspace_connect(struct registry *r, struct workspace *ws, const char *user, struct err *e)
{
	int sv[2];

	(void)str_copy(bound_user, sizeof(bound_user), user);
	if (connect_error)
		return err_set(e, ENOTCONN, "attach to 'x': it is stopping");
	assert_int_equal(msg_pair(sv, e), 0);
	close(sv[1]);
	return sv[0];
}

void workspace_count_session(struct workspace *ws, int delta)
{
	ws->sessions += delta;
}

int limits_oom_kills(const struct settings *s, const char *name, uint64_t *kills, struct err *e)
{
	*kills = oom_kills;
	return 0;
}

int keys_listed(const char *pattern, const char *user, const char *alg, const uint8_t *key, size_t len, struct err *e)
{
	if (strcmp(user, "untrusted") == 0)
		return err_set(e, EPERM, "read keys of 'untrusted': writable by others");
	return strcmp(user, listed_user) == 0;
}

void audit_write(const char *event, const struct audit_field *fields, unsigned int n)
{
	size_t used = strlen(audited);

	used += (size_t)snprintf(audited + used, sizeof(audited) - used, "%s", event);
	for (unsigned int i = 0; i < n && used < sizeof(audited) - 256; i++)
		if (fields[i].text)
			used += (size_t)snprintf(audited + used, sizeof(audited) - used, " %s=%s", fields[i].key,
						 fields[i].text);
	if (used < sizeof(audited) - 256)
		snprintf(audited + used, sizeof(audited) - used, "\n");
}

/* --- the bed --- */

static char dir[] = "/tmp/sshbay-gate-XXXXXX";
static sd_event *loop;
static struct hostkey *hostkey;
static struct gate_server *server;
static int owner, last_state = -1;
static uint8_t last_id[CTL_ID_LEN], next_id;
static EVP_PKEY *key;
static uint8_t key_blob[51];

static void state_fn(void *who, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind)
{
	assert_ptr_equal(who, &owner);
	memcpy(last_id, id, CTL_ID_LEN);
	last_state = (int)kind;
}

struct session {
	int fd;			/* session's end */
	struct ctl_conn conn;
	uint8_t hash[32];
};

static union {
	struct gate_welcome welcome;
	struct gate_signed sig;
	struct gate_verdict verdict;
	struct gate_progress progress;
	struct gate_attached attached;
	struct gate_refused refused;
	struct gate_because because;
} got;
static struct msg got_msg;

/* Let provisiond work until it has nothing to do. */
static void spin(void)
{
	while (sd_event_run(loop, 20000) > 0)
		;
}

/* Type of the next message to the session; 0 at the end of the stream, -1 when there is none. */
static int next(struct session *s)
{
	int ret = msg_recv(s->fd, &gate_proto, &got, sizeof(got), &got_msg, NULL);

	return ret > 0 ? (int)got_msg.type : ret == 0 ? 0 : -1;
}

static int ask(struct session *s, uint32_t type, const void *body)
{
	assert_int_equal(msg_send(s->fd, &gate_proto, type, body, NULL, 0, NULL), 0);
	spin();
	return next(s);
}

static void connect_as(struct session *s, uint32_t resumed, const struct ctl_conn *same)
{
	int sv[2];

	if (same) {
		s->conn = *same;
	} else {
		memset(&s->conn, 0, sizeof(s->conn));
		s->conn.id.len = CTL_ID_LEN;
		memset(s->conn.id.data, ++next_id, CTL_ID_LEN);
	}
	s->conn.resumed = resumed;
	assert_int_equal(ip_parse_port("192.0.2.7:40000", &s->conn.peer, NULL), 0);
	assert_int_equal(ip_parse_port("172.31.199.1:22", &s->conn.local, NULL), 0);
	assert_int_equal(msg_pair(sv, NULL), 0);
	s->fd = sv[0];
	assert_int_equal(fd_nonblock(s->fd, 1), 0);
	memset(s->hash, next_id, sizeof(s->hash));
	(void)gate_server_add(server, &s->conn, sv[1], &owner, NULL);
	spin();
}

static int sign(struct session *s, const uint8_t *hash)
{
	struct gate_sign req = { .hash = { .len = 32 } };

	memcpy(req.hash.data, hash, 32);
	return ask(s, GATE_SIGN, &req);
}

static void open_session(struct session *s)
{
	connect_as(s, 0, NULL);
	assert_int_equal(next(s), GATE_WELCOME);
	assert_int_equal(sign(s, s->hash), GATE_SIGNED);
}

static void fill_key(struct gate_key *k, const char *login)
{
	memset(k, 0, sizeof(*k));
	(void)str_copy(k->login, sizeof(k->login), login);
	(void)str_copy(k->alg, sizeof(k->alg), "ssh-ed25519");
	k->key.len = sizeof(key_blob);
	memcpy(k->key.data, key_blob, sizeof(key_blob));
}

/* A signature over what the session claims to be its session id. */
static void fill_sig(struct gate_key *k, const uint8_t *id)
{
	uint8_t text[1024], sig[64];
	struct wire_out o = { text, 0, sizeof(text), false }, out = { k->sig.data, 0, sizeof(k->sig.data), false };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = sizeof(sig);

	wire_put_str(&o, id, 32);
	wire_put(&o, "\x32", 1);
	wire_put_str(&o, k->login, strlen(k->login));
	wire_put_str(&o, "ssh-connection", 14);
	wire_put_str(&o, "publickey", 9);
	wire_put(&o, "\x01", 1);
	wire_put_str(&o, k->alg, strlen(k->alg));
	wire_put_str(&o, k->key.data, k->key.len);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, text, o.n), 1);
	EVP_MD_CTX_free(ctx);
	wire_put_str(&out, "ssh-ed25519", 11);
	wire_put_str(&out, sig, sizeof(sig));
	k->sig.len = (uint32_t)out.n;
}

static int verify(struct session *s, const char *login, const uint8_t *id)
{
	struct gate_key k;

	fill_key(&k, login);
	fill_sig(&k, id);
	return ask(s, GATE_VERIFY, &k);
}

static int probe(struct session *s, const char *login)
{
	struct gate_key k;

	fill_key(&k, login);
	return ask(s, GATE_PROBE, &k);
}

static void log_in(struct session *s, const char *login)
{
	open_session(s);
	assert_int_equal(verify(s, login, s->hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
}

static void assert_dropped(struct session *s)
{
	assert_int_equal(last_state, CTL_DROP);
	assert_memory_equal(last_id, s->conn.id.data, CTL_ID_LEN);
	while (next(s) > 0)
		msg_close_fds(&got_msg);
	assert_int_equal(next(s), 0);
}

static void count(void *ctx, const struct session_info *s)
{
	++*(int *)ctx;
}

static int listed(void)
{
	int n = 0;

	sessions_each(count, &n);
	return n;
}

static int saved_file(const struct session *s)
{
	char path[128], hex[33];
	struct stat st;

	str_hex(s->conn.id.data, CTL_ID_LEN, hex);
	snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
	return stat(path, &st) == 0 && (st.st_mode & 07777) == 0600;
}

static void hang_up(struct session *s, uint32_t signal)
{
	struct ctl_closed c = { .id = { .len = CTL_ID_LEN }, .signal = signal };

	fd_close(&s->fd);
	spin();
	memcpy(c.id.data, s->conn.id.data, CTL_ID_LEN);
	gate_server_closed(server, &c);
	assert_false(saved_file(s));
}

static int setup(void **state)
{
	struct wire_out o = { key_blob, 0, sizeof(key_blob), false };
	uint8_t pub[32];
	size_t n = sizeof(pub);
	char path[128];
	struct err e;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/host_key", dir);
	assert_int_equal(hostkey_load(path, &hostkey, &e), 0);
	assert_true(sd_event_new(&loop) >= 0);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, pub, &n), 1);
	wire_put_str(&o, "ssh-ed25519", 11);
	wire_put_str(&o, pub, 32);
	assert_int_equal(o.n, sizeof(key_blob));
	(void)str_copy(settings.storage.run, sizeof(settings.storage.run), dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	hostkey_free(hostkey);
	sd_event_unref(loop);
	EVP_PKEY_free(key);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void start(void)
{
	assert_int_equal(gate_server_new(loop, (struct registry *)&settings, hostkey, state_fn, &server, NULL), 0);
}

static int fresh(void **state)
{
	settings.gate.max_auth_tries = 6;
	settings.gate.max_sessions = 10;
	settings.gate.login_grace = 30;
	settings.limits.connections_per_user = 3;
	the_workspace = (struct workspace){ 0 };
	waiting = NULL;
	run_at_once = choose_error = connect_error = cancelled = 0;
	oom_kills = 0;
	audited[0] = 0;
	last_state = -1;
	(void)str_copy(listed_user, sizeof(listed_user), "alice");
	start();
	return 0;
}

static int finish(void **state)
{
	gate_server_free(server);
	assert_int_equal(listed(), 0);
	return 0;
}

/* --- tests --- */

static void welcome_and_login(void **state)
{
	struct session s;

	connect_as(&s, 0, NULL);
	assert_int_equal(next(&s), GATE_WELCOME);
	assert_memory_equal(got.welcome.host_key.data, hostkey_public(hostkey), 32);
	assert_int_equal(got.welcome.auth_tries, 6);
	assert_int_equal(got.welcome.grace_s, 30);
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	assert_int_equal(got.sig.sig.len, 64);
	assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(last_state, -1);	/* a probe is no login */
	assert_int_equal(listed(), 0);
	assert_false(saved_file(&s));
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	assert_int_equal(listed(), 1);
	assert_true(saved_file(&s));
	assert_non_null(strstr(audited, "auth.ok"));
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);	/* rekey */
	hang_up(&s, 11);
	assert_non_null(strstr(audited, "killed by signal 11"));
	assert_int_equal(listed(), 0);
}

/* What another connection's signature, or one over a later hash, is worth. */
static void only_the_first_hash_counts(void **state)
{
	struct session s;
	uint8_t other[32] = { 42 };

	open_session(&s);
	assert_int_equal(sign(&s, other), GATE_SIGNED);
	assert_int_equal(verify(&s, "alice", other), GATE_VERDICT);
	assert_false(got.verdict.ok);
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	hang_up(&s, 0);
}

static void bad_names_and_unknown_users_look_alike(void **state)
{
	static const char *const names[] = {
		"bob", "", "ALICE", " alice", "alice ", "alice\n", "alice/../bob", "..", "-oX", "0", "4294967295",
		"\xd0\xb0lice", "alice+", "+alice", "alice+client+x", "alice+../x", "alice+CLIENT", "untrusted",
		"alice\x1b]0;x\x07", "abcdefghijabcdefghijabcdefghijabc",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct session s;

		open_session(&s);
		assert_int_equal(probe(&s, names[i]), GATE_VERDICT);
		assert_false(got.verdict.ok || got.verdict.drop);
		assert_string_equal(got.verdict.reason, "");
		assert_int_equal(verify(&s, names[i], s.hash), GATE_VERDICT);
		assert_false(got.verdict.ok || got.verdict.drop);
		assert_string_equal(got.verdict.reason, "");
		hang_up(&s, 0);
	}
	assert_int_equal(listed(), 0);
}

static void tries_are_counted(void **state)
{
	struct session s;
	uint8_t wrong[32] = { 1 };

	open_session(&s);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(i % 2 ? probe(&s, "bob") : verify(&s, "bob", wrong), GATE_VERDICT);
		assert_false(got.verdict.drop);
	}
	assert_int_equal(verify(&s, "bob", wrong), GATE_VERDICT);
	assert_true(got.verdict.drop);
	assert_int_equal(last_state, CTL_AUTH_FAILED);
	/* Told to leave: even a right signature is not looked at any more. */
	assert_int_equal(verify(&s, "bob", s.hash), -1);
	hang_up(&s, 0);
}

static void probes_are_limited(void **state)
{
	struct session s;

	open_session(&s);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
		assert_true(got.verdict.ok);
	}
	assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
	assert_true(got.verdict.drop);
	hang_up(&s, 0);
}

static void name_is_fixed(void **state)
{
	struct session s;

	open_session(&s);
	assert_int_equal(probe(&s, "bob"), GATE_VERDICT);
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(!got.verdict.ok && got.verdict.drop);
	assert_int_equal(listed(), 0);
	hang_up(&s, 0);
}

static void rules_of_the_conversation(void **state)
{
	struct gate_attach attach = { 0 };
	struct gate_channel chan = { .open = 1 };
	struct gate_signed answer = { .sig = { .len = 64 } };
	struct gate_key k;
	struct session s;

	connect_as(&s, 0, NULL);		/* no keys exchanged */
	next(&s);
	fill_key(&k, "alice");
	ask(&s, GATE_PROBE, &k);
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_ATTACH, &attach);		/* not logged in */
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_CHANNEL, &chan);
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_SIGNED, &answer);		/* that is our word */
	assert_dropped(&s);
	open_session(&s);
	assert_int_equal(send(s.fd, "garbage", 7, 0), 7);
	spin();
	assert_dropped(&s);
	log_in(&s, "alice");
	probe(&s, "alice");			/* no second login */
	assert_dropped(&s);
	open_session(&s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	sign(&s, s.hash);
	assert_dropped(&s);
	assert_int_equal(listed(), 0);
	assert_null(waiting);
	assert_non_null(strstr(audited, "auth.protocol_violation"));
}

static void attach_gives_a_socket(void **state)
{
	struct gate_attach req = { .progress = 1 };
	struct session s;

	log_in(&s, "alice+client");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	assert_string_equal(chosen_user, "alice");
	assert_string_equal(chosen_wanted, "client");
	assert_non_null(waiting);
	waiting->progress(waiting, "limits", "", 1, 1);		/* nothing to show */
	waiting->progress(waiting, "net", "172.31.199.1", 2000, 1);
	assert_int_equal(next(&s), GATE_PROGRESS);
	assert_string_equal(got.progress.step, "workspace");
	assert_string_equal(got.progress.detail, "client");
	assert_int_equal(next(&s), GATE_PROGRESS);
	assert_string_equal(got.progress.step, "network");
	waiting->done(waiting, &the_workspace, 0, NULL);
	assert_int_equal(next(&s), GATE_ATTACHED);
	assert_string_equal(got.attached.workspace, "client");
	assert_string_equal(got.attached.user, "alice");
	assert_true(got.attached.created);
	assert_string_equal(bound_user, "alice");
	assert_int_equal(got_msg.nfds, 1);
	msg_close_fds(&got_msg);
	assert_int_equal(the_workspace.sessions, 1);
	run_at_once = 1;
	the_workspace.exists = 1;
	req.progress = 0;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_ATTACHED);	/* after a restart of the workspace */
	assert_false(got.attached.created);
	msg_close_fds(&got_msg);
	assert_int_equal(the_workspace.sessions, 1);
	hang_up(&s, 0);
	assert_int_equal(the_workspace.sessions, 0);
}

static void attach_can_fail(void **state)
{
	struct gate_attach req = { 0 };
	struct err why;
	struct session s;

	log_in(&s, "alice");
	choose_error = 1;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_REFUSED);
	assert_string_equal(got.refused.text, "enter workspace 'x': not yours");
	choose_error = 0;
	run_at_once = connect_error = 1;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_REFUSED);
	run_at_once = connect_error = 0;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	err_set(&why, ENOSPC, "create 'alice': disk full");
	waiting->done(waiting, NULL, -ENOSPC, &why);
	assert_int_equal(next(&s), GATE_REFUSED);
	assert_string_equal(got.refused.text, "create 'alice': disk full");
	/* Two at once are one too many. */
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	ask(&s, GATE_ATTACH, &req);
	assert_dropped(&s);
	assert_int_equal(cancelled, 1);
	assert_int_equal(the_workspace.sessions, 0);
}

static void leaving_cancels_the_wait(void **state)
{
	struct gate_attach req = { 0 };
	struct session s;

	log_in(&s, "alice");
	ask(&s, GATE_ATTACH, &req);
	assert_non_null(waiting);
	hang_up(&s, 0);
	assert_int_equal(cancelled, 1);
}

static void see_channels(void *ctx, const struct session_info *s)
{
	snprintf(ctx, 256, "%u %s", s->channels, s->kinds);
}

static void channels_are_shown(void **state)
{
	struct gate_channel c = { .open = 1 };
	struct session s;
	char text[256];

	log_in(&s, "alice");
	for (uint32_t i = 0; i < 1000; i++) {
		c.id = i;
		c.kind = i % 2 ? GATE_CHAN_EXEC : GATE_CHAN_SHELL;
		ask(&s, GATE_CHANNEL, &c);
		if (i == 2) {
			sessions_each(see_channels, text);
			assert_string_equal(text, "3 shell exec");
			c.open = 0;
			ask(&s, GATE_CHANNEL, &c);
			c.id = 0;
			ask(&s, GATE_CHANNEL, &c);
			c.open = 1;
			sessions_each(see_channels, text);
			assert_string_equal(text, "1 exec");
			break;
		}
	}
	for (uint32_t i = 0; i < 5000; i++) {
		c.id = i;
		assert_int_equal(msg_send(s.fd, &gate_proto, GATE_CHANNEL, &c, NULL, 0, NULL), 0);
		if (i % 50 == 0)
			spin();
	}
	spin();
	assert_int_equal(next(&s), -1);		/* a flood of notices costs nothing but lines */
	hang_up(&s, 0);
	assert_non_null(strstr(audited, "chan.open"));
}

static void memory_kills_are_explained(void **state)
{
	struct gate_attach req = { 0 };
	struct session s;

	oom_kills = 7;
	run_at_once = 1;
	log_in(&s, "alice");
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "");
	oom_kills = 8;
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "killed: out of memory (limit 128M)");
	hang_up(&s, 0);
}

static void connections_of_a_user_are_limited(void **state)
{
	struct session s[4];

	for (int i = 0; i < 3; i++)
		log_in(&s[i], "alice");
	open_session(&s[3]);
	assert_int_equal(verify(&s[3], "alice", s[3].hash), GATE_VERDICT);
	assert_true(!got.verdict.ok && got.verdict.drop);
	assert_non_null(strstr(got.verdict.reason, "connections_per_user"));
	assert_int_equal(listed(), 3);
	for (int i = 0; i < 4; i++)
		hang_up(&s[i], 0);
}

static void info_of(void *ctx, const struct session_info *s)
{
	*(struct session_info *)ctx = *s;
}

static void a_new_provisiond_takes_over(void **state)
{
	struct gate_attach req = { 0 };
	struct session_info before = { 0 }, after = { 0 };
	struct session s, again;
	uint8_t rekey[32] = { 9 };

	run_at_once = 1;
	log_in(&s, "alice+client");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	sessions_each(info_of, &before);
	gate_server_free(server);
	assert_int_equal(listed(), 0);
	assert_true(saved_file(&s));
	assert_true(the_workspace.sessions == 1);
	the_workspace.sessions = 0;
	start();
	fd_close(&s.fd);
	connect_as(&again, 1, &s.conn);
	assert_int_equal(next(&again), GATE_RESUMED);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	sessions_each(info_of, &after);
	assert_string_equal(after.user, "alice");
	assert_string_equal(after.workspace, "client");
	assert_string_equal(after.fingerprint, before.fingerprint);
	assert_string_equal(after.peer, before.peer);
	assert_true(after.since == before.since && after.pid == before.pid);
	assert_int_equal(the_workspace.sessions, 1);
	assert_int_equal(sign(&again, rekey), GATE_SIGNED);
	assert_int_equal(ask(&again, GATE_ATTACH, &req), GATE_ATTACHED);
	assert_string_equal(chosen_wanted, "client");
	msg_close_fds(&got_msg);
	/* The listener reconnects to the same provisiond: nothing changes. */
	last_state = -1;
	connect_as(&s, 1, &again.conn);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	assert_int_equal(next(&s), 0);
	assert_int_equal(sign(&again, rekey), GATE_SIGNED);
	fd_close(&s.fd);
	hang_up(&again, 0);
}

static void questions_of_before_are_forgotten(void **state)
{
	struct session s;
	struct gate_sign req = { .hash = { .len = 32 } };
	int sv[2];

	log_in(&s, "alice");
	gate_server_free(server);
	start();
	fd_close(&s.fd);
	assert_int_equal(msg_pair(sv, NULL), 0);
	s.fd = sv[0];
	assert_int_equal(fd_nonblock(s.fd, 1), 0);
	assert_int_equal(msg_send(s.fd, &gate_proto, GATE_SIGN, &req, NULL, 0, NULL), 0);
	s.conn.resumed = 1;
	assert_int_equal(gate_server_add(server, &s.conn, sv[1], &owner, NULL), 0);
	spin();
	assert_int_equal(next(&s), GATE_RESUMED);
	assert_int_equal(next(&s), -1);
	hang_up(&s, 0);
}

static void the_unauthenticated_cannot_be_resumed(void **state)
{
	struct session s, again;

	open_session(&s);
	gate_server_free(server);
	start();
	connect_as(&again, 1, &s.conn);
	assert_dropped(&again);
	assert_int_equal(listed(), 0);
	fd_close(&s.fd);
	fd_close(&again.fd);
}

static void damaged_files_do_not_log_in(void **state)
{
	static const char *const lines[] = {
		"", "login = alice\n", "login = alice\nuser = alice\nend = yes\n", "rubbish\nend = yes\n",
		"login = alice\nuser = ../x\nsession_id = "
		"0000000000000000000000000000000000000000000000000000000000000000\nend = yes\n",
		"login = alice\nuser = alice\nsession_id = 00zz\nend = yes\n",
		"login = alice\nuser = alice\nsession_id = "
		"0000000000000000000000000000000000000000000000000000000000000000\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct session s;
		char path[128], hex[33];
		FILE *f;

		str_hex((uint8_t[CTL_ID_LEN]){ 0 }, CTL_ID_LEN, hex);
		snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
		f = fopen(path, "w");
		fputs(lines[i], f);
		fclose(f);
		memset(&s.conn, 0, sizeof(s.conn));
		s.conn.id.len = CTL_ID_LEN;
		connect_as(&s, 1, &s.conn);
		assert_dropped(&s);
		fd_close(&s.fd);
	}
	assert_int_equal(listed(), 0);
}

/* Files of processes that are gone are swept at start; those of living ones stay. */
static void sweep(void **state)
{
	struct session s;
	char text[4096], path[128], hex[33];
	FILE *f;
	size_t n;
	char *pid;

	log_in(&s, "alice");
	gate_server_free(server);
	start();
	assert_true(saved_file(&s));
	gate_server_free(server);
	str_hex(s.conn.id.data, CTL_ID_LEN, hex);
	snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
	f = fopen(path, "r");
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	pid = strstr(text, "start = ");
	assert_non_null(pid);
	pid[8] = pid[8] == '1' ? '2' : '1';	/* another process had this pid */
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	start();
	assert_false(saved_file(&s));
	fd_close(&s.fd);
}

static void a_lost_listener_loses_nothing(void **state)
{
	struct session s;

	log_in(&s, "alice");
	gate_server_disown(server, &owner);
	assert_int_equal(listed(), 1);
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	fd_close(&s.fd);
	spin();
	assert_int_equal(listed(), 0);
	assert_false(saved_file(&s));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(welcome_and_login), T(only_the_first_hash_counts), T(bad_names_and_unknown_users_look_alike),
		T(tries_are_counted), T(probes_are_limited), T(name_is_fixed), T(rules_of_the_conversation),
		T(attach_gives_a_socket), T(attach_can_fail), T(leaving_cancels_the_wait), T(channels_are_shown),
		T(memory_kills_are_explained), T(connections_of_a_user_are_limited), T(a_new_provisiond_takes_over),
		T(questions_of_before_are_forgotten), T(the_unauthenticated_cannot_be_resumed),
		T(damaged_files_do_not_log_in), T(sweep), T(a_lost_listener_loses_nothing),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_server", tests, setup, teardown);
}
