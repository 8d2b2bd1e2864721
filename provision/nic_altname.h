/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces by an alternative name.  ioctl(2) knows names of up to 15 characters, alternative ones have up to 127 (an
 * interface on PCI domain 65540 is enP65540p0s0f0np0 to udev): those are for rtnetlink alone.
 */
#pragma once
#include "base/err.h"

#define NIC_ALTNAME_MAX 64 /* that a configuration may name, with NUL */

/*
 * Index of the interface that is called so in the caller's network namespace. -ENODEV none. One question, which the kernel
 * answers before it returns: provisiond's main process may ask.
 */
int nic_altname_index(const char *name, struct err *e);
