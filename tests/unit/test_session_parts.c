/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the session that need no connection: environment, signal names, wire forms; and the self-test. */
#include "../../sshd-gate/session/blob.h"
#include "../../sshd-gate/session/env.h"
#include "../../sshd-gate/session/interpose.h"
#include "../../sshd-gate/session/selftest.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <libssh/libssh.h>
#include <openssl/evp.h>

static void accepts(void **state)
{
	assert_true(env_accepts("LANG LC_*", "LANG"));
	assert_true(env_accepts("LANG LC_*", "LC_ALL"));
	assert_true(env_accepts("LANG LC_*", "LC_"));
	assert_false(env_accepts("LANG LC_*", "LANGUAGE"));
	assert_false(env_accepts("LANG LC_*", "XLC_ALL"));
	assert_false(env_accepts("LANG LC_*", ""));
	assert_false(env_accepts("", "LANG"));
	assert_true(env_accepts("*", "ANY"));
	assert_true(env_accepts("  A?C  ", "ABC"));
	assert_false(env_accepts("A?C", "AC"));
	assert_true(env_accepts("*A*B*", "xxAyyBzz"));
	assert_false(env_accepts("*A*B", "xxAyyBzz"));
	/* Backtracking must stay cheap. */
	assert_false(env_accepts("*a*a*a*a*a*a*a*a*a*a*b",
				 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void puts_env(void **state)
{
	static uint8_t block[64 * 1024];
	char name[32], longname[ENV_NAME_MAX + 2], value[ENV_VALUE_MAX + 2];
	uint32_t len = 0;

	assert_int_equal(env_put(block, &len, sizeof(block), "A", "1"), 0);
	assert_int_equal(env_put(block, &len, sizeof(block), "AB", "2"), 0);
	assert_int_equal(len, 9);
	assert_memory_equal(block, "A=1\0AB=2\0", 9);
	/* The later value counts, and its name only. */
	assert_int_equal(env_put(block, &len, sizeof(block), "A", "333"), 0);
	assert_int_equal(len, 11);
	assert_memory_equal(block, "AB=2\0A=333\0", 11);
	assert_int_equal(env_put(block, &len, sizeof(block), "", "x"), -EINVAL);
	assert_int_equal(env_put(block, &len, sizeof(block), "A=B", "x"), -EINVAL);
	assert_int_equal(env_put(block, &len, sizeof(block), "1A", "x"), -EINVAL);
	assert_int_equal(env_put(block, &len, sizeof(block), "A B", "x"), -EINVAL);
	memset(longname, 'N', sizeof(longname));
	longname[ENV_NAME_MAX + 1] = 0;
	assert_int_equal(env_put(block, &len, sizeof(block), longname, "x"), -E2BIG);
	memset(value, 'v', sizeof(value));
	value[ENV_VALUE_MAX + 1] = 0;
	assert_int_equal(env_put(block, &len, sizeof(block), "V", value), -E2BIG);
	value[ENV_VALUE_MAX] = 0;
	assert_int_equal(env_put(block, &len, sizeof(block), "V", value), 0);
	/* Exactly ENV_VARS_MAX, and an old one may still change. */
	for (int i = 3; i < ENV_VARS_MAX; i++) {
		snprintf(name, sizeof(name), "N%d", i);
		assert_int_equal(env_put(block, &len, sizeof(block), name, ""), 0);
	}
	assert_int_equal(env_put(block, &len, sizeof(block), "MORE", ""), -E2BIG);
	assert_int_equal(env_put(block, &len, sizeof(block), "N3", "changed"), 0);
	len = 0;
	assert_int_equal(env_put(block, &len, 5, "AB", "cd"), -E2BIG);
	assert_int_equal(len, 0);
	assert_int_equal(env_put(block, &len, 6, "AB", "cd"), 0);
	assert_int_equal(len, 6);
}

static void signals(void **state)
{
	assert_int_equal(env_signal_number("TERM"), SIGTERM);
	assert_int_equal(env_signal_number("USR2"), SIGUSR2);
	assert_int_equal(env_signal_number("SIGTERM"), 0);
	assert_int_equal(env_signal_number(""), 0);
	assert_string_equal(env_signal_name(SIGSEGV), "SEGV");
	assert_string_equal(env_signal_name(SIGBUS), "SIG@openssh.com");
	assert_string_equal(env_signal_name(0), "SIG@openssh.com");
	assert_string_equal(env_signal_name(4000000000U), "SIG@openssh.com");
}

static void ecdsa(void **state)
{
	static const uint8_t good[] = { 0x30, 0x07, 2, 1, 5, 2, 2, 0, 0x80 };
	static const uint8_t want[] = { 0, 0, 0, 1, 5, 0, 0, 0, 2, 0, 0x80 };
	static const uint8_t negative[] = { 0x30, 6, 2, 1, 0x85, 2, 1, 1 },
			     padded[] = { 0x30, 7, 2, 2, 0, 5, 2, 1, 1 };
	static const uint8_t trailing[] = { 0x30, 6, 2, 1, 5, 2, 1, 1, 0 },
			     three[] = { 0x30, 9, 2, 1, 5, 2, 1, 1, 2, 1, 1 };
	uint8_t out[64];
	uint32_t len = 0;

	assert_int_equal(blob_ecdsa(good, sizeof(good), out, sizeof(out), &len), 0);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	for (size_t n = 0; n < sizeof(good); n++)
		assert_int_equal(blob_ecdsa(good, n, out, sizeof(out), &len), -EBADMSG);
	assert_int_equal(blob_ecdsa(negative, sizeof(negative), out, sizeof(out), &len), -EBADMSG);
	assert_int_equal(blob_ecdsa(padded, sizeof(padded), out, sizeof(out), &len), -EBADMSG);
	assert_int_equal(blob_ecdsa(trailing, sizeof(trailing), out, sizeof(out), &len), -EBADMSG);
	assert_int_equal(blob_ecdsa(three, sizeof(three), out, sizeof(out), &len), -EBADMSG);
	assert_int_equal(blob_ecdsa(good, sizeof(good), out, 10, &len), -ENOBUFS);
}

static void key_types(void **state)
{
	static const uint8_t key[] = { 0, 0, 0, 7, 's', 's', 'h', '-', 'r', 's', 'a' },
			     nul[] = { 0, 0, 0, 2, 'a', 0 };
	char type[16];

	assert_int_equal(blob_key_type(key, sizeof(key), type, sizeof(type)), 0);
	assert_string_equal(type, "ssh-rsa");
	assert_int_equal(blob_key_type(key, sizeof(key) - 1, type, sizeof(type)), -EBADMSG);
	assert_int_equal(blob_key_type(key, 3, type, sizeof(type)), -EBADMSG);
	assert_int_equal(blob_key_type(key, sizeof(key), type, 7), -EBADMSG);
	assert_int_equal(blob_key_type(nul, sizeof(nul), type, sizeof(type)), -EBADMSG);
}

static void signatures(void **state)
{
	static const struct {
		const char *type, *alg, *inner;
		int bits;
	} certs[] = {
		{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519-cert-v01@openssh.com",
		  "ssh-ed25519", 0 },
		{ "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com",
		  "sk-ssh-ed25519@openssh.com", 0 },
		{ "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com",
		  "rsa-sha2-256", 256 },
		{ "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-512-cert-v01@openssh.com",
		  "rsa-sha2-512", 512 },
		{ "ssh-rsa-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 160 },
	};
	static struct interpose_record r = { .sig_len = 3, .sig = "abc", .digest_bits = 256 };
	static struct gate_key k;

	assert_int_equal(blob_signature("ssh-rsa", &r, &k), 0);
	assert_string_equal(k.alg, "rsa-sha2-256");
	assert_int_equal(k.sig.len, 4 + 12 + 4 + 3);
	assert_memory_equal(k.sig.data, "\0\0\0\14rsa-sha2-256\0\0\0\3abc", k.sig.len);
	r.digest_bits = 512;
	assert_int_equal(blob_signature("ssh-rsa", &r, &k), 0);
	assert_string_equal(k.alg, "rsa-sha2-512");
	/* SHA-1 keeps its own name, so that provisiond refuses it. */
	r.digest_bits = 160;
	assert_int_equal(blob_signature("ssh-rsa", &r, &k), 0);
	assert_string_equal(k.alg, "ssh-rsa");
	assert_int_equal(blob_signature("ecdsa-sha2-nistp256", &r, &k), -EBADMSG);
	/* A security key adds flags and counter of what was signed. */
	assert_int_equal(blob_signature("sk-ssh-ed25519@openssh.com", &r, &k), -EBADMSG);
	r.data_len = 69;
	memcpy(r.data + 32, "\1\0\0\0\7", 5);
	assert_int_equal(blob_signature("sk-ssh-ed25519@openssh.com", &r, &k), 0);
	assert_memory_equal(k.sig.data + k.sig.len - 5, "\1\0\0\0\7", 5);
	/* A certificate names itself in the request, the key's type in the signature. */
	for (size_t i = 0; i < sizeof(certs) / sizeof(certs[0]); i++) {
		r.digest_bits = certs[i].bits;
		assert_int_equal(blob_signature(certs[i].type, &r, &k), 0);
		assert_string_equal(k.alg, certs[i].alg);
		assert_int_equal(k.sig.data[3], strlen(certs[i].inner));
		assert_memory_equal(k.sig.data + 4, certs[i].inner, strlen(certs[i].inner));
	}
	assert_string_equal(blob_probe_alg("ssh-rsa-cert-v01@openssh.com"),
			    "rsa-sha2-512-cert-v01@openssh.com");
	assert_string_equal(blob_probe_alg("ssh-rsa"), "rsa-sha2-512");
	assert_string_equal(blob_probe_alg("ssh-ed25519-cert-v01@openssh.com"),
			    "ssh-ed25519-cert-v01@openssh.com");
}

/* libssh must load the file, and see the public key that was put in. */
static void host_key(void **state)
{
	uint8_t pub[32], blob[52];
	char text[1024], *got = NULL;
	ssh_key key = NULL;

	for (int i = 0; i < 32; i++)
		pub[i] = (uint8_t)(i * 7 + 1);
	assert_int_equal(blob_host_key(pub, text, sizeof(text)), 0);
	assert_int_equal(ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key), SSH_OK);
	assert_int_equal(ssh_key_type(key), SSH_KEYTYPE_ED25519);
	assert_int_equal(ssh_pki_export_pubkey_base64(key, &got), SSH_OK);
	assert_int_equal(strlen(got), 68);
	assert_int_equal(EVP_DecodeBlock(blob, (unsigned char *)got, 68), 51);
	assert_memory_equal(blob, "\0\0\0\13ssh-ed25519\0\0\0 ", 19);
	assert_memory_equal(blob + 19, pub, 32);
	ssh_string_free_char(got);
	ssh_key_free(key);
	assert_int_equal(blob_host_key(pub, text, 100), -ENOBUFS);
}

static void interposition(void **state)
{
	struct err e = { 0 };

	if (selftest_run(&e) < 0)
		fail_msg("%s", e.text);
}

/* send() on the connection must never block, and say 0 for "not now". */
static void send_never_blocks(void **state)
{
	static char data[1 << 20];
	int sv[2];
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	interpose_socket(sv[0]);
	do {
		n = send(sv[0], data, sizeof(data), MSG_NOSIGNAL);
	} while (n > 0);
	assert_int_equal(n, 0);
	assert_int_equal(interpose_unsent(), sizeof(data));
	close(sv[1]);
	assert_int_equal(send(sv[0], data, 1, MSG_NOSIGNAL), -1);
	interpose_socket(-1);
	close(sv[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),           cmocka_unit_test(puts_env),
		cmocka_unit_test(signals),           cmocka_unit_test(ecdsa),
		cmocka_unit_test(key_types),         cmocka_unit_test(signatures),
		cmocka_unit_test(host_key),          cmocka_unit_test(interposition),
		cmocka_unit_test(send_never_blocks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	ssh_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
