// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a physical function says of one of its virtual ones while that is leased, and before and after. Runs in workers. */
#include "nic_vf.h"

#include <linux/if_ether.h>
#include <string.h>

#include "base/str.h"
#include "nic_find.h"

static int find_pf(const char *sysfs, const char *id, struct netif_dev *pf, struct err *e)
{
	struct nic_seen seen;
	int ret = nic_find(sysfs, id, &seen, e);

	if (ret)
		return err_wrap(e, "find the physical function '%s'", id);
	pf->index = seen.ifindex;
	return str_copy(pf->name, sizeof(pf->name), seen.name);
}

int nic_vf_note(struct netif *host, const char *sysfs, struct nic_note *note, struct err *e)
{
	char pci[NIC_FIND_PCI];
	struct netif_dev pf;
	uint32_t vf;
	int ret;

	note->pf[0] = '\0';
	if (strncmp(note->id, "pci:", 4) != 0 || !nic_find_pf(sysfs, note->id + 4, pci, &vf))
		return 0;
	(void)str_format(note->pf, sizeof(note->pf), "pci:%s", pci);
	ret = find_pf(sysfs, note->pf, &pf, e);
	return ret ? ret : netif_vf_get(host, &pf, vf, &note->vf, e);
}

/* 1: changed, and seen to be. */
static int make(struct netif *host, const char *sysfs, const char *id, const struct netif_vf *want,
		struct err *e)
{
	struct netif_vf now;
	struct netif_dev pf;
	const char *what;
	int ret = find_pf(sysfs, id, &pf, e);

	if (ret == 0)
		ret = netif_vf_get(host, &pf, want->vf, &now, e);
	if (ret || !netif_vf_difference(&now, want))
		return ret;
	netif_vf_set(host, &pf, &now, want);
	ret = netif_commit(host, e);
	if (ret == 0)
		ret = netif_vf_get(host, &pf, want->vf, &now, e);
	if (ret)
		return ret;
	what = netif_vf_difference(&now, want);
	return what ? err_set(e, EIO,
			      "set the %s of virtual function %u of '%s': the driver did not "
			      "take it",
			      what, want->vf, pf.name)
		    : 1;
}

int nic_vf_give(struct netif *host, const char *sysfs, const struct nic_note *note,
		const struct spec *spec, struct err *e)
{
	static const uint8_t none[6];
	struct netif_vf want = note->vf;

	if (!note->pf[0])
		return 0;
	if (memcmp(spec->vf_mac, none, 6) != 0)
		memcpy(want.mac, spec->vf_mac, 6);
	if (want.vlan != spec->vf_vlan)
		want.qos = 0;
	want.vlan = spec->vf_vlan;
	want.vlan_proto = ETH_P_8021Q;
	want.spoofcheck = spec->vf_spoofcheck;
	want.trust = spec->vf_trust;
	return make(host, sysfs, note->pf, &want, e);
}

int nic_vf_restore(struct netif *host, const char *sysfs, const struct nic_note *note,
		   struct err *e)
{
	int ret = note->pf[0] ? make(host, sysfs, note->pf, &note->vf, e) : 0;

	return ret < 0 ? ret : 0;
}

bool nic_vf_rules_mac(const struct nic_note *note)
{
	static const uint8_t none[6];

	return note->pf[0] && memcmp(note->vf.mac, none, 6) != 0 &&
	       memcmp(note->vf.mac, note->mac, 6) != 0;
}
