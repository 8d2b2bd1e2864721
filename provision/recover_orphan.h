/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workspaces that run although nobody has a record of them: it was lost, with the generation before. */
#pragma once
#include "registry.h"

/*
 * Make a record for each run/ws/NAME that has none: it says that the workspace is to be taken down and that what it
 * leased is to go home; its files stay, with the ids that own them.  After the records and files have been looked at.
 */
void recover_orphan_all(struct registry *r);
