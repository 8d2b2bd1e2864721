/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the configuration asks of this host: ids that nobody else uses, directories of the right kind, images, devices,
 * and the versions of what is installed.  Reads only.
 */
#include "doctor.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "methods.h"
#include "record.h"

#define MIB (UINT64_C(1024) * 1024)

/* --- ids ------------------------------------------------------------------------------------------------------------ */

static uint64_t ids_end(const struct settings *s)
{
	return s->storage.id_base + s->storage.id_count * s->storage.id_slots;
}

/* NAME:FIRST:COUNT lines of subuid(5). */
static void check_subids(struct doctor *d, const char *path)
{
	auto_file FILE *f = fopen(path, "re");
	char line[512], name[128];
	unsigned long long first, count;
	unsigned int clashes = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%127[^:]:%llu:%llu", name, &first, &count) != 3)
			continue;
		if (first >= ids_end(d->s) || first + count <= d->s->storage.id_base)
			continue;
		if (clashes++ < 3)
			doctor_fail(d, path, "change it, or [storage] id_base",
				    "'%s' has ids %llu to %llu, which belong to workspaces", name,
				    first, first + count - 1);
	}
	if (clashes == 0)
		doctor_ok(d, path, "leaves ids %llu to %llu alone",
			  (unsigned long long)d->s->storage.id_base,
			  (unsigned long long)ids_end(d->s) - 1);
}

static void check_passwd(struct doctor *d)
{
	auto_file FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (f && (pw = fgetpwent(f))) {
		if (pw->pw_uid >= d->s->storage.id_base && pw->pw_uid < ids_end(d->s))
			doctor_fail(d, "/etc/passwd", "change it, or [storage] id_base",
				    "user '%s' has uid %u, which belongs to workspaces",
				    pw->pw_name, (unsigned int)pw->pw_uid);
	}
}

struct slots {
	int dir;
	unsigned int used, outside, damaged;
	const struct settings *s;
};

static int count_record(void *ctx, const char *name)
{
	struct slots *n = ctx;
	struct record r;
	int fell_back;

	if (record_load(n->dir, name, &r, &fell_back, NULL) < 0) {
		n->damaged++;
		return 0;
	}
	n->used++;
	n->damaged += fell_back != 0;
	n->outside += r.slot >= n->s->storage.id_slots || r.id_base < n->s->storage.id_base;
	return 0;
}

static void check_slots(struct doctor *d)
{
	struct slots n = { .s = d->s };
	char path[PATH_MAX];
	auto_fd int fd = -1;
	struct err e;

	(void)str_format(path, sizeof(path), "%s/records", d->s->storage.state);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		doctor_ok(d, "id pool", "all %u slots are free", d->s->storage.id_slots);
		return;
	}
	n.dir = fd;
	if (record_each(fd, count_record, &n, &e) < 0)
		doctor_fail(d, "records", "look at the directory", "%s", e.text);
	if (n.damaged)
		doctor_warn(d, "records",
			    "sshbay list; the previous generation is in use where there is one",
			    "%u of them damaged", n.damaged);
	if (n.outside)
		doctor_warn(d, "id pool", "put id_base and id_slots back",
			    "%u workspaces have ids outside of it", n.outside);
	if (n.used >= d->s->storage.id_slots)
		doctor_fail(d, "id pool", "raise [storage] id_slots, or destroy --purge some",
			    "all %u slots are taken", d->s->storage.id_slots);
	else
		doctor_ok(d, "id pool", "%u of %u slots are free", d->s->storage.id_slots - n.used,
			  d->s->storage.id_slots);
}

/* --- directories and files ------------------------------------------------------------------------------------------ */

/* File systems on which an overlay's upper layer cannot be, or does not last. */
static void check_filesystem(struct doctor *d, const char *path)
{
	struct statvfs v;
	struct statfs fs;

	if (statfs(path, &fs) < 0 || statvfs(path, &v) < 0)
		return;
	if (fs.f_type == OVERLAYFS_SUPER_MAGIC || fs.f_type == NFS_SUPER_MAGIC ||
	    fs.f_type == MSDOS_SUPER_MAGIC)
		doctor_fail(d, path, "move [storage] state to ext4, xfs or btrfs",
			    "lies on a file system that cannot hold workspaces");
	else if (fs.f_type == TMPFS_MAGIC)
		doctor_warn(d, path, "move [storage] state to a disk",
			    "is in memory: a reboot loses every workspace");
	if (!(v.f_flag & ST_NOSUID) || !(v.f_flag & ST_NODEV))
		doctor_warn(d, path, "mount it nosuid,nodev",
			    "tenants' setuid and device files mean something here");
	if ((uint64_t)v.f_bavail * v.f_frsize < 1024 * MIB)
		doctor_warn(d, path, "make room", "%llu MiB are free",
			    (unsigned long long)((uint64_t)v.f_bavail * v.f_frsize / MIB));
	if (v.f_files && v.f_favail < 50000)
		doctor_warn(d, path, "make room", "%llu inodes are free",
			    (unsigned long long)v.f_favail);
}

/* `forbidden`: mode bits that must not be set. False when it is not there or not right. */
static bool check_entry(struct doctor *d, const char *path, mode_t type, mode_t forbidden)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		doctor_warn(d, path, type == S_IFDIR ? "provisiond makes it" : NULL, "%s",
			    strerror(errno));
		return false;
	}
	if ((st.st_mode & S_IFMT) != type)
		doctor_fail(d, path, "move it away", "is not a %s",
			    type == S_IFDIR ? "directory" : "file");
	else if (st.st_uid != 0)
		doctor_fail(d, path, "chown root", "belongs to uid %u", (unsigned int)st.st_uid);
	else if (st.st_mode & forbidden)
		doctor_fail(d, path, "chmod", "has mode %04o", (unsigned int)st.st_mode & 07777);
	else
		return true;
	return false;
}

static void check_directories(struct doctor *d)
{
	char path[PATH_MAX];
	struct stat st;

	if (check_entry(d, d->s->storage.state, S_IFDIR, 077))
		doctor_ok(d, d->s->storage.state, "root's alone");
	check_filesystem(d, d->s->storage.state);
	check_entry(d, d->s->storage.run, S_IFDIR, 022);
	(void)str_format(path, sizeof(path), "%s/%s/rootfs", d->s->storage.images,
			 d->s->defaults.image);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		doctor_ok(d, "image", "%s", path);
	else
		doctor_fail(d, "image", "sshbay image build makes it", "'%s' is missing at %s",
			    d->s->defaults.image, path);
	if (stat(d->s->gate.host_key, &st) == 0) {
		if (check_entry(d, d->s->gate.host_key, S_IFREG, 077))
			doctor_ok(d, "host key", "%s", d->s->gate.host_key);
	} else {
		doctor_ok(d, "host key", "%s will be made at the first start", d->s->gate.host_key);
	}
}

/* The directory part of a path that holds files: keys, the audit log. */
static void check_parent(struct doctor *d, const char *subject, const char *file)
{
	char dir[PATH_MAX];
	struct stat st;

	(void)str_copy(dir, sizeof(dir), file);
	/* keys/%u: what stands before the first %u. */
	if (strchr(dir, '%'))
		*strchr(dir, '%') = '\0';
	if (!strrchr(dir, '/'))
		return;
	strrchr(dir, '/')[dir == strrchr(dir, '/')] = '\0';
	if (stat(dir, &st) < 0)
		doctor_warn(d, subject, "mkdir it", "%s: %s", dir, strerror(errno));
	else
		doctor_ok(d, subject, "%s", file);
}

/* Files in workspaces.d that look like configuration and are not read. */
static void check_ignored(struct doctor *d)
{
	char path[PATH_MAX];
	const char *slash = strrchr(d->s->file, '/');
	auto_dir DIR *dir = NULL;
	const struct dirent *entry;

	if (str_format(path, sizeof(path), "%.*sworkspaces.d",
		       slash ? (int)(slash - d->s->file + 1) : 0, d->s->file) < 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (entry->d_name[0] != '.' &&
		    (n < 4 || strcmp(entry->d_name + n - 4, ".ini") != 0))
			doctor_warn(d, "workspaces.d", "rename or remove it",
				    "'%s' is not read: no .ini at its end", entry->d_name);
	}
}

/* --- authentication -------------------------------------------------------------------------------------------------- */

static void check_methods(struct doctor *d)
{
	bool passwords = *d->s->defaults.password;
	char path[PATH_MAX];
	struct methods m;

	if (methods_parse(d->s->auth.methods, &m, NULL) < 0)
		return;
	for (uint32_t i = 0; !passwords && i < d->s->nworkspaces; i++)
		passwords = *d->s->workspaces[i].password;
	if (methods_mention(&m, METHOD_PASSWORD) && !passwords)
		doctor_warn(d, "passwords", "mkpasswd -m yescrypt, and password = in workspaces.d",
			    "[auth] methods asks for one, and no workspace has any");
	if (!methods_mention(&m, METHOD_INTERACTIVE))
		return;
	(void)str_format(path, sizeof(path), "/etc/pam.d/%s", d->s->auth.pam_service);
	/* Without a file of its own PAM takes the service "other", which should refuse everybody. */
	if (access(path, R_OK) < 0)
		doctor_fail(d, "PAM", "install conf/sshbay.pam there",
			    "[auth] methods asks for keyboard-interactive, and there is no %s",
			    path);
	else
		check_entry(d, path, S_IFREG, 022);
}

/* --- devices -------------------------------------------------------------------------------------------------------- */

/* Highest cpu of a list that the configuration accepted; -1 for a count or nothing. */
static long highest_cpu(const char *cpus)
{
	long highest = -1, v;
	char *end;

	if (!strpbrk(cpus, ",-"))
		return -1;
	while (*cpus) {
		if (*cpus < '0' || *cpus > '9') {
			cpus++;
			continue;
		}
		v = strtol(cpus, &end, 10);
		highest = v > highest ? v : highest;
		/* Behind a colon stand used/group, which are no cpus. */
		cpus = *end == ':' ? end + strcspn(end, ",") : end;
	}
	return highest;
}

static void check_devices(struct doctor *d)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	char where[STR_NAME_MAX + 16];
	uint32_t i;

	if (*d->s->network.announce && !if_nametoindex(d->s->network.announce))
		doctor_warn(d, "announce", "correct [network] announce",
			    "there is no interface '%s'", d->s->network.announce);
	for (i = 0; i < d->s->nworkspaces; i++) {
		const struct spec *w = &d->s->workspaces[i];

		snprintf(where, sizeof(where), "workspace '%s'", w->name);
		if (highest_cpu(w->cpus) >= cpus)
			doctor_warn(d, where, "correct its cpus",
				    "cpus = %s, and this host has %ld", w->cpus, cpus);
	}
	if (highest_cpu(d->s->defaults.cpus) >= cpus)
		doctor_warn(d, "defaults", "correct its cpus", "cpus = %s, and this host has %ld",
			    d->s->defaults.cpus, cpus);
}

/* --- versions ------------------------------------------------------------------------------------------------------- */

/* Version of an installed Debian package, out of dpkg's status file. False when it is not installed. */
static bool package_version(const char *package, char *buf, size_t size)
{
	auto_file FILE *f = fopen("/var/lib/dpkg/status", "re");
	char line[1024], want[128];
	bool here = false, installed = false;

	snprintf(want, sizeof(want), "Package: %s\n", package);
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '\n')
			here = installed = false;
		else if (strcmp(line, want) == 0)
			here = true;
		else if (here && strcmp(line, "Status: install ok installed\n") == 0)
			installed = true;
		else if (here && installed && strncmp(line, "Version: ", 9) == 0) {
			line[strcspn(line, "\n")] = '\0';
			return str_copy(buf, size, line + 9) == 0;
		}
	}
	return false;
}

static void check_versions(struct doctor *d)
{
	static const char *const packages[] = { "libssh-4", "libnl-3-200", "libcgroup2",
						"libiniparser1", "libssl3" };
	char line[512] = "", version[128] = "";
	uint64_t revision = 3;
	size_t i;

	for (i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
		size_t used = strlen(line);

		if (package_version(packages[i], version, sizeof(version)))
			(void)str_format(line + used, sizeof(line) - used, "%s%s %s",
					 used ? ", " : "", packages[i], version);
	}
	doctor_ok(d, "versions", "sshbay " SSHBAY_VERSION "%s%s", *line ? ", " : "", line);
	/* The corrections of 2025 and 2026 came with deb12u3. */
	if (package_version("libssh-4", version, sizeof(version)) &&
	    strncmp(version, "0.10.6-0+deb12u", 15) == 0 &&
	    (num_u64(version + 15, 0, 1000, &revision, NULL) < 0 || revision < 3))
		doctor_fail(d, "libssh", "apt upgrade libssh-4", "%s has known holes", version);
}

void doctor_host(struct doctor *d)
{
	check_versions(d);
	if (!d->s)
		return;
	check_subids(d, "/etc/subuid");
	check_subids(d, "/etc/subgid");
	check_passwd(d);
	check_slots(d);
	check_directories(d);
	check_parent(d, "authorized keys", d->s->gate.authorized_keys);
	if (*d->s->log.audit)
		check_parent(d, "audit log", d->s->log.audit);
	check_ignored(d);
	check_methods(d);
	check_devices(d);
}
