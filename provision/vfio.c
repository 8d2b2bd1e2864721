/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of sysfs that bind drivers, and the checks before that.  Writing to `unbind` while a process still has the
 * device open waits in the kernel for as long as it has: never done before the group was seen to be free.
 */
#include "vfio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "gpu_busy.h"

#define DRIVER    "vfio-pci"
#define ROUND_MS  20
#define CLASS_PCI 0x0604 /* linux/pci_ids.h: PCI_CLASS_BRIDGE_PCI */

static int device_path(const char *sysfs, const char *pci, const char *file, char path[PATH_MAX],
		       struct err *e)
{
	return str_format(path, PATH_MAX, "%s/bus/pci/devices/%s%s%s", sysfs, pci, file ? "/" : "",
			  file ? file : "") < 0
		       ? err_set(e, ENAMETOOLONG, "look at '%s': path too long", pci)
		       : 0;
}

/* First line of a file below sysfs; "" when it cannot be read. */
static void read_line(const char *path, char *buf, size_t size)
{
	size_t len;

	if (path_read(AT_FDCWD, path, buf, size, &len, NULL) < 0)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* Last part of where a link leads; "" when it is none. */
static void link_base(const char *path, char *buf, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	buf[0] = '\0';
	if (n <= 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	if (str_copy(buf, size, slash ? slash + 1 : target) < 0)
		buf[0] = '\0';
}

int vfio_look(const char *sysfs, const char *pci, struct vfio_seen *out, struct err *e)
{
	char path[PATH_MAX];
	int r = device_path(sysfs, pci, NULL, path, e);

	memset(out, 0, sizeof(*out));
	if (r < 0)
		return r;
	if (access(path, F_OK) < 0)
		return err_set(e, ENODEV, "look at '%s': no such PCI function", pci);
	r = device_path(sysfs, pci, "driver", path, e);
	if (r == 0)
		link_base(path, out->driver, sizeof(out->driver));
	if (r == 0)
		r = device_path(sysfs, pci, "driver_override", path, e);
	if (r < 0)
		return r;
	read_line(path, out->override, sizeof(out->override));
	if (strcmp(out->override, "(null)") == 0)
		out->override[0] = '\0';
	return 0;
}

bool vfio_away(const struct vfio_seen *seen)
{
	return !seen->driver[0] || strcmp(seen->driver, DRIVER) == 0 ||
	       strcmp(seen->override, DRIVER) == 0;
}

/* --- may it be given --- */

static bool is_on(const char *sysfs, const char *module, const char *parameter)
{
	char path[PATH_MAX], text[8];

	if (str_format(path, sizeof(path), "%s/module/%s/parameters/%s", sysfs, module, parameter) <
	    0)
		return false;
	read_line(path, text, sizeof(text));
	return text[0] == 'Y' || text[0] == '1';
}

int vfio_group(const char *sysfs, const char *pci, unsigned int *group, struct err *e)
{
	char path[PATH_MAX], text[VFIO_NAME_MAX];
	uint64_t n;
	int r = device_path(sysfs, pci, "iommu_group", path, e);

	if (r < 0)
		return r;
	link_base(path, text, sizeof(text));
	if (num_u64(text, 0, UINT32_MAX, &n, NULL) < 0)
		return err_set(e, EOPNOTSUPP,
			       "'%s' is in no IOMMU group (switch the IOMMU on in the firmware and "
			       "with intel_iommu=on or amd_iommu=on on the kernel's command line)",
			       pci);
	if (str_format(path, sizeof(path), "%s/kernel/iommu_groups/%u/name", sysfs, (unsigned)n) <
	    0)
		return err_set(e, ENAMETOOLONG, "look at '%s': path too long", pci);
	read_line(path, text, sizeof(text));
	if (strcmp(text, "vfio-noiommu") == 0)
		return err_set(e, EOPNOTSUPP, "'%s' is in group %u, which has no IOMMU", pci,
			       (unsigned)n);
	*group = (unsigned)n;
	return 0;
}

/* Something else that the IOMMU cannot keep apart from what is given away. */
static int check_other(const char *sysfs, const char *pci, const char *other, unsigned int group,
		       struct err *e)
{
	char path[PATH_MAX], text[16];
	struct vfio_seen seen;
	unsigned long class;

	if (vfio_look(sysfs, other, &seen, NULL) < 0)
		return err_set(e, EBUSY,
			       "'%s' shares IOMMU group %u with '%s', which is no PCI function",
			       pci, group, other);
	if (device_path(sysfs, other, "class", path, e) < 0)
		return -ENAMETOOLONG;
	read_line(path, text, sizeof(text));
	class = strtoul(text, NULL, 16) >> 8;
	/* A bridge moves no data by itself: the kernel (drivers/vfio) takes it as part of any group, whatever drives it. */
	if (class == CLASS_PCI || (class >> 8 == 0x06 && !seen.driver[0]) ||
	    strcmp(seen.driver, DRIVER) == 0)
		return 0;
	return err_set(e, EBUSY,
		       "'%s' shares IOMMU group %u with '%s' (%s%s), which the group's owner could "
		       "reach (bind that to vfio-pci too, or use another slot)",
		       pci, group, other, seen.driver[0] ? "driver " : "no driver", seen.driver);
}

static int check_group(const char *sysfs, const char *pci, unsigned int group, struct err *e)
{
	auto_dir DIR *dir = NULL;
	char path[PATH_MAX];
	const struct dirent *d;
	bool found = false;

	if (str_format(path, sizeof(path), "%s/kernel/iommu_groups/%u/devices", sysfs, group) < 0)
		return err_set(e, ENAMETOOLONG, "look at IOMMU group %u: path too long", group);
	dir = opendir(path);
	if (!dir)
		return err_sys(e, "list '%s'", path);
	while ((d = readdir(dir))) {
		int r = 0;

		if (d->d_name[0] == '.')
			continue;
		if (strcmp(d->d_name, pci) == 0)
			found = true;
		else
			r = check_other(sysfs, pci, d->d_name, group, e);
		if (r < 0)
			return r;
	}
	return found ? 0
		     : err_set(e, EIO, "IOMMU group %u does not list '%s', which is in it", group,
			       pci);
}

static int check_functions(const char *sysfs, const char *pci, struct err *e)
{
	char path[PATH_MAX], text[16];
	int r = device_path(sysfs, pci, "sriov_numvfs", path, e);

	if (r < 0)
		return r;
	read_line(path, text, sizeof(text));
	if (text[0] && strcmp(text, "0") != 0)
		return err_set(e, EBUSY,
			       "'%s' has %s virtual functions, which end with its driver (give "
			       "one of them: NIC/vf0)",
			       pci, text);
	return 0;
}

int vfio_usable(const char *sysfs, struct err *e)
{
	char path[PATH_MAX];

	if (is_on(sysfs, "vfio", "enable_unsafe_noiommu_mode"))
		return err_set(e, EOPNOTSUPP,
			       "vfio works without an IOMMU on this host (set "
			       "enable_unsafe_noiommu_mode of module vfio to N)");
	if (is_on(sysfs, "vfio_iommu_type1", "allow_unsafe_interrupts"))
		return err_set(e, EOPNOTSUPP,
			       "a device could send any interrupt to this host (set "
			       "allow_unsafe_interrupts of module vfio_iommu_type1 to N)");
	if (str_format(path, sizeof(path), "%s/bus/pci/drivers/" DRIVER, sysfs) < 0 ||
	    access(path, F_OK) < 0)
		return err_set(e, EOPNOTSUPP,
			       "there is no driver " DRIVER " (modprobe vfio-pci, and "
			       "/etc/modules-load.d for the next start)");
	return 0;
}

int vfio_check(const char *sysfs, const char *pci, struct err *e)
{
	struct vfio_seen seen;
	unsigned int group = 0;
	int r = vfio_look(sysfs, pci, &seen, e);

	if (r == 0)
		r = vfio_usable(sysfs, e);
	if (r == 0)
		r = vfio_group(sysfs, pci, &group, e);
	if (r == 0)
		r = check_functions(sysfs, pci, e);
	return r < 0 ? r : check_group(sysfs, pci, group, e);
}

/* --- who uses it --- */

/*
 * The kernel lets a group be opened once, and a device of it that is open, or mapped, keeps it open (6.1); older ones
 * tell in the group's status.  0 free, 1 in use.
 */
static int is_open(const char *node, struct err *e)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	auto_fd int fd = -1;

	if (fault_point("vfio.busy") < 0)
		return 1;
	fd = open(node, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == EBUSY ? 1
		       : errno == ENOENT || errno == ENODEV || errno == ENXIO
			       ? 0
			       : err_sys(e, "open '%s'", node);
	return ioctl(fd, VFIO_GROUP_GET_STATUS, &status) == 0 &&
	       (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET);
}

static bool await(uint64_t end)
{
	const struct timespec pause = { .tv_nsec = ROUND_MS * 1000000L };

	if (clk_now_us() >= end)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

int vfio_idle(const struct vfio_place *at, unsigned int group, struct err *e)
{
	uint64_t end = clk_now_us() + at->wait_ms * 1000ULL;
	struct gpu_busy who = { .n = 1 };
	char node[PATH_MAX];
	struct stat st;
	int r;

	if (str_format(node, sizeof(node), "%s/vfio/%u", at->dev, group) < 0)
		return err_set(e, ENAMETOOLONG, "look at IOMMU group %u: path too long", group);
	r = is_open(node, e);
	while (r == 1 && await(end))
		r = is_open(node, e);
	if (r <= 0)
		return r;
	if (stat(node, &st) == 0) {
		who.nodes[0] = st.st_rdev;
		if (gpu_busy_find(&who))
			return err_set(e, EBUSY, "IOMMU group %u is in use by pid %d (%s)", group,
				       (int)who.pid, who.cmd);
	}
	return err_set(e, EBUSY, "IOMMU group %u is in use", group);
}

/* --- drivers --- */

static int set_override(const char *sysfs, const char *pci, const char *driver, struct err *e)
{
	char path[PATH_MAX], text[VFIO_NAME_MAX + 2];
	int r = device_path(sysfs, pci, "driver_override", path, e);

	(void)str_format(text, sizeof(text), "%s\n", driver);
	return r < 0 ? r : path_write_sys(path, text, e);
}

/* Wait for the function to have this driver; "" none; NULL any but vfio-pci. */
static int await_driver(const struct vfio_place *at, const char *pci, const char *want,
			struct vfio_seen *seen, struct err *e)
{
	uint64_t end = clk_now_us() + at->wait_ms * 1000ULL;
	int r;

	do {
		r = vfio_look(at->sysfs, pci, seen, e);
		if (r < 0)
			return r;
		if (want ? strcmp(seen->driver, want) == 0
			 : seen->driver[0] && strcmp(seen->driver, DRIVER) != 0)
			return 0;
	} while (await(end));
	return -ETIMEDOUT;
}

static int unbind(const struct vfio_place *at, const char *pci, struct err *e)
{
	char path[PATH_MAX], text[VFIO_NAME_MAX];
	struct vfio_seen seen;
	int r = device_path(at->sysfs, pci, "driver/unbind", path, e);

	(void)str_format(text, sizeof(text), "%s\n", pci);
	if (r == 0)
		r = path_write_sys(path, text, e);
	if (r == 0)
		r = await_driver(at, pci, "", &seen, e);
	return r == -ETIMEDOUT
		       ? err_set(e, EBUSY, "driver '%s' does not let go of '%s'", seen.driver, pci)
		       : r;
}

static int probe(const struct vfio_place *at, const char *pci, struct err *e)
{
	char path[PATH_MAX], text[VFIO_NAME_MAX];

	(void)str_format(text, sizeof(text), "%s\n", pci);
	if (str_format(path, sizeof(path), "%s/bus/pci/drivers_probe", at->sysfs) < 0)
		return err_set(e, ENAMETOOLONG, "find a driver for '%s': path too long", pci);
	return path_write_sys(path, text, e);
}

int vfio_bind(const struct vfio_place *at, const char *pci, struct err *e)
{
	struct vfio_seen seen;
	int r = vfio_look(at->sysfs, pci, &seen, e);

	if (r == 0)
		r = set_override(at->sysfs, pci, DRIVER, e);
	if (r == 0 && fault_point("vfio.override") < 0)
		r = err_set(e, EIO, "bind '%s' to " DRIVER ": injected", pci);
	if (r == 0 && seen.driver[0] && strcmp(seen.driver, DRIVER) != 0)
		r = unbind(at, pci, e);
	if (r == 0 && fault_point("vfio.unbound") < 0)
		r = err_set(e, EIO, "bind '%s' to " DRIVER ": injected", pci);
	if (r == 0)
		r = probe(at, pci, e);
	if (r == 0)
		r = await_driver(at, pci, DRIVER, &seen, e);
	return r == -ETIMEDOUT
		       ? err_set(e, EIO,
				 "bind '%s' to " DRIVER ": %s%s (the kernel's log says why)", pci,
				 seen.driver[0] ? "it has driver " : "it has no driver",
				 seen.driver)
		       : r;
}

/* What a tenant left in its registers: vfio does that at the last close, but not when it meets another reset. */
static int reset(const char *sysfs, const char *pci, struct err *e)
{
	char path[PATH_MAX];
	int r = device_path(sysfs, pci, "reset", path, e);

	if (r < 0 || access(path, F_OK) < 0)
		return r;
	return path_write_sys(path, "1\n", e) < 0 ? err_wrap(e, "reset '%s'", pci) : 0;
}

/* vfio-pci lets go. */
static int leave_vfio(const struct vfio_place *at, const char *pci, struct err *e)
{
	unsigned int group;
	int r = vfio_group(at->sysfs, pci, &group, e);

	if (r == 0)
		r = vfio_idle(at, group, e);
	return r == 0 ? reset(at->sysfs, pci, e) : r;
}

int vfio_release(const struct vfio_place *at, const char *pci, const struct vfio_seen *was,
		 struct err *e)
{
	struct vfio_seen seen;
	bool ours;
	int r = vfio_look(at->sysfs, pci, &seen, e);

	if (r < 0)
		return r;
	ours = strcmp(seen.driver, DRIVER) == 0;
	if (ours)
		r = leave_vfio(at, pci, e);
	if (r == 0 && strcmp(seen.override, DRIVER) == 0)
		r = set_override(at->sysfs, pci, was->override, e);
	if (r == 0 && ours)
		r = unbind(at, pci, e);
	if (r == 0 && fault_point("vfio.released") < 0)
		r = err_set(e, EIO, "return '%s' to its driver: injected", pci);
	if (r == 0 && (ours || !seen.driver[0]))
		r = probe(at, pci, e);
	if (r == 0)
		r = await_driver(at, pci, NULL, &seen, e);
	if (r == -ETIMEDOUT)
		return err_set(e, EIO, "no driver takes '%s' back%s%s (the kernel's log says why)",
			       pci, was->driver[0] ? ", it had " : "", was->driver);
	if (r == 0 && was->driver[0] && strcmp(seen.driver, was->driver) != 0)
		return err_set(e, EIO, "'%s' has driver '%s' now, it had '%s'", pci, seen.driver,
			       was->driver);
	return r;
}
