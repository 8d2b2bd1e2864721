// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Checks of attach and its gateways, part of settings_check_all().  Whether there is such a bridge, and which network it is
 * in, is not asked here: it may appear later, and a start and `sshbay doctor` look.
 */
#include <string.h>

#include "settings_check.h"

static unsigned int row_index(const char *key)
{
	return (unsigned int)(schema_find("workspace", key) - schema_rows);
}

static void check_name(struct settings_loader *l, struct settings_place place, const char *name)
{
	place.key = "attach";
	if (strncmp(name, "sb-", 3) == 0 || strcmp(name, "lo") == 0)
		settings_report_at(l, place, "'%s' is no bridge of the host's", name);
}

static void check_gateway(struct settings_loader *l, struct settings_place place,
			  const struct spec *spec, const struct ip *gateway,
			  const struct ipnet *pool)
{
	char text[IP_TEXT_MAX], net[IP_TEXT_MAX];

	if (!gateway->family)
		return;
	ip_text(gateway, text, sizeof(text));
	if (!spec->attach[0])
		settings_report_at(l, place, "'%s' needs attach (a routed workspace has the host)",
				   text);
	else if (pool->addr.family && ip_in_net(gateway, pool))
		settings_report_at(
			l, place,
			"'%s' is in the workspaces' own network ([network] control_cidr%s "
			"= %s)",
			text, gateway->family == AF_INET ? "" : "6",
			ip_net_text(pool, net, sizeof(net)));
}

/* A key that is at fault in [defaults] is told there, once. */
static void check_one(struct settings_loader *l, const struct spec *spec,
		      const struct settings_origin *keys, struct settings_place place, bool all)
{
	const struct {
		const char *key;
		const struct ip *ip;
		const struct ipnet *pool;
	} gateways[] = {
		{ "control_gateway", &spec->control_gateway, &l->s->network.control_cidr },
		{ "control_gateway6", &spec->control_gateway6, &l->s->network.control_cidr6 },
	};
	const struct settings_origin *o = &keys[row_index("attach")];

	place.line = o->line;
	if (!o->bad && (o->line || all))
		check_name(l, place, spec->attach);
	for (unsigned int i = 0; i < 2; i++) {
		o = &keys[row_index(gateways[i].key)];
		place.line = o->line;
		place.key = gateways[i].key;
		if (!o->bad && o->line)
			check_gateway(l, place, spec, gateways[i].ip, gateways[i].pool);
	}
}

void settings_check_attach(struct settings_loader *l)
{
	const char *seen[SETTINGS_BRIDGES_MAX + 1] = { NULL };
	const struct settings_place defaults = { .file = 0, .section = "defaults" };
	unsigned int n = 0;

	if (l->s->defaults.attach[0])
		seen[n++] = l->s->defaults.attach;
	check_one(l, &l->s->defaults, l->keys, defaults, true);
	for (unsigned int i = 0; i < l->nworkspaces; i++) {
		const struct settings_workspace *w = &l->workspaces[i];
		struct settings_place place = { .file = w->file, .section = w->section };
		unsigned int known = 0;

		check_one(l, &w->spec, w->keys, place, false);
		while (known < n && strcmp(seen[known], w->spec.attach))
			known++;
		if (!w->spec.attach[0] || known < n || n > SETTINGS_BRIDGES_MAX)
			continue;
		seen[n++] = w->spec.attach;
		place.line = w->keys[row_index("attach")].line;
		place.key = "attach";
		if (n > SETTINGS_BRIDGES_MAX)
			settings_report_at(l, place, "'%s' is one bridge too many (at most %d)",
					   w->spec.attach, SETTINGS_BRIDGES_MAX);
	}
}
