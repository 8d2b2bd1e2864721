// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes the table `inet sshbay` and has nft(8) load it in one transaction.  Runs where net_host_up runs.  All rules go
 * by the name pattern sb-* and the pool's prefix, so that a workspace comes and goes without touching them.
 */
#include "net_nft.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/text.h"
#include "net_bridge.h"
#include "net_host.h"

#define TEXT_MAX     16384
#define INSTANCE_MAX 32
#define STATIONS_MAX 4096
#define NOT_VETH     "iifname != { \"sb-*\", \"lo\" }"

/*
 * Spoofed sources go first, before connection tracking spends memory on them: a source is good when the route back to
 * it leads through the interface it came from. Traffic to the gate is not tracked: nobody can fill the table with it.
 */
static const char source_rules[] =
	"	chain source {\n"
	"		type filter hook prerouting priority raw; policy accept;\n"
	"		iifname \"sb-*\" jump source_check\n"
	"		ip daddr %1$s tcp dport 22 notrack\n"
	"%2$s"
	"	}\n"
	"	chain source_check {\n"
	"%3$s"
	"		fib saddr . iif oif missing counter name spoofed drop\n"
	"	}\n"
	"	chain own {\n"
	"		type filter hook output priority raw; policy accept;\n"
	"		ip daddr %1$s tcp dport 22 notrack\n"
	"		ip saddr %1$s tcp sport 22 notrack\n"
	"%4$s"
	"	}\n";

/* tproxy falls through when nobody listens; the packet must not go on to the workspace then. */
static const char gate_rules[] =
	"	chain gate_%1$s {\n"
	"		type filter hook prerouting priority mangle; policy accept;\n"
	"		%1$s daddr %2$s tcp dport 22 tproxy %1$s to %3$s:%4$u meta mark set 0x%5$x "
	"accept\n"
	"		%1$s daddr %2$s tcp dport 22 counter name gate_closed drop\n"
	"	}\n"
	"	chain gate_own_%1$s {\n"
	"		type route hook output priority mangle; policy accept;\n"
	"		%1$s daddr %2$s tcp dport 22 meta mark set 0x%5$x\n"
	"	}\n";

/* The host's own packets to an address without workspace would vanish in lo. */
static const char output_rules[] =
	"	chain output {\n"
	"		type filter hook output priority filter; policy accept;\n"
	"		oifname \"lo\" ip daddr %s meta mark != 0x%x reject with icmp type "
	"host-unreachable\n"
	"	}\n";

/*
 * What a workspace may say to the host itself: ping, neighbour discovery, and answers. One on a bridge is known by its
 * address, which the bridge's rules have checked; no other station has one of the pool.
 */
static const char input_rules[] =
	"	chain input {\n"
	"		type filter hook input priority filter; policy accept;\n"
	"%2$s"
	"		iifname \"sb-*\" jump to_host\n"
	"%3$s"
	"	}\n"
	"	chain to_host {\n"
	"		tcp dport 22 meta mark 0x%1$x accept\n"
	"		icmp type redirect drop\n"
	"		ct state established,related accept\n"
	"		icmp type echo-request limit rate 20/second burst 40 packets accept\n"
	"		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 "
	"accept\n"
	"		icmpv6 type echo-request limit rate 20/second burst 40 packets accept\n"
	"		counter name to_host drop\n"
	"	}\n";

/* Only what enters or leaves a workspace is judged; whatever else this host forwards is none of our business. */
static const char forward_rules[] =
	"	chain forward {\n"
	"		type filter hook forward priority filter; policy accept;\n"
	"		ip daddr %1$s oifname \"lo\" reject with icmp type host-unreachable\n"
	"		iifname \"sb-*\" jump from_workspace\n"
	"%5$s"
	"		oifname \"sb-*\" jump to_workspace\n"
	"	}\n"
	"	chain from_workspace {\n"
	"%2$s"
	"%3$s"
	"		accept\n"
	"	}\n"
	"	chain to_workspace {\n"
	"		ct state established,related accept\n"
	"%4$s"
	"		counter name inbound drop\n"
	"	}\n";

static const char nat_rules[] =
	"	chain nat_%1$s {\n"
	"		type nat hook postrouting priority srcnat; policy accept;\n"
	"		%1$s saddr %2$s %1$s daddr != %2$s oifname != { \"sb-*\", \"lo\" } "
	"masquerade\n"
	"	}\n";

/* An empty chain named after the run directory: how an instance recognises its own table. */
static void instance_name(const struct settings *s, char out[INSTANCE_MAX])
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *p = s->storage.run; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	(void)snprintf(out, INSTANCE_MAX, "instance_%016llx", (unsigned long long)h);
}

static void write_source(struct text *t, const char *pool, const char *pool6)
{
	char pre[160] = "", own[320] = "";

	if (pool6[0]) {
		(void)str_format(pre, sizeof(pre),
				 "		ip6 daddr %s tcp dport 22 notrack\n", pool6);
		(void)str_format(own, sizeof(own),
				 "		ip6 daddr %s tcp dport 22 notrack\n"
				 "		ip6 saddr %s tcp sport 22 notrack\n",
				 pool6, pool6);
	}
	text_add(t, source_rules, pool, pre,
		 pool6[0] ? "		icmpv6 type { nd-router-solicit, nd-router-advert, "
			    "nd-redirect, mld-listener-query,\n"
			    "			      mld-listener-report, mld-listener-done, "
			    "mld2-listener-report } drop\n"
			    "		ip6 saddr { ::, fe80::/10 } icmpv6 type { "
			    "nd-neighbor-solicit, nd-neighbor-advert } return\n"
			  : "		meta nfproto ipv6 drop\n",
		 own);
}

static void write_input(struct text *t, const struct settings *s, const char *pool,
			const char *pool6)
{
	char reject[256] = "", host[IP_TEXT_MAX], station[320];
	struct ip own = net_host_ip6(s);

	if (pool6[0])
		(void)str_format(reject, sizeof(reject),
				 "		ip6 daddr %s ip6 daddr != %s meta mark != 0x%x "
				 "reject with icmpv6 type addr-unreachable\n",
				 pool6, ip_text(&own, host, sizeof(host)), s->network.mark);
	(void)str_format(station, sizeof(station),
			 "		ip saddr %s " NOT_VETH " jump to_host\n", pool);
	if (pool6[0])
		(void)str_format(station + strlen(station), sizeof(station) - strlen(station),
				 "		ip6 saddr %s " NOT_VETH " jump to_host\n", pool6);
	text_add(t, input_rules, s->network.mark, reject, station);
}

/*
 * Workspaces on a bridge. Another station that sent its packet to the host, since that answered for the address while there
 * was no workspace, gets it forwarded back to the bridge; it could have reached the workspace itself.
 */
static void write_stations(const struct settings *s, const char *pool, const char *pool6,
			   char out[STATIONS_MAX])
{
	size_t len = 0;
	const char *name;

	out[0] = '\0';
	for (int v6 = 0; v6 < (pool6[0] ? 2 : 1); v6++) {
		const char *ip = v6 ? "ip6" : "ip", *net = v6 ? pool6 : pool;

		(void)str_format(out + len, STATIONS_MAX - len,
				 "		%s saddr %s " NOT_VETH " jump from_workspace\n", ip,
				 net);
		len += strlen(out + len);
		for (unsigned int i = 0; (name = net_bridge_name(s, i)); i++) {
			(void)str_format(
				out + len, STATIONS_MAX - len,
				"		iifname \"%s\" oifname \"%s\" %s daddr %s accept\n",
				name, name, ip, net);
			len += strlen(out + len);
		}
		(void)str_format(out + len, STATIONS_MAX - len,
				 "		%s daddr %s oifname != { \"sb-*\", \"lo\" } jump "
				 "to_workspace\n",
				 ip, net);
		len += strlen(out + len);
	}
}

/*
 * New connections from outside reach workspaces where the operator asked for their addresses to be known there: on the
 * announce interface, or everywhere when addresses are routed as they are (nat = no).
 */
static void write_forward(struct text *t, const struct settings *s, const char *pool,
			  const char *pool6)
{
	char data[160] = "", inbound[96] = "", isolated[320] = "", net[IP_TEXT_MAX];
	char stations[STATIONS_MAX];
	struct ipnet base = net_host_base(&s->network.data_cidr);

	if (base.addr.family)
		(void)str_format(data, sizeof(data),
				 "		%s daddr %s counter name data_plane drop\n",
				 base.addr.family == AF_INET ? "ip" : "ip6",
				 ip_net_text(&base, net, sizeof(net)));
	if (!s->network.nat)
		(void)str_copy(inbound, sizeof(inbound), "		accept\n");
	else if (s->network.announce[0])
		(void)str_format(inbound, sizeof(inbound), "		iifname \"%s\" accept\n",
				 s->network.announce);
	if (s->network.isolate)
		(void)str_format(isolated, sizeof(isolated),
				 "		oifname \"sb-*\" counter name isolated drop\n"
				 "		ip daddr %s counter name isolated drop\n%s%s%s",
				 pool, pool6[0] ? "		ip6 daddr " : "", pool6,
				 pool6[0] ? " counter name isolated drop\n" : "");
	write_stations(s, pool, pool6, stations);
	text_add(t, forward_rules, pool, isolated, data, inbound, stations);
}

static bool plain_name(const char *name)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@-";

	return name[strspn(name, good)] == '\0';
}

int net_nft_text(const struct settings *s, char *buf, size_t size, struct err *e)
{
	char pool[IP_TEXT_MAX], pool6[IP_TEXT_MAX] = "", instance[INSTANCE_MAX];
	struct ipnet base = net_host_base(&s->network.control_cidr),
		     base6 = net_host_base(&s->network.control_cidr6);
	struct text t = { .buf = buf, .size = size };

	if (!plain_name(s->network.announce))
		return err_set(e, EINVAL, "announce on '%s': not an interface name",
			       s->network.announce);
	for (unsigned int i = 0; net_bridge_name(s, i); i++)
		if (!plain_name(net_bridge_name(s, i)))
			return err_set(e, EINVAL, "attach to '%s': not an interface name",
				       net_bridge_name(s, i));
	instance_name(s, instance);
	(void)ip_net_text(&base, pool, sizeof(pool));
	if (base6.addr.family)
		(void)ip_net_text(&base6, pool6, sizeof(pool6));
	text_add(&t, "table inet sshbay\ndelete table inet sshbay\ntable inet sshbay {\n");
	text_add(&t,
		 "	counter spoofed { }\n	counter isolated { }\n	counter to_host { }\n	"
		 "counter "
		 "inbound { }\n"
		 "	counter data_plane { }\n	counter gate_closed { }\n	chain %s { "
		 "}\n",
		 instance);
	write_source(&t, pool, pool6);
	text_add(&t, gate_rules, "ip", pool, "127.0.0.1", s->gate.transparent_port,
		 s->network.mark);
	if (pool6[0])
		text_add(&t, gate_rules, "ip6", pool6, "[::1]", s->gate.transparent_port,
			 s->network.mark);
	write_input(&t, s, pool, pool6);
	text_add(&t, output_rules, pool, s->network.mark);
	write_forward(&t, s, pool, pool6);
	if (s->network.nat)
		text_add(&t, nat_rules, "ip", pool);
	if (s->network.nat && pool6[0])
		text_add(&t, nat_rules, "ip6", pool6);
	text_add(&t, "}\n");
	return t.cut ? err_set(e, ENAMETOOLONG, "write nft table 'inet sshbay': ruleset too long")
		     : 0;
}

const char *net_nft_program(void)
{
	return access("/usr/sbin/nft", X_OK) == 0 ? "/usr/sbin/nft" : "/sbin/nft";
}

int net_nft_owned(const struct settings *s, struct err *e)
{
	char instance[INSTANCE_MAX];
	const char *const mine[] = { net_nft_program(), "list",   "chain", "inet",
				     "sshbay",          instance, NULL };
	const char *const any[] = {
		net_nft_program(), "-t", "list", "table", "inet", "sshbay", NULL
	};

	instance_name(s, instance);
	if (proc_run(mine, NULL, NULL) == 0)
		return 1;
	if (proc_run(any, NULL, NULL) == 0)
		return err_set(
			e, EBUSY,
			"load nft table 'inet sshbay': it belongs to an instance with another run "
			"directory than %s (stop that one, then nft delete table inet sshbay)",
			s->storage.run);
	return 0;
}

int net_nft_load(const struct settings *s, struct err *e)
{
	const char *const argv[] = { net_nft_program(), "-f", "-", NULL };
	char text[TEXT_MAX];
	int ret = net_nft_text(s, text, sizeof(text), e);

	if (ret == 0)
		ret = net_nft_owned(s, e);
	if (ret < 0)
		return ret;
	return proc_run(argv, text, e) ? err_wrap(e, "load nft table 'inet sshbay'") : 0;
}

int net_nft_unload(const struct settings *s, struct err *e)
{
	const char *const argv[] = { net_nft_program(), "delete", "table", "inet", "sshbay", NULL };

	if (net_nft_owned(s, NULL) != 1)
		return 0;
	return proc_run(argv, NULL, e) ? err_wrap(e, "remove nft table 'inet sshbay'") : 0;
}
