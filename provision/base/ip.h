/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IPv4 and IPv6 addresses and prefixes as plain values. No DNS, no scope ids. */
#pragma once
#include "base/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define IP_TEXT_MAX 64 /* "[v6]:port" or "v6/128" with NUL */

struct ip {
	uint8_t family; /* AF_INET, AF_INET6; 0 = none */
	uint8_t b[16];  /* network order; IPv4 in the first 4 */
};
struct ipnet {
	struct ip addr;
	uint8_t plen;
};
struct ipport {
	struct ip addr;
	uint16_t port; /* host order */
};

int ip_parse(const char *s, struct ip *out, struct err *e);
int ip_parse_net(const char *s, struct ipnet *out, struct err *e);   /* "a/n"; host bits allowed */
int ip_parse_port(const char *s, struct ipport *out, struct err *e); /* "1.2.3.4:22", "[::]:22" */
const char *ip_text(const struct ip *ip, char *buf, size_t size);    /* "" when family is 0 */
const char *ip_net_text(const struct ipnet *n, char *buf, size_t size);
const char *ip_port_text(const struct ipport *p, char *buf, size_t size);
bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_in_net(const struct ip *ip, const struct ipnet *n);
/* The n-th address of the network (n = 0 is the network address). False when n is outside. */
bool ip_nth(const struct ipnet *net, uint64_t n, struct ip *out);
/* sockaddr <-> ipport. An IPv4-mapped IPv6 address becomes IPv4. False for any other family. */
bool ip_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct ipport *out);
socklen_t ip_to_sockaddr(const struct ipport *p, struct sockaddr_storage *ss);
