/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See attach.h.  Session process, after the login. */
#include "attach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "chan.h"
#include "forward.h"
#include "remote.h"
#include "rpc.h"
#include "spawn.h"

/* A first login may wait for others in the queue of provisiond; a terminal sees the progress. */
#define ATTACH_US (120ULL * 1000000)
#define BIND_US   (30ULL * 1000000)

bool attach_is_ready(const struct session *s)
{
	return s->attach == ATTACH_READY;
}

static void reset(struct session *s)
{
	fd_close(&s->init);
	s->attach = ATTACH_NONE;
	s->attach_until_us = 0;
}

void attach_lost(struct session *s, const char *why)
{
	if (s->attach == ATTACH_READY || s->attach == ATTACH_NONE)
		return;
	reset(s);
	chan_fail_waiting(s, why);
	forward_fail_waiting(s, why);
}

void attach_refused(struct session *s, const char *text)
{
	if (s->attach == ATTACH_ASKED)
		attach_lost(s, text[0] ? text : "the workspace cannot be entered");
}

void attach_want(struct session *s, bool terminal)
{
	struct err e = { 0 };

	if (s->attach != ATTACH_NONE)
		return;
	s->attach = ATTACH_ASKED;
	s->attach_progress = terminal;
	s->attach_until_us = clk_now_us() + ATTACH_US;
	if (rpc_attach(s, terminal, &e) < 0)
		attach_lost(s,
			    "the workspace service is not running (systemctl status provisiond)");
}

void attach_again(struct session *s)
{
	struct err e = { 0 };

	if (s->attach == ATTACH_ASKED && rpc_attach(s, s->attach_progress, &e) < 0)
		attach_lost(s, e.text);
}

/* DESIGN section 7: name, what, and the time in a column. */
void attach_progress(struct session *s, const struct gate_progress *p)
{
	char line[256];

	if (s->attach != ATTACH_ASKED || !s->attach_progress)
		return;
	if (strcmp(p->step, "workspace") == 0) {
		(void)str_format(line, sizeof(line), "sshbay: creating workspace '%s'", p->detail);
		s->progress_shown = true;
		chan_tell_terminals(s, line);
		return;
	}
	if (!s->progress_shown)
		chan_tell_terminals(s, "sshbay: creating the workspace");
	s->progress_shown = true;
	(void)str_format(line, sizeof(line), "  %-9s %-40s %6llu ms", p->step, p->detail,
			 (unsigned long long)((p->us + 500) / 1000));
	if (strcmp(p->step, "network") == 0 || strcmp(p->step, "net") == 0) {
		(void)str_copy(s->progress_ip, sizeof(s->progress_ip), p->detail);
		s->progress_ip[strcspn(s->progress_ip, " ,/")] = 0;
	}
	chan_tell_terminals(s, line);
}

static void tell_ready(struct session *s)
{
	char line[256];
	unsigned long long ms = (unsigned long long)((s->attached.took_us + 500) / 1000);

	if (!s->progress_shown)
		return;
	if (s->progress_ip[0])
		(void)str_format(line, sizeof(line),
				 "ready in %llu ms \302\267 next time also: ssh %s@%s", ms,
				 s->attached.user, s->progress_ip);
	else
		(void)str_format(line, sizeof(line), "ready in %llu ms", ms);
	chan_tell_terminals(s, line);
	s->progress_shown = false;
}

void attach_done(struct session *s, const struct gate_attached *a, int fd)
{
	struct stat st;

	if (s->attach != ATTACH_ASKED || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fd_close(&fd);
		return;
	}
	s->attached = *a;
	s->init = fd;
	(void)fd_nonblock(fd, 1);
	s->attach = ATTACH_BINDING;
	s->attach_until_us = clk_now_us() + BIND_US;
	tell_ready(s);
	spawn_readable(s);
}

void attach_bound(struct session *s)
{
	s->attach = ATTACH_READY;
	s->attach_until_us = 0;
	chan_submit_waiting(s);
	remote_submit_waiting(s);
}

void attach_tick(struct session *s, uint64_t now)
{
	if (!s->attach_until_us || now < s->attach_until_us)
		return;
	attach_lost(s, s->attach == ATTACH_ASKED ? "no answer from the workspace service"
						 : "no answer from inside the workspace");
}
