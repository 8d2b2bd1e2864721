/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a living ws-init without its record: by the pinned namespaces that are named after the workspace. */
#pragma once
#include "registry.h"

/*
 * Is there a ws-init inside of the namespaces pinned at run/ws/NAME? Then fill init_pid, init_start and ns_* of the
 * record. Looks at every process: only for a record whose last generation is damaged.
 */
bool recover_init_find(struct workspace *ws);
