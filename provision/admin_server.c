/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The admin socket of provisiond's main process: its clients and one handler per request.
 * A client is freed only from the reaper (a deferred event), because a send to it may fail inside of any callback.
 */
#include "admin_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin_client.h"
#include "admin_explain.h"
#include "admin_hosts.h"
#include "admin_gpu.h"
#include "admin_nic.h"
#include "admin_operate.h"
#include "admin_recover.h"
#include "admin_rows.h"
#include "admin_sessions.h"
#include "admin_sources.h"
#include "audit.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/admin.h"

#define CLIENTS_MAX 64
#define RECENT_MAX  256 /* audit lines kept for `sshbay events` */

#define ACCEPT_SPAN_US 100000
#define ACCEPT_BURST   100 /* clients taken in ACCEPT_SPAN_US */

struct admin_server {
	sd_event *loop;
	struct registry *reg;
	struct admin_daemon daemon;
	int fd;
	sd_event_source *io, *reaper;
	struct admin_client *clients;
	unsigned int nclients;
	char *recent[RECENT_MAX];
	unsigned int nrecent; /* ever; the ring index is modulo RECENT_MAX */
};

union admin_body {
	struct admin_name name;
	struct admin_operate operate;
	struct admin_kick kick;
	struct admin_sources sources;
	struct admin_nics nics;
	struct admin_gpu gpu;
	struct admin_explain explain;
};

/* --- requests --- */

static void send_workspace(struct admin_client *c, const struct workspace *ws, uint32_t tag)
{
	struct admin_workspace row;

	admin_rows_workspace(c->server->reg, ws, &row);
	row.tag = tag;
	admin_client_send(c, ADMIN_WORKSPACE, &row, sizeof(row), -1);
}

/* The named workspace, or NULL after ADMIN_FAILED. */
static struct workspace *named(struct admin_client *c, const char *verb,
			       const struct admin_name *req)
{
	struct workspace *ws = workspace_find(c->server->reg, req->name);
	char text[512], shown[4 * STR_NAME_MAX];

	if (ws)
		return ws;
	str_format(text, sizeof(text), "%s workspace '%s': no such workspace (sshbay list)", verb,
		   str_vis(req->name, strlen(req->name), shown, sizeof(shown)));
	admin_client_failed(c, req->tag, ENOENT, text);
	return NULL;
}

static int answer_list(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_name *req = m->body;
	struct admin_client *c = ctx;
	struct workspace *ws = NULL;

	if (req->name[0]) {
		ws = named(c, "show", req);
		if (!ws)
			return 0;
		send_workspace(c, ws, req->tag);
	} else {
		while ((ws = workspace_next(c->server->reg, ws)))
			send_workspace(c, ws, req->tag);
	}
	admin_client_done(c, req->tag, "");
	return 0;
}

static int answer_operate(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	return admin_operate_start(c, c->server->reg, m->body, e);
}

static int answer_enter(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_name *req = m->body;
	struct admin_client *c = ctx;
	struct workspace *ws = named(c, "enter", req);
	struct admin_done entered = { .tag = req->tag };
	const char *user = req->user[0] ? req->user : "root";
	struct err why = { 0 };
	auto_fd int fd = -1;
	char text[512];

	if (!ws)
		return 0;
	if (strcmp(workspace_state(ws), record_state_text(RECORD_RUNNING))) {
		str_format(text, sizeof(text), "enter workspace '%s': it is %s (sshbay start %s)",
			   req->name, workspace_state(ws), req->name);
		admin_client_failed(c, req->tag, ENOTCONN, text);
		return 0;
	}
	fd = str_is_name(user, strlen(user))
		     ? workspace_connect(c->server->reg, ws, user, &why)
		     : err_set(&why, EINVAL, "enter workspace '%s': not a user name", req->name);
	if (fd < 0) {
		admin_client_failed(c, req->tag, why.code, why.text);
		return 0;
	}
	str_copy(entered.text, sizeof(entered.text), user);
	admin_client_send(c, ADMIN_ENTERED, &entered, sizeof(entered), fd);
	return 0;
}

struct row_ctx {
	struct admin_client *client;
	const struct admin_name *req;
};

static int answer_sessions(void *ctx, struct msg *m, struct err *e)
{
	struct row_ctx r = { ctx, m->body };

	if (r.req->name[0] && !named(r.client, "list sessions of", r.req))
		return 0;
	admin_sessions_send(r.client, r.req->tag, r.req->name);
	admin_client_done(r.client, r.req->tag, "");
	return 0;
}

static int answer_kick(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_kick *req = m->body;
	struct admin_client *c = ctx;
	const struct admin_daemon *d = &c->server->daemon;
	char text[128];
	struct err why = { 0 };
	int n = d->kick(d->ctx, req->who, req->message, &why);

	if (n < 0) {
		admin_client_failed(c, req->tag, -n, why.text);
		return 0;
	}
	str_format(text, sizeof(text), "told %d connection%s to leave", n, n == 1 ? "" : "s");
	admin_client_done(c, req->tag, text);
	return 0;
}

static void send_lease(void *ctx, struct admin_lease *row)
{
	const struct row_ctx *r = ctx;

	row->tag = r->req->tag;
	admin_client_send(r->client, ADMIN_LEASE, row, sizeof(*row), -1);
}

static int answer_leases(void *ctx, struct msg *m, struct err *e)
{
	struct row_ctx r = { ctx, m->body };
	struct registry *reg = r.client->server->reg;
	struct workspace *ws = NULL;

	if (r.req->name[0]) {
		ws = named(r.client, "list leases of", r.req);
		if (!ws)
			return 0;
		admin_rows_leases(reg, ws, send_lease, &r);
	} else {
		while ((ws = workspace_next(reg, ws)))
			admin_rows_leases(reg, ws, send_lease, &r);
		admin_nic_leases(reg, send_lease, &r);
		admin_gpu_leases(reg, send_lease, &r);
	}
	admin_client_done(r.client, r.req->tag, "");
	return 0;
}

/* Does the audit line concern this workspace? Names need no escaping in JSON. */
static bool concerns(const char *line, const char *name)
{
	char field[STR_NAME_MAX + 16];

	if (!name[0])
		return true;
	str_format(field, sizeof(field), "\"ws\":\"%s\"", name);
	return strstr(line, field) != NULL;
}

static void send_event(struct admin_client *c, uint32_t tag, const char *name, const char *line)
{
	struct admin_event row = { .tag = tag };
	size_t len = strlen(line);

	if (!concerns(line, name))
		return;
	while (len && line[len - 1] == '\n')
		len--;
	if (len >= sizeof(row.line))
		len = sizeof(row.line) - 1;
	memcpy(row.line, line, len);
	admin_client_send(c, ADMIN_EVENT, &row, sizeof(row), -1);
}

static int answer_events(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_name *req = m->body;
	struct admin_client *c = ctx;
	const struct admin_server *a = c->server;

	for (unsigned int i = a->nrecent > RECENT_MAX ? a->nrecent - RECENT_MAX : 0; i < a->nrecent;
	     i++)
		if (a->recent[i % RECENT_MAX])
			send_event(c, req->tag, req->name, a->recent[i % RECENT_MAX]);
	if (!req->follow) {
		admin_client_done(c, req->tag, "");
		return 0;
	}
	c->follow = true;
	c->follow_tag = req->tag;
	str_copy(c->follow_name, sizeof(c->follow_name), req->name);
	return 0;
}

static int answer_reload(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_name *req = m->body;
	struct admin_client *c = ctx;
	char text[512] = "";
	int ret = c->server->daemon.reload(c->server->daemon.ctx, text, sizeof(text));

	if (ret)
		admin_client_failed(c, req->tag, -ret, text);
	else
		admin_client_done(c, req->tag, text);
	return 0;
}

static int answer_status(void *ctx, struct msg *m, struct err *e)
{
	const struct admin_name *req = m->body;
	struct admin_client *c = ctx;
	char text[512] = "";

	c->server->daemon.status(c->server->daemon.ctx, text, sizeof(text));
	admin_client_done(c, req->tag, text);
	return 0;
}

static int answer_explain(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	admin_explain_answer(c, c->server->reg, m->body);
	return 0;
}

static int answer_hosts(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	admin_hosts_answer(c, c->server->reg, c->server->daemon.hostkey, m->body);
	return 0;
}

static int answer_nics(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	admin_nic_answer(c, c->server->reg, m->body);
	return 0;
}

static int answer_gpu(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	admin_gpu_recover(c, c->server->reg, m->body);
	return 0;
}

static int answer_sources(void *ctx, struct msg *m, struct err *e)
{
	struct admin_client *c = ctx;

	admin_sources_answer(c, &c->server->daemon, m->body);
	return 0;
}

static const struct msg_route routes[] = {
	{ ADMIN_LIST, answer_list },       { ADMIN_OPERATE, answer_operate },
	{ ADMIN_ENTER, answer_enter },     { ADMIN_SESSIONS, answer_sessions },
	{ ADMIN_LEASES, answer_leases },   { ADMIN_EVENTS, answer_events },
	{ ADMIN_RELOAD, answer_reload },   { ADMIN_STATUS, answer_status },
	{ ADMIN_EXPLAIN, answer_explain }, { ADMIN_HOSTS, answer_hosts },
	{ ADMIN_KICK, answer_kick },       { ADMIN_NICS, answer_nics },
	{ ADMIN_GPU_RECOVER, answer_gpu }, { ADMIN_SOURCES, answer_sources },
};
static const struct msg_table table = { &admin_proto, routes, sizeof(routes) / sizeof(routes[0]) };

/* --- clients --- */

static void client_free(struct admin_client *c)
{
	admin_operate_forget(c);
	admin_recover_forget(c);
	(void)c->server->daemon.look(c->server->daemon.ctx, "", NULL, c, NULL);
	admin_sources_forget(c);
	admin_client_close(c);
	c->server->nclients--;
	free(c);
}

static int reap(sd_event_source *s, void *ctx)
{
	struct admin_server *a = ctx;
	struct admin_client **pp = &a->clients;

	while (*pp) {
		struct admin_client *c = *pp;

		if (c->failed) {
			*pp = c->next;
			client_free(c);
		} else {
			pp = &c->next;
		}
	}
	return 0;
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct admin_client *c = ctx;
	union admin_body body;
	struct err e = { 0 };
	struct msg m;
	int ret;

	if (c->failed)
		return 0;
	if (revents & EPOLLOUT)
		admin_client_flush(c);
	if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	ret = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e);
	if (ret == -EAGAIN)
		return 0;
	if (ret == 1) {
		ret = msg_dispatch(&table, &c->state, c, &m, &e);
		msg_close_fds(&m);
		if (!ret)
			return 0;
	}
	admin_client_fail(c, ret ? e.text : NULL);
	return 0;
}

static int add_client(struct admin_server *a, int fd, struct err *e)
{
	struct admin_client *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return err_set(e, ENOMEM, "accept on 'admin.sock': out of memory");
	*c = (struct admin_client){ .server = a, .fd = fd, .reaper = a->reaper, .state.phase = 1 };
	c->out_end = &c->out;
	ret = sd_event_add_io(a->loop, &c->io, fd, EPOLLIN, on_client, c);
	if (ret < 0) {
		free(c);
		return err_ret(e, ret, "accept on 'admin.sock'");
	}
	c->next = a->clients;
	a->clients = c;
	a->nclients++;
	return 0;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct admin_server *a = ctx;
	auto_fd int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err e = { 0 };
	uid_t uid;
	pid_t pid;
	int ret;

	if (conn < 0)
		return 0;
	ret = msg_peer(conn, &pid, &uid, &e);
	if (!ret && uid != 0)
		ret = err_set(&e, EPERM, "admin client with pid %d: uid %u is not root, refused",
			      (int)pid, uid);
	if (!ret && a->nclients >= CLIENTS_MAX)
		ret = err_set(&e, EBUSY,
			      "admin client with pid %d: %u are connected already, refused",
			      (int)pid, a->nclients);
	if (!ret)
		ret = add_client(a, conn, &e);
	if (ret)
		log_warn("%s", e.text);
	else
		conn = -1;
	return 0;
}

static void on_audit(void *ctx, const char *line)
{
	struct admin_server *a = ctx;
	char **slot = &a->recent[a->nrecent++ % RECENT_MAX];

	free(*slot);
	*slot = strdup(line);
	for (struct admin_client *c = a->clients; c; c = c->next)
		if (c->follow)
			send_event(c, c->follow_tag, c->follow_name, line);
}

int admin_server_new(sd_event *loop, struct registry *reg, const struct admin_daemon *daemon,
		     struct admin_server **out, struct err *e)
{
	struct admin_server *a = calloc(1, sizeof(*a));
	char path[PATH_MAX];
	int ret;

	*out = NULL;
	if (!a)
		return err_set(e, ENOMEM, "make 'admin.sock': out of memory");
	*a = (struct admin_server){ .loop = loop, .reg = reg, .daemon = *daemon, .fd = -1 };
	str_format(path, sizeof(path), "%s/admin.sock", registry_settings(reg)->storage.run);
	a->fd = msg_listen(path, 0600, 64, e);
	if (a->fd < 0) {
		ret = a->fd;
		free(a);
		return ret;
	}
	fd_nonblock(a->fd, 1);
	ret = sd_event_add_io(loop, &a->io, a->fd, EPOLLIN, on_accept, a);
	/* Without descriptors clients stay in the queue, and the loop must not spin meanwhile. */
	if (ret >= 0)
		ret = sd_event_source_set_ratelimit(a->io, ACCEPT_SPAN_US, ACCEPT_BURST);
	if (ret >= 0)
		ret = sd_event_add_defer(loop, &a->reaper, reap, a);
	if (ret < 0) {
		admin_server_free(a);
		return err_ret(e, ret, "watch '%s'", path);
	}
	sd_event_source_set_enabled(a->reaper, SD_EVENT_OFF);
	audit_subscribe(on_audit, a);
	*out = a;
	return 0;
}

void admin_server_free(struct admin_server *a)
{
	if (!a)
		return;
	audit_subscribe(NULL, NULL);
	while (a->clients) {
		struct admin_client *c = a->clients;

		a->clients = c->next;
		client_free(c);
	}
	for (unsigned int i = 0; i < RECENT_MAX; i++)
		free(a->recent[i]);
	sd_event_source_disable_unref(a->reaper);
	sd_event_source_disable_unref(a->io);
	fd_close(&a->fd);
	free(a);
}
