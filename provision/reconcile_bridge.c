// SPDX-License-Identifier: LGPL-2.1-or-later
/* See reconcile_bridge.h.  It only looks (ioctl); of what the kernel says on the link socket, which interface it is about. */
#include "reconcile_bridge.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "net_bridge.h"

#define SOON_US  1000000ULL
#define EVERY_US 60000000ULL
#define SLACK_US 100000ULL
#define NOTE     "network: " /* how notes of this file begin */

struct reconcile_bridge {
	struct registry *reg;
	sd_event_source *socket, *timer;
	int fd;
	uint64_t state; /* net_bridge_state() when it was looked at last */
	bool again;     /* whatever it is now */
};

static void say(struct workspace *ws, const char *text)
{
	const struct audit_field fields[] = { AUDIT_TEXT("ws", ws->name),
					      AUDIT_TEXT("bridge", ws->rec.attach),
					      AUDIT_TEXT("reason", text) };
	const struct registry *r = ws->registry;
	char line[sizeof(ws->rec.note) + 64];

	log_warn("workspace '%s': %s", ws->name, text);
	audit_write("ws.bridge_lost", fields, 3);
	(void)str_format(line, sizeof(line), "sshbay: workspace '%s': %s", ws->name, text);
	if (r->notice)
		(void)r->notice(r->notice_ctx, ws, line);
}

static void look(struct workspace *ws)
{
	char why[sizeof(ws->bridge_said)] = "", note[sizeof(ws->rec.note)] = "";
	bool own = strncmp(ws->rec.note, NOTE, strlen(NOTE)) == 0;
	struct err e = { 0 };

	if (net_bridge_lost(&ws->rec, why, sizeof(why)))
		(void)str_format(note, sizeof(note), NOTE "%s (sshbay stop, start)", why);
	/* A note of the record is as old as what it tells: provisiond was restarted since. */
	if (note[0] && strcmp(why, ws->bridge_said) != 0 && strcmp(note, ws->rec.note) != 0)
		say(ws, note + strlen(NOTE));
	memcpy(ws->bridge_said, why, sizeof(why));
	/* There is one note, and what somebody else wrote there is as true. */
	if ((ws->rec.note[0] && !own) || strcmp(note, ws->rec.note) == 0)
		return;
	memcpy(ws->rec.note, note, sizeof(note));
	if (record_save(ws->registry->recordsfd, &ws->rec, &e))
		log_warn("%s", e.text);
}

/* What the host answers for on a bridge, and its own ways to the workspaces there, go with the bridge or its MAC. */
static void refresh(struct reconcile_bridge *b)
{
	uint64_t state = net_bridge_state(b->reg->settings);

	if (state == b->state && !b->again)
		return;
	b->state = state;
	b->again = false;
	registry_refresh_host(b->reg);
}

void reconcile_bridge_again(struct registry *r)
{
	if (r->bridges)
		r->bridges->again = true;
}

void reconcile_bridge_now(struct registry *r)
{
	refresh(r->bridges);
	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		if (ws->has_record && !ws->damaged && !ws->busy && !ws->jobs && !ws->dead &&
		    ws->rec.state == RECORD_RUNNING && ws->rec.attach[0])
			look(ws);
		else if (!ws->has_record || ws->rec.state != RECORD_RUNNING)
			ws->bridge_said[0] = '\0';
	}
}

static int on_time(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct reconcile_bridge *b = ctx;

	(void)usec;
	reconcile_bridge_now(b->reg);
	(void)sd_event_source_set_time(s, clk_now_us() + EVERY_US);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* What the kernel forgets with an address, or while the bridge is down, is missing also when all is as before again. */
static bool forgets(const struct settings *s, const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct ifaddrmsg *addr = NLMSG_DATA(h);
	char at[IF_NAMESIZE];
	const char *name;
	unsigned int index = 0;

	if (h->nlmsg_type == RTM_NEWLINK && !(link->ifi_flags & IFF_UP))
		index = (unsigned int)link->ifi_index;
	else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
		index = addr->ifa_index;
	if (!index || !if_indextoname(index, at))
		return false;
	for (unsigned int i = 0; (name = net_bridge_name(s, i)); i++)
		if (strcmp(name, at) == 0)
			return true;
	return false;
}

/* Interfaces come in swarms; one look, a second after the first of them, does for all. */
static int on_link(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct reconcile_bridge *b = ctx;
	uint64_t soon = clk_now_us() + SOON_US, planned = 0;
	_Alignas(NLMSG_ALIGNTO) char buf[8192];
	bool named = net_bridge_name(b->reg->settings, 0) != NULL;

	(void)s, (void)revents;
	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n <= 0 && !(n < 0 && errno == ENOBUFS))
			break;
		/* Something was said that did not fit. */
		if (n < 0)
			b->again |= named;
		for (struct nlmsghdr *h = (void *)buf; named && n > 0 && NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n))
			b->again |= forgets(b->reg->settings, h);
	}
	if (!named)
		return 0;
	if (sd_event_source_get_time(b->timer, &planned) >= 0 && planned > soon)
		(void)sd_event_source_set_time(b->timer, soon);
	return 0;
}

static int listen_links(struct err *e)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK,
				  .nl_groups =
					  RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return err_sys(e, "listen for changes of interfaces");
	return fd_take(&fd);
}

int reconcile_bridge_start(struct registry *r, struct err *e)
{
	struct reconcile_bridge *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return err_set(e, ENOMEM, "watch bridges: out of memory");
	b->reg = r;
	b->state = net_bridge_state(r->settings);
	r->bridges = b;
	b->fd = listen_links(e);
	if (b->fd < 0)
		return b->fd;
	ret = sd_event_add_time(r->loop, &b->timer, CLOCK_MONOTONIC, clk_now_us(), SLACK_US,
				on_time, b);
	if (ret >= 0)
		ret = sd_event_add_io(r->loop, &b->socket, b->fd, EPOLLIN, on_link, b);
	return ret < 0 ? err_ret(e, ret, "watch bridges") : 0;
}

void reconcile_bridge_stop(struct registry *r)
{
	struct reconcile_bridge *b = r->bridges;

	if (!b)
		return;
	sd_event_source_disable_unref(b->socket);
	sd_event_source_disable_unref(b->timer);
	fd_close(&b->fd);
	free(b);
	r->bridges = NULL;
}
