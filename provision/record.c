/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records: the durable state of a workspace as INI text.  The file begins with a fixed header that carries a CRC32C of
 * everything below it, so that no damaged byte passes; the generation before stays beside it.  Only provisiond's main
 * process comes here, one thread, one writer.
 */
#include "record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "conf.h"

#define RECORD_MAX 8192 /* bytes of a file, with NUL */
#define TEXT_MAX   900  /* bytes of an escaped text: the line must stay below CONF_LINE_MAX */
#define FILE_MAX   (STR_NAME_MAX + 32)
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

enum kind { U64, U32, I32, TEXT, STATE, ADDRESS, MAC };

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

static int encode(const struct record *r, char *buf, size_t cap, size_t *len)
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

/* Is the text whole? Then *generation is the one that it carries. */
static bool is_whole(const char *buf, size_t len, uint64_t *generation)
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

/* Text to record. -EUCLEAN with the reason alone. */
static int decode(const char *buf, size_t len, const char *name, struct record *r, struct err *e)
{
	struct err why = { 0 };
	struct conf *c = NULL;
	int ret;

	memset(r, 0, sizeof(*r));
	if (!is_whole(buf, len, &r->generation))
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

/* --- files ---------------------------------------------------------------------------------------------------------- */

/* One generation on disk. */
struct copy {
	char file[FILE_MAX];
	char text[RECORD_MAX];
	size_t len;
	uint64_t generation;
	int ret; /* 0 whole, -ENOENT, -EUCLEAN, or another error: it may be whole */
	struct err why;
};

static void read_copy(int dirfd, const char *name, const char *suffix, struct copy *c)
{
	c->len = 0;
	c->generation = 0;
	c->why = (struct err){ 0 };
	(void)str_format(c->file, sizeof(c->file), "%s.ini%s", name, suffix);
	c->ret = path_read(dirfd, c->file, c->text, sizeof(c->text), &c->len, &c->why);
	/* Too large, or not a file at all: as useless as a damaged one. */
	if (c->ret == -EFBIG || c->ret == -EINVAL || c->ret == -ELOOP)
		c->ret = -EUCLEAN;
	if (c->ret == 0 && !is_whole(c->text, c->len, &c->generation))
		c->ret = err_set(&c->why, EUCLEAN, "read record '%s': damaged", c->file);
}

static int check_name(const char *name, struct err *e)
{
	if (str_is_name(name, strlen(name)))
		return 0;
	return err_set(e, EINVAL, "use record '%s': not a workspace name", name);
}

/* Make NAME.ini.prev a second name of NAME.ini, replacing the older generation in one step. */
static int keep_previous(int dirfd, const char *name, struct err *e)
{
	char file[FILE_MAX], prev[FILE_MAX], tmp[FILE_MAX];
	int ret = fault_point("record.prev");

	(void)str_format(file, sizeof(file), "%s.ini", name);
	(void)str_format(prev, sizeof(prev), "%s.ini.prev", name);
	(void)str_format(tmp, sizeof(tmp), ".%s.ini.prev.new", name);
	if (ret < 0)
		return err_ret(e, ret, "keep record '%s'", file);
	(void)unlinkat(dirfd, tmp, 0);
	if (linkat(dirfd, file, dirfd, tmp, 0) < 0)
		return err_sys(e, "keep record '%s'", file);
	if (renameat(dirfd, tmp, dirfd, prev) < 0) {
		ret = err_sys(e, "keep record '%s'", file);
		(void)unlinkat(dirfd, tmp, 0);
		return ret;
	}
	/* rename(2) leaves both names when they are the same file already. */
	(void)unlinkat(dirfd, tmp, 0);
	return 0;
}

/* A damaged current generation must not replace the previous one, and is kept for whoever wants to look at it. */
static int set_aside(int dirfd, const char *name, struct err *e)
{
	char file[FILE_MAX], aside[FILE_MAX];

	(void)str_format(file, sizeof(file), "%s.ini", name);
	(void)str_format(aside, sizeof(aside), "%s.ini.damaged", name);
	if (renameat(dirfd, file, dirfd, aside) < 0)
		return err_sys(e, "set aside damaged record '%s'", file);
	return 0;
}

static uint64_t newest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int record_save(int recordsfd, struct record *r, struct err *e)
{
	char file[FILE_MAX], text[RECORD_MAX];
	struct copy current, prev;
	struct path_content c = { .buf = text, .mode = 0600, .durable = true };
	uint64_t before = r->generation;
	int ret = check_name(r->name, e);

	if (ret < 0)
		return ret;
	read_copy(recordsfd, r->name, "", &current);
	read_copy(recordsfd, r->name, ".prev", &prev);
	if (current.ret == 0)
		ret = keep_previous(recordsfd, r->name, e);
	else if (current.ret == -EUCLEAN)
		ret = set_aside(recordsfd, r->name, e);
	else if (current.ret != -ENOENT)
		ret = err_set(e, -current.ret, "%s", current.why.text);
	if (ret < 0)
		return ret;
	/* Above everything on disk, so that the newest is known by its number. */
	r->generation = newest(r->generation, newest(current.generation, prev.generation)) + 1;
	(void)str_format(file, sizeof(file), "%s.ini", r->name);
	ret = encode(r, text, sizeof(text), &c.len);
	if (ret < 0)
		(void)err_ret(e, ret, "write record '%s'", file);
	else
		ret = path_write_atomic(recordsfd, file, &c, e);
	if (ret < 0)
		r->generation = before;
	return ret;
}

static int decode_copy(const struct copy *c, const char *name, struct record *r, struct err *e)
{
	int ret;

	if (c->ret < 0)
		return err_set(e, -c->ret, "%s", c->why.text);
	ret = decode(c->text, c->len, name, r, e);
	return ret < 0 ? err_wrap(e, "read record '%s'", c->file) : 0;
}

int record_load(int recordsfd, const char *name, struct record *r, int *fell_back, struct err *e)
{
	struct copy current, prev;
	struct err first = { 0 }, second = { 0 };
	bool older;
	int ret = check_name(name, e);

	*fell_back = 0;
	if (ret < 0)
		return ret;
	read_copy(recordsfd, name, "", &current);
	read_copy(recordsfd, name, ".prev", &prev);
	if (current.ret == -ENOENT && prev.ret == -ENOENT)
		return err_set(e, ENOENT, "read record '%s': there is none", name);
	older = current.ret == 0 && prev.ret == 0 && prev.generation > current.generation;
	if (!older && decode_copy(&current, name, r, &first) == 0)
		return 0;
	/* An unreadable disk is no reason to go back in time. */
	if (current.ret < 0 && current.ret != -ENOENT && current.ret != -EUCLEAN)
		return err_set(e, -current.ret, "%s", first.text);
	*fell_back = 1;
	if (decode_copy(&prev, name, r, &second) == 0)
		return 0;
	*fell_back = 0;
	if (older && decode_copy(&current, name, r, &first) == 0)
		return 0;
	if (prev.ret < 0 && prev.ret != -ENOENT && prev.ret != -EUCLEAN)
		return err_set(e, -prev.ret, "%s", second.text);
	return err_set(e, EUCLEAN, "%.100s; %.100s", first.text, second.text);
}

int record_remove(int recordsfd, const char *name, struct err *e)
{
	/* The current generation goes last: whatever is left after a crash is the newest. */
	static const char *const around[][2] = {
		{ ".", ".ini.prev.new" }, { ".", ".ini.new" }, { "", ".ini.prev" }, { "", ".ini" }
	};
	char file[FILE_MAX];
	int ret = check_name(name, e);
	auto_fd int fd = -1;
	size_t i;

	for (i = 0; ret == 0 && i < 4; i++) {
		(void)str_format(file, sizeof(file), "%s%s%s", around[i][0], name, around[i][1]);
		if (unlinkat(recordsfd, file, 0) < 0 && errno != ENOENT)
			ret = err_sys(e, "remove record '%s'", file);
	}
	if (ret < 0)
		return ret;
	fd = openat(recordsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "remove record '%s' durably", name);
	return 0;
}

/* Does this directory entry stand for a record? NAME.ini, or NAME.ini.prev alone. */
static bool entry_name(int dirfd, const char *entry, char name[STR_NAME_MAX])
{
	const char *dot = strchr(entry, '.');
	char current[FILE_MAX];
	struct stat st;

	if (!dot || !str_is_name(entry, (size_t)(dot - entry)))
		return false;
	(void)str_format(name, STR_NAME_MAX, "%.*s", (int)(dot - entry), entry);
	if (strcmp(dot, ".ini") == 0)
		return true;
	(void)str_format(current, sizeof(current), "%s.ini", name);
	return strcmp(dot, ".ini.prev") == 0 &&
	       fstatat(dirfd, current, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

/* All names first: `fn` may write records, and a directory that changes can show an entry twice. */
static int collect(int recordsfd, char (**names)[STR_NAME_MAX], size_t *n, struct err *e)
{
	auto_dir DIR *d = NULL;
	auto_fd int fd = openat(recordsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t cap = 0;
	struct dirent *entry;
	char name[STR_NAME_MAX];

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(e, "list records");
	(void)fd_take(&fd);
	while (errno = 0, (entry = readdir(d))) {
		if (!entry_name(recordsfd, entry->d_name, name))
			continue;
		if (*n == cap) {
			void *grown = reallocarray(*names, cap + 256, sizeof(**names));

			if (!grown)
				return err_set(e, ENOMEM, "list records: out of memory");
			*names = grown;
			cap += 256;
		}
		memcpy((*names)[(*n)++], name, sizeof(name));
	}
	return errno ? err_sys(e, "list records") : 0;
}

int record_each(int recordsfd, int (*fn)(void *ctx, const char *name), void *ctx, struct err *e)
{
	char(*names)[STR_NAME_MAX] = NULL;
	size_t n = 0, i;
	int ret = collect(recordsfd, &names, &n, e);

	for (i = 0; ret == 0 && i < n; i++) {
		ret = fn(ctx, names[i]);
		if (ret < 0)
			(void)err_ret(e, ret, "visit record '%s'", names[i]);
	}
	free(names);
	return ret;
}
