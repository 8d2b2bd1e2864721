// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looks interfaces up without netlink, so that provisiond's own process may do it.  PCI addresses and permanent MACs
 * come from the driver by ethtool's ioctl.
 */
#include "nic_find.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"

static void mac_text(const uint8_t mac[6], char out[18])
{
	(void)snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		       mac[4], mac[5]);
}

static int ask(int fd, struct ifreq *ifr, const char *name, unsigned long request, void *data)
{
	memset(ifr, 0, sizeof(*ifr));
	if (str_copy(ifr->ifr_name, sizeof(ifr->ifr_name), name))
		return -1;
	if (data)
		ifr->ifr_data = data;
	return ioctl(fd, request, ifr);
}

static int has_mac(int fd, const char *name, const char *what)
{
	struct {
		struct ethtool_perm_addr head;
		uint8_t mac[32];
	} perm = { .head = { .cmd = ETHTOOL_GPERMADDR, .size = 32 } };
	struct ifreq ifr;
	char text[18];

	if (ask(fd, &ifr, name, SIOCGIFHWADDR, NULL) == 0) {
		mac_text((const uint8_t *)ifr.ifr_hwaddr.sa_data, text);
		if (strcasecmp(text, what) == 0)
			return 1;
	}
	if (ask(fd, &ifr, name, SIOCETHTOOL, &perm) || perm.head.size != 6)
		return 0;
	mac_text(perm.mac, text);
	return strcasecmp(text, what) == 0;
}

static int has_pci(int fd, const char *name, const char *what)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr;

	return ask(fd, &ifr, name, SIOCETHTOOL, &info) == 0 &&
	       strncasecmp(info.bus_info, what, sizeof(info.bus_info)) == 0;
}

int nic_find(enum nic_find_by by, const char *what, char name[NIC_FIND_NAME], struct err *e)
{
	auto_file FILE *f = fopen("/proc/net/dev", "re");
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char line[512], *at, *end;
	unsigned int found = 0;

	if (!f || fd < 0)
		return err_sys(e, "look for interface '%s'", what);
	while (fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		end = strchr(at, ':');
		if (!end)
			continue; /* the table's head */
		*end = '\0';
		if (!(by == NIC_FIND_MAC ? has_mac(fd, at, what) : has_pci(fd, at, what)))
			continue;
		if (found++ == 0)
			(void)str_copy(name, NIC_FIND_NAME, at);
	}
	if (found == 1)
		return 0;
	return found ? err_set(e, ENOTUNIQ, "look for interface '%s': %u have it (name one)", what,
			       found)
		     : err_set(e, ENODEV, "look for interface '%s': no such interface", what);
}

int nic_find_mac(const uint8_t mac[6], char name[NIC_FIND_NAME], struct err *e)
{
	char text[18];

	mac_text(mac, text);
	return nic_find(NIC_FIND_MAC, text, name, e);
}

static int route4_through(const char *name)
{
	auto_file FILE *f = fopen("/proc/net/route", "re");
	char line[512], dev[32];
	unsigned long dst, mask;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%31s %lx %*s %*s %*s %*s %*s %lx", dev, &dst, &mask) == 3 &&
		    dst == 0 && mask == 0 && strcmp(dev, name) == 0)
			return 1;
	return 0;
}

static int route6_through(const char *name)
{
	auto_file FILE *f = fopen("/proc/net/ipv6_route", "re");
	char line[512], dev[32], dst[33];
	unsigned int plen;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %*s %31s", dst, &plen, dev) ==
			    3 &&
		    plen == 0 && strcmp(dev, name) == 0)
			return 1;
	return 0;
}

int nic_find_default_route(const char *name)
{
	return route4_through(name) || route6_through(name);
}
