// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Both ends of a lease, on the host's side: what may leave and what is noted of it, and where it goes when it cannot be
 * given back as it was (nic_restore.h).  Runs in workers.
 */
#include "nic_home.h"

#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "nic_find.h"
#include "nic_restore.h"
#include "quarantine.h"

#define BUSY_MS  10000 /* for a tenant's last process, and for a driver */
#define APPEAR_S 10    /* from the driver to the interface */
#define UDEV_S   3     /* from the interface to its name */

int nic_home_may_leave(const struct settings *s, struct netif *host, const struct netif_link *link,
		       struct err *e)
{
	struct netif_dev upper;
	int ret;

	if (link->master)
		return err_set(e, EBUSY, "it is a port of a bridge or bond");
	if (strcmp(link->dev.name, s->network.announce) == 0)
		return err_set(e, EBUSY, "it is the LAN interface ([network] announce)");
	/* They would stay, and their traffic go on through another's NIC. */
	ret = netif_raw_uppers(host, &link->dev, &upper, 1, e);
	if (ret > 0)
		return err_set(e, EBUSY, "the host has '%s' on top of it (ip link del %s)",
			       upper.name, upper.name);
	return ret;
}

/* What the host has set up on it, and nothing would bring back. */
static int refuse_used(struct netif *host, const struct netif_link *link, struct err *e)
{
	char tc[NETIF_NAME_MAX];
	int ret;

	if (link->xdp)
		return err_set(e, EBUSY,
			       "the host has an XDP program on '%s' (ip link set %s xdp off)",
			       link->dev.name, link->dev.name);
	ret = netif_raw_tc(host, &link->dev, tc, e);
	if (ret == 0 && tc[0])
		ret = err_set(
			e, EBUSY,
			"the host has traffic control '%s' on '%s' (tc qdisc del dev %s root, "
			"or clsact)",
			tc, link->dev.name, link->dev.name);
	return ret;
}

static int read_link(const struct netif_link *link, struct nic_note *note, struct err *e)
{
	(void)str_copy(note->kind, sizeof(note->kind), link->kind);
	(void)str_copy(note->name, sizeof(note->name), link->dev.name);
	memcpy(note->mac, link->mac, 6);
	memcpy(note->perm_mac, link->perm_mac, 6);
	note->mtu = link->mtu;
	note->flags = link->flags;
	note->txqlen = link->txqlen;
	memcpy(note->tuning, link->tuning, sizeof(note->tuning));
	memcpy(note->alias, link->alias, sizeof(note->alias));
	note->naltnames = link->naltnames;
	memcpy(note->altname, link->altname, sizeof(note->altname));
	if (!link->altnames_lost)
		return 0;
	return err_set(e, E2BIG,
		       "'%s' has too many alternative names to be kept (%u, %d at most; ip link "
		       "property del dev %s altname NAME)",
		       link->dev.name, link->naltnames + link->altnames_lost, NETIF_ALTNAMES,
		       link->dev.name);
}

static int read_ways(struct netif *host, const struct netif_link *link, struct netif_raws *raws,
		     struct err *e)
{
	int ret = netif_raw_read(host, &link->dev, raws, e);

	if (ret)
		return ret;
	/* Such an object goes with the interface; and with its number the kernel takes no other words about the way. */
	if (raws->by_nexthop)
		return err_set(
			e, EBUSY,
			"the host has a route by nexthop object %u through '%s' (ip nexthop; "
			"ip route del)",
			raws->by_nexthop, link->dev.name);
	if (raws->lost)
		return err_set(e, E2BIG, "'%s' has too many addresses and routes to be kept (%u)",
			       link->dev.name, raws->n + raws->lost);
	return 0;
}

int nic_home_read(struct netif *host, const struct netif_link *link, struct nic_note *note,
		  struct err *e)
{
	auto_fd int driver = ethtool_open(-1, e);
	int ret = driver < 0 ? driver : refuse_used(host, link, e);

	if (ret == 0)
		ret = read_link(link, note, e);
	if (ret == 0)
		ret = read_ways(host, link, &note->raws, e);
	if (ret == 0)
		ret = ethtool_read(driver, link->dev.name, &note->driver, e);
	/* They would come back under other numbers, which rules name. */
	if (ret == 0 && note->driver.steer.ncontexts)
		ret = err_set(e, EBUSY,
			      "the host has RSS contexts on '%s' (ethtool -X %s context N delete)",
			      link->dev.name, link->dev.name);
	return ret;
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
	/* A virtual function's is what its physical one says at the time. */
	if (!note->pf[0])
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

	return ret ? ret : nic_restore_all(host, sysfs, &link, note, e);
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
