// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ethtool's ioctls.  A table says how each part of a driver's state is read and written; parts are kept as the kernel
 * gave them and only those that differ are written, because many drivers reset the link for any write.  Runs in workers.
 */
#include "ethtool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

#define EEPROM_MAX 8192
#define RULES_MAX  4096

struct part {
	const char *name;
	uint32_t get, set;
	uint16_t size;
};

/* In the order in which they are set. */
static const struct part parts[] = {
	{ "link", ETHTOOL_GLINKSETTINGS, ETHTOOL_SLINKSETTINGS, 0 }, /* its size is negotiated */
	{ "channels", ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, sizeof(struct ethtool_channels) },
	{ "rings", ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, sizeof(struct ethtool_ringparam) },
	{ "coalesce", ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, sizeof(struct ethtool_coalesce) },
	{ "pause", ETHTOOL_GPAUSEPARAM, ETHTOOL_SPAUSEPARAM, sizeof(struct ethtool_pauseparam) },
	{ "wol", ETHTOOL_GWOL, ETHTOOL_SWOL, sizeof(struct ethtool_wolinfo) },
	{ "eee", ETHTOOL_GEEE, ETHTOOL_SEEE, sizeof(struct ethtool_eee) },
	{ "fec", ETHTOOL_GFECPARAM, ETHTOOL_SFECPARAM, sizeof(struct ethtool_fecparam) },
	{ "privflags", ETHTOOL_GPFLAGS, ETHTOOL_SPFLAGS, sizeof(struct ethtool_value) },
	{ "msglevel", ETHTOOL_GMSGLVL, ETHTOOL_SMSGLVL, sizeof(struct ethtool_value) },
};
_Static_assert(sizeof(parts) / sizeof(parts[0]) == ETHTOOL_PARTS, "one place for each part");
_Static_assert(sizeof(struct ethtool_coalesce) <= ETHTOOL_BYTES &&
		       sizeof(struct ethtool_link_settings) + 48 <= ETHTOOL_BYTES,
	       "parts must fit");

static int call(int fd, const char *name, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	if (str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name))
		return -ENODEV;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

int ethtool_open(int netnsfd, struct err *e)
{
	auto_fd int home = -1, fd = -1;

	if (netnsfd >= 0) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0 || setns(netnsfd, CLONE_NEWNET))
			return err_sys(e, "enter 'network namespace'");
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (home >= 0 && setns(home, CLONE_NEWNET))
		return err_sys(e, "return to 'own network namespace'");
	return fd < 0 ? err_sys(e, "open 'socket for ethtool'") : fd_take(&fd);
}

/* --- offloads --- */

struct features {
	struct ethtool_gfeatures head;
	struct ethtool_get_features_block block[ETHTOOL_WORDS];
};
struct set_features {
	struct ethtool_sfeatures head;
	struct ethtool_set_features_block block[ETHTOOL_WORDS];
};

static int read_features(int fd, const char *name, struct ethtool_state *out)
{
	struct features f = { .head = { .cmd = ETHTOOL_GFEATURES, .size = ETHTOOL_WORDS } };
	int ret = call(fd, name, &f);

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
	return any ? call(fd, name, &f) : 0;
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
	int ret = call(fd, name, &info);

	memset(s, 0, sizeof(*s));
	/* ETHTOOL_GSTRINGS writes as many as there are, however little room it is given. */
	if (ret == 0 && info.n > ETHTOOL_WORDS * 32)
		ret = -E2BIG;
	s->head = (struct ethtool_gstrings){ ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info.n };
	if (ret == 0)
		ret = call(fd, name, s);
	return ret ? err_ret(e, ret, "list the offloads of '%s'", name) : 0;
}

static int set_feature(int fd, const char *name, const struct strings *s, const char *word, bool on,
		       struct err *e)
{
	uint32_t valid[ETHTOOL_WORDS] = { 0 }, want[ETHTOOL_WORDS] = { 0 }, known = 0, some = 0;
	struct ethtool_state now = { 0 };
	int ret = read_features(fd, name, &now);

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
		ret = read_features(fd, name, &now);
	return ret ? err_ret(e, ret, "set offload '%s' of '%s'", word, name) : 0;
}

int ethtool_features(int fd, const char *name, const char *list, struct err *e)
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

/* --- the other parts --- */

static int read_link(int fd, const char *name, uint8_t *buf, uint16_t *size)
{
	struct ethtool_link_settings *l = (void *)buf;
	int ret;

	/* Asked with no room for link modes, the kernel answers with minus their number of words. */
	memset(buf, 0, ETHTOOL_BYTES);
	l->cmd = ETHTOOL_GLINKSETTINGS;
	ret = call(fd, name, l);
	if (ret == 0 && (l->link_mode_masks_nwords >= 0 || l->link_mode_masks_nwords < -4))
		ret = -EOPNOTSUPP;
	if (ret)
		return ret;
	l->link_mode_masks_nwords = (int8_t)-l->link_mode_masks_nwords;
	l->cmd = ETHTOOL_GLINKSETTINGS;
	ret = call(fd, name, l);
	if (ret == 0)
		*size = (uint16_t)(sizeof(*l) + 12U * (unsigned int)l->link_mode_masks_nwords);
	return ret;
}

static int read_part(int fd, const char *name, unsigned int i, struct ethtool_state *out)
{
	uint8_t *buf = out->part[i];
	_Alignas(8) uint8_t got[ETHTOOL_BYTES] = { 0 };
	uint16_t size = parts[i].size;
	int ret;

	if (size) {
		memcpy(got, &parts[i].get, sizeof(uint32_t));
		ret = call(fd, name, got);
	} else {
		ret = read_link(fd, name, got, &size);
	}
	if (ret == -ENODEV)
		return ret;
	out->size[i] = ret ? 0 : size;
	memcpy(buf, got, ETHTOOL_BYTES);
	return 0;
}

/* What the driver reports but nobody sets: what the other end says, what is in effect just now, limits. */
static void only_settings(unsigned int i, const uint8_t *from, uint8_t out[ETHTOOL_BYTES])
{
	memcpy(out, from, ETHTOOL_BYTES);
	if (parts[i].get == ETHTOOL_GEEE) {
		struct ethtool_eee *eee = (void *)out;

		eee->lp_advertised = eee->eee_active = 0;
	} else if (parts[i].get == ETHTOOL_GFECPARAM) {
		((struct ethtool_fecparam *)(void *)out)->active_fec = 0;
	} else if (parts[i].get == ETHTOOL_GCOALESCE) {
		struct ethtool_coalesce *c = (void *)out;

		/* An adaptive driver reports what it has just arrived at. */
		if (c->use_adaptive_rx_coalesce)
			c->rx_coalesce_usecs = c->rx_max_coalesced_frames = 0;
		if (c->use_adaptive_tx_coalesce)
			c->tx_coalesce_usecs = c->tx_max_coalesced_frames = 0;
	} else if (parts[i].get == ETHTOOL_GLINKSETTINGS) {
		struct ethtool_link_settings *l = (void *)out;
		size_t nwords =
			l->link_mode_masks_nwords > 0 ? (size_t)l->link_mode_masks_nwords : 0;

		if (l->autoneg == AUTONEG_ENABLE)
			l->speed = l->duplex = 0;
		l->eth_tp_mdix = 0;
		memset(&l->link_mode_masks[2 * nwords], 0, 4 * nwords);
		/* Without negotiation what would be advertised says nothing. */
		if (l->autoneg != AUTONEG_ENABLE)
			memset(&l->link_mode_masks[nwords], 0, 4 * nwords);
	}
}

static bool same_part(const struct ethtool_state *a, const struct ethtool_state *b, unsigned int i)
{
	_Alignas(8) uint8_t x[ETHTOOL_BYTES], y[ETHTOOL_BYTES];

	if (!a->size[i] || !b->size[i])
		return a->size[i] == b->size[i];
	only_settings(i, a->part[i], x);
	only_settings(i, b->part[i], y);
	if (parts[i].get == ETHTOOL_GLINKSETTINGS) {
		struct ethtool_link_settings *l = (void *)x, *m = (void *)y;

		/* Without a link some drivers know no speed, even a fixed one. */
		if (l->speed == (uint32_t)SPEED_UNKNOWN || m->speed == (uint32_t)SPEED_UNKNOWN)
			l->speed = m->speed = l->duplex = m->duplex = 0;
	}
	return memcmp(x, y, ETHTOOL_BYTES) == 0;
}

/* --- flow steering rules --- */

static int count_rules(int fd, const char *name, uint32_t *n)
{
	struct ethtool_rxnfc c = { .cmd = ETHTOOL_GRXCLSRLCNT };
	int ret = call(fd, name, &c);

	*n = ret ? 0 : c.rule_cnt;
	return ret;
}

static int remove_rules(int fd, const char *name)
{
	uint32_t n = 0;
	struct ethtool_rxnfc *all, one = { .cmd = ETHTOOL_SRXCLSRLDEL };
	int ret = count_rules(fd, name, &n), r;

	if (ret || !n)
		return ret == -EOPNOTSUPP ? 0 : ret;
	if (n > RULES_MAX)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + n * sizeof(uint32_t));
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = n;
	ret = call(fd, name, all);
	for (uint32_t i = 0; i < n && ret == 0; i++) {
		one.fs.location = all->rule_locs[i];
		r = call(fd, name, &one);
		ret = ret ? ret : r;
	}
	free(all);
	return ret;
}

/* --- EEPROM --- */

static void read_eeprom(int fd, const char *name, char hex[65])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	unsigned char sum[EVP_MAX_MD_SIZE];
	struct ethtool_eeprom *rom;
	uint32_t len;

	hex[0] = '\0';
	if (call(fd, name, &info) || !info.eedump_len)
		return;
	len = info.eedump_len < EEPROM_MAX ? info.eedump_len : EEPROM_MAX;
	rom = calloc(1, sizeof(*rom) + len);
	if (!rom)
		return;
	rom->cmd = ETHTOOL_GEEPROM;
	rom->len = len;
	if (call(fd, name, rom) == 0 && EVP_Digest(rom->data, len, sum, NULL, EVP_sha256(), NULL))
		str_hex(sum, 32, hex);
	free(rom);
}

/* --- all of it --- */

int ethtool_read(int fd, const char *name, struct ethtool_state *out, struct err *e)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_features(fd, name, out);
	for (unsigned int i = 0; i < ETHTOOL_PARTS && ret != -ENODEV; i++)
		ret = read_part(fd, name, i, out);
	if (ret == -ENODEV)
		return err_ret(e, ret, "read the driver's settings of '%s'", name);
	out->has_rules = count_rules(fd, name, &out->nrules) == 0;
	read_eeprom(fd, name, out->eeprom);
	return 0;
}

static void keep_first(int ret, const char *name, const char *what, struct err *e, int *first)
{
	if (ret && *first == 0)
		*first = err_ret(e, ret, "restore %s of '%s'", what, name);
}

int ethtool_restore(int fd, const char *name, const struct ethtool_state *want, struct err *e)
{
	uint32_t differs[ETHTOOL_WORDS] = { 0 };
	struct ethtool_state now = { 0 };
	_Alignas(8) uint8_t set[ETHTOOL_BYTES];
	int first = 0;

	(void)read_features(fd, name, &now);
	for (uint32_t i = 0; i < now.nwords; i++)
		differs[i] = (now.on[i] ^ want->on[i]) & now.offered[i] & want->offered[i];
	if (want->has_rules && !want->nrules)
		keep_first(remove_rules(fd, name), name, "flow rules", e, &first);
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++) {
		if (read_part(fd, name, i, &now) || !want->size[i] || same_part(&now, want, i))
			continue;
		memcpy(set, want->part[i], sizeof(set));
		memcpy(set, &parts[i].set, sizeof(uint32_t));
		keep_first(call(fd, name, set), name, parts[i].name, e, &first);
	}
	/* Last: some offloads depend on the number of queues. */
	keep_first(write_features(fd, name, differs, want->on, now.nwords), name, "offloads", e,
		   &first);
	return first;
}

const char *ethtool_difference(const struct ethtool_state *a, const struct ethtool_state *b)
{
	for (uint32_t i = 0; i < ETHTOOL_WORDS; i++)
		if ((a->on[i] ^ b->on[i]) & a->offered[i] & b->offered[i])
			return "offloads";
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++)
		if (!same_part(a, b, i))
			return parts[i].name;
	if (a->has_rules && a->nrules != b->nrules)
		return "flow rules";
	return strcmp(a->eeprom, b->eeprom) ? "EEPROM" : NULL;
}

/* --- as text --- */

void ethtool_print(FILE *f, const struct ethtool_state *s)
{
	char hex[2 * ETHTOOL_BYTES + 1];

	fprintf(f, "offloads %u", s->nwords);
	for (uint32_t i = 0; i < s->nwords; i++)
		fprintf(f, " %08x:%08x", s->offered[i], s->on[i]);
	fputc('\n', f);
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++) {
		if (!s->size[i])
			continue;
		str_hex(s->part[i], s->size[i], hex);
		fprintf(f, "%s %s\n", parts[i].name, hex);
	}
	if (s->has_rules)
		fprintf(f, "rules %u\n", s->nrules);
	if (s->eeprom[0])
		fprintf(f, "eeprom %s\n", s->eeprom);
}

static int take_offloads(struct ethtool_state *s, const char *value)
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

int ethtool_take(struct ethtool_state *s, const char *key, const char *value)
{
	uint64_t n;
	int ret;

	if (strcmp(key, "offloads") == 0)
		return take_offloads(s, value);
	if (strcmp(key, "eeprom") == 0)
		return str_copy(s->eeprom, sizeof(s->eeprom), value) ? -EINVAL : 0;
	if (strcmp(key, "rules") == 0) {
		ret = num_u64(value, 0, UINT32_MAX, &n, NULL);
		s->has_rules = ret == 0;
		s->nrules = ret ? 0 : (uint32_t)n;
		return ret;
	}
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++) {
		size_t bytes = strlen(value) / 2;

		if (strcmp(key, parts[i].name) != 0)
			continue;
		if (bytes > ETHTOOL_BYTES || !str_unhex(value, s->part[i], bytes))
			return -EINVAL;
		s->size[i] = (uint16_t)bytes;
		return 0;
	}
	return -EINVAL;
}
