/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GPUs by their DRM render nodes: AMD, Intel, and drivers without hardware (vgem). */
#pragma once
#include "gpu.h"

/* Append what is there; a render node of a GPU that is in the list already is added to it. */
void gpu_drm_scan(const struct settings *s, struct gpu_list *l);
