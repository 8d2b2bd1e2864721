/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See selftest.h.  The server side loads a host key without its secret, as a session does; only the interposed
 * EVP_DigestSign can make the signature that the client side then checks with the real EVP_DigestVerify.  The client
 * logs in with a good key; the hook must have recorded exactly that signature.  Zygote, before the sandbox.
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
#include "blob.h"
#include "interpose.h"
#include "transport.h"

#define LIMIT_US 10000000

struct both {
	ssh_session server, client;
	ssh_key user;              /* the client's key */
	uint8_t seed[32], pub[32]; /* host key */
	bool keyed, connected, verified;
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
			ssh_message_auth_reply_success(m, 0);
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

static int step(struct both *b)
{
	int rc = SSH_OK;

	interpose_hook(sign, b);
	if (!b->keyed) {
		rc = ssh_handle_key_exchange(b->server);
		b->keyed = rc == SSH_OK;
	} else {
		serve(b);
	}
	interpose_hook(NULL, NULL);
	return rc == SSH_ERROR ? -EPROTO : client_step(b);
}

static int handshake(struct both *b, struct err *e)
{
	uint64_t until = clk_now_us() + LIMIT_US;
	int ret = 0;

	while (!ret && clk_now_us() < until)
		ret = step(b);
	interpose_hook(NULL, NULL);
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
	if (!ret)
		ret = handshake(b, e);
	interpose_counts(&signs, &verifies);
	if (!ret && (!signs || !verifies || !b->verified))
		ret = err_set(
			e, ENOSYS,
			"test 'interposed %s': libssh did not call it (wrong library or build)",
			signs ? "EVP_DigestVerify" : "EVP_DigestSign");
	return ret;
}

int selftest_run(struct err *e)
{
	struct both b = { 0 };
	int ret = interpose_setup();

	if (ret < 0)
		return err_ret(e, ret, "find 'EVP_DigestSign'");
	ret = prove(&b, e);
	ssh_key_free(b.user);
	if (b.client)
		ssh_disconnect(b.client);
	ssh_free(b.client);
	if (b.server)
		ssh_disconnect(b.server);
	ssh_free(b.server);
	explicit_bzero(&b, sizeof(b));
	return ret;
}
