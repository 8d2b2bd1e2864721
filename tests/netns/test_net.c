// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The control plane as its users meet it: a LAN client, the host, two workspaces and addresses without one, against real
 * routes and the real ruleset, in IPv4 and IPv6.
 */
#include "net.h"

#include <signal.h>
#include <sys/stat.h>

#include "net_nft.h"
#include "netns_lib.h"

static struct settings set;
static struct plan plan_a, plan_b;
static struct record rec_a, rec_b;
static int lan;
static char dir[64];

static void configure(void)
{
	struct err e = { 0 };

	(void)snprintf(set.storage.run, sizeof(set.storage.run), "%s", dir);
	need(ip_parse_net("172.31.199.0/24", &set.network.control_cidr, &e) == 0, "cidr");
	need(ip_parse_net("fd31:199::/64", &set.network.control_cidr6, &e) == 0, "cidr6");
	need(ip_parse_net("192.168.199.0/24", &set.network.data_cidr, &e) == 0, "data");
	need(ip_parse_port("0.0.0.0:22", &set.gate.listen[0], &e) == 0, "listen");
	need(ip_parse_port("[::]:22", &set.gate.listen[1], &e) == 0, "listen6");
	set.gate.nlisten = 2;
	set.gate.transparent_port = 2223;
	set.network.nat = true;
	set.network.mark = 0x5b22;
	set.network.table = 2222;
	(void)snprintf(set.network.announce, sizeof(set.network.announce), "lan0");
}

/* lan0 10.9.0.1 / fd09::1 on the host, 10.9.0.2 / fd09::2 beyond, which knows the pool only as neighbours (announce). */
static void build_lan(void)
{
	lan = new_netns();
	need(sh(-1,
		"ip link add lan0 type veth peer name up0 netns /proc/%d/fd/%d && ip addr add "
		"10.9.0.1/24 dev lan0 &&"
		" ip addr add fd09::1/64 dev lan0 nodad && ip link set lan0 up",
		getpid(), lan) == 0,
	     "lan0");
	need(sh(lan,
		"ip link set lo up && ip link set up0 up && ip addr add 10.9.0.2/24 dev up0 &&"
		" ip addr add fd09::2/64 dev up0 nodad && ip route add 172.31.199.0/24 dev up0 &&"
		" ip -6 route add fd31:199::/64 dev up0") == 0,
	     "up0");
	/* In private namespaces carrier and tentative link-local addresses need a moment. */
	need(sh(lan, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ip -6 addr "
		     "show dev up0 | "
		     "grep -q tentative || exit 0; sleep 0.2; done; exit 1") == 0,
	     "up0 settled");
}

static void workspace(struct plan *p, struct record *rec, const char *name, uint32_t slot,
		      int host_part)
{
	make_plan(p, &set, rec, name, slot);
	need(ip_nth(&set.network.control_cidr, (uint64_t)host_part, &rec->control_ip), "address");
	need(ip_nth(&set.network.control_cidr6, (uint64_t)host_part, &rec->control_ip6),
	     "address6");
	p->netns = new_netns();
}

static unsigned long counter(const char *name)
{
	char text[64];

	sh_out(-1, text, sizeof(text),
	       "nft list counter inet sshbay %s | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'", name);
	return strtoul(text, NULL, 10);
}

static void dials(int ns, const char *to, const char *want, const char *name)
{
	char got[256];

	dial(ns, to, 22, got, sizeof(got));
	same(got, want, name);
}

static void test_gate(void)
{
	dials(lan, "172.31.199.1", "172.31.199.1:22 10.9.0.2",
	      "LAN to a live workspace reaches the gate");
	dials(lan, "172.31.199.50", "timeout",
	      "an address that is neither configured nor leased is not announced");
	need(sh(lan, "ip route replace 172.31.199.0/24 via 10.9.0.1 && ip -6 route replace "
		     "fd31:199::/64 via fd09::1") == 0,
	     "route by the host");
	dials(lan, "172.31.199.50", "172.31.199.50:22 10.9.0.2",
	      "LAN to an address without workspace, routed");
	dials(-1, "172.31.199.1", "172.31.199.1:22 169.254.1.1", "host to a live workspace");
	dials(-1, "172.31.199.51", "172.31.199.51:22 169.254.1.1",
	      "host to an address without workspace");
	dials(plan_a.netns, "172.31.199.2", "172.31.199.2:22 172.31.199.1",
	      "workspace to workspace");
	dials(plan_a.netns, "172.31.199.52", "172.31.199.52:22 172.31.199.1",
	      "workspace to an address without one");
	dials(lan, "fd31:199::1", "[fd31:199::1]:22 fd09::2", "IPv6: LAN to a live workspace");
	dials(lan, "fd31:199::50", "[fd31:199::50]:22 fd09::2",
	      "IPv6: LAN to an address without workspace");
	dials(-1, "fd31:199::1", "[fd31:199::1]:22 fd31:199::", "IPv6: host to a live workspace");
	dials(-1, "fd31:199::51",
	      "[fd31:199::51]:22 fd31:199::", "IPv6: host to an address without workspace");
	dials(plan_a.netns, "fd31:199::2", "[fd31:199::2]:22 fd31:199::1",
	      "IPv6: workspace to workspace");
	dials(plan_a.netns, "fd31:199::52", "[fd31:199::52]:22 fd31:199::1",
	      "IPv6: workspace to an address without one");
	dials(lan, "10.9.0.1", "10.9.0.1:22 10.9.0.2",
	      "the host's own address reaches the plain socket");
}

/* A tenant's own server on port 22, and on another one for what is routed and not redirected. */
static void test_tenant_server(void)
{
	char got[256];
	pid_t server;

	fflush(stdout);
	server = fork();
	if (server == 0) {
		struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
		int fds[2], on = 1;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setns(plan_b.netns, CLONE_NEWNET))
			_exit(1);
		for (int i = 0; i < 2; i++) {
			fds[i] = socket(AF_INET6, SOCK_STREAM, 0);
			setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			any.sin6_port = htons(i ? 8080 : 22);
			if (bind(fds[i], (struct sockaddr *)&any, sizeof(any)) || listen(fds[i], 8))
				_exit(1);
		}
		for (;;) {
			struct pollfd p[2] = { { .fd = fds[0], .events = POLLIN },
					       { .fd = fds[1], .events = POLLIN } };
			int c;

			(void)poll(p, 2, -1);
			c = accept(p[0].revents ? fds[0] : fds[1], NULL, NULL);
			dprintf(c, "tenant\n");
			close(c);
		}
	}
	usleep(100000);
	dials(lan, "172.31.199.2", "172.31.199.2:22 10.9.0.2",
	      "a tenant's listener on port 22 takes nothing from the LAN");
	dials(-1, "172.31.199.2", "172.31.199.2:22 169.254.1.1", "nor from the host");
	dials(plan_a.netns, "172.31.199.2", "172.31.199.2:22 172.31.199.1",
	      "nor from another workspace");
	dials(plan_a.netns, "fd31:199::2", "[fd31:199::2]:22 fd31:199::1", "nor over IPv6");
	dial(plan_a.netns, "172.31.199.2", 8080, got, sizeof(got));
	same(got, "tenant", "other ports go to the workspace, from a workspace");
	dial(-1, "172.31.199.2", 8080, got, sizeof(got));
	same(got, "tenant", "from the host");
	dial(lan, "172.31.199.2", 8080, got, sizeof(got));
	same(got, "tenant", "from the announce interface");
	dial(lan, "fd31:199::2", 8080, got, sizeof(got));
	same(got, "tenant", "from the announce interface, IPv6");
	stop(server);
}

static void test_plain_traffic(void)
{
	int a = plan_a.netns;

	ok(ping(a, "172.31.199.2", NULL) == 0, "workspaces ping each other");
	ok(ping(a, "fd31:199::2", NULL) == 0, "over IPv6");
	ok(ping(a, "169.254.1.1", NULL) == 0, "a workspace pings its gateway");
	ok(ping(a, "10.9.0.2", NULL) == 0, "and the LAN, translated");
	ok(ping(a, "fd09::2", NULL) == 0, "over IPv6, translated");
	ok(ping(-1, "172.31.199.77", NULL) == 2,
	   "an address without workspace is unreachable, at once, from the host");
	ok(ping(lan, "172.31.199.77", NULL) == 2, "from the LAN");
	ok(ping(a, "172.31.199.77", NULL) == 2, "from a workspace");
	ok(ping(a, "fd31:199::77", NULL) == 2 && ping(lan, "fd31:199::77", NULL) == 2, "over IPv6");
	ok(sh(a, "test \"$(ip neigh show nud permanent | grep -c fe:ff:ff:ff:ff:ff)\" = 2") == 0,
	   "the gateways are known without asking");
	ok(sh(a, "ip neigh flush all nud permanent; ip -6 neigh flush all nud permanent; ip neigh "
		 "flush all;"
		 "test -z \"$(ip neigh)\"") == 0,
	   "a tenant that flushed its neighbour table");
	ok(ping(a, "172.31.199.2", NULL) == 0 && ping(a, "fd31:199::2", NULL) == 0,
	   "still has a gateway");
}

/* NAT: the LAN client sees the host's address; without NAT it would see the pool's. */
static void test_nat(void)
{
	char got[256];
	int fd, ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(9000) };
	pid_t server;

	need(setns(lan, CLONE_NEWNET) == 0, "enter lan");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 8) == 0,
	     "lan server");
	need(setns(ns, CLONE_NEWNET) == 0, "return");
	close(ns);
	server = start_gate(&fd, 1);
	dial(plan_a.netns, "10.9.0.2", 9000, got, sizeof(got));
	same(got, "10.9.0.2:9000 10.9.0.1", "outgoing connections carry the host's address");
	stop(server);
	close(fd);
}

static void test_spoof(void)
{
	unsigned long before = counter("spoofed"), after;
	int a = plan_a.netns;

	sh(a, "ip addr add 172.31.199.2/32 dev lo");
	ok(ping(a, "10.9.0.2", "172.31.199.2") == 1,
	   "a source that is another workspace's gets nowhere");
	after = counter("spoofed");
	ok(after > before, "and is counted (%lu, then %lu)", before, after);
	before = after;
	sh(a, "ip addr del 172.31.199.2/32 dev lo; ip addr add 172.31.199.99/32 dev lo; ip addr "
	      "add 10.9.0.2/32 dev lo;"
	      "ip -6 addr add fd31:199::2/128 dev lo nodad");
	ok(ping(a, "172.31.199.2", "172.31.199.99") == 1, "nor one of the pool without workspace");
	ok(ping(a, "172.31.199.2", "10.9.0.2") == 1, "nor one of the LAN");
	ok(ping(a, "fd09::2", "fd31:199::2") == 1, "nor one in IPv6");
	after = counter("spoofed");
	ok(after >= before + 3, "and they are counted (%lu, then %lu)", before, after);
	sh(a, "ip addr del 172.31.199.99/32 dev lo; ip addr del 10.9.0.2/32 dev lo; ip -6 addr del "
	      "fd31:199::2/128 dev lo");
}

/* What the host listens on, on every address it has: nothing of it is there for a workspace. */
static void test_host_ports(void)
{
	static const char *const to[] = { "169.254.1.1", "10.9.0.1",   "172.31.199.60",
					  "fd09::1",     "fd31:199::", "fd31:199::60" };
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(5000) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), open_ports = 0;
	unsigned long before = counter("to_host");
	char got[256];
	pid_t server;

	need(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 8) == 0,
	     "host service");
	server = start_gate(&fd, 1);
	dial(-1, "127.0.0.1", 5000, got, sizeof(got));
	ok(strncmp(got, "127.0.0.1:5000", 14) == 0, "a service listens on the host");
	for (unsigned int i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		static const int ports[] = { 5000, 2223, 22 };

		for (unsigned int k = 0; k < 3; k++) {
			if (ports[k] == 22 && strncmp(to[i], "172", 3) && strncmp(to[i], "fd31", 4))
				dial(plan_a.netns, to[i], 22, got, sizeof(got));
			else if (ports[k] != 22)
				dial(plan_a.netns, to[i], ports[k], got, sizeof(got));
			else
				continue;
			if (strcmp(got, "timeout") && strcmp(got, "unreachable")) {
				printf("# %s port %d: %s\n", to[i], ports[k], got);
				open_ports++;
			}
		}
	}
	ok(open_ports == 0, "a workspace reaches no port of the host");
	ok(counter("to_host") > before, "and is counted");
	dial(lan, "10.9.0.1", 2223, got, sizeof(got));
	same(got, "refused", "the transparent port is not open to the LAN");
	stop(server);
	close(fd);
}

static void test_gate_down(pid_t *gate, int *fds, unsigned int n)
{
	unsigned long before = counter("gate_closed");
	char got[256];

	stop(*gate);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	dial(plan_a.netns, "172.31.199.2", 22, got, sizeof(got));
	same(got, "timeout", "without a gate, port 22 is closed and not the tenant's");
	ok(counter("gate_closed") > before, "and that is counted");
}

static void test_modes(void)
{
	const struct record *const all[] = { &rec_a, &rec_b };
	struct err e = { 0 };
	unsigned long before;
	char got[64];

	sh_out(-1, got, sizeof(got), "ip neigh show proxy | wc -l");
	same(got, "4", "every leased address is announced");
	did(net_announce(&set, all, 2, false, &e), &e, "stop announcing");
	sh_out(-1, got, sizeof(got), "ip neigh show proxy | wc -l");
	same(got, "0", "none is announced");
	set.network.isolate = true;
	set.network.nat = false;
	set.network.announce[0] = '\0';
	did(net_host_up(&set, &e), &e, "reload with isolate = yes, nat = no");
	before = counter("isolated");
	ok(ping(plan_a.netns, "172.31.199.2", NULL) == 1,
	   "isolated workspaces do not reach each other");
	ok(ping(plan_a.netns, "fd31:199::2", NULL) == 1, "nor over IPv6");
	ok(counter("isolated") >= before + 2, "and that is counted");
	ok(ping_soon(plan_a.netns, "10.9.0.2") == 0, "but the LAN, with their own address");
}

static void test_listen(struct net_listeners *l)
{
	struct err e = { 0 };
	struct net_listeners again;

	did(net_listen(&set, NULL, 0, l, &e), &e, "open the listening sockets");
	ok(l->nplain == 2 && l->ntransparent == 2, "two plain, two transparent");
	ok(fcntl(l->fds[0], F_GETFD) == FD_CLOEXEC && (fcntl(l->fds[3], F_GETFL) & O_NONBLOCK),
	   "close-on-exec, non-blocking");
	ok(net_listen(&set, NULL, 0, &again, &e) == -EADDRINUSE, "a second time is refused");
	same(e.text,
	     "listen on '0.0.0.0:22': Address already in use (another sshd? see [gate] listen)",
	     "by name");
	ok(net_listen(&set, l->fds, 3, &again, &e) == -EADDRINUSE, "with one of them missing too");
	did(net_listen(&set, l->fds, 4, &again, &e), &e, "with all of them at hand they are kept");
	for (unsigned int i = 0; i < 4; i++)
		close(again.fds[i]);
}

static void test_restart(void)
{
	const struct record *const moved = &rec_a;
	struct err e = { 0 };
	char before[64], after[64];

	sh_out(-1, before, sizeof(before), "ip -o link show sb-1 | cut -d: -f1");
	sh(plan_a.netns, "ip route del default; ip link set eth0 down; ip addr flush dev eth0");
	did(net_up(&plan_a, &e), &e, "a restart in the pinned namespace");
	sh_out(-1, after, sizeof(after), "ip -o link show sb-1 | cut -d: -f1");
	same(after, before, "reuses the interface");
	ok(ping_soon(plan_a.netns, "10.9.0.2") == 0, "and mends what the tenant broke");
	sh(plan_a.netns,
	   "ip link set eth0 down; ip link set eth0 name gone; ip link add eth0 type bridge");
	did(net_up(&plan_a, &e), &e, "a restart when the tenant renamed eth0 and made another");
	ok(ping_soon(plan_a.netns, "10.9.0.2") == 0 &&
		   sh(plan_a.netns, "ip link show eth0-old0 >/dev/null") == 0,
	   "makes it anew and sets the other aside");
	need(ip_nth(&set.network.control_cidr, 9, &rec_a.control_ip), "address");
	did(net_up(&plan_a, &e), &e, "a restart with another address");
	sh_out(plan_a.netns, after, sizeof(after),
	       "ip -o -4 addr show dev eth0 | awk '{print $4}'");
	same(after, "172.31.199.9/32", "has only that");
	did(net_announce(&set, &moved, 1, false, &e), &e, "which is given up again");
	need(ip_nth(&set.network.control_cidr, 1, &rec_a.control_ip), "address");
	did(net_up(&plan_a, &e), &e, "and back");
}

static void test_foreign(void)
{
	struct settings other = set;
	struct record rec;
	struct plan p;
	struct err e = { 0 };

	(void)str_format(other.storage.run, sizeof(other.storage.run), "%s/other", dir);
	mkdir(other.storage.run, 0700);
	ok(net_host_up(&other, &e) == -EBUSY, "another instance in the same namespace is refused");
	did(net_host_down(&other, &e), &e, "and its teardown");
	ok(sh(-1, "nft list table inet sshbay >/dev/null") == 0, "leaves our table alone");
	did(net_host_up(&set, &e), &e, "we go on");
	make_plan(&p, &set, &rec, "mallory", 1);
	did(net_down(&p, &e), &e, "taking down a workspace with somebody else's slot");
	ok(sh(-1, "ip link show sb-1 >/dev/null") == 0, "leaves that interface alone");
}

static void test_conflict(void)
{
	struct settings other = set;
	struct err e = { 0 };

	need(ip_parse_net("10.9.0.0/24", &other.network.control_cidr, &e) == 0, "cidr");
	ok(net_host_up(&other, &e) == -EEXIST, "a pool that the host uses already is refused");
	printf("# %s\n", e.text);
	ok(strstr(e.text, "10.9.0.0/24") && strstr(e.text, "control_cidr"),
	   "naming the network and the key");
	ok(ping(lan, "10.9.0.1", NULL) == 0, "the host's network is unharmed");
	did(net_host_up(&set, &e), &e, "the old configuration comes back");
	(void)snprintf(other.network.announce, sizeof(other.network.announce), "nolan0");
	other.network.control_cidr = set.network.control_cidr;
	ok(net_host_up(&other, &e) == -ENODEV,
	   "an announce interface that is not there is refused");
	same(e.text, "announce on 'nolan0': no such interface ([network] announce)", "by name");
	did(net_host_up(&set, &e), &e, "the old configuration comes back again");
}

static void test_down(void)
{
	struct err e = { 0 };
	char got[128];

	did(net_down(&plan_a, &e), &e, "take down one workspace");
	did(net_down(&plan_a, &e), &e, "twice");
	did(net_down(&plan_b, &e), &e, "take down the other");
	sh_out(-1, got, sizeof(got),
	       "(ip route; ip -6 route; ip link; ip neigh show proxy) | grep -c 'sb-\\|proxy'");
	same(got, "0", "no link, route or announcement of a workspace is left");
	did(net_host_down(&set, &e), &e, "take down the host's part");
	did(net_host_down(&set, &e), &e, "twice");
	sh_out(-1, got, sizeof(got),
	       "(nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show "
	       "table all; "
	       "ip addr) | grep -c 'sshbay\\|5b22\\|172.31\\|fd31\\|169.254\\|proto 122'");
	same(got, "0", "no rule, route or address of ours is left");
	sh_out(-1, got, sizeof(got),
	       "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | tr "
	       "'\\n' ' '; "
	       "ls %s | wc -l",
	       dir);
	same(got, "0 0 1",
	     "forwarding is as it was, the note is gone (only the other instance's directory is "
	     "there)");
}

int main(void)
{
	struct err e = { 0 };
	struct net_listeners l;
	pid_t gate;

	test_host(dir);
	configure();
	build_lan();
	workspace(&plan_a, &rec_a, "alice", 1, 1);
	workspace(&plan_b, &rec_b, "bob", 2, 2);
	did(net_host_up(&set, &e), &e, "set up the host's part");
	did(net_host_up(&set, &e), &e, "twice");
	did(net_up(&plan_a, &e), &e, "connect a workspace");
	did(net_up(&plan_b, &e), &e, "connect another");
	same(plan_a.detail, "172.31.199.1", "which tells its address");
	test_listen(&l);
	gate = start_gate(l.fds, l.nplain + l.ntransparent);
	test_gate();
	test_tenant_server();
	test_plain_traffic();
	test_nat();
	test_spoof();
	test_host_ports();
	test_restart();
	test_foreign();
	test_conflict();
	test_gate_down(&gate, l.fds, l.nplain + l.ntransparent);
	test_modes();
	test_down();
	return test_end(dir);
}
