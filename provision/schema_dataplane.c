/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of configuration values: how the data plane is set up (routes, offloads, virtual functions, RDMA).  Syntax only. */
#include "schema_type.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define FIELD(row, base)   ((void *)((char *)(base) + (row)->offset))
#define C_FIELD(row, base) ((const void *)((const char *)(base) + (row)->offset))
#define LOWER              "abcdefghijklmnopqrstuvwxyz0123456789-_"

/* --- routes: NETWORK via ADDRESS, .. --- */

struct routes {
	const struct schema_row *row;
	struct spec_route out[SETTINGS_ROUTES_MAX];
};

static int one_route(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct routes *r = ctx;
	const char *via = strstr(entry, " via ");
	char to[IP_TEXT_MAX];

	if (n >= r->row->max)
		return err_set(e, E2BIG, "more than %" PRIu64 " routes", r->row->max);
	if (!via || (size_t)(via - entry) >= sizeof(to))
		return err_set(e, EINVAL, "'%s' is not a route (10.0.0.0/8 via 192.168.199.254)",
			       entry);
	(void)str_format(to, sizeof(to), "%.*s", (int)(via - entry), entry);
	if (ip_parse_net(to, &r->out[n].to, e) < 0)
		return -EINVAL;
	via += 5;
	via += strspn(via, " ");
	if (ip_parse(via, &r->out[n].via, e) < 0)
		return -EINVAL;
	if (r->out[n].via.family != r->out[n].to.addr.family)
		return err_set(e, EINVAL, "'%s': network and gateway are of different families",
			       entry);
	return 0;
}

static int parse_routes(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct routes r = { .row = row };
	int n = *text ? schema_type_each(text, one_route, &r, e) : 0;

	if (n < 0)
		return n;
	memcpy(FIELD(row, base), r.out, sizeof(r.out));
	*(uint32_t *)((char *)base + row->count) = (uint32_t)n;
	return 0;
}

static void print_routes(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const struct spec_route *r = C_FIELD(row, base);
	uint32_t n = *(const uint32_t *)((const char *)base + row->count);
	char to[IP_TEXT_MAX], via[IP_TEXT_MAX];
	size_t used = 0;

	*buf = '\0';
	for (uint32_t i = 0; i < n; i++) {
		(void)str_format(buf + used, size - used, "%s%s via %s", i ? ", " : "",
				 ip_net_text(&r[i].to, to, sizeof(to)),
				 ip_text(&r[i].via, via, sizeof(via)));
		used = strlen(buf);
	}
}

/* --- offloads: NAME on|off, .. --- */

static int one_feature(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	size_t len = strspn(entry, LOWER);
	const char *value = entry + len + strspn(entry + len, " ");

	if (len == 0 || value == entry + len ||
	    (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
		return err_set(e, EINVAL, "'%s' is not an offload (tso on, gro off)", entry);
	return 0;
}

static int parse_features(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	int n = *text ? schema_type_each(text, one_feature, NULL, e) : 0;

	return n < 0 ? n : schema_type_store(row, text, base, e);
}

/* --- the rest --- */

static int parse_mac(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	unsigned int b[6] = { 0 };
	uint8_t *out = FIELD(row, base);
	char end;

	if (*text && (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1],
						   &b[2], &b[3], &b[4], &b[5], &end) != 6))
		return err_set(e, EINVAL, "'%s' is not a MAC address (02:00:00:00:00:01)", text);
	if (b[0] & 1)
		return err_set(e, EINVAL, "'%s' is a group address", text);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)b[i];
	return 0;
}

static void print_mac(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const uint8_t *m = C_FIELD(row, base);
	static const uint8_t none[6];

	*buf = '\0';
	if (memcmp(m, none, 6) != 0)
		(void)str_format(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
				 m[4], m[5]);
}

static int parse_rdma(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (text[strspn(text, LOWER)] || *text == '-')
		return err_set(e, EINVAL, "'%s' is not an RDMA device (auto, none, mlx5_0)", text);
	return schema_type_store(row, text, base, e);
}

static int parse_word(const char *text, const char *no, const char *yes, bool *out, struct err *e)
{
	if (strcmp(text, no) != 0 && strcmp(text, yes) != 0)
		return err_set(e, EINVAL, "'%s' is neither '%s' nor '%s'", text, no, yes);
	*out = strcmp(text, yes) == 0;
	return 0;
}

static int parse_policy(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_word(text, "require", "optional", FIELD(row, base), e);
}

static void print_policy(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	(void)str_copy(buf, size, *(const bool *)C_FIELD(row, base) ? "optional" : "require");
}

static int parse_admin(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return parse_word(text, "standard", "full", FIELD(row, base), e);
}

static void print_admin(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	(void)str_copy(buf, size, *(const bool *)C_FIELD(row, base) ? "full" : "standard");
}

const struct schema_type schema_type_routes = { "list of NETWORK via ADDRESS", parse_routes,
						print_routes };
const struct schema_type schema_type_features = { "list of NAME on or NAME off", parse_features,
						  schema_type_print_text };
const struct schema_type schema_type_mac = { "MAC address", parse_mac, print_mac };
const struct schema_type schema_type_rdma = { "auto, none or device name", parse_rdma,
					      schema_type_print_text };
const struct schema_type schema_type_policy = { "require or optional", parse_policy, print_policy };
const struct schema_type schema_type_admin = { "standard or full", parse_admin, print_admin };
