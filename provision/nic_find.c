// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looks interfaces up without netlink, so that provisiond's own process may do it.  PCI addresses and permanent MACs
 * come from the driver by ethtool's ioctl; sysfs, whose root the configuration names, adds what that does not tell.
 */
#include "nic_find.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "nic_altname.h"

static const char *mac_text(const uint8_t mac[6], char out[18])
{
	(void)snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		       mac[4], mac[5]);
	return out;
}

static bool no_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, 6) == 0;
}

static int ask(int fd, struct ifreq *ifr, const char *name, unsigned long request, void *data)
{
	memset(ifr, 0, sizeof(*ifr));
	if (str_copy(ifr->ifr_name, sizeof(ifr->ifr_name), name)) {
		errno = ENODEV;
		return -1;
	}
	if (data)
		ifr->ifr_data = data;
	return ioctl(fd, request, ifr);
}

/* 0000:29:00.0, with a domain of four digits or more */
static bool is_pci(const char *text)
{
	unsigned int domain, bus, slot, fn;
	char end;

	return strlen(text) < NIC_FIND_PCI &&
	       sscanf(text, "%x:%2x:%2x.%1x%c", &domain, &bus, &slot, &fn, &end) == 4;
}

/* --- sysfs --- */

static int read_number(const char *path, uint64_t *n)
{
	char text[32];
	size_t len;

	if (path_read(AT_FDCWD, path, text, sizeof(text), &len, NULL))
		return -ENOENT;
	text[strcspn(text, "\n")] = '\0';
	return num_u64(text, 0, UINT32_MAX, n, NULL);
}

/* The interface's own folder below sysfs; a mount of sysfs shows another namespace's interface under the same name. */
static bool in_sysfs(const char *sysfs, const struct nic_seen *seen, const char *file,
		     char path[PATH_MAX])
{
	uint64_t index;

	return str_format(path, PATH_MAX, "%s/class/net/%s/ifindex", sysfs, seen->name) == 0 &&
	       read_number(path, &index) == 0 && index == (uint64_t)seen->ifindex &&
	       str_format(path, PATH_MAX, "%s/class/net/%s/%s", sysfs, seen->name, file) == 0;
}

static bool link_base(const char *path, char *out, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	if (n <= 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return str_copy(out, size, slash ? slash + 1 : target) == 0;
}

static void find_pci(int fd, const char *sysfs, struct nic_seen *seen)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	char path[PATH_MAX], base[64];
	struct ifreq ifr;

	if (ask(fd, &ifr, seen->name, SIOCETHTOOL, &info) == 0) {
		(void)str_format(seen->driver, sizeof(seen->driver), "%.31s", info.driver);
		(void)str_format(seen->firmware, sizeof(seen->firmware), "%.31s", info.fw_version);
	}
	if (is_pci(info.bus_info))
		(void)str_copy(seen->pci, sizeof(seen->pci), info.bus_info);
	else if (in_sysfs(sysfs, seen, "device", path) && link_base(path, base, sizeof(base)) &&
		 is_pci(base))
		(void)str_copy(seen->pci, sizeof(seen->pci), base);
}

bool nic_find_pci_exists(const char *sysfs, const char *pci)
{
	char path[PATH_MAX];

	/* Less the port. */
	return str_format(path, sizeof(path), "%s/bus/pci/devices/%.*s", sysfs,
			  (int)strcspn(pci, "/"), pci) == 0 &&
	       access(path, F_OK) == 0;
}

int nic_find_numa(const char *sysfs, const char *id)
{
	char path[PATH_MAX], text[32];
	size_t len;

	if (strncmp(id, "pci:", 4) != 0 ||
	    str_format(path, sizeof(path), "%s/bus/pci/devices/%.*s/numa_node", sysfs,
		       (int)strcspn(id + 4, "/"), id + 4) ||
	    path_read(AT_FDCWD, path, text, sizeof(text), &len, NULL))
		return -1;
	return text[0] == '-' ? -1 : (int)strtol(text, NULL, 10);
}

const char *nic_find_mac_text(const uint8_t mac[6], char out[18])
{
	out[0] = '\0';
	return no_mac(mac) ? out : mac_text(mac, out);
}

unsigned int nic_find_vfs(const char *sysfs, const char *id)
{
	char path[PATH_MAX];
	uint64_t n = 0;

	if (strncmp(id, "pci:", 4) == 0 &&
	    str_format(path, sizeof(path), "%s/bus/pci/devices/%.*s/sriov_numvfs", sysfs,
		       (int)strcspn(id + 4, "/"), id + 4) == 0)
		(void)read_number(path, &n);
	return (unsigned int)n;
}

bool nic_find_pf(const char *sysfs, const char *pci, char pf[NIC_FIND_PCI], uint32_t *vf)
{
	char path[PATH_MAX], other[NIC_FIND_PCI], id[NIC_FIND_ID];
	uint32_t n;

	if (str_format(path, sizeof(path), "%s/bus/pci/devices/%.*s/physfn", sysfs,
		       (int)strcspn(pci, "/"), pci) ||
	    !link_base(path, pf, NIC_FIND_PCI) || !is_pci(pf))
		return false;
	(void)str_format(id, sizeof(id), "pci:%s", pf);
	n = nic_find_vfs(sysfs, id);
	for (*vf = 0; *vf < n; (*vf)++) {
		(void)str_format(path, sizeof(path), "%s/bus/pci/devices/%s/virtfn%u", sysfs, pf,
				 *vf);
		if (link_base(path, other, sizeof(other)) &&
		    strncmp(other, pci, strcspn(pci, "/")) == 0)
			return true;
	}
	return false;
}

int nic_find_vf(const char *sysfs, const struct nic_seen *pf, unsigned int vf,
		char pci[NIC_FIND_PCI], struct err *e)
{
	char path[PATH_MAX];

	if (!pf->pci[0])
		return err_set(e, ENODEV,
			       "look for virtual function %u of '%s': it is no PCI function", vf,
			       pf->name);
	(void)str_format(path, sizeof(path), "%s/bus/pci/devices/%s/virtfn%u", sysfs, pf->pci, vf);
	if (!link_base(path, pci, NIC_FIND_PCI) || !is_pci(pci))
		return err_set(e, ENODEV,
			       "look for virtual function %u of '%s': %s has %u of them "
			       "(sriov_numvfs)",
			       vf, pf->name, pf->pci, nic_find_vfs(sysfs, pf->id));
	return 0;
}

/* --- one interface --- */

static void identify(const char *sysfs, struct nic_seen *seen)
{
	char path[PATH_MAX], mac[18];
	uint64_t port = 0;

	if (seen->pci[0]) {
		if (in_sysfs(sysfs, seen, "dev_port", path))
			(void)read_number(path, &port);
		if (port)
			(void)str_format(seen->id, sizeof(seen->id), "pci:%s/port%u", seen->pci,
					 (unsigned int)port);
		else
			(void)str_format(seen->id, sizeof(seen->id), "pci:%s", seen->pci);
	} else if (!no_mac(seen->perm)) {
		(void)str_format(seen->id, sizeof(seen->id), "mac:%s", mac_text(seen->perm, mac));
	} else {
		(void)str_format(seen->id, sizeof(seen->id), "name:%s", seen->name);
	}
}

/* ethtool_cmd_speed() of the kernel's header shifts into the sign bit. */
static uint32_t speed_of(const struct ethtool_cmd *link)
{
	return (uint32_t)link->speed_hi << 16 | link->speed;
}

static void find_rest(int fd, struct nic_seen *seen)
{
	struct {
		struct ethtool_perm_addr head;
		uint8_t mac[32];
	} perm = { .head = { .cmd = ETHTOOL_GPERMADDR, .size = 32 } };
	struct ethtool_cmd link = { .cmd = ETHTOOL_GSET };
	struct ifreq ifr;

	if (ask(fd, &ifr, seen->name, SIOCETHTOOL, &perm) == 0 && perm.head.size == 6)
		memcpy(seen->perm, perm.mac, 6);
	if (ask(fd, &ifr, seen->name, SIOCETHTOOL, &link) == 0 &&
	    speed_of(&link) != (uint32_t)SPEED_UNKNOWN)
		seen->speed = speed_of(&link);
}

static int index_of(int fd, const char *name, struct err *e)
{
	struct ifreq ifr;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return nic_altname_index(name, e);
	if (ask(fd, &ifr, name, SIOCGIFINDEX, NULL) == 0)
		return ifr.ifr_ifindex;
	return errno == ENODEV ? err_set(e, ENODEV, "look at '%s': no such interface", name)
			       : err_sys(e, "look at '%s'", name);
}

static int look(int fd, const char *sysfs, const char *name, struct nic_seen *out, struct err *e)
{
	struct ifreq ifr;

	memset(out, 0, sizeof(*out));
	out->ifindex = index_of(fd, name, e);
	if (out->ifindex < 0)
		return -e->code;
	/* By number, the kernel tells the real name where an alternative one was given. */
	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_ifindex = out->ifindex;
	if (ioctl(fd, SIOCGIFNAME, &ifr))
		return err_sys(e, "look at '%s'", name);
	(void)str_copy(out->name, sizeof(out->name), ifr.ifr_name);
	if (ask(fd, &ifr, out->name, SIOCGIFHWADDR, NULL))
		return err_sys(e, "look at '%s'", name);
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return err_set(e, EOPNOTSUPP, "look at '%s': not an Ethernet interface", name);
	memcpy(out->mac, ifr.ifr_hwaddr.sa_data, 6);
	if (ask(fd, &ifr, out->name, SIOCGIFMTU, NULL))
		return err_sys(e, "look at '%s'", name);
	out->mtu = (uint32_t)ifr.ifr_mtu;
	if (ask(fd, &ifr, out->name, SIOCGIFFLAGS, NULL))
		return err_sys(e, "look at '%s'", name);
	out->flags = (uint16_t)ifr.ifr_flags;
	out->carrier = (out->flags & IFF_UP) && (out->flags & IFF_RUNNING);
	find_pci(fd, sysfs, out);
	find_rest(fd, out);
	identify(sysfs, out);
	return 0;
}

static int open_socket(struct err *e)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? err_sys(e, "look at interfaces: open socket") : fd;
}

int nic_find_look(const char *sysfs, const char *name, struct nic_seen *out, struct err *e)
{
	auto_fd int fd = open_socket(e);

	return fd < 0 ? fd : look(fd, sysfs, name, out, e);
}

int nic_find_each(const char *sysfs, void (*fn)(void *ctx, const struct nic_seen *seen), void *ctx,
		  struct err *e)
{
	auto_file FILE *f = NULL;
	auto_fd int fd = open_socket(e);
	struct nic_seen seen;
	char line[512], *at, *end;

	if (fd < 0)
		return fd;
	f = fopen("/proc/net/dev", "re");
	if (!f)
		return err_sys(e, "look at interfaces: open '/proc/net/dev'");
	while (fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		end = strchr(at, ':');
		if (!end)
			continue; /* the table's head */
		*end = '\0';
		if (strncmp(at, "sb-", 3) != 0 && look(fd, sysfs, at, &seen, NULL) == 0)
			fn(ctx, &seen);
	}
	return 0;
}

struct search {
	const char *what;
	struct nic_seen *out;
	unsigned int found;
};

static bool has_mac(const struct nic_seen *seen, const char *what)
{
	char text[18];

	return strcasecmp(mac_text(seen->mac, text), what) == 0 ||
	       (!no_mac(seen->perm) && strcasecmp(mac_text(seen->perm, text), what) == 0);
}

static void match(void *ctx, const struct nic_seen *seen)
{
	struct search *s = ctx;
	bool hit;

	if (strncmp(s->what, "mac:", 4) == 0)
		hit = has_mac(seen, s->what + 4);
	else if (strchr(s->what, '/'))
		hit = strcasecmp(seen->id, s->what) == 0;
	else
		hit = strcasecmp(seen->pci, s->what + 4) == 0;
	if (hit && s->found++ == 0)
		*s->out = *seen;
}

int nic_find(const char *sysfs, const char *what, struct nic_seen *out, struct err *e)
{
	struct search s = { .what = what, .out = out };
	int ret;

	if (strncmp(what, "name:", 5) == 0)
		return nic_find_look(sysfs, what + 5, out, e);
	if (strncmp(what, "pci:", 4) != 0 && strncmp(what, "mac:", 4) != 0)
		return nic_find_look(sysfs, what, out, e);
	ret = nic_find_each(sysfs, match, &s, e);
	if (ret)
		return ret;
	if (s.found > 1)
		return err_set(e, ENOTUNIQ, "look for '%s': %u interfaces have it (name one)", what,
			       s.found);
	return s.found ? 0 : err_set(e, ENODEV, "look for '%s': no such interface", what);
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
