/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach = BRIDGE: what differs when a workspace's veth is a port of a bridge of the host's.  The bridge is found, used
 * and never changed: not made, not removed, not set up, its addresses left as they are.  Runs in workers and where
 * net_host_up runs; net_bridge_lost in provisiond's main process.
 */
#pragma once
#include "netif.h"
#include "plan.h"

struct net_bridge {
	struct netif_dev dev;
	uint32_t mtu;
	struct ipnet own4, own6; /* its address in the network that control_ip(6) is in */
	struct ip via4, via6;    /* the workspace's gateway; family 0: no such family */
};

/*
 * Find the bridge that the record names, and check that it can do: it is a bridge, it is up, iptables do not see its
 * frames, its own address is in a network that the pool is a part of. Messages name the workspace and its file.
 */
int net_bridge_find(struct netif *n, const struct plan *p, struct net_bridge *b, struct err *e);
/*
 * `port`, which is down, becomes a port: its rules first (net_guard.h), then the master, its flags, what is behind it, and
 * the host's route and neighbour entries. The caller sets it up.
 */
int net_bridge_join(struct netif *n, const struct plan *p, const struct net_bridge *b,
		    const struct netif_dev *port, const uint8_t mac[6], struct err *e);
/*
 * After the port is gone: rules, routes, neighbour entries. `master`: index of the bridge that it was a port of, if it was
 * there, for one that was renamed meanwhile; 0: go by the record's name. A bridge that is gone is fine.
 */
int net_bridge_leave(struct netif *n, const struct plan *p, int master, const uint8_t mac[6],
		     struct err *e);
/*
 * Set right what may have changed while the workspaces of these records are up: the flags of their ports (isolate), and the
 * host's routes and neighbour entries, which the kernel forgets when the bridge is set down or gets another MAC. A port that
 * is not on its bridge any more is left alone; what fails at one is logged, and the others are set right.
 */
int net_bridge_refresh(const struct settings *s, const struct record *const *records,
		       unsigned int count, struct err *e);
/* Is this interface a bridge? By ioctl; `fd` is any socket. What is private to bridges means something else to others. */
bool net_bridge_is(int fd, const char *name);
/*
 * The key under net.bridge by which frames of this bridge go through iptables (ip6tables), or the bridge's own switch, as a
 * remedy in words; false: they do not.
 */
bool net_bridge_filters(const struct netif_link *bridge, bool v6, char remedy[96]);
/* Write into `why` what is wrong with a running workspace's port, by ioctl; false: nothing. */
bool net_bridge_lost(const struct record *rec, char *why, size_t size);
/* A number that differs when a bridge that `s` names has come, gone, been set up or down, or got another MAC. By ioctl. */
uint64_t net_bridge_state(const struct settings *s);
/* The i-th different bridge that `s` names in attach, NULL behind the last. */
const char *net_bridge_name(const struct settings *s, unsigned int i);
