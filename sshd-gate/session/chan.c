/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See chan.h.  Session process.  libssh's callbacks set flags only; everything else happens in the loop.  A channel is
 * freed when both sides have sent CLOSE, so a client cannot open more than it has closed.
 */
#include "chan.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/log.h"
#include "base/str.h"
#include "env.h"
#include "lens.h"
#include "lens_rewrite.h"
#include "permit.h"
#include "pump.h"
#include "refusal.h"
#include "request.h"
#include "rpc.h"
#include "served.h"
#include "spawn.h"
#include "transport.h"

#define OURS_FAILED 254    /* exit status of a refusal of ours (DESIGN section 8) */
#define DRAIN_US    100000 /* a terminal's last output may trail its process' end */
#define EOF_US                                                                                     \
	100000 /* a process that closed its output lives on: tell the client. Its last words follow otherwise */
#define WHY_US 1000000
#define BUFFERED_MAX                                                                               \
	(16 << 20) /* a client that sends this much beyond its window is not a client */

static struct chan *by_ssh(struct session *s, const struct ssh_channel_struct *ssh)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->ssh == ssh)
			return s->chans[i];
	return NULL;
}

struct chan *chan_by_id(struct session *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->id == id)
			return s->chans[i];
	return NULL;
}

uint32_t chan_count(const struct session *s, enum chan_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->nchans; i++)
		n += s->chans[i]->kind == kind;
	return n;
}

/* Callbacks of libssh: `user` is the session. */
/* signature: libssh */
static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t len, int is_stderr,
		   void *user)
{
	struct session *s = user;
	struct chan *c = by_ssh(s, channel);

	if (is_stderr || !c)
		return (int)len; /* nothing of ours reads it: gone */
	c->have_data = true;
	if (len > BUFFERED_MAX)
		session_end(s, "client ignores its window");
	return 0;
}

static void on_eof(ssh_session ssh, ssh_channel channel, void *user)
{
	struct chan *c = by_ssh(user, channel);

	if (c)
		c->eof_seen = true;
}

static void on_close(ssh_session ssh, ssh_channel channel, void *user)
{
	struct session *s = user;
	struct chan *c = by_ssh(s, channel);

	if (c)
		c->remote_closed = c->eof_seen = true;
	s->stirred = true;
}

static void on_signal(ssh_session ssh, ssh_channel channel, const char *name, void *user)
{
	struct session *s = user;
	struct chan *c = by_ssh(s, channel);
	int number = name ? env_signal_number(name) : 0;

	if (c && name && lens_is_on() && strcmp(name, LENS_REWRITE_EOW) == 0)
		c->unwanted = s->stirred = true;
	if (c && number)
		spawn_signal(s, c, number);
}

static void on_agent(ssh_session ssh, ssh_channel channel, void *user)
{
	served_agent_wanted(user);
}

int chan_adopt(struct session *s, struct chan *c, struct ssh_channel_struct *ssh)
{
	ssh_channel_callbacks cb = calloc(1, sizeof(*cb));

	if (!cb)
		return -ENOMEM;
	cb->userdata = s;
	cb->channel_data_function = on_data;
	cb->channel_eof_function = on_eof;
	cb->channel_close_function = on_close;
	cb->channel_signal_function = on_signal;
	/* Without the lens libssh answers: yes wherever this is set, and no elsewhere. */
	if (c->kind == CHAN_SESSION && !lens_is_on() && permit_has(s, GATE_MAY_AGENT))
		cb->channel_auth_agent_req_function = on_agent;
	ssh_callbacks_init(cb);
	if (ssh_set_channel_callbacks(ssh, cb) != SSH_OK) {
		free(cb);
		return -EINVAL;
	}
	c->callbacks = cb;
	c->ssh = ssh;
	return 0;
}

struct chan *chan_new(struct session *s, enum chan_kind kind)
{
	struct chan *c;

	if (s->nchans == SESSION_CHANNELS_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->id = ++s->next_id;
	c->kind = kind;
	c->in = c->out.fd = c->err.fd = -1;
	s->chans[s->nchans++] = c;
	return c;
}

static void unlink_from(struct session *s, const struct chan *c)
{
	uint32_t i = 0;

	while (i < s->nchans && s->chans[i] != c)
		i++;
	if (i < s->nchans)
		s->chans[i] = s->chans[--s->nchans];
}

void chan_drop(struct session *s, struct chan *c)
{
	/* First: nobody who looks through the table meanwhile shall find it, or change its place. */
	unlink_from(s, c);
	if (c->announced)
		rpc_channel(s, c, false);
	served_end(s, c);
	pump_close(c);
	if (c->ssh) {
		/* 0.10 calls the callbacks of a freed channel until the client's CLOSE is in. */
		ssh_remove_channel_callbacks(c->ssh, c->callbacks);
		ssh_channel_free(c->ssh);
		transport_note_writes(s);
	}
	ssh_message_free(c->open_msg);
	free(c->callbacks);
	free(c->ask);
	free(c->original);
	free(c->dial);
	free(c->target);
	free(c);
}

void chan_open_request(struct session *s, struct ssh_message_struct *m)
{
	struct chan *c = NULL;
	ssh_channel ssh;

	if (s->no_more_sessions) {
		ssh_message_free(m);
		transport_disconnect(s, "A session after the client's no-more-sessions");
		return;
	}
	/* A quick client's CLOSE may be in, and its channel not put away yet. */
	if (chan_count(s, CHAN_SESSION) >= s->welcome.max_sessions)
		chan_settle(s, clk_now_us());
	if (chan_count(s, CHAN_SESSION) < s->welcome.max_sessions)
		c = chan_new(s, CHAN_SESSION);
	if (c)
		c->ask = calloc(1, sizeof(*c->ask));
	if (!c || !c->ask) {
		refusal_open(s, m, REFUSAL_PROHIBITED,
			     c ? "out of memory"
			       : "too many sessions on this connection (max_sessions)");
		if (c)
			chan_drop(s, c);
		return;
	}
	ssh = ssh_message_channel_request_open_reply_accept(m);
	if (!ssh || chan_adopt(s, c, ssh) < 0)
		session_end(s, "cannot open a channel: %s", ssh_get_error(s->ssh));
	ssh_message_free(m);
}

void chan_request(struct session *s, struct ssh_message_struct *m)
{
	/* A channel that was freed meanwhile must not be touched: its name is looked up, never followed. */
	struct chan *c = by_ssh(s, ssh_message_channel_request_channel(m));

	if (c)
		request_handle(s, c, m);
	ssh_message_free(m);
}

void chan_tell(struct chan *c, const char *line)
{
	struct out *o = c->pty ? &c->out : &c->err;

	pump_text(o, line, strlen(line));
	pump_text(o, "\r\n" + !c->pty, c->pty ? 2 : 1);
}

void chan_tell_terminals(struct session *s, const char *line)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->pty && s->chans[i]->state == CHAN_WAITING)
			chan_tell(s->chans[i], line);
}

void chan_fail(struct session *s, struct chan *c, const char *text)
{
	char vis[GATE_TEXT_MAX], line[GATE_TEXT_MAX + 16];

	(void)str_vis(text, strlen(text), vis, sizeof(vis));
	(void)str_format(line, sizeof(line), "sshbay: %s", vis);
	chan_tell(c, line);
	free(c->ask);
	c->ask = NULL;
	c->state = CHAN_RUNNING;
	c->exited = true;
	c->status = OURS_FAILED;
	c->signal = 0;
}

/* EOF and CLOSE. libssh gives up half way with SSH_AGAIN when the socket is full: the second call goes on. */
static void close_ours(struct session *s, struct chan *c)
{
	if (ssh_channel_close(c->ssh) == SSH_AGAIN)
		(void)ssh_channel_close(c->ssh);
	pump_close(c);
	c->state = CHAN_CLOSING;
	transport_note_writes(s);
}

void chan_expire(struct session *s, struct chan *c, const char *text)
{
	pump_close(c);
	if (c->kind == CHAN_SESSION)
		chan_fail(s, c, text);
	else
		close_ours(s, c);
}

void chan_submit_waiting(struct session *s)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->state == CHAN_WAITING && !s->chans[i]->sent)
			spawn_submit(s, s->chans[i]);
}

void chan_fail_waiting(struct session *s, const char *why)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->kind == CHAN_SESSION && s->chans[i]->state == CHAN_WAITING)
			chan_fail(s, s->chans[i], why);
}

void chan_running(struct session *s, struct chan *c)
{
	const char *motd = s->attached.motd;

	c->state = CHAN_RUNNING;
	s->channel_ran = true;
	refusal_terminal(s, c);
	if (!c->pty || c->what != GATE_CHAN_SHELL || c->hush || !motd[0])
		return;
	for (const char *p = motd; *p;) {
		size_t n = strcspn(p, "\n");

		pump_text(&c->out, p, n);
		pump_text(&c->out, "\r\n", 2);
		p += n + (p[n] == '\n');
	}
}

void chan_exited(struct session *s, struct chan *c, const struct init_exited *x)
{
	c->exited = true;
	c->exited_us = clk_now_us();
	c->out.quiet = c->err.quiet = false; /* what poll saw was before this */
	c->status = x->status;
	c->signal = x->signal;
	c->core = x->core;
	if (x->signal == 9 && s->prov >= 0) {
		c->why_asked = true;
		c->why_until_us = c->exited_us + WHY_US;
		rpc_why(s);
	}
}

void chan_because(struct session *s, const char *text)
{
	char vis[GATE_TEXT_MAX], line[GATE_TEXT_MAX + 16];

	for (uint32_t i = 0; i < s->nchans; i++) {
		struct chan *c = s->chans[i];

		if (!c->why_asked)
			continue;
		c->why_asked = false;
		if (!text[0])
			return;
		(void)str_vis(text, strlen(text), vis, sizeof(vis));
		(void)str_format(line, sizeof(line), "sshbay: %s", vis);
		chan_tell(c, line);
		return;
	}
}

static void send_exit(struct session *s, struct chan *c)
{
	int rc;

	c->exit_sent = true;
	if (c->signal)
		rc = ssh_channel_request_send_exit_signal(c->ssh, env_signal_name(c->signal),
							  c->core != 0, "", "");
	else
		rc = ssh_channel_request_send_exit_status(c->ssh, (int)c->status);
	if (rc == SSH_ERROR)
		log_detail("channel %u: exit status not sent: %s", c->id, ssh_get_error(s->ssh));
}

/* May the exit status go out? When the output is at its end or, with a child that keeps it open, silent. */
static bool output_settled(const struct chan *c)
{
	bool out = c->out.fd < 0 || c->out.quiet, err = c->err.fd < 0 || c->err.quiet;

	return out && err && !c->out.rest.len && !c->err.rest.len;
}

static void send_eof(struct session *s, struct chan *c)
{
	c->eof_sent = true;
	(void)ssh_channel_send_eof(c->ssh);
	transport_note_writes(s);
}

/* The program reads no more: a client that knows the word stops sending. */
static void tell_end_of_write(struct session *s, struct chan *c)
{
	const char *client = ssh_get_clientbanner(s->ssh);

	if (!c->in_dead || c->eow_sent || c->eof_seen || c->exit_sent || !lens_is_on())
		return;
	c->eow_sent = true;
	if (client && strncmp(client, "SSH-2.0-OpenSSH", 15) == 0)
		(void)ssh_channel_request_send_exit_status(c->ssh, LENS_REWRITE_EOW_STATUS);
	transport_note_writes(s);
}

static void settle_session(struct session *s, struct chan *c, uint64_t now)
{
	tell_end_of_write(s, c);
	if (c->why_asked && now >= c->why_until_us)
		c->why_asked = false;
	/* The hangup of a terminal comes a moment after the last process; one that was passed on stays open. */
	if (c->pty && c->exited && c->out.quiet && now >= c->exited_us + DRAIN_US)
		pump_close(c);
	if (c->exited && !c->exit_sent && !c->why_asked && output_settled(c))
		send_exit(s, c);
	if (!pump_drained(c))
		return;
	if (!c->drained_us)
		c->drained_us = now;
	if (c->exit_sent)
		close_ours(s, c);
	else if (!c->exited && !c->eof_sent && now >= c->drained_us + EOF_US)
		send_eof(s, c);
}

static void settle_stream(struct session *s, struct chan *c)
{
	if (!pump_drained(c))
		return;
	if (!c->eof_sent)
		send_eof(s, c);
	if (c->in < 0)
		close_ours(s, c);
}

/* After both ends' EOF OpenSSH's mux closes at once and still takes the exit status: a client that left has had no EOF of ours. */
static bool awaits_exit(struct session *s, struct chan *c, uint64_t now)
{
	if (c->kind != CHAN_SESSION || c->state != CHAN_RUNNING || !c->eof_sent || c->exit_sent)
		return false;
	if (!c->exited || (c->why_asked && now < c->why_until_us))
		return true;
	c->why_asked = false;
	send_exit(s, c);
	return false;
}

/* The client closed the channel: no more output; its last input may still go to a pipe. */
static void settle_closed(struct session *s, struct chan *c, uint64_t now)
{
	bool keep = !c->pty && c->state == CHAN_RUNNING && c->in >= 0 &&
		    (c->have_data || c->in_rest.len);

	if (keep) {
		pump_close_output(c);
		return;
	}
	if (awaits_exit(s, c, now))
		return;
	pump_close(c);
	if (c->state != CHAN_CLOSING)
		close_ours(s, c);
}

uint64_t chan_next(const struct session *s)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < s->nchans; i++) {
		const struct chan *c = s->chans[i];
		uint64_t t = UINT64_MAX;

		if (c->state != CHAN_RUNNING || c->kind != CHAN_SESSION)
			continue;
		if (c->why_asked)
			t = c->why_until_us;
		else if (c->exited && !c->exit_sent && !c->remote_closed && pump_watches(s, c))
			t = c->exited_us; /* one look: output that a child keeps open may stay silent for ever */
		else if (c->exited && c->pty && c->out.fd >= 0)
			t = c->exited_us + DRAIN_US;
		else if (c->drained_us && !c->exited && !c->eof_sent)
			t = c->drained_us + EOF_US;
		next = t < next ? t : next;
	}
	return next;
}

void chan_settle(struct session *s, uint64_t now)
{
	s->stirred = false;
	for (uint32_t i = 0; i < s->nchans;) {
		struct chan *c = s->chans[i];

		if (c->ssh && c->remote_closed)
			settle_closed(s, c, now);
		else if (c->ssh && c->state == CHAN_RUNNING && c->kind == CHAN_SESSION)
			settle_session(s, c, now);
		else if (c->ssh && c->state == CHAN_RUNNING)
			settle_stream(s, c);
		if (c->remote_closed && c->state == CHAN_CLOSING)
			chan_drop(s, c);
		else
			i++;
	}
}
