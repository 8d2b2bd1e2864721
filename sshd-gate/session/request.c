/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See request.h.  Session process.  A program is accepted at once and started when ws-init can be asked; if that fails
 * the channel says why and ends with status 254, so that the reason reaches the user.
 */
#include "request.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "attach.h"
#include "base/str.h"
#include "env.h"
#include "lens.h"
#include "lens_rewrite.h"
#include "misbehave.h"
#include "permit.h"
#include "rpc.h"
#include "served.h"
#include "spawn.h"
#include "transport.h"

#define SFTP_COMMAND   "internal-sftp" /* sshd's name for the server of the subsystem */
#define ENV_CLIENT_MAX (24 * 1024)     /* of INIT_ENV_MAX; a permit brings at most 16 KiB */
#define ENV_OURS       2048            /* what request_finish adds */

/* The only accessors there are for a queued pty-req carry a deprecation mark. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static uint32_t clamp(int v)
{
	return v < 0 ? 0 : v > 65535 ? 65535 : (uint32_t)v;
}

static void take_size(struct init_spawn *a, ssh_message m)
{
	a->cols = clamp(ssh_message_channel_request_pty_width(m));
	a->rows = clamp(ssh_message_channel_request_pty_height(m));
	a->xpixel = clamp(ssh_message_channel_request_pty_pxwidth(m));
	a->ypixel = clamp(ssh_message_channel_request_pty_pxheight(m));
}

static bool pty(const struct session *s, struct chan *c, ssh_message m)
{
	const char *term = ssh_message_channel_request_pty_term(m);
	uint32_t width;

	if (c->state != CHAN_IDLE || c->pty || !term || !permit_has(s, GATE_MAY_PTY) ||
	    str_copy(c->ask->term, sizeof(c->ask->term), term) < 0)
		return false;
	take_size(c->ask, m);
	width = (uint32_t)ssh_message_channel_request_pty_width(m);
	c->ask->modes.len = lens_modes(&width, c->ask->modes.data);
	c->ask->cols = clamp((int)width);
	c->ask->flags |= INIT_PTY;
	c->pty = true;
	return true;
}

static void window_change(struct chan *c, ssh_message m)
{
	struct init_spawn size = { 0 };
	struct winsize w;

	if (!c->pty)
		return;
	if (c->ask && !c->sent) {
		take_size(c->ask, m);
		return;
	}
	take_size(&size, m);
	w = (struct winsize){ .ws_row = (unsigned short)size.rows,
			      .ws_col = (unsigned short)size.cols,
			      .ws_xpixel = (unsigned short)size.xpixel,
			      .ws_ypixel = (unsigned short)size.ypixel };
	if (c->out.fd >= 0)
		(void)ioctl(c->out.fd, TIOCSWINSZ, &w);
}

static bool env(struct session *s, struct chan *c, ssh_message m)
{
	const char *name = ssh_message_channel_request_env_name(m),
		   *value = ssh_message_channel_request_env_value(m);

	if (name && value)
		misbehave_asked(s, name, value);
	if (c->state != CHAN_IDLE || !name || !value || !env_accepts(s->welcome.accept_env, name))
		return false;
	/* Room for what the permit and request_finish add stays. */
	return env_put(c->ask->env.data, &c->ask->env.len, ENV_CLIENT_MAX, name, value) == 0;
}

/* Room is there: the client's part and what may be added are smaller than the block. */
void request_set(struct chan *c, const char *name, const char *value)
{
	(void)env_set(c->ask->env.data, &c->ask->env.len, sizeof(c->ask->env.data), name, value);
}

void request_finish(struct session *s, struct chan *c)
{
	char peer[64], local[64], text[256];

	/* In this order: a key's variables go before the client's, and ours before both. */
	(void)permit_environment(s, c->ask->env.data, &c->ask->env.len, sizeof(c->ask->env.data));
	(void)ip_text(&s->peer.addr, peer, sizeof(peer));
	(void)ip_text(&s->local.addr, local, sizeof(local));
	(void)str_format(text, sizeof(text), "%s %u %s %u", peer, s->peer.port, local,
			 s->local.port);
	request_set(c, "SSH_CONNECTION", text);
	(void)str_format(text, sizeof(text), "%s %u %u", peer, s->peer.port, s->local.port);
	request_set(c, "SSH_CLIENT", text);
	served_environment(s, c);
	if (c->original)
		request_set(c, "SSH_ORIGINAL_COMMAND", c->original);
	free(c->original);
	c->original = NULL;
}

/* The command that the key is tied to takes the place of what is asked for, which it learns. */
static bool force(const struct session *s, struct chan *c, enum init_spawn_kind *kind,
		  const char **command)
{
	const char *original = *kind == INIT_SUBSYSTEM ? SFTP_COMMAND : *command;
	const char *forced = permit_command(s);
	size_t used = ENV_OURS + c->ask->env.len + s->permit->environment.len;

	if (original && used + strlen(original) > sizeof(c->ask->env.data))
		return false;
	if (original && !(c->original = strdup(original)))
		return false;
	*kind = strcmp(forced, SFTP_COMMAND) == 0 ? INIT_SUBSYSTEM : INIT_EXEC;
	*command = *kind == INIT_SUBSYSTEM ? "sftp" : forced;
	return true;
}

static bool program(struct session *s, struct chan *c, enum init_spawn_kind kind,
		    const char *command)
{
	static const uint32_t notice[] = { [INIT_SHELL] = GATE_CHAN_SHELL,
					   [INIT_EXEC] = GATE_CHAN_EXEC,
					   [INIT_SUBSYSTEM] = GATE_CHAN_SUBSYSTEM };
	bool subsystem = kind == INIT_SUBSYSTEM; /* also when a key's command takes its place */
	size_t len;

	if (c->state != CHAN_IDLE || (kind != INIT_SHELL && !command))
		return false;
	if (kind == INIT_SUBSYSTEM && strcmp(command, "sftp") != 0)
		return false;
	if (permit_command(s) && !force(s, c, &kind, &command))
		return false;
	len = command ? strlen(command) : 0;
	if (len >= sizeof(c->ask->command.data))
		return false;
	c->ask->kind = kind;
	if (permit_has(s, GATE_MAY_RC) && !subsystem)
		c->ask->flags |= INIT_RC;
	if (command)
		memcpy(c->ask->command.data, command, len);
	c->ask->command.len = (uint32_t)len;
	c->what = notice[kind];
	c->state = CHAN_WAITING;
	c->announced = true;
	rpc_channel(s, c, true);
	return true;
}

/* After the reply: the program may fail at once, and its words must not come before the reply. */
static void start(struct session *s, struct chan *c)
{
	if (attach_is_ready(s))
		spawn_submit(s, c);
	else
		attach_want(s, c->pty);
}

/* auth-agent-req, in the words of the lens. */
static bool is_agent_request(ssh_message m)
{
	const char *name = ssh_message_channel_request_subsystem(m);

	return lens_is_on() && name && strcmp(name, LENS_REWRITE_AGENT) == 0;
}

static bool accept_request(struct session *s, struct chan *c, ssh_message m)
{
	switch (ssh_message_subtype(m)) {
	case SSH_CHANNEL_REQUEST_PTY:
		return pty(s, c, m);
	case SSH_CHANNEL_REQUEST_ENV:
		return env(s, c, m);
	case SSH_CHANNEL_REQUEST_SHELL:
		return program(s, c, INIT_SHELL, NULL);
	case SSH_CHANNEL_REQUEST_EXEC:
		return program(s, c, INIT_EXEC, ssh_message_channel_request_command(m));
	case SSH_CHANNEL_REQUEST_SUBSYSTEM:
		if (is_agent_request(m))
			return served_agent_request(s);
		return program(s, c, INIT_SUBSYSTEM, ssh_message_channel_request_subsystem(m));
	case SSH_CHANNEL_REQUEST_WINDOW_CHANGE:
		window_change(c, m);
		return true;
	case SSH_CHANNEL_REQUEST_X11:
		return served_x11_request(s, c, m);
	default: /* what we do not know */
		return false;
	}
}

void request_handle(struct session *s, struct chan *c, struct ssh_message_struct *m)
{
	bool idle = c->state == CHAN_IDLE;

	if (c->kind != CHAN_SESSION || c->state == CHAN_CLOSING || !accept_request(s, c, m))
		ssh_message_reply_default(m);
	else
		ssh_message_channel_request_reply_success(m);
	transport_note_writes(s);
	if (idle && c->state == CHAN_WAITING)
		start(s, c);
}
