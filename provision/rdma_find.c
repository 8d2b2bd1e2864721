/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a NIC to its RDMA device and from that to its node, by sysfs alone.  The PCI function decides; where several
 * devices share one, the interfaces of their ports do.  Names are what the kernel has been told: only plain ones count.
 */
#include "rdma_find.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "nic_identify.h"

#define GIDS_TRIED 16 /* the first are the interface's own; unset ones cannot be read */
#define PLAIN      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static bool is_plain(const char *name, size_t size)
{
	size_t n = strlen(name);

	return n && n < size && name[0] != '.' && name[0] != '-' && strspn(name, PLAIN) == n;
}

/* A file of one short line. */
static bool read_line(const char *path, char *buf, size_t size)
{
	size_t len;

	if (path_read(AT_FDCWD, path, buf, size, &len, NULL))
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return buf[0] != '\0';
}

static bool is_pci(const char *text)
{
	unsigned int domain, bus, slot, fn;
	char end;

	return strlen(text) < NIC_FIND_PCI &&
	       sscanf(text, "%x:%2x:%2x.%1x%c", &domain, &bus, &slot, &fn, &end) == 4;
}

/* "MAJOR:MINOR\n" */
static bool read_dev(const char *path, struct rdma_find_node *out)
{
	char text[32], end;

	return read_line(path, text, sizeof(text)) &&
	       sscanf(text, "%u:%u%c", &out->major, &out->minor, &end) == 2;
}

enum rdma_find_mode rdma_find_mode(const char *sysfs)
{
	char path[PATH_MAX], text[8];

	if (str_format(path, sizeof(path), "%s/module/ib_core/parameters/netns_mode", sysfs) ||
	    !read_line(path, text, sizeof(text)))
		return RDMA_FIND_ABSENT;
	return text[0] == 'N' || text[0] == '0' ? RDMA_FIND_EXCLUSIVE : RDMA_FIND_SHARED;
}

/* --- a device --- */

static void look_at_port(const char *sysfs, struct rdma_find *dev, unsigned int port)
{
	char path[PATH_MAX], name[NIC_FIND_NAME];

	for (unsigned int gid = 0; gid < GIDS_TRIED; gid++) {
		if (str_format(path, sizeof(path),
			       "%s/class/infiniband/%s/ports/%u/gid_attrs/ndevs/%u", sysfs,
			       dev->name, port, gid) ||
		    !read_line(path, name, sizeof(name)))
			continue;
		(void)str_copy(dev->netdev[port - 1], NIC_FIND_NAME, name);
		return;
	}
}

static void look_at_ports(const char *sysfs, struct rdma_find *dev)
{
	char path[PATH_MAX];

	for (unsigned int port = 1; port <= RDMA_FIND_PORTS; port++) {
		if (str_format(path, sizeof(path), "%s/class/infiniband/%s/ports/%u", sysfs,
			       dev->name, port) ||
		    access(path, F_OK) != 0)
			return;
		dev->nports = port;
		look_at_port(sysfs, dev, port);
	}
}

/* Two links to the same folder give the same numbers. */
static bool numbers(const char *path, uint64_t out[2])
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	out[0] = (uint64_t)st.st_dev;
	out[1] = (uint64_t)st.st_ino;
	return true;
}

int rdma_find_look(const char *sysfs, const char *name, struct rdma_find *out, struct err *e)
{
	char path[PATH_MAX], target[PATH_MAX], vis[4 * RDMA_FIND_NAME];
	const char *slash;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (!is_plain(name, sizeof(out->name)) ||
	    str_format(path, sizeof(path), "%s/class/infiniband/%s/device", sysfs, name))
		return err_set(e, ENODEV, "find RDMA device '%s': not a device's name",
			       str_vis(name, strnlen(name, RDMA_FIND_NAME), vis, sizeof(vis)));
	(void)str_copy(out->name, sizeof(out->name), name);
	n = readlink(path, target, sizeof(target) - 1);
	(void)numbers(path, out->device);
	path[strlen(path) - strlen("/device")] = '\0';
	if (n < 0 && access(path, F_OK) != 0)
		return err_set(e, ENODEV, "find RDMA device '%s': no such device", name);
	if (n > 0) {
		target[n] = '\0';
		slash = strrchr(target, '/');
		slash = slash ? slash + 1 : target;
		if (is_pci(slash))
			(void)str_copy(out->pci, sizeof(out->pci), slash);
	}
	(void)str_copy(path + strlen(path), sizeof(path) - strlen(path), "/parent");
	if (!out->pci[0] && !read_line(path, out->parent, sizeof(out->parent)))
		out->parent[0] = '\0';
	look_at_ports(sysfs, out);
	/* Part of nothing it is software; one that names no parent (siw) is of its port's interface. */
	if (!out->pci[0] && !out->device[1] && !out->parent[0])
		(void)str_copy(out->parent, sizeof(out->parent), out->netdev[0]);
	return 0;
}

int rdma_find_each(const char *sysfs, void (*fn)(void *ctx, const struct rdma_find *dev), void *ctx,
		   struct err *e)
{
	auto_dir DIR *dir = NULL;
	struct rdma_find dev;
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/class/infiniband", sysfs))
		return err_set(e, ENAMETOOLONG, "list '%s/class/infiniband': path too long", sysfs);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "list '%s'", path);
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_name[0] != '.' && rdma_find_look(sysfs, d->d_name, &dev, NULL) == 0)
			fn(ctx, &dev);
	return 0;
}

/* --- of a NIC --- */

/* The interface as the host calls it, its PCI function, and the device that it is part of. */
struct wanted {
	char netdev[NIC_FIND_NAME], pci[NIC_FIND_PCI];
	uint64_t device[2];
	bool here; /* it is on the host, where its name is its own */
	struct rdma_find best;
	unsigned int nfound,
		nport;   /* devices of the function; those with a port that is this interface's */
	char found[192]; /* their names, for the message */
};

/* Another interface may have its name while it is away, but not its number. */
static bool is_here(const char *sysfs, const struct record *rec)
{
	char path[PATH_MAX], text[16];
	uint64_t index;

	return str_format(path, sizeof(path), "%s/class/net/%s/ifindex", sysfs, rec->nic.name) ==
		       0 &&
	       read_line(path, text, sizeof(text)) &&
	       num_u64(text, 1, INT_MAX, &index, NULL) == 0 && index == (uint64_t)rec->nic.ifindex;
}

static void want(struct wanted *w, const char *sysfs, const struct record *rec)
{
	const char *id = rec->nic.id;
	char path[PATH_MAX];

	memset(w, 0, sizeof(*w));
	w->here = is_here(sysfs, rec);
	if (strncmp(id, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0)
		id += strlen(NIC_IDENTIFY_MACVLAN);
	(void)str_copy(w->netdev, sizeof(w->netdev), rec->nic.name);
	if (strncmp(id, "pci:", 4) == 0)
		(void)str_format(w->pci, sizeof(w->pci), "%.*s", (int)strcspn(id + 4, "/"), id + 4);
	if (w->here &&
	    str_format(path, sizeof(path), "%s/class/net/%s/device", sysfs, rec->nic.name) == 0)
		(void)numbers(path, w->device);
}

static bool has_port(const struct rdma_find *dev, const char *netdev)
{
	for (unsigned int i = 0; i < dev->nports; i++)
		if (strcmp(dev->netdev[i], netdev) == 0)
			return true;
	return false;
}

/* A device made in software has a parent, and is of no device. */
static bool belongs(const struct wanted *w, const struct rdma_find *dev)
{
	if (dev->pci[0] && w->pci[0])
		return strcmp(dev->pci, w->pci) == 0;
	if (dev->parent[0])
		return strcmp(dev->parent, w->netdev) == 0;
	return dev->device[1] && memcmp(dev->device, w->device, sizeof(w->device)) == 0;
}

static void weigh(void *ctx, const struct rdma_find *dev)
{
	struct wanted *w = ctx;
	size_t used = strlen(w->found);
	bool port;

	if (!belongs(w, dev))
		return;
	port = w->here && has_port(dev, w->netdev);
	w->nfound++;
	(void)str_format(w->found + used, sizeof(w->found) - used, "%s%s", used ? ", " : "",
			 dev->name);
	if (port || w->nfound == 1)
		w->best = *dev;
	w->nport += port;
}

/* A device moves as a whole: a port that is another interface's would go, too. */
static int check_ports(const struct wanted *w, const struct rdma_find *dev, struct err *e)
{
	if (!w->here || (!has_port(dev, w->netdev) && dev->nports <= 1))
		return 0; /* its interface is away, and called otherwise there, or has no address yet */
	for (unsigned int i = 0; i < dev->nports; i++)
		if (dev->netdev[i][0] && strcmp(dev->netdev[i], w->netdev) != 0)
			return err_set(e, EXDEV,
				       "lease RDMA device '%s': its port %u is of '%s', and a "
				       "device moves as a whole",
				       dev->name, i + 1, dev->netdev[i]);
	return 0;
}

int rdma_find_of(const char *sysfs, const struct record *rec, const char *name,
		 struct rdma_find *out, struct err *e)
{
	struct wanted w;
	int ret;

	want(&w, sysfs, rec);
	if (name) {
		ret = rdma_find_look(sysfs, name, out, e);
		if (ret == 0 && !belongs(&w, out) &&
		    (w.here || w.pci[0] || out->pci[0] || out->parent[0]))
			return err_set(e, EXDEV,
				       "lease RDMA device '%s': it is not of NIC '%s' but of '%s'",
				       name, w.netdev,
				       out->pci[0]         ? out->pci
				       : out->parent[0]    ? out->parent
				       : out->netdev[0][0] ? out->netdev[0]
							   : "none");
		return ret ? ret : check_ports(&w, out, e);
	}
	ret = rdma_find_each(sysfs, weigh, &w, e);
	if (ret)
		return ret;
	if (!w.nfound)
		return err_set(e, ENODEV, "lease the RDMA device of '%s': it has none", w.netdev);
	if (w.nfound > 1 && w.nport != 1)
		return err_set(e, ENOTUNIQ,
			       "lease the RDMA device of '%s': it has several: %s (rdma = NAME)",
			       w.netdev, w.found);
	*out = w.best;
	return check_ports(&w, out, e);
}

struct soft {
	const char *netdev;
	char name[RDMA_FIND_NAME];
};

static void match_soft(void *ctx, const struct rdma_find *dev)
{
	struct soft *s = ctx;

	if (!dev->pci[0] && strcmp(dev->parent, s->netdev) == 0)
		(void)str_copy(s->name, sizeof(s->name), dev->name);
}

int rdma_find_soft(const char *sysfs, const char *netdev, char name[RDMA_FIND_NAME])
{
	struct soft s = { .netdev = netdev };
	int ret = netdev[0] ? rdma_find_each(sysfs, match_soft, &s, NULL) : -ENOENT;

	(void)str_copy(name, RDMA_FIND_NAME, s.name);
	return ret ? ret : s.name[0] ? 0 : -ENOENT;
}

/* --- nodes --- */

int rdma_find_uverbs(const char *sysfs, const char *name, struct rdma_find_node *out, struct err *e)
{
	char path[PATH_MAX], ibdev[RDMA_FIND_NAME];
	auto_dir DIR *dir = NULL;
	unsigned int number;
	char end;

	(void)str_format(path, sizeof(path), "%s/class/infiniband_verbs", sysfs);
	dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (sscanf(d->d_name, "uverbs%u%c", &number, &end) != 1 ||
		    str_copy(out->name, sizeof(out->name), d->d_name) ||
		    str_format(path, sizeof(path), "%s/class/infiniband_verbs/%s/ibdev", sysfs,
			       d->d_name) ||
		    !read_line(path, ibdev, sizeof(ibdev)) || strcmp(ibdev, name) != 0)
			continue;
		(void)str_format(path, sizeof(path), "%s/class/infiniband_verbs/%s/dev", sysfs,
				 d->d_name);
		if (!read_dev(path, out))
			return err_set(e, ENODEV,
				       "find the node of RDMA device '%s': no number in '%s'", name,
				       path);
		return 0;
	}
	return err_set(e, ENOENT,
		       "find the node of RDMA device '%s': it has none (modprobe ib_uverbs)", name);
}

int rdma_find_cm(const char *sysfs, struct rdma_find_node *out, struct err *e)
{
	char path[PATH_MAX];

	(void)str_copy(out->name, sizeof(out->name), "rdma_cm");
	(void)str_format(path, sizeof(path), "%s/class/misc/rdma_cm/dev", sysfs);
	return read_dev(path, out)
		       ? 0
		       : err_set(e, ENOENT,
				 "find the node 'rdma_cm': there is none (modprobe rdma_ucm)");
}
