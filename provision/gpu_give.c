/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a lease to nodes, files, links and environment.  Runs in workers.  Hooks of CDI are not run: they expect a
 * container runtime, and could do nothing in a user namespace; what the known ones are for is done by given_enter.c and
 * ws-init.
 */
#include "gpu_give.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "gpu.h"
#include "gpu_cdi.h"
#include "gpu_hook.h"
#include "gpu_nvidia.h"

struct give {
	struct plan *p;
	struct gpu_list *list;
	const struct cdi_spec *spec; /* whose edits are being applied */
	struct gpu_note *note;
	char unknown[48]; /* a hook without effect here */
	struct err *e;
};

/* A path below /dev, as a path below [hardware] dev. */
static int host_path(const struct plan *p, const char *path, char *buf, size_t size)
{
	return strncmp(path, "/dev/", 5) == 0
		       ? str_format(buf, size, "%s/%s", p->settings->hardware.dev, path + 5)
		       : str_copy(buf, size, path);
}

static unsigned int access_of(const char *text)
{
	return (strchr(text, 'r') ? GIVEN_READ : 0U) | (strchr(text, 'w') ? GIVEN_WRITE : 0U) |
	       (strchr(text, 'm') ? GIVEN_MKNOD : 0U);
}

static int at_line(const struct give *g, unsigned int line)
{
	return err_wrap(g->e, "%.100s:%u", g->spec->file, line);
}

static int give_cdi_node(struct give *g, const struct cdi_node *c)
{
	/* 0666 and not the host's mode: the groups that have it there are none inside. */
	struct given_node n = { .mode = c->has_mode ? c->mode & 0666 : 0666,
				.uid = c->uid,
				.gid = c->gid,
				.block = c->type && c->type[0] == 'b',
				.major = c->major,
				.minor = c->minor,
				.access = access_of(c->access ? c->access : "rw") };
	int r = 0;

	if (c->type && c->type[0] == 'p')
		r = err_set(g->e, EOPNOTSUPP, "give '%.80s': pipes are not given", c->path);
	else if (str_copy(n.path, sizeof(n.path), c->path) < 0 ||
		 host_path(g->p, c->host ? c->host : c->path, n.host, sizeof(n.host)) < 0)
		r = err_set(g->e, ENAMETOOLONG, "give '%.80s..': path too long", c->path);
	else if (!c->has_numbers)
		r = given_look(&n, g->e);
	if (r == 0)
		r = given_add_node(g->p, &n, g->e);
	return r < 0 ? at_line(g, c->line) : 0;
}

static int give_hook(struct give *g, const struct cdi_hook *h)
{
	const char *name;
	char vis[48];

	if (gpu_hook_kind(h, &name) == GPU_HOOK_UNKNOWN) {
		str_vis(name, strlen(name), vis, sizeof(vis));
		log_warn("%s:%u: hook '%s' is not known and not run", g->spec->file, h->line, vis);
		(void)str_copy(g->unknown, sizeof(g->unknown), vis);
		return 0;
	}
	return gpu_hook_give(g->p, h, g->e) < 0 ? at_line(g, h->line) : 0;
}

static int give_edits(struct give *g, const struct cdi_edits *ed)
{
	int r = 0;

	for (unsigned int i = 0; i < ed->nenv && r == 0; i++)
		r = given_add_env(g->p, ed->env[i], g->e);
	for (unsigned int i = 0; i < ed->nnodes && r == 0; i++)
		r = give_cdi_node(g, &ed->nodes[i]);
	for (unsigned int i = 0; i < ed->nmounts && r == 0; i++) {
		r = given_add_mount(g->p, ed->mounts[i].host, ed->mounts[i].path, g->e);
		if (r < 0)
			r = at_line(g, ed->mounts[i].line);
	}
	if (r == 0 && ed->ignored)
		log_note("%s: groups, network devices and resource controls do not apply",
			 g->spec->file);
	return r;
}

static int give_device(struct give *g, const struct cdi_spec *spec, const struct cdi_device *dev)
{
	const struct cdi_edits *const both[] = { &spec->edits, &dev->edits };
	struct gpu_note *note = g->note;
	int r = 0;

	g->spec = spec;
	if (note->ncdi < GPU_NOTE_CDI_MAX &&
	    str_format(note->cdi[note->ncdi].name, sizeof(note->cdi[0].name), "%s/%s=%s",
		       spec->vendor, spec->class, dev->name) == 0)
		note->cdi[note->ncdi++].digest = gpu_cdi_digest(spec, dev);
	for (unsigned int i = 0; i < 2 && r == 0; i++)
		r = give_edits(g, both[i]);
	/* Last: a hook changes what the edits have made. */
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < both[i]->nhooks && r == 0; k++)
			r = give_hook(g, &both[i]->hooks[k]);
	return r;
}

static int give_node(struct give *g, const char *name, const struct gpu_node *known)
{
	struct given_node n = { .mode = 0666, .access = GIVEN_READ | GIVEN_WRITE };
	int r = 0;

	if (str_format(n.path, sizeof(n.path), "/dev/%s", name) < 0 ||
	    host_path(g->p, n.path, n.host, sizeof(n.host)) < 0)
		return err_set(g->e, ENAMETOOLONG, "give '%.80s..': path too long", name);
	if (known) {
		n.major = known->major;
		n.minor = known->minor;
	} else {
		r = given_look(&n, g->e);
	}
	return r < 0 ? r : given_add_node(g->p, &n, g->e);
}

/* Without a CDI specification: the nodes, and nothing of the driver's libraries. */
static int give_plain(struct give *g, const struct gpu *gpu)
{
	int r = 0;

	for (unsigned int i = 0; i < gpu->nnodes && r == 0; i++)
		r = give_node(g, gpu->nodes[i].name, &gpu->nodes[i]);
	for (unsigned int i = 0; !strcmp(gpu->vendor, "nvidia") && gpu_nvidia_control[i] && r == 0;
	     i++) {
		r = give_node(g, gpu_nvidia_control[i], NULL);
		/* Which of them there are depends on the driver's modules that are loaded. */
		if (r == -ENOENT && i > 0)
			r = 0;
	}
	return r;
}

static int one_text(void *ctx, const char *path, const char *text)
{
	struct give *g = ctx;

	return given_add_text(g->p, path, text, g->e);
}

static int give_gpu(struct give *g, const struct cdi_list *cdi, const struct gpu *gpu, bool by_name)
{
	const struct cdi_spec *spec;
	const struct cdi_device *dev;
	int r = 0;

	if (!by_name)
		r = gpu_cdi_for(cdi, g->list, gpu, &spec, &dev) ? give_device(g, spec, dev)
								: give_plain(g, gpu);
	if (r == 0 && !strcmp(gpu->vendor, "nvidia"))
		r = gpu_nvidia_texts(g->p->settings, gpu, one_text, g);
	return r;
}

/* Every id of the lease, and the CDI device that was asked for by its name. */
static int give_all(struct give *g, const struct cdi_list *cdi)
{
	const char *ids = g->p->rec->gpus, *word = g->p->spec->gpu;
	const struct cdi_spec *spec;
	const struct cdi_device *dev;
	bool by_name = gpu_cdi_is_name(word);
	char id[GPU_ID_MAX];
	int r = 0;

	if (by_name) {
		r = gpu_cdi_find(cdi, word, &spec, &dev, g->e);
		if (r == 0)
			r = give_device(g, spec, dev);
	}
	for (; *ids && r == 0; ids += strcspn(ids, ","), ids += *ids == ',') {
		const struct gpu *gpu;

		if (!strncmp(ids, "cdi:", 4))
			continue;
		(void)str_format(id, sizeof(id), "%.*s", (int)strcspn(ids, ","), ids);
		gpu = gpu_find(g->list, id);
		if (!gpu)
			return err_set(g->e, ENODEV, "give GPU '%s': it is not on this host now",
				       id);
		gpu_busy_add(&g->note->own, gpu);
		r = give_gpu(g, cdi, gpu, by_name);
		(void)str_format(g->p->detail, sizeof(g->p->detail), "%s%s%s", gpu->model,
				 gpu->model[0] ? " " : "", gpu->id);
	}
	return r;
}

/* A device that is no GPU we know: what it has of nodes is what may be held. */
static void all_own(const struct plan *p, struct gpu_busy *own)
{
	for (unsigned int i = 0; p->given && i < p->given->nnodes && i < GPU_BUSY_NODES_MAX; i++)
		own->nodes[own->n++] = makedev(p->given->nodes[i].major, p->given->nodes[i].minor);
}

int gpu_give(struct plan *p, struct gpu_note *note, struct err *e)
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	struct give g = { .p = p, .list = list, .note = note, .e = e };
	struct cdi_list cdi;
	size_t n;
	int r;

	memset(note, 0, sizeof(*note));
	if (!list)
		return err_set(e, ENOMEM, "give GPU '%s': out of memory", p->rec->gpus);
	(void)str_copy(note->ids, sizeof(note->ids), p->rec->gpus);
	gpu_driver(p->settings, note->driver, sizeof(note->driver));
	r = gpu_scan(p->settings, list, e);
	if (r < 0)
		return r;
	cdi_load(p->settings->hardware.cdi, &cdi);
	if (cdi.problems[0])
		log_warn("CDI: %s", cdi.problems);
	r = give_all(&g, &cdi);
	if (r == 0 && note->own.n == 0)
		all_own(p, &note->own);
	n = strlen(p->detail);
	if (g.unknown[0])
		(void)str_format(p->detail + n, sizeof(p->detail) - n,
				 "; its hook '%s' has no effect here", g.unknown);
	cdi_free(&cdi);
	return r;
}
