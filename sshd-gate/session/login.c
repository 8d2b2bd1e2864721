/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See login.h.  Session process, before the login.  libssh never answers a request it could not parse or verify, so that
 * a client would wait for ever; an earlier request is kept to answer in its place.
 */
#include "login.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/log.h"
#include "blob.h"
#include "interpose.h"
#include "kbdint.h"
#include "lens.h"
#include "readahead.h"
#include "refusal.h"
#include "rekey.h"
#include "rpc.h"
#include "sandbox.h"
#include "transport.h"

#define MUTE_US                                                                                    \
	150000 /* a client that sent a request and hears nothing for this long gets a failure */
#define REFUSE_US                                                                                  \
	5000 /* no refusal comes sooner, as in sshd: whether a user exists shall not be measured */
#define REQUEST_BYTES_MIN 48 /* smaller unanswered packets are IGNORE, DEBUG or EXT_INFO */

void login_answered(struct session *s)
{
	ssh_message_free(s->auth_spare);
	s->auth_spare = s->auth_msg;
	s->auth_msg = NULL;
	s->auth_type = 0;
	transport_note_writes(s);
}

static void deny(struct session *s)
{
	s->prompted = false;
	ssh_message_reply_default(s->auth_msg);
	login_answered(s);
}

/* Requests that provisiond never sees are counted here: nobody may go on for ever. */
void login_deny(struct session *s)
{
	if (++s->auth_refused >= s->welcome.auth_tries)
		transport_disconnect(s, "Too many authentication failures");
	else
		deny(s);
}

void login_methods(struct session *s, const char *list)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {
		{ "publickey", SSH_AUTH_METHOD_PUBLICKEY },
		{ "password", SSH_AUTH_METHOD_PASSWORD },
		{ "keyboard-interactive", SSH_AUTH_METHOD_INTERACTIVE },
	};

	if (!*list)
		return;
	s->auth_methods = 0;
	while (*list) {
		size_t n = strcspn(list, ",");

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == n && memcmp(known[i].name, list, n) == 0)
				s->auth_methods |= known[i].bit;
		list += n + (list[n] == ',');
	}
	ssh_set_auth_methods(s->ssh, (int)s->auth_methods);
}

void login_violation(struct session *s, const char *text)
{
	s->violated = true;
	transport_disconnect(s, text);
}

/* No user is named like this; the lens puts such a byte where a NUL was. */
static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

/* The login name stays the same on a connection, as in sshd. False: the connection ends. */
static bool same_login(struct session *s, const char *user)
{
	if (!user || !*user || strlen(user) >= sizeof(s->login) || has_control(user)) {
		login_violation(s, "Invalid user name");
		return false;
	}
	if (s->login_set && strcmp(s->login, user)) {
		login_violation(s, "Change of username not allowed");
		return false;
	}
	memcpy(s->login, user, strlen(user) + 1);
	s->login_set = true;
	return true;
}

static void show_banner(struct session *s)
{
	ssh_string text;

	if (s->banner_sent || !s->welcome.banner[0])
		return;
	s->banner_sent = true;
	text = ssh_string_from_char(s->welcome.banner);
	if (text)
		ssh_send_issue_banner(s->ssh, text);
	ssh_string_free(text);
}

/* The public key as a blob. 0 or -errno. */
static int export_key(ssh_message m, struct gate_key *k)
{
	char *text = NULL;
	size_t len, pad = 0;
	int n = -1;
	ssh_key key;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
	"-Wdeprecated-declarations" /* no other call of 0.10 hands out the key */
	key = ssh_message_auth_pubkey(m);
#pragma GCC diagnostic pop
	if (!key || ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return -EBADMSG;
	len = strlen(text);
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	if (len && len % 4 == 0 && len / 4 * 3 <= sizeof(k->key.data))
		n = EVP_DecodeBlock(k->key.data, (const unsigned char *)text, (int)len);
	ssh_string_free_char(text);
	if (n < 0 || (size_t)n <= pad)
		return -EBADMSG;
	k->key.len = (uint32_t)((size_t)n - pad);
	return 0;
}

static int fill_signature(struct gate_key *k, const char *type)
{
	struct interpose_record r;

	if (!interpose_take(&r))
		return -EBADMSG;
	return blob_signature(type, &r, k);
}

/* A probe or a signature: the question to provisiond. */
static void publickey(struct session *s)
{
	ssh_message m = s->auth_msg;
	struct gate_key *k = s->auth_key;
	enum ssh_publickey_state_e state;
	char type[64];
	int ret;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	state = ssh_message_auth_publickey_state(m);
#pragma GCC diagnostic pop
	memset(k, 0, sizeof(*k));
	memcpy(k->login, s->login, sizeof(k->login));
	ret = export_key(m, k);
	if (!ret)
		ret = blob_key_type(k->key.data, k->key.len, type, sizeof(type));
	/* The record belongs to this request even when the rest is refused. */
	if (state == SSH_PUBLICKEY_STATE_VALID) {
		int sig = fill_signature(k, ret ? "" : type);

		ret = ret ? ret : sig;
	} else if (!ret) {
		memcpy(k->alg, blob_probe_alg(type), strlen(blob_probe_alg(type)) + 1);
	}
	if (ret < 0)
		login_deny(s);
	else
		login_ask(s, state == SSH_PUBLICKEY_STATE_VALID ? GATE_VERIFY : GATE_PROBE, k);
}

/* The text stays nowhere but in the question. */
static void password(struct session *s)
{
	struct gate_password q = { 0 };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	const char *text = ssh_message_auth_password(s->auth_msg);
#pragma GCC diagnostic pop
	size_t n = text ? strlen(text) : 0;

	memcpy(q.login, s->login, sizeof(q.login));
	/* One that is too long is none: it is refused like an empty one, and counted. */
	if (n && n < sizeof(q.password))
		memcpy(q.password, text, n);
	if (text)
		explicit_bzero((char *)(uintptr_t)text, n);
	lens_forget();
	login_ask(s, GATE_PASSWORD, &q);
	explicit_bzero(&q, sizeof(q));
}

void login_ask(struct session *s, uint32_t type, const void *body)
{
	struct err e = { 0 };

	if (rpc_ask_login(s, type, body, &e) < 0)
		transport_disconnect(s, "sshbay: the login service does not answer");
}

static void auth(struct session *s)
{
	uint32_t method = (uint32_t)ssh_message_subtype(s->auth_msg);

	if (kbdint_is_response(s->auth_msg)) {
		kbdint_response(s);
		return;
	}
	/* Whatever was asked, the client will not answer it any more. */
	s->prompted = false;
	if (!same_login(s, ssh_message_auth_user(s->auth_msg)))
		return;
	if (!s->auth_key)
		s->auth_key = calloc(1, sizeof(*s->auth_key));
	if (!s->auth_key) {
		session_end(s, "out of memory");
		return;
	}
	show_banner(s);
	if (method == SSH_AUTH_METHOD_PUBLICKEY)
		publickey(s);
	else if (method == SSH_AUTH_METHOD_PASSWORD && s->auth_methods & method)
		password(s);
	else if (method == SSH_AUTH_METHOD_INTERACTIVE && s->auth_methods & method)
		kbdint_request(s);
	else if (method == SSH_AUTH_METHOD_NONE)
		deny(s);
	else
		login_deny(s);
}

void login_request(struct session *s, struct ssh_message_struct *m)
{
	const char *service;

	switch (ssh_message_type(m)) {
	case SSH_REQUEST_SERVICE:
		service = ssh_message_service_service(m);
		s->auth_begun = true;
		if (service && strcmp(service, "ssh-userauth") == 0)
			ssh_message_service_reply_success(m);
		else
			login_violation(s, "Unknown service");
		ssh_message_free(m);
		break;
	case SSH_REQUEST_AUTH:
		s->auth_msg = m;
		auth(s);
		break;
	default:
		ssh_message_free(m);
		login_violation(s, "Not authenticated");
		break;
	}
}

static void accepted(struct session *s)
{
	if (!s->permitted) {
		transport_disconnect(s, "sshbay: the login service did not say what is allowed");
		return;
	}
	ssh_message_auth_reply_success(s->auth_msg, 0);
	s->stage = STAGE_OPEN;
	rekey_serve(s->ssh);
	refusal_login(s);
	s->deadline_us = 0;
	s->mute_us = 0;
	login_answered(s);
	ssh_message_free(s->auth_spare);
	s->auth_spare = NULL;
	free(s->auth_key);
	s->auth_key = NULL;
	sandbox_login_done();
	readahead_socket(ssh_get_fd(s->ssh));
}

static void refuse(struct session *s)
{
	s->late_us = 0;
	if (s->late.drop)
		transport_disconnect(s, s->late.reason[0] ? s->late.reason
							  : "Too many authentication failures");
	else
		deny(s);
}

void login_verdict(struct session *s, const struct gate_verdict *v)
{
	if (!s->auth_type || !s->auth_msg || s->late_us)
		return;
	login_methods(s, v->methods);
	if (v->partial) {
		ssh_message_auth_reply_success(s->auth_msg, 1);
		login_answered(s);
	} else if (v->drop || !v->ok) {
		s->late = *v;
		s->late_us = s->asked_us + REFUSE_US;
	} else if (s->auth_type != GATE_PROBE) {
		accepted(s);
	} else {
		ssh_message_auth_reply_pk_ok_simple(s->auth_msg);
		login_answered(s);
	}
}

void login_account(struct session *s, unsigned int handled, uint64_t now)
{
	uint64_t bytes, packets = transport_packets(s, &bytes), fresh = packets - s->auth_packets;

	if (!fresh)
		return;
	s->auth_packets = packets;
	if (packets > SESSION_AUTH_PACKETS_MAX)
		login_violation(s, "Too many packets before the login");
	else if (handled)
		s->mute_us = 0;
	else if (s->auth_begun && bytes - s->auth_bytes >= REQUEST_BYTES_MIN)
		s->mute_us = now + MUTE_US;
	s->auth_bytes = bytes;
}

void login_tick(struct session *s, uint64_t now)
{
	if (s->late_us) {
		if (now >= s->late_us)
			refuse(s);
		return;
	}
	if (s->auth_type && now >= s->ask_until_us) {
		transport_disconnect(s, "sshbay: the login service does not answer");
		return;
	}
	if (!s->mute_us || now < s->mute_us || s->auth_type)
		return;
	s->mute_us = 0;
	if (!s->auth_spare) {
		transport_disconnect(s, "Unsupported key or signature");
		return;
	}
	ssh_message_reply_default(s->auth_spare);
	transport_note_writes(s);
}
