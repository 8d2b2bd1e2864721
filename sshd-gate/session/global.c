/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See global.h.  Session process. */
#include "global.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "chan.h"
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

/* Is this what the lens makes of a request? */
static bool is_marked(struct ssh_message_struct *m, const char *mark)
{
	const char *host = ssh_message_global_request_address(m);

	return lens_is_on() && ssh_message_subtype(m) == SSH_GLOBAL_REQUEST_TCPIP_FORWARD && host &&
	       strcmp(host, mark) == 0;
}

static void answer(struct session *s, struct ssh_message_struct *m, bool success)
{
	if (success)
		ssh_message_global_request_reply_success(m, 0);
	else
		ssh_message_reply_default(m);
	ssh_message_free(m);
	transport_note_writes(s);
}

static void handle(struct session *s, struct ssh_message_struct *m)
{
	if (ssh_message_type(m) == SSH_REQUEST_CHANNEL_OPEN) {
		chan_open_request(s, m);
	} else if (is_marked(m, LENS_REWRITE_KEEPALIVE)) {
		answer(s, m, true);
	} else if (is_marked(m, LENS_REWRITE_REFUSED)) {
		answer(s, m, false);
	} else if (is_marked(m, LENS_REWRITE_NO_MORE)) {
		s->no_more_sessions = true;
		answer(s, m, true);
	} else {
		idle_used(s);
		forward_global_request(s, m);
	}
}

bool global_waits(const struct session *s)
{
	return is_busy(s) || (s->globals && s->globals->n);
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
