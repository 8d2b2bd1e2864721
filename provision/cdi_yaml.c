/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libyaml's events into a tree that lives in one piece of memory. Pure; fuzzed through cdi.c. */
#include "cdi_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"

struct cdi_yaml {
	struct cdi_yaml_node nodes[CDI_YAML_NODES_MAX];
	unsigned int n;
	char *text; /* all scalars */
	size_t used, size;
};

/* Where the next node goes. */
struct level {
	struct cdi_yaml_node *node, *last;
	const char *key;
};
struct build {
	struct cdi_yaml *y;
	struct level at[CDI_YAML_DEPTH_MAX + 1];
	unsigned int depth;
	bool done;
	struct err *e;
};

static int fail(struct build *b, unsigned int line, const char *reason)
{
	return err_set(b->e, EINVAL, "line %u: %s", line, reason);
}

static const char *keep(struct build *b, const yaml_event_t *ev)
{
	size_t n = ev->data.scalar.length;
	char *to = b->y->text + b->y->used;

	/* An escape is never shorter than what it stands for (\L: 2 bytes for 3): twice the text is room enough. */
	if (n + 1 > b->y->size - b->y->used || memchr(ev->data.scalar.value, '\0', n))
		return NULL;
	memcpy(to, ev->data.scalar.value, n);
	to[n] = '\0';
	b->y->used += n + 1;
	return to;
}

static bool has_key(const struct cdi_yaml_node *map, const char *key)
{
	for (const struct cdi_yaml_node *c = map->child; c; c = c->next)
		if (!strcmp(c->key, key))
			return true;
	return false;
}

static struct cdi_yaml_node *add(struct build *b, enum cdi_yaml_kind kind, unsigned int line)
{
	struct level *l = b->depth ? &b->at[b->depth - 1] : NULL;
	struct cdi_yaml_node *n;

	if (b->y->n == CDI_YAML_NODES_MAX) {
		(void)fail(b, line, "too many values");
		return NULL;
	}
	n = &b->y->nodes[b->y->n++];
	*n = (struct cdi_yaml_node){ .kind = kind, .line = line, .text = "" };
	if (!l)
		return n;
	n->key = l->key;
	l->key = NULL;
	if (l->last)
		l->last->next = n;
	else
		l->node->child = n;
	l->last = n;
	return n;
}

static int on_scalar(struct build *b, const yaml_event_t *ev, unsigned int line)
{
	struct level *l = b->depth ? &b->at[b->depth - 1] : NULL;
	const char *text = keep(b, ev);
	struct cdi_yaml_node *n;

	if (!text)
		return fail(b, line, "text too long, or with a NUL");
	if (l && l->node->kind == CDI_YAML_MAP && !l->key) {
		/* libyaml lets it pass; two readers would take different ones. */
		if (has_key(l->node, text))
			return fail(b, line, "the same key a second time");
		l->key = text;
		return 0;
	}
	n = add(b, CDI_YAML_SCALAR, line);
	if (!n)
		return -EINVAL;
	n->text = text;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int on_start(struct build *b, enum cdi_yaml_kind kind, unsigned int line)
{
	struct level *l = b->depth ? &b->at[b->depth - 1] : NULL;
	struct cdi_yaml_node *n;

	if (l && l->node->kind == CDI_YAML_MAP && !l->key)
		return fail(b, line, "a key that is not a text");
	if (b->depth == CDI_YAML_DEPTH_MAX)
		return fail(b, line, "nested too deep");
	n = add(b, kind, line);
	if (!n)
		return -EINVAL;
	b->at[b->depth++] = (struct level){ .node = n };
	return 0;
}

static bool is_marked(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return ev->data.scalar.anchor || ev->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return ev->data.sequence_start.anchor || ev->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return ev->data.mapping_start.anchor || ev->data.mapping_start.tag;
	default:
		return ev->type == YAML_ALIAS_EVENT;
	}
}

static int on_event(struct build *b, const yaml_event_t *ev)
{
	unsigned int line = (unsigned int)ev->start_mark.line + 1;

	if (is_marked(ev))
		return fail(b, line, "anchors, aliases and tags are not taken");
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return b->y->n ? fail(b, line, "a second document") : 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, ev, line);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, CDI_YAML_LIST, line);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, CDI_YAML_MAP, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		b->done = ev->type == YAML_STREAM_END_EVENT;
		return 0;
	}
}

static int run(yaml_parser_t *p, struct build *b)
{
	yaml_event_t ev;
	int r = 0;

	while (r == 0 && !b->done) {
		if (!yaml_parser_parse(p, &ev))
			return fail(b, (unsigned int)p->problem_mark.line + 1,
				    p->problem ? p->problem : "not YAML");
		r = on_event(b, &ev);
		yaml_event_delete(&ev);
	}
	return r < 0 || b->y->n ? r : fail(b, 1, "nothing in it");
}

int cdi_yaml_parse(const char *text, size_t len, struct cdi_yaml **out, struct err *e)
{
	struct build b = { .e = e };
	yaml_parser_t p;
	int r;

	*out = NULL;
	if (len > CDI_YAML_TEXT_MAX)
		return err_set(e, EINVAL, "line 1: larger than %d bytes", CDI_YAML_TEXT_MAX);
	b.y = calloc(1, sizeof(*b.y));
	if (b.y)
		b.y->text = malloc(b.y->size = 4 * len + 16);
	if (!b.y || !b.y->text || !yaml_parser_initialize(&p)) {
		cdi_yaml_free(b.y);
		return err_set(e, ENOMEM, "line 1: out of memory");
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	r = run(&p, &b);
	yaml_parser_delete(&p);
	if (r < 0)
		cdi_yaml_free(b.y);
	else
		*out = b.y;
	return r;
}

const struct cdi_yaml_node *cdi_yaml_root(const struct cdi_yaml *y)
{
	return &y->nodes[0];
}

void cdi_yaml_free(struct cdi_yaml *y)
{
	if (!y)
		return;
	free(y->text);
	free(y);
}
