/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding interfaces of the caller's network namespace by what stays the same about them. ioctl(2) and /proc only. */
#pragma once
#include "base/err.h"
#include <stdint.h>

#define NIC_FIND_NAME 16

enum nic_find_by { NIC_FIND_MAC, NIC_FIND_PCI }; /* MAC: the present or the permanent one */

/* Name of the interface with this "aa:bb:.." or "0000:29:00.0"; -ENODEV none, -ENOTUNIQ several. */
int nic_find(enum nic_find_by by, const char *what, char name[NIC_FIND_NAME], struct err *e);
/* The same for a MAC in bytes. */
int nic_find_mac(const uint8_t mac[6], char name[NIC_FIND_NAME], struct err *e);
/* 1 when a default route of the host (IPv4 or IPv6) goes through `name`, else 0. */
int nic_find_default_route(const char *name);
