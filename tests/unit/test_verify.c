/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verify.c: the start-up self-test, signatures that OpenSSH's ssh-agent makes here and now for every kind of key, and
 * every way of damaging them.
 */
#include "auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "wire.h"

static char dir[] = "/tmp/sshbay-verify-XXXXXX";
static pid_t agent;

static const uint8_t session_id[32] = "an exchange hash of 32 bytes....";
#define LOGIN "alice"

struct kind {
	const char *file, *type, *bits, *alg;
	uint32_t agent_flags;
};

static const struct kind kinds[] = {
	{ "ed25519", "ed25519", "256", "ssh-ed25519", 0 },
	{ "e256", "ecdsa", "256", "ecdsa-sha2-nistp256", 0 },
	{ "e384", "ecdsa", "384", "ecdsa-sha2-nistp384", 0 },
	{ "e521", "ecdsa", "521", "ecdsa-sha2-nistp521", 0 },
	{ "rsa", "rsa", "2048", "rsa-sha2-256", 2 },
	{ "rsa", "rsa", "2048", "rsa-sha2-512", 4 },
	{ "rsa3", "rsa", "3072", "rsa-sha2-512", 4 },
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

static int setup(void **state)
{
	char sock[64];

	assert_non_null(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/agent", dir);
	agent = fork();
	if (agent == 0) {
		if (freopen("/dev/null", "w", stdout))
			execlp("ssh-agent", "ssh-agent", "-D", "-a", sock, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && access(sock, F_OK) < 0; i++)
		usleep(10000);
	for (size_t i = 0; i < NKINDS; i++) {
		if (run("test -e %s/%s", dir, kinds[i].file) == 0)
			continue;
		if (run("ssh-keygen -q -N '' -C t -t %s -b %s -f %s/%s", kinds[i].type,
			kinds[i].bits, dir, kinds[i].file) != 0 ||
		    run("SSH_AUTH_SOCK=%s ssh-add -q %s/%s", sock, dir, kinds[i].file) != 0)
			return -1;
	}
	return run("ssh-keygen -q -N '' -C t -t rsa -b 1024 -f %s/rsa1", dir) |
	       run("SSH_AUTH_SOCK=%s ssh-add -q %s/rsa1", sock, dir);
}

static int teardown(void **state)
{
	if (agent > 0) {
		kill(agent, SIGTERM);
		waitpid(agent, NULL, 0);
	}
	return run("rm -rf %s", dir);
}

static size_t key_blob(const char *file, uint8_t *out)
{
	char path[128], line[4096], *base64, *end;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "%s/%s.pub", dir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	base64 = strchr(line, ' ');
	assert_non_null(base64);
	end = strchr(++base64, ' ');
	assert_non_null(end);
	*end = 0;
	n = EVP_DecodeBlock(out, (unsigned char *)base64, (int)strlen(base64));
	assert_true(n > 0);
	return (size_t)n - (end[-1] == '=') - (end[-2] == '=');
}

static size_t signed_text(const char *alg, const uint8_t *blob, size_t blob_len, uint8_t *out,
			  size_t cap)
{
	struct wire_out o = { out, 0, cap, false };

	wire_put_str(&o, session_id, sizeof(session_id));
	wire_put(&o, "\x32", 1);
	wire_put_str(&o, LOGIN, strlen(LOGIN));
	wire_put_str(&o, "ssh-connection", 14);
	wire_put_str(&o, "publickey", 9);
	wire_put(&o, "\x01", 1);
	wire_put_str(&o, alg, strlen(alg));
	wire_put_str(&o, blob, blob_len);
	assert_false(o.bad);
	return o.n;
}

/* SSH_AGENTC_SIGN_REQUEST; the answer carries the signature in its wire form. */
static size_t agent_sign(const char *alg, uint32_t flags, const uint8_t *blob, size_t blob_len,
			 uint8_t *sig)
{
	uint8_t text[4096], req[8192], ans[4096];
	struct wire_out o = { req, 0, sizeof(req), false };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct wire w, s;
	size_t n = signed_text(alg, blob, blob_len, text, sizeof(text)), have = 0;
	ssize_t got;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	wire_put_u32(&o, (uint32_t)(1 + 4 + blob_len + 4 + n + 4));
	wire_put(&o, "\x0d", 1);
	wire_put_str(&o, blob, blob_len);
	wire_put_str(&o, text, n);
	wire_put_u32(&o, flags);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/agent", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(write(fd, req, o.n), (ssize_t)o.n);
	do {
		got = read(fd, ans + have, sizeof(ans) - have);
		assert_true(got > 0);
		have += (size_t)got;
		w = (struct wire){ ans, have };
	} while (!wire_str(&w, &s));
	close(fd);
	assert_int_equal(s.p[0], 14);
	s.p++;
	s.n--;
	assert_true(wire_str(&s, &w));
	memcpy(sig, w.p, w.n);
	return w.n;
}

struct sample {
	uint8_t key[4096], sig[1024];
	struct verify_request v;
};

static void make_sample(const struct kind *k, struct sample *s)
{
	s->v = (struct verify_request){
		.session_id = session_id,
		.session_id_len = sizeof(session_id),
		.login = LOGIN,
		.alg = k->alg,
		.key = s->key,
		.sig = s->sig,
	};
	s->v.key_len = key_blob(k->file, s->key);
	s->v.sig_len = agent_sign(k->alg, k->agent_flags, s->key, s->v.key_len, s->sig);
}

static void self_test_passes(void **state)
{
	struct err e = { 0 };

	if (verify_self_test(&e) < 0)
		fail_msg("%s", e.text);
}

static void agent_signatures_verify(void **state)
{
	for (size_t i = 0; i < NKINDS; i++) {
		struct sample s;
		struct err e = { 0 };

		make_sample(&kinds[i], &s);
		if (verify_signature(&s.v, &e) < 0)
			fail_msg("%s: %s", kinds[i].alg, e.text);
	}
}

static void other_words_are_rejected(void **state)
{
	for (size_t i = 0; i < NKINDS; i++) {
		struct sample s;
		struct verify_request v;
		uint8_t id[sizeof(session_id)];

		make_sample(&kinds[i], &s);
		v = s.v;
		v.login = "alic";
		assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
		v = s.v;
		v.session_id_len--;
		assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
		v = s.v;
		memcpy(id, session_id, sizeof(id));
		id[31] ^= 0x80;
		v.session_id = id;
		assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
		v.session_id_len = 0;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
	}
}

/* No cut of key or signature, and no byte more, may verify. */
static void lengths_are_strict(void **state)
{
	for (size_t i = 0; i < NKINDS; i++) {
		struct sample s;
		struct verify_request v;

		make_sample(&kinds[i], &s);
		for (size_t n = 0; n < s.v.key_len; n++) {
			v = s.v;
			v.key_len = n;
			assert_int_equal(verify_signature(&v, NULL), -EINVAL);
		}
		for (size_t n = 0; n < s.v.sig_len; n++) {
			v = s.v;
			v.sig_len = n;
			assert_int_equal(verify_signature(&v, NULL), -EINVAL);
		}
		s.key[s.v.key_len] = 0;
		v = s.v;
		v.key_len++;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
		s.sig[s.v.sig_len] = 0;
		v = s.v;
		v.sig_len++;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
	}
}

/* Any single damaged byte makes it fail, in one way or the other. */
static void any_damage_is_noticed(void **state)
{
	for (size_t i = 0; i < NKINDS; i++) {
		struct sample s;

		make_sample(&kinds[i], &s);
		for (size_t n = 0; n < s.v.sig_len; n++) {
			s.sig[n] ^= 0x01;
			assert_true(verify_signature(&s.v, NULL) < 0);
			s.sig[n] ^= 0x01;
		}
		for (size_t n = 0; n < s.v.key_len; n += 3) {
			s.key[n] ^= 0x40;
			assert_true(verify_signature(&s.v, NULL) < 0);
			s.key[n] ^= 0x40;
		}
		assert_int_equal(verify_signature(&s.v, NULL), 0);
	}
}

static void algorithms_do_not_mix(void **state)
{
	static const char *const others[] = {
		"ssh-rsa",       "ssh-dss",      "",
		"rsa-sha2-256 ", "RSA-SHA2-256", "ssh-rsa-cert-v01@openssh.com"
	};
	/* Known, but for other keys. */
	static const char *const other_keys[] = { "ssh-ed25519-cert-v01@openssh.com",
						  "rsa-sha2-512-cert-v01@openssh.com",
						  "sk-ssh-ed25519@openssh.com",
						  "sk-ecdsa-sha2-nistp256@openssh.com",
						  "webauthn-sk-ecdsa-sha2-nistp256@openssh.com" };

	for (size_t i = 0; i < NKINDS; i++) {
		struct sample s;

		make_sample(&kinds[i], &s);
		for (size_t j = 0; j < NKINDS; j++) {
			s.v.alg = kinds[j].alg;
			if (strcmp(kinds[i].alg, kinds[j].alg) != 0)
				assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
		}
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
			s.v.alg = others[j];
			assert_int_equal(verify_signature(&s.v, NULL), -EOPNOTSUPP);
		}
		for (size_t j = 0; j < sizeof(other_keys) / sizeof(other_keys[0]); j++) {
			s.v.alg = other_keys[j];
			assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
		}
	}
}

/* A signature made with SHA-1, and one with the other SHA-2, under a permitted algorithm's name. */
static void rsa_digest_is_bound(void **state)
{
	static const uint32_t flags[] = { 0, 4 };

	for (size_t i = 0; i < 2; i++) {
		struct sample s;
		uint8_t sig[1024], *p = s.sig;
		struct wire w, name = { 0 }, raw = { 0 };
		struct wire_out o = { s.sig, 0, sizeof(s.sig), false };

		make_sample(&kinds[4], &s);
		w = (struct wire){ sig,
				   agent_sign("rsa-sha2-256", flags[i], s.key, s.v.key_len, sig) };
		assert_true(wire_str(&w, &name) && wire_str(&w, &raw));
		s.v.sig = sig;
		s.v.sig_len = 4 + name.n + 4 + raw.n;
		assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
		wire_put_str(&o, "rsa-sha2-256", 12);
		wire_put_str(&o, raw.p, raw.n);
		s.v.sig = p;
		s.v.sig_len = o.n;
		assert_int_equal(verify_signature(&s.v, NULL), -EKEYREJECTED);
	}
}

static void short_rsa_is_refused(void **state)
{
	static const struct kind rsa1 = { "rsa1", "rsa", "1024", "rsa-sha2-512", 4 };
	struct sample s;

	make_sample(&rsa1, &s);
	assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
}

/* Off the curve, compressed, at infinity; r or s zero, negative, padded. */
static void bad_ecdsa_is_refused(void **state)
{
	struct sample s;
	struct wire_out o;
	uint8_t inner[128];
	static const struct {
		const char *r;
		size_t n;
	} bad[] = {
		{ "", 0 }, { "\x00", 1 }, { "\x00\x01", 2 }, { "\x80", 1 }, { "\xff\xff", 2 },
	};

	/* A good pair with a byte behind it. */
	{
		struct wire whole, name = { 0 }, raw = { 0 };

		make_sample(&kinds[1], &s);
		whole = (struct wire){ s.sig, s.v.sig_len };
		assert_true(wire_str(&whole, &name) && wire_str(&whole, &raw));
		s.sig[4 + name.n + 3]++;
		s.sig[s.v.sig_len++] = 0;
		assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
	}
	make_sample(&kinds[1], &s);
	s.key[s.v.key_len - 1] ^= 1;
	assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
	make_sample(&kinds[1], &s);
	s.key[s.v.key_len - 65] = 6; /* hybrid form */
	assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire_out in = { inner, 0, sizeof(inner), false };

		make_sample(&kinds[1], &s);
		o = (struct wire_out){ s.sig, 0, sizeof(s.sig), false };
		wire_put_str(&in, bad[i].r, bad[i].n);
		wire_put_str(&in, "\x01", 1);
		wire_put_str(&o, "ecdsa-sha2-nistp256", 19);
		wire_put_str(&o, inner, in.n);
		s.v.sig_len = o.n;
		assert_int_equal(verify_signature(&s.v, NULL), -EINVAL);
	}
}

static void fingerprints_are_those_of_ssh_keygen(void **state)
{
	for (size_t i = 0; i < NKINDS; i++) {
		uint8_t key[4096];
		char out[64], cmd[256], line[512], want[64];
		FILE *f;

		snprintf(cmd, sizeof(cmd), "ssh-keygen -l -f %s/%s.pub", dir, kinds[i].file);
		f = popen(cmd, "r");
		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
		pclose(f);
		assert_int_equal(sscanf(line, "%*s %63s", want), 1);
		assert_int_equal(verify_fingerprint(key, key_blob(kinds[i].file, key), out, NULL),
				 0);
		assert_string_equal(out, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(self_test_passes),
		cmocka_unit_test(agent_signatures_verify),
		cmocka_unit_test(other_words_are_rejected),
		cmocka_unit_test(lengths_are_strict),
		cmocka_unit_test(any_damage_is_noticed),
		cmocka_unit_test(algorithms_do_not_mix),
		cmocka_unit_test(rsa_digest_is_bound),
		cmocka_unit_test(short_rsa_is_refused),
		cmocka_unit_test(bad_ecdsa_is_refused),
		cmocka_unit_test(fingerprints_are_those_of_ssh_keygen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("verify", tests, setup, teardown);
}
