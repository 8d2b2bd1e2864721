/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * class/drm/renderD* below [hardware] sysfs: one render node per GPU.  A workspace gets this node and, of AMD, /dev/kfd;
 * never the card node, which sets modes and shows what is on the screen.  Runs where gpu.c runs; looks only.
 */
#include "gpu_drm.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CLASS "class/drm"

static const struct {
	const char *id, *vendor;
} vendors[] = { { "0x1002", "amd" }, { "0x8086", "intel" }, { "0x10de", "nvidia" } };

static void find_pci(const struct settings *s, const char *node, struct gpu *g)
{
	static const char key[] = "PCI_SLOT_NAME=";
	char path[128], text[1024], *at;

	(void)str_format(path, sizeof(path), CLASS "/%s/device/uevent", node);
	if (!gpu_read(s->hardware.sysfs, path, false, text, sizeof(text)))
		return;
	at = strstr(text, key);
	if (!at || (at != text && at[-1] != '\n'))
		return;
	at += sizeof(key) - 1;
	at[strcspn(at, "\n")] = '\0';
	if (gpu_is_pci(at))
		(void)str_copy(g->pci, sizeof(g->pci), at);
}

/* What it is when it is on no bus: the name of its device ("vgem"), else of its node. */
static void find_name(const struct settings *s, const char *node, struct gpu *g)
{
	char path[PATH_MAX], target[PATH_MAX], vis[48];
	const char *base = node;
	ssize_t n = -1;

	if (str_format(path, sizeof(path), "%s/" CLASS "/%s/device", s->hardware.sysfs, node) == 0)
		n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		base = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	}
	if (!*base || base[strspn(base, "abcdefghijklmnopqrstuvwxyz0123456789_.-")])
		base = node;
	(void)str_format(g->id, sizeof(g->id), "drm:%s",
			 str_vis(base, strlen(base), vis, sizeof(vis)));
	(void)str_copy(g->model, sizeof(g->model), vis);
}

static void describe(const struct settings *s, const char *node, struct gpu *g)
{
	char path[128], text[64];

	(void)str_copy(g->vendor, sizeof(g->vendor), "drm");
	(void)str_format(path, sizeof(path), CLASS "/%s/device/vendor", node);
	if (gpu_read(s->hardware.sysfs, path, true, text, sizeof(text)))
		for (unsigned int i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
			if (!strcasecmp(text, vendors[i].id))
				(void)str_copy(g->vendor, sizeof(g->vendor), vendors[i].vendor);
	(void)str_format(path, sizeof(path), CLASS "/%s/device/product_name", node);
	if (gpu_read(s->hardware.sysfs, path, true, text, sizeof(text)) && text[0])
		str_vis(text, strlen(text), g->model, sizeof(g->model));
}

static struct gpu *known(struct gpu_list *l, const char *pci)
{
	for (unsigned int i = 0; i < l->n && pci[0]; i++)
		if (!l->g[i].instance && !strcasecmp(l->g[i].pci, pci))
			return &l->g[i];
	return NULL;
}

static void one(const struct settings *s, struct gpu_list *l, const char *name)
{
	struct gpu_node node = { .own = true }, kfd = { .name = "kfd" };
	struct gpu found = { 0 }, *g;
	char path[128], dev[32], end;

	(void)str_format(path, sizeof(path), CLASS "/%s/dev", name);
	if (!gpu_read(s->hardware.sysfs, path, true, dev, sizeof(dev)) ||
	    sscanf(dev, "%u:%u%c", &node.major, &node.minor, &end) != 2 ||
	    str_format(node.name, sizeof(node.name), "dri/%s", name) < 0)
		return;
	find_pci(s, name, &found);
	g = known(l, found.pci);
	if (!g) {
		find_name(s, name, &found);
		describe(s, name, &found);
		if (found.pci[0])
			(void)str_copy(found.id, sizeof(found.id), found.pci);
		g = gpu_new(l);
		if (!g)
			return;
		*g = found;
	}
	gpu_add_node(s, g, &node);
	if (!strcmp(g->vendor, "amd"))
		gpu_add_node(s, g, &kfd);
}

void gpu_drm_scan(const struct settings *s, struct gpu_list *l)
{
	char path[PATH_MAX];
	auto_dir DIR *d = NULL;

	if (str_format(path, sizeof(path), "%s/" CLASS, s->hardware.sysfs) < 0 ||
	    !(d = opendir(path)))
		return;
	for (const struct dirent *entry; (entry = readdir(d));) {
		const char *name = entry->d_name;

		if (!strncmp(name, "renderD", 7) && name[7] && strlen(name) <= 12 &&
		    !name[7 + strspn(name + 7, "0123456789")])
			one(s, l, name);
	}
}
