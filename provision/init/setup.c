/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First configuration of a workspace at each start. A user's own file is never touched. */
#include "setup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "etc.h"
#include "private_dir.h"

#define LINKER_FILE "etc/ld.so.conf.d/00-sshbay.conf"

static void replace(int root, const char *file, const char *text, mode_t mode)
{
	const struct path_content c = { .buf = text, .len = strlen(text), .mode = mode };

	(void)path_write_atomic(root, file, &c, NULL);
}

static void write_hostname(int root, const char *name)
{
	char text[STR_NAME_MAX + 1], old[STR_NAME_MAX + 8];
	size_t n;

	str_format(text, sizeof(text), "%s\n", name);
	if (path_read(root, "etc/hostname", old, sizeof(old), &n, NULL) == 0 &&
	    strcmp(old, text) == 0)
		return;
	replace(root, "etc/hostname", text, 0644);
}

/* May /etc/resolv.conf be replaced? */
static bool resolv_is_ours(int root)
{
	char old[sizeof(SETUP_MARK)];
	auto_fd int fd = openat(root, "etc/resolv.conf",
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 &&
	    errno ==
		    ELOOP) /* a link: to a resolver's file, unless that resolver does not run here */
		return fstatat(root, "etc/resolv.conf", &st, 0) < 0;
	if (fd < 0)
		return errno == ENOENT;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = read(fd, old, sizeof(old));
	if (n <= 0)
		return n == 0;
	return n == (ssize_t)sizeof(old) && memcmp(old, SETUP_MARK "\n", sizeof(old)) == 0;
}

static void write_resolv(int root, const char *text)
{
	char full[sizeof(SETUP_MARK) + sizeof(((struct init_setup *)0)->resolv_conf)];

	if (!text[0] || !resolv_is_ours(root))
		return;
	str_format(full, sizeof(full), "%s%s",
		   strncmp(text, SETUP_MARK "\n", sizeof(SETUP_MARK)) ? SETUP_MARK "\n" : "", text);
	replace(root, "etc/resolv.conf", full, 0644);
}

static void write_machine_id(int root)
{
	char old[64], text[34];
	uint8_t id[16];
	size_t n;
	int r = path_read(root, "etc/machine-id", old, sizeof(old), &n, NULL);

	if ((r < 0 && r != -ENOENT) || (r == 0 && n && strcmp(old, "uninitialized\n") != 0))
		return;
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return;
	id[6] = (id[6] & 0x0f) | 0x40; /* a version 4 UUID, as machine-id(5) says */
	id[8] = (id[8] & 0x3f) | 0x80;
	str_hex(id, sizeof(id), text);
	text[32] = '\n';
	text[33] = '\0';
	replace(root, "etc/machine-id", text, 0444);
}

/* /run is new at each start; without this file who(1) shows nobody. */
static void make_utmp(int root)
{
	auto_fd int fd = openat(root, "run/utmp",
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0664);
	struct passwd_text group;
	uint32_t gid = 0;

	if (fd < 0)
		return;
	if (etc_read(root, ETC_GROUP, &group, NULL) == 0 && passwd_find_group(group, "utmp", &gid))
		(void)!fchown(fd, 0, gid);
	(void)fchmod(fd, gid ? 0664 : 0644);
}

/*
 * Libraries that the host shows: their folders for the dynamic linker, and its cache anew. A system without ldconfig
 * (musl) looks into fixed folders instead. Without libraries our file goes, and a cache that is too rich does no harm.
 */
static void update_linker(int root)
{
	static const char *const ldconfig[] = { "/sbin/ldconfig", NULL };
	char text[8192];
	size_t n;

	if (path_read(root, "run/sshbay/ld.so.conf", text, sizeof(text), &n, NULL) < 0) {
		(void)unlinkat(root, LINKER_FILE, 0);
		return;
	}
	replace(root, LINKER_FILE, text, 0644);
	(void)proc_run(ldconfig, NULL, NULL);
}

void setup_files(int root, const struct init_setup *s)
{
	write_hostname(root, s->hostname);
	write_resolv(root, s->resolv_conf);
	write_machine_id(root);
	make_utmp(root);
	update_linker(root);
}

int setup_work(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_setup *s = h->request;
	auto_fd int root = -1;

	if (!str_is_name(s->hostname, strlen(s->hostname)))
		return err_set(e, EINVAL, "set host name: not a workspace name");
	if (sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_sys(e, "set host name '%s'", s->hostname);
	root = path_open_dir("/", e);
	if (root < 0)
		return root;
	setup_files(root, s);
	private_dir_sweep();
	return 0;
}
