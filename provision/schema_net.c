/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of configuration values: addresses, networks and users.  Syntax only.
 */
#include "schema_type.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define FIELD(row, base)   ((void *)((char *)(base) + (row)->offset))
#define C_FIELD(row, base) ((const void *)((const char *)(base) + (row)->offset))
#define COUNT(row, base)   ((uint32_t *)((char *)(base) + (row)->count))
#define C_COUNT(row, base) (*(const uint32_t *)((const char *)(base) + (row)->count))

/* A list under way: entries go to `out`, at most row->max of them. */
struct list {
	const struct schema_row *row;
	void *out;
};

static int check_room(const struct list *l, unsigned int n, struct err *e)
{
	if (n >= l->row->max)
		return err_set(e, E2BIG, "more than %" PRIu64 " entries", l->row->max);
	return 0;
}

/* Append ", text" (or "text") to buf. */
static void append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);

	str_format(buf + used, size - used, "%s%s", used ? ", " : "", text);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static int one_listen(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	struct ipport *p = (struct ipport *)l->out + n;
	unsigned int i;

	if (check_room(l, n, e) < 0 || ip_parse_port(entry, p, e) < 0)
		return -EINVAL;
	if (p->port == 0)
		return err_set(e, ERANGE, "'%s' has port 0", entry);
	for (i = 0; i < n; i++) {
		const struct ipport *other = (struct ipport *)l->out + i;

		if (other->port == p->port && ip_equal(&other->addr, &p->addr))
			return err_set(e, EINVAL, "'%s' is listed twice", entry);
	}
	return 0;
}

static int parse_listen(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct ipport ports[SETTINGS_LISTEN_MAX] = { 0 };
	struct list l = { row, ports };
	int n = schema_type_each(text, one_listen, &l, e);

	if (n < 0)
		return n;
	memcpy(FIELD(row, base), ports, sizeof(ports));
	*COUNT(row, base) = (uint32_t)n;
	return 0;
}

static void print_listen(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ipport *p = C_FIELD(row, base);
	char text[IP_TEXT_MAX];
	uint32_t i;

	*buf = '\0';
	for (i = 0; i < C_COUNT(row, base); i++)
		append(buf, size, ip_port_text(&p[i], text, sizeof(text)));
}

static int family_is(const char *text, const struct ip *ip, int family, struct err *e)
{
	if (ip->family == family)
		return 0;
	return err_set(e, EINVAL, "'%s' is not an IPv%d address", text, family == AF_INET ? 4 : 6);
}

/* Empty, or the word "auto": family 0. */
static int parse_ip(const struct schema_row *row, const char *text, void *base, int family,
		    struct err *e)
{
	struct ip ip = { 0 };

	if (*text && strcmp(text, "auto") != 0 &&
	    (ip_parse(text, &ip, e) < 0 || family_is(text, &ip, family, e) < 0))
		return -EINVAL;
	*(struct ip *)FIELD(row, base) = ip;
	return 0;
}

static int parse_ip4(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_ip(row, text, base, AF_INET, e);
}

static int parse_ip6(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_ip(row, text, base, AF_INET6, e);
}

static void print_ip(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ip *ip = C_FIELD(row, base);

	if (ip->family)
		ip_text(ip, buf, size);
	else
		str_copy(buf, size, "auto");
}

static int one_dns(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;

	return check_room(l, n, e) < 0 ? -E2BIG : ip_parse(entry, (struct ip *)l->out + n, e);
}

static int parse_dns(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct ip ips[SETTINGS_DNS_MAX] = { 0 };
	struct list l = { row, ips };
	int n = *text ? schema_type_each(text, one_dns, &l, e) : 0;

	if (n < 0)
		return n;
	memcpy(FIELD(row, base), ips, sizeof(ips));
	*COUNT(row, base) = (uint32_t)n;
	return 0;
}

static void print_dns(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ip *ips = C_FIELD(row, base);
	char text[IP_TEXT_MAX];
	uint32_t i;

	*buf = '\0';
	for (i = 0; i < C_COUNT(row, base); i++)
		append(buf, size, ip_text(&ips[i], text, sizeof(text)));
}

/* Clear the bits behind the prefix. True when there were any. */
static bool clear_host_bits(struct ipnet *n)
{
	unsigned int i, bytes = n->addr.family == AF_INET ? 4 : 16;
	bool any = false;

	for (i = 0; i < bytes; i++) {
		unsigned int kept = n->plen > i * 8 ? n->plen - i * 8 : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		any |= n->addr.b[i] & ~mask;
		n->addr.b[i] &= mask;
	}
	return any;
}

static int parse_pool(const struct schema_row *row, const char *text, void *base, int family,
		      struct err *e)
{
	struct ipnet net = { 0 };
	char clean[IP_TEXT_MAX];

	if (*text) {
		if (ip_parse_net(text, &net, e) < 0 || family_is(text, &net.addr, family, e) < 0)
			return -EINVAL;
		if (net.plen < row->min || net.plen > row->max)
			return err_set(e, ERANGE,
				       "prefix length of '%s' is not between %" PRIu64
				       " and %" PRIu64,
				       text, row->min, row->max);
		if (clear_host_bits(&net))
			return err_set(e, EINVAL,
				       "'%s' is an address in a network (did you mean '%s'?)", text,
				       ip_net_text(&net, clean, sizeof(clean)));
	}
	*(struct ipnet *)FIELD(row, base) = net;
	return 0;
}

static int parse_pool4(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_pool(row, text, base, AF_INET, e);
}

static int parse_pool6(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_pool(row, text, base, AF_INET6, e);
}

/* An interface's own address: with host bits, none of the network's two reserved addresses. */
static int parse_addr(const struct schema_row *row, const char *text, void *base, int family,
		      struct err *e)
{
	struct ipnet net = { 0 }, copy;

	if (*text) {
		if (ip_parse_net(text, &net, e) < 0 || family_is(text, &net.addr, family, e) < 0)
			return -EINVAL;
		copy = net;
		if (net.plen < (family == AF_INET ? 31 : 127) && !clear_host_bits(&copy))
			return err_set(e, EINVAL, "'%s' is the address of the network itself",
				       text);
		if (net.plen == 0)
			return err_set(e, ERANGE, "'%s' has no network part", text);
	}
	*(struct ipnet *)FIELD(row, base) = net;
	return 0;
}

static int parse_addr4(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_addr(row, text, base, AF_INET, e);
}

/* "auto" is what an absent key means. */
static int parse_data4(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct ipnet *net = FIELD(row, base);
	bool none = strcmp(text, "none") == 0;

	if (!none && strcmp(text, "auto") != 0)
		return parse_addr4(row, text, base, e);
	*net = (struct ipnet){ .plen = none ? SPEC_NO_ADDRESS : 0 };
	return 0;
}

static int parse_addr6(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_addr(row, text, base, AF_INET6, e);
}

static int one_net(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	struct ipnet *net = (struct ipnet *)l->out + n;

	if (check_room(l, n, e) < 0 || ip_parse_net(entry, net, e) < 0)
		return -EINVAL;
	if (clear_host_bits(net))
		return err_set(e, EINVAL, "'%s' is an address in a network", entry);
	return 0;
}

static int parse_nets(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct ipnet nets[SETTINGS_EXEMPT_MAX] = { 0 };
	struct list l = { row, nets };
	int n = *text ? schema_type_each(text, one_net, &l, e) : 0;

	if (n < 0)
		return n;
	memcpy(FIELD(row, base), nets, sizeof(nets));
	*COUNT(row, base) = (uint32_t)n;
	return 0;
}

static void print_nets(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ipnet *nets = C_FIELD(row, base);
	char text[IP_TEXT_MAX];
	uint32_t i;

	*buf = '\0';
	for (i = 0; i < C_COUNT(row, base); i++)
		append(buf, size, ip_net_text(&nets[i], text, sizeof(text)));
}

static void print_net(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ipnet *net = C_FIELD(row, base);

	*buf = '\0';
	if (net->addr.family)
		ip_net_text(net, buf, size);
}

static void print_data4(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ipnet *net = C_FIELD(row, base);

	if (net->addr.family)
		print_net(row, base, buf, size);
	else
		str_format(buf, size, net->plen == SPEC_NO_ADDRESS ? "none" : "auto");
}

/* --- users ---------------------------------------------------------------------------------------------------------- */

static int one_user(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	char(*users)[STR_NAME_MAX] = l->out;
	unsigned int i;

	if (check_room(l, n, e) < 0)
		return -E2BIG;
	if (!str_is_name(entry, strlen(entry)))
		return err_set(e, EINVAL, "'%s' is not a user name ([a-z_][a-z0-9_-]{0,30})",
			       entry);
	for (i = 0; i < n; i++) {
		if (strcmp(users[i], entry) == 0)
			return err_set(e, EINVAL, "'%s' is listed twice", entry);
	}
	return str_copy(users[n], STR_NAME_MAX, entry);
}

static int parse_users(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char users[SETTINGS_USERS_MAX][STR_NAME_MAX] = { { 0 } };
	struct list l = { row, users };
	int n = *text ? schema_type_each(text, one_user, &l, e) : 0;

	if (n < 0)
		return n;
	memcpy(FIELD(row, base), users, sizeof(users));
	*COUNT(row, base) = (uint32_t)n;
	return 0;
}

static void print_users(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const char(*users)[STR_NAME_MAX] = C_FIELD(row, base);
	uint32_t i;

	*buf = '\0';
	for (i = 0; i < C_COUNT(row, base); i++)
		append(buf, size, users[i]);
}

const struct schema_type schema_type_listen = { "list of address:port", parse_listen,
						print_listen };
const struct schema_type schema_type_ip4 = { "IPv4 address or auto", parse_ip4, print_ip };
const struct schema_type schema_type_ip6 = { "IPv6 address or auto", parse_ip6, print_ip };
const struct schema_type schema_type_dns = { "list of addresses", parse_dns, print_dns };
const struct schema_type schema_type_pool4 = { "IPv4 network", parse_pool4, print_net };
const struct schema_type schema_type_pool6 = { "IPv6 network", parse_pool6, print_net };
const struct schema_type schema_type_data4 = { "IPv4 address/length, auto or none", parse_data4,
					       print_data4 };
const struct schema_type schema_type_addr6 = { "IPv6 address/length", parse_addr6, print_net };
const struct schema_type schema_type_nets = { "list of networks", parse_nets, print_nets };
const struct schema_type schema_type_users = { "list of user names", parse_users, print_users };
