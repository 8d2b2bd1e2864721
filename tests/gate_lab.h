/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A lab for provisiond's gate: the test is the session at the other end of the socket, honest or not, with a real key;
 * registry, limits, key files and the audit log are played. Included by one test program at a time.
 */
#pragma once
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
static const struct settings *current = &settings; /* another one after a reload */
static struct workspace the_workspace;
static struct ip own_address; /* of the workspace */
static struct record the_record;
static struct spec the_spec; /* users, addresses; the rest is made up below */
static struct waiter *waiting;
static int run_at_once, choose_error, connect_error, cancelled;
static unsigned int connect_full; /* so many times ws-init's queue has no room */
static char chosen_user[STR_NAME_MAX], chosen_wanted[STR_NAME_MAX], bound_user[STR_NAME_MAX];
static uint64_t oom_kills;
static char audited[64 * 1024];
static char listed_user[STR_NAME_MAX]; /* whose file holds our key */

const struct settings *registry_settings(const struct registry *r)
{
	return current;
}

static registry_notice_fn notice;
static void *notice_ctx;

void registry_on_notice(struct registry *r, registry_notice_fn fn, void *ctx)
{
	notice = fn;
	notice_ctx = ctx;
}

int workspace_choose(struct registry *r, const char *user, const char *wanted,
		     const struct ip *dialled, char name[STR_NAME_MAX], struct err *e)
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

struct workspace *workspace_find_ip(struct registry *r, const struct ip *ip)
{
	return ip_equal(ip, &own_address) ? &the_workspace : NULL;
}

const struct record *workspace_record(const struct workspace *ws)
{
	return &the_record;
}

const char *workspace_name(const struct workspace *ws)
{
	return "client";
}

bool workspace_exists(const struct workspace *ws)
{
	return ws->exists;
}

void workspace_spec(struct registry *r, const struct workspace *ws, struct spec *out)
{
	*out = the_spec;
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
	if (connect_full) {
		connect_full--;
		return err_set(e, EAGAIN, "attach to 'x': the workspace does not answer");
	}
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

static int key_revoked, asked;
static const char *granted_by = "authorized_keys line 1";
static uint8_t key_blob[51];
static uint8_t revoked_blob[sizeof(key_blob)]; /* a key that is listed no more, whatever user */
static uint64_t asked_at;                      /* auth_query.now */
static char more_seen[256];                    /* what keys_command printed, when it did */

int auth_key_accept(const struct auth_query *q, struct auth_grant *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(q->user, "untrusted") == 0)
		return err_set(e, EPERM, "read keys of 'untrusted': writable by others");
	asked_at = q->now;
	if (q->len == sizeof(key_blob) && memcmp(q->key, revoked_blob, sizeof(key_blob)) == 0) {
		(void)err_set(e, ENOKEY, "accept key: not listed");
		return 0;
	}
	/* The very key: also when it comes out of a file. */
	if (q->len != sizeof(key_blob) || memcmp(q->key, key_blob, q->len) != 0 ||
	    strcmp(q->alg, "ssh-ed25519") != 0)
		return err_set(e, EINVAL, "accept key: not the test's");
	asked++;
	if (q->more)
		(void)str_copy(more_seen, sizeof(more_seen), q->more);
	(void)str_copy(out->by, sizeof(out->by), granted_by);
	if (key_revoked) {
		(void)err_set(e, EKEYREVOKED, "accept key: revoked");
		return 0;
	}
	(void)err_set(e, ENOKEY, "accept key: not listed");
	auth_permit(q->settings, &out->permit);
	out->touch_required = true;
	return q->exists && strcmp(q->user, listed_user) == 0;
}

void audit_write(const char *event, const struct audit_field *fields, unsigned int n)
{
	size_t used = strlen(audited);

	used += (size_t)snprintf(audited + used, sizeof(audited) - used, "%s", event);
	for (unsigned int i = 0; i < n && used < sizeof(audited) - 256; i++)
		if (fields[i].text)
			used += (size_t)snprintf(audited + used, sizeof(audited) - used, " %s=%s",
						 fields[i].key, fields[i].text);
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

static void state_fn(void *who, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind)
{
	assert_ptr_equal(who, &owner);
	memcpy(last_id, id, CTL_ID_LEN);
	last_state = (int)kind;
}

struct session {
	int fd; /* session's end */
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
	struct gate_permit permit;
	struct gate_prompt prompt;
	struct gate_jumped jumped;
	struct gate_leave leave;
	struct gate_notice notice;
} got;
static struct msg got_msg;
static struct gate_permit permitted;
static unsigned int npermits;

/* Let provisiond work until it has nothing to do. */
static void spin(void)
{
	while (sd_event_run(loop, 0) > 0)
		;
}

/* Type of the next message to the session; 0 at the end of the stream, -1 when there is none. */
static __attribute__((unused)) int next(struct session *s)
{
	int ret = msg_recv(s->fd, &gate_proto, &got, sizeof(got), &got_msg, NULL);

	/* What the login may do comes before its verdict: kept apart, so that a question has one answer. */
	if (ret > 0 && got_msg.type == GATE_PERMIT) {
		permitted = got.permit;
		npermits++;
		return next(s);
	}
	return ret > 0 ? (int)got_msg.type : ret == 0 ? 0 : -1;
}

static __attribute__((unused)) int ask(struct session *s, uint32_t type, const void *body)
{
	assert_int_equal(msg_send(s->fd, &gate_proto, type, body, NULL), 0);
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

static __attribute__((unused)) int sign(struct session *s, const uint8_t *hash)
{
	struct gate_sign req = { .hash = { .len = 32 } };

	memcpy(req.hash.data, hash, 32);
	return ask(s, GATE_SIGN, &req);
}

static __attribute__((unused)) void open_session(struct session *s)
{
	connect_as(s, 0, NULL);
	assert_int_equal(next(s), GATE_WELCOME);
	assert_int_equal(sign(s, s->hash), GATE_SIGNED);
}

static __attribute__((unused)) void fill_key(struct gate_key *k, const char *login)
{
	memset(k, 0, sizeof(*k));
	(void)str_copy(k->login, sizeof(k->login), login);
	(void)str_copy(k->alg, sizeof(k->alg), "ssh-ed25519");
	k->key.len = sizeof(key_blob);
	memcpy(k->key.data, key_blob, sizeof(key_blob));
}

/* A signature over what the session claims to be its session id. */
static __attribute__((unused)) void fill_sig(struct gate_key *k, const uint8_t *id)
{
	uint8_t text[1024], sig[64];
	struct wire_out o = { text, 0, sizeof(text), false },
			out = { k->sig.data, 0, sizeof(k->sig.data), false };
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

static __attribute__((unused)) int verify(struct session *s, const char *login, const uint8_t *id)
{
	struct gate_key k;

	fill_key(&k, login);
	fill_sig(&k, id);
	return ask(s, GATE_VERIFY, &k);
}

static __attribute__((unused)) int probe(struct session *s, const char *login)
{
	struct gate_key k;

	fill_key(&k, login);
	return ask(s, GATE_PROBE, &k);
}

static __attribute__((unused)) void log_in(struct session *s, const char *login)
{
	open_session(s);
	assert_int_equal(verify(s, login, s->hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
}

static __attribute__((unused)) void assert_dropped(struct session *s)
{
	assert_int_equal(last_state, CTL_DROP);
	assert_memory_equal(last_id, s->conn.id.data, CTL_ID_LEN);
	while (next(s) > 0)
		msg_close_fds(&got_msg);
	assert_int_equal(next(s), 0);
}

static __attribute__((unused)) void count(void *ctx, const struct session_info *s)
{
	++*(int *)ctx;
}

static __attribute__((unused)) int listed(void)
{
	int n = 0;

	sessions_each(count, &n);
	return n;
}

static __attribute__((unused)) int saved_file(const struct session *s)
{
	char path[128], hex[33];
	struct stat st;

	str_hex(s->conn.id.data, CTL_ID_LEN, hex);
	snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
	return stat(path, &st) == 0 && (st.st_mode & 07777) == 0600;
}

static __attribute__((unused)) void hang_up(struct session *s, uint32_t signal)
{
	struct ctl_closed c = { .id = { .len = CTL_ID_LEN }, .signal = signal };

	fd_close(&s->fd);
	spin();
	memcpy(c.id.data, s->conn.id.data, CTL_ID_LEN);
	gate_server_closed(server, &c);
	assert_false(saved_file(s));
}

/* Another key from now on. */
static void make_key(void)
{
	struct wire_out o = { key_blob, 0, sizeof(key_blob), false };
	uint8_t pub[32];
	size_t n = sizeof(pub);

	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, pub, &n), 1);
	wire_put_str(&o, "ssh-ed25519", 11);
	wire_put_str(&o, pub, 32);
	assert_int_equal(o.n, sizeof(key_blob));
}

static int setup(void **state)
{
	char path[128];
	struct err e;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/host_key", dir);
	assert_int_equal(hostkey_load(path, &hostkey, &e), 0);
	assert_true(sd_event_new(&loop) >= 0);
	make_key();
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
	assert_int_equal(gate_server_new(loop, (struct registry *)&settings, hostkey, state_fn,
					 &server, NULL),
			 0);
}

static int fresh(void **state)
{
	settings.gate.max_auth_tries = 6;
	settings.gate.max_sessions = 10;
	settings.gate.login_grace = 30;
	settings.gate.forwarding = true;
	(void)str_copy(settings.auth.methods, sizeof(settings.auth.methods), "publickey");
	settings.limits.connections_per_user = 3;
	the_workspace = (struct workspace){ 0 };
	the_record = (struct record){ 0 };
	the_spec = (struct spec){ 0 };
	waiting = NULL;
	run_at_once = choose_error = connect_error = cancelled = 0;
	connect_full = 0;
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
