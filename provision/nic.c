// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Step `nic`: the leased interface on its way in and home.  Runs in workers.  Inside, the tenant may do anything to the
 * interface but change its number (IFLA_NEW_IFINDEX, kernel 5.13), so that is what it is found by; on the host it is
 * known by its identity (nic_find.h), and on the way by the mark that it carries.
 */
#include "nic.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "nic_home.h"
#include "nic_identify.h"
#include "nic_restore.h"
#include "nic_setup.h"
#include "nic_vf.h"
#include "nic_vfio.h"

#define INSIDE       "data0"
#define INSIDE_INDEX 1000
#define MARK         "sshbay: on its way home, "
#define RETURN_WAIT_US                                                                             \
	5000000 /* hardware comes back by itself when a nested namespace ends, but not at once */

struct trip {
	const struct plan *p;
	const struct record *rec;
	struct netif *host, *in; /* `in` is NULL when the namespace is gone */
	struct nic_note note;
	bool noted;             /* a note was there: it is, or was going to be, inside */
	bool macvlan;           /* it is made there instead of moved */
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

/* A note that an older version wrote has less in it. */
static void complete_note(struct trip *t)
{
	if (t->note.name[0])
		return;
	(void)str_copy(t->note.name, sizeof(t->note.name), t->rec->nic.name);
	memcpy(t->note.mac, t->rec->nic.mac, 6);
	t->note.mtu = t->rec->nic.mtu;
	t->note.flags = t->rec->nic.flags;
}

static int trip_open(struct trip *t, const struct plan *p, struct err *e)
{
	auto_fd int pin = p->netns < 0 ? open_pin(p) : -1;
	int netns = p->netns < 0 ? pin : p->netns;
	struct err why = { 0 };
	int ret;

	memset(t, 0, sizeof(*t));
	t->p = p;
	t->rec = p->rec;
	t->macvlan =
		strncmp(p->rec->nic.id, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
	ret = netif_open(-1, &t->host, e);
	if (ret == 0 && netns >= 0)
		ret = netif_open(netns, &t->in, e);
	if (ret)
		return ret;
	ret = nic_note_load(p->dir, &t->note, &why);
	if (ret && ret != -ENOENT)
		return err_set(e, why.code, "%s", why.text);
	t->noted = ret == 0;
	if (t->noted)
		complete_note(t);
	return 0;
}

/* ---- finding it ---- */

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

static void way_name(const struct record *rec, unsigned int i, struct netif_dev *dev)
{
	dev->index = 0;
	(void)str_format(dev->name, sizeof(dev->name), i ? "nic-%x.%u" : "nic-%x", rec->slot, i);
}

/* A worker was killed after it had moved the interface and before that had its own name. */
static bool find_marked(struct trip *t)
{
	char mark[NETIF_ALIAS_MAX];
	struct netif_dev dev;

	(void)str_format(mark, sizeof(mark), MARK "%s", t->rec->nic.id);
	for (unsigned int i = 0; i < 16; i++) {
		way_name(t->rec, i, &dev);
		if (netif_get(t->host, &dev, &t->link, NULL) == 0 &&
		    strcmp(t->link.alias, mark) == 0)
			return true;
	}
	return false;
}

/* On the host: by identity, where it was, or on its way. */
static int find_on_host(struct trip *t, struct err *e)
{
	const struct record *rec = t->rec;
	struct netif_dev dev = { .index = rec->nic.ifindex };
	const char *id = rec->nic.id;
	struct nic_seen seen;

	if (t->macvlan)
		id += strlen(NIC_IDENTIFY_MACVLAN);
	if (strncmp(id, "name:", 5) != 0 && *id &&
	    nic_find(t->p->settings->hardware.sysfs, id, &seen, NULL) == 0) {
		dev.index = seen.ifindex;
		(void)str_copy(dev.name, sizeof(dev.name), seen.name);
		return netif_get(t->host, &dev, &t->link, e);
	}
	(void)str_copy(dev.name, sizeof(dev.name), rec->nic.name);
	if (dev.index > 0 && netif_get(t->host, &dev, &t->link, NULL) == 0 &&
	    is_ours(&t->link, rec))
		return 0;
	dev.index = 0;
	if (netif_get(t->host, &dev, &t->link, NULL) == 0 && is_ours(&t->link, rec))
		return 0;
	if (find_marked(t))
		return 0;
	return err_set(e, ENODEV, "find '%s' (%s): not on the host (unplugged?)", rec->nic.name,
		       id);
}

/* ---- the way in ---- */

/* The MAC that it has inside. A macvlan's is the workspace's own, the same at each start. */
static void inside_mac(const struct trip *t, uint8_t mac[6])
{
	static const uint8_t none[6];
	uint32_t hash = 2166136261U; /* FNV-1a */

	memcpy(mac, nic_vf_rules_mac(&t->note) ? t->note.vf.mac : t->note.mac, 6);
	if (t->note.pf[0] && memcmp(t->p->spec->vf_mac, none, 6) != 0)
		memcpy(mac, t->p->spec->vf_mac, 6);
	if (!t->macvlan)
		return;
	for (const char *c = t->rec->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	for (const char *c = t->rec->nic.id; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	mac[0] = 0x02;
	mac[1] = 0x5b;
	memcpy(mac + 2, &hash, 4);
}

/* Note first, so that whatever happens next, nic_down knows what to look for. */
static int take_note(struct trip *t, struct err *e)
{
	int ret = 0;

	memset(&t->note, 0, sizeof(t->note));
	t->note.index = INSIDE_INDEX;
	(void)str_copy(t->note.id, sizeof(t->note.id), t->rec->nic.id);
	if (t->macvlan)
		(void)str_copy(t->note.kind, sizeof(t->note.kind), "macvlan");
	else
		ret = nic_home_read(t->host, &t->link, &t->note, e);
	if (ret == 0)
		ret = nic_vf_note(t->host, t->p->settings->hardware.sysfs, &t->note, e);
	t->noted = ret == 0;
	return ret ? ret : nic_note_save(t->p->dir, &t->note, e);
}

static int move_in(struct trip *t, int index, struct err *e)
{
	struct netif_change c = { .flags = IFF_UP,
				  .mask = IFF_UP,
				  .mtu = t->p->spec->data_mtu,
				  .new_name = INSIDE,
				  .netns = t->p->netns,
				  .new_index = index };
	uint8_t mac[6];

	if (t->macvlan) {
		inside_mac(t, mac);
		c.mac = mac;
		netif_macvlan(t->host, &t->link.dev, &c);
	} else {
		netif_set(t->host, &t->link.dev, &c);
	}
	return netif_commit(t->host, e);
}

/* Whatever the tenant did to it, or the card brought with it: it starts as configured. `reset`: it also goes down. */
static int mend(struct trip *t, bool reset, struct err *e)
{
	struct netif_change up = { .flags = IFF_UP, .mask = IFF_UP, .netns = -1 };
	struct netif_change down = { .mask = IFF_UP, .netns = -1 },
			    name = { .new_name = INSIDE, .netns = -1 };
	struct netif_change mac = { .netns = -1 };
	bool renamed = strcmp(t->link.dev.name, INSIDE) != 0, other_mac;
	uint8_t want[6];

	inside_mac(t, want);
	mac.mac = want;
	other_mac = memcmp(t->link.mac, want, 6) != 0;
	if (!renamed && !other_mac && !reset)
		return 0;
	if (renamed)
		(void)netif_set_aside(t->in, INSIDE, NULL);
	if (reset && !(t->link.flags & IFF_UP))
		netif_set(t->in, &t->link.dev, &up);
	netif_set(t->in, &t->link.dev, &down);
	if (renamed)
		netif_set(t->in, &t->link.dev, &name);
	if (other_mac || reset)
		netif_set(t->in, &t->link.dev, &mac);
	return netif_commit(t->in, e);
}

/* What a stop kept: the settings of a virtual function may be others now. */
static int keep_in(struct trip *t, struct err *e)
{
	int ret = nic_vf_give(t->host, t->p->settings->hardware.sysfs, &t->note, t->p->spec, e);

	if (ret < 0)
		return err_wrap(e, "set up '%s' of workspace '%s'", t->rec->nic.name, t->rec->name);
	return mend(t, ret > 0, e);
}

static int place(struct trip *t, struct err *e)
{
	struct netif_dev dev = { .name = INSIDE };
	int ret;

	/* A pinned namespace may hold something of the tenant's with this name, or with this number. */
	(void)netif_set_aside(t->in, INSIDE, NULL);
	ret = move_in(t, INSIDE_INDEX, e);
	if ((ret == -EEXIST || ret == -EBUSY) && !is_inside(t))
		ret = move_in(t, 0, e);
	else if (ret == -EEXIST || ret == -EBUSY)
		ret = 0;
	if (ret == 0)
		ret = netif_index(t->in, &dev, e);
	if (ret == 0)
		ret = netif_get(t->in, &dev, &t->link, e);
	if (ret || dev.index == t->note.index)
		return ret;
	t->note.index = dev.index;
	return nic_note_save(t->p->dir, &t->note, e);
}

static int bring_in(struct trip *t, struct err *e)
{
	int ret = find_on_host(t, e);

	if (ret == 0 && !t->macvlan)
		ret = nic_home_may_leave(t->p->settings, t->host, &t->link, e);
	if (ret == 0)
		ret = take_note(t, e);
	if (ret == 0)
		ret = nic_vf_give(t->host, t->p->settings->hardware.sysfs, &t->note, t->p->spec, e);
	if (ret >= 0)
		ret = fault_point("nic.noted");
	if (ret == 0)
		ret = place(t, e);
	if (ret)
		return err_wrap(e, "move '%s' into workspace '%s'", t->rec->nic.name, t->rec->name);
	return mend(t, false, e);
}

static void describe(struct plan *p)
{
	const struct ipnet *shown =
		p->spec->data_ip.addr.family ? &p->spec->data_ip : &p->spec->data_ip6;
	char ip[IP_TEXT_MAX] = "";
	const char *id = p->rec->nic.id;

	if (shown->addr.family)
		(void)ip_net_text(shown, ip, sizeof(ip));
	(void)str_format(p->detail, sizeof(p->detail), INSIDE " = %s%s%s",
			 strncmp(id, "pci:", 4) == 0 ? id + 4 : p->rec->nic.name, ip[0] ? "  " : "",
			 ip);
}

int nic_up(struct plan *p, struct err *e)
{
	struct netif_dev dev = { .name = INSIDE };
	struct trip t;
	int ret = fault_point("nic.up");

	if (p->rec->vfio[0])
		return nic_vfio_up(p, e);
	if (!p->rec->nic.name[0]) {
		if (p->spec->nic_optional && p->rec->note[0])
			(void)str_format(p->detail, sizeof(p->detail), "%.127s", p->rec->note);
		return 0;
	}
	if (ret)
		return err_ret(e, ret, "move '%s' into workspace '%s'", p->rec->nic.name,
			       p->rec->name);
	if (p->netns < 0)
		return err_set(e, EINVAL,
			       "move '%s' into workspace '%s': its network namespace is not open",
			       p->rec->nic.name, p->rec->name);
	ret = trip_open(&t, p, e);
	if (ret == 0)
		ret = is_inside(&t) ? keep_in(&t, e) : bring_in(&t, e);
	if (ret == 0)
		ret = netif_index(t.in, &dev, e);
	if (ret == 0)
		ret = nic_setup(t.in, &dev, p, e);
	trip_close(&t);
	if (ret == 0)
		describe(p);
	return ret;
}

/* ---- the way home ---- */

static int move_out(struct trip *t, const char *name, struct err *e)
{
	auto_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	char mark[NETIF_ALIAS_MAX];
	struct netif_change c = {
		.new_name = name, .alias = mark, .netns = home, .new_index = t->rec->nic.ifindex
	};
	int ret;

	if (home < 0)
		return err_sys(e, "open '/proc/thread-self/ns/net'");
	(void)str_format(mark, sizeof(mark), MARK "%s", t->rec->nic.id);
	netif_set(t->in, &t->link.dev, &c);
	ret = netif_commit(t->in, e);
	if (ret != -EBUSY && ret != -EEXIST)
		return ret;
	c.new_index = 0; /* its old number has been given to another */
	netif_set(t->in, &t->link.dev, &c);
	return netif_commit(t->in, e);
}

/* A name to arrive under: one that failed to get its own back may still have the first. */
static int free_name(struct trip *t, struct netif_dev *dev, struct err *e)
{
	for (unsigned int i = 0; i < 16; i++) {
		way_name(t->rec, i, dev);
		if (netif_index(t->host, dev, NULL) == -ENODEV) {
			dev->index = 0;
			return 0;
		}
	}
	return err_set(e, EEXIST, "name '%s' for its way home: taken", dev->name);
}

static int bring_home(struct trip *t, struct err *e)
{
	struct netif_dev dev = { 0 };
	int ret = nic_restore_uncover(t->in, &t->link, e);

	if (ret == 0)
		ret = nic_restore_silence(t->in, &t->link, e);
	if (ret == 0)
		ret = free_name(t, &dev, e);
	if (ret == 0)
		ret = fault_point("nic.silent");
	if (ret)
		return ret;
	ret = move_out(t, dev.name, e);
	if (ret == 0)
		ret = fault_point("nic.moved");
	return ret ? ret : netif_get(t->host, &dev, &t->link, e);
}

/* Not inside: hardware that the tenant moved further in comes home by itself, once that namespace has ended. */
static int await_home(struct trip *t, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t end = clk_now_us() + RETURN_WAIT_US;
	const char *id = t->rec->nic.id;
	bool pci = strncmp(id, "pci:", 4) == 0;
	int ret = find_on_host(t, e);

	while (ret == -ENODEV && t->noted && !t->note.kind[0] && clk_now_us() < end) {
		if (pci && !nic_find_pci_exists(t->p->settings->hardware.sysfs, id + 4))
			break; /* pulled out */
		(void)nanosleep(&pause, NULL);
		ret = find_on_host(t, e);
	}
	return ret;
}

/* It is nowhere to be seen. A virtual link ends with its namespace, and what was pulled out is not ours to give back. */
static int is_gone(struct trip *t, struct err *why, struct err *e)
{
	const char *id = t->rec->nic.id;

	memset(&t->link, 0, sizeof(t->link));
	if (!t->noted || t->note.kind[0])
		return 0;
	if (strncmp(id, "pci:", 4) == 0 &&
	    !nic_find_pci_exists(t->p->settings->hardware.sysfs, id + 4)) {
		log_warn("return '%s' of workspace '%s': the device has been unplugged", id,
			 t->rec->name);
		return 0;
	}
	return nic_home_quarantine(t->p, &t->note, "", why, e);
}

static int remove_macvlan(struct trip *t, struct err *e)
{
	if (!is_inside(t))
		return 0;
	netif_delete(t->in, &t->link.dev);
	netif_tolerate(t->in, ENODEV);
	return netif_commit(t->in, e);
}

static int come_home(struct trip *t, struct err *e)
{
	struct err why = { 0 };
	int ret;

	if (t->macvlan)
		return remove_macvlan(t, e);
	if (is_inside(t)) {
		ret = bring_home(t, e);
		if (ret)
			return ret;
	} else {
		ret = await_home(t, &why);
		if (ret == -ENODEV)
			return is_gone(t, &why, e);
		if (ret)
			return err_set(e, why.code, "%s", why.text);
	}
	/* Without a note it never left. */
	ret = t->noted ? nic_restore_all(t->host, t->p->settings->hardware.sysfs, &t->link,
					 &t->note, &why)
		       : 0;
	return ret ? nic_home_quarantine(t->p, &t->note, t->link.dev.name, &why, e) : 0;
}

int nic_down(struct plan *p, struct err *e)
{
	const struct record *rec = p->rec;
	struct trip t;
	int ret;

	if (rec->vfio[0])
		return nic_vfio_down(p, e);
	if (!rec->nic.name[0])
		return 0;
	ret = trip_open(&t, p, e);
	if (ret == 0)
		ret = come_home(&t, e);
	if (ret == 0)
		ret = fault_point("nic.home");
	trip_close(&t);
	if (ret == 0)
		(void)nic_note_remove(p->dir, NULL);
	return ret ? err_wrap(e, "return '%s' of workspace '%s'", rec->nic.name, rec->name) : 0;
}
