/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* local_cpulist and numa_node of PCI devices. Pure but for the reading of sysfs. */
#include "numa.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define CPUS_MAX  8192
#define BITS      (CPUS_MAX / 8)
#define NODES_MAX 256

/* "0-3,8" as bits. false: no such list. */
static bool parse(const char *text, uint8_t bits[BITS])
{
	memset(bits, 0, BITS);
	while (*text) {
		char *end;
		unsigned long first, last;

		if (*text < '0' || *text > '9')
			return false;
		first = last = strtoul(text, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= CPUS_MAX || (*end && *end != ','))
			return false;
		for (; first <= last; first++)
			bits[first / 8] |= (uint8_t)(1U << first % 8);
		text = *end ? end + 1 : end;
	}
	return true;
}

static bool has(const uint8_t *bits, unsigned int cpu)
{
	return bits[cpu / 8] & (1U << cpu % 8);
}

static int print(const uint8_t *bits, struct numa *out)
{
	size_t used = 0;

	out->cpus[0] = '\0';
	out->count = 0;
	for (unsigned int c = 0; c < CPUS_MAX; c++) {
		unsigned int first = c;

		if (!has(bits, c))
			continue;
		while (c + 1 < CPUS_MAX && has(bits, c + 1))
			c++;
		if (str_format(out->cpus + used, sizeof(out->cpus) - used, "%s%u-%u",
			       used ? "," : "", first, c) < 0)
			return -E2BIG;
		used = strlen(out->cpus);
		out->count += c - first + 1;
	}
	return 0;
}

static int read_file(const char *sysfs, const char *rest, char *buf, size_t size)
{
	char path[PATH_MAX];
	struct err ignored;
	size_t len;
	int r = str_format(path, sizeof(path), "%s/%s", sysfs, rest);

	r = r < 0 ? r : path_read(AT_FDCWD, path, buf, size, &len, &ignored);
	if (r == 0)
		buf[strcspn(buf, "\n")] = '\0';
	return r;
}

int numa_local(const char *sysfs, const char *pci, struct numa *out, struct err *e)
{
	uint8_t local[BITS], online[BITS];
	char text[4096], rest[96];
	uint64_t node;
	int r;

	*out = (struct numa){ .node = -1 };
	(void)str_format(rest, sizeof(rest), "bus/pci/devices/%s/local_cpulist", pci);
	r = read_file(sysfs, rest, text, sizeof(text));
	if (r < 0)
		return err_set(e, ENODEV, "find the cpus near '%s': no such PCI device", pci);
	if (!parse(text, local))
		return err_set(e, EBADMSG, "find the cpus near '%s': local_cpulist is no list",
			       pci);
	if (read_file(sysfs, "devices/system/cpu/online", text, sizeof(text)) == 0 &&
	    parse(text, online))
		for (unsigned int i = 0; i < BITS; i++)
			local[i] &= online[i];
	(void)str_format(rest, sizeof(rest), "bus/pci/devices/%s/numa_node", pci);
	if (read_file(sysfs, rest, text, sizeof(text)) == 0 &&
	    num_u64(text, 0, 1023, &node, NULL) == 0)
		out->node = (int)node;
	if (print(local, out) < 0)
		return err_set(e, E2BIG, "find the cpus near '%s': too many ranges (list them)",
			       pci);
	return out->count ? 0 : err_set(e, ENODATA, "find the cpus near '%s': none is online", pci);
}

bool numa_overlap(const char *a, const char *b)
{
	uint8_t x[BITS], y[BITS];

	if (!parse(a, x) || !parse(b, y))
		return false;
	for (unsigned int i = 0; i < BITS; i++)
		if (x[i] & y[i])
			return true;
	return false;
}

int numa_node_of(const char *sysfs, const char *cpus)
{
	uint8_t wanted[BITS], node[BITS], with[BITS];
	char text[4096], rest[64];

	if (!parse(cpus, wanted) ||
	    read_file(sysfs, "devices/system/node/has_memory", text, sizeof(text)) < 0 ||
	    !parse(text, with))
		return -1;
	for (unsigned int n = 0; n < NODES_MAX; n++) {
		bool all = true;

		(void)str_format(rest, sizeof(rest), "devices/system/node/node%u/cpulist", n);
		if (!has(with, n) || read_file(sysfs, rest, text, sizeof(text)) < 0 ||
		    !parse(text, node))
			continue;
		for (unsigned int i = 0; i < BITS; i++)
			all &= !(wanted[i] & ~node[i]);
		if (all)
			return (int)n;
	}
	return -1;
}
