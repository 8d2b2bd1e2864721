/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of the "ctl" conversation (ctl.h) about sources that are refused: the listener keeps their table. */
#pragma once
#include "base/ip.h"
#include <stdint.h>

#define CTL_WORST      64 /* sources that are told at most */
#define CTL_WORST_TEXT (CTL_WORST * (IP_TEXT_MAX + 16))

/* `lift`: "" to look only, "all", or a network or address whose sources have no penalty any more. */
struct ctl_look {
	uint32_t serial;
	char lift[IP_TEXT_MAX + 4];
};
struct ctl_sources {
	uint32_t serial;          /* of the CTL_LOOK */
	uint32_t refused, lifted; /* sources now refused; lifted by this */
	char worst
		[CTL_WORST_TEXT]; /* "NET SECONDS," of at most CTL_WORST of them, the worst first */
};
