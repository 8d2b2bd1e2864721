/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record as INI text and back.  One table has a row per field.  The text begins with a fixed header that carries a CRC32C
 * of everything below it, so that no damaged byte passes.
 */
#include "record_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "conf.h"

#define TEXT_MAX 900 /* bytes of an escaped text: the line must stay below CONF_LINE_MAX */
#define HEADER                                                                                     \
	"# Written by provisiond: sshbay show explains it. Do not edit.\n[record]\nchecksum = "
#define HEADER_LEN (sizeof(HEADER) - 1)
#define BODY_AT    (HEADER_LEN + 8 + 1) /* after 8 hex digits and the newline */
#define VERSION    1

static const char *const state_words[RECORD_NSTATES] = {
	[RECORD_ABSENT] = "absent",   [RECORD_CREATING] = "creating",
	[RECORD_RUNNING] = "running", [RECORD_STOPPING] = "stopping",
	[RECORD_STOPPED] = "stopped", [RECORD_DESTROYING] = "destroying",
};

const char *record_state_text(enum record_state s)
{
	return (unsigned int)s < RECORD_NSTATES ? state_words[s] : "unknown";
}

/* --- fields --------------------------------------------------------------------------------------------------------- */

enum kind { U64, U32, I32, TEXT, STATE, ADDRESS, NETWORK, MAC };

struct field {
	const char *section, *key;
	enum kind kind;
	size_t offset, size;
	bool optional; /* absent from files of older versions: empty */
};

#define FIELD(section, key, kind, member)                                                          \
	{                                                                                          \
		section, key, kind, offsetof(struct record, member),                               \
			sizeof(((struct record *)0)->member), false                                \
	}
#define LATER(section, key, kind, member)                                                          \
	{                                                                                          \
		section, key, kind, offsetof(struct record, member),                               \
			sizeof(((struct record *)0)->member), true                                 \
	}

/* Order of the file. The generation is written before these. */
static const struct field fields[] = {
	FIELD("workspace", "name", TEXT, name),
	FIELD("workspace", "state", STATE, state),
	FIELD("workspace", "step", TEXT, step),
	FIELD("workspace", "image", TEXT, image),
	FIELD("workspace", "slot", U32, slot),
	FIELD("workspace", "id_base", U64, id_base),
	FIELD("workspace", "id_count", U32, id_count),
	FIELD("workspace", "control_ip", ADDRESS, control_ip),
	FIELD("workspace", "control_ip6", ADDRESS, control_ip6),
	FIELD("workspace", "created", U64, created),
	FIELD("workspace", "started", U64, started),
	FIELD("workspace", "note", TEXT, note),
	LATER("workspace", "attach", TEXT, attach),
	FIELD("init", "boot_id", TEXT, boot_id),
	FIELD("init", "pid", U32, init_pid),
	FIELD("init", "start", U64, init_start),
	FIELD("init", "ns_user", U64, ns_user),
	FIELD("init", "ns_net", U64, ns_net),
	FIELD("init", "ns_mnt", U64, ns_mnt),
	FIELD("nic", "name", TEXT, nic.name),
	FIELD("nic", "mac", MAC, nic.mac),
	FIELD("nic", "mtu", U32, nic.mtu),
	FIELD("nic", "flags", U32, nic.flags),
	FIELD("nic", "ifindex", I32, nic.ifindex),
	LATER("nic", "data_ip", NETWORK, data_ip),
	LATER("nic", "id", TEXT, nic.id),
	LATER("nic", "asked", TEXT, nic.asked),
	LATER("nic", "speed", U32, nic.speed),
	LATER("nic", "driver", TEXT, nic.driver),
	LATER("nic", "firmware", TEXT, nic.firmware),
	LATER("nic", "rdma", TEXT, rdma),
	LATER("nic", "vfio", TEXT, vfio),
	LATER("devices", "gpus", TEXT, gpus),
	LATER("devices", "cpus", TEXT, cpus),
	LATER("devices", "hugepages_2m", U32, hugepages_2m),
	LATER("devices", "hugepages_1g", U32, hugepages_1g),
};
#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

/* Like str_vis, and the double quote too: the value stands between two of them. Cut at a whole escape. */
static void escape(const char *src, char *buf, size_t size)
{
	size_t used = 0;

	for (; *src; src++) {
		unsigned char c = (unsigned char)*src;
		bool plain = c >= ' ' && c <= '~' && c != '\\' && c != '"';

		if (used + (plain ? 1 : 4) >= size)
			break;
		used += (size_t)snprintf(buf + used, size - used, plain ? "%c" : "\\x%02x", c);
	}
	buf[used] = '\0';
}

static int unescape(const char *src, char *buf, size_t size)
{
	size_t used = 0;

	while (*src) {
		char hex[3] = "", c = *src++;

		if (c == '\\') {
			if (src[0] != 'x' || !src[1] || !src[2])
				return -EINVAL;
			hex[0] = src[1];
			hex[1] = src[2];
			if (!str_unhex(hex, &c, 1) || c == '\0')
				return -EINVAL;
			src += 3;
		}
		if (used + 1 >= size)
			return -ENAMETOOLONG;
		buf[used++] = c;
	}
	buf[used] = '\0';
	return 0;
}

static void print_field(FILE *f, const struct field *fl, const struct record *r)
{
	const void *p = (const char *)r + fl->offset;
	char text[TEXT_MAX];
	const uint8_t *mac = p;

	fprintf(f, "%s = ", fl->key);
	switch (fl->kind) {
	case U64:
		fprintf(f, "%" PRIu64, *(const uint64_t *)p);
		break;
	case U32:
		fprintf(f, "%" PRIu32, *(const uint32_t *)p);
		break;
	case I32:
		fprintf(f, "%" PRId32, *(const int32_t *)p > 0 ? *(const int32_t *)p : 0);
		break;
	case TEXT:
		escape(p, text, sizeof(text));
		fprintf(f, "\"%s\"", text);
		break;
	case STATE:
		fputs(record_state_text(*(const enum record_state *)p), f);
		break;
	case ADDRESS:
		fputs(ip_text(p, text, sizeof(text)), f);
		break;
	case NETWORK:
		if (((const struct ipnet *)p)->addr.family)
			fputs(ip_net_text(p, text, sizeof(text)), f);
		break;
	case MAC:
		fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5]);
		break;
	}
	fputc('\n', f);
}

static int parse_state(const char *text, enum record_state *out)
{
	unsigned int i;

	for (i = 0; i < RECORD_NSTATES; i++) {
		if (strcmp(text, state_words[i]) == 0) {
			*out = (enum record_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_mac(const char *text, uint8_t mac[6])
{
	char hex[13];
	unsigned int i;

	if (strlen(text) != 17)
		return -EINVAL;
	for (i = 0; i < 17; i++) {
		if (i % 3 == 2 && text[i] != ':')
			return -EINVAL;
		if (i % 3 != 2)
			hex[i - i / 3] = text[i];
	}
	hex[12] = '\0';
	return str_unhex(hex, mac, 6) ? 0 : -EINVAL;
}

static int parse_field(const struct field *fl, const char *text, struct record *r)
{
	void *p = (char *)r + fl->offset;
	uint64_t v = 0;
	int ret;

	switch (fl->kind) {
	case U64:
		return num_u64(text, 0, UINT64_MAX, p, NULL);
	case U32:
	case I32:
		ret = num_u64(text, 0, fl->kind == U32 ? UINT32_MAX : INT32_MAX, &v, NULL);
		if (ret == 0)
			*(uint32_t *)p = (uint32_t)v;
		return ret;
	case TEXT:
		return unescape(text, p, fl->size);
	case STATE:
		return parse_state(text, p);
	case ADDRESS:
		return *text ? ip_parse(text, p, NULL) : 0;
	case NETWORK:
		return *text ? ip_parse_net(text, p, NULL) : 0;
	case MAC:
		return parse_mac(text, p);
	}
	return -EINVAL;
}

/* --- text ----------------------------------------------------------------------------------------------------------- */

/* CRC-32C (RFC 3720 appendix B.4), bit by bit: a record is a kilobyte. */
static uint32_t crc32c(const char *p, size_t n)
{
	uint32_t crc = ~UINT32_C(0);
	unsigned int bit;

	while (n--) {
		crc ^= (uint8_t)*p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

int record_text_encode(const struct record *r, char *buf, size_t cap, size_t *len)
{
	FILE *f = fmemopen(buf, cap, "w");
	const char *section = "";
	char sum[9];
	long end;
	size_t i;

	if (!f)
		return -errno;
	fprintf(f, HEADER "00000000\ngeneration = %" PRIu64 "\nversion = %d\n", r->generation,
		VERSION);
	for (i = 0; i < NFIELDS; i++) {
		if (strcmp(section, fields[i].section) != 0)
			fprintf(f, "[%s]\n", fields[i].section);
		section = fields[i].section;
		print_field(f, &fields[i], r);
	}
	end = ftell(f);
	if (fclose(f) != 0 || end < 0 || (size_t)end >= cap)
		return -EOVERFLOW;
	snprintf(sum, sizeof(sum), "%08" PRIx32, crc32c(buf + BODY_AT, (size_t)end - BODY_AT));
	memcpy(buf + HEADER_LEN, sum, 8);
	*len = (size_t)end;
	return 0;
}

bool record_text_whole(const char *buf, size_t len, uint64_t *generation)
{
	static const char lead[] = "generation = ";
	const char *p = buf + BODY_AT + sizeof(lead) - 1;
	char sum[9], number[24];
	size_t n;

	if (len < BODY_AT + sizeof(lead) || memcmp(buf, HEADER, HEADER_LEN) != 0 ||
	    buf[BODY_AT - 1] != '\n')
		return false;
	snprintf(sum, sizeof(sum), "%08" PRIx32, crc32c(buf + BODY_AT, len - BODY_AT));
	if (memcmp(buf + HEADER_LEN, sum, 8) != 0 ||
	    memcmp(buf + BODY_AT, lead, sizeof(lead) - 1) != 0)
		return false;
	n = strcspn(p, "\n");
	if (n >= sizeof(number))
		return false;
	memcpy(number, p, n);
	number[n] = '\0';
	return num_u64(number, 0, UINT64_MAX, generation, NULL) == 0;
}

static void on_problem(void *ctx, unsigned int line, const char *section, const char *key,
		       const char *reason)
{
	struct err *e = ctx;

	if (e->code == 0)
		(void)err_set(e, EUCLEAN, "line %u: [%s] %s: %s", line, section, key, reason);
}

static int decode_fields(const struct conf *c, struct record *r, struct err *e)
{
	const struct conf_entry *entry = conf_find(c, "record", "version");
	uint64_t version;
	size_t i, here = 0;

	if (!entry || num_u64(entry->value, VERSION, VERSION, &version, NULL) < 0)
		return err_set(e, EUCLEAN, "version '%s' is not %d", entry ? entry->value : "",
			       VERSION);
	for (i = 0; i < NFIELDS; i++) {
		entry = conf_find(c, fields[i].section, fields[i].key);
		if (!entry && fields[i].optional)
			continue;
		if (!entry)
			return err_set(e, EUCLEAN, "[%s] %s is missing", fields[i].section,
				       fields[i].key);
		if (parse_field(&fields[i], entry->value, r) < 0)
			return err_set(e, EUCLEAN, "line %u: [%s] %s: bad value", entry->line,
				       fields[i].section, fields[i].key);
		here++;
	}
	/* checksum, generation and version are the other three. */
	if (c->nentries != here + 3)
		return err_set(e, EUCLEAN, "%u keys where %zu belong", c->nentries, here + 3);
	return 0;
}

int record_text_decode(const char *buf, size_t len, const char *name, struct record *r,
		       struct err *e)
{
	struct err why = { 0 };
	struct conf *c = NULL;
	int ret;

	memset(r, 0, sizeof(*r));
	if (!record_text_whole(buf, len, &r->generation))
		return err_set(e, EUCLEAN, "damaged");
	ret = conf_parse(buf, len, &c, on_problem, &why);
	if (ret == 0)
		ret = decode_fields(c, r, &why);
	else if (why.code == 0)
		(void)err_ret(&why, ret, "read");
	conf_free(c);
	if (ret == 0 && strcmp(r->name, name) != 0)
		ret = err_set(&why, EUCLEAN, "belongs to workspace '%s'", r->name);
	return ret < 0 ? err_set(e, EUCLEAN, "%s", why.text) : 0;
}
