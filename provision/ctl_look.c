/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See ctl_look.h.  A listener that does not answer in time costs the question; answers to older ones are not taken. */
#include "ctl_look.h"

#include "base/clk.h"
#include "base/str.h"

#define ANSWER_US 3000000

static void over(struct ctl_look_state *l, const struct ctl_sources *s)
{
	ctl_look_fn fn = l->fn;
	void *ctx = l->ctx;

	ctl_look_cancel(l, NULL);
	if (fn)
		fn(ctx, s);
}

static int on_timeout(sd_event_source *src, uint64_t usec, void *ctx)
{
	over(ctx, NULL);
	return 0;
}

int ctl_look_ask(struct ctl_look_state *l, int fd, const char *lift, ctl_look_fn fn, void *ctx,
		 struct err *e)
{
	struct ctl_look q = { 0 };
	int ret;

	if (l->fn)
		return err_set(e, EBUSY, "ask 'sshd-gate': somebody else does (try again)");
	if (str_copy(q.lift, sizeof(q.lift), lift) < 0)
		return err_set(e, EINVAL, "ask 'sshd-gate': no network");
	q.serial = ++l->serial;
	ret = sd_event_add_time(l->loop, &l->timer, CLOCK_MONOTONIC, clk_now_us() + ANSWER_US, 0,
				on_timeout, l);
	if (ret < 0)
		return err_ret(e, ret, "ask 'sshd-gate'");
	ret = msg_send(fd, &ctl_proto, CTL_LOOK, &q, e);
	if (ret < 0) {
		l->timer = sd_event_source_disable_unref(l->timer);
		return ret;
	}
	l->fn = fn;
	l->ctx = ctx;
	l->fd = fd;
	return 0;
}

void ctl_look_answer(struct ctl_look_state *l, int fd, const struct ctl_sources *s)
{
	if (l->fn && l->fd == fd && l->serial == s->serial)
		over(l, s);
}

void ctl_look_lost(struct ctl_look_state *l, int fd)
{
	if (l->fn && l->fd == fd)
		over(l, NULL);
}

void ctl_look_cancel(struct ctl_look_state *l, const void *ctx)
{
	if (ctx && l->ctx != ctx)
		return;
	l->fn = NULL;
	l->ctx = NULL;
	l->timer = sd_event_source_disable_unref(l->timer);
}
