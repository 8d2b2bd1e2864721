/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `gpu`: what a lease (rec->gpus) means on the host.  Up: nobody else holds the GPU, and the plan's list has what it
 * needs.  Down, when every process inside is gone: nobody holds it still, else it goes into quarantine.  What was given
 * is noted in run/ws/NAME/gpu.
 */
#pragma once
#include "plan.h"

int gpu_lease_up(struct plan *p, struct err *e);
int gpu_lease_down(struct plan *p, struct err *e);
/* For a running workspace: a sentence when the host's driver is no more the one whose files it has; else "". */
void gpu_lease_driver(const struct settings *s, const char *name, char *buf, size_t size);
/* Look again at a GPU in quarantine, and lift that when it is free. -EBUSY with who holds it. In workers only. */
int gpu_lease_recover(const struct settings *s, const char *id, struct err *e);
