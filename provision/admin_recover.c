/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of such a worker: it may outlive its client. Main process of provisiond. */
#include "admin_recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

#define RECOVERIES_MAX 8 /* per client */

struct admin_recovery {
	struct admin_recovery *next;
	struct admin_client *client; /* NULL: gone */
	struct registry *reg;
	struct task task;
	const char *done;
	uint32_t tag;
	bool force;
	char kind[8], id[80];
};

static int begin(struct task *t, struct worker_order *o, struct err *e)
{
	const struct admin_recovery *rc = t->ctx;
	bool gpu = strcmp(rc->kind, "gpu") == 0;

	(void)e;
	o->kind = gpu ? WORKER_GPU : WORKER_NIC;
	o->settings = rc->reg->settings;
	o->device = rc->id;
	o->force = rc->force;
	o->rdma = strcmp(rc->kind, "rdma") == 0;
	return 0;
}

static const char *kind_word(const char *kind)
{
	return strcmp(kind, "nic") == 0 ? "NIC" : strcmp(kind, "gpu") == 0 ? "GPU" : "RDMA device";
}

static void finish(struct admin_recovery *rc, const struct err *e)
{
	const struct audit_field fields[] = { AUDIT_TEXT("kind", rc->kind),
					      AUDIT_TEXT("object", rc->id),
					      AUDIT_TEXT("reason", e->code ? e->text : rc->done) };
	char text[200];

	audit_write(e->code ? "lease.quarantine" : "lease.recover", fields, 3);
	if (rc->client) {
		for (struct admin_recovery **pp = &rc->client->recoveries; *pp; pp = &(*pp)->next)
			if (*pp == rc) {
				*pp = rc->next;
				break;
			}
		(void)str_format(text, sizeof(text), "%s '%s' %s", kind_word(rc->kind), rc->id,
				 rc->done);
		if (e->code)
			admin_client_failed(rc->client, rc->tag, e->code, e->text);
		else
			admin_client_done(rc->client, rc->tag, text);
	}
	free(rc);
}

static void refused(struct task *t, const struct err *e)
{
	struct err why = *e;

	finish(t->ctx, &why);
}

static void ended(struct task *t, struct worker_result *res)
{
	struct err why = res->err;

	finish(t->ctx, &why);
}

void admin_recover_start(struct admin_client *c, struct registry *reg,
			 const struct admin_recover *what)
{
	struct admin_recovery *rc;
	unsigned int n = 0;

	for (rc = c->recoveries; rc; rc = rc->next)
		n++;
	rc = n < RECOVERIES_MAX ? calloc(1, sizeof(*rc)) : NULL;
	if (!rc) {
		admin_client_failed(c, what->tag, EBUSY, "recover: too many at once");
		return;
	}
	*rc = (struct admin_recovery){ .next = c->recoveries,
				       .client = c,
				       .reg = reg,
				       .done = what->done,
				       .tag = what->tag,
				       .force = what->force };
	rc->task = (struct task){ .ctx = rc, .begin = begin, .refused = refused, .end = ended };
	(void)str_copy(rc->kind, sizeof(rc->kind), what->kind);
	(void)str_copy(rc->id, sizeof(rc->id), what->id);
	c->recoveries = rc;
	worker_submit(reg->pool, &rc->task, false);
}

void admin_recover_forget(struct admin_client *c)
{
	for (struct admin_recovery *rc = c->recoveries; rc; rc = rc->next)
		rc->client = NULL;
	c->recoveries = NULL;
}
