// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The end of a lease, on the host's side.  Whatever a tenant left on the interface is removed before it is named and
 * used again, and nothing is believed to have worked that was not read back.  Runs in workers.
 */
#include "nic_home.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "nic_find.h"
#include "nic_vf.h"
#include "quarantine.h"

/* What a tenant can set with `ip link set` and the next owner would inherit. */
#define FLAGS                                                                                      \
	(IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP | IFF_MULTICAST | IFF_DEBUG |             \
	 IFF_NOTRAILERS | IFF_DYNAMIC)

#define BUSY_MS  10000 /* for a tenant's last process, and for a driver */
#define APPEAR_S 10    /* from the driver to the interface */
#define UDEV_S   3     /* from the interface to its name */

int nic_home_may_leave(const struct settings *s, const struct netif_link *link, struct err *e)
{
	if (link->master)
		return err_set(e, EBUSY, "it is a port of a bridge or bond");
	if (strcmp(link->dev.name, s->network.announce) == 0)
		return err_set(e, EBUSY, "it is the LAN interface ([network] announce)");
	return 0;
}

int nic_home_read(struct netif *host, const struct netif_link *link, struct nic_note *note,
		  struct err *e)
{
	auto_fd int driver = ethtool_open(-1, e);
	char tc[NETIF_NAME_MAX];
	int ret;

	if (driver < 0)
		return driver;
	if (link->xdp)
		return err_set(e, EBUSY,
			       "the host has an XDP program on '%s' (ip link set %s xdp off)",
			       link->dev.name, link->dev.name);
	ret = netif_raw_tc(host, &link->dev, tc, e);
	if (ret)
		return ret;
	if (tc[0])
		return err_set(
			e, EBUSY,
			"the host has traffic control '%s' on '%s' (tc qdisc del dev %s root, "
			"or clsact)",
			tc, link->dev.name, link->dev.name);
	(void)str_copy(note->kind, sizeof(note->kind), link->kind);
	(void)str_copy(note->name, sizeof(note->name), link->dev.name);
	memcpy(note->mac, link->mac, 6);
	memcpy(note->perm_mac, link->perm_mac, 6);
	note->mtu = link->mtu;
	note->flags = link->flags;
	note->txqlen = link->txqlen;
	memcpy(note->alias, link->alias, sizeof(note->alias));
	note->naltnames = link->naltnames;
	memcpy(note->altname, link->altname, sizeof(note->altname));
	ret = netif_raw_read(host, &link->dev, &note->raws, e);
	if (ret == 0 && note->raws.lost)
		ret = err_set(e, E2BIG, "'%s' has too many addresses and routes to be kept (%u)",
			      link->dev.name, note->raws.n + note->raws.lost);
	return ret ? ret : ethtool_read(driver, link->dev.name, &note->driver, e);
}

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

int nic_home_silence(struct netif *n, struct netif_link *link, struct err *e)
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

/* --- restore --- */

static void first_failure(int *first, struct err *e, int ret, const struct err *why)
{
	if (ret && *first == 0)
		*first = err_set(e, why->code, "%s", why->text);
}

static void restore_driver(const char *name, const struct nic_note *note, int *first, struct err *e)
{
	struct err why = { 0 };
	auto_fd int fd = ethtool_open(-1, &why);
	int ret = fd < 0 ? fd : ethtool_restore(fd, name, &note->driver, &why);

	first_failure(first, e, ret, &why);
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

static bool stays_down(const struct netif_link *link)
{
	return link->kind[0] && link->peer_elsewhere;
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
	if (memcmp(now->mac, note->mac, 6) != 0)
		return "MAC address";
	if (memcmp(now->perm_mac, note->perm_mac, 6) != 0)
		return "permanent MAC address";
	if (now->mtu != note->mtu)
		return "MTU";
	if ((now->flags ^ note->flags) & mask)
		return "flags";
	if (note->txqlen && now->txqlen != note->txqlen)
		return "length of the transmit queue";
	if (strcmp(now->alias, note->alias) != 0)
		return "alias";
	if (now->naltnames != note->naltnames)
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

static int verify(struct netif *host, const struct netif_link *link, const struct nic_note *note,
		  struct err *e)
{
	struct ethtool_state driver;
	struct netif_link now;
	const char *what;
	auto_fd int fd = -1;
	int ret = netif_get(host, &link->dev, &now, e);

	if (ret == 0)
		ret = fd = ethtool_open(-1, e);
	if (ret >= 0)
		ret = ethtool_read(fd, now.dev.name, &driver, e);
	if (ret < 0)
		return ret;
	what = link_difference(&now, note);
	if (!what)
		what = raw_difference(host, &now, note);
	if (!what)
		what = ethtool_difference(&note->driver, &driver);
	return what ? err_set(e, EIO, "restore '%s': not as it was: %s", note->name, what) : 0;
}

int nic_home_restore(struct netif *host, const char *sysfs, struct netif_link *link,
		     const struct nic_note *note, struct err *e)
{
	struct netif_change c = { .flags = note->flags,
				  .mask = FLAGS & ~IFF_UP,
				  .mtu = note->mtu,
				  .txqlen = note->txqlen ? &note->txqlen : NULL,
				  .mac = note->mac,
				  .netns = -1 };
	int ret = fault_point("nic.restore"), first = 0;
	struct err why = { 0 };

	if (ret)
		return err_ret(e, ret, "restore '%s'", note->name);
	ret = nic_home_silence(host, link, &why);
	first_failure(&first, e, ret, &why);
	ret = nic_vf_restore(host, sysfs, note, &why);
	first_failure(&first, e, ret, &why);
	netif_set(host, &link->dev, &c);
	ret = netif_commit(host, &why);
	first_failure(&first, e, ret, &why);
	restore_driver(link->dev.name, note, &first, e);
	ret = restore_name(host, link, note, &why);
	first_failure(&first, e, ret, &why);
	/* Under another name it is nobody's: it stays down and without addresses. */
	if (ret)
		return first;
	ret = restore_rest(host, link, note, &why);
	first_failure(&first, e, ret, &why);
	return first ? first : verify(host, link, note, e);
}

/* --- from vfio-pci --- */

static void round_pause(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	(void)nanosleep(&pause, NULL);
}

/* udev names a new interface once, and must have done so before it gets the name that it had. */
static void await_udev(int ifindex)
{
	uint64_t end = clk_now_us() + UDEV_S * 1000000ULL;
	char path[64];

	(void)str_format(path, sizeof(path), "/run/udev/data/n%d", ifindex);
	if (access("/run/udev/control", F_OK) < 0)
		return;
	while (access(path, F_OK) < 0 && clk_now_us() < end)
		round_pause();
}

static int await_interface(const struct settings *s, const char *id, struct err *e)
{
	uint64_t end = clk_now_us() + APPEAR_S * 1000000ULL;
	struct nic_seen seen;
	int ret = nic_find(s->hardware.sysfs, id, &seen, e);

	while (ret == -ENODEV && clk_now_us() < end) {
		round_pause();
		ret = nic_find(s->hardware.sysfs, id, &seen, e);
	}
	if (ret == 0)
		await_udev(seen.ifindex);
	return ret == -ENODEV ? err_set(e, ENODEV,
					"'%s' is with its driver again, and has no interface", id)
			      : ret;
}

int nic_home_kernel(const struct settings *s, const char *id, const struct nic_note *note,
		    struct err *e)
{
	const struct vfio_place at = { s->hardware.sysfs, s->hardware.dev, BUSY_MS };
	static const struct vfio_seen unknown;
	struct vfio_seen seen;
	int ret;

	/* What is not there is told of by whoever looks for the interface. */
	if (strncmp(id, "pci:", 4) != 0 || strchr(id, '/') ||
	    vfio_look(at.sysfs, id + 4, &seen, NULL) || !vfio_away(&seen))
		return 0;
	ret = vfio_release(&at, id + 4, note ? &note->bus : &unknown, e);
	return ret ? ret : await_interface(s, id, e);
}

/* --- quarantine, and out of it --- */

int nic_home_quarantine(const struct plan *p, const struct nic_note *note, const char *name,
			const struct err *why, struct err *e)
{
	struct quarantine q = { .kind = "nic", .since = clk_wall_s() };
	char text[NIC_NOTE_TEXT];
	int ret;

	(void)str_copy(q.id, sizeof(q.id), p->rec->nic.id);
	(void)nic_find_mac_text(note->perm_mac, q.mac);
	(void)str_copy(q.owner, sizeof(q.owner), p->rec->name);
	(void)str_copy(q.name, sizeof(q.name), name);
	(void)str_format(q.reason, sizeof(q.reason), "%.255s", why->text);
	ret = nic_note_print(note, text, sizeof(text));
	ret = quarantine_add(p->settings->storage.state, &q, ret ? NULL : text, e);
	if (ret == 0)
		log_error("NIC '%s' of workspace '%s' is in quarantine: %s", p->rec->nic.id,
			  p->rec->name, why->text);
	return ret;
}

/* After a reboot another one may have its place on the bus. */
static bool is_another(const struct quarantine *q, const struct nic_seen *seen)
{
	char mac[18];

	return q->mac[0] && nic_find_mac_text(seen->perm, mac)[0] && strcmp(mac, q->mac) != 0;
}

/* By what does not change; a virtual one has nothing but the name under which it was left. */
static int find(const struct settings *s, const struct quarantine *q, struct netif_dev *dev,
		struct err *e)
{
	char by_mac[24];
	struct nic_seen seen;
	int ret = -ENODEV;

	if (strncmp(q->id, "name:", 5) == 0 && q->name[0])
		ret = nic_find_look(s->hardware.sysfs, q->name, &seen, e);
	if (ret)
		ret = nic_find(s->hardware.sysfs, q->id, &seen, e);
	if (ret ? q->mac[0] != '\0' : is_another(q, &seen)) {
		(void)str_format(by_mac, sizeof(by_mac), "mac:%s", q->mac);
		ret = nic_find(s->hardware.sysfs, by_mac, &seen, e);
	}
	if (ret)
		return ret;
	dev->index = seen.ifindex;
	return str_copy(dev->name, sizeof(dev->name), seen.name);
}

static int restore_noted(struct netif *host, const char *sysfs, const struct netif_dev *dev,
			 const struct nic_note *note, struct err *e)
{
	struct netif_link link;
	int ret = netif_get(host, dev, &link, e);

	return ret ? ret : nic_home_restore(host, sysfs, &link, note, e);
}

static int load_note(const struct settings *s, const char *id, struct nic_note *note, struct err *e)
{
	char text[NIC_NOTE_TEXT];
	int ret = quarantine_note(s->storage.state, "nic", id, text, sizeof(text), e);

	if (ret == -ENOENT)
		return err_set(e, ENOENT,
			       "what it was like is not known (--force takes it as it is)");
	return ret ? ret : nic_note_parse(text, note, e);
}

int nic_home_recover(const struct settings *s, const char *id, bool force, struct err *e)
{
	auto_netif struct netif *host = NULL;
	struct netif_dev dev = { 0 };
	struct nic_note note;
	struct quarantine q;
	int ret = quarantine_get(s->storage.state, "nic", id, &q, e), known;

	if (ret == -ENOENT)
		return err_set(e, ENOENT, "recover '%s': it is not in quarantine (sshbay nic list)",
			       id);
	known = load_note(s, id, &note, force ? NULL : e);
	if (ret == 0 && !force)
		ret = known;
	if (ret == 0)
		ret = nic_home_kernel(s, id, known == 0 ? &note : NULL, e);
	if (ret == 0)
		ret = netif_open(-1, &host, e);
	if (ret == 0)
		ret = find(s, &q, &dev, e);
	if (ret == 0 && !force)
		ret = restore_noted(host, s->hardware.sysfs, &dev, &note, e);
	if (ret == 0)
		ret = quarantine_remove(s->storage.state, "nic", id, e);
	return ret ? err_wrap(e, "recover '%s'", id) : 0;
}
