/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The leases of GPUs and of the cpus near a device, in provisiond's main process. The records are the leases. */
#pragma once
#include "gpu.h"
#include "registry.h"

/*
 * rec->gpus for spec->gpu ("none" clears it): found on the host, refused when another record holds it or it is in
 * quarantine. With `auto` the one that the record has already, else the first free one of [pool] gpus. Whether a process
 * of the host uses it is the worker's to find out.
 */
int allocate_gpu(struct registry *r, struct workspace *ws, const struct spec *spec,
		 struct record *rec, struct err *e);
/*
 * rec->cpus for cpus = auto:nic and auto:gpu (after rec->nic and rec->gpus are known): all cpus near the device, refused
 * when another workspace was given one of them in this way. Any other value clears it, and so does an optional NIC that is
 * missing.
 */
int allocate_cpus(struct registry *r, struct workspace *ws, const struct spec *spec,
		  struct record *rec, struct err *e);
/* Whose lease clashes with one of these GPUs; NULL: nobody's (but that of `ws`, which may be NULL). */
const struct workspace *allocate_gpu_holder(const struct registry *r, const struct workspace *ws,
					    const char *ids);
/* May gpu = auto take this one ([pool] gpus)? */
bool allocate_gpu_in_pool(const struct settings *s, const struct gpu_list *l, const struct gpu *g);
