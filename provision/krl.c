/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See krl.h.  provisiond and `sshbay check`, on a file that the administrator has put in place.  A list that is not
 * understood to its last byte revokes nobody knows what, and is an error.
 */
#include "krl.h"

#include <string.h>

#define MAGIC     "SSHKRL\n"
#define MAGIC_LEN 8 /* with its NUL */
#define VERSION   1

enum section { CERTIFICATES = 1, KEYS = 2, SHA1 = 3, SIGNATURE = 4, SHA256 = 5, EXTENSION = 255 };
enum cert_section {
	SERIALS = 0x20,
	RANGES = 0x21,
	BITMAP = 0x22,
	IDS = 0x23,
	CERT_EXTENSION = 0x39
};

static int malformed(struct err *e)
{
	return err_set(e, EBADMSG, "it is damaged");
}

static bool take_byte(struct wire *w, uint8_t *out)
{
	if (w->n < 1)
		return false;
	*out = *w->p++;
	w->n--;
	return true;
}

static bool take_u64(struct wire *w, uint64_t *out)
{
	uint32_t high, low;

	if (!wire_u32(w, &high) || !wire_u32(w, &low))
		return false;
	*out = (uint64_t)high << 32 | low;
	return true;
}

static bool same(const struct wire *a, const void *p, size_t n)
{
	return a->n == n && memcmp(a->p, p, n) == 0;
}

/* Strings, one of which is p[n]. */
static int in_strings(struct wire list, const void *p, size_t n, struct err *e)
{
	struct wire at;
	bool found = false;

	while (list.n) {
		if (!wire_str(&list, &at))
			return malformed(e);
		found = found || (p && same(&at, p, n));
	}
	return found;
}

/* string name, byte critical, string contents: none is known. */
static int extension(struct wire w, struct err *e)
{
	struct wire name, contents;
	uint8_t critical;

	if (!wire_str(&w, &name) || !take_byte(&w, &critical) || !wire_str(&w, &contents) || w.n)
		return malformed(e);
	return critical ? err_set(e, EOPNOTSUPP, "it has an extension that is not known") : 0;
}

/* --- certificates --------------------------------------------------------------------------------------------------- */

static int in_serials(struct wire w, uint64_t serial, struct err *e)
{
	uint64_t at;
	bool found = false;

	while (w.n) {
		if (!take_u64(&w, &at))
			return malformed(e);
		found = found || at == serial;
	}
	return found;
}

static int in_range(struct wire w, uint64_t serial, struct err *e)
{
	uint64_t low, high;

	if (!take_u64(&w, &low) || !take_u64(&w, &high) || w.n || low > high)
		return malformed(e);
	return serial >= low && serial <= high;
}

/* The lowest bit stands for the first serial number. */
static int in_bitmap(struct wire w, uint64_t serial, struct err *e)
{
	uint64_t first, bit;
	struct wire map;

	if (!take_u64(&w, &first) || !wire_mpint(&w, &map) || w.n)
		return malformed(e);
	bit = serial - first;
	if (serial < first || bit / 8 >= map.n)
		return 0;
	return map.p[map.n - 1 - bit / 8] >> (bit % 8) & 1;
}

static int cert_section(uint8_t type, struct wire body, const struct krl_subject *s, struct err *e)
{
	uint64_t serial = s ? s->serial : 0;
	int ret;

	switch (type) {
	case SERIALS:
		ret = in_serials(body, serial, e);
		break;
	case RANGES:
		ret = in_range(body, serial, e);
		break;
	case BITMAP:
		ret = in_bitmap(body, serial, e);
		break;
	case IDS:
		return in_strings(body, s ? s->id.p : NULL, s ? s->id.n : 0, e);
	case CERT_EXTENSION:
		return extension(body, e);
	default:
		return err_set(e, EOPNOTSUPP, "it has a part of type %u that is not known", type);
	}
	return ret > 0 && serial == 0 ? 0 : ret;
}

/* string authority (empty: any), string reserved, then parts. */
static int certificates(struct wire w, const struct krl_subject *s, struct err *e)
{
	struct wire ca, reserved, body;
	bool ours, found = false;
	uint8_t type;

	if (!wire_str(&w, &ca) || !wire_str(&w, &reserved))
		return malformed(e);
	ours = s && s->ca.n && (ca.n == 0 || same(&ca, s->ca.p, s->ca.n));
	while (w.n) {
		int ret;

		if (!take_byte(&w, &type) || !wire_str(&w, &body))
			return malformed(e);
		ret = cert_section(type, body, s, e);
		if (ret < 0)
			return ret;
		found = found || (ours && ret);
	}
	return found;
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

static int one_section(struct wire *w, const struct krl_subject *s, struct err *e)
{
	struct wire body, sig;
	uint8_t type;

	if (!take_byte(w, &type) || !wire_str(w, &body))
		return malformed(e);
	switch (type) {
	case CERTIFICATES:
		return certificates(body, s, e);
	case KEYS:
		return in_strings(body, s ? s->key.p : NULL, s ? s->key.n : 0, e);
	case SHA1:
		return in_strings(body, s ? s->sha1 : NULL, 20, e);
	case SHA256:
		return in_strings(body, s ? s->sha256 : NULL, 32, e);
	case SIGNATURE: /* by the key in `body` */
		return wire_str(w, &sig) ? 0 : malformed(e);
	case EXTENSION:
		return extension(body, e);
	default:
		return err_set(e, EOPNOTSUPP, "it has a section of type %u that is not known",
			       type);
	}
}

bool krl_is(const void *text, size_t len)
{
	return len >= MAGIC_LEN - 1 && memcmp(text, MAGIC, MAGIC_LEN - 1) == 0;
}

int krl_revokes(const void *text, size_t len, const struct krl_subject *s, struct err *e)
{
	struct wire w = { text, len }, reserved, comment;
	uint64_t number, date, flags;
	uint32_t version;
	bool found = false;

	if (len < MAGIC_LEN || memcmp(text, MAGIC, MAGIC_LEN) != 0)
		return malformed(e);
	w.p += MAGIC_LEN;
	w.n -= MAGIC_LEN;
	if (!wire_u32(&w, &version))
		return malformed(e);
	if (version != VERSION)
		return err_set(e, EOPNOTSUPP, "its version %u is not known", version);
	if (!take_u64(&w, &number) || !take_u64(&w, &date) || !take_u64(&w, &flags) ||
	    !wire_str(&w, &reserved) || !wire_str(&w, &comment))
		return malformed(e);
	while (w.n) {
		int ret = one_section(&w, s, e);

		if (ret < 0)
			return ret;
		found = found || ret;
	}
	return found;
}
