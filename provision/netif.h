/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnetlink through libnl, as batches: requests are queued, sent in one sendmsg(2) and answered together.  Worker
 * processes only: libnl aborts on misuse.  Only
 * netif_raw.h dumps tables; nothing else grows with the host.
 *
 * A request that cannot be built is remembered; netif_commit reports the first failure of the whole batch, names the
 * interface, and quotes the kernel's own words when it gives some.  Requests after a failed one are still carried out.
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"

#define NETIF_NAME_MAX    16
#define NETIF_ALTNAME_MAX 128
#define NETIF_ALTNAMES    8
#define NETIF_ALIAS_MAX   256
#define NETIF_TUNINGS                                                                              \
	6 /* group, gso_max_size, gso_max_segs, gro_max_size, gso_ipv4_max_size, gro_ipv4_max_size */
#define NETIF_NO_TUNING UINT32_MAX /* the kernel tells of none; leave */

struct netif; /* a socket that stays in one network namespace, and its batch */

/* An interface: the number is what the kernel goes by, the name is for messages. */
struct netif_dev {
	int index;
	char name[NETIF_NAME_MAX];
};
struct netif_link { /* what netif_get found */
	struct netif_dev dev;
	uint8_t mac[6], perm_mac[6]; /* perm_mac all zero: the driver has none */
	uint32_t mtu, flags;         /* flags: IFF_* of <linux/if.h> */
	uint32_t txqlen, tuning[NETIF_TUNINGS];
	bool xdp; /* a program is attached */
	int master,
		peer; /* index of the bridge or bond; IFLA_LINK, which for a veth is its peer's */
	bool peer_elsewhere;       /* the peer is in another namespace */
	bool filters, filters6;    /* a bridge that sends its frames through iptables, ip6tables */
	char kind[NETIF_NAME_MAX]; /* "veth", "bridge", ..; "" for hardware */
	char alias[NETIF_ALIAS_MAX];
	unsigned int naltnames, altnames_lost; /* lost: did not fit */
	char altname[NETIF_ALTNAMES][NETIF_ALTNAME_MAX];
};
struct netif_veth {
	char name[NETIF_NAME_MAX], peer_name[NETIF_NAME_MAX];
	uint8_t mac[6], peer_mac[6];
	uint32_t mtu;   /* of both; 0: the kernel's */
	int peer_netns; /* the peer is born there */
};
struct netif_route {
	struct ipnet dst;   /* family decides; plen 0: default */
	struct ip via, src; /* family 0: none. `via` is taken as on-link */
	uint32_t table;     /* RT_TABLE_* or a number */
	uint8_t type;       /* RTN_UNICAST, RTN_LOCAL */
	uint8_t protocol;   /* who made it, for removing only that; 0: RTPROT_STATIC */
	bool exclusive;     /* fail with EEXIST instead of replacing another route to dst */
};
struct netif_change {
	uint32_t flags, mask;   /* IFF_* bits, and which of them to set */
	uint32_t mtu;           /* 0: leave */
	const uint32_t *txqlen; /* NULL: leave */
	const uint32_t *tuning; /* NETIF_TUNINGS of them; NULL: leave */
	const uint8_t *mac;     /* NULL: leave */
	const char *new_name;   /* NULL: leave */
	const char *alias;      /* free text that `ip link` shows; NULL: leave */
	int netns;              /* -1: stay; otherwise move there in the same request */
	int new_index;          /* 0: leave; otherwise its number there (with netns; kernel 5.13) */
};

/* Open a socket in the namespace `netnsfd` (-1: the caller's own); the calling thread is back in its own on return. */
int netif_open(int netnsfd, struct netif **out, struct err *e);
void netif_close(struct netif *n); /* NULL is fine */
void netif_closep(struct netif **n);
#define auto_netif __attribute__((cleanup(netif_closep)))

/* By index, or by name when index is 0. One round trip, answered at once. -ENODEV when there is none. */
int netif_get(struct netif *n, const struct netif_dev *dev, struct netif_link *out, struct err *e);
/* Fill dev->index from dev->name, by ioctl. -ENODEV when there is none. */
int netif_index(struct netif *n, struct netif_dev *dev, struct err *e);

/* An interface called `name` becomes NAME-oldN, down: it is the tenant's, the name is ours. -ENODEV: there is none. */
int netif_set_aside(struct netif *n, const char *name, struct err *e);

/*
 * Delete `dev` in the caller's own namespace without waiting for the kernel to let go of it, which takes an RCU grace
 * period (16 to 38 ms): returns when the interface, its routes and neighbours are gone, while a child process waits out
 * the rest. An orphan of a short-lived worker, it is reaped by provisiond. An interface that is not there is fine.
 */
int netif_remove(struct netif *n, const struct netif_dev *dev, struct err *e);

/* Queue one request. Adding means: exists afterwards, as given. */
void netif_veth(struct netif *n, const struct netif_veth *v);
void netif_delete(struct netif *n, const struct netif_dev *dev);
void netif_set(struct netif *n, const struct netif_dev *dev, const struct netif_change *c);
void netif_no_autoconf6(
	struct netif *n,
	const struct netif_dev *dev); /* no IPv6 link-local address when it comes up */
/* In whichever of its three modes one is attached; queues requests that may fail. */
void netif_no_xdp(struct netif *n, const struct netif_dev *dev);
/* Remove what tc(8) attached: root, ingress and clsact, with their filters. */
void netif_no_tc(struct netif *n, const struct netif_dev *dev);
/* Make a macvlan of `parent` (bridge mode) directly in namespace `netnsfd`; mac NULL: the kernel's choice. */
void netif_macvlan(struct netif *n, const struct netif_dev *parent, const struct netif_change *c);
void netif_altname(struct netif *n, const struct netif_dev *dev, const char *name, bool add);
void netif_addr(struct netif *n, const struct netif_dev *dev, const struct ipnet *a, int scope,
		bool add);
void netif_route(struct netif *n, const struct netif_dev *dev, const struct netif_route *r,
		 bool add);
void netif_rule(struct netif *n, int family, uint32_t mark, uint32_t table, bool add);
/* Packets from `from` are routed by `table`. */
void netif_rule_from(struct netif *n, const struct ip *from, uint32_t table, bool add);
/* Permanent neighbour entry; mac NULL: a proxy entry (NTF_PROXY), which makes `dev` answer for the address. */
void netif_neigh(struct netif *n, const struct netif_dev *dev, const struct ip *ip,
		 const uint8_t *mac, bool add);
/* The request queued last may fail with this errno (ENOENT of something to be removed). */
void netif_tolerate(struct netif *n, int code);

/* Send what is queued and collect the answers. The batch is empty afterwards, whatever happened. */
int netif_commit(struct netif *n, struct err *e);
