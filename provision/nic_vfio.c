/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A NIC for user space, in and home.  Runs in workers.  The note is written before the first file of sysfs is, so that
 * whatever a kill leaves (an override, no driver, vfio-pci, an interface under the kernel's name) is found and undone.
 */
#include "nic_vfio.h"

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "given.h"
#include "nic_find.h"
#include "nic_home.h"
#include "nic_restore.h"
#include "nic_vf.h"
#include "vfio.h"

#define BIND_MS  5000
#define NO_INDEX 1 /* it is not inside under any number; a note has one */

static struct vfio_place place(const struct settings *s)
{
	return (struct vfio_place){ s->hardware.sysfs, s->hardware.dev, BIND_MS };
}

/* The interface on the host, by what it is leased by. */
static int find(const struct plan *p, struct netif *host, struct netif_link *link, struct err *e)
{
	struct netif_dev dev = { 0 };
	struct nic_seen seen;
	int ret = nic_find(p->settings->hardware.sysfs, p->rec->nic.id, &seen, e);

	if (ret)
		return ret;
	dev.index = seen.ifindex;
	(void)str_copy(dev.name, sizeof(dev.name), seen.name);
	return netif_get(host, &dev, link, e);
}

static int take_note(const struct plan *p, struct netif *host, struct nic_note *note, struct err *e)
{
	const struct record *rec = p->rec;
	struct netif_link link;
	int ret = find(p, host, &link, e);

	memset(note, 0, sizeof(*note));
	note->index = NO_INDEX;
	(void)str_copy(note->id, sizeof(note->id), rec->nic.id);
	if (ret == 0)
		ret = nic_home_may_leave(p->settings, host, &link, e);
	if (ret == 0)
		ret = nic_home_read(host, &link, note, e);
	if (ret == 0)
		ret = nic_vf_note(host, p->settings->hardware.sysfs, note, e);
	if (ret == 0)
		ret = vfio_look(p->settings->hardware.sysfs, rec->vfio, &note->bus, e);
	if (ret == 0 && vfio_away(&note->bus))
		ret = err_set(e, EBUSY, "it has driver '%s' and driver_override '%s'",
			      note->bus.driver, note->bus.override);
	return ret ? ret : nic_note_save(p->dir, note, e);
}

static int take(const struct plan *p, struct err *e)
{
	const struct vfio_place at = place(p->settings);
	auto_netif struct netif *host = NULL;
	struct nic_note note;
	int ret = netif_open(-1, &host, e);

	if (ret == 0)
		ret = take_note(p, host, &note, e);
	if (ret == 0)
		ret = nic_vf_give(host, p->settings->hardware.sysfs, &note, p->spec, e);
	if (ret >= 0)
		ret = fault_point("nic.noted");
	if (ret == 0)
		ret = vfio_bind(&at, p->rec->vfio, e);
	return ret ? ret : fault_point("nic.bound");
}

static int give(struct plan *p, const char *name, unsigned int minor_of, struct err *e)
{
	struct given_node n = { .mode = 0666, .access = GIVEN_READ | GIVEN_WRITE };
	int ret;

	if (name)
		(void)str_format(n.path, sizeof(n.path), "/dev/vfio/%s", name);
	else
		(void)str_format(n.path, sizeof(n.path), "/dev/vfio/%u", minor_of);
	if (str_format(n.host, sizeof(n.host), "%s%s", p->settings->hardware.dev,
		       n.path + strlen("/dev")) < 0)
		return err_set(e, ENAMETOOLONG, "give '%s': path too long", n.path);
	ret = given_look(&n, e);
	return ret ? ret : given_add_node(p, &n, e);
}

/* The container, in which a program puts its groups together, and the group. */
static int give_nodes(struct plan *p, struct err *e)
{
	const struct vfio_place at = place(p->settings);
	char env[64];
	unsigned int group;
	int ret = vfio_group(at.sysfs, p->rec->vfio, &group, e);

	if (ret == 0)
		ret = vfio_idle(&at, group, e);
	if (ret == 0)
		ret = give(p, "vfio", 0, e);
	if (ret == 0)
		ret = give(p, NULL, group, e);
	(void)str_format(env, sizeof(env), "SSHBAY_DPDK=%s", p->rec->vfio);
	if (ret == 0)
		ret = given_add_env(p, env, e);
	if (ret == 0)
		(void)str_format(p->detail, sizeof(p->detail), "dpdk = %s  /dev/vfio/%u",
				 p->rec->vfio, group);
	return ret;
}

/* A start after a stop finds it where the last one put it. */
static bool is_bound(const struct plan *p, struct nic_note *note)
{
	struct vfio_seen seen;

	return nic_note_load(p->dir, note, NULL) == 0 && strcmp(note->id, p->rec->nic.id) == 0 &&
	       vfio_look(p->settings->hardware.sysfs, p->rec->vfio, &seen, NULL) == 0 &&
	       strcmp(seen.driver, "vfio-pci") == 0;
}

/* What its physical function says of it may be configured otherwise by now. */
static int keep(const struct plan *p, const struct nic_note *note, struct err *e)
{
	auto_netif struct netif *host = NULL;
	int ret = note->pf[0] ? netif_open(-1, &host, e) : 0;

	if (ret == 0 && host)
		ret = nic_vf_give(host, p->settings->hardware.sysfs, note, p->spec, e);
	return ret < 0 ? ret : 0;
}

int nic_vfio_up(struct plan *p, struct err *e)
{
	const struct record *rec = p->rec;
	struct nic_note note;
	int ret = fault_point("nic.up");

	if (ret)
		return err_ret(e, ret, "give '%s' to workspace '%s'", rec->nic.name, rec->name);
	ret = vfio_check(p->settings->hardware.sysfs, rec->vfio, e);
	if (ret == 0)
		ret = is_bound(p, &note) ? keep(p, &note, e) : take(p, e);
	if (ret == 0)
		ret = give_nodes(p, e);
	return ret ? err_wrap(e, "give '%s' to workspace '%s'", rec->nic.name, rec->name) : 0;
}

/* ---- the way home ---- */

static int restore(const struct plan *p, const struct nic_note *note, struct netif_link *link,
		   struct err *e)
{
	auto_netif struct netif *host = NULL;
	int ret = nic_home_kernel(p->settings, p->rec->nic.id, note, e);

	if (ret == 0)
		ret = netif_open(-1, &host, e);
	if (ret == 0)
		ret = find(p, host, link, e);
	return ret ? ret : nic_restore_all(host, p->settings->hardware.sysfs, link, note, e);
}

int nic_vfio_down(struct plan *p, struct err *e)
{
	const struct record *rec = p->rec;
	struct netif_link link = { .dev = { 0 } };
	struct nic_note note;
	struct err why = { 0 };
	int ret = nic_note_load(p->dir, &note, &why);

	/* Without a note it never left. */
	if (ret == -ENOENT)
		return 0;
	if (ret)
		return err_set(e, why.code, "%s", why.text);
	if (!nic_find_pci_exists(p->settings->hardware.sysfs, rec->vfio)) {
		log_warn("return '%s' of workspace '%s': the device has been unplugged",
			 rec->nic.id, rec->name);
	} else if (restore(p, &note, &link, &why)) {
		/* Its interface may be there under another name: that is where to look for it. */
		ret = nic_home_quarantine(p, &note, link.dev.name[0] ? link.dev.name : note.name,
					  &why, e);
	}
	if (ret == 0)
		ret = fault_point("nic.home");
	if (ret == 0)
		(void)nic_note_remove(p->dir, NULL);
	return ret ? err_wrap(e, "return '%s' of workspace '%s'", rec->nic.name, rec->name) : 0;
}
