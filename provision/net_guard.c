// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes the table `bridge sshbay` and has nft(8) load it.  A port's chain lets through what its workspace may say, and
 * drops the rest: on a shared layer 2 what is not known to be good can speak for somebody else.
 */
#include "net_guard.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/text.h"
#include "net.h"
#include "net_host.h"
#include "net_nft.h"

#define TEXT_MAX  16384
#define MAC       "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_OF(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

struct ip net_guard_link_local(const uint8_t mac[6])
{
	return (struct ip){ .family = AF_INET6,
			    .b = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff,
				   0xfe, mac[3], mac[4], mac[5] } };
}

/* A neighbour message's target is at byte 8 behind the start of ICMPv6, for which nft 1.0.6 has no word. */
static const char *hex(const struct ip *ip, char out[36])
{
	char *at = out + sprintf(out, "0x");

	for (int i = 0; i < 16; i++)
		at += sprintf(at, "%02x", ip->b[i]);
	return out;
}

/*
 * All of it is given again each time, so that one transaction does for the first port and the hundredth; the counters of
 * the fixed chains have names and outlive that. Chains are flushed and filled in one step of the kernel: no frame sees
 * them empty.
 */
static void write_fixed(struct text *t, const char *pool, const char *pool6)
{
	static const uint8_t host[6] = NET_GUARD_HOST_MAC;

	text_add(t,
		 "add table bridge sshbay\n"
		 "add counter bridge sshbay unguarded\n"
		 "add counter bridge sshbay gate_closed\n"
		 "add counter bridge sshbay router_advert\n"
		 "add counter bridge sshbay to_host\n"
		 "add counter bridge sshbay link_local\n"
		 "add set bridge sshbay gate { type ether_addr; }\n"
		 "add map bridge sshbay ports { type ifname : verdict; }\n"
		 "add chain bridge sshbay guard\n"
		 "add chain bridge sshbay arrive { type filter hook prerouting priority -300; }\n"
		 "add chain bridge sshbay host { type filter hook input priority -200; }\n"
		 "add chain bridge sshbay leave { type filter hook postrouting priority 300; }\n"
		 "flush chain bridge sshbay guard\n"
		 "flush chain bridge sshbay arrive\n"
		 "flush chain bridge sshbay host\n"
		 "flush chain bridge sshbay leave\n"
		 "add rule bridge sshbay guard iifname vmap @ports\n"
		 "add rule bridge sshbay guard counter name unguarded drop\n"
		 "add rule bridge sshbay arrive iifname \"sb-*\" jump guard\n");
	/* What cannot be turned to the host (a frame to all, a lost set) does not reach a tenant either: `leave`. */
	for (int v6 = 0; v6 < (pool6[0] ? 2 : 1); v6++) {
		const char *ip = v6 ? "ip6" : "ip", *net = v6 ? pool6 : pool;

		text_add(t,
			 "add rule bridge sshbay arrive ether daddr @gate %s daddr %s tcp dport 22 "
			 "ether daddr set " MAC " meta pkttype set host\n"
			 "add rule bridge sshbay leave oifname \"sb-*\" %s daddr %s tcp dport 22 "
			 "counter name gate_closed drop\n",
			 ip, net, MAC_OF(host), ip, net);
	}
	/* 802.1X, LACP and the like go up to the host past the first hook; LLDP past this one, too. No bridge forwards them. */
	text_add(t,
		 "add rule bridge sshbay host iifname \"sb-*\" ether daddr & ff:ff:ff:ff:ff:f0 == "
		 "01:80:c2:00:00:00 counter name link_local drop\n");
	/* Link-local sources are no pool addresses, by which `inet sshbay` judges what is said to the host. */
	text_add(t,
		 "add rule bridge sshbay leave oifname \"sb-*\" icmpv6 type nd-router-advert "
		 "counter name router_advert drop\n"
		 "add rule bridge sshbay host iifname \"sb-*\" ip6 saddr fe80::/10 icmpv6 type { "
		 "nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		 "add rule bridge sshbay host iifname \"sb-*\" ip6 saddr fe80::/10 "
		 "counter name to_host drop\n");
}

static void rule(struct text *t, uint32_t slot, const char *what, const char *match)
{
	text_add(t, "add rule bridge sshbay port_%x %s counter drop comment \"%s\"\n", slot, match,
		 what);
}

static void write_ip4(struct text *t, const struct net_guard *g)
{
	char ip[IP_TEXT_MAX];

	(void)ip_text(&g->ip4, ip, sizeof(ip));
	text_add(t,
		 "add rule bridge sshbay port_%x arp htype 1 arp ptype ip arp hlen 6 arp plen 4 "
		 "arp operation { request, reply } arp saddr ether " MAC
		 " arp saddr ip %s return\n",
		 g->slot, MAC_OF(g->mac), ip);
	rule(t, g->slot, "ARP", "ether type arp");
	text_add(t,
		 "add rule bridge sshbay port_%x ether type ip ip saddr != %s counter drop comment "
		 "\"IPv4 source\"\n",
		 g->slot, ip);
	rule(t, g->slot, "DHCP server", "ether type ip udp sport 67");
	rule(t, g->slot, "router", "ether type ip igmp type membership-query");
	/* Each group takes a place in the bridge's one table; when that is full, the bridge floods multicast to everybody. */
	if (!g->counts_groups)
		rule(t, g->slot, "multicast groups",
		     "ether type ip igmp type membership-report-v3 @th,48,16 > 8");
	rule(t, g->slot, "multicast groups",
	     "ether type ip ip protocol igmp limit rate over 60/minute burst 64 packets");
	rule(t, g->slot, "router", "ether type ip icmp type { redirect, router-advertisement }");
	/* EIGRP, OSPF, PIM, VRRP: whoever speaks them can become the LAN's gateway, or make it step back. */
	rule(t, g->slot, "router", "ether type ip ip protocol { 88, 89, 103, 112 }");
	rule(t, g->slot, "router", "ether type ip udp dport { 520, 521, 1985, 2029 }");
	text_add(t, "add rule bridge sshbay port_%x ether type ip return\n", g->slot);
}

/* What has no address of its own yet may ask whether somebody has what will be its, and say which groups it is in. */
static void write_ip6(struct text *t, const struct net_guard *g)
{
	struct ip ll = net_guard_link_local(g->mac);
	char own[IP_TEXT_MAX + 2] = "", local[IP_TEXT_MAX], targets[80], one[36], two[36];
	char text[IP_TEXT_MAX];

	(void)ip_text(&ll, local, sizeof(local));
	if (g->ip6.family)
		(void)str_format(own, sizeof(own), ", %s", ip_text(&g->ip6, text, sizeof(text)));
	(void)str_format(targets, sizeof(targets), "%s%s%s", hex(&ll, one),
			 g->ip6.family ? ", " : "", g->ip6.family ? hex(&g->ip6, two) : "");
	/* What a second fragment says is not seen here, nor by a switch: nothing for a whole LAN is that long. */
	rule(t, g->slot, "fragment", "exthdr frag exists ip6 daddr ff00::/8");
	rule(t, g->slot, "router advertisement", "icmpv6 type nd-router-advert");
	rule(t, g->slot, "router", "icmpv6 type { nd-redirect, mld-listener-query }");
	rule(t, g->slot, "router", "ether type ip6 meta l4proto { 88, 89, 103, 112 }");
	rule(t, g->slot, "router", "ether type ip6 udp dport { 520, 521, 1985, 2029 }");
	if (!g->counts_groups)
		rule(t, g->slot, "multicast groups",
		     "icmpv6 type mld2-listener-report @th,48,16 > 8");
	rule(t, g->slot, "multicast groups",
	     "icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } "
	     "limit rate over 60/minute burst 64 packets");
	rule(t, g->slot, "DHCP server", "ether type ip6 udp sport 547");
	text_add(t,
		 "add rule bridge sshbay port_%1$x icmpv6 type nd-neighbor-advert @th,64,128 != { "
		 "%2$s "
		 "} counter drop comment \"neighbour\"\n"
		 "add rule bridge sshbay port_%1$x ip6 saddr :: icmpv6 type nd-neighbor-solicit "
		 "@th,64,128 { %2$s } return\n"
		 "add rule bridge sshbay port_%1$x ip6 saddr :: ip6 daddr ff02::16 icmpv6 type "
		 "mld2-listener-report return\n"
		 "add rule bridge sshbay port_%1$x ip6 saddr { %3$s%4$s } return\n",
		 g->slot, targets, local, own);
	rule(t, g->slot, "IPv6 source", "ether type ip6");
}

static void write_port(struct text *t, const struct net_guard *g)
{
	text_add(t,
		 "add chain bridge sshbay port_%x\n"
		 "flush chain bridge sshbay port_%x\n"
		 "add rule bridge sshbay port_%x ether saddr != " MAC
		 " counter drop comment \"source MAC\"\n",
		 g->slot, g->slot, g->slot, MAC_OF(g->mac));
	rule(t, g->slot, "VLAN tag", "ether type { 8021q, 8021ad }");
	/* BPDU, LACP, LLDP, 802.1X, pause: between a bridge and its neighbours. */
	rule(t, g->slot, "BPDU", "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00");
	rule(t, g->slot, "broadcast storm",
	     "meta pkttype broadcast limit rate over 1000/second burst 2000 packets");
	write_ip4(t, g);
	write_ip6(t, g);
	rule(t, g->slot, "other protocol", "");
	text_add(t,
		 "add element bridge sshbay ports { \"sb-%x\" : goto port_%x }\n"
		 "add element bridge sshbay gate { " MAC " }\n",
		 g->slot, g->slot, MAC_OF(g->mac));
}

int net_guard_text(const struct settings *s, const struct net_guard *g, char *buf, size_t size,
		   struct err *e)
{
	char pool[IP_TEXT_MAX], pool6[IP_TEXT_MAX] = "";
	struct ipnet base = net_host_base(&s->network.control_cidr),
		     base6 = net_host_base(&s->network.control_cidr6);
	struct text t = { .buf = buf, .size = size };

	(void)ip_net_text(&base, pool, sizeof(pool));
	if (base6.addr.family)
		(void)ip_net_text(&base6, pool6, sizeof(pool6));
	write_fixed(&t, pool, pool6);
	if (g)
		write_port(&t, g);
	return t.cut ? err_set(e, ENAMETOOLONG, "write nft table 'bridge sshbay': ruleset too long")
		     : 0;
}

/* nft reads what there is before it writes: two at once would take turns at failing. */
int net_guard_lock(const struct settings *s, struct err *e)
{
	char path[PATH_MAX];
	auto_fd int fd = -1;

	if (str_format(path, sizeof(path), "%s/nft.lock", s->storage.run))
		return err_set(e, ENAMETOOLONG, "lock '%s/nft.lock': name too long",
			       s->storage.run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(e, "lock '%s'", path);
	return fd_take(&fd);
}

static int run(const char *text, struct err *e)
{
	const char *const argv[] = { net_nft_program(), "-f", "-", NULL };

	return proc_run(argv, text, e) ? err_wrap(e, "load nft table 'bridge sshbay'") : 0;
}

int net_guard_load(const struct settings *s, const struct net_guard *g, struct err *e)
{
	auto_fd int held = -1;
	char text[TEXT_MAX];
	int ret = net_guard_text(s, g, text, sizeof(text), e);

	if (ret)
		return ret;
	held = net_guard_lock(s, e);
	return held < 0 ? held : run(text, e);
}

int net_guard_remove(const struct settings *s, const struct net_guard *g, struct err *e)
{
	char chain[32], text[512];
	const char *const there[] = { net_nft_program(), "list", "chain", "bridge",
				      "sshbay",          chain,  NULL };
	auto_fd int held = net_guard_lock(s, e);

	if (held < 0)
		return held;
	(void)str_format(chain, sizeof(chain), "port_%x", g->slot);
	/* The chain and what leads to it come in one transaction: either all of it is there or nothing. */
	if (proc_run(there, NULL, NULL))
		return 0;
	if (str_format(text, sizeof(text),
		       "delete element bridge sshbay ports { \"sb-%x\" }\n"
		       /* One that is not there would fail all of it. */
		       "add element bridge sshbay gate { " MAC " }\n"
		       "delete element bridge sshbay gate { " MAC " }\n"
		       "delete chain bridge sshbay %s\n",
		       g->slot, MAC_OF(g->mac), MAC_OF(g->mac), chain))
		return err_set(e, ENAMETOOLONG, "remove nft chain '%s': text too long", chain);
	return run(text, e);
}

int net_guard_unload(const struct settings *s, struct err *e)
{
	const char *const there[] = { net_nft_program(), "-t",     "list", "table",
				      "bridge",          "sshbay", NULL };
	const char *const argv[] = {
		net_nft_program(), "delete", "table", "bridge", "sshbay", NULL
	};
	auto_fd int held = -1;

	if (proc_run(there, NULL, NULL))
		return 0;
	held = net_guard_lock(s, e);
	if (held < 0)
		return held;
	return proc_run(argv, NULL, e) ? err_wrap(e, "remove nft table 'bridge sshbay'") : 0;
}
