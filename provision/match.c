/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See match.h.  provisiond, on lists that an administrator or a certificate's signer wrote. */
#include "match.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

#define ENTRY_MAX 256

bool match_pattern(const char *text, const char *pattern)
{
	const char *star = NULL, *from = text;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern && (*pattern == '?' || tolower((unsigned char)*pattern) ==
								   tolower((unsigned char)*text))) {
			pattern++;
			text++;
		} else if (star) {
			/* The last star takes one character more. */
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool match_word(const char *name, const char *list)
{
	size_t n = strlen(name);

	for (;;) {
		size_t len = strcspn(list, ",");

		if (n && len == n && memcmp(list, name, n) == 0)
			return true;
		if (list[len] == '\0')
			return false;
		list += len + 1;
	}
}

static bool has_host_bits(const struct ipnet *net)
{
	size_t i, bytes = net->addr.family == AF_INET ? 4 : 16;

	for (i = 0; i < bytes; i++) {
		size_t first = i * 8;
		uint8_t keep = net->plen >= first + 8 ? 0xff
			       : net->plen <= first   ? 0
						    : (uint8_t)(0xff << (8 - (net->plen - first)));

		if (net->addr.b[i] & (uint8_t)~keep)
			return true;
	}
	return false;
}

static int bad_entry(const char *entry, const char *why, struct err *e)
{
	char shown[64];

	return err_set(e, EINVAL, "'%s' %s", str_vis(entry, strlen(entry), shown, sizeof(shown)),
		       why);
}

/* A wildcard pattern of an address, or a host name: nothing is looked up, so that one never matches. */
static int match_text(const struct ip *peer, const char *entry, bool negated, struct err *e)
{
	char text[IP_TEXT_MAX];

	if (strchr(entry, ':') && strchr(entry, '.'))
		return bad_entry(entry, "is an IPv4 address in IPv6 form (write it as a.b.c.d)", e);
	/* Without a match, a name that is to be kept out would be let in. */
	if (negated && entry[strspn(entry, "0123456789abcdefABCDEF.:*?")])
		return bad_entry(entry, "is a host name, which is not looked up", e);
	return peer && peer->family && match_pattern(ip_text(peer, text, sizeof(text)), entry);
}

static int match_net(const struct ip *peer, const char *entry, struct err *e)
{
	struct ipnet net;

	if (ip_parse_net(entry, &net, NULL) < 0)
		return bad_entry(entry, "is no network", e);
	if (has_host_bits(&net))
		return bad_entry(entry, "has bits beyond its prefix length", e);
	return peer && ip_in_net(peer, &net);
}

static int match_list(const struct ip *peer, const char *list, bool wildcards, struct err *e)
{
	bool yes = false, no = false;

	for (;;) {
		char entry[ENTRY_MAX];
		size_t n = strcspn(list, ",");
		bool negated = wildcards && n && *list == '!';
		struct ip ip;
		int ret;

		if (n - negated == 0)
			return err_set(e, EINVAL, "an entry is empty");
		if (n - negated >= sizeof(entry))
			return err_set(e, EINVAL, "an entry is too long");
		memcpy(entry, list + negated, n - negated);
		entry[n - negated] = '\0';
		if (strchr(entry, '/'))
			ret = match_net(peer, entry, e);
		else if (ip_parse(entry, &ip, NULL) == 0)
			ret = peer && ip_equal(peer, &ip);
		else if (wildcards)
			ret = match_text(peer, entry, negated, e);
		else
			ret = bad_entry(entry, "is no address", e);
		if (ret < 0)
			return ret;
		if (ret)
			*(negated ? &no : &yes) = true;
		if (list[n] == '\0')
			return yes && !no;
		list += n + 1;
	}
}

int match_address(const struct ip *peer, const char *list, struct err *e)
{
	return match_list(peer, list, true, e);
}

int match_source(const struct ip *peer, const char *list, struct err *e)
{
	return match_list(peer, list, false, e);
}
