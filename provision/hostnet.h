/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host-wide network as provisiond needs it at start and after a reload. Runs in a child: libnl aborts on misuse. */
#pragma once
#include "base/err.h"
#include "settings.h"

/* net_host_up, then announce the addresses that the records hold: stopped workspaces answer on the LAN as well. */
int hostnet_up(const struct settings *s, struct err *e);
