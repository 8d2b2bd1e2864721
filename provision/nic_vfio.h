/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `nic` with dpdk = yes: instead of moving in, the interface's PCI function is bound to vfio-pci and the workspace
 * gets the node of its IOMMU group; on the way home its kernel driver has it again, and the interface is given back like
 * any other (nic_home.h). rec->vfio is its address.
 */
#pragma once
#include "plan.h"

int nic_vfio_up(struct plan *p, struct err *e);
/* 0 also when the NIC went into quarantine, at vfio-pci or elsewhere: the workspace no longer has it. */
int nic_vfio_down(struct plan *p, struct err *e);
