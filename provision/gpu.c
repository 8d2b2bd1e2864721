/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of GPUs and the words for them.  Runs in provisiond's main process, in workers and in sshbay.  What drivers
 * write is printed by the kernel, yet the roots may be anybody's fakes: every field is checked and bounded.
 */
#include "gpu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "gpu_drm.h"
#include "gpu_nvidia.h"

bool gpu_is_pci(const char *text)
{
	unsigned int domain, bus, slot, fn;
	int end = 0;

	return strlen(text) < GPU_PCI_MAX &&
	       sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &fn, &end) == 4 &&
	       text[end] == '\0' && text[strspn(text, "0123456789abcdefABCDEF:.")] == '\0';
}

bool gpu_read(const char *root, const char *path, bool line, char *buf, size_t size)
{
	char full[PATH_MAX];
	struct err ignored;
	size_t len;

	if (str_format(full, sizeof(full), "%s/%s", root, path) < 0 ||
	    path_read(AT_FDCWD, full, buf, size, &len, &ignored) < 0 || strlen(buf) != len)
		return false;
	if (line)
		buf[strcspn(buf, "\n")] = '\0';
	return true;
}

struct gpu *gpu_new(struct gpu_list *l)
{
	if (l->n == GPU_MAX)
		return NULL;
	memset(&l->g[l->n], 0, sizeof(l->g[0]));
	return &l->g[l->n++];
}

void gpu_add_node(const struct settings *s, struct gpu *g, const struct gpu_node *n)
{
	struct gpu_node *to = &g->nodes[g->nnodes];
	char path[PATH_MAX];
	struct stat st;

	if (g->nnodes == GPU_NODES_MAX)
		return;
	*to = *n;
	if (str_format(path, sizeof(path), "%s/%s", s->hardware.dev, n->name) == 0 &&
	    stat(path, &st) == 0 && S_ISCHR(st.st_mode)) {
		to->major = major(st.st_rdev);
		to->minor = minor(st.st_rdev);
	}
	/* 0:0 is no device: neither the file nor the driver has told. */
	g->nnodes += to->major != 0;
}

/* Whole GPUs by address, those without one last; instances behind their GPU, by number. */
static int compare(const void *a, const void *b)
{
	const struct gpu *x = a, *y = b;
	int r;

	if (!x->pci[0] != !y->pci[0])
		return !x->pci[0] - !y->pci[0];
	r = strcasecmp(x->pci, y->pci);
	if (r)
		return r;
	return x->instance != y->instance ? x->instance - y->instance : strverscmp(x->id, y->id);
}

int gpu_scan(const struct settings *s, struct gpu_list *out, struct err *e)
{
	int index = 0;

	out->n = 0;
	gpu_nvidia_scan(s, out);
	gpu_drm_scan(s, out);
	qsort(out->g, out->n, sizeof(out->g[0]), compare);
	for (unsigned int i = 0; i < out->n; i++) {
		out->g[i].index = out->g[i].instance ? index - 1 : index++;
		/* Two with one identity cannot be told apart: neither may be leased. */
		for (unsigned int k = 0; k < i; k++)
			if (!strcasecmp(out->g[i].id, out->g[k].id))
				return err_set(e, ENOTUNIQ, "look for GPUs: two of them are '%s'",
					       out->g[i].id);
	}
	return 0;
}

static bool is_called(const struct gpu *g, const char *word)
{
	uint64_t n;

	if (strncmp(word, "pci:", 4) == 0)
		word += 4;
	return !strcasecmp(g->id, word) || (g->pci[0] && !strcasecmp(g->pci, word)) ||
	       (num_u64(word, 0, GPU_MAX, &n, NULL) == 0 && (int)n == g->index);
}

const struct gpu *gpu_find(const struct gpu_list *l, const char *word)
{
	const char *part = strchr(word, '/');
	char whole[GPU_ID_MAX], id[GPU_ID_MAX];
	const struct gpu *g = NULL;

	if (str_format(whole, sizeof(whole), "%.*s", part ? (int)(part - word) : (int)strlen(word),
		       word) < 0)
		return NULL;
	for (unsigned int i = 0; i < l->n && !g; i++)
		if (!l->g[i].instance && is_called(&l->g[i], whole))
			g = &l->g[i];
	if (!g || !part || str_format(id, sizeof(id), "%s%s", g->id, part) < 0)
		return part ? NULL : g;
	for (unsigned int i = 0; i < l->n; i++)
		if (l->g[i].instance && !strcmp(l->g[i].id, id))
			return &l->g[i];
	return NULL;
}

static bool one_clash(const char *a, size_t na, const char *b, size_t nb)
{
	size_t n = na < nb ? na : nb;

	if (strncasecmp(a, b, n) != 0)
		return false;
	return na == nb || (na < nb ? b[n] : a[n]) == '/';
}

bool gpu_clash(const char *ids, const char *others)
{
	for (const char *a = ids; *a; a += strcspn(a, ","), a += *a == ',')
		for (const char *b = others; *b; b += strcspn(b, ","), b += *b == ',')
			if (one_clash(a, strcspn(a, ","), b, strcspn(b, ",")))
				return true;
	return false;
}

void gpu_driver(const struct settings *s, char *buf, size_t size)
{
	char text[256];

	buf[0] = '\0';
	if (!gpu_read(s->hardware.proc, "driver/nvidia/version", true, text, sizeof(text)))
		return;
	/* The first word of digits with a point: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  .." */
	for (const char *w = text; *w; w += strcspn(w, " \t"), w += strspn(w, " \t")) {
		size_t n = strcspn(w, " \t"), digits = strspn(w, "0123456789.");

		if (n && digits == n && memchr(w, '.', n) && w[0] != '.') {
			(void)str_format(buf, size, "%.*s", (int)n, w);
			return;
		}
	}
}

void gpu_pci(const struct settings *s, const char *ids, char pci[GPU_PCI_MAX])
{
	char id[GPU_ID_MAX];
	struct gpu_list *l = calloc(1, sizeof(*l));
	const struct gpu *g;

	pci[0] = '\0';
	if (l && gpu_scan(s, l, NULL) == 0 &&
	    str_format(id, sizeof(id), "%.*s", (int)strcspn(ids, ","), ids) == 0) {
		g = gpu_find(l, id);
		if (g)
			(void)str_copy(pci, GPU_PCI_MAX, g->pci);
	}
	free(l);
}
