/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See gate_jump.h.  A jump never touches the network: the session gets one end of a pair, the listener the other one,
 * with the address of the client at the far end.  So limits per source, penalties, `from=` and the audit log see who is
 * really there, and no port of the host can be reached in this way.
 */
#include "gate_jump.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/fd.h"
#include "gate_conn.h"
#include "jump.h"

#define PORT 22

/* Jumps of this connection that live. */
static unsigned int jumps_of(const struct gate_conn *c)
{
	unsigned int n = 0;

	for (const struct gate_conn *o = c->g->conns; o; o = o->next)
		n += strcmp(o->via, c->saved.info.id) == 0;
	return n;
}

/* The session's end of a new pair to the listener, or -errno. */
static int connect_gate(struct gate_conn *c, const struct ip *to, struct err *e)
{
	uint32_t max = registry_settings(c->g->reg)->gate.max_forwards;
	struct ctl_jump j = { .peer = c->peer, .local = { *to, PORT } };
	auto_fd int mine = -1, theirs = -1;
	int sv[2], ret;

	if (!c->owner || !c->g->jump)
		return err_set(e, EAGAIN, "jump: the gate's listener is not there (try again)");
	if (jumps_of(c) >= max)
		return err_set(e, EMFILE,
			       "jump: %u go through this connection already ([gate] max_forwards)",
			       max);
	ret = fault_point("jump.pair");
	if (ret < 0)
		return err_ret(e, ret, "jump");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return err_sys(e, "jump");
	mine = sv[0];
	theirs = sv[1];
	j.via.len = CTL_ID_LEN;
	memcpy(j.via.data, c->id, CTL_ID_LEN);
	ret = c->g->jump(c->owner, &j, theirs, e);
	return ret < 0 ? ret : fd_take(&mine);
}

int gate_jump_ask(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_jump *q = m->body;
	struct gate_jumped a = { .id = q->id, .result = GATE_JUMP_INSIDE };
	struct err why = { 0 };
	auto_fd int fd = -1;
	struct ip to;

	if (q->port == PORT)
		a.result = jump_decide(c->g->reg, c->saved.info.user, q->host, &to, &why);
	if (a.result == GATE_JUMP_CONNECTED) {
		fd = connect_gate(c, &to, &why);
		if (fd < 0)
			a.result = GATE_JUMP_REFUSED;
		else
			(void)ip_text(&to, why.text, sizeof(why.text));
	}
	if (a.result != GATE_JUMP_INSIDE)
		gate_audit_limited(c, "jump",
				   a.result == GATE_JUMP_CONNECTED ? "accepted" : "refused",
				   why.text);
	if (a.result == GATE_JUMP_REFUSED)
		(void)str_copy(a.text, sizeof(a.text), why.text);
	return gate_server_send(c, GATE_JUMPED, &a, fd, e);
}
