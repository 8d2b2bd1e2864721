// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ethtool's ioctls.  A table says how each part of a driver's state is read and written; parts are kept as the kernel
 * gave them and only those that differ are written, because many drivers reset the link for any write.  Runs in workers.
 */
#include "ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "netns.h"

#define EEPROM_MAX 8192

struct part {
	const char *name;
	uint32_t get, set;
	uint16_t size;
	bool agreed; /* what is told of it is what the ends of the link have come to, with many drivers */
};

/* In the order in which they are set. */
static const struct part parts[] = {
	/* its size is negotiated with the kernel */
	{ "link", ETHTOOL_GLINKSETTINGS, ETHTOOL_SLINKSETTINGS, 0, true },
	{ "channels", ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, sizeof(struct ethtool_channels),
	  false },
	{ "rings", ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, sizeof(struct ethtool_ringparam),
	  false },
	{ "coalesce", ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, sizeof(struct ethtool_coalesce),
	  false },
	{ "pause", ETHTOOL_GPAUSEPARAM, ETHTOOL_SPAUSEPARAM, sizeof(struct ethtool_pauseparam),
	  true },
	{ "wol", ETHTOOL_GWOL, ETHTOOL_SWOL, sizeof(struct ethtool_wolinfo), false },
	{ "eee", ETHTOOL_GEEE, ETHTOOL_SEEE, sizeof(struct ethtool_eee), true },
	{ "fec", ETHTOOL_GFECPARAM, ETHTOOL_SFECPARAM, sizeof(struct ethtool_fecparam), false },
	{ "privflags", ETHTOOL_GPFLAGS, ETHTOOL_SPFLAGS, sizeof(struct ethtool_value), false },
	{ "msglevel", ETHTOOL_GMSGLVL, ETHTOOL_SMSGLVL, sizeof(struct ethtool_value), false },
};
_Static_assert(sizeof(parts) / sizeof(parts[0]) == ETHTOOL_PARTS, "one place for each part");
_Static_assert(sizeof(struct ethtool_coalesce) <= ETHTOOL_BYTES &&
		       sizeof(struct ethtool_link_settings) + 48 <= ETHTOOL_BYTES,
	       "parts must fit");

int ethtool_call(int fd, const char *name, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	if (str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name))
		return -ENODEV;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

int ethtool_open(int netnsfd, struct err *e)
{
	auto_netns int home = -1;
	int ret = netns_visit(netnsfd, &home, e), fd;

	if (ret)
		return ret;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, "open 'socket for ethtool'") : fd;
}

/* --- parts --- */

static int read_link(int fd, const char *name, uint8_t *buf, uint16_t *size)
{
	struct ethtool_link_settings *l = (void *)buf;
	int ret;

	/* Asked with no room for link modes, the kernel answers with minus their number of words. */
	memset(buf, 0, ETHTOOL_BYTES);
	l->cmd = ETHTOOL_GLINKSETTINGS;
	ret = ethtool_call(fd, name, l);
	if (ret == 0 && (l->link_mode_masks_nwords >= 0 || l->link_mode_masks_nwords < -4))
		ret = -EOPNOTSUPP;
	if (ret)
		return ret;
	l->link_mode_masks_nwords = (int8_t)-l->link_mode_masks_nwords;
	l->cmd = ETHTOOL_GLINKSETTINGS;
	ret = ethtool_call(fd, name, l);
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
		ret = ethtool_call(fd, name, got);
	} else {
		ret = read_link(fd, name, got, &size);
	}
	if (ret == -ENODEV)
		return ret;
	out->size[i] = ret ? 0 : size;
	memcpy(buf, got, ETHTOOL_BYTES);
	return 0;
}

static void only_link_settings(struct ethtool_link_settings *l)
{
	size_t nwords = l->link_mode_masks_nwords > 0 ? (size_t)l->link_mode_masks_nwords : 0;

	if (l->autoneg == AUTONEG_ENABLE)
		l->speed = l->duplex = 0;
	l->eth_tp_mdix = 0;
	/* What it can do is told first, and what the other end advertises last. */
	memset(l->link_mode_masks, 0, 4 * nwords);
	memset(&l->link_mode_masks[2 * nwords], 0, 4 * nwords);
	/* Without negotiation what would be advertised says nothing. */
	if (l->autoneg != AUTONEG_ENABLE)
		memset(&l->link_mode_masks[nwords], 0, 4 * nwords);
}

static void only_eee_settings(struct ethtool_eee *eee)
{
	/* tx_lpi_enabled: some drivers (i40e) tell whether it sleeps just now. */
	eee->supported = eee->lp_advertised = eee->eee_active = eee->tx_lpi_enabled = 0;
}

/* An adaptive driver reports what it has just arrived at. */
static void only_coalesce_settings(struct ethtool_coalesce *c)
{
	if (c->use_adaptive_rx_coalesce)
		c->rx_coalesce_usecs = c->rx_max_coalesced_frames = 0;
	if (c->use_adaptive_tx_coalesce)
		c->tx_coalesce_usecs = c->tx_max_coalesced_frames = 0;
}

/*
 * What the driver reports but nobody sets: what the other end says, what is in effect just now, limits, which change
 * with other settings (bnxt, i40e).
 */
static void only_settings(unsigned int i, const uint8_t *from, uint8_t out[ETHTOOL_BYTES])
{
	struct ethtool_channels *channels = (void *)out;
	struct ethtool_ringparam *rings = (void *)out;

	memcpy(out, from, ETHTOOL_BYTES);
	switch (parts[i].get) {
	case ETHTOOL_GLINKSETTINGS:
		only_link_settings((void *)out);
		break;
	case ETHTOOL_GCHANNELS:
		channels->max_rx = channels->max_tx = 0;
		channels->max_other = channels->max_combined = 0;
		break;
	case ETHTOOL_GRINGPARAM:
		rings->rx_max_pending = rings->rx_mini_max_pending = 0;
		rings->rx_jumbo_max_pending = rings->tx_max_pending = 0;
		break;
	case ETHTOOL_GCOALESCE:
		only_coalesce_settings((void *)out);
		break;
	case ETHTOOL_GWOL:
		((struct ethtool_wolinfo *)(void *)out)->supported = 0;
		break;
	case ETHTOOL_GEEE:
		only_eee_settings((void *)out);
		break;
	case ETHTOOL_GFECPARAM:
		((struct ethtool_fecparam *)(void *)out)->active_fec = 0;
		break;
	default:
		break;
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

/* --- timestamps --- */

/* An ioctl of its own. */
static int call_stamps(int fd, const char *name, unsigned long request, struct hwtstamp_config *c)
{
	struct ifreq ifr = { .ifr_data = (void *)c };

	if (str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name))
		return -ENODEV;
	return ioctl(fd, request, &ifr) < 0 ? -errno : 0;
}

static void read_stamps(int fd, const char *name, struct ethtool_state *out)
{
	struct hwtstamp_config c = { 0 };

	out->has_stamps = call_stamps(fd, name, SIOCGHWTSTAMP, &c) == 0;
	out->tx_stamps = c.tx_type;
	out->rx_stamps = c.rx_filter;
}

static bool same_stamps(const struct ethtool_state *a, const struct ethtool_state *b)
{
	return !a->has_stamps || !b->has_stamps ||
	       (a->tx_stamps == b->tx_stamps && a->rx_stamps == b->rx_stamps);
}

static int restore_stamps(int fd, const char *name, const struct ethtool_state *want)
{
	struct hwtstamp_config c = { .tx_type = want->tx_stamps, .rx_filter = want->rx_stamps };
	struct ethtool_state now;

	read_stamps(fd, name, &now);
	return same_stamps(&now, want) ? 0 : call_stamps(fd, name, SIOCSHWTSTAMP, &c);
}

/* --- carrier --- */

/* Not every driver tells. Of an interface that is down it is told as off. */
static int read_carrier(int fd, const char *name, struct ethtool_state *out)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GLINK };
	int ret = ethtool_call(fd, name, &v);

	out->carrier = ret      ? ETHTOOL_CARRIER_UNKNOWN
		       : v.data ? ETHTOOL_CARRIER_ON
				: ETHTOOL_CARRIER_OFF;
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
	if (ethtool_call(fd, name, &info) || !info.eedump_len)
		return;
	len = info.eedump_len < EEPROM_MAX ? info.eedump_len : EEPROM_MAX;
	rom = calloc(1, sizeof(*rom) + len);
	if (!rom)
		return;
	rom->cmd = ETHTOOL_GEEPROM;
	rom->len = len;
	if (ethtool_call(fd, name, rom) == 0 &&
	    EVP_Digest(rom->data, len, sum, NULL, EVP_sha256(), NULL))
		str_hex(sum, 32, hex);
	free(rom);
}

/* --- all of it --- */

static int read_settings(int fd, const char *name, struct ethtool_state *out, struct err *e)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_carrier(fd, name, out);
	if (ret != -ENODEV)
		ret = ethtool_offload_read(fd, name, &out->offloads);
	for (unsigned int i = 0; i < ETHTOOL_PARTS && ret != -ENODEV; i++)
		ret = read_part(fd, name, i, out);
	if (ret == -ENODEV)
		return err_ret(e, ret, "read the driver's settings of '%s'", name);
	read_stamps(fd, name, out);
	return ethtool_steer_read(fd, name, &out->steer, e);
}

int ethtool_read(int fd, const char *name, struct ethtool_state *out, struct err *e)
{
	int ret = read_settings(fd, name, out, e);

	if (ret == 0)
		read_eeprom(fd, name, out->eeprom);
	return ret;
}

static void keep_first(int ret, const char *name, const char *what, struct err *e, int *first)
{
	if (ret && *first == 0)
		*first = err_ret(e, ret, "restore %s of '%s'", what, name);
}

/* Some drivers (ice, i40e) refuse other times together with moderation that adapts, were they the noted ones. */
static int restore_coalesce(int fd, const char *name, const uint8_t set[ETHTOOL_BYTES])
{
	struct ethtool_coalesce c;

	memcpy(&c, set, sizeof(c));
	if (c.use_adaptive_rx_coalesce || c.use_adaptive_tx_coalesce) {
		c.use_adaptive_rx_coalesce = c.use_adaptive_tx_coalesce = 0;
		(void)ethtool_call(fd, name, &c); /* what counts is what comes of the next one */
	}
	memcpy(&c, set, sizeof(c));
	return ethtool_call(fd, name, &c);
}

static int restore_part(int fd, const char *name, unsigned int i, const struct ethtool_state *want)
{
	_Alignas(8) uint8_t set[ETHTOOL_BYTES];

	memcpy(set, want->part[i], sizeof(set));
	memcpy(set, &parts[i].set, sizeof(uint32_t));
	if (parts[i].set == ETHTOOL_SCOALESCE)
		return restore_coalesce(fd, name, set);
	return ethtool_call(fd, name, set);
}

int ethtool_restore(int fd, const char *name, const struct ethtool_state *want, struct err *e)
{
	struct ethtool_state now;
	struct err why = { 0 };
	int first = 0, ret;

	/* A rule or a table may need a queue that is to go. */
	ret = ethtool_steer_clear(fd, name, &want->steer, &why);
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++) {
		if (read_part(fd, name, i, &now) || !want->size[i] || same_part(&now, want, i))
			continue;
		keep_first(restore_part(fd, name, i, want), name, parts[i].name, e, &first);
	}
	keep_first(restore_stamps(fd, name, want), name, "timestamps", e, &first);
	/* After the queues, on which some offloads depend; before the rules, which need one. */
	keep_first(ethtool_offload_restore(fd, name, &want->offloads), name, "offloads", e, &first);
	if (ret && first == 0)
		first = err_set(e, why.code, "%s", why.text);
	ret = ethtool_steer_restore(fd, name, &want->steer, &why);
	if (ret && first == 0)
		first = err_set(e, why.code, "%s", why.text);
	return first;
}

/* `agreed`: with what the ends of the link agree upon. */
static const char *settings_difference(const struct ethtool_state *a, const struct ethtool_state *b,
				       bool agreed)
{
	if (!ethtool_offload_same(&a->offloads, &b->offloads))
		return "offloads";
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++)
		if ((agreed || !parts[i].agreed) && !same_part(a, b, i))
			return parts[i].name;
	if (!same_stamps(a, b))
		return "timestamps";
	return ethtool_steer_difference(&a->steer, &b->steer);
}

static bool same_carrier(const struct ethtool_state *a, const struct ethtool_state *b)
{
	return a->carrier == ETHTOOL_CARRIER_UNKNOWN || b->carrier == ETHTOOL_CARRIER_UNKNOWN ||
	       a->carrier == b->carrier;
}

enum ethtool_way ethtool_way(int fd, const char *name, const struct ethtool_state *want)
{
	struct ethtool_state now;
	int ret = read_settings(fd, name, &now, NULL);
	bool on = want->carrier == ETHTOOL_CARRIER_ON;

	if (ret)
		return ret == -ENODEV ? ETHTOOL_WAY_AWAY : ETHTOOL_WAY_DIFFERS;
	if (on && !same_carrier(want, &now))
		return ETHTOOL_WAY_NO_CARRIER;
	if (ethtool_steer_hides(fd, name) || settings_difference(want, &now, false))
		return ETHTOOL_WAY_DIFFERS;
	if (!settings_difference(want, &now, true))
		return ETHTOOL_WAY_SETTLED;
	return on || want->carrier == ETHTOOL_CARRIER_UNKNOWN ? ETHTOOL_WAY_NEGOTIATES
							      : ETHTOOL_WAY_DIFFERS;
}

bool ethtool_settled(int fd, const char *name, const struct ethtool_state *want)
{
	struct ethtool_state now;

	return read_settings(fd, name, &now, NULL) == 0 && !settings_difference(want, &now, true) &&
	       !ethtool_steer_hides(fd, name);
}

const char *ethtool_difference(const struct ethtool_state *a, const struct ethtool_state *b)
{
	const char *what = settings_difference(a, b, same_carrier(a, b));

	return what ? what : strcmp(a->eeprom, b->eeprom) ? "EEPROM" : NULL;
}

const char *ethtool_unseen(const struct ethtool_state *a, const struct ethtool_state *b)
{
	return same_carrier(a, b) ? NULL : settings_difference(a, b, true);
}

/* --- as text --- */

void ethtool_print(FILE *f, const struct ethtool_state *s)
{
	char hex[2 * ETHTOOL_BYTES + 1];

	if (s->carrier != ETHTOOL_CARRIER_UNKNOWN)
		fprintf(f, "carrier %s\n", s->carrier == ETHTOOL_CARRIER_ON ? "on" : "off");
	ethtool_offload_print(f, &s->offloads);
	for (unsigned int i = 0; i < ETHTOOL_PARTS; i++) {
		if (!s->size[i])
			continue;
		str_hex(s->part[i], s->size[i], hex);
		fprintf(f, "%s %s\n", parts[i].name, hex);
	}
	ethtool_steer_print(f, &s->steer);
	if (s->has_stamps)
		fprintf(f, "stamps %d %d\n", s->tx_stamps, s->rx_stamps);
	if (s->eeprom[0])
		fprintf(f, "eeprom %s\n", s->eeprom);
}

int ethtool_take(struct ethtool_state *s, const char *key, const char *value)
{
	int ret = ethtool_steer_take(&s->steer, key, value);

	if (ret != -ENOENT)
		return ret;
	if (strcmp(key, "carrier") == 0) {
		s->carrier = strcmp(value, "on") == 0 ? ETHTOOL_CARRIER_ON : ETHTOOL_CARRIER_OFF;
		return s->carrier == ETHTOOL_CARRIER_ON || strcmp(value, "off") == 0 ? 0 : -EINVAL;
	}
	if (strcmp(key, "offloads") == 0)
		return ethtool_offload_take(&s->offloads, value);
	if (strcmp(key, "stamps") == 0) {
		s->has_stamps = sscanf(value, "%d %d", &s->tx_stamps, &s->rx_stamps) == 2;
		return s->has_stamps ? 0 : -EINVAL;
	}
	if (strcmp(key, "eeprom") == 0)
		return str_copy(s->eeprom, sizeof(s->eeprom), value) ? -EINVAL : 0;
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
