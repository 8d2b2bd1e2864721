/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses as values.  Text goes through inet_pton/inet_ntop, which know neither DNS nor NSS nor octal.
 */
#include "base/ip.h"
#include "base/num.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned int ip_bytes(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0;
}

static bool is_mapped(const uint8_t *b)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(b, prefix, sizeof(prefix)) == 0;
}

static int refuse(struct err *e, const char *s, const char *why)
{
	char shown[IP_TEXT_MAX];

	return err_set(e, EINVAL, "'%s' %s", str_vis(s, strlen(s), shown, sizeof(shown)), why);
}

int ip_parse(const char *s, struct ip *out, struct err *e)
{
	struct ip ip = { 0 };

	if (inet_pton(AF_INET, s, ip.b) == 1) {
		ip.family = AF_INET;
	} else if (inet_pton(AF_INET6, s, ip.b) == 1) {
		ip.family = AF_INET6;
		/* Two spellings of one address would never compare equal. */
		if (is_mapped(ip.b))
			return refuse(e, s,
				      "is an IPv4 address in IPv6 form (write it as a.b.c.d)");
	} else {
		return refuse(e, s, "is not an IP address");
	}
	*out = ip;
	return 0;
}

/* Copy s up to `end` into buf; false when it does not fit. */
static bool cut(const char *s, const char *end, char *buf, size_t size)
{
	size_t n = (size_t)(end - s);

	if (n >= size)
		return false;
	memcpy(buf, s, n);
	buf[n] = '\0';
	return true;
}

int ip_parse_net(const char *s, struct ipnet *out, struct err *e)
{
	const char *slash = strchr(s, '/');
	char host[IP_TEXT_MAX];
	struct ipnet net = { 0 };
	uint64_t plen;
	int r;

	if (!slash || !cut(s, slash, host, sizeof(host)))
		return refuse(e, s, "is not a network (address/length)");
	r = ip_parse(host, &net.addr, e);
	if (r < 0)
		return r;
	if (num_u64(slash + 1, 0, (uint64_t)ip_bytes(&net.addr) * 8, &plen, NULL) < 0)
		return refuse(e, s,
			      net.addr.family == AF_INET ? "needs a prefix length of 0 to 32"
							 : "needs a prefix length of 0 to 128");
	net.plen = (uint8_t)plen;
	*out = net;
	return 0;
}

int ip_parse_port(const char *s, struct ipport *out, struct err *e)
{
	const char *colon = strrchr(s, ':'), *end = colon;
	bool bracket = s[0] == '[';
	struct ipport p = { 0 };
	char host[IP_TEXT_MAX];
	uint64_t port;
	int r;

	if (bracket && colon && colon > s && colon[-1] == ']') {
		end = colon - 1;
		s++;
	} else if (bracket || !colon || strchr(s, ':') != colon) {
		return refuse(e, s, "is not address:port (IPv6 as [address]:port)");
	}
	if (!cut(s, end, host, sizeof(host)))
		return refuse(e, s, "is not address:port (IPv6 as [address]:port)");
	r = ip_parse(host, &p.addr, e);
	if (r < 0)
		return r;
	if (bracket != (p.addr.family == AF_INET6))
		return refuse(e, s, "is not address:port (IPv6 as [address]:port)");
	if (num_u64(colon + 1, 1, 65535, &port, NULL) < 0)
		return refuse(e, colon + 1, "is not a port (1 to 65535)");
	p.port = (uint16_t)port;
	*out = p;
	return 0;
}

const char *ip_text(const struct ip *ip, char *buf, size_t size)
{
	if (size == 0)
		return "";
	if (ip_bytes(ip) == 0 || !inet_ntop(ip->family, ip->b, buf, (socklen_t)size))
		buf[0] = '\0';
	return buf;
}

const char *ip_net_text(const struct ipnet *n, char *buf, size_t size)
{
	char host[IP_TEXT_MAX];

	if (size == 0)
		return "";
	buf[0] = '\0';
	if (n->addr.family)
		(void)str_format(buf, size, "%s/%u", ip_text(&n->addr, host, sizeof(host)),
				 n->plen);
	return buf;
}

const char *ip_port_text(const struct ipport *p, char *buf, size_t size)
{
	char host[IP_TEXT_MAX];

	if (size == 0)
		return "";
	buf[0] = '\0';
	if (p->addr.family)
		(void)str_format(buf, size, p->addr.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
				 ip_text(&p->addr, host, sizeof(host)), p->port);
	return buf;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_bytes(a)) == 0;
}

bool ip_in_net(const struct ip *ip, const struct ipnet *n)
{
	unsigned int whole = n->plen / 8, rest = n->plen % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (ip->family != n->addr.family || ip_bytes(ip) == 0 || n->plen > ip_bytes(ip) * 8)
		return false;
	if (memcmp(ip->b, n->addr.b, whole) != 0)
		return false;
	return rest == 0 || ((ip->b[whole] ^ n->addr.b[whole]) & mask) == 0;
}

bool ip_nth(const struct ipnet *net, uint64_t n, struct ip *out)
{
	unsigned int bytes = ip_bytes(&net->addr), host;
	struct ip ip = net->addr;

	if (bytes == 0 || net->plen > bytes * 8)
		return false;
	host = bytes * 8 - net->plen;
	if (host < 64 && n >> host != 0)
		return false;
	/* The host bits are cleared and n is added from the last byte up; n < 2^host, so nothing carries out. */
	for (unsigned int i = bytes; i-- > 0; host -= host < 8 ? host : 8) {
		uint8_t bits = host >= 8 ? 0xff : (uint8_t)((1U << host) - 1);

		ip.b[i] = (uint8_t)((ip.b[i] & ~bits) | (n & bits));
		n >>= 8;
	}
	*out = ip;
	return true;
}

bool ip_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct ipport *out)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	struct ipport p = { 0 };

	if (len < sizeof(sa->sa_family))
		return false;
	if (sa->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		p.addr.family = AF_INET;
		memcpy(p.addr.b, &in.sin_addr, 4);
		p.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(in6)) {
		bool mapped;

		memcpy(&in6, sa, sizeof(in6));
		mapped = is_mapped(in6.sin6_addr.s6_addr);
		p.addr.family = mapped ? AF_INET : AF_INET6;
		memcpy(p.addr.b, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
		p.port = ntohs(in6.sin6_port);
	} else {
		return false;
	}
	*out = p;
	return true;
}

socklen_t ip_to_sockaddr(const struct ipport *p, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(p->port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(p->port) };

	memset(ss, 0, sizeof(*ss));
	if (p->addr.family == AF_INET) {
		memcpy(&in.sin_addr, p->addr.b, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	if (p->addr.family == AF_INET6) {
		memcpy(&in6.sin6_addr, p->addr.b, 16);
		memcpy(ss, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}
