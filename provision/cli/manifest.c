/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Under which circumstances was it measured?  Read from the host's sysfs and /proc; nothing is changed.  Runs in sshbay.
 */
#include "manifest.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/num.h"
#include "base/path.h"

/* The first line of sysfs/dir/name, "" if there is none. */
static void read_line(const char *path, char *buf, size_t size)
{
	char text[256];
	size_t len;

	buf[0] = '\0';
	if (path_read(AT_FDCWD, path, text, sizeof(text), &len, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	(void)str_copy(buf, size, text);
}

/* 0000:29:00.0 and nothing else: it becomes part of a path. */
static bool is_pci(const char *s)
{
	static const char form[] = "xxxx:xx:xx.x";

	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)s[i]) : s[i] != form[i])
			return false;
	return s[sizeof(form) - 1] == '\0';
}

static void fill_nic(struct manifest_nic *n, const char *sysfs, const struct pair_end *end)
{
	const struct pair_facts *f = &end->facts;
	char path[PATH_MAX + 128], target[PATH_MAX], text[32];
	ssize_t len;
	uint64_t node;

	*n = (struct manifest_nic){ .numa = -1 };
	(void)str_copy(n->driver, sizeof(n->driver),
		       end->ws.nic_driver[0] ? end->ws.nic_driver : f->driver);
	/* What provisiond says goes before what a tenant says. */
	(void)str_copy(n->firmware, sizeof(n->firmware),
		       end->ws.nic_firmware[0] ? end->ws.nic_firmware : f->firmware);
	if (!is_pci(f->device))
		return;
#define AT(name)                                                                                   \
	(void)str_format(path, sizeof(path), "%s/bus/pci/devices/%s/" name, sysfs, f->device)
	AT("driver");
	len = readlink(path, target, sizeof(target) - 1);
	if (len > 0) {
		target[len] = '\0';
		(void)str_copy(n->driver, sizeof(n->driver),
			       strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	}
	AT("current_link_speed");
	read_line(path, n->link_speed, sizeof(n->link_speed));
	AT("current_link_width");
	read_line(path, n->link_width, sizeof(n->link_width));
	AT("local_cpulist");
	read_line(path, n->cpus, sizeof(n->cpus));
	AT("numa_node");
	read_line(path, text, sizeof(text));
#undef AT
	if (num_u64(text, 0, 4096, &node, NULL) == 0)
		n->numa = (int)node;
}

/* "model name" of the first processor. */
static void fill_cpu(struct manifest *m)
{
	char line[512];
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		value[strcspn(value, "\n")] = '\0';
		(void)str_copy(m->cpu, sizeof(m->cpu), value + 1 + strspn(value + 1, " "));
		break;
	}
	if (f)
		(void)fclose(f);
}

void manifest_fill(struct manifest *m, const char *sysfs, const struct pair_end ends[2])
{
	char path[PATH_MAX + 128];
	struct utsname u;

	*m = (struct manifest){ .cpus_online = sysconf(_SC_NPROCESSORS_ONLN) };
	if (uname(&u) == 0)
		(void)str_format(m->kernel, sizeof(m->kernel), "%s", u.release);
	(void)str_format(path, sizeof(path), "%s/devices/system/cpu/cpu0/cpufreq/scaling_governor",
			 sysfs);
	read_line(path, m->governor, sizeof(m->governor));
	fill_cpu(m);
	for (int i = 0; i < 2; i++)
		fill_nic(&m->nics[i], sysfs, &ends[i]);
}

bool manifest_cpu(uint64_t *busy, uint64_t *total)
{
	uint64_t v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "re");
	int n = f ? fscanf(f,
			   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
		  : 0;

	if (f)
		(void)fclose(f);
	*total = 0;
	for (int i = 0; i < 8; i++)
		*total += v[i];
	/* Idle, and waiting for a disk. */
	*busy = *total - v[3] - v[4];
	return n == 8;
}
