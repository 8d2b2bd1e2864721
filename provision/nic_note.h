/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known about a leased interface beyond its record, while it is away: all that it is given back as.  Kept in
 * run/ws/NAME/nic, beside the pins of the namespace that it is in, and gone with them at a reboot; and beside its entry
 * in quarantine.
 */
#pragma once
#include "ethtool.h"
#include "netif_raw.h"
#include "netif_vf.h"
#include "vfio.h"

#define NIC_NOTE_TEXT 65536

struct nic_note {
	int index;                 /* its number inside, which a tenant cannot change */
	char kind[NETIF_NAME_MAX]; /* as netif_link; "" for hardware */
	char id[80], name[NETIF_NAME_MAX];
	uint8_t mac[6], perm_mac[6]; /* perm_mac all zero: none */
	uint32_t mtu, flags, txqlen, tuning[NETIF_TUNINGS];
	char alias[NETIF_ALIAS_MAX];
	unsigned int naltnames;
	char altname[NETIF_ALTNAMES][NETIF_ALTNAME_MAX];
	struct ethtool_state driver;
	struct netif_raws raws; /* addresses and routes */
	char pf[80];            /* the id of a virtual function's physical one, "" for others */
	struct netif_vf vf;
	struct vfio_seen
		bus; /* who drove it before vfio-pci did; driver "": it never was at vfio-pci */
};

int nic_note_save(const char *dir, const struct nic_note *note, struct err *e);
/* -ENOENT when there is none. */
int nic_note_load(const char *dir, struct nic_note *note, struct err *e);
int nic_note_remove(const char *dir, struct err *e); /* none is fine */
/* The same as text of at most NIC_NOTE_TEXT bytes; parsing changes `text`. */
int nic_note_print(const struct nic_note *note, char *buf, size_t size);
int nic_note_parse(char *text, struct nic_note *note, struct err *e);
