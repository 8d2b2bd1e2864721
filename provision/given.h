/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a workspace is given of the host's devices: nodes, files, links, environment.  Steps before `init` (gpu, nic) put
 * the list together in their worker; rootfs_enter shows it inside, limits_device.c lets exactly these nodes be opened,
 * devices.c proves it.  Nothing here reads a file of a tenant's.
 */
#pragma once
#include "plan.h"

#include <sys/types.h>

#define GIVEN_NODES_MAX   64
#define GIVEN_MOUNTS_MAX  192
#define GIVEN_LINKS_MAX   64
#define GIVEN_FOLDERS_MAX 16
#define GIVEN_TEXTS_MAX   20
#define GIVEN_PATH_MAX    256
#define GIVEN_NODE_MAX    96

enum given_access { GIVEN_READ = 1, GIVEN_WRITE = 2, GIVEN_MKNOD = 4 };

/* A node of the workspace's own: made by us, so that owner and mode can be its own while the host's stay as they are. */
struct given_node {
	char path[GIVEN_NODE_MAX]; /* inside: "/dev/nvidia0" */
	char host[GIVEN_NODE_MAX]; /* the host's node, only for messages; may be "" */
	bool block;
	unsigned int major, minor;
	mode_t mode;         /* 0666 when anybody inside may open it */
	uint32_t uid, gid;   /* ids inside */
	unsigned int access; /* enum given_access */
};
/* A file or directory of the host: shown read-only, nosuid, nodev. */
struct given_mount {
	char host[GIVEN_PATH_MAX], path[GIVEN_PATH_MAX];
};
struct given_link {
	char target[GIVEN_PATH_MAX], path[GIVEN_PATH_MAX];
};
/* A file below /proc/driver/nvidia inside; everything there that is not given is hidden. */
struct given_text {
	char path[GIVEN_NODE_MAX]; /* relative: "gpus/0000:41:00.0/information" */
	char text[2048];
};

struct given {
	struct given_node nodes[GIVEN_NODES_MAX];
	struct given_mount mounts[GIVEN_MOUNTS_MAX];
	struct given_link links[GIVEN_LINKS_MAX];
	struct given_text texts[GIVEN_TEXTS_MAX];
	char folders[GIVEN_FOLDERS_MAX][GIVEN_PATH_MAX]; /* for the dynamic linker */
	char env[8192];                                  /* "NAME=value", each with its NUL */
	char compat
		[32]; /* version of the host's driver, for which libraries of the workspace may be newer; "" none */
	char rdma[64],
		uverbs[32]; /* RDMA device and its node, the only ones that /sys/class shows */
	bool rdma_alone; /* the kernel itself shows the workspace no other one (exclusive mode) */
	unsigned int nnodes, nmounts, nlinks, nfolders, ntexts;
	size_t nenv;
};

/*
 * Add to the plan's list. The same thing twice is one; the same place for two things is -EEXIST, a bad path -EINVAL, too
 * many -E2BIG. Nodes must be below /dev; mounts and links may not be below /dev, /proc or /sys.
 */
int given_add_node(struct plan *p, const struct given_node *n, struct err *e);
int given_add_mount(struct plan *p, const char *host, const char *path, struct err *e);
int given_add_link(struct plan *p, const char *target, const char *path, struct err *e);
int given_add_folder(struct plan *p, const char *path, struct err *e);
int given_add_text(struct plan *p, const char *path, const char *text, struct err *e);
int given_add_env(struct plan *p, const char *entry, struct err *e);
/* The mode of a node that is in the list; of anything else: nothing. */
void given_set_mode(struct plan *p, const char *path, mode_t mode);
/*
 * Where the workspace's own /usr/local/cuda/compat has a libcuda.so.N.. newer than the host's driver ("535.104.05"), that
 * folder is to come first for the dynamic linker.
 */
int given_set_compat(struct plan *p, const char *version, struct err *e);
/* Fill n->major, minor, block from the host's node n->host (-ENODEV when it is none). */
int given_look(struct given_node *n, struct err *e);
/* The node that has this device number, or NULL. */
const struct given_node *given_find(const struct plan *p, mode_t type, dev_t rdev);
