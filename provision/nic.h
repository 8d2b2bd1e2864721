/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `nic`: move the leased host interface into the workspace as data0, set up as configured, and bring it home as it
 * was; or make a macvlan of it there.  What cannot be given back as it was goes into quarantine.
 */
#pragma once
#include "plan.h"

int nic_up(struct plan *p, struct err *e);
/* 0 also when the interface went into quarantine (quarantine.h): the workspace no longer has it. */
int nic_down(struct plan *p, struct err *e);
