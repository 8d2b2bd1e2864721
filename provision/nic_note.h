/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known about a leased interface beyond its record, while it is away: kept in run/ws/NAME/nic, beside the pins
 * of the namespace that it is in, and gone with them at a reboot.
 */
#pragma once
#include "netif.h"

struct nic_note {
	int index;                 /* its number inside, which a tenant cannot change */
	char kind[NETIF_NAME_MAX]; /* as netif_link; "" for hardware */
	uint8_t perm_mac[6];       /* all zero: none */
	unsigned int naltnames;
	char altname[NETIF_ALTNAMES][NETIF_ALTNAME_MAX];
};

int nic_note_save(const char *dir, const struct nic_note *note, struct err *e);
/* -ENOENT when there is none. */
int nic_note_load(const char *dir, struct nic_note *note, struct err *e);
int nic_note_remove(const char *dir, struct err *e); /* none is fine */
