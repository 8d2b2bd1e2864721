/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One RTM_GETLINK without libnl, whose allocation failures abort: it runs in provisiond's main process, too. */
#include "nic_altname.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

struct question {
	struct nlmsghdr head;
	struct ifinfomsg link;
	struct rtattr attr;
	char name[NIC_ALTNAME_MAX];
};

static int fail(const char *name, int code, struct err *e)
{
	return code == ENODEV ? err_set(e, ENODEV, "look at '%s': no such interface", name)
			      : err_ret(e, -code, "look at '%s'", name);
}

static int ask(int fd, const char *name)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct question q = {
		.head = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.link = { .ifi_family = AF_UNSPEC },
		.attr = { .rta_type = IFLA_ALT_IFNAME },
	};
	size_t n = strlen(name) + 1;

	memcpy(q.name, name, n);
	q.attr.rta_len = (unsigned short)RTA_LENGTH(n);
	q.head.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(q.link)) + RTA_SPACE(n));
	return sendto(fd, &q, q.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0
		       ? -errno
		       : 0;
}

/* Only the head of the answer counts: what is cut off are attributes. */
static int hear(int fd)
{
	struct {
		struct nlmsghdr head;
		union {
			struct ifinfomsg link;
			struct nlmsgerr error;
		};
	} a;
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, &a, sizeof(a), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < 0)
		return -errno;
	if (from.nl_pid != 0 || n < (ssize_t)sizeof(a.head))
		return -EPROTO;
	if (a.head.nlmsg_type == NLMSG_ERROR && n >= (ssize_t)NLMSG_LENGTH(sizeof(int)))
		return a.error.error < 0 ? a.error.error : -EPROTO;
	if (a.head.nlmsg_type != RTM_NEWLINK || n < (ssize_t)NLMSG_LENGTH(sizeof(a.link)) ||
	    a.link.ifi_index <= 0)
		return -EPROTO;
	return a.link.ifi_index;
}

int nic_altname_index(const char *name, struct err *e)
{
	auto_fd int fd = -1;
	int r;

	if (strlen(name) >= NIC_ALTNAME_MAX)
		return fail(name, ENODEV, e);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	r = fd < 0 ? -errno : ask(fd, name);
	if (r == 0)
		r = hear(fd);
	return r < 0 ? fail(name, -r, e) : r;
}
