// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a workspace can do with huge pages and with a device of vfio, tried out from inside as an ordinary user would.
 * Static: it runs in whatever root.  One word, or what the kernel said, per line.
 *
 *   map PATH MIB PAGES     map a file of that many pages of MIB and write to each page
 *   anon | memfd           take one huge page of 2 MiB without any mount
 *   vfio GROUP PCI [hold]  open the group, map memory for DMA, open the device, read its vendor, reset it; then stay
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1UL << 20)
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int map(const char *path, unsigned long mib, unsigned long pages)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	volatile char *at;

	if (fd < 0)
		return failed("open");
	at = mmap(NULL, mib * pages * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return failed("map");
	for (unsigned long i = 0; i < pages; i++)
		at[i * mib * MIB] = 1;
	printf("mapped %lu\n", pages);
	return 0;
}

static int anon(int fd, int flags)
{
	volatile char *at = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		return failed("map");
	at[0] = 1;
	printf("mapped 1\n");
	return 0;
}

static int map_dma(int container)
{
	struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
					      .flags = VFIO_DMA_MAP_FLAG_READ |
						       VFIO_DMA_MAP_FLAG_WRITE,
					      .size = 64 * MIB };
	void *at = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	m.vaddr = (uintptr_t)at;
	if (at == MAP_FAILED || ioctl(container, VFIO_IOMMU_MAP_DMA, &m) < 0)
		return failed("dma");
	printf("dma\n");
	return 0;
}

static int use_device(int device)
{
	struct vfio_region_info r = { .argsz = sizeof(r), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	unsigned char vendor[2];

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &r) < 0 ||
	    pread(device, vendor, 2, (off_t)r.offset) != 2)
		return failed("config");
	printf("vendor %02x%02x\n", vendor[1], vendor[0]);
	if (ioctl(device, VFIO_DEVICE_RESET) < 0)
		return failed("reset");
	printf("reset\n");
	return 0;
}

static int vfio(const char *group_name, const char *pci, int hold)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container = open("/dev/vfio/vfio", O_RDWR), group, device;
	char path[64];

	if (container < 0)
		return failed("container");
	snprintf(path, sizeof(path), "/dev/vfio/%s", group_name);
	group = open(path, O_RDWR);
	if (group < 0)
		return failed("group");
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return failed("status");
	printf("%s\n", status.flags & VFIO_GROUP_FLAGS_VIABLE ? "viable" : "not viable");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return failed("iommu");
	if (map_dma(container))
		return 1;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, pci);
	if (device < 0)
		return failed("device");
	if (use_device(device))
		return 1;
	fflush(stdout);
	/* A device that is open keeps its group in use after the group's own descriptor is closed. */
	close(group);
	while (hold)
		pause();
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "map") && argc == 5)
		return map(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	if (!strcmp(what, "anon"))
		return anon(-1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
	if (!strcmp(what, "memfd"))
		return anon(memfd_create("x", MFD_HUGETLB), MAP_SHARED);
	if (!strcmp(what, "vfio") && argc >= 4)
		return vfio(argv[2], argv[3], argc > 4);
	fprintf(stderr, "usage: direct_probe map PATH MIB PAGES | anon | memfd | vfio GROUP PCI "
			"[hold]\n");
	return 2;
}
