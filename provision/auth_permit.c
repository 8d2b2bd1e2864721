/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the configuration lets every login do (auth.h).  Options of a key or certificate only take away from it.  Main
 * process of provisiond.
 */
#include <string.h>

#include "auth.h"

void auth_permit(const struct settings *s, struct gate_permit *out)
{
	memset(out, 0, sizeof(*out));
	out->flags = GATE_MAY_PTY | GATE_MAY_RC;
	if (s->gate.forwarding)
		out->flags |= GATE_MAY_FORWARD;
	if (s->gate.agent_forwarding)
		out->flags |= GATE_MAY_AGENT;
	if (s->gate.x11_forwarding)
		out->flags |= GATE_MAY_X11;
}
