/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations on workspaces that admin clients wait for. Main process of provisiond. */
#include "admin_operate.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS_MAX 4096 /* per client: `sshbay destroy` names many at once */

struct operation {
	struct operation *next;
	struct admin_client *client;
	uint32_t tag, what; /* enum admin_operation */
	char name[STR_NAME_MAX];
	struct waiter waiter;
};

static void progress(struct waiter *w, const char *step, const char *detail, uint64_t us, int up)
{
	struct operation *op = w->ctx;
	struct admin_progress row = { .tag = op->tag, .us = us, .up = up != 0 };

	str_copy(row.step, sizeof(row.step), step);
	str_copy(row.detail, sizeof(row.detail), detail);
	admin_client_send(op->client, ADMIN_PROGRESS, &row, sizeof(row), -1);
}

static const char *const past[] = {
	[ADMIN_CREATE] = "created",    [ADMIN_START] = "started",      [ADMIN_STOP] = "stopped",
	[ADMIN_DESTROY] = "destroyed", [ADMIN_ATTACH] = "has its NIC",
};

static void forget(struct operation *op)
{
	struct admin_client *c = op->client;

	for (struct operation **pp = &c->operations; *pp; pp = &(*pp)->next)
		if (*pp == op) {
			*pp = op->next;
			c->noperations--;
			break;
		}
	free(op);
}

static void done(struct waiter *w, struct workspace *ws, int ret, const struct err *e)
{
	struct operation *op = w->ctx;
	char text[512], ip[IP_TEXT_MAX];
	const struct record *rec = ws ? workspace_record(ws) : NULL;

	if (ret) {
		admin_client_failed(op->client, op->tag, -ret, e->text);
	} else {
		str_format(text, sizeof(text), "workspace '%s' %s%s%s", op->name, past[op->what],
			   op->what <= ADMIN_START && rec && rec->control_ip.family ? ", address "
										    : "",
			   op->what <= ADMIN_START && rec
				   ? ip_text(&rec->control_ip, ip, sizeof(ip))
				   : "");
		admin_client_done(op->client, op->tag, text);
	}
	forget(op);
}

int admin_operate_start(struct admin_client *c, struct registry *reg,
			const struct admin_operate *req, struct err *e)
{
	static const enum workspace_op ops[] = {
		[ADMIN_CREATE] = WORKSPACE_CREATE, [ADMIN_START] = WORKSPACE_START,
		[ADMIN_STOP] = WORKSPACE_STOP,     [ADMIN_DESTROY] = WORKSPACE_DESTROY,
		[ADMIN_ATTACH] = WORKSPACE_ATTACH,
	};
	struct workspace_request todo;
	struct operation *op;

	if (req->operation > ADMIN_ATTACH)
		return err_set(e, EPROTO, "operate on '%s': unknown operation %u", req->name,
			       req->operation);
	op = c->noperations < OPERATIONS_MAX ? calloc(1, sizeof(*op)) : NULL;
	if (!op) {
		admin_client_failed(c, req->tag, EBUSY,
				    "start operation: too many at once on this connection");
		return 0;
	}
	todo = (struct workspace_request){ ops[req->operation], req->purge != 0, req->timeout_s };
	*op = (struct operation){
		.next = c->operations, .client = c, .tag = req->tag, .what = req->operation
	};
	str_copy(op->name, sizeof(op->name), req->name);
	op->waiter = (struct waiter){ .progress = progress, .done = done, .ctx = op };
	c->operations = op;
	c->noperations++;
	workspace_operate(reg, op->name, &todo, &op->waiter);
	return 0;
}

void admin_operate_forget(struct admin_client *c)
{
	while (c->operations) {
		struct operation *op = c->operations;

		waiter_cancel(&op->waiter);
		c->operations = op->next;
		free(op);
	}
}
