/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks of CDI are programs that a container runtime runs as the host's root.  A workspace runs none of them: they could do
 * nothing in its user namespace. What the known ones (nvidia-cdi-hook, nvidia-ctk hook) are for is done in other ways.
 */
#pragma once
#include "cdi.h"
#include "plan.h"

enum gpu_hook {
	GPU_HOOK_UNKNOWN,
	GPU_HOOK_LINKS, /* create-symlinks: given_add_link() */
	GPU_HOOK_FOLDERS, /* update-ldcache, create-soname-symlinks: ws-init runs ldconfig over them, which makes both */
	GPU_HOOK_COMPAT, /* enable-cuda-compat: given_set_compat() */
	GPU_HOOK_MODE,   /* chmod: of nodes; folders below /dev are 0755 anyhow */
	GPU_HOOK_DONE,   /* disable-device-node-modification: always so (gpu_nvidia_texts) */
};

/* Which one it is; *name: what it is called, not escaped. */
enum gpu_hook gpu_hook_kind(const struct cdi_hook *h, const char **name);
/* The effects of a known one, after the nodes are in the plan's list; nothing for others. */
int gpu_hook_give(struct plan *p, const struct cdi_hook *h, struct err *e);
