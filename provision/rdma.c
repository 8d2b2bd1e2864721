/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An RDMA device on its way in and home.  Runs in workers.  A device's name is one of the whole kernel's, in every
 * namespace, and only the host's root can change it, so within one boot it is the device's identity.
 */
#include "rdma.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "given.h"
#include "nic_identify.h"
#include "nic_note.h"
#include "quarantine.h"
#include "rdma_find.h"
#include "rdma_netlink.h"

#define HOME_WAIT_US 5000000 /* it comes by itself when its namespace has ended, but not at once */

static const char *sysfs_of(const struct plan *p)
{
	return p->settings->hardware.sysfs;
}

static bool is_there(struct rdma_netlink *n, const char *name)
{
	uint32_t index;

	return n && rdma_netlink_find(n, name, &index, NULL) == 0;
}

/* --- the way in --- */

/* Between the lease and now somebody may have made another device of this name. */
static int check_nic(const struct plan *p, struct err *e)
{
	struct rdma_find dev;

	return rdma_find_of(sysfs_of(p), p->rec, p->rec->rdma, &dev, e);
}

/* Its interface's number in the workspace, where only we give it; of a macvlan's parent, on the host. 0 unknown. */
static uint32_t nic_index(const struct plan *p, bool *macvlan)
{
	struct nic_note note;

	*macvlan = strncmp(p->rec->nic.id, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
	if (*macvlan)
		return if_nametoindex(p->rec->nic.name);
	return nic_note_load(p->dir, &note, NULL) == 0 && note.index > 0 ? (uint32_t)note.index : 0;
}

/*
 * Whose ports they are is the kernel's word, by number.  A port whose interface it does not tell here may be another
 * namespace's: that is fine for the one port of a device on the NIC's own PCI function alone.
 */
static int check_ports(const struct plan *p, struct rdma_netlink *host, struct rdma_netlink *in,
		       struct err *e)
{
	bool macvlan, single = strncmp(p->rec->nic.id, "pci:", 4) == 0;
	uint32_t ifindex = nic_index(p, &macvlan);
	struct rdma_netlink_ports n;
	int ret = rdma_netlink_ports(macvlan ? host : in, p->rec->rdma, ifindex, &n, e);

	if (ret || (!n.other && (!n.unknown || (single && n.unknown == 1 && !n.own))))
		return ret;
	return err_set(
		e, EXDEV,
		"RDMA device '%s' has ports that are not of '%s', and a device is given as a "
		"whole",
		p->rec->rdma, p->rec->nic.name);
}

static int arrive(struct plan *p, struct rdma_netlink *host, struct rdma_netlink *in, struct err *e)
{
	const char *name = p->rec->rdma;
	uint32_t index;
	int ret = rdma_netlink_move(host, name, p->netns, &index, e);

	if (ret == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP,
			       "move RDMA device '%s': its driver cannot change network namespaces "
			       "([hardware] rdma_netns = shared)",
			       name);
	if (ret == 0)
		ret = fault_point("rdma.moved");
	if (ret == 0 && !rdma_netlink_has(in, index))
		ret = err_set(e, ENODEV, "move RDMA device '%s': it did not arrive", name);
	return ret ? ret : check_ports(p, host, in, e);
}

static int open_both(const struct plan *p, struct rdma_netlink **host, struct rdma_netlink **in,
		     struct err *e)
{
	int ret;

	if (p->netns < 0)
		return err_set(e, EINVAL, "the network namespace is not open");
	ret = rdma_netlink_open(-1, host, e);
	return ret ? ret : rdma_netlink_open(p->netns, in, e);
}

static int move_in(struct plan *p, struct err *e)
{
	auto_rdma_netlink struct rdma_netlink *host = NULL, *in = NULL;
	int ret = open_both(p, &host, &in, e);

	if (ret || is_there(in, p->rec->rdma))
		return ret;
	ret = check_nic(p, e);
	return ret ? ret : arrive(p, host, in, e);
}

/* In shared mode it is in every namespace, and stays. */
static int stay(struct plan *p, struct err *e)
{
	auto_rdma_netlink struct rdma_netlink *host = NULL, *in = NULL;
	struct err why = { 0 };
	int ret = check_nic(p, e);

	if (ret == 0)
		ret = open_both(p, &host, &in, &why);
	if (ret == -EPROTONOSUPPORT && why.code)
		return 0; /* whatever sysfs shows, this kernel has no device */
	if (ret && why.code)
		return err_set(e, why.code, "%s", why.text);
	return ret ? ret : check_ports(p, host, in, e);
}

static int give(struct plan *p, const struct rdma_find_node *found, struct err *e)
{
	struct given_node n = { .mode = 0666,
				.access = GIVEN_READ | GIVEN_WRITE,
				.major = found->major,
				.minor = found->minor };

	(void)str_format(n.path, sizeof(n.path), "/dev/infiniband/%s", found->name);
	if (str_format(n.host, sizeof(n.host), "%.60s/infiniband/%.30s", p->settings->hardware.dev,
		       found->name))
		n.host[0] = '\0';
	return given_add_node(p, &n, e);
}

/* The node is looked for after the move, which makes it anew. */
static int give_nodes(struct plan *p, struct err *e)
{
	struct rdma_find_node verbs, cm;
	int ret = rdma_find_uverbs(sysfs_of(p), p->rec->rdma, &verbs, e);

	if (ret == 0)
		ret = give(p, &verbs, e);
	if (ret)
		return ret;
	(void)str_copy(p->given->rdma, sizeof(p->given->rdma), p->rec->rdma);
	p->given->rdma_alone = rdma_find_mode(sysfs_of(p)) == RDMA_FIND_EXCLUSIVE;
	(void)str_copy(p->given->uverbs, sizeof(p->given->uverbs), verbs.name);
	(void)str_format(p->detail, sizeof(p->detail), "%s = %s", p->rec->rdma, verbs.name);
	if (!p->spec->rdma_cm)
		return 0;
	ret = rdma_find_cm(sysfs_of(p), &cm, e);
	return ret ? ret : give(p, &cm, e);
}

int rdma_up(struct plan *p, struct err *e)
{
	const char *name = p->rec->rdma;
	int ret = fault_point("rdma.up");

	if (!name[0])
		return 0;
	if (ret)
		return err_ret(e, ret, "give RDMA device '%s' to workspace '%s'", name,
			       p->rec->name);
	switch (rdma_find_mode(sysfs_of(p))) {
	case RDMA_FIND_ABSENT:
		ret = err_set(e, ENODEV, "this kernel has no RDMA (modprobe ib_core)");
		break;
	case RDMA_FIND_EXCLUSIVE:
		ret = move_in(p, e);
		break;
	case RDMA_FIND_SHARED:
		ret = p->settings->hardware.rdma_netns == SETTINGS_RDMA_SHARED
			      ? stay(p, e)
			      : err_set(e, EOPNOTSUPP,
					"RDMA devices are in every network namespace "
					"(sshbay doctor)");
		break;
	}
	if (ret == 0)
		ret = give_nodes(p, e);
	return ret ? err_wrap(e, "give RDMA device '%s' to workspace '%s'", name, p->rec->name) : 0;
}

/* --- the way home --- */

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

static int quarantine(const struct plan *p, const struct err *why, struct err *e)
{
	struct quarantine q = { .kind = "rdma", .since = clk_wall_s() };
	int ret;

	(void)str_copy(q.id, sizeof(q.id), p->rec->rdma);
	(void)str_copy(q.owner, sizeof(q.owner), p->rec->name);
	(void)str_format(q.name, sizeof(q.name), "%.63s", p->rec->nic.id);
	(void)str_format(q.reason, sizeof(q.reason), "%.255s", why->text);
	ret = quarantine_add(p->settings->storage.state, &q, NULL, e);
	if (ret == 0)
		log_error("RDMA device '%s' of workspace '%s' is in quarantine: %s", q.id, q.owner,
			  q.reason);
	return ret;
}

static bool unplugged(const struct plan *p)
{
	const char *id = p->rec->nic.id;
	char pci[NIC_FIND_PCI];

	if (strncmp(id, "pci:", 4) != 0)
		return false;
	(void)str_format(pci, sizeof(pci), "%.*s", (int)strcspn(id + 4, "/"), id + 4);
	return !nic_find_pci_exists(sysfs_of(p), pci);
}

/* On the host, under whichever name: udev may have another one for what appears. */
static bool is_home(const struct plan *p, struct rdma_netlink *host)
{
	struct rdma_find dev;

	if (is_there(host, p->rec->rdma))
		return true;
	if (strncmp(p->rec->nic.id, "pci:", 4) != 0 ||
	    rdma_find_of(sysfs_of(p), p->rec, NULL, &dev, NULL))
		return false;
	log_warn("RDMA device '%s' of workspace '%s' is on the host as '%s'", p->rec->rdma,
		 p->rec->name, dev.name);
	return true;
}

/* Not inside: the kernel gives it back to the host once its namespace is no more. */
static int await_home(const struct plan *p, struct rdma_netlink *host, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t end = clk_now_us() + HOME_WAIT_US;

	while (!is_home(p, host)) {
		if (unplugged(p)) {
			log_warn("return RDMA device '%s' of workspace '%s': its NIC has been "
				 "unplugged",
				 p->rec->rdma, p->rec->name);
			return 0;
		}
		if (clk_now_us() >= end)
			return err_set(e, ENODEV,
				       "return RDMA device '%s': it is neither in the workspace "
				       "nor on the host",
				       p->rec->rdma);
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int bring_home(const struct plan *p, struct rdma_netlink *host, struct rdma_netlink *in,
		      struct err *e)
{
	auto_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t index;
	int ret;

	if (home < 0)
		return err_sys(e, "open '/proc/thread-self/ns/net'");
	ret = rdma_netlink_move(in, p->rec->rdma, home, &index, e);
	/* By its number: udev may have another name for what appears on the host. */
	if (ret == 0 && !rdma_netlink_has(host, index))
		ret = err_set(e, ENODEV, "return RDMA device '%s': it did not arrive",
			      p->rec->rdma);
	return ret;
}

static int come_home(struct plan *p, struct err *e)
{
	auto_rdma_netlink struct rdma_netlink *host = NULL, *in = NULL;
	auto_fd int pin = p->netns < 0 ? open_pin(p) : -1;
	int netns = p->netns < 0 ? pin : p->netns, ret;
	struct err why = { 0 };

	ret = rdma_netlink_open(-1, &host, e);
	if (ret == -EPROTONOSUPPORT)
		return 0; /* and nothing of it: there are no devices */
	if (ret == 0 && netns >= 0)
		ret = rdma_netlink_open(netns, &in, e);
	if (ret)
		return ret;
	ret = is_there(in, p->rec->rdma) ? bring_home(p, host, in, &why)
					 : await_home(p, host, &why);
	if (ret == 0)
		ret = fault_point("rdma.home") ? err_set(&why, EIO, "injected") : 0;
	return ret ? quarantine(p, &why, e) : 0;
}

int rdma_down(struct plan *p, struct err *e)
{
	int ret = 0;

	/* In shared mode it is in all namespaces, and the mode cannot have changed while this one was there. */
	if (p->rec->rdma[0] && rdma_find_mode(sysfs_of(p)) == RDMA_FIND_EXCLUSIVE)
		ret = come_home(p, e);
	return ret ? err_wrap(e, "return RDMA device '%s' of workspace '%s'", p->rec->rdma,
			      p->rec->name)
		   : 0;
}

int rdma_recover(const struct settings *s, const char *id, bool force, struct err *e)
{
	struct rdma_find dev;
	struct quarantine q;
	int ret = quarantine_get(s->storage.state, "rdma", id, &q, e);

	if (ret == 0 && !force)
		ret = rdma_find_look(s->hardware.sysfs, id, &dev, e);
	if (ret == 0)
		ret = quarantine_remove(s->storage.state, "rdma", id, e);
	return ret ? err_wrap(e, "recover '%s'", id) : 0;
}

/* --- the host --- */

void rdma_host_up(const struct settings *s)
{
	auto_rdma_netlink struct rdma_netlink *n = NULL;
	struct err e = { 0 };
	bool exclusive;
	int ret;

	if (s->hardware.rdma_netns != SETTINGS_RDMA_SET)
		return;
	ret = rdma_netlink_open(-1, &n, &e);
	if (ret == 0)
		ret = rdma_netlink_mode(n, &exclusive, &e);
	if (ret == 0 && exclusive)
		return;
	if (ret == 0)
		ret = rdma_netlink_set_exclusive(n, &e);
	if (ret == 0)
		log_note(
			"RDMA devices belong to one network namespace each from now on ([hardware] "
			"rdma_netns = set)");
	else if (ret == -EBUSY)
		log_warn(
			"[hardware] rdma_netns = set: there are network namespaces already, so the "
			"kernel keeps its shared mode (sshbay doctor tells how to boot without "
			"it)");
	else
		log_warn("[hardware] rdma_netns = set: %s", e.text);
}
