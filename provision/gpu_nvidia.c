/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NVIDIA's kernel driver says all that a lease needs below /proc/driver/nvidia: gpus/PCI/information (model, UUID,
 * minor), capabilities/gpuN/mig/giN/ciN/access (minors of capability nodes).  Runs where gpu.c runs; looks only.
 */
#include "gpu_nvidia.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

#define BASE     "driver/nvidia"
#define MAJOR    195 /* Documentation/admin-guide/devices.txt */
#define TEXT_MAX 2048

const char *const gpu_nvidia_control[] = { "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools",
					   "nvidia-modeset", NULL };

/* "Key:   value" of a text of such lines. false: no such line. */
static bool value_of(const char *text, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);

	for (const char *l = text; *l; l += strcspn(l, "\n"), l += *l == '\n') {
		if (strncmp(l, key, n) != 0 || l[n] != ':')
			continue;
		l += n + 1;
		l += strspn(l, " \t");
		str_vis(l, strcspn(l, "\n"), buf, size);
		n = strlen(buf);
		while (n && buf[n - 1] == ' ')
			buf[--n] = '\0';
		return n != 0;
	}
	return false;
}

static bool is_uuid(const char *text)
{
	static const char pattern[] = "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != sizeof(pattern) - 1)
		return false;
	for (unsigned int i = 0; pattern[i]; i++)
		if (pattern[i] == 'x' ? !strchr("0123456789abcdefABCDEF", text[i])
				      : pattern[i] != text[i])
			return false;
	return true;
}

/* The major number that the driver has today, by a line of PROC/devices ("195 nvidia-frontend"). */
static unsigned int major_of(const struct settings *s, const char *driver, unsigned int otherwise)
{
	char text[8192], name[64];
	unsigned int n;

	if (!gpu_read(s->hardware.proc, "devices", false, text, sizeof(text)))
		return otherwise;
	for (const char *l = text; *l; l += strcspn(l, "\n"), l += *l == '\n')
		if (sscanf(l, "%u %63s", &n, name) == 2 && n < 4096 && !strcmp(name, driver))
			return n;
	return otherwise;
}

static bool number_of(const char *text, const char *key, unsigned int *out)
{
	char word[32];
	uint64_t n;

	if (!value_of(text, key, word, sizeof(word)) || num_u64(word, 0, 0xfffff, &n, NULL) < 0)
		return false;
	*out = (unsigned int)n;
	return true;
}

/* "gpu0/gi1/ci0/access 13" */
static bool in_minors(const struct settings *s, const char *path, unsigned int *out)
{
	char text[65536], *at, name[96];
	uint64_t n;

	(void)str_format(name, sizeof(name), "%s ", path);
	if (!gpu_read(s->hardware.proc, "driver/nvidia-caps/mig-minors", false, text, sizeof(text)))
		return false;
	for (at = strstr(text, name); at && at != text && at[-1] != '\n';)
		at = strstr(at + 1, name);
	if (!at)
		return false;
	at += strlen(name);
	at[strcspn(at, "\n")] = '\0';
	if (num_u64(at, 0, 0xfffff, &n, NULL) < 0)
		return false;
	*out = (unsigned int)n;
	return true;
}

/* The capability node of "gi1" or "gi1/ci0" of a GPU. */
static bool add_capability(const struct settings *s, struct gpu *g, const char *what)
{
	struct gpu_node node = { .major = major_of(s, "nvidia-caps", 0), .own = true };
	char path[160], listed[96], text[512];
	unsigned int nodes = g->nnodes;

	(void)str_format(path, sizeof(path), BASE "/capabilities/gpu%u/mig/%s/access", g->nv, what);
	(void)str_format(listed, sizeof(listed), "gpu%u/%s/access", g->nv, what);
	if (!(gpu_read(s->hardware.proc, path, false, text, sizeof(text)) &&
	      number_of(text, "DeviceFileMinor", &node.minor)) &&
	    !in_minors(s, listed, &node.minor))
		return false;
	(void)str_format(node.name, sizeof(node.name), "nvidia-caps/nvidia-cap%u", node.minor);
	gpu_add_node(s, g, &node);
	return g->nnodes > nodes;
}

/* "gi" and a number. */
static bool is_part(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, 2) && name[2] && strlen(name) <= 5 &&
	       !name[2 + strspn(name + 2, "0123456789")];
}

static void each(const struct settings *s, const char *path, const char *prefix,
		 void (*fn)(void *ctx, const char *name), void *ctx)
{
	char full[PATH_MAX];
	auto_dir DIR *d = NULL;

	if (str_format(full, sizeof(full), "%s/%s", s->hardware.proc, path) < 0 ||
	    !(d = opendir(full)))
		return;
	for (const struct dirent *entry; (entry = readdir(d));)
		if (is_part(entry->d_name, prefix))
			fn(ctx, entry->d_name);
}

struct mig {
	const struct settings *s;
	struct gpu_list *l;
	unsigned int parent;
	char gi[8];
};

static void one_ci(void *ctx, const char *ci)
{
	const struct mig *m = ctx;
	struct gpu *g = gpu_new(m->l), *parent = &m->l->g[m->parent];
	char what[24];

	if (!g)
		return;
	*g = *parent;
	/* The GPU's node is every instance's: the capabilities are what they have for themselves. */
	g->nodes[0].own = false;
	g->nnodes = 1;
	g->instance = true;
	g->partitioned = false;
	parent->partitioned = true;
	(void)str_format(what, sizeof(what), "%s/%s", m->gi, ci);
	if (str_format(g->id, sizeof(g->id), "%s/%s", parent->id, what) < 0 ||
	    !add_capability(m->s, g, m->gi) || !add_capability(m->s, g, what))
		m->l->n--;
	else /* another compute instance may share the GPU instance */
		g->nodes[1].own = false;
}

static void one_gi(void *ctx, const char *gi)
{
	struct mig *m = ctx;
	char path[96];

	(void)str_copy(m->gi, sizeof(m->gi), gi);
	(void)str_format(path, sizeof(path), BASE "/capabilities/gpu%u/mig/%s",
			 m->l->g[m->parent].nv, gi);
	each(m->s, path, "ci", one_ci, m);
}

static void one_gpu(const struct settings *s, struct gpu_list *l, const char *pci)
{
	struct gpu_node node = {
		.major = major_of(s, "nvidia-frontend", major_of(s, "nvidia", MAJOR)), .own = true
	};
	char path[96], text[TEXT_MAX], word[64];
	struct mig m = { .s = s, .l = l, .parent = l->n };
	struct gpu *g;

	(void)str_format(path, sizeof(path), BASE "/gpus/%s/information", pci);
	if (!gpu_read(s->hardware.proc, path, false, text, sizeof(text)) ||
	    (value_of(text, "GPU Excluded", word, sizeof(word)) && !strcmp(word, "Yes")) ||
	    !number_of(text, "Device Minor", &node.minor) || !(g = gpu_new(l)))
		return;
	(void)str_copy(g->vendor, sizeof(g->vendor), "nvidia");
	(void)str_copy(g->pci, sizeof(g->pci), pci);
	(void)str_copy(g->id, sizeof(g->id), pci);
	if (value_of(text, "GPU UUID", word, sizeof(word)) && is_uuid(word))
		(void)str_copy(g->id, sizeof(g->id), word);
	(void)value_of(text, "Model", g->model, sizeof(g->model));
	g->nv = node.minor;
	(void)str_format(node.name, sizeof(node.name), "nvidia%u", node.minor);
	gpu_add_node(s, g, &node);
	(void)str_format(path, sizeof(path), BASE "/capabilities/gpu%u/mig", g->nv);
	each(s, path, "gi", one_gi, &m);
}

void gpu_nvidia_scan(const struct settings *s, struct gpu_list *l)
{
	char path[PATH_MAX];
	auto_dir DIR *d = NULL;

	if (str_format(path, sizeof(path), "%s/" BASE "/gpus", s->hardware.proc) < 0 ||
	    !(d = opendir(path)))
		return;
	for (const struct dirent *entry; (entry = readdir(d));)
		if (gpu_is_pci(entry->d_name))
			one_gpu(s, l, entry->d_name);
}

/* The driver's parameters with one changed; the tools that read it then make no nodes. */
static void settle_params(char *text, size_t size)
{
	char *at = strstr(text, "ModifyDeviceFiles: ");
	size_t n = strlen(text);

	if (at && at[19] && at[20] == '\n')
		at[19] = '0';
	else if (!at)
		(void)str_format(text + n, size - n, "ModifyDeviceFiles: 0\n");
}

int gpu_nvidia_texts(const struct settings *s, const struct gpu *g,
		     int (*fn)(void *ctx, const char *path, const char *text), void *ctx)
{
	static const char *const shared[] = { "version", "registry" };
	char path[96], text[TEXT_MAX] = "";
	int r;

	if (!gpu_read(s->hardware.proc, BASE "/params", false, text, sizeof(text)))
		text[0] = '\0';
	settle_params(text, sizeof(text));
	r = fn(ctx, "params", text);
	for (unsigned int i = 0; i < 2 && r == 0; i++) {
		(void)str_format(path, sizeof(path), BASE "/%s", shared[i]);
		if (gpu_read(s->hardware.proc, path, false, text, sizeof(text)))
			r = fn(ctx, shared[i], text);
	}
	(void)str_format(path, sizeof(path), BASE "/gpus/%s/information", g->pci);
	if (r == 0 && gpu_read(s->hardware.proc, path, false, text, sizeof(text)))
		r = fn(ctx, path + strlen(BASE "/"), text);
	return r;
}
