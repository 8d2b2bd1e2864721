/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a tree to a specification: a table of keys per object, so that an unknown key, a wrong type and a missing value
 * are told with file and line.  Pure: runs wherever it is called, opens nothing, follows nothing.
 */
#include "cdi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cdi_yaml.h"

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* Memory of one specification: freed with it. */
struct piece {
	struct piece *next;
	max_align_t data[];
};
struct decode {
	struct cdi_spec *s;
	struct err *e;
};

typedef const struct cdi_yaml_node node;
struct key {
	const char *name;
	int (*fn)(struct decode *d, node *n, void *to);
	size_t offset;
};

static int fail(struct decode *d, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct decode *d, unsigned int line, const char *fmt, ...)
{
	char said[160], vis[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	return err_set(d->e, EINVAL, "%s:%u: %s", d->s->file, line,
		       str_vis(said, strlen(said), vis, sizeof(vis)));
}

static void *reserve(struct decode *d, unsigned int n, size_t size)
{
	struct piece *p = calloc(1, sizeof(*p) + (n ? n : 1) * size);

	if (!p) {
		(void)err_set(d->e, ENOMEM, "read '%s': out of memory", d->s->file);
		return NULL;
	}
	p->next = d->s->pool;
	d->s->pool = p;
	return p->data;
}

static unsigned int count(node *list)
{
	unsigned int n = 0;

	for (node *c = list->child; c; c = c->next)
		n++;
	return n;
}

static bool is_null(node *n)
{
	return n->kind == CDI_YAML_SCALAR && n->plain &&
	       (!n->text[0] || !strcmp(n->text, "null") || !strcmp(n->text, "~"));
}

static int expect(struct decode *d, node *n, enum cdi_yaml_kind kind)
{
	static const char *const words[] = { "a text", "a list", "an object" };

	return n->kind == kind ? 0 : fail(d, n->line, "not %s", words[kind]);
}

static int object(struct decode *d, node *map, const struct key *keys, void *to)
{
	int r = expect(d, map, CDI_YAML_MAP);

	for (node *c = map->child; c && r == 0; c = c->next) {
		const struct key *k = keys;

		while (k->name && strcmp(k->name, c->key))
			k++;
		if (!k->name)
			return fail(d, c->line, "unknown key '%s'", c->key);
		if (!is_null(c))
			r = k->fn(d, c, (char *)to + k->offset);
	}
	return r;
}

/* --- values --- */

static int text(struct decode *d, node *n, void *to)
{
	int r = expect(d, n, CDI_YAML_SCALAR);

	if (r == 0 && !n->text[0])
		return fail(d, n->line, "empty '%s'", n->key ? n->key : "entry");
	*(const char **)to = n->text;
	return r;
}

struct texts {
	const char **list;
	unsigned int n;
};

static int text_list(struct decode *d, node *n, struct texts *out)
{
	int r = expect(d, n, CDI_YAML_LIST);

	if (r < 0)
		return r;
	out->list = reserve(d, count(n), sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	for (node *c = n->child; c && r == 0; c = c->next)
		r = text(d, c, &out->list[out->n++]);
	return r;
}

/* 420, 0640 and 0o640 (octal, as YAML 1.1 and 1.2 write it), 0x1a0. */
static int number(struct decode *d, node *n, uint32_t *out)
{
	int base = 10;
	const char *s = n->text;
	char *end;
	unsigned long v;

	if (n->kind != CDI_YAML_SCALAR || !n->plain)
		return fail(d, n->line, "'%s' is not a number", n->key);
	if (s[0] == '0' && s[1]) {
		base = s[1] == 'x' ? 16 : 8;
		s += s[1] == 'x' || s[1] == 'o' ? 2 : 1;
	}
	if (!strchr("0123456789abcdefABCDEF", s[0]) || !s[0] || strlen(s) > 11)
		return fail(d, n->line, "'%s' is not a number", n->text);
	v = strtoul(s, &end, base);
	if (*end || v > UINT32_MAX)
		return fail(d, n->line, "'%s' is not a number of 32 bits", n->text);
	*out = (uint32_t)v;
	return 0;
}

static int ignore(struct decode *d, node *n, void *to)
{
	(void)d, (void)n, (void)to;
	return 0;
}

/* --- edits --- */

static int node_type(struct decode *d, node *n, void *to)
{
	int r = text(d, n, to);

	return r == 0 && (strlen(n->text) != 1 || !strchr("bcup", n->text[0]))
		       ? fail(d, n->line, "'%s' is not a type of device (c, b)", n->text)
		       : r;
}

static int node_access(struct decode *d, node *n, void *to)
{
	int r = text(d, n, to);

	return r == 0 && n->text[strspn(n->text, "rwm")]
		       ? fail(d, n->line, "'%s' are not permissions (r, w, m)", n->text)
		       : r;
}

/* A number of a device node, and that it was there. */
#define NUMBER(field, flag)                                                                        \
	static int node_##field(struct decode *d, node *n, void *to)                               \
	{                                                                                          \
		struct cdi_node *dev = to;                                                         \
		int r = number(d, n, &dev->field);                                                 \
                                                                                                   \
		dev->flag = true;                                                                  \
		return r;                                                                          \
	}
NUMBER(major, has_numbers)
NUMBER(minor, has_numbers)
NUMBER(mode, has_mode)
NUMBER(uid, has_uid)
NUMBER(gid, has_gid)

static const struct key node_keys[] = {
	{ "path", text, offsetof(struct cdi_node, path) },
	{ "hostPath", text, offsetof(struct cdi_node, host) },
	{ "type", node_type, offsetof(struct cdi_node, type) },
	{ "permissions", node_access, offsetof(struct cdi_node, access) },
	{ "major", node_major, 0 },
	{ "minor", node_minor, 0 },
	{ "fileMode", node_mode, 0 },
	{ "uid", node_uid, 0 },
	{ "gid", node_gid, 0 },
	{ NULL, NULL, 0 },
};

static int env(struct decode *d, node *n, void *to)
{
	struct cdi_edits *ed = to;
	struct texts t = { 0 };
	int r = text_list(d, n, &t);

	ed->env = t.list;
	ed->nenv = t.n;
	for (node *c = n->child; c && r == 0; c = c->next)
		if (c->text[0] == '=' || !strchr(c->text, '='))
			r = fail(d, c->line, "'%s' is not NAME=value", c->text);
	return r;
}

static int nodes(struct decode *d, node *n, void *to)
{
	struct cdi_edits *ed = to;
	int r = expect(d, n, CDI_YAML_LIST);

	if (r < 0 || !(ed->nodes = reserve(d, count(n), sizeof(*ed->nodes))))
		return r < 0 ? r : -ENOMEM;
	for (node *c = n->child; c && r == 0; c = c->next) {
		struct cdi_node *dev = &ed->nodes[ed->nnodes++];

		dev->line = c->line;
		r = object(d, c, node_keys, dev);
		if (r == 0 && !dev->path)
			r = fail(d, c->line, "a device node without %s", "path");
	}
	return r;
}

static const struct key mount_keys[] = {
	{ "hostPath", text, offsetof(struct cdi_mount, host) },
	{ "containerPath", text, offsetof(struct cdi_mount, path) },
	/* What a workspace is shown of the host is read-only, nosuid and nodev whatever they say. */
	{ "options", ignore, 0 },
	{ "type", ignore, 0 },
	{ NULL, NULL, 0 },
};

static int mounts(struct decode *d, node *n, void *to)
{
	struct cdi_edits *ed = to;
	int r = expect(d, n, CDI_YAML_LIST);

	if (r < 0 || !(ed->mounts = reserve(d, count(n), sizeof(*ed->mounts))))
		return r < 0 ? r : -ENOMEM;
	for (node *c = n->child; c && r == 0; c = c->next) {
		struct cdi_mount *m = &ed->mounts[ed->nmounts++];

		m->line = c->line;
		r = object(d, c, mount_keys, m);
		if (r == 0 && (!m->host || !m->path))
			r = fail(d, c->line, "a mount without %s",
				 m->host ? "containerPath" : "hostPath");
	}
	return r;
}

static int hook_args(struct decode *d, node *n, void *to)
{
	struct cdi_hook *h = to;
	struct texts t = { 0 };
	int r = text_list(d, n, &t);

	h->args = t.list;
	h->nargs = t.n;
	return r;
}

static const struct key hook_keys[] = {
	{ "path", text, offsetof(struct cdi_hook, path) },
	{ "args", hook_args, 0 },
	{ "hookName", ignore, 0 },
	{ "env", ignore, 0 },
	{ "timeout", ignore, 0 },
	{ NULL, NULL, 0 },
};

static int hooks(struct decode *d, node *n, void *to)
{
	struct cdi_edits *ed = to;
	int r = expect(d, n, CDI_YAML_LIST);

	if (r < 0 || !(ed->hooks = reserve(d, count(n), sizeof(*ed->hooks))))
		return r < 0 ? r : -ENOMEM;
	for (node *c = n->child; c && r == 0; c = c->next) {
		struct cdi_hook *h = &ed->hooks[ed->nhooks++];

		h->line = c->line;
		r = object(d, c, hook_keys, h);
		if (r == 0 && !h->path)
			r = fail(d, c->line, "a hook without %s", "path");
	}
	return r;
}

static int noted(struct decode *d, node *n, void *to)
{
	(void)d;
	((struct cdi_edits *)to)->ignored |= n->child != NULL;
	return 0;
}

static const struct key
	edit_keys
		[] = {
			{ "env", env, 0 },
			{ "deviceNodes", nodes, 0 },
			{ "mounts", mounts, 0 },
			{ "hooks", hooks, 0 },
			{ "additionalGIDs", noted, 0 }, /* the nodes are the workspace's own: no group is needed */
			{ "intelRdt", noted, 0 },
			{ "netDevices", noted, 0 }, /* a NIC is leased by `nic`, never on the side */
			{ NULL, NULL, 0 },
		};

static int edits(struct decode *d, node *n, void *to)
{
	return object(d, n, edit_keys, to);
}

/* --- devices, specification --- */

static bool is_word(const char *s, size_t n, const char *first, const char *rest)
{
	size_t i = 0;

	if (n == 0 || !strchr(first, s[0]) || !strchr(ALPHA DIGIT, s[n - 1]))
		return false;
	while (i < n && strchr(rest, s[i]))
		i++;
	return i == n;
}

static int device_name(struct decode *d, node *n, void *to)
{
	int r = text(d, n, to);

	return r == 0 && !is_word(n->text, strlen(n->text), ALPHA DIGIT, ALPHA DIGIT "_-.:")
		       ? fail(d, n->line, "'%s' is not a device name", n->text)
		       : r;
}

static const struct key device_keys[] = {
	{ "name", device_name, offsetof(struct cdi_device, name) },
	{ "containerEdits", edits, offsetof(struct cdi_device, edits) },
	{ "annotations", ignore, 0 },
	{ NULL, NULL, 0 },
};

static int devices(struct decode *d, node *n, void *to)
{
	struct cdi_spec *s = to;
	unsigned int total = count(n);
	int r = expect(d, n, CDI_YAML_LIST);

	if (r < 0)
		return r;
	if (total > CDI_DEVICES_MAX)
		return fail(d, n->line, "more %s than 256", "devices");
	if (!(s->devices = reserve(d, total, sizeof(*s->devices))))
		return -ENOMEM;
	for (node *c = n->child; c && r == 0; c = c->next) {
		struct cdi_device *dev = &s->devices[s->ndevices];

		dev->line = c->line;
		r = object(d, c, device_keys, dev);
		if (r == 0 && !dev->name)
			r = fail(d, c->line, "a device without %s", "name");
		for (unsigned int i = 0; i < s->ndevices && r == 0; i++)
			if (!strcmp(s->devices[i].name, dev->name))
				r = fail(d, c->line, "device '%s' a second time", dev->name);
		s->ndevices++;
	}
	return r;
}

static int kind(struct decode *d, node *n, void *to)
{
	const char *slash;
	struct cdi_spec *s = to;
	const char *t = NULL;
	int r = text(d, n, &t);

	if (r < 0)
		return r;
	slash = strchr(t, '/');
	if (!slash || !is_word(t, (size_t)(slash - t), ALPHA, ALPHA DIGIT "_-.") ||
	    !is_word(slash + 1, strlen(slash + 1), ALPHA, ALPHA DIGIT "_-") ||
	    str_format(s->vendor, sizeof(s->vendor), "%.*s", (int)(slash - t), t) < 0 ||
	    str_copy(s->class, sizeof(s->class), slash + 1) < 0)
		return fail(d, n->line, "'%s' is not a kind (vendor.com/class)", t);
	return 0;
}

static int version(struct decode *d, node *n, void *to)
{
	static const char *const known[] = { "0.3.0", "0.4.0", "0.5.0", "0.6.0",
					     "0.7.0", "0.8.0", "1.0.0", "1.1.0" };
	const char *t = NULL;
	int r = text(d, n, &t);

	for (unsigned int i = 0; r == 0 && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(t, known[i])) {
			*(bool *)to = true;
			return 0;
		}
	return r < 0 ? r : fail(d, n->line, "version '%s' is not known (0.3.0 to 1.1.0)", t);
}

struct top {
	struct cdi_spec *s;
	bool version;
};
static int top_version(struct decode *d, node *n, void *to)
{
	return version(d, n, &((struct top *)to)->version);
}
static int top_kind(struct decode *d, node *n, void *to)
{
	return kind(d, n, ((struct top *)to)->s);
}
static int top_devices(struct decode *d, node *n, void *to)
{
	return devices(d, n, ((struct top *)to)->s);
}
static int top_edits(struct decode *d, node *n, void *to)
{
	return edits(d, n, &((struct top *)to)->s->edits);
}

static const struct key top_keys[] = {
	{ "cdiVersion", top_version, 0 }, { "kind", top_kind, 0 },
	{ "devices", top_devices, 0 },    { "containerEdits", top_edits, 0 },
	{ "annotations", ignore, 0 },     { NULL, NULL, 0 },
};

static int decode(struct cdi_spec *s, const char *text_, size_t len, struct err *e)
{
	struct decode d = { s, e };
	struct top top = { .s = s };
	node *root;
	int r = cdi_yaml_parse(text_, len, &s->tree, e);

	if (r < 0) {
		/* "line 3: reason" becomes "FILE:3: reason". */
		const char *colon = strchr(e ? e->text : "", ':');
		char rest[ERR_TEXT_MAX];

		if (!colon)
			return r;
		(void)str_copy(rest, sizeof(rest), e->text + strlen("line "));
		return err_set(e, -r, "%s:%.150s", s->file, rest);
	}
	root = cdi_yaml_root(s->tree);
	r = object(&d, root, top_keys, &top);
	if (r == 0 && !top.version)
		return fail(&d, root->line, "there is no '%s'", "cdiVersion");
	if (r == 0 && !s->vendor[0])
		return fail(&d, root->line, "there is no '%s'", "kind");
	if (r == 0 && s->ndevices == 0)
		return fail(&d, root->line, "there are no %s", "devices");
	return r;
}

int cdi_decode(const char *file, const char *text_, size_t len, struct cdi_spec **out,
	       struct err *e)
{
	struct cdi_spec *s = calloc(1, sizeof(*s));
	int r;

	*out = NULL;
	if (!s)
		return err_set(e, ENOMEM, "read '%s': out of memory", file);
	str_vis(file, strlen(file), s->file, sizeof(s->file));
	r = decode(s, text_, len, e);
	if (r < 0)
		cdi_spec_free(s);
	else
		*out = s;
	return r;
}

void cdi_spec_free(struct cdi_spec *s)
{
	if (!s)
		return;
	for (struct piece *p = s->pool, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	cdi_yaml_free(s->tree);
	free(s);
}
