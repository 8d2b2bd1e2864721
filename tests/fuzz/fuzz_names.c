/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: names, numbers, times, addresses, and the escaping of text: what an unauthenticated peer or an admin
 * writes.  What is accepted has to mean the same when it is printed and read again.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static void must(int ok)
{
	if (!ok)
		abort();
}

/* The contract's own words (DESIGN section 5) decide, on the full length. */
static void check_name(const char *s, size_t n)
{
	static regex_t re;
	static int compiled;
	int valid;

	if (!compiled) {
		must(regcomp(&re, "^[a-z_][a-z0-9_-]{0,30}$", REG_EXTENDED | REG_NOSUB) == 0);
		compiled = 1;
	}
	valid = strlen(s) == n && !strchr(s, '\n') && regexec(&re, s, 0, NULL, 0) == 0;
	must(str_is_name(s, n) == valid);
}

static void check_vis(const char *s, size_t n)
{
	char small[8], *big = malloc(4 * n + 1);
	size_t at = 0;

	must(big != NULL);
	str_vis(s, n, big, 4 * n + 1);
	/* Nothing but printable ASCII, nothing lost. */
	for (const char *p = big; *p; at++) {
		unsigned int byte = (unsigned char)*p;

		must(byte >= 0x20 && byte <= 0x7e);
		if (*p == '\\') {
			must(sscanf(p, "\\x%2x", &byte) == 1);
			p += 4;
		} else {
			p++;
		}
		must(at < n && byte == (unsigned char)s[at]);
	}
	must(at == n);
	str_vis(s, n, small, sizeof(small));
	must(strlen(small) < sizeof(small) && strncmp(small, big, strlen(small)) == 0);
	free(big);
}

static void check_numbers(const char *s)
{
	char text[32];
	uint64_t v, w;
	struct err e;
	bool b;

	if (num_u64(s, 0, UINT64_MAX, &v, &e) == 0) {
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
		must(strcmp(text, s) == 0);
	}
	if (num_size(s, &v, &e) == 0)
		must(num_size(num_size_text(v, text, sizeof(text)), &w, &e) == 0 && v == w);
	if (num_seconds(s, &v, &e) == 0)
		must(s[0] >= '0' && s[0] <= '9');
	if (num_bool(s, &b, &e) == 0)
		must(strcmp(s, b ? "yes" : "no") == 0);
}

static void check_addresses(const char *s)
{
	struct ipport port, port2;
	struct ipnet net, net2;
	char text[IP_TEXT_MAX];
	struct ip ip, ip2;
	struct err e;

	if (ip_parse(s, &ip, &e) == 0)
		must(ip_parse(ip_text(&ip, text, sizeof(text)), &ip2, &e) == 0 &&
		     ip_equal(&ip, &ip2));
	if (ip_parse_net(s, &net, &e) == 0) {
		must(ip_parse_net(ip_net_text(&net, text, sizeof(text)), &net2, &e) == 0);
		must(ip_equal(&net.addr, &net2.addr) && net.plen == net2.plen);
		must(ip_in_net(&net.addr, &net) && ip_nth(&net, 0, &ip) && ip_in_net(&ip, &net));
	}
	if (ip_parse_port(s, &port, &e) == 0) {
		must(ip_parse_port(ip_port_text(&port, text, sizeof(text)), &port2, &e) == 0);
		must(ip_equal(&port.addr, &port2.addr) && port.port == port2.port && port.port);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	must(s != NULL);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	check_name(s, size);
	check_vis(s, size);
	check_numbers(s);
	check_addresses(s);
	free(s);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char *const seeds[] = {
		"alice",
		"_apt-9",
		"abcdefghijklmnopqrstuvwxyz01234",
		"../root",
		"ALICE",
		" alice",
		"alice\n",
		"\xd0\xb0lice",
		"0",
		"18446744073709551615",
		"64G",
		"10MB",
		"30s",
		"365d",
		"yes",
		"no",
		"172.31.199.3",
		"255.255.255.255",
		"fd00::1",
		"::ffff:1.2.3.4",
		"2001:db8:1:2:3:4:5:6",
		"10.0.0.0/8",
		"fd00::/64",
		"::/0",
		"0.0.0.0:22",
		"[::]:65535",
		"a\\b\033[2J",
	};
	char name[16];

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		(void)snprintf(name, sizeof(name), "%02zu", i);
		emit(name, seeds[i], strlen(seeds[i]));
	}
	emit("nul", "alice\0bob", 9);
}
