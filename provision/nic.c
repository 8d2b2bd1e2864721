// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Step `nic`: the leased interface on its way in and home.  nic_identify runs in provisiond and only looks; the rest
 * runs in workers.  Inside, the tenant may do anything to the interface but change its number (IFLA_NEW_IFINDEX, kernel
 * 5.13), so that is what it is found by; on the host it is known by its MAC.
 */
#include "nic.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "netif.h"
#include "nic_find.h"
#include "nic_note.h"

#define INSIDE       "data0"
#define INSIDE_INDEX 1000
#define RETURN_WAIT_US                                                                             \
	5000000 /* hardware comes back by itself when a nested namespace ends, but not at once */

/* What a tenant can set with `ip link set` and the next owner would inherit. */
#define FLAGS                                                                                      \
	(IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP | IFF_MULTICAST | IFF_DEBUG |             \
	 IFF_NOTRAILERS | IFF_DYNAMIC)

/* ---- the way in ---- */

struct trip {
	struct netif *host, *in; /* `in` is NULL when the namespace is gone */
	struct nic_note note;
	bool noted;             /* a note was there: it is, or was going to be, inside */
	struct netif_link link; /* where it was found */
};

static void trip_close(struct trip *t)
{
	netif_close(t->host);
	netif_close(t->in);
}

/* The pinned namespace (ns.h), for a worker that only takes things down. -1 when it is gone. */
static int open_pin(const struct plan *p)
{
	char path[PATH_MAX];
	auto_fd int fd = -1;

	if (str_format(path, sizeof(path), "%s/net", p->dir))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* Without the mount it is the empty file below. */
	return fd >= 0 && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET ? fd_take(&fd) : -1;
}

static int trip_open(struct trip *t, const struct plan *p, struct err *e)
{
	auto_fd int pin = p->netns < 0 ? open_pin(p) : -1;
	int netns = p->netns < 0 ? pin : p->netns;
	struct err why = { 0 };
	int ret;

	memset(t, 0, sizeof(*t));
	ret = netif_open(-1, &t->host, e);
	if (ret == 0 && netns >= 0)
		ret = netif_open(netns, &t->in, e);
	if (ret)
		return ret;
	ret = nic_note_load(p->dir, &t->note, &why);
	if (ret && ret != -ENOENT)
		return err_set(e, why.code, "%s", why.text);
	t->noted = ret == 0;
	return 0;
}

/* By its number inside; the kind is compared because a tenant who moved it away can give the number to another one. */
static bool is_inside(struct trip *t)
{
	struct netif_dev dev = { .index = t->note.index, .name = INSIDE };

	return t->in && t->noted && netif_get(t->in, &dev, &t->link, NULL) == 0 &&
	       strcmp(t->link.kind, t->note.kind) == 0;
}

static bool is_ours(const struct netif_link *l, const struct record *rec)
{
	return memcmp(l->mac, rec->nic.mac, 6) == 0 || memcmp(l->perm_mac, rec->nic.mac, 6) == 0;
}

/* On the host: where it was, or renamed meanwhile. */
static int find_on_host(struct trip *t, const char *sysfs, const struct record *rec, struct err *e)
{
	struct nic_seen seen;
	struct netif_dev dev = { .index = rec->nic.ifindex };
	struct err why = { 0 };

	(void)str_copy(dev.name, sizeof(dev.name), rec->nic.name);
	if (dev.index > 0 && netif_get(t->host, &dev, &t->link, NULL) == 0 &&
	    is_ours(&t->link, rec))
		return 0;
	dev.index = 0;
	if (netif_get(t->host, &dev, &t->link, NULL) == 0 && is_ours(&t->link, rec))
		return 0;
	if (rec->nic.id[0] && nic_find(sysfs, rec->nic.id, &seen, &why) == 0) {
		(void)str_copy(dev.name, sizeof(dev.name), seen.name);
		return netif_get(t->host, &dev, &t->link, e);
	}
	return err_set(e, ENODEV, "find '%s': not on the host (unplugged?)", rec->nic.name);
}

static int may_leave(const struct trip *t, const struct plan *p, struct err *e)
{
	const char *name = t->link.dev.name;

	if (t->link.master)
		return err_set(e, EBUSY,
			       "move '%s' into workspace '%s': it is a port of a bridge or bond",
			       name, p->rec->name);
	if (strcmp(name, p->settings->network.announce) == 0)
		return err_set(e, EBUSY,
			       "move '%s' into workspace '%s': it is the LAN interface ([network] "
			       "announce)",
			       name, p->rec->name);
	return 0;
}

/* Note first, so that whatever happens next, nic_down knows what to look for. */
static int take_note(struct trip *t, const struct plan *p, int index, struct err *e)
{
	t->note.index = index;
	(void)str_copy(t->note.kind, sizeof(t->note.kind), t->link.kind);
	memcpy(t->note.perm_mac, t->link.perm_mac, 6);
	t->note.naltnames = t->link.naltnames;
	memcpy(t->note.altname, t->link.altname, sizeof(t->note.altname));
	t->noted = true;
	return nic_note_save(p->dir, &t->note, e);
}

static int move_in(struct trip *t, const struct plan *p, int index, struct err *e)
{
	struct netif_change c = { .flags = IFF_UP,
				  .mask = IFF_UP,
				  .mtu = p->spec->data_mtu,
				  .new_name = INSIDE,
				  .netns = p->netns,
				  .new_index = index };

	netif_set(t->host, &t->link.dev, &c);
	return netif_commit(t->host, e);
}

/* It stayed inside over a stop: whatever the tenant did to it, it starts as configured. */
static int mend(struct trip *t, const struct record *rec, struct err *e)
{
	struct netif_change down = { .mask = IFF_UP, .netns = -1 },
			    name = { .new_name = INSIDE, .netns = -1 };
	struct netif_change mac = { .mac = rec->nic.mac, .netns = -1 };
	bool renamed = strcmp(t->link.dev.name, INSIDE) != 0,
	     other_mac = memcmp(t->link.mac, rec->nic.mac, 6) != 0;

	if (!renamed && !other_mac)
		return 0;
	if (renamed)
		(void)netif_set_aside(t->in, INSIDE, NULL);
	netif_set(t->in, &t->link.dev, &down);
	if (renamed)
		netif_set(t->in, &t->link.dev, &name);
	if (other_mac)
		netif_set(t->in, &t->link.dev, &mac);
	return netif_commit(t->in, e);
}

static int bring_in(struct trip *t, const struct plan *p, struct err *e)
{
	struct netif_dev dev = { .name = INSIDE };
	int ret = find_on_host(t, p->settings->hardware.sysfs, p->rec, e);

	if (ret)
		return err_wrap(e, "move '%s' into workspace '%s'", p->rec->nic.name, p->rec->name);
	ret = may_leave(t, p, e);
	if (ret == 0)
		ret = take_note(t, p, INSIDE_INDEX, e);
	if (ret)
		return ret;
	/* A pinned namespace may hold something of the tenant's with this name, or with this number. */
	(void)netif_set_aside(t->in, INSIDE, NULL);
	ret = move_in(t, p, INSIDE_INDEX, e);
	if (ret == -EEXIST || ret == -EBUSY)
		ret = is_inside(t) ? mend(t, p->rec, e) : move_in(t, p, 0, e);
	if (ret == 0)
		ret = netif_index(t->in, &dev, e);
	if (ret)
		return err_wrap(e, "workspace '%s'", p->rec->name);
	t->link.dev = dev;
	return dev.index == t->note.index ? 0 : take_note(t, p, dev.index, e);
}

static int configure(struct trip *t, const struct plan *p, struct err *e)
{
	struct netif_change up = {
		.flags = IFF_UP, .mask = IFF_UP, .mtu = p->spec->data_mtu, .netns = -1
	};
	const struct ipnet *ips[] = { &p->spec->data_ip, &p->spec->data_ip6 };

	(void)str_copy(t->link.dev.name, sizeof(t->link.dev.name), INSIDE);
	netif_set(t->in, &t->link.dev, &up);
	for (int i = 0; i < 2; i++)
		if (ips[i]->addr.family)
			netif_addr(t->in, &t->link.dev, ips[i], 0, true);
	return netif_commit(t->in, e) ? err_wrap(e, "workspace '%s'", p->rec->name) : 0;
}

int nic_up(struct plan *p, struct err *e)
{
	const struct ipnet *shown =
		p->spec->data_ip.addr.family ? &p->spec->data_ip : &p->spec->data_ip6;
	char ip[IP_TEXT_MAX] = "";
	struct trip t;
	int ret = fault_point("nic.up");

	if (!p->rec->nic.name[0])
		return 0;
	if (ret)
		return err_ret(e, ret, "move '%s' into workspace '%s'", p->rec->nic.name,
			       p->rec->name);
	if (p->netns < 0)
		return err_set(e, EINVAL,
			       "move '%s' into workspace '%s': its network namespace is not open",
			       p->rec->nic.name, p->rec->name);
	ret = trip_open(&t, p, e);
	if (ret == 0)
		ret = is_inside(&t) ? mend(&t, p->rec, e) : bring_in(&t, p, e);
	if (ret == 0)
		ret = configure(&t, p, e);
	trip_close(&t);
	if (ret)
		return ret;
	if (shown->addr.family)
		(void)ip_net_text(shown, ip, sizeof(ip));
	(void)str_format(p->detail, sizeof(p->detail), INSIDE " = %s%s%s", p->rec->nic.name,
			 ip[0] ? "  " : "", ip);
	return 0;
}

/* ---- the way home ---- */

/*
 * Silence it where it is: down, flags cleared, no XDP program, no alternative names (one that the host uses for another
 * interface would stop the move).
 */
static int silence(struct netif *n, const struct netif_link *l, struct err *e)
{
	struct netif_change quiet = { .mask = FLAGS & ~IFF_MULTICAST, .netns = -1 };

	netif_set(n, &l->dev, &quiet);
	netif_no_xdp(n, &l->dev);
	netif_tolerate(n, EOPNOTSUPP);
	netif_tolerate(n, EINVAL);
	for (unsigned int i = 0; i < l->naltnames; i++)
		netif_altname(n, &l->dev, l->altname[i], false);
	return netif_commit(n, e);
}

static int move_out(struct trip *t, const struct record *rec, const char *name, struct err *e)
{
	auto_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct netif_change c = { .new_name = name, .netns = home, .new_index = rec->nic.ifindex };
	int ret;

	if (home < 0)
		return err_sys(e, "open '/proc/thread-self/ns/net'");
	netif_set(t->in, &t->link.dev, &c);
	ret = netif_commit(t->in, e);
	if (ret != -EBUSY && ret != -EEXIST)
		return ret;
	c.new_index = 0; /* its old number has been given to another */
	netif_set(t->in, &t->link.dev, &c);
	return netif_commit(t->in, e);
}

/* A name to arrive under: one that failed to get its own back may still have the first. */
static int free_name(struct netif *host, const struct record *rec, struct netif_dev *dev,
		     struct err *e)
{
	for (unsigned int i = 0; i < 16; i++) {
		(void)str_format(dev->name, sizeof(dev->name), i ? "nic-%x.%u" : "nic-%x",
				 rec->slot, i);
		if (netif_index(host, dev, NULL) == -ENODEV) {
			dev->index = 0;
			return 0;
		}
	}
	return err_set(e, EEXIST, "name '%s' for its way home: taken", dev->name);
}

static int bring_home(struct trip *t, const struct record *rec, struct err *e)
{
	struct netif_dev dev = { 0 };
	int ret;

	/* More than eight alternative names do not fit into one look. */
	do {
		ret = silence(t->in, &t->link, e);
		if (ret == 0 && t->link.naltnames == NETIF_ALTNAMES)
			ret = netif_get(t->in, &t->link.dev, &t->link, e);
		else
			t->link.naltnames = 0;
	} while (ret == 0 && t->link.naltnames);
	if (ret)
		return ret;
	ret = free_name(t->host, rec, &dev, e);
	if (ret)
		return ret;
	ret = move_out(t, rec, dev.name, e);
	return ret ? ret : netif_get(t->host, &dev, &t->link, e);
}

/*
 * As recorded.  A virtual link whose other end is elsewhere stays down: that end may be a tenant's, and an interface
 * that is up is a way to the host past the control plane's rules.
 */
static int restore(struct trip *t, const struct record *rec, struct err *e)
{
	struct netif_change c = { .flags = rec->nic.flags,
				  .mask = FLAGS & ~IFF_UP,
				  .mtu = rec->nic.mtu,
				  .mac = rec->nic.mac,
				  .netns = -1 };
	struct netif_change name = { .new_name = rec->nic.name, .netns = -1 };
	struct netif_change up = { .flags = rec->nic.flags, .mask = IFF_UP, .netns = -1 };
	bool renamed = strcmp(t->link.dev.name, rec->nic.name) != 0;
	int ret = silence(t->host, &t->link, e);

	if (ret)
		return ret;
	netif_set(t->host, &t->link.dev, &c);
	ret = netif_commit(t->host, e);
	if (ret)
		return ret;
	if (renamed)
		netif_set(t->host, &t->link.dev, &name);
	ret = netif_commit(t->host, e);
	if (ret == -EEXIST)
		return err_set(e, EEXIST, "rename '%s' to '%s': the name is taken (it stays '%s')",
			       t->link.dev.name, rec->nic.name, t->link.dev.name);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < t->note.naltnames; i++) {
		netif_altname(t->host, &t->link.dev, t->note.altname[i], true);
		netif_tolerate(t->host, EEXIST);
	}
	if (!(t->link.kind[0] && t->link.peer_elsewhere))
		netif_set(t->host, &t->link.dev, &up);
	return netif_commit(t->host, e);
}

static int verify(struct trip *t, const struct record *rec, struct err *e)
{
	struct netif_link now;
	int ret = netif_get(t->host, &t->link.dev, &now, e);

	if (ret)
		return ret;
	if (strcmp(now.dev.name, rec->nic.name) != 0 || memcmp(now.mac, rec->nic.mac, 6) != 0 ||
	    now.mtu != rec->nic.mtu || (now.flags & (IFF_PROMISC | IFF_ALLMULTI) & ~rec->nic.flags))
		return err_set(e, EIO,
			       "restore '%s': it did not take its name, MAC, MTU and flags back",
			       rec->nic.name);
	return 0;
}

/* Not inside: hardware that the tenant moved further in comes home by itself, once that namespace has ended. */
static int await_home(struct trip *t, const char *sysfs, const struct record *rec, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t end = clk_now_us() + RETURN_WAIT_US;
	int ret = find_on_host(t, sysfs, rec, e);

	while (ret == -ENODEV && t->noted && !t->note.kind[0] && clk_now_us() < end) {
		(void)nanosleep(&pause, NULL);
		ret = find_on_host(t, sysfs, rec, e);
	}
	return ret;
}

int nic_down(struct plan *p, struct err *e)
{
	const struct record *rec = p->rec;
	bool gone = false;
	struct trip t;
	int ret;

	if (!rec->nic.name[0])
		return 0;
	ret = trip_open(&t, p, e);
	if (ret == 0)
		ret = is_inside(&t) ? bring_home(&t, rec, e)
				    : await_home(&t, p->settings->hardware.sysfs, rec, e);
	/* A virtual link ends with its namespace: there is nothing left to give back. */
	if (ret == -ENODEV && (!t.noted || t.note.kind[0])) {
		gone = true;
		ret = 0;
	}
	if (ret == 0 && !gone && (t.noted || strcmp(t.link.dev.name, rec->nic.name) != 0)) {
		ret = restore(&t, rec, e);
		if (ret == 0)
			ret = verify(&t, rec, e);
	}
	trip_close(&t);
	if (ret == 0 || ret == -EEXIST || ret == -ENODEV)
		(void)nic_note_remove(p->dir, NULL);
	return ret ? err_wrap(e, "return '%s' of workspace '%s'", rec->nic.name, rec->name) : 0;
}
