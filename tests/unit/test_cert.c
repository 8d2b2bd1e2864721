/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates that ssh-keygen makes here, judged by auth_key_accept(): authority, principals, validity, options, damage
 * at every byte, revocation; and the rest of that question which is not about one key in one file.
 */
#include "cert.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "auth.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "krl.h"

#define NOW   1900000000 /* March 2030 */
#define VALID "-V 20300101Z:20310101Z"

static char dir[] = "/tmp/sshbay-cert-XXXXXX";
static struct settings settings;
static struct auth_grant grant;
static struct err why;
static uint8_t blob[GATE_KEY_MAX];
static size_t len;

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

static void put(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *name, const char *fmt, ...)
{
	char path[128], text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(
		path_write_atomic(AT_FDCWD, path,
				  &(struct path_content){ text, strlen(text), 0644, false }, NULL),
		0);
}

/* The line of NAME.pub. */
static const char *line_of(const char *name)
{
	static char lines[4][4096];
	static unsigned int next;
	char path[128], *line = lines[next++ % 4];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s.pub", dir, name);
	assert_int_equal(path_read(AT_FDCWD, path, line, 4096, &n, NULL), 0);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* NAME.pub becomes the key that is offered. */
static void offer(const char *name)
{
	char line[4096], *b64, *end;
	int n;

	snprintf(line, sizeof(line), "%s", line_of(name));
	b64 = strchr(line, ' ') + 1;
	end = b64 + strcspn(b64, " ");
	*end = '\0';
	n = EVP_DecodeBlock(blob, (unsigned char *)b64, (int)strlen(b64));
	assert_true(n > 0);
	len = (size_t)n - (end[-1] == '=') - (end[-2] == '=');
}

/* A certificate for KEY by CA with these arguments of ssh-keygen is offered. */
static void certify(const char *ca, const char *key, const char *args)
{
	char name[64];

	assert_int_equal(run("ssh-keygen -q -s %s/%s -I 'the id' -z 42 %s %s/%s.pub", dir, ca, args,
			     dir, key),
			 0);
	snprintf(name, sizeof(name), "%s-cert", key);
	offer(name);
}

static struct auth_query query(const char *alg)
{
	static const struct ip peer = { AF_INET, { 10, 1, 2, 3 } };

	return (struct auth_query){ .settings = &settings,
				    .user = "alice",
				    .exists = true,
				    .alg = alg,
				    .key = blob,
				    .len = len,
				    .peer = &peer,
				    .now = NOW };
}

static int ask(const struct auth_query *q)
{
	memset(&grant, 0xee, sizeof(grant));
	return auth_key_accept(q, &grant, &why);
}

static int ask_by(const char *alg)
{
	const struct auth_query q = query(alg);

	return ask(&q);
}

#define ED "ssh-ed25519-cert-v01@openssh.com"

static int accepted(void)
{
	return ask_by(ED);
}

static void good(void)
{
	if (accepted() != 1)
		fail_msg("%s", why.text);
}

static void refused(const char *word)
{
	struct auth_grant none = { 0 };
	int ret = accepted();

	if (ret != 0 || !strstr(why.text, word))
		fail_msg("%d '%s' (%s)", ret, why.text, word);
	assert_memory_equal(&grant, &none, sizeof(none));
}

static int setup(void **state)
{
	static const char *const keys[] = { "ca -t ed25519",        "ca2 -t ed25519",
					    "user -t ed25519",      "other -t ed25519",
					    "caec -t ecdsa",        "carsa -t rsa -b 2048",
					    "e256 -t ecdsa",        "e384 -t ecdsa -b 384",
					    "e521 -t ecdsa -b 521", "rsa -t rsa -b 2048" };

	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (run("cd %s && ssh-keygen -q -N '' -C c -f %s", dir, keys[i]) != 0)
			return -1;
	return 0;
}

static int fresh(void **state)
{
	memset(&settings, 0, sizeof(settings));
	settings.gate.forwarding = settings.gate.agent_forwarding = true;
	settings.gate.x11_forwarding = true;
	(void)str_format(settings.gate.authorized_keys, PATH_MAX, "%s/keys-%%u", dir);
	(void)str_format(settings.auth.ca_keys, PATH_MAX, "%s/cas", dir);
	put("keys-alice", "# none\n");
	put("cas", "# authorities\n%s\n%s\n%s\n", line_of("caec"), line_of("ca"), line_of("carsa"));
	return 0;
}

static int teardown(void **state)
{
	return run("rm -rf %s", dir);
}

/* --- authority, principals, validity -------------------------------------------------------------------------------- */

static void trusted_authorities_certify(void **state)
{
	static const char *const cas[] = { "ca", "caec", "carsa" };
	char want[128], fingerprint[64];
	struct cert c;

	for (size_t i = 0; i < 3; i++) {
		certify(cas[i], "user", "-n alice " VALID);
		good();
		assert_int_equal(cert_parse(blob, len, &c, NULL), 0);
		verify_fingerprint(c.ca.p, c.ca.n, fingerprint, NULL);
		snprintf(want, sizeof(want), "certificate 'the id' serial 42 by %s", fingerprint);
		assert_string_equal(grant.by, want);
		assert_int_equal(grant.permit.flags, GATE_MAY_ALL);
		assert_true(grant.touch_required);
		assert_false(grant.verify_required);
	}
	certify("ca2", "user", "-n alice " VALID);
	refused("not listed");
	settings.auth.ca_keys[0] = '\0';
	certify("ca", "user", "-n alice " VALID);
	refused("not listed");
}

static void every_key_type_is_certified(void **state)
{
	static const struct {
		const char *key, *alg;
	} cases[] = {
		{ "user", ED },
		{ "e256", "ecdsa-sha2-nistp256-cert-v01@openssh.com" },
		{ "e384", "ecdsa-sha2-nistp384-cert-v01@openssh.com" },
		{ "e521", "ecdsa-sha2-nistp521-cert-v01@openssh.com" },
		{ "rsa", "rsa-sha2-256-cert-v01@openssh.com" },
		{ "rsa", "rsa-sha2-512-cert-v01@openssh.com" },
	};
	struct cert c;

	for (size_t i = 0; i < 6; i++) {
		uint8_t plain[GATE_KEY_MAX];
		size_t n;

		offer(cases[i].key);
		memcpy(plain, blob, n = len);
		certify("ca", cases[i].key, "-n alice " VALID);
		for (size_t j = 0; j < 6; j++) {
			bool same = strcmp(cases[i].key, cases[j].key) == 0;

			assert_int_equal(ask_by(cases[j].alg), same);
		}
		/* SHA-1, and names without the suffix. */
		assert_int_equal(ask_by("ssh-rsa-cert-v01@openssh.com"), 0);
		assert_int_equal(ask_by("rsa-sha2-512"), 0);
		assert_int_equal(ask_by("ssh-ed25519"), 0);
		assert_int_equal(cert_parse(blob, len, &c, NULL), 0);
		assert_int_equal(c.key_len, n);
		assert_memory_equal(c.key, plain, n);
	}
}

static void sha1_is_no_signature(void **state)
{
	certify("carsa", "user", "-t rsa-sha2-256 -n alice " VALID);
	good();
	if (run("ssh-keygen -q -t ssh-rsa -s %s/carsa -I x -n alice " VALID " %s/user.pub", dir,
		dir) != 0)
		skip();
	offer("user-cert");
	refused("algorithm not supported");
}

static void principals_decide(void **state)
{
	certify("ca", "user", "-n bob " VALID);
	refused("'alice' is none of them");
	certify("ca", "user", "-n bob,alice,carol " VALID);
	good();
	certify("ca", "user", "-n alicex,alic,xalice " VALID);
	refused("none of them");
	/* Without any it is good for nobody. */
	certify("ca", "user", VALID);
	refused("none of them");
	certify("ca", "user", "-h -n alice " VALID);
	refused("not a user's");
}

static void principals_files_decide(void **state)
{
	(void)str_format(settings.auth.principals, PATH_MAX, "%s/names-%%u", dir);
	certify("ca", "user", "-n ops,dev " VALID);
	refused("none is in");
	put("names-alice", "# x\nroot\nops\n");
	good();
	put("names-alice", "root\n");
	refused("names-alice");
	put("names-alice", "alice\n");
	refused("none is in");
	/* The user's own name counts for nothing now. */
	certify("ca", "user", "-n alice " VALID);
	put("names-alice", "ops\n");
	refused("none is in");
	certify("ca", "user", "-n ops,dev " VALID);
	put("names-alice", "from=\"10.0.0.0/8\",no-pty,command=\"id\" dev\n");
	good();
	assert_int_equal(grant.permit.flags, GATE_MAY_ALL & ~GATE_MAY_PTY);
	assert_string_equal(grant.permit.command, "id");
	put("names-alice", "from=\"192.0.2.0/24\" dev\n");
	refused("names-alice:1': option 'from'");
	put("names-alice", "frob dev\n");
	refused("names-alice:1': option 'frob': not known");
	put("names-alice", "frob dev\nops\n");
	good();
	/* Nothing of a line that was not understood stays. */
	put("names-alice", "no-touch-required,command=\"x\",frob dev\nops\n");
	good();
	assert_true(grant.touch_required);
	assert_string_equal(grant.permit.command, "");
	put("names-alice", "expiry-time=\"20200101\" ops\nops\n");
	refused("names-alice:1': option 'expiry-time'");
	assert_int_equal(run("chmod g+w %s/names-alice", dir), 0);
	assert_int_equal(accepted(), -EPERM);

	assert_int_equal(run("rm -f %s/names-alice", dir), 0);
}

static void validity_has_edges(void **state)
{
	static const struct {
		uint64_t now;
		int want;
	} cases[] = { { 0, 0 },          { 1893455999, 0 }, { 1893456000, 1 },
		      { 1924991999, 1 }, { 1924992000, 0 }, { UINT64_MAX, 0 } };

	certify("ca", "user", "-n alice " VALID);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_query q = query(ED);

		q.now = cases[i].now;
		if (ask(&q) != cases[i].want)
			fail_msg("%llu: %s", (unsigned long long)q.now, why.text);
		if (!cases[i].want)
			assert_int_equal(why.code, EKEYEXPIRED);
	}
	certify("ca", "user", "-n alice -V always:forever");
	good();
}

static void any_damage_is_noticed(void **state)
{
	struct cert c;

	certify("ca", "user",
		"-n alice,bob -O force-command=id -O source-address=10.0.0.0/8 " VALID);
	good();
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 1; bit < 256; bit <<= 3) {
			blob[i] ^= (uint8_t)bit;
			if (accepted() == 1)
				fail_msg("byte %zu ^ %x", i, bit);
			blob[i] ^= (uint8_t)bit;
		}
	}
	good();
	for (size_t whole = len; len-- > 0;) {
		uint8_t *cut = malloc(len + 1);

		memcpy(cut, blob, len);
		assert_int_equal(cert_parse(cut, len, &c, NULL), -EINVAL);
		free(cut);
		if (len == 0) {
			len = whole;
			break;
		}
	}
	blob[len++] = 0;
	refused("malformed");
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static void options_narrow(void **state)
{
	static const struct {
		const char *args;
		uint32_t flags;
	} cases[] = {
		{ "-O clear", 0 },
		{ "-O clear -O permit-pty", GATE_MAY_PTY },
		{ "-O clear -O permit-port-forwarding", GATE_MAY_FORWARD },
		{ "-O clear -O permit-agent-forwarding", GATE_MAY_AGENT },
		{ "-O clear -O permit-X11-forwarding", GATE_MAY_X11 },
		{ "-O clear -O permit-user-rc", GATE_MAY_RC },
		{ "-O no-pty", GATE_MAY_ALL & ~GATE_MAY_PTY },
		{ "-O extension:frob@example.org=x", GATE_MAY_ALL },
	};
	char args[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(args, sizeof(args), "-n alice %s %s", VALID, cases[i].args);
		certify("ca", "user", args);
		good();
		assert_int_equal(grant.permit.flags, cases[i].flags);
	}
	/* Never more than the configuration has. */
	settings.gate.forwarding = settings.gate.x11_forwarding = false;
	certify("ca", "user", "-n alice " VALID);
	good();
	assert_int_equal(grant.permit.flags, GATE_MAY_PTY | GATE_MAY_RC | GATE_MAY_AGENT);
}

static void critical_options_are_enforced(void **state)
{
	certify("ca", "user", "-n alice -O force-command=/bin/true " VALID);
	good();
	assert_string_equal(grant.permit.command, "/bin/true");
	certify("ca", "user", "-n alice -O 'force-command=internal-sftp -R' " VALID);
	refused("'force-command': internal-sftp takes no flags");
	certify("ca", "user", "-n alice -O source-address=10.0.0.0/8,fd00::/8 " VALID);
	good();
	certify("ca", "user", "-n alice -O source-address=192.0.2.0/24 " VALID);
	refused("option 'source-address': does not list '10.1.2.3'");
	certify("ca", "user", "-n alice -O critical:frob@example.org=x " VALID);
	refused("'frob@example.org': critical, and not known");
	certify("ca", "user", "-n alice -O critical:source-address=10.1.* " VALID);
	refused("'source-address'");
	certify("ca", "user", "-n alice -O critical:verify-required=x " VALID);
	refused("'verify-required': takes no value");
	certify("ca", "user", "-n alice -O verify-required -O no-touch-required " VALID);
	good();
	assert_true(grant.verify_required);
	assert_false(grant.touch_required);
}

static void authorities_in_key_files(void **state)
{
	settings.auth.ca_keys[0] = '\0';
	certify("ca", "user", "-n alice " VALID);
	put("keys-alice", "%s\n", line_of("ca"));
	refused("'cert-authority': not given");
	put("keys-alice", "cert-authority %s\n", line_of("ca"));
	good();
	assert_non_null(strstr(grant.by, "certificate 'the id'"));
	put("keys-alice", "cert-authority,no-touch-required %s\n", line_of("ca2"));
	refused("not listed");
	put("keys-alice", "cert-authority,principals=\"ops,dev\" %s\n", line_of("ca"));
	refused("names nobody allowed");
	certify("ca", "user", "-n dev " VALID);
	good();
	certify("ca", "user", VALID);
	refused("names nobody allowed");
	put("keys-alice", "cert-authority %s\n", line_of("ca"));
	refused("names nobody allowed");
	/* What both say. */
	put("keys-alice", "cert-authority,restrict,pty,port-forwarding,command=\"id\" %s\n",
	    line_of("ca"));
	certify("ca", "user", "-n alice -O no-pty -O force-command=id " VALID);
	good();
	assert_int_equal(grant.permit.flags, GATE_MAY_FORWARD);
	certify("ca", "user", "-n alice -O force-command=ls " VALID);
	refused("differs");
	put("keys-alice", "cert-authority,from=\"192.0.2.1\" %s\n", line_of("ca"));
	refused("option 'from'");
	put("keys-alice", "cert-authority,from=\"192.0.2.1\" %s\ncert-authority %s\n",
	    line_of("ca"), line_of("ca"));
	good();
	/* The authority's own key does not log in. */
	put("keys-alice", "cert-authority %s\n", line_of("ca"));
	offer("ca");
	assert_int_equal(ask_by("ssh-ed25519"), 0);
	assert_non_null(strstr(why.text, "the key is no certificate"));
	/* Nor does the certified key alone, nor the certificate when only its key is listed. */
	offer("user");
	assert_int_equal(ask_by("ssh-ed25519"), 0);
	put("keys-alice", "%s\n", line_of("user"));
	certify("ca", "user", "-n alice " VALID);
	refused("not listed");
}

/* --- plain keys, other sources, users ------------------------------------------------------------------------------- */

static void sources_and_users(void **state)
{
	struct auth_query q;
	char more[1024];

	offer("user");
	q = query("ssh-ed25519");
	put("keys-alice", "no-pty,no-touch-required,verify-required %s\n", line_of("user"));
	assert_int_equal(ask(&q), 1);
	assert_string_equal(grant.by, "authorized_keys line 1");
	assert_int_equal(grant.permit.flags, GATE_MAY_ALL & ~GATE_MAY_PTY);
	assert_true(grant.verify_required);
	assert_false(grant.touch_required);
	/* A user that there is not, whose file would list it. */
	q.exists = false;
	assert_int_equal(ask(&q), 0);
	assert_non_null(strstr(why.text, "no such user"));
	assert_int_equal(grant.permit.flags, 0);
	q.exists = true;
	q.user = "_";
	put("keys-_", "%s\n", line_of("user"));
	q.user = "../x";
	assert_int_equal(ask(&q), 0);
	q.user = "bob";
	assert_int_equal(ask(&q), 0);
	assert_int_equal(why.code, ENOKEY);
	snprintf(more, sizeof(more), "# c\nrestrict %s\n", line_of("user"));
	q.more = more;
	q.more_len = strlen(more);
	assert_int_equal(ask(&q), 1);
	assert_string_equal(grant.by, "keys_command line 2");
	assert_int_equal(grant.permit.flags, 0);
	/* A certificate whose authority it prints says so first. */
	settings.auth.ca_keys[0] = '\0';
	snprintf(more, sizeof(more), "cert-authority,principals=\"x\" %s\n", line_of("ca"));
	certify("ca", "user", "-n x " VALID);
	q = query(ED);
	q.more = more;
	q.more_len = strlen(more);
	assert_int_equal(ask(&q), 1);
	assert_non_null(strstr(grant.by, "keys_command: certificate 'the id'"));
	offer("user");
	q = query("ssh-ed25519");
	/* The first line that grants it, wherever refusals stand. */
	q.user = "alice";
	q.more = NULL;
	put("keys-alice", "frob %s\nexpiry-time=\"20200101\" %s\nno-pty %s\n%s\n", line_of("user"),
	    line_of("user"), line_of("user"), line_of("user"));
	assert_int_equal(ask(&q), 1);
	assert_string_equal(grant.by, "authorized_keys line 3");
	assert_int_equal(auth_key_accept(&q, &grant, NULL), 1);
}

static void revoked_keys_are_refused(void **state)
{
	(void)str_format(settings.auth.revoked_keys, PATH_MAX, "%s/revoked", dir);
	put("keys-alice", "%s\n", line_of("user"));
	certify("ca", "user", "-n alice " VALID);
	assert_int_equal(accepted(), -ENOENT);
	put("revoked", "# none\n%s\n", line_of("other"));
	good();
	put("revoked", "%s\n", line_of("user"));
	refused("revoked");
	assert_int_equal(why.code, EKEYREVOKED);
	put("revoked", "%s\n%s\n", line_of("other"), line_of("ca"));
	refused("revoked");
	offer("user");
	assert_int_equal(ask_by("ssh-ed25519"), 1);
	put("revoked", "%s\n", line_of("user"));
	assert_int_equal(ask_by("ssh-ed25519"), 0);
	/* What cannot be understood revokes nobody knows what. */
	put("revoked", "ssh-ed25519 AAAA\n");
	assert_int_equal(ask_by("ssh-ed25519"), -EBADMSG);
	assert_non_null(strstr(why.text, "revoked:1': not a key"));
	put("revoked", "restrict %s\n", line_of("other"));
	assert_int_equal(ask_by("ssh-ed25519"), -EBADMSG);
	assert_non_null(strstr(why.text, "revoked:1': options have no meaning"));
	put("revoked", "# none\n");
	assert_int_equal(run("chmod o+w %s/revoked", dir), 0);
	assert_int_equal(ask_by("ssh-ed25519"), -EPERM);
	assert_int_equal(run("rm -f %s/revoked", dir), 0);
}

/* A list that ssh-keygen makes of this specification. */
static void make_krl(const char *spec, const char *ca)
{
	put("spec", "%s", spec);
	assert_int_equal(run("cd %s && rm -f revoked && ssh-keygen -q -k -f revoked %s%s spec", dir,
			     ca ? "-s " : "", ca ? ca : ""),
			 0);
}

static void krls_revoke(void **state)
{
	static const struct {
		const char *spec, *ca;
		bool revoked;
	} cases[] = {
		{ "serial: 42\n", "ca.pub", true },
		{ "serial: 41\nserial: 43\n", "ca.pub", false },
		{ "serial: 40-50\n", "ca.pub", true },
		{ "serial: 43-5000\n", "ca.pub", false },
		{ "serial: 1-41\n", "ca.pub", false },
		/* A bitmap, and a list of far numbers. */
		{ "serial: 30\nserial: 33\nserial: 38\nserial: 42\nserial: 45\n", "ca.pub", true },
		{ "serial: 30\nserial: 33\nserial: 38\nserial: 41\nserial: 45\n", "ca.pub", false },
		{ "serial: 42\nserial: 100000\nserial: 900000\n", "ca.pub", true },
		{ "serial: 42\n", "ca2.pub", false },
		{ "id: the id\n", "ca.pub", true },
		{ "id: the i\n", "ca.pub", false },
		{ "id: the id\n", "ca2.pub", false },
	};
	static const char *const how[] = { "key", "sha1", "sha256" };
	static const char *const who[] = { "user", "ca", "other", "ca2" };
	char text[4096];

	(void)str_format(settings.auth.revoked_keys, PATH_MAX, "%s/revoked", dir);
	certify("ca", "user", "-n alice " VALID);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_krl(cases[i].spec, cases[i].ca);
		if (cases[i].revoked)
			refused("revoked");
		else
			good();
	}
	/* Keys by themselves and by their hashes: the certified one, and the authority. */
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 3; j++) {
			snprintf(text, sizeof(text), "%s: %s\n", how[j], line_of(who[i]));
			make_krl(text, NULL);
			if (i < 2)
				refused("revoked");
			else
				good();
		}
	}
	offer("user");
	put("keys-alice", "%s\n", line_of("user"));
	assert_int_equal(ask_by("ssh-ed25519"), 1);
	snprintf(text, sizeof(text), "sha256: %s\n", line_of("user"));
	make_krl(text, NULL);
	assert_int_equal(ask_by("ssh-ed25519"), 0);
	assert_int_equal(why.code, EKEYREVOKED);
}

/* Cut anywhere it is damaged, or a shorter list between two sections; nothing is read beyond. */
static void krls_are_read_to_the_end(void **state)
{
	static const uint8_t unknown[] = { 77, 0, 0, 0, 0 };
	static const uint8_t critical[] = { 255, 0, 0, 0, 10, 0, 0, 0, 1, 'x', 1, 0, 0, 0, 0 };
	char path[64], text[4096];
	uint8_t list[4096], *cut;
	unsigned int whole = 0;
	size_t n;
	struct err e;

	snprintf(text, sizeof(text), "serial: 1\nserial: 3-9\nid: x\nkey: %s\nsha1: %s\n",
		 line_of("user"), line_of("other"));
	make_krl(text, "ca.pub");
	snprintf(path, sizeof(path), "%s/revoked", dir);
	assert_int_equal(path_read(AT_FDCWD, path, (char *)list, sizeof(list), &n, NULL), 0);
	assert_int_equal(krl_revokes(list, n, NULL, &e), 0);
	for (size_t i = 0; i < n; i++) {
		int ret;

		cut = malloc(i + 1);
		memcpy(cut, list, i);
		ret = krl_revokes(cut, i, NULL, &e);
		free(cut);
		assert_true(ret == 0 || ret == -EBADMSG);
		whole += ret == 0;
	}
	assert_true(whole >= 1 && whole < 6);
	memcpy(list + n, unknown, sizeof(unknown));
	assert_int_equal(krl_revokes(list, n + sizeof(unknown), NULL, &e), -EOPNOTSUPP);
	memcpy(list + n, critical, sizeof(critical));
	assert_int_equal(krl_revokes(list, n + sizeof(critical), NULL, &e), -EOPNOTSUPP);
	list[n + 10] = 0;
	assert_int_equal(krl_revokes(list, n + sizeof(critical), NULL, &e), 0);
	/* A damaged list lets nobody in, and says where it is. */
	(void)str_format(settings.auth.revoked_keys, PATH_MAX, "%s/revoked", dir);
	offer("user");
	put("revoked", "SSHKRL\n");
	assert_int_equal(ask_by("ssh-ed25519"), -EBADMSG);
	assert_non_null(strstr(why.text, "revoked': it is damaged"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(trusted_authorities_certify, fresh),
		cmocka_unit_test_setup(every_key_type_is_certified, fresh),
		cmocka_unit_test_setup(sha1_is_no_signature, fresh),
		cmocka_unit_test_setup(principals_decide, fresh),
		cmocka_unit_test_setup(principals_files_decide, fresh),
		cmocka_unit_test_setup(validity_has_edges, fresh),
		cmocka_unit_test_setup(any_damage_is_noticed, fresh),
		cmocka_unit_test_setup(options_narrow, fresh),
		cmocka_unit_test_setup(critical_options_are_enforced, fresh),
		cmocka_unit_test_setup(authorities_in_key_files, fresh),
		cmocka_unit_test_setup(sources_and_users, fresh),
		cmocka_unit_test_setup(revoked_keys_are_refused, fresh),
		cmocka_unit_test_setup(krls_revoke, fresh),
		cmocka_unit_test_setup(krls_are_read_to_the_end, fresh),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("cert", tests, setup, teardown);
}
