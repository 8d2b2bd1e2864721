/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a configuration's word for a NIC means on this host, and whether it may be leased at all. Looks only. */
#pragma once
#include "nic_find.h"
#include "record.h"
#include "settings.h"

/*
 * Fill rec->nic (all but `asked`) for NAME, pci:.., mac:.., NIC/vfN or macvlan:NAME; `seen`, unless NULL, gets what was
 * seen of it (of the parent, for a macvlan).  -ENODEV when it is not on the host, -EBUSY when the host itself needs it.
 */
int nic_identify(const struct settings *s, const char *what, struct record *rec,
		 struct nic_seen *seen, struct err *e);

#define NIC_IDENTIFY_MACVLAN                                                                       \
	"macvlan:" /* before the parent's id, and before its name in the configuration */
/* Do two ids stand for something that only one can have? Several macvlans may share a parent. */
bool nic_identify_clash(const char *a, const char *b);
/* Split "NIC/vfN": the length of NIC and N in *vf. 0 when it is no virtual function. */
unsigned int nic_identify_vf(const char *what, unsigned int *vf);
