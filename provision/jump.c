/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See jump.h.  provisiond's main process.  What a name or an address means here is the registry's to say; everything that
 * is not a workspace's is dialled from inside the user's own workspace, as any other forward.
 */
#include "jump.h"

#include <string.h>

static bool in_pool(const struct settings *s, const struct ip *ip)
{
	return ip_in_net(ip, &s->network.control_cidr) || ip_in_net(ip, &s->network.control_cidr6);
}

/* The address that stands for a workspace: the one it has, or will have. False: none yet. */
static bool address_of(struct registry *r, const struct workspace *ws, struct ip *to)
{
	const struct record *rec = workspace_record(ws);
	struct spec spec;

	workspace_spec(r, ws, &spec);
	if (workspace_exists(ws) && rec->control_ip.family)
		*to = rec->control_ip;
	else
		*to = spec.control_ip;
	return to->family != 0;
}

static bool may_enter(struct registry *r, const struct workspace *ws, const char *user)
{
	struct spec spec;

	if (!ws)
		return false;
	workspace_spec(r, ws, &spec);
	return settings_may_enter(&spec, user);
}

enum gate_jump_result jump_decide(struct registry *r, const char *user, const char *host,
				  struct ip *to, struct err *e)
{
	const struct settings *s = registry_settings(r);
	bool literal = ip_parse(host, to, NULL) == 0;
	struct workspace *ws = NULL;

	if (literal && !in_pool(s, to))
		return GATE_JUMP_INSIDE;
	if (literal)
		ws = workspace_find_ip(r, to);
	else if (str_is_name(host, strlen(host)))
		ws = workspace_find(r, host);
	if (!literal && !ws)
		return GATE_JUMP_INSIDE;
	if (s->gate.jump == SETTINGS_JUMP_NO) {
		err_set(e, EACCES, "jump to '%s': jumps are switched off ([gate] jump)", host);
		return GATE_JUMP_REFUSED;
	}
	if (s->gate.jump == SETTINGS_JUMP_OWN && !may_enter(r, ws, user)) {
		err_set(e, EACCES,
			"jump to '%s': no such workspace, or '%s' is not among its users ([gate] "
			"jump)",
			host, user);
		return GATE_JUMP_REFUSED;
	}
	if (!literal && !address_of(r, ws, to)) {
		err_set(e, EHOSTUNREACH,
			"jump to '%s': it has no address yet (log in as '%s+%s' at the gate)", host,
			user, host);
		return GATE_JUMP_REFUSED;
	}
	return GATE_JUMP_CONNECTED;
}
