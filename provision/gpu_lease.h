/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `gpu`: what a lease (rec->gpus) means on the host.  Up: nobody else holds the GPU, and the plan's list has what it
 * needs.  Down, when every process inside is gone: nobody holds it still, else it goes into quarantine as dirty.  What was
 * given is noted in run/ws/NAME/gpu (gpu_note.h).
 */
#pragma once
#include "plan.h"

#define GPU_LEASE_DIRTY "dirty" /* how the reason of such a quarantine begins */

int gpu_lease_up(struct plan *p, struct err *e);
int gpu_lease_down(struct plan *p, struct err *e);
/*
 * For a running workspace: a sentence when the host's driver, or what CDI says of its device, is no more what it was given;
 * else "". Reads a few files: provisiond's main process may call it.
 */
void gpu_lease_changed(const struct settings *s, const char *name, char *buf, size_t size);
/* Look again at a GPU in quarantine, and lift that when it is free. -EBUSY with who holds it. In workers only. */
int gpu_lease_recover(const struct settings *s, const char *id, struct err *e);
/* The same for every dirty one, without waiting; that one is held still is no error. In workers only. */
int gpu_lease_recover_dirty(const struct settings *s, struct err *e);
