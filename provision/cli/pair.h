/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `sshbay pair` and `sshbay bench` check alike before anything is sent. */
#pragma once
#include "finding.h"
#include "pair_facts.h"

/*
 * Take two names of different workspaces from the operands. 0, or CLI_USAGE (printed).
 */
int pair_names(int argc, char **argv, char names[2][STR_NAME_MAX]);
/*
 * Look at both ends, and check that both run and have a data0 with carrier, matching speed and MTU, and addresses in one
 * subnet. Findings go to `fs`. 1: frames can be sent; 0: they cannot, the findings tell why; -1: neither end could be
 * asked, *status is the exit status (printed).
 */
int pair_check(struct cli *c, struct pair_end ends[2], char names[2][STR_NAME_MAX],
	       struct findings *fs, int *status);
