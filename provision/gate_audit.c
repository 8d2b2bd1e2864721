/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See gate_audit.h.  Main process of provisiond.  What a session causes is counted when it comes too fast, and what the
 * log calls a failure is told to the listener first, so that no method of logging in can forget to.
 */
#include "gate_conn.h"

#include <string.h>

#include "audit.h"
#include "base/clk.h"

#define AUDIT_BURST      1000
#define AUDIT_PER_SECOND 100

void gate_audit_begin(struct gate_conn *c)
{
	c->audit_us = clk_now_us();
	c->audit_tokens = AUDIT_BURST;
}

/* The listener counts what the log counts: no method of logging in can forget to tell it. Before any answer goes out. */
static void tell_penalty(struct gate_conn *c, const char *event)
{
	if (strcmp(event, "auth.fail") == 0)
		gate_server_tell(c, CTL_AUTH_FAILED);
	else if (strcmp(event, "auth.protocol_violation") == 0)
		gate_server_tell(c, CTL_VIOLATED);
}

/* Failures tell what was tried; everything else what the login rests on. */
static unsigned int method_fields(const struct gate_conn *c, const struct gate_event *ev,
				  struct audit_field *f)
{
	const struct session_info *i = &c->saved.info;
	bool fail = strcmp(ev->name, "auth.fail") == 0;
	const char *fp = fail ? c->fingerprint : i->fingerprint;
	const char *method = fail ? c->method : sessions_method(i);
	unsigned int n = 0;

	if (method && method[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("method", method);
	if (fp[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("fp", fp);
	if (c->by[0] && strcmp(ev->name, "auth.ok") == 0)
		f[n++] = (struct audit_field)AUDIT_TEXT("by", c->by);
	return n;
}

static void write_line(struct gate_conn *c, const struct gate_event *ev)
{
	const struct session_info *i = &c->saved.info;
	char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
	struct audit_field f[28];
	unsigned int n = 0;

	f[n++] = (struct audit_field)AUDIT_TEXT("conn", i->id);
	f[n++] = (struct audit_field)AUDIT_TEXT("src", ip_text(&c->peer.addr, src, sizeof(src)));
	f[n++] = (struct audit_field)AUDIT_NUM("sport", c->peer.port);
	f[n++] = (struct audit_field)AUDIT_TEXT("dst", ip_text(&c->local.addr, dst, sizeof(dst)));
	if (c->saved.login[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("user",
							c->login_valid ? i->user : c->saved.login);
	if (c->via[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("via", c->via);
	if (i->workspace[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("ws", i->workspace);
	n += method_fields(c, ev, f + n);
	for (unsigned int k = 0; k < ev->nmore && k < 8; k++)
		f[n++] = ev->more[k];
	f[n++] = (struct audit_field)AUDIT_TEXT("result", ev->result);
	if (ev->reason && ev->reason[0])
		f[n++] = (struct audit_field)AUDIT_TEXT("reason", ev->reason);
	if (i->pid)
		f[n++] = (struct audit_field)AUDIT_NUM("session_pid", i->pid);
	if (c->audit_lost)
		f[n++] = (struct audit_field)AUDIT_NUM("suppressed", c->audit_lost);
	c->audit_lost = 0;
	f[n++] = (struct audit_field)AUDIT_NUM("dur_ms", (clk_now_us() - c->opened_us) / 1000);
	audit_write(ev->name, f, n);
}

void gate_audit_line(struct gate_conn *c, const char *event, const char *result, const char *reason)
{
	tell_penalty(c, event);
	write_line(c, &(struct gate_event){ event, result, reason, NULL, 0 });
}

void gate_audit_event(struct gate_conn *c, const struct gate_event *ev)
{
	uint64_t now = clk_now_us(), fresh = (now - c->audit_us) * AUDIT_PER_SECOND / 1000000;

	tell_penalty(c, ev->name);
	if (fresh) {
		c->audit_us = now;
		c->audit_tokens = fresh > AUDIT_BURST - c->audit_tokens
					  ? AUDIT_BURST
					  : c->audit_tokens + (uint32_t)fresh;
	}
	if (c->audit_tokens == 0) {
		c->audit_lost++;
		return;
	}
	c->audit_tokens--;
	write_line(c, ev);
}

void gate_audit_limited(struct gate_conn *c, const char *event, const char *result,
			const char *reason)
{
	gate_audit_event(c, &(struct gate_event){ event, result, reason, NULL, 0 });
}
