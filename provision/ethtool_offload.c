// SPDX-License-Identifier: LGPL-2.1-or-later
/* Offloads by ethtool's ioctls: bits in words, with names that differ between the kernel and ethtool(8). Workers only. */
#include "ethtool_offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

#include "ethtool.h"

struct features {
	struct ethtool_gfeatures head;
	struct ethtool_get_features_block block[ETHTOOL_WORDS];
};
struct set_features {
	struct ethtool_sfeatures head;
	struct ethtool_set_features_block block[ETHTOOL_WORDS];
};

int ethtool_offload_read(int fd, const char *name, struct ethtool_offloads *out)
{
	struct features f = { .head = { .cmd = ETHTOOL_GFEATURES, .size = ETHTOOL_WORDS } };
	int ret = ethtool_call(fd, name, &f);

	memset(out, 0, sizeof(*out));
	if (ret)
		return ret;
	out->nwords = f.head.size < ETHTOOL_WORDS ? f.head.size : ETHTOOL_WORDS;
	for (uint32_t i = 0; i < out->nwords; i++) {
		out->offered[i] = f.block[i].available & ~f.block[i].never_changed;
		out->on[i] = f.block[i].requested & out->offered[i];
	}
	return 0;
}

static int write_features(int fd, const char *name, const uint32_t *valid, const uint32_t *on,
			  uint32_t nwords)
{
	struct set_features f = { .head = { .cmd = ETHTOOL_SFEATURES, .size = nwords } };
	bool any = false;

	for (uint32_t i = 0; i < nwords; i++) {
		f.block[i].valid = valid[i];
		f.block[i].requested = on[i] & valid[i];
		any |= valid[i] != 0;
	}
	/* Positive: some bits were understood, and cannot be had now; what became of it is read afterwards. */
	return any ? ethtool_call(fd, name, &f) : 0;
}

/* Short names of ethtool(8) for what the kernel calls otherwise; a trailing '*' stands for anything. */
static const struct {
	const char *word, *kernel;
} words[] = {
	{ "rx", "rx-checksum" },
	{ "rx-checksumming", "rx-checksum" },
	{ "tx", "tx-checksum-*" },
	{ "tx-checksumming", "tx-checksum-*" },
	{ "sg", "tx-scatter-gather*" },
	{ "scatter-gather", "tx-scatter-gather*" },
	{ "tso", "tx-tcp*" },
	{ "tcp-segmentation-offload", "tx-tcp*" },
	{ "gso", "tx-generic-segmentation" },
	{ "generic-segmentation-offload", "tx-generic-segmentation" },
	{ "gro", "rx-gro" },
	{ "generic-receive-offload", "rx-gro" },
	{ "lro", "rx-lro" },
	{ "large-receive-offload", "rx-lro" },
	{ "rxvlan", "rx-vlan-hw-parse" },
	{ "rx-vlan-offload", "rx-vlan-hw-parse" },
	{ "txvlan", "tx-vlan-hw-insert" },
	{ "tx-vlan-offload", "tx-vlan-hw-insert" },
	{ "ntuple", "rx-ntuple-filter" },
	{ "ntuple-filters", "rx-ntuple-filter" },
	{ "rxhash", "rx-hashing" },
	{ "receive-hashing", "rx-hashing" },
};

static bool is_feature(const char *kernel, const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0) {
			word = words[i].kernel;
			break;
		}
	if (word[strlen(word) - 1] == '*')
		return strncmp(kernel, word, strlen(word) - 1) == 0;
	return strcmp(kernel, word) == 0;
}

struct strings {
	struct ethtool_gstrings head;
	char text[ETHTOOL_WORDS * 32][ETH_GSTRING_LEN];
};

static int read_names(int fd, const char *name, struct strings *s, struct err *e)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t n;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };
	int ret = ethtool_call(fd, name, &info);

	memset(s, 0, sizeof(*s));
	/* ETHTOOL_GSTRINGS writes as many as there are, however little room it is given. */
	if (ret == 0 && info.n > ETHTOOL_WORDS * 32)
		ret = -E2BIG;
	s->head = (struct ethtool_gstrings){ ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info.n };
	if (ret == 0)
		ret = ethtool_call(fd, name, s);
	return ret ? err_ret(e, ret, "list the offloads of '%s'", name) : 0;
}

static int set_feature(int fd, const char *name, const struct strings *s, const char *word, bool on,
		       struct err *e)
{
	uint32_t valid[ETHTOOL_WORDS] = { 0 }, want[ETHTOOL_WORDS] = { 0 }, known = 0, some = 0;
	struct ethtool_offloads now;
	int ret = ethtool_offload_read(fd, name, &now);

	for (uint32_t i = 0; i < s->head.len && ret == 0; i++) {
		if (!is_feature(s->text[i], word))
			continue;
		known++;
		valid[i / 32] |= now.offered[i / 32] & (1U << (i % 32));
		want[i / 32] |= on ? valid[i / 32] & (1U << (i % 32)) : 0;
	}
	if (ret == 0 && !known)
		return err_set(e, EINVAL, "set offload '%s' of '%s': there is no such offload",
			       word, name);
	for (uint32_t i = 0; i < ETHTOOL_WORDS; i++)
		some += valid[i] != 0;
	if (ret == 0 && !some)
		return err_set(e, EINVAL, "set offload '%s' of '%s': its driver does not change it",
			       word, name);
	if (ret == 0)
		ret = write_features(fd, name, valid, want, now.nwords);
	if (ret == 0)
		ret = ethtool_offload_read(fd, name, &now);
	return ret ? err_ret(e, ret, "set offload '%s' of '%s'", word, name) : 0;
}

int ethtool_offload_set(int fd, const char *name, const char *list, struct err *e)
{
	char word[64], value[8];
	struct strings *s;
	int ret, used = 0;

	if (!*list)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, ENOMEM, "list the offloads of '%s': out of memory", name);
	ret = read_names(fd, name, s, e);
	for (; ret == 0 && sscanf(list, " %63[^, ] %7[^, ]%n", word, value, &used) == 2;
	     list += used + (int)strspn(list + used, ", "))
		ret = set_feature(fd, name, s, word, strcmp(value, "on") == 0, e);
	free(s);
	return ret;
}

bool ethtool_offload_offered(int fd, const char *name, const char *word)
{
	struct ethtool_offloads now;
	struct strings *s = calloc(1, sizeof(*s));
	bool found = false;

	if (s && read_names(fd, name, s, NULL) == 0 && ethtool_offload_read(fd, name, &now) == 0)
		for (uint32_t i = 0; i < s->head.len && i / 32 < now.nwords; i++)
			found |= (now.offered[i / 32] & (1U << (i % 32))) &&
				 is_feature(s->text[i], word);
	free(s);
	return found;
}

/* --- as they were --- */

int ethtool_offload_restore(int fd, const char *name, const struct ethtool_offloads *want)
{
	uint32_t differs[ETHTOOL_WORDS] = { 0 };
	struct ethtool_offloads now;

	if (ethtool_offload_read(fd, name, &now))
		return 0; /* it had none to be noted */
	for (uint32_t i = 0; i < now.nwords; i++)
		differs[i] = (now.on[i] ^ want->on[i]) & now.offered[i] & want->offered[i];
	return write_features(fd, name, differs, want->on, now.nwords);
}

bool ethtool_offload_same(const struct ethtool_offloads *a, const struct ethtool_offloads *b)
{
	for (uint32_t i = 0; i < ETHTOOL_WORDS; i++)
		if ((a->on[i] ^ b->on[i]) & a->offered[i] & b->offered[i])
			return false;
	return true;
}

void ethtool_offload_print(FILE *f, const struct ethtool_offloads *s)
{
	fprintf(f, "offloads %u", s->nwords);
	for (uint32_t i = 0; i < s->nwords; i++)
		fprintf(f, " %08x:%08x", s->offered[i], s->on[i]);
	fputc('\n', f);
}

int ethtool_offload_take(struct ethtool_offloads *s, const char *value)
{
	int used = 0;

	if (sscanf(value, "%u%n", &s->nwords, &used) != 1 || s->nwords > ETHTOOL_WORDS)
		return -EINVAL;
	for (uint32_t i = 0; i < s->nwords; i++) {
		value += used;
		if (sscanf(value, " %x:%x%n", &s->offered[i], &s->on[i], &used) != 2)
			return -EINVAL;
	}
	return 0;
}
