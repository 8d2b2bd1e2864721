/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See judge.h.  provisiond tells of a failed try before the session hears of it, so that it is in the socket when the
 * process has ended, but may not have been read; a violation is told to provisiond by the session as it ends, and comes a
 * moment later.  Hence the list of ends.
 */
#include "judge.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clk.h"
#include "base/log.h"
#include "control.h"

#define LAST_WORDS_US 300000

static const char *const names[] = {
	[CTL_PENALTY_AUTHFAIL] = "authentication failed",
	[CTL_PENALTY_NOAUTH] = "no attempt to log in",
	[CTL_PENALTY_GRACE] = "login_grace exceeded",
	[CTL_PENALTY_CRASH] = "crash or protocol violation",
	[CTL_PENALTY_REFUSED] = "too many connections",
};

static void punish(struct listener *l, const struct ipport *peer, enum ctl_penalty_kind kind,
		   uint64_t now_us)
{
	char from[IP_TEXT_MAX];
	bool fresh;
	uint32_t total = penalty_add(&l->penalty, &peer->addr, kind, now_us, &fresh);

	if (!total)
		return;
	log_detail("penalty for %s: %s, %u s%s", ip_text(&peer->addr, from, sizeof(from)),
		   names[kind], total, fresh ? ", refused from now on" : "");
	control_penalty(l,
			&(struct ctl_penalty){
				.peer = *peer, .kind = kind, .total_s = total, .refused = fresh },
			now_us);
}

/* False: it costs nothing. Whoever kills a process on purpose does it with one of the two signals. */
static bool verdict(const struct ended *d, enum ctl_penalty_kind *kind)
{
	bool died = WIFSIGNALED(d->status) && !d->killed && WTERMSIG(d->status) != SIGKILL &&
		    WTERMSIG(d->status) != SIGTERM;

	if (died || d->violated)
		*kind = CTL_PENALTY_CRASH;
	else if (d->authenticated)
		return false;
	else if (d->failed)
		*kind = CTL_PENALTY_AUTHFAIL;
	else if (d->timeout)
		*kind = CTL_PENALTY_GRACE;
	else if (d->announced && !d->dropped && WIFEXITED(d->status) && WEXITSTATUS(d->status) == 0)
		*kind = CTL_PENALTY_NOAUTH;
	else
		return false;
	return true;
}

static void judge(struct listener *l, const struct ended *d, uint64_t now_us)
{
	enum ctl_penalty_kind kind;

	if (verdict(d, &kind))
		punish(l, &d->peer, kind, now_us);
}

/* Its session may have told provisiond more with its last breath than provisiond has passed on. */
static bool unsure(const struct ended *d)
{
	return !d->authenticated && !d->violated && !d->killed && d->announced;
}

void judge_ended(struct listener *l, const struct child *c, int status)
{
	struct ended d = {
		.peer = c->peer,
		.status = status,
		.authenticated = c->authenticated,
		.failed = c->failed,
		.violated = c->violated,
		.killed = c->killed,
		.timeout = c->timeout,
		.dropped = c->dropped,
		.announced = c->announced && l->control.started,
		.until_us = clk_now_us() + LAST_WORDS_US,
	};

	memcpy(d.id, c->id, sizeof(d.id));
	if (l->nended < ENDED_MAX)
		l->ended[l->nended++] = d;
	else
		judge(l, &d, clk_now_us());
}

void judge_state(struct listener *l, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind)
{
	for (uint32_t i = 0; i < l->nended; i++) {
		struct ended *d = &l->ended[i];

		if (memcmp(d->id, id, CTL_ID_LEN) != 0)
			continue;
		d->authenticated |= kind == CTL_AUTHENTICATED;
		d->failed |= kind == CTL_AUTH_FAILED;
		d->violated |= kind == CTL_VIOLATED;
		d->dropped |= kind == CTL_DROP;
	}
}

void judge_settle(struct listener *l, uint64_t now_us)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->nended; i++) {
		const struct ended *d = &l->ended[i];

		if (unsure(d) && now_us < d->until_us)
			l->ended[kept++] = *d;
		else
			judge(l, d, now_us);
	}
	l->nended = kept;
}

uint64_t judge_deadline(const struct listener *l)
{
	return l->nended ? l->ended[0].until_us : UINT64_MAX; /* in the order of their ends */
}

void judge_refused(struct listener *l, const struct ip *peer, uint64_t now_us)
{
	punish(l, &(struct ipport){ .addr = *peer }, CTL_PENALTY_REFUSED, now_us);
}
