/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NVIDIA's GPUs and their MIG instances, as driver/nvidia below [hardware] proc describes them. */
#pragma once
#include "gpu.h"

/* Append what is there. */
void gpu_nvidia_scan(const struct settings *s, struct gpu_list *l);
/* Names below [hardware] dev of the nodes that all GPUs share; NULL ends the list. */
extern const char *const gpu_nvidia_control[];
/*
 * What may be seen of driver/nvidia inside: `path` and text of each file, by callback. `params` says that nobody inside
 * has to make nodes (ModifyDeviceFiles: 0), as the driver's tools would try.
 */
int gpu_nvidia_texts(const struct settings *s, const struct gpu *g,
		     int (*fn)(void *ctx, const char *path, const char *text), void *ctx);
