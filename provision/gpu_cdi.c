/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which GPU a CDI device is, by the nodes it has. Pure but for what it is given. */
#include "gpu_cdi.h"

#include <string.h>

#include "base/str.h"

bool gpu_cdi_is_name(const char *word)
{
	return (strchr(word, '/') && strchr(word, '=')) || !strncmp(word, "MIG-", 4);
}

int gpu_cdi_find(const struct cdi_list *c, const char *word, const struct cdi_spec **spec,
		 const struct cdi_device **dev, struct err *e)
{
	char name[CDI_NAME_MAX * 2];

	if (strchr(word, '='))
		return cdi_find(c, word, spec, dev, e);
	for (unsigned int i = 0; i < c->n; i++) {
		if (str_format(name, sizeof(name), "%s/%s=%s", c->specs[i]->vendor,
			       c->specs[i]->class, word) < 0)
			continue;
		if (cdi_find(c, name, spec, dev, e) != -ENOENT)
			return *spec ? 0 : -ENOTUNIQ;
	}
	*spec = NULL;
	return err_set(
		e, ENOENT,
		"look for '%s': no CDI specification has it (the driver tells the UUIDs of "
		"instances to its library alone; nvidia-ctk cdi generate, or name it GPU/giN/ciN)",
		word);
}

/* Has the device a node that is the GPU's alone? */
static bool has_node_of(const struct cdi_device *dev, const struct gpu *g)
{
	for (unsigned int i = 0; i < dev->edits.nnodes; i++) {
		const char *path = dev->edits.nodes[i].host ? dev->edits.nodes[i].host
							    : dev->edits.nodes[i].path;

		if (strncmp(path, "/dev/", 5) != 0)
			continue;
		for (unsigned int k = 0; k < g->nnodes; k++)
			if (g->nodes[k].own && !strcmp(path + 5, g->nodes[k].name))
				return true;
	}
	return false;
}

/* Has it a node of one of the GPU's instances? Then its node of the GPU is there for that instance. */
static bool has_instance_of(const struct gpu_list *l, const struct cdi_device *dev,
			    const struct gpu *g)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (l->g[i].instance && gpu_clash(l->g[i].id, g->id) && has_node_of(dev, &l->g[i]))
			return true;
	return false;
}

static bool stands_for(const struct gpu_list *l, const struct cdi_device *dev, const struct gpu *g)
{
	return has_node_of(dev, g) && (g->instance || !has_instance_of(l, dev, g));
}

int gpu_cdi_ids(const struct gpu_list *l, const struct cdi_device *dev, const char *name, char *ids,
		size_t size, struct err *e)
{
	size_t n = 0;

	ids[0] = '\0';
	for (unsigned int i = 0; i < l->n; i++) {
		if (!stands_for(l, dev, &l->g[i]))
			continue;
		if (str_format(ids + n, size - n, "%s%s", n ? "," : "", l->g[i].id) < 0)
			return err_set(e, E2BIG, "lease '%s': it has too many GPUs", name);
		n += strlen(ids + n);
	}
	if (n == 0 && str_format(ids, size, "cdi:%s", name) < 0)
		return err_set(e, ENAMETOOLONG, "lease '%s': name too long", name);
	return 0;
}

static bool stands_for_alone(const struct gpu_list *l, const struct cdi_device *dev,
			     const struct gpu *g)
{
	if (!stands_for(l, dev, g))
		return false;
	for (unsigned int i = 0; i < l->n; i++)
		if (&l->g[i] != g && stands_for(l, dev, &l->g[i]))
			return false;
	return true;
}

bool gpu_cdi_for(const struct cdi_list *c, const struct gpu_list *l, const struct gpu *g,
		 const struct cdi_spec **spec, const struct cdi_device **dev)
{
	char name[CDI_NAME_MAX * 2];
	struct err ignored;

	for (unsigned int i = 0; i < c->n; i++)
		for (unsigned int k = 0; k < c->specs[i]->ndevices; k++) {
			const struct cdi_spec *s = c->specs[i];

			if (!stands_for_alone(l, &s->devices[k], g) ||
			    str_format(name, sizeof(name), "%s/%s=%s", s->vendor, s->class,
				       s->devices[k].name) < 0)
				continue;
			/* By its name, so that the directory that wins has the word. */
			if (cdi_find(c, name, spec, dev, &ignored) == 0 &&
			    stands_for_alone(l, *dev, g))
				return true;
		}
	return false;
}

/* FNV-1a: accidents are to be seen, and who may write there is root. */
static void mix(uint64_t *h, const char *text)
{
	const unsigned char *p = (const unsigned char *)(text ? text : "");

	do {
		*h = (*h ^ *p) * 0x100000001b3ULL;
	} while (*p++);
}

static void mix_edits(uint64_t *h, const struct cdi_edits *ed)
{
	char numbers[80];

	for (unsigned int i = 0; i < ed->nenv; i++)
		mix(h, ed->env[i]);
	for (unsigned int i = 0; i < ed->nnodes; i++) {
		const struct cdi_node *n = &ed->nodes[i];

		(void)str_format(numbers, sizeof(numbers), "%u:%u %u %u:%u", n->major, n->minor,
				 n->has_mode ? n->mode : 0666, n->uid, n->gid);
		mix(h, n->path);
		mix(h, n->host);
		mix(h, n->access);
		mix(h, numbers);
	}
	for (unsigned int i = 0; i < ed->nmounts; i++) {
		mix(h, ed->mounts[i].host);
		mix(h, ed->mounts[i].path);
	}
	for (unsigned int i = 0; i < ed->nhooks; i++)
		for (unsigned int k = 0; k < ed->hooks[i].nargs; k++)
			mix(h, ed->hooks[i].args[k]);
}

uint64_t gpu_cdi_digest(const struct cdi_spec *spec, const struct cdi_device *dev)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	mix_edits(&h, &spec->edits);
	mix_edits(&h, &dev->edits);
	return h;
}
