/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What programs inside use without the kernel in between: a NIC at vfio-pci, huge pages.  Part of the lease, in
 * provisiond's main process; only reads sysfs.
 */
#pragma once
#include "registry.h"

/*
 * rec->vfio for spec->dpdk, after rec->nic: refused unless the NIC is a PCI function of its own that may be given
 * (vfio_check), and nobody else has its IOMMU group.  "" without dpdk, and without a NIC (nic_policy = optional).
 */
int allocate_direct_vfio(struct registry *r, struct workspace *ws, const struct spec *spec,
			 struct record *rec, struct err *e);
/* rec->hugepages_*: refused when the host's pages are not enough for everybody who is promised some. */
int allocate_direct_hugepages(struct registry *r, struct workspace *ws, const struct spec *spec,
			      struct record *rec, struct err *e);
