/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostkey.c: files exchanged with ssh-keygen in both directions, what must be refused, and signatures. */
#include "auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>

static char dir[] = "/tmp/sshbay-hostkey-XXXXXX";
static char path[128];

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
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/host_key", dir);
	return 0;
}

static int teardown(void **state)
{
	return run("rm -rf %s", dir);
}

static int clean(void **state)
{
	return run("rm -rf %s/*", dir);
}

static void refuse(int code, const char *word)
{
	struct hostkey *k = (struct hostkey *)1;
	struct err e = { 0 };

	assert_int_equal(hostkey_load(path, &k, &e), -code);
	assert_null(k);
	if (!strstr(e.text, word) || !strstr(e.text, path))
		fail_msg("message is: %s", e.text);
}

/* Does `pub` verify a signature made through hostkey_sign? */
static void check_sign(const struct hostkey *k)
{
	uint8_t hash[65], sig[64];
	EVP_PKEY *pub = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, hostkey_public(k), 32);

	memset(hash, 7, sizeof(hash));
	assert_non_null(pub);
	for (size_t n = 0; n <= 65; n++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		if (n < 20 || n > 64) {
			assert_int_equal(hostkey_sign(k, hash, n, sig, NULL), -EINVAL);
		} else {
			assert_int_equal(hostkey_sign(k, hash, n, sig, NULL), 0);
			assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pub), 1);
			assert_int_equal(EVP_DigestVerify(ctx, sig, 64, hash, n), 1);
		}
		EVP_MD_CTX_free(ctx);
	}
	EVP_PKEY_free(pub);
}

static void made_key_is_read_by_ssh_keygen(void **state)
{
	struct hostkey *k, *again;
	struct err e = { 0 };
	struct stat st;
	mode_t old = umask(0);

	if (hostkey_load(path, &k, &e) < 0)
		fail_msg("%s", e.text);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(run("ssh-keygen -y -f %s > %s/derived && cmp %s/derived %s.pub", path, dir,
			     dir, path),
			 0);
	assert_int_equal(run("ssh-keygen -l -f %s.pub > %s/out", path, dir), 0);
	check_sign(k);
	assert_int_equal(hostkey_load(path, &again, &e), 0);
	assert_memory_equal(hostkey_public(k), hostkey_public(again), 32);
	hostkey_free(k);
	hostkey_free(again);
}

static void directory_is_made(void **state)
{
	char deep[160];
	struct hostkey *k;
	struct err e = { 0 };

	snprintf(deep, sizeof(deep), "%s/a/b/key", dir);
	if (hostkey_load(deep, &k, &e) < 0)
		fail_msg("%s", e.text);
	hostkey_free(k);
	assert_int_equal(access(deep, R_OK), 0);
}

/* Comments of every length, for every amount of padding. */
static void ssh_keygen_keys_are_read(void **state)
{
	for (int n = 0; n < 9; n++) {
		struct hostkey *k;
		struct err e = { 0 };
		char pub[160], mine[64];
		FILE *f;

		assert_int_equal(run("rm -f %s*; ssh-keygen -q -t ed25519 -N '' -C '%.*s' -f %s",
				     path, n, "commentxx", path),
				 0);
		if (hostkey_load(path, &k, &e) < 0)
			fail_msg("comment of %d: %s", n, e.text);
		snprintf(pub, sizeof(pub), "%s.pub", path);
		f = fopen(pub, "r");
		assert_int_equal(fscanf(f, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA%63s", mine), 1);
		fclose(f);
		/* 'I' carries the last bits of the length 32; the key itself begins after it. */
		assert_int_equal(mine[0], 'I');
		check_sign(k);
		hostkey_free(k);
	}
}

static void other_keys_are_refused(void **state)
{
	assert_int_equal(run("ssh-keygen -q -t ecdsa -N '' -f %s", path), 0);
	refuse(EINVAL, "ssh-ed25519");
	clean(NULL);
	assert_int_equal(run("ssh-keygen -q -t ed25519 -N secret -f %s", path), 0);
	refuse(EINVAL, "encrypted");
	clean(NULL);
	assert_int_equal(run("umask 77; echo hello > %s", path), 0);
	refuse(EINVAL, "not an OpenSSH private key");
	assert_int_equal(run("umask 77; : > %s", path), 0);
	refuse(EINVAL, "not an OpenSSH private key");
	assert_int_equal(run("umask 77; head -c 100000 /dev/zero > %s", path), 0);
	refuse(EFBIG, "not an OpenSSH private key");
}

static void file_must_be_private(void **state)
{
	assert_int_equal(run("ssh-keygen -q -t ed25519 -N '' -f %s && chmod 640 %s", path, path),
			 0);
	refuse(EPERM, "chmod 600");
	clean(NULL);
	assert_int_equal(run("ssh-keygen -q -t ed25519 -N '' -f %s/x && ln -s x %s", dir, path), 0);
	refuse(ELOOP, "symbolic link");
	clean(NULL);
	assert_int_equal(run("mkdir -m 700 %s", path), 0);
	refuse(EINVAL, "not a regular file");
	clean(NULL);
	assert_int_equal(run("mkfifo -m 600 %s", path), 0);
	refuse(EINVAL, "not a regular file");
	if (geteuid() == 0) {
		clean(NULL);
		assert_int_equal(
			run("ssh-keygen -q -t ed25519 -N '' -f %s && chown 1 %s", path, path), 0);
		refuse(EPERM, "uid 1");
	}
}

/* Cut anywhere or with any byte of the base64 text changed: refused, or (comment, check numbers) still the same key. */
static void damaged_files_are_refused(void **state)
{
	char text[1024];
	struct hostkey *good, *k;
	FILE *f;
	size_t n;

	assert_int_equal(hostkey_load(path, &good, NULL), 0);
	f = fopen(path, "r");
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t i = 36; i < n - 34; i++) {
		char saved = text[i];

		if (saved == '\n' || saved == '=')
			continue;
		text[i] = saved == 'A' ? 'B' : 'A';
		f = fopen(path, "w");
		fwrite(text, 1, n, f);
		fclose(f);
		if (hostkey_load(path, &k, NULL) == 0) {
			assert_memory_equal(hostkey_public(k), hostkey_public(good), 32);
			check_sign(k);
			hostkey_free(k);
		}
		text[i] = saved;
	}
	for (size_t i = 0; i < n - 40; i += 7) {
		assert_int_equal(truncate(path, (off_t)i), 0);
		assert_true(hostkey_load(path, &k, NULL) < 0);
		f = fopen(path, "w");
		fwrite(text, 1, n, f);
		fclose(f);
	}
	hostkey_free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(made_key_is_read_by_ssh_keygen, clean),
		cmocka_unit_test_setup(directory_is_made, clean),
		cmocka_unit_test_setup(ssh_keygen_keys_are_read, clean),
		cmocka_unit_test_setup(other_keys_are_refused, clean),
		cmocka_unit_test_setup(file_must_be_private, clean),
		cmocka_unit_test_setup(damaged_files_are_refused, clean),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("hostkey", tests, setup, teardown);
}
