/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See admin_sources.h.  What the listener says is believed as far as it is networks and numbers. */
#include "admin_sources.h"

#include <string.h>

#include "audit.h"
#include "base/ip.h"
#include "base/num.h"

static void send_source(struct admin_client *c, char *text)
{
	struct admin_source row = { .tag = c->sources_tag };
	char *seconds = strchr(text, ' ');
	struct ipnet net;
	uint64_t left;

	if (!seconds)
		return;
	*seconds++ = '\0';
	if (ip_parse_net(text, &net, NULL) < 0 || num_u64(seconds, 0, UINT32_MAX, &left, NULL) < 0)
		return;
	(void)ip_net_text(&net, row.source, sizeof(row.source));
	row.left_s = (uint32_t)left;
	admin_client_send(c, ADMIN_SOURCE, &row, sizeof(row), -1);
}

/* Asked is asked: a gate that gives no answer in time may have lifted it all the same, or does so later. */
static void audit_lift(struct admin_client *c, const struct ctl_sources *s, const char *why)
{
	const struct audit_field done[] = { AUDIT_TEXT("src", c->sources_lift),
					    AUDIT_NUM("lifted", s ? s->lifted : 0),
					    AUDIT_NUM("sources", s ? s->refused : 0) };
	const struct audit_field unknown[] = { AUDIT_TEXT("src", c->sources_lift),
					       AUDIT_TEXT("result", "unknown"),
					       AUDIT_TEXT("reason", why) };

	if (c->sources_lift[0])
		audit_write("admin.penalty_lift", s ? done : unknown, 3);
	c->sources_lift[0] = '\0';
}

void admin_sources_forget(struct admin_client *c)
{
	audit_lift(c, NULL, "who asked for it has not waited for the answer");
}

static void answered(void *ctx, const struct ctl_sources *s)
{
	struct admin_client *c = ctx;
	char worst[CTL_WORST_TEXT], *rest = worst, *one, text[128];

	if (!s) {
		admin_client_failed(
			c, c->sources_tag, ETIMEDOUT,
			c->sources_lift[0] ? "ask 'sshd-gate': it does not answer, and may lift it "
					     "later (systemctl status sshd-gate)"
					   : "ask 'sshd-gate': it does not answer (systemctl "
					     "status sshd-gate)");
		audit_lift(c, NULL, "sshd-gate has not answered");
		return;
	}
	(void)str_copy(worst, sizeof(worst), s->worst);
	for (uint32_t n = 0; n < CTL_WORST && (one = strsep(&rest, ",")); n++)
		if (*one)
			send_source(c, one);
	if (c->sources_lift[0]) {
		(void)str_format(text, sizeof(text), "%u source%s lifted, %u refused", s->lifted,
				 s->lifted == 1 ? "" : "s", s->refused);
		audit_lift(c, s, NULL);
	} else {
		(void)str_format(text, sizeof(text), "%u source%s refused", s->refused,
				 s->refused == 1 ? "" : "s");
	}
	admin_client_done(c, c->sources_tag, text);
}

/* An address is a network of its own. */
static int which(const char *lift, char out[64], struct err *e)
{
	char shown[256];
	struct ipnet net = { 0 };

	if (ip_parse(lift, &net.addr, NULL) == 0)
		net.plen = net.addr.family == AF_INET ? 32 : 128;
	else if (ip_parse_net(lift, &net, NULL) < 0)
		return err_set(e, EINVAL, "lift '%s': no address, network or \"all\"",
			       str_vis(lift, strlen(lift), shown, sizeof(shown)));
	(void)ip_net_text(&net, out, 64);
	return 0;
}

void admin_sources_answer(struct admin_client *c, const struct admin_daemon *d,
			  const struct admin_sources *req)
{
	struct err e = { 0 };
	char lift[64];
	int ret = str_copy(lift, sizeof(lift), req->lift);

	if (req->lift[0] && strcmp(req->lift, "all") != 0)
		ret = which(req->lift, lift, &e);
	if (ret == 0)
		ret = d->look(d->ctx, lift, answered, c, &e);
	if (ret < 0) {
		admin_client_failed(c, req->tag, -ret, e.text);
		return;
	}
	/* Only now: a question of this client's before it may wait for its answer. */
	c->sources_tag = req->tag;
	(void)str_copy(c->sources_lift, sizeof(c->sources_lift), lift);
}
