/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See outbox.h.  Session process.  A list of copies: it is empty nearly always, and then costs nothing.  Never for
 * messages with descriptors or secrets, of which no copies should live on.
 */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

static int keep(struct outbox *o, const struct msg_proto *p, const struct msg_out *m, struct err *e)
{
	const struct msg_row *row = msg_row_of(p, m->type);
	struct outbox_item **at = &o->first, *i;

	if (!row || o->n >= OUTBOX_MAX)
		return err_set(e, row ? ENOBUFS : EPROTO, "keep '%s' for later: %s",
			       row ? row->name : p->name,
			       row ? "too much is kept" : "unknown type");
	i = calloc(1, sizeof(*i) + (row->size + 7) / 8 * 8);
	if (!i)
		return err_set(e, ENOBUFS, "keep '%s' for later: out of memory", row->name);
	i->type = m->type;
	if (row->size)
		memcpy(i->body, m->body, row->size);
	while (*at)
		at = &(*at)->next;
	*at = i;
	o->n++;
	return 0;
}

int outbox_send(struct outbox *o, int fd, const struct msg_proto *p, const struct msg_out *m,
		struct err *e)
{
	int ret = o->first ? -EAGAIN : msg_send(fd, p, m->type, m->body, e);

	return ret == -EAGAIN ? keep(o, p, m, e) : ret;
}

static void drop(struct outbox *o, struct outbox_item **at)
{
	struct outbox_item *i = *at;

	*at = i->next;
	o->n--;
	free(i);
}

int outbox_flush(struct outbox *o, int fd, const struct msg_proto *p, struct err *e)
{
	while (o->first) {
		int ret = msg_send(fd, p, o->first->type, o->first->body, e);

		if (ret == -EAGAIN)
			return 0;
		if (ret < 0)
			return ret;
		drop(o, &o->first);
	}
	return 0;
}

uint32_t outbox_take_back(struct outbox *o,
			  bool (*is)(const struct outbox_item *i, const void *ctx), const void *ctx)
{
	uint32_t before = o->n;

	for (struct outbox_item **at = &o->first; *at;)
		if (is(*at, ctx))
			drop(o, at);
		else
			at = &(*at)->next;
	return before - o->n;
}

void outbox_clear(struct outbox *o)
{
	while (o->first)
		drop(o, &o->first);
}
