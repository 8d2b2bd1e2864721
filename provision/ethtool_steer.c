// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * RSS and flow rules by ethtool's ioctls (linux/ethtool.h; net/ethtool/ioctl.c, kernel 6.1).  A table that differs is
 * first reset to the driver's own, and only written when that is not it: a written one ties the queues down.  Runs in
 * workers.
 */
#include "ethtool_steer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ethtool.h"

#define NO_CHANGE   0xffffffffU /* ETH_RXFH_INDIR_NO_CHANGE */
#define MAX_CONTEXT 256
#define STALE       0xffff /* in place of a table that cannot be */

_Static_assert(sizeof(struct ethtool_steer_rule) == sizeof(struct ethtool_rx_flow_spec) + 8,
	       "no holes");

static const uint32_t flows[ETHTOOL_STEER_FLOWS] = {
	TCP_V4_FLOW, UDP_V4_FLOW,  SCTP_V4_FLOW,   AH_ESP_V4_FLOW, TCP_V6_FLOW,
	UDP_V6_FLOW, SCTP_V6_FLOW, AH_ESP_V6_FLOW, AH_V4_FLOW,     ESP_V4_FLOW,
	AH_V6_FLOW,  ESP_V6_FLOW,  IPV4_FLOW,      IPV6_FLOW,
};

struct rss {
	struct ethtool_rxfh head;
	uint32_t config[ETHTOOL_STEER_TABLE + ETHTOOL_STEER_KEY / 4]; /* the table, then the key */
};

/* --- the hash --- */

/*
 * A driver may go on telling a table for queues that are no more, until it uses one the next time (igb, while it is down).
 * Nobody can set that table: what it stands for is the driver's own.
 */
static void mark_stale(int fd, const char *name, struct ethtool_steer *s)
{
	struct ethtool_rxnfc rings = { .cmd = ETHTOOL_GRXRINGS };

	if (ethtool_call(fd, name, &rings))
		return;
	for (uint32_t i = 0; i < s->ntable; i++)
		if (s->table[i] >= rings.data) {
			memset(s->table, 0xff, sizeof(s->table[0]) * s->ntable);
			return;
		}
}

static bool is_stale(const struct ethtool_steer *s)
{
	return s->ntable && s->table[0] == STALE;
}

static int read_rss(int fd, const char *name, struct ethtool_steer *out)
{
	struct rss rss = { .head = { .cmd = ETHTOOL_GRSSH } };

	/* Asked with no room, it tells the sizes. */
	if (ethtool_call(fd, name, &rss))
		return 0;
	if (rss.head.indir_size > ETHTOOL_STEER_TABLE || rss.head.key_size > ETHTOOL_STEER_KEY)
		return -E2BIG;
	if (ethtool_call(fd, name, &rss))
		return 0;
	out->ntable = (uint16_t)rss.head.indir_size;
	out->nkey = (uint16_t)rss.head.key_size;
	out->function = rss.head.hfunc;
	/* Kernel 6.8 and later: input_xfrm; before that it must be zero. */
	memcpy(&out->transform, (uint8_t *)&rss + offsetof(struct ethtool_rxfh, hfunc) + 1, 1);
	for (uint32_t i = 0; i < out->ntable; i++)
		out->table[i] = (uint16_t)rss.config[i];
	memcpy(out->key, &rss.config[out->ntable], out->nkey);
	mark_stale(fd, name, out);
	return 0;
}

static bool same_table(const struct ethtool_steer *now, const struct ethtool_steer *want)
{
	return now->ntable == want->ntable &&
	       (is_stale(want) || memcmp(now->table, want->table, 2U * now->ntable) == 0);
}

static bool same_key(const struct ethtool_steer *a, const struct ethtool_steer *b)
{
	return a->nkey == b->nkey && memcmp(a->key, b->key, a->nkey) == 0 &&
	       a->function == b->function && a->transform == b->transform;
}

static int write_rss(int fd, const char *name, const struct ethtool_steer *want, uint32_t ntable,
		     bool key)
{
	struct rss rss = { .head = { .cmd = ETHTOOL_SRSSH,
				     .indir_size = ntable,
				     .key_size = key ? want->nkey : 0,
				     .hfunc = key ? want->function : 0 } };
	uint32_t at = ntable == NO_CHANGE ? 0 : ntable;

	memcpy((uint8_t *)&rss + offsetof(struct ethtool_rxfh, hfunc) + 1, &want->transform, 1);
	for (uint32_t i = 0; i < at; i++)
		rss.config[i] = want->table[i];
	if (key)
		memcpy(&rss.config[at], want->key, want->nkey);
	return ethtool_call(fd, name, &rss);
}

static int restore_rss(int fd, const char *name, const struct ethtool_steer *want)
{
	struct ethtool_steer now = { 0 };
	int ret = 0;

	if (read_rss(fd, name, &now) || (!now.ntable && !now.nkey))
		return 0;
	if (!same_key(&now, want) && now.nkey == want->nkey)
		ret = write_rss(fd, name, want, NO_CHANGE, true);
	if (ret || same_table(&now, want) || !want->ntable)
		return ret;
	ret = write_rss(fd, name, want, 0, false);
	if (read_rss(fd, name, &now) || ret || same_table(&now, want))
		return ret;
	return now.ntable == want->ntable ? write_rss(fd, name, want, want->ntable, false) : 0;
}

/* --- which fields --- */

static void read_fields(int fd, const char *name, struct ethtool_steer *out)
{
	for (uint32_t i = 0; i < ETHTOOL_STEER_FLOWS; i++) {
		struct ethtool_rxnfc c = { .cmd = ETHTOOL_GRXFH, .flow_type = flows[i] };

		if (ethtool_call(fd, name, &c))
			continue;
		out->known |= 1U << i;
		out->fields[i] = c.data;
	}
}

static int restore_fields(int fd, const char *name, const struct ethtool_steer *want)
{
	struct ethtool_steer now = { 0 };
	int first = 0, ret;

	read_fields(fd, name, &now);
	for (uint32_t i = 0; i < ETHTOOL_STEER_FLOWS; i++) {
		struct ethtool_rxnfc c = { .cmd = ETHTOOL_SRXFH,
					   .flow_type = flows[i],
					   .data = want->fields[i] };

		if (!(now.known & want->known & (1U << i)) || now.fields[i] == want->fields[i])
			continue;
		ret = ethtool_call(fd, name, &c);
		first = first ? first : ret;
	}
	return first;
}

/* --- contexts --- */

/*
 * Nobody lists them before kernel 6.13, but their numbers begin at 1 and the lowest free one is taken, by drivers (sfc,
 * mvpp2, otx2, mlx5 of 6.1) as by the kernel later. A driver without them says so at the first; one that is missing is
 * an error. The sizes are the main table's, without which some drivers answer for any number.
 */
static uint32_t next_context(int fd, const char *name, uint32_t after)
{
	struct ethtool_steer main = { 0 };
	int ret = 0;

	if (read_rss(fd, name, &main))
		return 0;
	for (uint32_t i = after + 1; i <= MAX_CONTEXT && ret != -EOPNOTSUPP; i++) {
		struct rss rss = { .head = { .cmd = ETHTOOL_GRSSH,
					     .rss_context = i,
					     .indir_size = main.ntable,
					     .key_size = main.nkey } };

		ret = ethtool_call(fd, name, &rss);
		if (ret == 0)
			return i;
	}
	return 0;
}

static uint32_t count_contexts(int fd, const char *name)
{
	uint32_t n = 0;

	for (uint32_t i = next_context(fd, name, 0); i; i = next_context(fd, name, i))
		n++;
	return n;
}

static int remove_contexts(int fd, const char *name)
{
	int first = 0, ret;

	for (uint32_t i = next_context(fd, name, 0); i; i = next_context(fd, name, i)) {
		/* A table of no size is none. */
		struct ethtool_rxfh c = { .cmd = ETHTOOL_SRSSH, .rss_context = i };

		ret = ethtool_call(fd, name, &c);
		first = first ? first : ret;
	}
	return first;
}

/* --- rules --- */

static int read_rule(int fd, const char *name, uint32_t location, struct ethtool_steer_rule *out)
{
	struct ethtool_rxnfc c = { .cmd = ETHTOOL_GRXCLSRULE, .fs = { .location = location } };
	int ret = ethtool_call(fd, name, &c);

	memset(out, 0, sizeof(*out));
	out->fs = c.fs;
	out->context = c.fs.flow_type & FLOW_RSS ? c.rss_context : 0;
	return ret;
}

static int by_location(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The locations of the rules that there are, malloc'd; NULL with *n = 0 when the driver has no rules. */
static int list_rules(int fd, const char *name, struct ethtool_rxnfc **all, uint32_t *n)
{
	struct ethtool_rxnfc c = { .cmd = ETHTOOL_GRXCLSRLCNT };
	int ret = ethtool_call(fd, name, &c);

	*all = NULL;
	*n = 0;
	if (ret)
		return ret;
	if (c.rule_cnt > 65536)
		return -E2BIG;
	*all = calloc(1, sizeof(**all) + c.rule_cnt * sizeof(uint32_t));
	if (!*all)
		return -ENOMEM;
	(*all)->cmd = ETHTOOL_GRXCLSRLALL;
	(*all)->rule_cnt = c.rule_cnt;
	ret = c.rule_cnt ? ethtool_call(fd, name, *all) : 0;
	if (ret) {
		free(*all);
		*all = NULL;
		return ret;
	}
	*n = (*all)->rule_cnt < c.rule_cnt ? (*all)->rule_cnt : c.rule_cnt;
	qsort((*all)->rule_locs, *n, sizeof(uint32_t), by_location);
	return 0;
}

static int read_rules(int fd, const char *name, struct ethtool_steer *out, uint32_t *n)
{
	struct ethtool_rxnfc *all;
	int ret = list_rules(fd, name, &all, n);

	out->has_rules = ret == 0;
	if (*n > ETHTOOL_STEER_RULES)
		ret = -E2BIG;
	for (uint32_t i = 0; ret == 0 && i < *n; i++) {
		ret = read_rule(fd, name, all->rule_locs[i], &out->rule[i]);
		out->nrules = i + 1;
	}
	free(all);
	return ret == -E2BIG ? ret : out->has_rules ? ret : 0;
}

static bool has_rule(const struct ethtool_steer *s, const struct ethtool_steer_rule *rule)
{
	for (uint32_t i = 0; i < s->nrules; i++)
		if (memcmp(&s->rule[i], rule, sizeof(*rule)) == 0)
			return true;
	return false;
}

static int remove_rules(int fd, const char *name, const struct ethtool_steer *want)
{
	struct ethtool_rxnfc *all, one = { .cmd = ETHTOOL_SRXCLSRLDEL };
	struct ethtool_steer_rule rule;
	uint32_t n;
	int first = list_rules(fd, name, &all, &n), ret;

	/* Whether there can be any is told by what could be read before. */
	if (first && !want->has_rules)
		first = 0;
	for (uint32_t i = 0; i < n; i++) {
		ret = read_rule(fd, name, all->rule_locs[i], &rule);
		if (ret == 0 && has_rule(want, &rule))
			continue;
		one.fs.location = all->rule_locs[i];
		ret = ethtool_call(fd, name, &one);
		first = first ? first : ret;
	}
	free(all);
	return first;
}

static void loosen_table(int fd, const char *name, const struct ethtool_steer *want)
{
	struct ethtool_steer now = { 0 };

	if (read_rss(fd, name, &now) == 0 && now.ntable &&
	    (is_stale(want) ? !is_stale(&now) : !same_table(&now, want)))
		(void)write_rss(fd, name, want, 0, false); /* one that cannot be is told of later */
}

int ethtool_steer_clear(int fd, const char *name, const struct ethtool_steer *want, struct err *e)
{
	int rules = remove_rules(fd, name, want), contexts = remove_contexts(fd, name);

	loosen_table(fd, name, want);
	if (rules)
		return err_ret(e, rules, "remove flow rules of '%s'", name);
	return contexts ? err_ret(e, contexts, "remove RSS contexts of '%s'", name) : 0;
}

bool ethtool_steer_hides(int fd, const char *name)
{
	struct ethtool_rxnfc *all;
	uint32_t n;
	int ret = list_rules(fd, name, &all, &n);

	free(all);
	return ret && ethtool_offload_offered(fd, name, "ntuple");
}

static int restore_rules(int fd, const char *name, const struct ethtool_steer *want)
{
	struct ethtool_steer now = { 0 };
	uint32_t n;
	int ret = want->has_rules && want->nrules ? read_rules(fd, name, &now, &n) : 0;

	for (uint32_t i = 0; i < want->nrules && ret == 0; i++) {
		struct ethtool_rxnfc c = { .cmd = ETHTOOL_SRXCLSRLINS,
					   .fs = want->rule[i].fs,
					   .rss_context = want->rule[i].context };

		if (!has_rule(&now, &want->rule[i]))
			ret = ethtool_call(fd, name, &c);
	}
	return ret;
}

/* --- all of it --- */

int ethtool_steer_read(int fd, const char *name, struct ethtool_steer *out, struct err *e)
{
	uint32_t n = 0;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_rss(fd, name, out);
	if (ret)
		return err_set(e, -ret, "'%s' has a larger RSS table or key than can be kept",
			       name);
	read_fields(fd, name, out);
	out->ncontexts = count_contexts(fd, name);
	ret = read_rules(fd, name, out, &n);
	if (ret == -E2BIG)
		return err_set(e, E2BIG, "'%s' has %u flow rules, more than can be kept (%u)", name,
			       n, ETHTOOL_STEER_RULES);
	return ret ? err_ret(e, ret, "read the flow rules of '%s'", name) : 0;
}

int ethtool_steer_restore(int fd, const char *name, const struct ethtool_steer *want, struct err *e)
{
	static const char *const names[] = { "RSS", "hash fields", "flow rules" };
	const int ret[] = { restore_rss(fd, name, want), restore_fields(fd, name, want),
			    restore_rules(fd, name, want) };

	for (unsigned int i = 0; i < 3; i++)
		if (ret[i])
			return err_ret(e, ret[i], "restore %s of '%s'", names[i], name);
	return 0;
}

const char *ethtool_steer_difference(const struct ethtool_steer *a, const struct ethtool_steer *b)
{
	if (!same_key(a, b))
		return "RSS hash key";
	if (!same_table(b, a))
		return "RSS table";
	for (uint32_t i = 0; i < ETHTOOL_STEER_FLOWS; i++)
		if ((a->known & b->known & (1U << i)) && a->fields[i] != b->fields[i])
			return "hash fields";
	if (a->ncontexts != b->ncontexts)
		return "RSS contexts";
	if (a->has_rules != b->has_rules || a->nrules != b->nrules)
		return "flow rules";
	return memcmp(a->rule, b->rule, a->nrules * sizeof(a->rule[0])) ? "flow rules" : NULL;
}

/* --- as text --- */

static void print_hex(FILE *f, const char *key, const void *bytes, size_t n)
{
	char hex[2 * sizeof(((struct ethtool_steer *)0)->table) + 1];

	str_hex(bytes, n, hex);
	fprintf(f, "%s %s\n", key, hex);
}

void ethtool_steer_print(FILE *f, const struct ethtool_steer *s)
{
	if (s->ntable || s->nkey)
		fprintf(f, "rss %u %u\n", s->function, s->transform);
	if (s->ntable)
		print_hex(f, "rsstable", s->table, 2U * s->ntable);
	if (s->nkey)
		print_hex(f, "rsskey", s->key, s->nkey);
	for (uint32_t i = 0; i < ETHTOOL_STEER_FLOWS; i++)
		if (s->known & (1U << i))
			fprintf(f, "hash %u %llx\n", i, (unsigned long long)s->fields[i]);
	if (s->has_rules)
		fprintf(f, "rules %u\n", s->nrules);
	for (uint32_t i = 0; i < s->nrules; i++)
		print_hex(f, "rule", &s->rule[i], sizeof(s->rule[i]));
}

static int take_bytes(const char *value, void *to, size_t max, size_t *n)
{
	*n = strlen(value) / 2;
	return *n <= max && str_unhex(value, to, *n) ? 0 : -EINVAL;
}

static int take_fields(struct ethtool_steer *s, const char *value)
{
	unsigned long long fields;
	unsigned int i;

	if (sscanf(value, "%u %llx", &i, &fields) != 2 || i >= ETHTOOL_STEER_FLOWS)
		return -EINVAL;
	s->known |= 1U << i;
	s->fields[i] = fields;
	return 0;
}

static int take_rule(struct ethtool_steer *s, const char *value)
{
	size_t n;

	if (s->nrules == ETHTOOL_STEER_RULES ||
	    take_bytes(value, &s->rule[s->nrules], sizeof(s->rule[0]), &n) ||
	    n != sizeof(s->rule[0]))
		return -EINVAL;
	s->nrules++;
	return 0;
}

int ethtool_steer_take(struct ethtool_steer *s, const char *key, const char *value)
{
	size_t n = 0;
	int ret;

	if (strcmp(key, "rss") == 0)
		return sscanf(value, "%hhu %hhu", &s->function, &s->transform) == 2 ? 0 : -EINVAL;
	if (strcmp(key, "hash") == 0)
		return take_fields(s, value);
	if (strcmp(key, "rule") == 0)
		return take_rule(s, value);
	if (strcmp(key, "rules") == 0) {
		s->has_rules = true; /* the number is for people */
		return 0;
	}
	if (strcmp(key, "rsstable") == 0) {
		ret = take_bytes(value, s->table, sizeof(s->table), &n);
		s->ntable = (uint16_t)(ret ? 0 : n / 2);
		return ret;
	}
	if (strcmp(key, "rsskey") != 0)
		return -ENOENT;
	ret = take_bytes(value, s->key, sizeof(s->key), &n);
	s->nkey = (uint16_t)(ret ? 0 : n);
	return ret;
}
