/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See selftest.h.  The server side loads a host key without its secret, as a session does; only the interposed
 * EVP_DigestSign can make the signature that the client side then checks with the real EVP_DigestVerify.  The client
 * logs in with a good key; the hook must have recorded exactly that signature.  Then one packet is rewritten in each
 * direction: terminal modes must reach the server, and an "exit status" must reach the client as something else.
 * Zygote, before the sandbox.
 */
#include "selftest.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "blob.h"
#include "interpose.h"
#include "lens.h"
#include "lens_rewrite.h"
#include "rekey.h"
#include "transport.h"

#define LIMIT_US      10000000
#define LENS_LIMIT_US 2000000
#define COLS          132

struct both {
	ssh_session server, client;
	ssh_channel here, there; /* one session channel: the server's end and the client's */
	bool modes_seen, eow_seen;
	ssh_key user;              /* the client's key */
	uint8_t seed[32], pub[32]; /* host key */
	bool keyed, connected, verified;
	bool rekey; /* what rekey.c needs was learnt */
};

static int sign(void *ctx, const uint8_t *hash, size_t len, uint8_t sig[64])
{
	const struct both *b = ctx;

	return interpose_real_sign(b->seed, hash, len, sig);
}

static int make_host_key(struct both *b)
{
	EVP_PKEY *key;
	size_t len = sizeof(b->pub);
	int ok;

	if (RAND_bytes(b->seed, sizeof(b->seed)) != 1)
		return -EIO;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, b->seed, sizeof(b->seed));
	ok = key && EVP_PKEY_get_raw_public_key(key, b->pub, &len) == 1;
	EVP_PKEY_free(key);
	return ok ? 0 : -EIO;
}

static int start_client(struct both *b, int fd)
{
	bool no = false;
	const char *host = "self";

	b->client = ssh_new();
	if (!b->client || ssh_options_set(b->client, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_options_set(b->client, SSH_OPTIONS_HOST, host) < 0 ||
	    /* Without it libssh asks the user database for a home, and the gate's uid need not be in it. */
	    ssh_options_set(b->client, SSH_OPTIONS_SSH_DIR, "/") < 0 ||
	    ssh_options_set(b->client, SSH_OPTIONS_USER, host) < 0 ||
	    ssh_options_set(b->client, SSH_OPTIONS_FD, &fd) < 0)
		return -EIO;
	ssh_set_blocking(b->client, 0);
	return ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &b->user) == SSH_OK ? 0 : -EIO;
}

/* What a session does with a request, in short. */
static void serve(struct both *b)
{
	ssh_message m;

	while ((m = ssh_message_get(b->server))) {
		struct interpose_record r;

		if (ssh_message_type(m) == SSH_REQUEST_SERVICE) {
			ssh_message_service_reply_success(m);
		} else if (ssh_message_type(m) == SSH_REQUEST_AUTH &&
			   ssh_message_subtype(m) == SSH_AUTH_METHOD_PUBLICKEY &&
			   interpose_take(&r)) {
			b->verified = r.sig_len == 64 && r.digest_bits == 0;
			b->rekey = rekey_learn(b->server, REKEY_KEYED);
			ssh_message_auth_reply_success(m, 0);
			b->rekey = b->rekey && rekey_learn(b->server, REKEY_LOGGED_IN);
		} else {
			ssh_message_reply_default(m);
		}
		ssh_message_free(m);
	}
}

/* 0 = go on, 1 = the client is logged in, -errno = broken. */
static int client_step(struct both *b)
{
	int rc;

	if (!b->connected) {
		rc = ssh_connect(b->client);
		b->connected = rc == SSH_OK;
		return rc == SSH_ERROR ? -EPROTO : 0;
	}
	rc = ssh_userauth_publickey(b->client, NULL, b->user);
	if (rc == SSH_AUTH_ERROR || rc == SSH_AUTH_DENIED)
		return -EACCES;
	return rc == SSH_AUTH_SUCCESS;
}

/* Between these two, libssh's calls are the server's. */
static void server_begins(struct both *b)
{
	interpose_hook(sign, b);
	lens_switch(true);
}

static void server_ends(void)
{
	interpose_hook(NULL, NULL);
	lens_switch(false);
}

static int step(struct both *b)
{
	int rc = SSH_OK;

	server_begins(b);
	if (!b->keyed) {
		rc = ssh_handle_key_exchange(b->server);
		b->keyed = rc == SSH_OK;
	} else {
		serve(b);
	}
	server_ends();
	return rc == SSH_ERROR ? -EPROTO : client_step(b);
}

static int handshake(struct both *b, struct err *e)
{
	uint64_t until = clk_now_us() + LIMIT_US;
	int ret = 0;

	while (!ret && clk_now_us() < until)
		ret = step(b);
	if (ret < 0)
		return err_set(e, EPROTO,
			       "test 'handshake with self': client says '%s', server '%s'",
			       ssh_get_error(b->client), ssh_get_error(b->server));
	return ret ? 0
		   : err_set(e, ETIMEDOUT, "test 'handshake with self': no end after %d s",
			     LIMIT_US / 1000000);
}

static int prove(struct both *b, struct err *e)
{
	struct transport_setup setup = { .kex = "curve25519-sha256",
					 .ciphers = "aes128-gcm@openssh.com" };
	unsigned int signs, verifies;
	int sv[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, "make 'socket pair'");
	if (make_host_key(b) < 0 || start_client(b, sv[1]) < 0) {
		close(sv[0]);
		close(sv[1]);
		return err_set(e, EIO, "test 'handshake with self': cannot make keys");
	}
	memcpy(setup.host_key, b->pub, sizeof(setup.host_key));
	ret = transport_accept(&setup, sv[0], &b->server, e);
	if (!ret) {
		(void)rekey_learn(b->server, REKEY_NEW);
		ret = handshake(b, e);
	}
	interpose_counts(&signs, &verifies);
	if (!ret && (!signs || !verifies || !b->verified))
		ret = err_set(
			e, ENOSYS,
			"test 'interposed %s': libssh did not call it (wrong library or build)",
			signs ? "EVP_DigestVerify" : "EVP_DigestSign");
	return ret;
}

/* The server's side: accept a channel, look at its terminal, say "eow". */
static void lens_server(struct both *b)
{
	uint8_t modes[LENS_REWRITE_MODES_MAX];
	uint32_t width;
	ssh_message m;

	while ((m = ssh_message_get(b->server))) {
		if (ssh_message_type(m) == SSH_REQUEST_CHANNEL_OPEN) {
			b->here = ssh_message_channel_request_open_reply_accept(m);
		} else if (ssh_message_subtype(m) == SSH_CHANNEL_REQUEST_PTY) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
			width = (uint32_t)ssh_message_channel_request_pty_width(m);
#pragma GCC diagnostic pop
			b->modes_seen = lens_modes(&width, modes) && width == COLS;
			ssh_message_channel_request_reply_success(m);
			(void)ssh_channel_request_send_exit_status(b->here,
								   LENS_REWRITE_EOW_STATUS);
		} else {
			ssh_message_reply_default(m);
		}
		ssh_message_free(m);
	}
}

/* The client's: libssh queues a request that it does not know, and handles an exit status by itself. */
static void lens_client(struct both *b)
{
	ssh_message m;

	if (!ssh_channel_is_open(b->there))
		(void)ssh_channel_open_session(b->there);
	else
		(void)ssh_channel_request_pty_size(b->there, "vt100", COLS, 24);
	while ((m = ssh_message_get(b->client))) {
		b->eow_seen |= ssh_message_type(m) == SSH_REQUEST_CHANNEL;
		ssh_message_free(m);
	}
}

/* Does the lens work both ways with this libssh? */
static bool lens_works(struct both *b)
{
	uint64_t until = clk_now_us() + LENS_LIMIT_US;

	b->there = ssh_channel_new(b->client);
	while (b->there && !b->eow_seen && clk_now_us() < until) {
		server_begins(b);
		lens_server(b);
		server_ends();
		lens_client(b);
	}
	return b->modes_seen && b->eow_seen;
}

int selftest_run(struct err *e)
{
	struct both b = { 0 };
	int ret = interpose_setup();
	bool lens = false;

	if (ret < 0)
		return err_ret(e, ret, "find 'EVP_DigestSign'");
	ret = prove(&b, e);
	lens = !ret && lens_works(&b);
	if (!ret && !lens)
		log_warn("libssh's packets cannot be rewritten (another library or build): unix "
			 "sockets are not forwarded, terminal modes not set");
	if (!ret && !b.rekey)
		log_warn("libssh's state of a session is not where it can be found (another "
			 "library or "
			 "build): clients that send while they exchange keys anew are cut off");
	ssh_key_free(b.user);
	if (b.client)
		ssh_disconnect(b.client);
	ssh_free(b.client);
	if (b.server)
		ssh_disconnect(b.server);
	ssh_free(b.server);
	explicit_bzero(&b, sizeof(b));
	lens_reset(lens);
	return ret;
}
