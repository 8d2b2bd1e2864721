/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an authenticated connection into its workspace: choose, start or join the start, connect to ws-init, hand the
 * socket over.  After that provisiond only listens to what the session says about its channels.
 */
#include "gate_conn.h"

#include <stdio.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"
#include "gpu_lease.h"
#include "limits.h"
#include "motd.h"

#define ATTACHES_MAX    256 /* of one connection; each one needs a workspace that died under it */
#define OOM_TOGETHER_US 2000000  /* one kill by the memory limit may end several channels */
#define CONNECT_US      30000000 /* a ws-init with a full queue has this long to take a login */
#define AGAIN_US        5000 /* at first; then as long again as it has waited, but no longer than: */
#define AGAIN_MAX_US    500000

static int refuse(struct gate_conn *c, const char *text, struct err *e)
{
	struct gate_refused r = { 0 };

	gate_audit_limited(c, "session.open", "refused", text);
	(void)str_copy(r.text, sizeof(r.text), text);
	return gate_server_send(c, GATE_REFUSED, &r, -1, e);
}

/* Answers that do not fit into the socket's buffer: the session does not read, its connection is given up. */
static void gone(struct gate_conn *c, const struct err *e)
{
	log_warn("connection %s: %s", c->saved.info.id, e->text);
	gate_server_doom(c);
}

static void progress(struct waiter *w, const char *step, const char *detail, uint64_t us, int up)
{
	struct gate_conn *c = w->ctx;
	struct gate_progress p = { .us = us };

	if (!c->want_progress || !up || !detail || !detail[0])
		return;
	/* Progress is an ornament: a line that cannot be sent is left out. */
	if (!c->headline) {
		struct gate_progress head = { .step = "workspace" };

		(void)str_copy(head.detail, sizeof(head.detail), c->saved.info.workspace);
		(void)gate_server_send(c, GATE_PROGRESS, &head, -1, NULL);
		c->headline = true;
	}
	(void)str_copy(p.step, sizeof(p.step), strcmp(step, "net") == 0 ? "network" : step);
	(void)str_copy(p.detail, sizeof(p.detail), detail);
	(void)gate_server_send(c, GATE_PROGRESS, &p, -1, NULL);
}

static void remember_kills(struct gate_conn *c)
{
	struct err e;

	c->oom_known = limits_oom_kills(registry_settings(c->g->reg), c->saved.info.workspace,
					&c->oom_seen, &e) == 0;
}

static void tell_where(const struct gate_conn *c, const struct workspace *ws, char *buf,
		       size_t size)
{
	char host[HOST_NAME_MAX + 1] = "", note[160] = "";
	struct spec spec;
	struct motd m = {
		.rec = workspace_record(ws),
		.spec = &spec,
		.user = c->saved.info.user,
		.host = host,
		.created = c->created,
		.now = clk_wall_s(),
		.text = c->g->motd,
		.note = note,
	};

	workspace_spec(c->g->reg, ws, &spec);
	(void)gethostname(host, sizeof(host) - 1);
	if (m.rec->gpus[0])
		gpu_lease_changed(registry_settings(c->g->reg), workspace_name(ws), note,
				  sizeof(note));
	motd_write(&m, buf, size);
}

static int again(sd_event_source *src, uint64_t usec, void *userdata);

/* The queue of ws-init is full: a storm of logins. The kernel tells nobody when there is room, so it is tried again. */
static int later(struct gate_conn *c, uint64_t now, struct err *e)
{
	uint64_t pause;
	int ret;

	if (!c->connect_until_us)
		c->connect_until_us = now + CONNECT_US;
	/* Each try costs the main process a visit to a namespace: many who wait long may not keep it busy. */
	pause = now + CONNECT_US > c->connect_until_us ? now + CONNECT_US - c->connect_until_us : 0;
	pause = pause < AGAIN_US ? AGAIN_US : pause > AGAIN_MAX_US ? AGAIN_MAX_US : pause;
	c->again = sd_event_source_disable_unref(c->again);
	ret = sd_event_add_time(c->g->loop, &c->again, CLOCK_MONOTONIC, now + pause, 1, again, c);
	if (ret < 0)
		return err_ret(e, ret, "attach to '%s'", c->saved.info.workspace);
	c->attaching = true;
	return 0;
}

static int attached(struct gate_conn *c, struct workspace *ws, struct err *e)
{
	struct gate_attached a = { .created = c->created };
	auto_fd int fd = workspace_connect(c->g->reg, ws, c->saved.info.user, e);
	uint64_t now = clk_now_us();

	if (fd == -EAGAIN && (!c->connect_until_us || now < c->connect_until_us))
		return later(c, now, e);
	c->connect_until_us = 0;
	if (fd < 0)
		return refuse(c, e->text, e);
	a.took_us = clk_now_us() - c->attach_us;
	(void)str_copy(a.workspace, sizeof(a.workspace), c->saved.info.workspace);
	(void)str_copy(a.user, sizeof(a.user), c->saved.info.user);
	tell_where(c, ws, a.motd, sizeof(a.motd));
	if (!c->attached)
		workspace_count_session(ws, 1);
	c->attached = true;
	remember_kills(c);
	gate_server_store(c);
	gate_audit_limited(c, "session.open", "accepted", NULL);
	return gate_server_send(c, GATE_ATTACHED, &a, fd, e);
}

static void done(struct waiter *w, struct workspace *ws, int result, const struct err *why)
{
	struct gate_conn *c = w->ctx;
	struct err e = { 0 };
	int ret;

	c->attaching = false;
	if (c->fd < 0)
		return;
	ret = result < 0 || !ws
		      ? refuse(c,
			       why && why->text[0] ? why->text
						   : "enter the workspace: it did not start",
			       &e)
		      : attached(c, ws, &e);
	if (ret < 0)
		gone(c, &e);
}

static int again(sd_event_source *src, uint64_t usec, void *userdata)
{
	struct gate_conn *c = userdata;

	done(&c->waiter, workspace_find(c->g->reg, c->saved.info.workspace), 0, NULL);
	return 0;
}

int gate_attach_begin(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_attach *req = m->body;
	char name[STR_NAME_MAX];
	struct workspace *ws;
	struct err why = { 0 };

	if (c->attaching || ++c->attaches > ATTACHES_MAX)
		return err_set(e, EPROTO, "attach connection '%s': asked too often",
			       c->saved.info.id);
	if (workspace_choose(c->g->reg, c->saved.info.user, c->wanted, &c->local.addr, name, &why) <
	    0)
		return refuse(c, why.text, e);
	/* The choice was made for this connection: a reload does not move it to another workspace. */
	if (c->attached && strcmp(name, c->saved.info.workspace) != 0)
		return refuse(c, "enter the workspace: its configuration has changed, log in again",
			      e);
	(void)str_copy(c->saved.info.workspace, sizeof(c->saved.info.workspace), name);
	ws = workspace_find(c->g->reg, name);
	c->created = !ws || !workspace_exists(ws);
	c->want_progress = req->progress;
	c->headline = false;
	c->attach_us = clk_now_us();
	c->connect_until_us = 0;
	c->attaching = true;
	c->waiter = (struct waiter){ .progress = progress, .done = done, .ctx = c };
	workspace_run(c->g->reg, name, &c->waiter);
	return 0;
}

void gate_attach_restore(struct gate_conn *c)
{
	struct workspace *ws;

	if (!c->saved.info.workspace[0])
		return;
	ws = workspace_find(c->g->reg, c->saved.info.workspace);
	if (!ws)
		return;
	workspace_count_session(ws, 1);
	c->attached = true;
	remember_kills(c);
}

void gate_attach_cancel(struct gate_conn *c)
{
	c->again = sd_event_source_disable_unref(c->again);
	if (c->attaching)
		waiter_cancel(&c->waiter);
	c->attaching = false;
}

void gate_attach_end(struct gate_conn *c)
{
	struct workspace *ws;

	gate_attach_cancel(c);
	if (!c->attached)
		return;
	ws = workspace_find(c->g->reg, c->saved.info.workspace);
	if (ws)
		workspace_count_session(ws, -1);
	c->attached = false;
	gate_audit_line(c, "session.close", "ended", NULL);
}

static void explain(struct gate_conn *c, uint64_t kills, char *text, size_t size)
{
	struct workspace *ws = workspace_find(c->g->reg, c->saved.info.workspace);
	uint64_t now = clk_now_us();
	struct spec spec;
	char limit[32];

	if (!ws || !c->oom_known)
		return;
	if (kills <= c->oom_seen && (!c->oom_us || now >= c->oom_us + OOM_TOGETHER_US))
		return;
	c->oom_seen = kills;
	c->oom_us = now;
	workspace_spec(c->g->reg, ws, &spec);
	if (spec.memory == SETTINGS_UNLIMITED)
		(void)str_copy(text, size, "killed: out of memory");
	else
		(void)str_format(text, size, "killed: out of memory (limit %s)",
				 num_size_text(spec.memory, limit, sizeof(limit)));
	gate_audit_limited(c, "ws.oom", "killed", text);
}

int gate_attach_why(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	struct gate_because b = { 0 };
	uint64_t kills;

	if (c->attached && limits_oom_kills(registry_settings(c->g->reg), c->saved.info.workspace,
					    &kills, NULL) == 0)
		explain(c, kills, b.text, sizeof(b.text));
	return gate_server_send(c, GATE_BECAUSE, &b, -1, e);
}
