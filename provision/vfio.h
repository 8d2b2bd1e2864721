/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI functions between their kernel driver and vfio-pci (Documentation/driver-api/vfio.rst), below a root of sysfs.
 * What a process does with a device of vfio reaches memory through the IOMMU alone; so there must be one, it must be in
 * use, and what it cannot keep apart (an IOMMU group) goes to one workspace.  Neither uio nor /dev/mem nor /dev/port is
 * ever a way: they have no IOMMU.  Groups and /dev/vfio/N, which all kernels have; the iommufd of kernel 6.2 is not needed.
 *
 * vfio_look, _group and _check only read sysfs: provisiond's main process may call them.  The rest is for workers.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

#define VFIO_NAME_MAX 32

struct vfio_place {
	const char *sysfs, *dev; /* [hardware] */
	unsigned int wait_ms;    /* for a driver, and for the last user of a group */
};

struct vfio_seen {
	char driver[VFIO_NAME_MAX];   /* "" none */
	char override[VFIO_NAME_MAX]; /* driver_override, "" none */
};

/* Driver and override of a function. -ENODEV when there is no such function. */
int vfio_look(const char *sysfs, const char *pci, struct vfio_seen *out, struct err *e);
/* Is the function not with a driver of the kernel's: at vfio-pci, on the way there, or with none? */
bool vfio_away(const struct vfio_seen *seen);
/* Its IOMMU group. -EOPNOTSUPP without a real one. */
int vfio_group(const char *sysfs, const char *pci, unsigned int *group, struct err *e);
/* Is there vfio-pci, and no way around the IOMMU (enable_unsafe_noiommu_mode, allow_unsafe_interrupts)? -EOPNOTSUPP. */
int vfio_usable(const char *sysfs, struct err *e);
/*
 * May the function be given to a tenant?  -EOPNOTSUPP when not vfio_usable, or without a group; -EBUSY for one that has
 * virtual functions, or with the name of what the host uses in its group.
 */
int vfio_check(const char *sysfs, const char *pci, struct err *e);
/* Take the function from its driver and give it to vfio-pci. The netdev ends with that. Nothing is undone on failure. */
int vfio_bind(const struct vfio_place *at, const char *pci, struct err *e);
/*
 * The way back, from wherever it was left: nobody has the group open (-EBUSY with who, after wait_ms), the function is
 * reset, has the driver_override that it had (`was`), and again a kernel driver: `was->driver`, unless that is "".
 */
int vfio_release(const struct vfio_place *at, const char *pci, const struct vfio_seen *was,
		 struct err *e);
/* Does a process of the host have the group open? -EBUSY with who. */
int vfio_idle(const struct vfio_place *at, unsigned int group, struct err *e);
