/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GPUs of the host, found without any vendor's library below the roots that [hardware] names.  A GPU's identity is its
 * UUID where the driver tells one, else its PCI address; an instance of a partitioned one is "ID/giN/ciN".  Looks only:
 * provisiond's main process may call everything here.
 */
#pragma once
#include "base/err.h"
#include "settings.h"
#include <stdbool.h>

#define GPU_MAX       96 /* instances included */
#define GPU_ID_MAX    72
#define GPU_PCI_MAX   16
#define GPU_NODES_MAX 6
#define GPU_NODE_MAX  48

/* A node below [hardware] dev. Own ones belong to this GPU alone; a process that holds one keeps the GPU busy. */
struct gpu_node {
	char name[GPU_NODE_MAX]; /* "nvidia0", "dri/renderD128" */
	unsigned int major, minor;
	bool own;
};
struct gpu {
	char id[GPU_ID_MAX];
	char pci[GPU_PCI_MAX]; /* "" when it is on no PCI bus */
	char vendor[8];        /* nvidia, amd, intel, drm */
	char model[64];
	int index;       /* among whole GPUs, in the order of their PCI addresses */
	unsigned int nv; /* minor number of an NVIDIA one */
	bool instance, partitioned;
	struct gpu_node nodes[GPU_NODES_MAX];
	unsigned int nnodes;
};
struct gpu_list {
	struct gpu g[GPU_MAX];
	unsigned int n;
};

/* All there are, sorted. Entries that make no sense are left out; none at all is no error. */
int gpu_scan(const struct settings *s, struct gpu_list *out, struct err *e);
/* By index, UUID, PCI address (with or without "pci:"), each with "/giN/ciN" for an instance. NULL: no such. */
const struct gpu *gpu_find(const struct gpu_list *l, const char *word);
/* Has a comma list of ids something that only one can have in common with another: an id, or an instance of it? */
bool gpu_clash(const char *ids, const char *others);
/* Version of the NVIDIA driver that runs, "" when there is none. */
void gpu_driver(const struct settings *s, char *buf, size_t size);
/* The GPU that a comma list of ids begins with; its PCI address ("" unknown). */
void gpu_pci(const struct settings *s, const char *ids, char pci[GPU_PCI_MAX]);

/* For gpu_nvidia.c and gpu_drm.c: append a node; its numbers are the file's below [hardware] dev, else those given. */
void gpu_add_node(const struct settings *s, struct gpu *g, const struct gpu_node *n);
/* A new entry, or NULL when there are GPU_MAX. */
struct gpu *gpu_new(struct gpu_list *l);
/* 0000:41:00.0 */
bool gpu_is_pci(const char *text);
/* Read a file below `root`, cut at its end of line when `line`. false: not there, or too large. */
bool gpu_read(const char *root, const char *path, bool line, char *buf, size_t size);
