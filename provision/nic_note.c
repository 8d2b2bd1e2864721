// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reads and writes run/ws/NAME/nic. Runs in workers. Lines of "key value", ours alone (the directory is root's). */
#include "nic_note.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define NAME "nic"

static void print_mac(FILE *f, const char *key, const uint8_t mac[6])
{
	char hex[13];

	str_hex(mac, 6, hex);
	fprintf(f, "%s %s\n", key, hex);
}

/* An alias is free text: hex keeps it on its line. */
static void print_hex(FILE *f, const char *key, const void *bytes, size_t n)
{
	char hex[2 * NETIF_ALIAS_MAX + 1];

	_Static_assert(NETIF_ALIAS_MAX >= NETIF_RAW_BYTES, "hex must hold both");
	str_hex(bytes, n, hex);
	fprintf(f, "%s %s\n", key, hex);
}

static void print_links(FILE *f, const struct nic_note *note)
{
	fprintf(f, "index %d\nkind %s\nid %s\nname %s\n", note->index, note->kind, note->id,
		note->name);
	print_mac(f, "mac", note->mac);
	print_mac(f, "perm", note->perm_mac);
	fprintf(f, "mtu %u\nflags %u\ntxqlen %u\n", note->mtu, note->flags, note->txqlen);
	for (unsigned int i = 0; i < NETIF_TUNINGS; i++)
		if (note->tuning[i] != NETIF_NO_TUNING)
			fprintf(f, "tuning %u %u\n", i, note->tuning[i]);
	if (note->alias[0])
		print_hex(f, "alias", note->alias, strlen(note->alias));
	for (unsigned int i = 0; i < note->naltnames; i++)
		fprintf(f, "altname %s\n", note->altname[i]);
	if (note->bus.driver[0])
		fprintf(f, "driver %s\noverride %s\n", note->bus.driver, note->bus.override);
	if (note->pf[0]) {
		fprintf(f, "pf %s\nvf %u %u %u %d %d %u\n", note->pf, note->vf.vf, note->vf.vlan,
			note->vf.qos, note->vf.spoofcheck, note->vf.trust, note->vf.vlan_proto);
		print_mac(f, "vfmac", note->vf.mac);
	}
}

int nic_note_print(const struct nic_note *note, char *buf, size_t size)
{
	FILE *f = fmemopen(buf, size, "w");
	long end;

	if (!f)
		return -errno;
	print_links(f, note);
	ethtool_print(f, &note->driver);
	for (unsigned int i = 0; i < note->raws.n; i++)
		print_hex(f, note->raws.raw[i].type == RTM_NEWADDR ? "address" : "route",
			  note->raws.raw[i].data, note->raws.raw[i].len);
	end = ftell(f);
	return fclose(f) || end < 0 || (size_t)end >= size ? -EOVERFLOW : 0;
}

int nic_note_save(const char *dir, const struct nic_note *note, struct err *e)
{
	char text[NIC_NOTE_TEXT] = "";
	struct path_content c = { .buf = text, .mode = 0600 };
	auto_fd int dirfd = path_open_dir(dir, e);
	int ret;

	if (dirfd < 0)
		return dirfd;
	ret = nic_note_print(note, text, sizeof(text));
	if (ret)
		return err_ret(e, ret, "write '%s/" NAME "'", dir);
	c.len = strlen(text);
	return path_write_atomic(dirfd, NAME, &c, e);
}

static int take_raw(struct nic_note *note, uint16_t type, const char *value)
{
	struct netif_raw *raw = &note->raws.raw[note->raws.n];
	size_t bytes = strlen(value) / 2;

	if (note->raws.n == NETIF_RAW_MAX || bytes > NETIF_RAW_BYTES || bytes < 12 ||
	    !str_unhex(value, raw->data, bytes))
		return -EINVAL;
	raw->type = type;
	raw->len = (uint16_t)bytes;
	note->raws.n++;
	return 0;
}

static int take_number(struct nic_note *note, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint32_t *to;
	} numbers[] = { { "index", (uint32_t *)&note->index },
			{ "mtu", &note->mtu },
			{ "flags", &note->flags },
			{ "txqlen", &note->txqlen } };
	uint64_t n;

	for (unsigned int i = 0; i < 4; i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (num_u64(value, 0, UINT32_MAX, &n, NULL))
			return -EINVAL;
		*numbers[i].to = (uint32_t)n;
		return 0;
	}
	return -ENOENT;
}

static int take_vf(struct nic_note *note, const char *value)
{
	struct netif_vf *vf = &note->vf;

	return sscanf(value, "%u %u %u %hhd %hhd %hu", &vf->vf, &vf->vlan, &vf->qos,
		      &vf->spoofcheck, &vf->trust, &vf->vlan_proto) == 6
		       ? 0
		       : -EINVAL;
}

static int take_tuning(struct nic_note *note, const char *value)
{
	unsigned int i;
	uint32_t n;

	if (sscanf(value, "%u %u", &i, &n) != 2 || i >= NETIF_TUNINGS)
		return -EINVAL;
	note->tuning[i] = n;
	return 0;
}

static int take_text(struct nic_note *note, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = { { "kind", note->kind, sizeof(note->kind) },
		      { "id", note->id, sizeof(note->id) },
		      { "name", note->name, sizeof(note->name) },
		      { "pf", note->pf, sizeof(note->pf) },
		      { "driver", note->bus.driver, sizeof(note->bus.driver) },
		      { "override", note->bus.override, sizeof(note->bus.override) } };
	const struct {
		const char *key;
		uint8_t *to;
	} macs[] = { { "mac", note->mac }, { "perm", note->perm_mac }, { "vfmac", note->vf.mac } };

	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].key) == 0)
			return str_copy(texts[i].to, texts[i].size, value) ? -EINVAL : 0;
	for (unsigned int i = 0; i < 3; i++)
		if (strcmp(key, macs[i].key) == 0)
			return strlen(value) == 12 && str_unhex(value, macs[i].to, 6) ? 0 : -EINVAL;
	return -ENOENT;
}

static int take_line(struct nic_note *note, const char *key, const char *value)
{
	int ret = take_number(note, key, value);

	if (ret == -ENOENT)
		ret = take_text(note, key, value);
	if (ret != -ENOENT)
		return ret;
	if (strcmp(key, "alias") == 0)
		return strlen(value) / 2 < NETIF_ALIAS_MAX &&
				       str_unhex(value, note->alias, strlen(value) / 2)
			       ? 0
			       : -EINVAL;
	if (strcmp(key, "tuning") == 0)
		return take_tuning(note, value);
	if (strcmp(key, "vf") == 0)
		return take_vf(note, value);
	if (strcmp(key, "address") == 0 || strcmp(key, "route") == 0)
		return take_raw(note, *key == 'a' ? RTM_NEWADDR : RTM_NEWROUTE, value);
	if (strcmp(key, "altname") == 0) {
		if (note->naltnames == NETIF_ALTNAMES ||
		    str_copy(note->altname[note->naltnames], NETIF_ALTNAME_MAX, value))
			return -EINVAL;
		note->naltnames++;
		return 0;
	}
	return ethtool_take(&note->driver, key, value);
}

int nic_note_parse(char *text, struct nic_note *note, struct err *e)
{
	char *line, *value, *save = NULL;

	memset(note, 0, sizeof(*note));
	memset(note->tuning, 0xff, sizeof(note->tuning));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		value = strchr(line, ' ');
		if (!value)
			return err_set(e, EINVAL, "line '%s' has no value", line);
		*value++ = '\0';
		if (take_line(note, line, value))
			return err_set(e, EINVAL, "line '%s %.60s' is not understood", line, value);
	}
	return note->index > 0 ? 0 : err_set(e, EINVAL, "no index");
}

int nic_note_load(const char *dir, struct nic_note *note, struct err *e)
{
	char text[NIC_NOTE_TEXT];
	auto_fd int dirfd = -1;
	size_t len;
	int ret;

	memset(note, 0, sizeof(*note));
	dirfd = path_open_dir(dir, e);
	if (dirfd < 0)
		return dirfd;
	ret = path_read(dirfd, NAME, text, sizeof(text), &len, e);
	if (ret)
		return ret;
	return nic_note_parse(text, note, e) ? err_wrap(e, "read '%s/" NAME "'", dir) : 0;
}

int nic_note_remove(const char *dir, struct err *e)
{
	auto_fd int dirfd = path_open_dir(dir, NULL);

	if (dirfd < 0 || unlinkat(dirfd, NAME, 0) == 0 || errno == ENOENT)
		return 0;
	return err_sys(e, "remove '%s/" NAME "'", dir);
}
