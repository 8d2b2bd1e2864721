/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay ssh-config`: what a user's ssh needs to know of this machine, as a block for ~/.ssh/config, as lines for
 * known_hosts, or as SSHFP records for DNS.  Runs in sshbay.
 */
#include "cli.h"

#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/ip.h"

#define BOX_MAX 254

struct printer {
	const char *user, *box; /* box: name or address of the machine, as clients reach it */
	uint32_t port;          /* of the gate */
	struct json_object *array;
	void (*print)(const struct printer *p, const struct admin_host *h);
};

/* The name that a host key is kept under, so that neither address nor way matters. */
static void alias(const struct printer *p, const struct admin_host *h, char buf[300])
{
	(void)str_format(buf, 300, "%s%s%s", h->name, h->name[0] ? "." : "", p->box);
}

static void print_gate(const struct printer *p)
{
	printf("Host %s\n\tHostName %s\n\tPort %u\n\tUser %s\n\tHostKeyAlias %s\n", p->box, p->box,
	       p->port, p->user, p->box);
}

static void config_host(const struct printer *p, const struct admin_host *h)
{
	char name[300];

	if (!h->name[0]) {
		print_gate(p);
		return;
	}
	alias(p, h, name);
	printf("\nHost %s %s%s%s%s%s\n", h->name, name, h->address[0] ? " " : "", h->address,
	       h->address6[0] ? " " : "", h->address6);
	if (h->route == ADMIN_ROUTE_LOGIN) {
		printf("\tHostName %s\n\tPort %u\n\tUser %s+%s\n\tHostKeyAlias %s\n", p->box,
		       p->port, p->user, h->name, p->box);
		return;
	}
	printf("\tHostName %s\n\tPort %u\n\tUser %s\n\tHostKeyAlias %s\n",
	       h->address[0] ? h->address : h->address6, h->port, p->user, name);
	if (h->route == ADMIN_ROUTE_JUMP)
		printf("\tProxyJump %s\n", p->box);
}

/* Names under which ssh looks a key up, with this configuration or without it. */
static void known_host(const struct printer *p, const struct admin_host *h)
{
	char name[300];

	alias(p, h, name);
	fputs(name, stdout);
	if (!h->name[0] && p->port != 22)
		printf(",[%s]:%u", p->box, p->port);
	if (h->name[0]) {
		printf(",%s", h->name);
		if (h->address[0])
			printf(",%s", h->address);
		if (h->address6[0])
			printf(",%s", h->address6);
	}
	printf(" %s\n", h->public_key);
}

/* 4: ed25519, 2: SHA-256 (RFC 7479, RFC 6594). */
static void sshfp_record(const struct printer *p, const struct admin_host *h)
{
	char name[300];

	alias(p, h, name);
	printf("%s IN SSHFP 4 2 %s\n", name, h->sshfp);
}

static const char *const routes[] = {
	[ADMIN_ROUTE_DIRECT] = "direct",
	[ADMIN_ROUTE_JUMP] = "jump",
	[ADMIN_ROUTE_LOGIN] = "login",
};

static struct json_object *text_or_null(const char *text)
{
	return *text ? json_object_new_string(text) : NULL;
}

static struct json_object *host_json(const struct printer *p, const struct admin_host *h)
{
	struct json_object *o = json_object_new_object();
	char name[300];

	alias(p, h, name);
	json_object_object_add(o, "workspace", text_or_null(h->name));
	json_object_object_add(o, "host_key_alias", json_object_new_string(name));
	json_object_object_add(o, "address", text_or_null(h->address));
	json_object_object_add(o, "address6", text_or_null(h->address6));
	json_object_object_add(o, "port", json_object_new_int64(h->port));
	json_object_object_add(
		o, "route",
		h->route <= ADMIN_ROUTE_LOGIN ? json_object_new_string(routes[h->route]) : NULL);
	json_object_object_add(o, "public_key", json_object_new_string(h->public_key));
	json_object_object_add(o, "sshfp_sha256", json_object_new_string(h->sshfp));
	return o;
}

static void take_host(void *ctx, const void *row)
{
	struct printer *p = ctx;
	struct admin_host h;

	memcpy(&h, row, sizeof(h));
	if (!h.name[0])
		p->port = h.port;
	if (p->array)
		json_object_array_add(p->array, host_json(p, &h));
	else if (p->print == config_host || h.route != ADMIN_ROUTE_LOGIN)
		/* What is reached through the gate's own address shows the gate's key. */
		p->print(p, &h);
}

/* It becomes a word of ssh_config, of known_hosts and of a zone file. */
static bool good_box(const char *box)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_";

	return *box && *box != '-' && strlen(box) < BOX_MAX && !box[strspn(box, allowed)];
}

static int choose_form(struct printer *p, const char *verb, bool known, bool sshfp)
{
	struct ip ip;

	if (known && sshfp)
		return cli_usage(verb, "--known-hosts and --sshfp exclude each other");
	if (!good_box(p->box))
		return cli_usage(verb, "'%s' is neither a host name nor an address", p->box);
	if (sshfp && ip_parse(p->box, &ip, NULL) == 0)
		return cli_usage(verb, "SSHFP records belong to names: --host NAME");
	p->print = known ? known_host : sshfp ? sshfp_record : config_host;
	return 0;
}

int cli_ssh_config(struct cli *c, int argc, char **argv)
{
	char name[BOX_MAX + 1] = "";
	bool known = false, sshfp = false;
	struct admin_name req = { .tag = 1 };
	struct printer p = { 0 };
	const struct cli_option options[] = { { "--host", NULL, &p.box },
					      { "--known-hosts", &known, NULL },
					      { "--sshfp", &sshfp, NULL },
					      { NULL, NULL, NULL } };
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc != 2)
		return cli_usage(argv[0], "needs one user");
	(void)gethostname(name, sizeof(name) - 1);
	if (!p.box)
		p.box = name;
	p.user = req.user;
	if (!str_is_name(argv[1], strlen(argv[1])))
		return cli_usage(argv[0], "'%s' is not a user name", argv[1]);
	(void)str_copy(req.user, sizeof(req.user), argv[1]);
	r = choose_form(&p, argv[0], known, sshfp);
	if (r)
		return r;
	if (c->json)
		p.array = json_object_new_array();
	else if (!known && !sshfp)
		printf("# Workspaces of '%s' on %s. Its host keys, for known_hosts:\n"
		       "# sshbay ssh-config %s --host %s --known-hosts\n",
		       p.user, p.box, p.user, p.box);
	r = cli_ask(c, ADMIN_HOSTS, &req, take_host, &p);
	if (r == CLI_OK && p.array)
		puts(json_object_to_json_string_ext(
			p.array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(p.array);
	return r;
}
