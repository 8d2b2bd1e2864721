/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a workspace is given for its GPU: by its CDI device where there is one, else by what the driver's files say. */
#pragma once
#include "given.h"
#include "gpu_note.h"

/* Fill p->given for p->rec->gpus, the note of what that is, and p->detail. Runs in workers. */
int gpu_give(struct plan *p, struct gpu_note *note, struct err *e);
