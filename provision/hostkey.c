/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host key, the gate's or a workspace's: an unencrypted ed25519 key in OpenSSH's file format, read or made, and the
 * signing of exchange hashes with it.  Lives in provisiond only; sessions ask for signatures.
 */
#include "auth.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "wire.h"

#define MAGIC       "openssh-key-v1" /* with its NUL */
#define PEM_BEGIN   "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define PEM_END     "-----END OPENSSH PRIVATE KEY-----\n"
#define PEM_COLUMNS 70
#define FILE_MAX    8192
#define SEED_LEN    32
#define PUBLIC_LEN  32
#define TYPE        "ssh-ed25519"
#define BLOCK       8  /* padding of an unencrypted private section */
#define HASH_MIN    20 /* SHA-1, the shortest exchange hash there is */
#define HASH_MAX    64

struct hostkey {
	unsigned int refs;
	EVP_PKEY *key;
	uint8_t public[PUBLIC_LEN];
};

/* Base64 between the PEM lines, without white space, to bytes. Count or -1. */
static ssize_t unarmour(char *text, uint8_t *out, size_t cap)
{
	char *from, *to, *end;
	size_t n;
	int got;

	if (strncmp(text, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
		return -1;
	text += strlen(PEM_BEGIN);
	end = strstr(text, "-----END OPENSSH PRIVATE KEY-----");
	if (!end)
		return -1;
	for (from = to = text; from < end; from++)
		if (*from != '\n' && *from != '\r')
			*to++ = *from;
	n = (size_t)(to - text);
	if (n == 0 || n % 4 || n / 4 * 3 > cap)
		return -1;
	got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)n);
	if (got < 0)
		return -1;
	/* EVP_DecodeBlock counts the padding as bytes. */
	return got - (text[n - 1] == '=') - (text[n - 2] == '=');
}

/* The private section: check numbers, type, public, seed and public, comment, padding 1 2 3 ... */
static bool parse_private(struct wire w, uint8_t seed[SEED_LEN], const struct wire *public)
{
	struct wire pub, priv, comment;
	uint32_t check1, check2;

	if (w.n % BLOCK || !wire_u32(&w, &check1) || !wire_u32(&w, &check2) || check1 != check2)
		return false;
	if (!wire_expect(&w, TYPE) || !wire_str(&w, &pub) || !wire_str(&w, &priv) ||
	    !wire_str(&w, &comment))
		return false;
	if (pub.n != PUBLIC_LEN || priv.n != SEED_LEN + PUBLIC_LEN || w.n >= BLOCK)
		return false;
	for (size_t i = 0; i < w.n; i++)
		if (w.p[i] != i + 1)
			return false;
	if (memcmp(pub.p, public->p, PUBLIC_LEN) != 0 ||
	    memcmp(priv.p + SEED_LEN, public->p, PUBLIC_LEN) != 0)
		return false;
	memcpy(seed, priv.p, SEED_LEN);
	return true;
}

/* PROTOCOL.key of OpenSSH. NULL, or the reason why not. */
static const char *parse(struct wire w, uint8_t seed[SEED_LEN], uint8_t public[PUBLIC_LEN])
{
	struct wire cipher, kdf, options, blob, pub, private;
	uint32_t count;

	if (w.n < sizeof(MAGIC) || memcmp(w.p, MAGIC, sizeof(MAGIC)) != 0)
		return "not an OpenSSH private key";
	w.p += sizeof(MAGIC);
	w.n -= sizeof(MAGIC);
	if (!wire_str(&w, &cipher) || !wire_str(&w, &kdf) || !wire_str(&w, &options))
		return "damaged";
	if (!wire_is(&cipher, "none") || !wire_is(&kdf, "none"))
		return "it is encrypted (ssh-keygen -p removes the passphrase)";
	if (!wire_u32(&w, &count) || count != 1 || !wire_str(&w, &blob) ||
	    !wire_str(&w, &private) || w.n || options.n)
		return "damaged";
	if (!wire_expect(&blob, TYPE))
		return "its type is not ssh-ed25519 (ssh-keygen -t ed25519 makes one)";
	if (!wire_str(&blob, &pub) || pub.n != PUBLIC_LEN || blob.n ||
	    !parse_private(private, seed, &pub))
		return "damaged";
	memcpy(public, pub.p, PUBLIC_LEN);
	return NULL;
}

static int new_key(const uint8_t seed[SEED_LEN], struct hostkey **out, struct err *e)
{
	struct hostkey *k = calloc(1, sizeof(*k));
	size_t n = PUBLIC_LEN;

	if (!k)
		return err_set(e, ENOMEM, "make 'host key': out of memory");
	k->refs = 1;
	k->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_LEN);
	if (!k->key || EVP_PKEY_get_raw_public_key(k->key, k->public, &n) != 1 || n != PUBLIC_LEN) {
		hostkey_free(k);
		return err_set(e, EIO, "make 'host key': libcrypto failed");
	}
	*out = k;
	return 0;
}

/* A key that others can read or replace is no key. The daemon runs as root, so that "mine" means root's. */
static int check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "load host key '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "load host key '%s': not a regular file", path);
	if (st.st_uid != geteuid())
		return err_set(e, EPERM, "load host key '%s': it belongs to uid %u (chown root)",
			       path, st.st_uid);
	if (st.st_mode & 077)
		return err_set(e, EPERM,
			       "load host key '%s': mode %04o lets others read it (chmod 600)",
			       path, st.st_mode & 07777);
	if (st.st_size >= FILE_MAX)
		return err_set(e, EFBIG, "load host key '%s': not an OpenSSH private key", path);
	return 0;
}

static int load(int fd, const char *path, struct hostkey **out, struct err *e)
{
	uint8_t bytes[FILE_MAX], seed[SEED_LEN], public[PUBLIC_LEN];
	char text[FILE_MAX];
	const char *reason = "not an OpenSSH private key";
	size_t have = 0;
	ssize_t n;
	int ret;

	ret = check_file(fd, path, e);
	if (ret < 0)
		return ret;
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		return err_sys(e, "load host key '%s'", path);
	text[have] = 0;
	n = unarmour(text, bytes, sizeof(bytes));
	if (n > 0)
		reason = parse((struct wire){ bytes, (size_t)n }, seed, public);
	if (reason)
		ret = err_set(e, EINVAL, "load host key '%s': %s", path, reason);
	else
		ret = new_key(seed, out, e);
	if (ret == 0 && memcmp((*out)->public, public, PUBLIC_LEN) != 0) {
		hostkey_free(*out);
		*out = NULL;
		ret = err_set(e, EINVAL,
			      "load host key '%s': its public half does not belong to it", path);
	}
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(seed, sizeof(seed));
	return ret;
}

static void put_blob(struct wire_out *o, const uint8_t public[PUBLIC_LEN])
{
	uint8_t buf[128];
	struct wire_out blob = { buf, 0, sizeof(buf), false };

	wire_put_str(&blob, TYPE, strlen(TYPE));
	wire_put_str(&blob, public, PUBLIC_LEN);
	wire_put_str(o, buf, blob.n);
}

static void put_private(struct wire_out *o, const uint8_t seed[SEED_LEN],
			const uint8_t public[PUBLIC_LEN])
{
	uint8_t both[SEED_LEN + PUBLIC_LEN], check[4], pad = 0;

	RAND_bytes(check, sizeof(check));
	wire_put(o, check, sizeof(check));
	wire_put(o, check, sizeof(check));
	wire_put_str(o, TYPE, strlen(TYPE));
	wire_put_str(o, public, PUBLIC_LEN);
	memcpy(both, seed, SEED_LEN);
	memcpy(both + SEED_LEN, public, PUBLIC_LEN);
	wire_put_str(o, both, sizeof(both));
	OPENSSL_cleanse(both, sizeof(both));
	wire_put_str(o, "sshbay", strlen("sshbay"));
	while (o->n % BLOCK) {
		pad++;
		wire_put(o, &pad, 1);
	}
}

/* The file as ssh-keygen writes it. Bytes written to `text` (NUL-terminated). */
static size_t format(const uint8_t seed[SEED_LEN], const uint8_t public[PUBLIC_LEN], char *text,
		     size_t cap)
{
	uint8_t all[512], private[256];
	char base64[4 * sizeof(all) / 3 + 8];
	struct wire_out o = { all, 0, sizeof(all), false },
			p = { private, 0, sizeof(private), false };
	size_t used = 0;
	int n;

	wire_put(&o, MAGIC, sizeof(MAGIC));
	wire_put_str(&o, "none", 4);
	wire_put_str(&o, "none", 4);
	wire_put_str(&o, "", 0);
	wire_put_u32(&o, 1);
	put_blob(&o, public);
	put_private(&p, seed, public);
	wire_put_str(&o, private, p.n);
	n = EVP_EncodeBlock((unsigned char *)base64, all, (int)o.n);
	used += (size_t)snprintf(text + used, cap - used, "%s", PEM_BEGIN);
	for (int at = 0; at < n; at += PEM_COLUMNS)
		used += (size_t)snprintf(text + used, cap - used, "%.*s\n", PEM_COLUMNS,
					 base64 + at);
	used += (size_t)snprintf(text + used, cap - used, "%s", PEM_END);
	OPENSSL_cleanse(all, sizeof(all));
	OPENSSL_cleanse(private, sizeof(private));
	OPENSSL_cleanse(base64, sizeof(base64));
	return used;
}

static int write_public(int dirfd, const char *name, const uint8_t public[PUBLIC_LEN],
			struct err *e)
{
	uint8_t buf[128];
	char base64[192], line[256], file[NAME_MAX + 1];
	struct path_content c = { .buf = line, .mode = 0644, .durable = true };
	struct wire_out o = { buf, 0, sizeof(buf), false };
	int n;

	put_blob(&o, public);
	/* The file holds the blob without the length that put_blob writes in front. */
	EVP_EncodeBlock((unsigned char *)base64, buf + 4, (int)o.n - 4);
	n = snprintf(line, sizeof(line), "%s %s sshbay\n", TYPE, base64);
	if (str_format(file, sizeof(file), "%s.pub", name) < 0)
		return err_set(e, ENAMETOOLONG, "write public host key '%s.pub': name too long",
			       name);
	c.len = (size_t)n;
	return path_write_atomic(dirfd, file, &c, e);
}

static int make(const char *path, struct hostkey **out, struct err *e)
{
	char dir[PATH_MAX], base[PATH_MAX], text[2048];
	struct path_content c = { .buf = text, .mode = 0600, .durable = true };
	uint8_t seed[SEED_LEN];
	auto_fd int dirfd = -1;
	const char *name, *parent;
	int ret;

	if (str_copy(dir, sizeof(dir), path) < 0 || str_copy(base, sizeof(base), path) < 0)
		return err_set(e, ENAMETOOLONG, "make host key '%s': path too long", path);
	name = basename(base);
	parent = dirname(dir);
	if (RAND_priv_bytes(seed, sizeof(seed)) != 1)
		return err_set(e, EIO, "make host key '%s': no random numbers", path);
	ret = new_key(seed, out, e);
	if (ret == 0)
		ret = path_mkdirs(parent, 0755, e);
	if (ret == 0) {
		dirfd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = dirfd < 0 ? err_sys(e, "open '%s'", parent) : 0;
	}
	if (ret == 0) {
		c.len = format(seed, (*out)->public, text, sizeof(text));
		/* The public file first: once the private key is there, both are. */
		ret = write_public(dirfd, name, (*out)->public, e);
		if (ret == 0)
			ret = path_write_atomic(dirfd, name, &c, e);
		OPENSSL_cleanse(text, sizeof(text));
	}
	OPENSSL_cleanse(seed, sizeof(seed));
	if (ret < 0) {
		hostkey_free(*out);
		*out = NULL;
		return err_wrap(e, "make host key '%s'", path);
	}
	return 0;
}

int hostkey_open(const char *path, struct hostkey **out, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*out = NULL;
	if (fd >= 0)
		return load(fd, path, out, e);
	if (errno == ELOOP)
		return err_set(e, ELOOP, "load host key '%s': it is a symbolic link", path);
	return err_sys(e, "load host key '%s'", path);
}

int hostkey_load(const char *path, struct hostkey **out, struct err *e)
{
	int ret = hostkey_open(path, out, e);

	return ret == -ENOENT ? make(path, out, e) : ret;
}

struct hostkey *hostkey_ref(struct hostkey *k)
{
	k->refs++;
	return k;
}

void hostkey_free(struct hostkey *k)
{
	if (!k || --k->refs)
		return;
	EVP_PKEY_free(k->key);
	free(k);
}

const uint8_t *hostkey_public(const struct hostkey *k)
{
	return k->public;
}

int hostkey_text(const struct hostkey *k, char line[160], char sha256[72], struct err *e)
{
	uint8_t buf[128], digest[32];
	struct wire_out o = { buf, 0, sizeof(buf), false };
	char base64[128];

	put_blob(&o, k->public);
	/* The key is the blob without the length that put_blob writes in front. */
	EVP_EncodeBlock((unsigned char *)base64, buf + 4, (int)o.n - 4);
	(void)str_format(line, 160, "%s %s", TYPE, base64);
	if (EVP_Digest(buf + 4, o.n - 4, digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, EIO, "describe 'host key': libcrypto failed");
	str_hex(digest, sizeof(digest), sha256);
	return 0;
}

int hostkey_sign(const struct hostkey *k, const void *hash, size_t len, uint8_t sig[64],
		 struct err *e)
{
	EVP_MD_CTX *ctx;
	size_t n = 64;
	int good;

	if (len < HASH_MIN || len > HASH_MAX)
		return err_set(e, EINVAL, "sign 'exchange hash': %zu bytes are none", len);
	ctx = EVP_MD_CTX_new();
	good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->key) == 1 &&
	       EVP_DigestSign(ctx, sig, &n, hash, len) == 1 && n == 64;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return err_set(e, EIO, "sign 'exchange hash': libcrypto failed");
	return 0;
}

int hostkey_derive(const struct hostkey *k, const char *purpose, uint8_t out[32], struct err *e)
{
	uint8_t text[SEED_LEN + 64] = { 0 };
	size_t n = SEED_LEN, used = strlen(purpose);
	int ok;

	if (used > sizeof(text) - SEED_LEN)
		return err_set(e, ENAMETOOLONG, "derive from 'host key': purpose too long");
	ok = EVP_PKEY_get_raw_private_key(k->key, text, &n) == 1 && n == SEED_LEN;
	memcpy(text + SEED_LEN, purpose, used);
	ok = ok && EVP_Digest(text, SEED_LEN + used, out, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_cleanse(text, sizeof(text));
	return ok ? 0 : err_set(e, EIO, "derive from 'host key': libcrypto failed");
}
