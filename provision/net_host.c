// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The host's part of the control plane: forwarding, the pool's routes, the policy route of the transparent path, the nft
 * table, announcements on the LAN.  Runs in a child of provisiond at start and in --teardown.  What it changes in
 * /proc/sys is noted in run/sysctl first, so that net_host_down can put it back.
 */
#include "net_host.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "net.h"
#include "net_bridge.h"
#include "net_guard.h"
#include "net_nft.h"

#define ROUTE_PROTOCOL 122      /* ours: removing routes removes only these */
#define SAVED          "sysctl" /* in the run directory: "net/ipv4/ip_forward 0" per line */
#define SAVED_MAX      16384

static const struct netif_dev lo = { .index = 1, .name = "lo" };

struct ipnet net_host_base(const struct ipnet *n)
{
	struct ipnet base = *n;

	(void)ip_nth(n, 0, &base.addr);
	return base;
}

struct ip net_host_ip6(const struct settings *s)
{
	struct ip none = { 0 };

	return s->network.control_cidr6.addr.family ? net_host_base(&s->network.control_cidr6).addr
						    : none;
}

/* ---- /proc/sys ---- */

static int read_sys(const char *key, char value[64], struct err *e)
{
	char path[128];
	size_t len;
	int ret;

	if (str_format(path, sizeof(path), "/proc/sys/%s", key))
		return err_set(e, ENAMETOOLONG, "read '%s': name too long", key);
	ret = path_read(AT_FDCWD, path, value, 64, &len, e);
	if (ret)
		return ret;
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int write_sys(const char *key, const char *value, struct err *e)
{
	char path[128];

	if (str_format(path, sizeof(path), "/proc/sys/%s", key))
		return err_set(e, ENAMETOOLONG, "write '%s': name too long", key);
	return path_write_sys(path, value, e);
}

static int open_saved(const struct settings *s, int flags, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	if (str_format(path, sizeof(path), "%s/" SAVED, s->storage.run))
		return err_set(e, ENAMETOOLONG, "open '%s/" SAVED "': name too long",
			       s->storage.run);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? err_sys(e, "open '%s'", path) : fd;
}

/* Set one value; the first one that was there before us is what a teardown restores, so later ones are not noted. */
static int set_sys(const struct settings *s, const char *key, const char *value, struct err *e)
{
	char old[64], line[256], noted[SAVED_MAX] = "\n", needle[160];
	auto_fd int fd = -1;
	ssize_t got;
	int ret = read_sys(key, old, e);

	if (ret)
		return ret;
	if (strcmp(old, value) == 0)
		return 0;
	fd = open_saved(s, O_RDWR | O_CREAT | O_APPEND, e);
	if (fd < 0)
		return fd;
	got = read(fd, noted + 1, sizeof(noted) - 2);
	if (got < 0)
		return err_sys(e, "read '%s/" SAVED "'", s->storage.run);
	noted[got + 1] = '\0';
	(void)str_format(needle, sizeof(needle), "\n%s ", key);
	if (!strstr(noted, needle)) {
		(void)str_format(line, sizeof(line), "%s %s\n", key, old);
		ret = fd_write_all(fd, line, strlen(line));
		if (ret)
			return err_ret(e, ret, "write '%s/" SAVED "'", s->storage.run);
	}
	return write_sys(key, value, e);
}

static int restore_sys(const struct settings *s, struct err *e)
{
	char text[SAVED_MAX], path[PATH_MAX], *line, *next, *value;
	auto_fd int fd = open_saved(s, O_RDONLY, NULL);
	struct err first = { 0 };
	ssize_t got;

	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	if (got < 0)
		return err_sys(e, "read '%s/" SAVED "'", s->storage.run);
	text[got] = '\0';
	for (line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = '\0';
		/* An interface may have gone since. */
		if (write_sys(line, value, first.code ? NULL : &first) == -ENOENT)
			first.code = 0;
	}
	(void)str_format(path, sizeof(path), "%s/" SAVED, s->storage.run);
	if (unlink(path) && !first.code)
		return err_sys(e, "remove '%s'", path);
	return first.code ? err_set(e, first.code, "%s", first.text) : 0;
}

/*
 * A forwarding host ignores router advertisements unless accept_ra is 2: without this it would lose its own IPv6
 * default route a few minutes later.
 */
static int keep_router_advertisements(const struct settings *s, struct err *e)
{
	auto_dir DIR *d = opendir("/proc/sys/net/ipv6/conf");
	struct dirent *entry;
	char key[96], value[64];
	int ret;

	if (!d)
		return err_sys(e, "open '/proc/sys/net/ipv6/conf' (control_cidr6 needs IPv6)");
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, "sb-", 3) == 0 ||
		    strcmp(entry->d_name, "all") == 0 || strcmp(entry->d_name, "lo") == 0)
			continue;
		if (str_format(key, sizeof(key), "net/ipv6/conf/%s/accept_ra", entry->d_name) ||
		    read_sys(key, value, NULL) || strcmp(value, "1") != 0)
			continue;
		ret = set_sys(s, key, "2", e);
		if (ret)
			return ret;
	}
	return 0;
}

/* Answers for announced addresses are delayed by up to 0.8 s otherwise, for every new client. */
static int lan_sysctls(const struct settings *s, const char *lan, struct err *e)
{
	bool v6 = s->network.control_cidr6.addr.family;
	char key[96];
	int ret = str_format(key, sizeof(key), "net/ipv4/neigh/%s/proxy_delay", lan);

	if (ret == 0)
		ret = set_sys(s, key, "0", e);
	if (ret == 0 && v6 &&
	    str_format(key, sizeof(key), "net/ipv6/neigh/%s/proxy_delay", lan) == 0)
		ret = set_sys(s, key, "0", e);
	if (ret == 0 && v6 && str_format(key, sizeof(key), "net/ipv6/conf/%s/proxy_ndp", lan) == 0)
		ret = set_sys(s, key, "1", e);
	return ret;
}

static int sysctls(const struct settings *s, struct err *e)
{
	const char *lan;
	bool v6 = s->network.control_cidr6.addr.family;
	char value[64];
	int ret = set_sys(s, "net/ipv4/ip_forward", "1", e);

	if (ret == 0 && v6 && read_sys("net/ipv6/conf/all/forwarding", value, e) == 0 &&
	    strcmp(value, "1") != 0)
		ret = keep_router_advertisements(s, e);
	if (ret == 0 && v6)
		ret = set_sys(s, "net/ipv6/conf/all/forwarding", "1", e);
	for (unsigned int i = 0; ret == 0 && (lan = net_bridge_name(s, i)); i++) {
		ret = lan_sysctls(s, lan, e);
		if (ret == -ENOENT)
			ret = 0; /* not there yet */
	}
	if (ret || !s->network.announce[0])
		return ret;
	ret = lan_sysctls(s, s->network.announce, e);
	if (ret == -ENOENT)
		return err_set(e, ENODEV,
			       "announce on '%s': no such interface ([network] announce)",
			       s->network.announce);
	return ret;
}

/* ---- routes ---- */

/*
 * An address without a workspace must resolve on output, or a local connect() fails before nft sees it.  IPv4: by a
 * plain route to lo, which nft keeps from being forwarded round and round.  IPv6 turns such a route into a reject, so
 * there it is a local one (the /128 of a live workspace is more specific), and nft keeps it from reaching the host.
 */
static struct netif_route pool_route(const struct ipnet *pool, const struct ip *src)
{
	return (struct netif_route){
		.dst = net_host_base(pool),
		.src = *src,
		.table = RT_TABLE_MAIN,
		.protocol = ROUTE_PROTOCOL,
		.exclusive = true,
		.type = pool->addr.family == AF_INET ? RTN_UNICAST : RTN_LOCAL,
	};
}

static void policy(struct netif *n, const struct settings *s, int family, bool add)
{
	struct netif_route all = { .dst.addr.family = (uint8_t)family,
				   .table = s->network.table,
				   .type = RTN_LOCAL,
				   .protocol = ROUTE_PROTOCOL };

	netif_route(n, &lo, &all, add);
	if (!add)
		netif_tolerate(n, ESRCH);
	netif_rule(n, family, s->network.mark, s->network.table, add);
}

static void remove_family(struct netif *n, const struct settings *s, const struct ipnet *pool,
			  const struct ip *own)
{
	struct ipnet addr = { .addr = *own, .plen = own->family == AF_INET ? 32 : 128 };
	struct netif_route r = pool_route(pool, own);

	policy(n, s, own->family, false);
	netif_tolerate(n, EAFNOSUPPORT);
	r.src.family = 0;
	netif_route(n, &lo, &r, false);
	netif_tolerate(n, ESRCH);
	netif_addr(n, &lo, &addr, 0, false);
	netif_tolerate(n, EADDRNOTAVAIL);
}

static int add_family(struct netif *n, const struct settings *s, const struct ipnet *pool,
		      const struct ip *own, struct err *e)
{
	struct ipnet addr = { .addr = *own, .plen = own->family == AF_INET ? 32 : 128 };
	struct netif_route r = pool_route(pool, own), old = r;
	char text[IP_TEXT_MAX];
	int ret;

	old.src.family = 0;
	netif_addr(n, &lo, &addr, own->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE, true);
	policy(n, s, own->family, true);
	netif_route(n, &lo, &old, false);
	netif_tolerate(n, ESRCH);
	netif_route(n, &lo, &r, true);
	ret = netif_commit(n, e);
	if (ret == -EEXIST)
		return err_set(e, EEXIST,
			       "add route %s 'lo': the host has a route to this network already "
			       "([network] control_cidr)",
			       ip_net_text(&r.dst, text, sizeof(text)));
	return ret;
}

/* ---- announcements ---- */

static void answer(struct netif *n, const struct netif_dev *lan, const struct ip *ip, bool add)
{
	if (!ip->family)
		return;
	netif_neigh(n, lan, ip, NULL, add);
	if (!add)
		netif_tolerate(n, ENOENT);
}

/*
 * For an IPv4 address that is routed to the very interface the kernel does not answer, so that a station on a bridge and the
 * host never both do, and the host does while there is no such station. For IPv6 it would.
 */
void net_host_announce(struct netif *n, const struct netif_dev *lan, const struct record *rec,
		       bool add)
{
	answer(n, lan, &rec->control_ip, add);
	answer(n, lan, &rec->control_ip6, add && strcmp(rec->attach, lan->name) != 0);
}

int net_host_lan(struct netif *n, const struct settings *s, unsigned int i, struct netif_dev *lan,
		 struct err *e)
{
	unsigned int first = s->network.announce[0] ? 1 : 0;
	const char *name = i < first ? s->network.announce : net_bridge_name(s, i - first);

	if (!name)
		return 0;
	*lan = (struct netif_dev){ 0 };
	(void)str_copy(lan->name, sizeof(lan->name), name);
	if (netif_index(n, lan, NULL) && i < first)
		return err_set(e, ENODEV,
			       "announce on '%s': no such interface ([network] announce)",
			       lan->name);
	return 1;
}

/* What is configured is answered for before it exists; a station that runs is set right by the records (hostnet.c). */
static int announce_configured(struct netif *n, const struct settings *s, bool add, struct err *e)
{
	struct netif_dev lan;
	int ret = 1;

	for (unsigned int i = 0; ret > 0; i++) {
		ret = net_host_lan(n, s, i, &lan, e);
		for (uint32_t w = 0; ret > 0 && lan.index && w < s->nworkspaces; w++) {
			answer(n, &lan, &s->workspaces[w].control_ip, add);
			answer(n, &lan, &s->workspaces[w].control_ip6, add);
		}
	}
	return ret ? ret : netif_commit(n, e);
}

int net_announce(const struct settings *s, const struct record *const *records, unsigned int count,
		 bool add, struct err *e)
{
	auto_netif struct netif *n = NULL;
	struct netif_dev lan;
	int ret;

	if (!count)
		return 0;
	ret = netif_open(-1, &n, e) ?: 1;
	for (unsigned int i = 0; ret > 0; i++) {
		ret = net_host_lan(n, s, i, &lan, e);
		for (unsigned int w = 0; ret > 0 && lan.index && w < count; w++)
			net_host_announce(n, &lan, records[w], add);
	}
	return ret ? ret : netif_commit(n, e);
}

/* ---- all of it ---- */

int net_host_up(const struct settings *s, struct err *e)
{
	struct netif_change up = { .flags = IFF_UP, .mask = IFF_UP, .netns = -1 };
	struct ip own4 = NET_HOST_IP4, own6 = net_host_ip6(s);
	auto_netif struct netif *n = NULL;
	int ret;

	/* Rules before routes and forwarding: nothing is reachable that is not judged. */
	ret = net_nft_owned(s, e);
	if (ret >= 0)
		ret = net_bridge_name(s, 0) ? net_guard_load(s, NULL, e) : 0;
	if (ret == 0)
		ret = net_nft_load(s, e);
	if (ret == 0)
		ret = sysctls(s, e);
	if (ret == 0)
		ret = netif_open(-1, &n, e);
	if (ret)
		return ret;
	netif_set(n, &lo, &up);
	ret = add_family(n, s, &s->network.control_cidr, &own4, e);
	if (ret == 0 && own6.family)
		ret = add_family(n, s, &s->network.control_cidr6, &own6, e);
	return ret ? ret : announce_configured(n, s, true, e);
}

static void keep_first(int *ret, int next, struct err *e, const struct err *mine)
{
	if (*ret == 0 && next)
		*ret = err_set(e, mine->code, "%s", mine->text);
}

int net_host_down(const struct settings *s, struct err *e)
{
	struct ip own4 = NET_HOST_IP4, own6 = net_host_ip6(s);
	auto_netif struct netif *n = NULL;
	struct err mine = { 0 };
	int ret;

	/* Routes and rules look the same for every instance; whose they are, the table tells. */
	if (net_nft_owned(s, NULL) < 0)
		return 0;
	ret = netif_open(-1, &n, e);
	if (ret)
		return ret;
	(void)announce_configured(n, s, false,
				  NULL); /* the interface may be gone, and its entries with it */
	remove_family(n, s, &s->network.control_cidr, &own4);
	if (own6.family)
		remove_family(n, s, &s->network.control_cidr6, &own6);
	keep_first(&ret, netif_commit(n, &mine), e, &mine);
	keep_first(&ret, restore_sys(s, &mine), e, &mine);
	keep_first(&ret, net_guard_unload(s, &mine), e, &mine);
	keep_first(&ret, net_nft_unload(s, &mine), e, &mine);
	return ret;
}
