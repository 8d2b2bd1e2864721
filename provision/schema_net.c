/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of configuration values: addresses, interfaces, devices, users and cpu lists.  Syntax only: whether an
 * interface, GPU or cpu exists is decided where it is used, so that a configuration can be checked on another host.
 */
#include "schema_type.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define FIELD(row, base)   ((void *)((char *)(base) + (row)->offset))
#define C_FIELD(row, base) ((const void *)((const char *)(base) + (row)->offset))
#define COUNT(row, base)   ((uint32_t *)((char *)(base) + (row)->count))
#define C_COUNT(row, base) (*(const uint32_t *)((const char *)(base) + (row)->count))
#define DIGITS             "0123456789"
#define HEX                "0123456789abcdefABCDEF"

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

static void append_with(char *buf, size_t size, const char *comma, const char *text)
{
	size_t used = strlen(buf);

	str_format(buf + used, size - used, "%s%s", used ? comma : "", text);
}

/* Append ", text" (or "text") to buf. */
static void append(char *buf, size_t size, const char *text)
{
	append_with(buf, size, ", ", text);
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

static int parse_addr6(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_addr(row, text, base, AF_INET6, e);
}

static void print_net(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct ipnet *net = C_FIELD(row, base);

	*buf = '\0';
	if (net->addr.family)
		ip_net_text(net, buf, size);
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

/* --- devices -------------------------------------------------------------------------------------------------------- */

/* `pattern`: 'x' stands for a hexadecimal digit, everything else for itself. */
static bool looks_like(const char *s, const char *pattern)
{
	for (; *pattern; s++, pattern++) {
		if (*s == '\0' || (*pattern == 'x' ? !strchr(HEX, *s) : *s != *pattern))
			return false;
	}
	return *s == '\0';
}

static bool is_pci(const char *s)
{
	return looks_like(s, "xxxx:xx:xx.x") || looks_like(s, "xxxxx:xx:xx.x");
}

/* dev_valid_name() of the kernel, less the characters that no one types. */
static bool is_ifname(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= 15 && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && *s != '-' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-")] ==
		       '\0';
}

static int parse_ifname(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (*text && !is_ifname(text))
		return err_set(e, EINVAL, "'%s' is not an interface name (at most 15 characters)",
			       text);
	return schema_type_store(row, text, base, e);
}

static int check_nic(const char *text, struct err *e)
{
	if (strncmp(text, "pci:", 4) == 0) {
		if (!is_pci(text + 4))
			return err_set(e, EINVAL, "'%s' is not a PCI address (pci:0000:29:00.0)",
				       text);
		return 0;
	}
	if (strncmp(text, "mac:", 4) == 0) {
		if (!looks_like(text + 4, "xx:xx:xx:xx:xx:xx"))
			return err_set(e, EINVAL,
				       "'%s' is not a MAC address (mac:02:00:00:00:00:01)", text);
		return 0;
	}
	if (!is_ifname(text))
		return err_set(e, EINVAL,
			       "'%s' is not a NIC (pci:ADDRESS, mac:ADDRESS, an interface name)",
			       text);
	return 0;
}

static int parse_nic(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return check_nic(text, e) < 0 ? -EINVAL : schema_type_store(row, text, base, e);
}

static int one_nic(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	int ret = check_nic(entry, e);

	if (ret == 0 && (strcmp(entry, "auto") == 0 || strcmp(entry, "none") == 0))
		return err_set(e, EINVAL, "'%s' names no NIC", entry);
	if (ret == 0)
		append_with(l->out, SCHEMA_VALUE_MAX, ",", entry);
	return ret;
}

static int parse_nics(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "";
	struct list l = { row, out };
	int n = *text ? schema_type_each(text, one_nic, &l, e) : 0;

	return n < 0 ? n : schema_type_store(row, out, base, e);
}

/* A UUID, a PCI address, an index, or a CDI device vendor.com/class=name. */
static int check_gpu(const char *text, struct err *e)
{
	const char *name = strncmp(text, "pci:", 4) == 0 ? text + 4 : text;

	if (is_pci(name) || looks_like(text, "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") ||
	    looks_like(text, "MIG-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return 0;
	if (text[strspn(text, DIGITS)] == '\0' && strlen(text) <= 3)
		return 0;
	if (strchr(text, '/') && strchr(text, '=') > strchr(text, '/') &&
	    text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/=-")] ==
		    '\0')
		return 0;
	return err_set(e, EINVAL, "'%s' is not a GPU (GPU-UUID, PCI address, index, CDI name)",
		       text);
}

static int parse_gpu(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (strcmp(text, "auto") != 0 && strcmp(text, "none") != 0 && check_gpu(text, e) < 0)
		return -EINVAL;
	return schema_type_store(row, text, base, e);
}

static int one_gpu(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	int ret = check_gpu(entry, e);

	if (ret == 0)
		append_with(l->out, SCHEMA_VALUE_MAX, ",", entry);
	return ret;
}

static int parse_gpus(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "";
	struct list l = { row, out };
	int n;

	if (strcmp(text, "all") == 0 || *text == '\0')
		return schema_type_store(row, text, base, e);
	n = schema_type_each(text, one_gpu, &l, e);
	return n < 0 ? n : schema_type_store(row, out, base, e);
}

/* --- cpus ----------------------------------------------------------------------------------------------------------- */

#define CPU_MAX 8191

/* Read a number at *p, move *p behind it. */
static bool take_number(const char **p, unsigned long *v)
{
	size_t n = strspn(*p, DIGITS);

	if (n == 0 || n > 5)
		return false;
	*v = strtoul(*p, NULL, 10);
	*p += n;
	return true;
}

/* a, a-b, a-b:used/group: the list format of cpuset(7). */
static int one_cpus(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	unsigned long first, last, used, group;
	const char *p = entry;

	if (!take_number(&p, &first))
		goto bad;
	last = first;
	if (*p == '-' && (p++, !take_number(&p, &last)))
		goto bad;
	if (last < first)
		return err_set(e, EINVAL, "range '%s' ends before it begins", entry);
	if (last > CPU_MAX)
		return err_set(e, ERANGE, "'%s' is above cpu %d", entry, CPU_MAX);
	if (*p == ':') {
		p++;
		if (!take_number(&p, &used) || *p++ != '/' || !take_number(&p, &group))
			goto bad;
		if (used == 0 || used > group)
			return err_set(e, EINVAL, "'%s' takes %lu of every %lu cpus", entry, used,
				       group);
	}
	if (*p == '\0')
		return 0;
bad:
	return err_set(e, EINVAL, "'%s' is not a list of cpus (0-3,8 or 0-15:1/2)", entry);
}

static int parse_cpus(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t count;
	int n;

	if (*text == '\0' || strcmp(text, "auto:nic") == 0)
		return schema_type_store(row, text, base, e);
	if (text[strspn(text, DIGITS)] == '\0') {
		if (num_u64(text, 1, CPU_MAX + 1, &count, e) < 0)
			return -EINVAL;
		return schema_type_store(row, text, base, e);
	}
	if (strpbrk(text, " \t"))
		return err_set(e, EINVAL, "blank in the list of cpus '%s'", text);
	n = schema_type_each(text, one_cpus, NULL, e);
	return n < 0 ? n : schema_type_store(row, text, base, e);
}

const struct schema_type schema_type_listen = { "list of address:port", parse_listen,
						print_listen };
const struct schema_type schema_type_ip4 = { "IPv4 address or auto", parse_ip4, print_ip };
const struct schema_type schema_type_ip6 = { "IPv6 address or auto", parse_ip6, print_ip };
const struct schema_type schema_type_dns = { "list of addresses", parse_dns, print_dns };
const struct schema_type schema_type_pool4 = { "IPv4 network", parse_pool4, print_net };
const struct schema_type schema_type_pool6 = { "IPv6 network", parse_pool6, print_net };
const struct schema_type schema_type_addr4 = { "IPv4 address/length", parse_addr4, print_net };
const struct schema_type schema_type_addr6 = { "IPv6 address/length", parse_addr6, print_net };
const struct schema_type schema_type_ifname = { "interface name", parse_ifname,
						schema_type_print_text };
const struct schema_type schema_type_users = { "list of user names", parse_users, print_users };
const struct schema_type schema_type_nic = { "auto, none, pci:, mac: or interface name", parse_nic,
					     schema_type_print_text };
const struct schema_type schema_type_nics = { "list of NICs", parse_nics, schema_type_print_text };
const struct schema_type schema_type_gpu = { "auto, none, UUID, PCI address, index or CDI name",
					     parse_gpu, schema_type_print_text };
const struct schema_type schema_type_gpus = { "all, or list of GPUs", parse_gpus,
					      schema_type_print_text };
const struct schema_type schema_type_cpus = { "count, list or auto:nic", parse_cpus,
					      schema_type_print_text };
