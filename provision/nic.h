/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `nic`: lease a named host interface, move it into the workspace as data0 with its address and MTU in one
 * request, and bring it home: back to the host's namespace under its recorded name, MAC, MTU and flags.
 */
#pragma once
#include "plan.h"

int nic_up(struct plan *p, struct err *e);
int nic_down(struct plan *p, struct err *e);
