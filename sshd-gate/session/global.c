/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See global.h.  Session process. */
#include "global.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "idle.h"
#include "lens.h"
#include "lens_rewrite.h"
#include "transport.h"

#define WAITING_MAX 64 /* requests of one client behind an unanswered one */

struct global_queue {
	unsigned int n;
	struct ssh_message_struct *waiting[WAITING_MAX];
};

static bool is_busy(const struct session *s)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].msg)
			return true;
	return false;
}

/* keepalive@openssh.com, in the words of the lens. Without it libssh answers by itself. */
static bool is_keepalive(struct ssh_message_struct *m)
{
	const char *host = ssh_message_global_request_address(m);

	return lens_is_on() && ssh_message_subtype(m) == SSH_GLOBAL_REQUEST_TCPIP_FORWARD && host &&
	       !*host && ssh_message_global_request_port(m) == LENS_REWRITE_KEEPALIVE_PORT;
}

static void handle(struct session *s, struct ssh_message_struct *m)
{
	if (is_keepalive(m)) {
		ssh_message_global_request_reply_success(m, 0);
		ssh_message_free(m);
		transport_note_writes(s);
		return;
	}
	idle_used(s);
	forward_global_request(s, m);
}

void global_run(struct session *s)
{
	struct global_queue *q = s->globals;

	while (q && q->n && !s->ending && !is_busy(s)) {
		struct ssh_message_struct *m = q->waiting[0];

		memmove(q->waiting, q->waiting + 1, --q->n * sizeof(q->waiting[0]));
		handle(s, m);
	}
}

void global_request(struct session *s, struct ssh_message_struct *m)
{
	struct global_queue *q = s->globals;

	if (!q)
		q = s->globals = calloc(1, sizeof(*q));
	if (!q || q->n == WAITING_MAX) {
		ssh_message_free(m);
		session_end(s, q ? "too many global requests at once" : "out of memory");
		return;
	}
	q->waiting[q->n++] = m;
	global_run(s);
}
