// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From the configuration's words to an interface's identity.  Runs in provisiond's main process before a lease, and
 * only looks: what it says is true until somebody moves the interface, so the worker that moves it looks again.
 */
#include "nic_identify.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "vfio.h"

unsigned int nic_identify_vf(const char *what, unsigned int *vf)
{
	const char *at = strstr(what, "/vf");

	if (!at || at == what)
		return 0;
	*vf = (unsigned int)strtoul(at + 3, NULL, 10);
	return (unsigned int)(at - what);
}

bool nic_identify_clash(const char *a, const char *b)
{
	size_t n = strlen(NIC_IDENTIFY_MACVLAN);
	bool va = strncmp(a, NIC_IDENTIFY_MACVLAN, n) == 0,
	     vb = strncmp(b, NIC_IDENTIFY_MACVLAN, n) == 0;

	return *a && *b && !(va && vb) && strcmp(va ? a + n : a, vb ? b + n : b) == 0;
}

static int find_vf(const struct settings *s, const char *what, unsigned int len, unsigned int vf,
		   struct nic_seen *seen, struct err *e)
{
	char pf[NIC_FIND_ID], id[NIC_FIND_ID];
	int ret;

	(void)str_format(pf, sizeof(pf), "%.*s", (int)len, what);
	ret = nic_find(s->hardware.sysfs, pf, seen, e);
	if (ret == 0) {
		(void)str_copy(id, sizeof(id), "pci:");
		ret = nic_find_vf(s->hardware.sysfs, seen, vf, id + 4, e);
	}
	return ret ? ret : nic_find(s->hardware.sysfs, id, seen, e);
}

static int find(const struct settings *s, const char *what, struct nic_seen *seen, struct err *e)
{
	unsigned int vf, len = nic_identify_vf(what, &vf);

	if (len)
		return find_vf(s, what, len, vf, seen, e);
	if (strncmp(what, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0)
		what += strlen(NIC_IDENTIFY_MACVLAN);
	return nic_find(s->hardware.sysfs, what, seen, e);
}

/* What the host itself lives by is not for lease. A macvlan leaves its parent where it is. */
static int check_free(const struct settings *s, const struct nic_seen *seen, bool macvlan,
		      struct err *e)
{
	if (seen->flags & IFF_LOOPBACK)
		return err_set(e, EBUSY, "it is the loopback interface");
	if (strncmp(seen->name, "sb-", 3) == 0)
		return err_set(e, EBUSY, "it is the control plane of a workspace");
	if (!macvlan && (seen->flags & (IFF_SLAVE | IFF_MASTER)))
		return err_set(e, EBUSY, "it belongs to a bond");
	if (!macvlan && strcmp(seen->name, s->network.announce) == 0)
		return err_set(e, EBUSY, "it is the LAN interface ([network] announce)");
	if (!macvlan && nic_find_default_route(seen->name))
		return err_set(e, EBUSY, "the host's default route goes through it");
	return 0;
}

int nic_identify(const struct settings *s, const char *what, struct record *rec,
		 struct nic_seen *seen, struct err *e)
{
	bool macvlan = strncmp(what, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
	struct nic_seen mine = { 0 }, *out = seen ? seen : &mine;
	struct vfio_seen bus;
	int ret;

	memset(&rec->nic, 0, sizeof(rec->nic));
	ret = find(s, what, out, e);
	if (ret == -ENODEV && strncmp(what, "pci:", 4) == 0 && !strchr(what, '/') &&
	    vfio_look(s->hardware.sysfs, what + 4, &bus, NULL) == 0)
		return err_set(e, ENODEV, "lease '%s': it has no interface (driver: %s)", what,
			       bus.driver[0] ? bus.driver : "none");
	if (ret == -ENODEV && !strstr(what, "/vf"))
		return err_set(e, ENODEV, "lease '%s': no such interface", what);
	if (ret == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP, "lease '%s': not an Ethernet interface", what);
	if (ret == 0)
		ret = check_free(s, out, macvlan, e);
	if (ret)
		return err_wrap(e, "lease '%s'", what);
	(void)str_format(rec->nic.id, sizeof(rec->nic.id), "%s%s",
			 macvlan ? NIC_IDENTIFY_MACVLAN : "", out->id);
	(void)str_copy(rec->nic.name, sizeof(rec->nic.name), out->name);
	memcpy(rec->nic.mac, out->mac, 6);
	rec->nic.mtu = out->mtu;
	rec->nic.flags = out->flags;
	rec->nic.speed = out->speed;
	memcpy(rec->nic.driver, out->driver, sizeof(rec->nic.driver));
	memcpy(rec->nic.firmware, out->firmware, sizeof(rec->nic.firmware));
	rec->nic.ifindex = out->ifindex;
	return 0;
}
