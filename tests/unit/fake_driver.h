/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver that can be told everything: answers ioctl(SIOCETHTOOL) as the kernel does (net/ethtool/ioctl.c), with queues,
 * rings, moderation, RSS, flow rules, timestamps and an EEPROM.  Its state is `driver`.  For test_ethtool.c.
 */
#pragma once
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#define TABLE    128
#define KEY      40
#define RULES    100 /* places */
#define CONTEXTS 8

struct driver {
	struct ethtool_channels channels;
	struct ethtool_ringparam rings;
	struct ethtool_coalesce coalesce;
	struct ethtool_pauseparam pause;
	struct ethtool_wolinfo wol;
	struct ethtool_eee eee;
	uint8_t autoneg;
	uint32_t supported, advertising;
	uint32_t features, msglevel;
	struct hwtstamp_config stamps;
	uint32_t table[TABLE];
	uint8_t key[KEY], function;
	bool configured; /* the table was written, not made by the driver */
	bool context[CONTEXTS];
	uint64_t fields[32];
	uint32_t nrules;
	struct ethtool_rxnfc rule[RULES];
	uint8_t eeprom[512];
};
static struct driver driver, host;
static bool plain;                   /* a driver that has nothing but rings */
static bool no_contexts, shy, down;  /* shy: has rules only while it is up */
static bool lazy;                    /* leaves a table for queues that are gone as it is */
static bool no_carrier, negotiating; /* both tell nothing of what the ends of the link agree upon */
static unsigned int writes;          /* since the last reset of this */
static int fail;                     /* the command that fails with EIO; 0 none */

static void default_table(struct driver *d)
{
	for (uint32_t i = 0; i < TABLE; i++)
		d->table[i] = i % d->channels.combined_count;
}

/* One of a number that is not there is an error; a table of no size removes it (ethtool_set_rxfh). */
static int context(const struct ethtool_rxfh *r)
{
	if (no_contexts)
		return EOPNOTSUPP;
	if (r->rss_context >= CONTEXTS || !driver.context[r->rss_context])
		return ENOENT;
	if (r->cmd == ETHTOOL_GRSSH || r->indir_size)
		return r->indir_size == TABLE ? 0 : EINVAL;
	for (uint32_t i = 0; i < driver.nrules; i++)
		if (driver.rule[i].rss_context == r->rss_context)
			return EBUSY;
	driver.context[r->rss_context] = false;
	return 0;
}

static int rss(struct ethtool_rxfh *r)
{
	uint8_t *key;

	if (r->rss_context)
		return context(r);

	if (r->cmd == ETHTOOL_GRSSH) {
		bool sizes = !r->indir_size && !r->key_size;

		if ((r->indir_size && r->indir_size != TABLE) ||
		    (r->key_size && r->key_size != KEY))
			return EINVAL;
		r->indir_size = TABLE;
		r->key_size = KEY;
		r->hfunc = driver.function;
		if (sizes)
			return 0;
		memcpy(r->rss_config, driver.table, sizeof(driver.table));
		memcpy(&r->rss_config[TABLE], driver.key, KEY);
		return 0;
	}
	if ((r->indir_size && r->indir_size != UINT32_MAX && r->indir_size != TABLE) ||
	    (r->key_size && r->key_size != KEY) || r->rsvd8[0] || r->rsvd8[1] || r->rsvd32)
		return EINVAL;
	key = (uint8_t *)r->rss_config;
	if (r->indir_size == 0) {
		default_table(&driver);
		driver.configured = false;
	} else if (r->indir_size == TABLE) {
		for (uint32_t i = 0; i < TABLE; i++)
			if (r->rss_config[i] >= driver.channels.combined_count)
				return EINVAL;
		memcpy(driver.table, r->rss_config, sizeof(driver.table));
		driver.configured = true;
		key += sizeof(driver.table);
	}
	if (r->key_size)
		memcpy(driver.key, key, KEY);
	if (r->hfunc)
		driver.function = r->hfunc;
	return 0;
}

static struct ethtool_rxnfc *rule_at(uint32_t location)
{
	for (uint32_t i = 0; i < driver.nrules; i++)
		if (driver.rule[i].fs.location == location)
			return &driver.rule[i];
	return NULL;
}

static int rules(struct ethtool_rxnfc *c)
{
	struct ethtool_rxnfc *r = rule_at(c->fs.location);

	if (shy && down && c->cmd >= ETHTOOL_GRXCLSRLCNT)
		return EOPNOTSUPP;
	switch (c->cmd) {
	case ETHTOOL_GRXFH:
		if (c->flow_type == ESP_V6_FLOW)
			return EINVAL;
		c->data = driver.fields[c->flow_type & 31];
		return 0;
	case ETHTOOL_SRXFH:
		driver.fields[c->flow_type & 31] = c->data;
		return 0;
	case ETHTOOL_GRXRINGS:
		c->data = driver.channels.combined_count;
		return 0;
	case ETHTOOL_GRXCLSRLCNT:
		c->rule_cnt = driver.nrules;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		if (c->rule_cnt < driver.nrules)
			return EMSGSIZE;
		for (uint32_t i = 0; i < driver.nrules; i++)
			c->rule_locs[i] = driver.rule[i].fs.location;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		if (!r)
			return ENOENT;
		c->fs = r->fs;
		c->rss_context = r->rss_context;
		return 0;
	case ETHTOOL_SRXCLSRLDEL:
		if (!r)
			return ENOENT;
		*r = driver.rule[--driver.nrules];
		return 0;
	default: /* ETHTOOL_SRXCLSRLINS */
		if (c->fs.ring_cookie >= driver.channels.combined_count || !(driver.features & 2) ||
		    (!r && driver.nrules == RULES))
			return EINVAL;
		*(r ? r : &driver.rule[driver.nrules++]) = *c;
		return 0;
	}
}

static int channels(struct ethtool_channels *c)
{
	uint32_t n = c->combined_count;

	if (c->cmd == ETHTOOL_GCHANNELS) {
		*c = driver.channels;
		return 0;
	}
	for (uint32_t i = 0; i < driver.nrules; i++)
		if (driver.rule[i].fs.ring_cookie >= n)
			return EBUSY;
	for (uint32_t i = 0; i < TABLE; i++)
		if (driver.configured && driver.table[i] >= n)
			return EINVAL; /* ethtool_set_channels: too low for existing indirection table settings */
	driver.channels.combined_count = n;
	if (!lazy)
		default_table(&driver);
	return 0;
}

static int features(uint32_t *data)
{
	struct ethtool_gfeatures *g = (void *)data;
	struct ethtool_sfeatures *s = (void *)data;

	if (g->cmd == ETHTOOL_GFEATURES) {
		g->size = 1;
		g->features[0] = (struct ethtool_get_features_block){ .available = 7,
								      .requested = driver.features,
								      .active = driver.features };
		return 0;
	}
	driver.features = (driver.features & ~s->features[0].valid) | s->features[0].requested;
	if (!(driver.features & 2))
		driver.nrules = 0; /* ntuple off */
	return 0;
}

static int strings(uint32_t *data)
{
	struct ethtool_gstrings *g = (void *)data;
	static const char *const names[] = { "rx-checksum", "rx-ntuple-filter", "rx-hashing" };

	if (data[0] == ETHTOOL_GSSET_INFO) {
		((struct ethtool_sset_info *)(void *)data)->data[0] = 3;
		return 0;
	}
	for (int i = 0; i < 3; i++)
		memcpy(g->data + (ptrdiff_t)i * ETH_GSTRING_LEN, names[i], strlen(names[i]) + 1);
	return 0;
}

static int whole(void *state, size_t size, void *data, bool set)
{
	if (set)
		memcpy((uint8_t *)state + 4, (uint8_t *)data + 4, size - 4);
	else
		memcpy((uint8_t *)data + 4, (uint8_t *)state + 4, size - 4);
	return 0;
}

/* ethtool_get_link_ksettings: words of modes as many as asked for, of which this driver has one. */
static int link_settings(struct ethtool_link_settings *l)
{
	bool agreed = !no_carrier && !negotiating;

	if (l->cmd == ETHTOOL_SLINKSETTINGS) {
		driver.autoneg = l->autoneg;
		driver.advertising = l->link_mode_masks[1];
		return 0;
	}
	if (l->link_mode_masks_nwords != 1) {
		l->link_mode_masks_nwords = -1;
		return 0;
	}
	l->speed = agreed ? 10000 : (uint32_t)SPEED_UNKNOWN;
	l->autoneg = agreed && driver.autoneg;
	l->link_mode_masks[0] = agreed ? driver.supported : driver.supported & 1;
	l->link_mode_masks[1] = agreed ? driver.advertising : 0;
	l->link_mode_masks[2] = agreed ? 7 : 0;
	return 0;
}

static int pauses(void *data, bool set)
{
	struct ethtool_pauseparam *p = data;

	(void)whole(&driver.pause, sizeof(driver.pause), data, set);
	if (!set && (no_carrier || negotiating))
		p->rx_pause = p->tx_pause = 0;
	return 0;
}

/* As ice and i40e: while moderation adapts, or is to do so, its times stay. */
static int coalesce(struct ethtool_coalesce *c)
{
	if (c->cmd == ETHTOOL_SCOALESCE && c->use_adaptive_rx_coalesce &&
	    c->rx_coalesce_usecs != driver.coalesce.rx_coalesce_usecs)
		return EINVAL;
	return whole(&driver.coalesce, sizeof(driver.coalesce), c, c->cmd == ETHTOOL_SCOALESCE);
}

static int answer(uint32_t *data)
{
	struct ethtool_eeprom *rom = (void *)data;

	switch (data[0]) {
	case ETHTOOL_GRINGPARAM:
	case ETHTOOL_SRINGPARAM:
		return whole(&driver.rings, sizeof(driver.rings), data,
			     data[0] == ETHTOOL_SRINGPARAM);
	case ETHTOOL_GDRVINFO:
		((struct ethtool_drvinfo *)(void *)data)->eedump_len = plain ? 0 : 512;
		return 0;
	}
	if (plain)
		return EOPNOTSUPP;
	switch (data[0]) {
	case ETHTOOL_GCOALESCE:
	case ETHTOOL_SCOALESCE:
		return coalesce((void *)data);
	case ETHTOOL_GPAUSEPARAM:
	case ETHTOOL_SPAUSEPARAM:
		return pauses(data, data[0] == ETHTOOL_SPAUSEPARAM);
	case ETHTOOL_GWOL:
	case ETHTOOL_SWOL:
		return whole(&driver.wol, sizeof(driver.wol), data, data[0] == ETHTOOL_SWOL);
	case ETHTOOL_GEEE:
	case ETHTOOL_SEEE:
		return whole(&driver.eee, sizeof(driver.eee), data, data[0] == ETHTOOL_SEEE);
	case ETHTOOL_GLINK:
		data[1] = !no_carrier;
		return 0;
	case ETHTOOL_GLINKSETTINGS:
	case ETHTOOL_SLINKSETTINGS:
		return link_settings((void *)data);
	case ETHTOOL_GMSGLVL:
		data[1] = driver.msglevel;
		return 0;
	case ETHTOOL_SMSGLVL:
		driver.msglevel = data[1];
		return 0;
	case ETHTOOL_GCHANNELS:
	case ETHTOOL_SCHANNELS:
		return channels((void *)data);
	case ETHTOOL_GFEATURES:
	case ETHTOOL_SFEATURES:
		return features(data);
	case ETHTOOL_GSSET_INFO:
	case ETHTOOL_GSTRINGS:
		return strings(data);
	case ETHTOOL_GRSSH:
	case ETHTOOL_SRSSH:
		return rss((void *)data);
	case ETHTOOL_GRXFH:
	case ETHTOOL_SRXFH:
	case ETHTOOL_GRXRINGS:
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
	case ETHTOOL_GRXCLSRULE:
	case ETHTOOL_SRXCLSRLINS:
	case ETHTOOL_SRXCLSRLDEL:
		return rules((void *)data);
	case ETHTOOL_GEEPROM:
		if (rom->offset + rom->len > sizeof(driver.eeprom))
			return EINVAL;
		memcpy(rom->data, driver.eeprom + rom->offset, rom->len);
		return 0;
	}
	return EOPNOTSUPP;
}

static bool is_write(uint32_t cmd)
{
	static const uint32_t sets[] = {
		ETHTOOL_SRINGPARAM,   ETHTOOL_SCOALESCE,   ETHTOOL_SPAUSEPARAM, ETHTOOL_SMSGLVL,
		ETHTOOL_SCHANNELS,    ETHTOOL_SFEATURES,   ETHTOOL_SRSSH,       ETHTOOL_SRXFH,
		ETHTOOL_SRXCLSRLINS,  ETHTOOL_SRXCLSRLDEL, ETHTOOL_SWOL,        ETHTOOL_SEEE,
		ETHTOOL_SLINKSETTINGS
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (sets[i] == cmd)
			return true;
	return false;
}

int ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifr;
	uint32_t *data;
	va_list ap;
	int code;

	va_start(ap, request);
	ifr = va_arg(ap, struct ifreq *);
	va_end(ap);
	assert_int_equal(fd, 7);
	if (request == SIOCGHWTSTAMP || request == SIOCSHWTSTAMP) {
		struct hwtstamp_config *c = (void *)ifr->ifr_data;

		writes += request == SIOCSHWTSTAMP;
		errno = plain ? EOPNOTSUPP : EIO;
		if (plain || (request == SIOCSHWTSTAMP && fail == -1))
			return -1;
		memcpy(request == SIOCSHWTSTAMP ? &driver.stamps : c,
		       request == SIOCSHWTSTAMP ? c : &driver.stamps, sizeof(*c));
		return 0;
	}
	assert_int_equal(request, SIOCETHTOOL);
	data = (void *)ifr->ifr_data;
	code = strcmp(ifr->ifr_name, "nic0") != 0 ? ENODEV
	       : data[0] == (uint32_t)fail        ? EIO
						  : answer(data);
	writes += is_write(data[0]);
	errno = code;
	return code ? -1 : 0;
}
