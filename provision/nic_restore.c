// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An interface as it was.  Whatever a tenant left on it is removed before it is named and used again, and nothing is
 * believed to have worked that was not read back.  Runs in workers.
 */
#include "nic_restore.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "nic_vf.h"

#define UPPERS     32        /* at a time */
#define CARRIER_US 10000000U /* for the link of one that comes up; worker.c allows for it */
#define SETTLE_US  3000000U  /* from the carrier to what is negotiated, or for a device's reset */

/* What a tenant can set with `ip link set` and the next owner would inherit. */
#define FLAGS                                                                                      \
	(IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP | IFF_MULTICAST | IFF_DEBUG |             \
	 IFF_NOTRAILERS | IFF_DYNAMIC)

static int silence_once(struct netif *n, const struct netif_link *l, struct err *e)
{
	struct netif_change quiet = { .mask = FLAGS & ~IFF_MULTICAST, .netns = -1 };
	struct netif_change alias = { .alias = "", .netns = -1 };

	netif_set(n, &l->dev, &quiet);
	netif_no_xdp(n, &l->dev);
	netif_no_tc(n, &l->dev);
	if (l->alias[0])
		netif_set(n, &l->dev, &alias);
	for (unsigned int i = 0; i < l->naltnames; i++)
		netif_altname(n, &l->dev, l->altname[i], false);
	return netif_commit(n, e);
}

int nic_restore_silence(struct netif *n, struct netif_link *link, struct err *e)
{
	int ret;

	/* More than eight alternative names do not fit into one look. */
	do {
		ret = silence_once(n, link, e);
		if (ret == 0)
			ret = netif_get(n, &link->dev, link, e);
	} while (ret == 0 && link->naltnames);
	return ret;
}

int nic_restore_uncover(struct netif *n, const struct netif_link *link, struct err *e)
{
	struct netif_dev upper[UPPERS];
	int found = netif_raw_uppers(n, &link->dev, upper, UPPERS, e), ret = 0;

	while (found > 0 && ret == 0) {
		for (int i = 0; i < found; i++) {
			netif_delete(n, &upper[i]);
			netif_tolerate(n, ENODEV); /* on top of another that went */
		}
		ret = netif_commit(n, e);
		found = ret ? ret : netif_raw_uppers(n, &link->dev, upper, UPPERS, e);
	}
	return ret ? ret : found;
}

/* --- restore --- */

static void first_failure(int *first, struct err *e, int ret, const struct err *why)
{
	if (ret && *first == 0)
		*first = err_set(e, why->code, "%s", why->text);
}

static int restore_driver(const char *name, const struct nic_note *note, struct err *e)
{
	auto_fd int fd = ethtool_open(-1, e);

	return fd < 0 ? fd : ethtool_restore(fd, name, &note->driver, e);
}

static bool driver_is_done(const char *name, const struct nic_note *note)
{
	auto_fd int fd = ethtool_open(-1, NULL);

	return fd >= 0 && ethtool_settled(fd, name, &note->driver);
}

static void round_pause(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };

	(void)nanosleep(&pause, NULL);
}

/*
 * It was noted with a link, and has come up just now: what its ends agree upon is as it was only when they have done so.
 * The carrier may take until `end`, the rest not long after it, nor a driver that resets the device.
 */
static bool await_driver(const char *name, const struct nic_note *note, uint64_t end)
{
	auto_fd int fd = ethtool_open(-1, NULL);
	enum ethtool_way way = fd < 0 ? ETHTOOL_WAY_DIFFERS : ethtool_way(fd, name, &note->driver);
	uint64_t settle = 0, now = clk_now_us();

	while (way != ETHTOOL_WAY_SETTLED && way != ETHTOOL_WAY_DIFFERS) {
		if (way != ETHTOOL_WAY_NO_CARRIER && !settle)
			settle = now + SETTLE_US;
		if (now >= (way == ETHTOOL_WAY_NO_CARRIER ? end : settle))
			break;
		round_pause();
		way = ethtool_way(fd, name, &note->driver);
		now = clk_now_us();
	}
	return way == ETHTOOL_WAY_SETTLED;
}

/* What its driver takes only while it is up. */
static void restore_up(const char *name, const struct nic_note *note, struct err *e)
{
	uint64_t end = clk_now_us() + CARRIER_US;

	if (await_driver(name, note, end))
		return;
	e->code = 0;
	(void)restore_driver(name, note, e);
	(void)await_driver(name, note, end); /* many drivers reset the link for any write */
}

static bool stays_down(const struct netif_link *link)
{
	return link->kind[0] && link->peer_elsewhere;
}

static int set_up(struct netif *host, const struct netif_link *link, bool up, struct err *e)
{
	struct netif_change c = { .flags = up ? IFF_UP : 0, .mask = IFF_UP, .netns = -1 };

	netif_set(host, &link->dev, &c);
	return netif_commit(host, e);
}

/*
 * What differs; but all sizes when one does, in the order of netif_link_tunings, since the kernel (6.3) sets those of IPv4
 * with the others.
 */
static void choose_tunings(const struct netif_link *link, const struct nic_note *note,
			   uint32_t tuning[NETIF_TUNINGS])
{
	static const bool is_size[NETIF_TUNINGS] = { false, true, false, true, true, true };
	bool sizes = false;

	for (unsigned int i = 0; i < NETIF_TUNINGS; i++)
		sizes |= is_size[i] && note->tuning[i] != NETIF_NO_TUNING &&
			 note->tuning[i] != link->tuning[i];
	for (unsigned int i = 0; i < NETIF_TUNINGS; i++)
		tuning[i] = note->tuning[i] == link->tuning[i] && !(is_size[i] && sizes)
				    ? NETIF_NO_TUNING
				    : note->tuning[i];
}

static int set_link(struct netif *host, const struct netif_link *link, const struct nic_note *note,
		    const uint8_t *mac, struct err *e)
{
	uint32_t tuning[NETIF_TUNINGS];
	struct netif_change c = { .flags = note->flags,
				  .mask = FLAGS & ~IFF_UP,
				  .mtu = note->mtu,
				  .txqlen = note->txqlen ? &note->txqlen : NULL,
				  .tuning = tuning,
				  .mac = mac,
				  .netns = -1 };
	int ret;

	choose_tunings(link, note, tuning);
	netif_set(host, &link->dev, &c);
	ret = netif_commit(host, e);
	if (ret != -EAGAIN)
		return ret;
	/* A virtual function's driver waits for its physical one's answer, and not for long (iavf). */
	netif_set(host, &link->dev, &c);
	return netif_commit(host, e);
}

/*
 * A virtual function's driver may learn only when it is reset, by going up and down (igbvf), which MAC address its
 * physical one has for it, and takes no other then.  What it calls permanent is that one, too.
 */
static int restore_link(struct netif *host, struct netif_link *link, const struct nic_note *note,
			struct err *e)
{
	struct netif_link now;
	int ret = set_link(host, link, note, note->mac, e);

	if (!note->pf[0] || (ret == 0 && netif_get(host, &link->dev, &now, NULL) == 0 &&
			     memcmp(now.perm_mac, note->perm_mac, 6) == 0))
		return ret;
	ret = set_up(host, link, true, e);
	if (ret == 0)
		ret = set_up(host, link, false, e);
	if (ret == 0)
		ret = set_link(host, link, note, note->mac, e);
	if ((ret == -EADDRNOTAVAIL || ret == -EPERM || ret == -EACCES) && nic_vf_rules_mac(note))
		ret = set_link(host, link, note, NULL, e);
	return ret;
}

/*
 * Some drivers take queues only while the interface is down, others rules and tables only while it is up (otx2, mlx4,
 * bnxt), and tell of none before. One that was down is brought up for that, still under the name of its way home and
 * without an address: what a tenant left there would be the next owner's.
 */
static int restore_down(struct netif *host, const struct netif_link *link,
			const struct nic_note *note, struct err *e)
{
	int ret = restore_driver(link->dev.name, note, e), down;

	if ((note->flags & IFF_UP) || stays_down(link) ||
	    (ret == 0 && driver_is_done(link->dev.name, note)))
		return ret;
	ret = set_up(host, link, true, e);
	if (ret == 0)
		ret = restore_driver(link->dev.name, note, e);
	down = set_up(host, link, false, ret ? NULL : e);
	return ret ? ret : down;
}

static int restore_name(struct netif *host, struct netif_link *link, const struct nic_note *note,
			struct err *e)
{
	struct netif_change name = { .new_name = note->name, .netns = -1 };
	int ret;

	if (strcmp(link->dev.name, note->name) == 0)
		return 0;
	netif_set(host, &link->dev, &name);
	ret = netif_commit(host, e);
	if (ret == -EEXIST)
		return err_set(e, EEXIST, "rename '%s' to '%s': the name is taken (it stays '%s')",
			       link->dev.name, note->name, link->dev.name);
	if (ret == 0)
		(void)str_copy(link->dev.name, sizeof(link->dev.name), note->name);
	return ret;
}

static int restore_rest(struct netif *host, const struct netif_link *link,
			const struct nic_note *note, struct err *e)
{
	struct netif_change alias = { .alias = note->alias, .netns = -1 };
	struct netif_change up = { .flags = note->flags, .mask = IFF_UP, .netns = -1 };

	if (note->alias[0])
		netif_set(host, &link->dev, &alias);
	for (unsigned int i = 0; i < note->naltnames; i++) {
		netif_altname(host, &link->dev, note->altname[i], true);
		netif_tolerate(host, EEXIST);
	}
	netif_raw_add(host, &link->dev, &note->raws, false);
	if (!stays_down(link)) {
		netif_set(host, &link->dev, &up);
		if (note->flags & IFF_UP)
			netif_raw_add(host, &link->dev, &note->raws, true);
	}
	return netif_commit(host, e);
}

/* --- verify --- */

static bool has_altname(const struct netif_link *link, const char *name)
{
	for (unsigned int i = 0; i < link->naltnames; i++)
		if (strcmp(link->altname[i], name) == 0)
			return true;
	return false;
}

static unsigned int count(const struct netif_raws *raws, uint16_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < raws->n; i++)
		n += raws->raw[i].type == type;
	return n;
}

static const char *link_difference(const struct netif_link *now, const struct nic_note *note)
{
	uint32_t mask = stays_down(now) ? FLAGS & ~IFF_UP : FLAGS;

	if (strcmp(now->dev.name, note->name) != 0)
		return "name";
	if (memcmp(now->mac, note->mac, 6) != 0 &&
	    !(nic_vf_rules_mac(note) && memcmp(now->mac, note->vf.mac, 6) == 0))
		return "MAC address";
	if (!note->pf[0] && memcmp(now->perm_mac, note->perm_mac, 6) != 0)
		return "permanent MAC address";
	if (now->mtu != note->mtu)
		return "MTU";
	if ((now->flags ^ note->flags) & mask)
		return "flags";
	if (note->txqlen && now->txqlen != note->txqlen)
		return "length of the transmit queue";
	for (unsigned int i = 0; i < NETIF_TUNINGS; i++)
		if (note->tuning[i] != NETIF_NO_TUNING && now->tuning[i] != note->tuning[i])
			return "group or largest segments";
	if (strcmp(now->alias, note->alias) != 0)
		return "alias";
	if (now->naltnames + now->altnames_lost != note->naltnames)
		return "alternative names";
	for (unsigned int i = 0; i < note->naltnames; i++)
		if (!has_altname(now, note->altname[i]))
			return "alternative names";
	return now->xdp ? "XDP program (still attached)" : NULL;
}

static const char *raw_difference(struct netif *host, const struct netif_link *now,
				  const struct nic_note *note)
{
	bool routes = (note->flags & IFF_UP) && !stays_down(now);
	struct netif_raws raws;
	char tc[NETIF_NAME_MAX];

	if (netif_raw_tc(host, &now->dev, tc, NULL) || tc[0])
		return "traffic control (still set)";
	if (netif_raw_read(host, &now->dev, &raws, NULL) ||
	    count(&raws, RTM_NEWADDR) != count(&note->raws, RTM_NEWADDR))
		return "addresses";
	if (routes && count(&raws, RTM_NEWROUTE) != count(&note->raws, RTM_NEWROUTE))
		return "routes";
	return NULL;
}

/* A driver that resets its device, as some do for a setting, has none for a moment. */
static int read_driver(const struct netif_dev *dev, struct ethtool_state *out, struct err *e)
{
	uint64_t end = clk_now_us() + SETTLE_US;
	auto_fd int fd = ethtool_open(-1, e);
	int ret = fd < 0 ? fd : ethtool_read(fd, dev->name, out, e);

	while (ret == -ENODEV && clk_now_us() < end) {
		round_pause();
		ret = ethtool_read(fd, dev->name, out, e);
	}
	return ret;
}

/* `driver`: what its settings could not be restored for, which counts when it shows. */
static int verify(struct netif *host, const struct netif_link *link, const struct nic_note *note,
		  const struct err *driver, struct err *e)
{
	struct ethtool_state state;
	struct netif_link now;
	const char *what;
	int ret = netif_get(host, &link->dev, &now, e);

	if (ret == 0)
		ret = read_driver(&now.dev, &state, e);
	if (ret)
		return ret;
	what = link_difference(&now, note);
	if (!what)
		what = raw_difference(host, &now, note);
	if (what)
		return err_set(e, EIO, "restore '%s': not as it was: %s", note->name, what);
	what = ethtool_difference(&note->driver, &state);
	if (what && driver->code)
		return err_set(e, driver->code, "%s", driver->text);
	if (what)
		return err_set(e, EIO, "restore '%s': not as it was: %s", note->name, what);
	what = ethtool_unseen(&note->driver, &state);
	if (what)
		log_warn(
			"restore '%s': its link is %s, which it was not before, so it is not known "
			"whether this is as it was: %s",
			note->name, state.carrier == ETHTOOL_CARRIER_ON ? "up" : "down", what);
	return 0;
}

int nic_restore_all(struct netif *host, const char *sysfs, struct netif_link *link,
		    const struct nic_note *note, struct err *e)
{
	int ret = fault_point("nic.restore"), first = 0;
	struct err why = { 0 }, driver = { 0 };

	if (ret)
		return err_ret(e, ret, "restore '%s'", note->name);
	ret = nic_restore_silence(host, link, &why);
	first_failure(&first, e, ret, &why);
	ret = nic_vf_restore(host, sysfs, note, &why);
	first_failure(&first, e, ret, &why);
	ret = restore_link(host, link, note, &why);
	first_failure(&first, e, ret, &why);
	ret = restore_down(host, link, note, &driver);
	if (ret == 0)
		driver.code = 0; /* at the second try */
	/* Of one that was down nobody sees later what its driver tells only while it is up. */
	if (!(note->flags & IFF_UP))
		first_failure(&first, e, ret, &driver);
	ret = restore_name(host, link, note, &why);
	first_failure(&first, e, ret, &why);
	/* Under another name it is nobody's: it stays down and without addresses. */
	if (ret)
		return first;
	ret = restore_rest(host, link, note, &why);
	first_failure(&first, e, ret, &why);
	if ((note->flags & IFF_UP) && !stays_down(link))
		restore_up(link->dev.name, note, &driver);
	return first ? first : verify(host, link, note, &driver, e);
}
