/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount points and links that a workspace was given stay in its own files when it stops: after an upgrade of the host's
 * driver they are of another version. STATE/workspaces/NAME/given names them, so that the next start removes them. It is
 * written before anything of it is made, and names what is to be removed until that is done: whatever a start that fails,
 * or is killed, leaves behind is named.
 */
#pragma once
#include "given.h"

/*
 * As the host's root, before the plan's list is shown inside: *old is what was noted (to be freed, NULL = nothing), and
 * the note becomes that and the plan's list. -EFBIG when starts that failed left too much to note.
 */
int given_left_note(const struct plan *p, char **old, struct err *e);
/* As the workspace's root: remove what is in `old`, not in the plan's list, and still as we made it. */
void given_left_remove(const struct plan *p, const char *old);
/* As the host's root, when the workspace is complete: the note is the plan's list, or there is none. */
int given_left_settle(const struct plan *p, struct err *e);
