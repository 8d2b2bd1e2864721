/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount points and links that a workspace was given stay in its own files when it stops: after an upgrade of the host's
 * driver they are of another version. STATE/workspaces/NAME/given names them, so that the next start removes them.
 */
#pragma once
#include "given.h"

/* As the host's root: *old is what was noted (to be freed, NULL = nothing), and the plan's list takes its place. */
int given_left_swap(const struct plan *p, char **old, struct err *e);
/* As the workspace's root: remove what is in `old`, not in the plan's list, and still as we made it. */
void given_left_remove(const struct plan *p, const char *old);
