/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `net` and the host-wide control plane.  One veth per workspace, its peer born inside the workspace's network
 * namespace as eth0; routed /32 and /128, no shared layer 2; nft table `inet sshbay`; port 22 of every pool address to
 * the gate by tproxy.  Link work through netif.h (libnl). Runs in workers, net_host_up also at start in a child.
 */
#pragma once
#include "plan.h"

/*
 * Idempotent: nft table, ip rules, local table, pool routes, forwarding sysctls, proxy neighbours on `announce`. -EBUSY
 * when another instance (another run directory) has this network namespace. To change [network] while workspaces run:
 * net_announce(old, .., false), then this; a pool or mark that is given up stays until net_host_down with the old one.
 */
int net_host_up(const struct settings *s, struct err *e);
/*
 * Remove all of that, except what belongs to another instance (`provisiond --teardown`: uninstall, test beds). Live
 * workspaces lose the host's routes to them: net_up again after the next net_host_up.
 */
int net_host_down(const struct settings *s, struct err *e);
/* On `announce`, answer (or no longer answer) for the addresses of these records. net_up and net_down do so for theirs. */
int net_announce(const struct settings *s, const struct record *const *records, unsigned int count,
		 bool add, struct err *e);
int net_up(struct plan *p,
	   struct err *e); /* sb-<slot>, eth0 with control_ip/32, routes, static neighbours */
int net_down(struct plan *p, struct err *e);
/* MAC of eth0. */
void net_mac(const struct record *rec, uint8_t mac[6]);
/* Name of the host side: "sb-<slot in hex>". */
void net_ifname(uint32_t slot, char out[16]);
/*
 * run/hosts, the read-only /etc/hosts of all workspaces (or run/ws/NAME/hosts when isolated): entries are appended in
 * one write and the file is rewritten in place on removal. Main process of provisiond.
 */
int net_hosts_add(const struct settings *s, const struct record *r, struct err *e);
int net_hosts_rewrite(const struct settings *s, const struct record *const *records, unsigned int n,
		      struct err *e);
/* The listening sockets for the gate: plain ones for settings->gate.listen, then one transparent per family. */
struct net_listeners {
	int fds[SETTINGS_LISTEN_MAX + 2];
	unsigned int nplain, ntransparent;
};
/*
 * Open what the settings want; a socket of `have` that listens at a wanted address is duplicated instead of opened anew.
 * The sockets in `out` are the caller's.
 */
int net_listen(const struct settings *s, const int *have, unsigned int nhave,
	       struct net_listeners *out, struct err *e);
