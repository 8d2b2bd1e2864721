/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sending to the clients of the admin socket, in provisiond's main process: never blocking, at most QUEUE_MAX bytes
 * behind.  A failing client is only marked here; admin_server.c frees it when nobody is inside of it.
 */
#include "admin_client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"

#define QUEUE_MAX (16u << 20) /* bytes a client may leave unread */

struct queued {
	struct queued *next;
	uint32_t type;
	int fd;
	size_t size;
	unsigned char body[];
};

void admin_client_fail(struct admin_client *c, const char *why)
{
	if (!c->failed && why)
		log_warn("admin client: %s", why);
	c->failed = true;
	sd_event_source_set_enabled(c->reaper, SD_EVENT_ONESHOT);
}

static bool enqueue(struct admin_client *c, const struct queued *model, const void *body)
{
	struct queued *q =
		c->queued + model->size > QUEUE_MAX ? NULL : malloc(sizeof(*q) + model->size);

	if (!q)
		return false;
	*q = *model;
	memcpy(q->body, body, q->size);
	q->fd = model->fd >= 0 ? fcntl(model->fd, F_DUPFD_CLOEXEC, 3) : -1;
	*c->out_end = q;
	c->out_end = &q->next;
	c->queued += q->size;
	sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
	return true;
}

void admin_client_send(struct admin_client *c, uint32_t type, const void *body, size_t size, int fd)
{
	const struct queued model = { .type = type, .fd = fd, .size = size };
	struct err e = { 0 };
	int ret = -EAGAIN;

	if (c->failed)
		return;
	if (!c->out)
		ret = msg_send_fds(c->fd, &admin_proto,
				   &(struct msg_out){ type, body, &fd, fd >= 0 }, &e);
	if (ret == -EAGAIN && !enqueue(c, &model, body))
		admin_client_fail(c, "does not read its answers, dropped");
	else if (ret && ret != -EAGAIN)
		admin_client_fail(c, ret == -EPIPE || ret == -ECONNRESET ? NULL : e.text);
}

void admin_client_done(struct admin_client *c, uint32_t tag, const char *text)
{
	struct admin_done done = { .tag = tag };

	str_copy(done.text, sizeof(done.text), text);
	admin_client_send(c, ADMIN_DONE, &done, sizeof(done), -1);
}

void admin_client_failed(struct admin_client *c, uint32_t tag, int code, const char *text)
{
	struct admin_failed failed = { .tag = tag, .code = (uint32_t)code };

	str_copy(failed.text, sizeof(failed.text), text);
	admin_client_send(c, ADMIN_FAILED, &failed, sizeof(failed), -1);
}

static void drop_first(struct admin_client *c)
{
	struct queued *q = c->out;

	c->out = q->next;
	if (!c->out)
		c->out_end = &c->out;
	c->queued -= q->size;
	fd_close(&q->fd);
	free(q);
}

void admin_client_flush(struct admin_client *c)
{
	while (c->out) {
		struct queued *q = c->out;
		struct err e = { 0 };
		int ret =
			msg_send_fds(c->fd, &admin_proto,
				     &(struct msg_out){ q->type, q->body, &q->fd, q->fd >= 0 }, &e);

		if (ret == -EAGAIN)
			return;
		if (ret) {
			admin_client_fail(c, NULL);
			return;
		}
		drop_first(c);
	}
	sd_event_source_set_io_events(c->io, EPOLLIN);
}

void admin_client_close(struct admin_client *c)
{
	while (c->out)
		drop_first(c);
	c->io = sd_event_source_disable_unref(c->io);
	fd_close(&c->fd);
}
