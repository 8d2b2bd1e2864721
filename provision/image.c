// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Images on disk.  Needs no provisiond: what is used is read from the workspaces' own links, and a removal hides the
 * version before it looks again, so that a workspace made meanwhile either shows its link by then or finds no image
 * (rootfs_up looks again after it has made the link).
 */
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "conf.h"

#define IMAGES_MAX  1024
#define HIDDEN      ".removed." /* before the version's name, while its files go */
#define NAME_BYTES  40
#define NAME_LETTER "abcdefghijklmnopqrstuvwxyz0123456789"

bool image_is_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAME_BYTES && strchr(NAME_LETTER, name[0]) &&
	       strspn(name, NAME_LETTER "._-") == n;
}

static int open_images(const struct settings *s, struct err *e)
{
	int fd = open(s->storage.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open the images '%s'", s->storage.images) : fd;
}

/* --- who uses what --- */

/* Count the workspaces whose files lie on image->version. */
static int count_users(const struct settings *s, struct image *image, struct err *e)
{
	char path[PATH_MAX], used[IMAGE_NAME_MAX + 1];
	auto_dir DIR *dir = NULL;
	struct dirent *d;
	ssize_t n;

	image->users = 0;
	image->user[0] = '\0';
	if (str_format(path, sizeof(path), "%s/workspaces", s->storage.state))
		return err_set(e, ENAMETOOLONG, "open '%s/workspaces': name too long",
			       s->storage.state);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", path);
	while ((d = readdir(dir))) {
		if (!str_is_name(d->d_name, strlen(d->d_name)) ||
		    str_format(path, sizeof(path), "%s/image", d->d_name))
			continue;
		n = readlinkat(dirfd(dir), path, used, sizeof(used));
		if (n < 0 || (size_t)n >= sizeof(used))
			continue;
		used[n] = '\0';
		if (strcmp(used, image->version) != 0)
			continue;
		if (image->users++ == 0)
			(void)str_copy(image->user, sizeof(image->user), d->d_name);
	}
	return 0;
}

/* --- one version --- */

static void ignore_problem(void *ctx, unsigned int line, const char *section, const char *key,
			   const char *reason)
{
	(void)ctx, (void)line, (void)section, (void)key, (void)reason;
}

static const char *manifest_value(const struct conf *c, const char *key)
{
	const struct conf_entry *entry = conf_find(c, "image", key);

	return entry ? entry->value : "";
}

/* What the manifest says; an image without one, or with a damaged one, is still an image. */
static void read_manifest(const struct settings *s, struct image *image)
{
	struct conf *c = NULL;
	char path[PATH_MAX];
	struct tm tm = { 0 };

	if (str_format(path, sizeof(path), "%s/%s/manifest", s->storage.images, image->version))
		return;
	(void)conf_load(path, &c, ignore_problem, NULL);
	if (!c)
		return;
	if (*manifest_value(c, "source"))
		(void)str_format(image->origin, sizeof(image->origin), "%s",
				 manifest_value(c, "source"));
	else if (*manifest_value(c, "suite"))
		(void)str_format(image->origin, sizeof(image->origin), "Debian %s",
				 manifest_value(c, "suite"));
	(void)num_u64(manifest_value(c, "bytes"), 0, UINT64_MAX, &image->bytes, NULL);
	if (strptime(manifest_value(c, "created"), "%Y-%m-%dT%H:%M:%SZ", &tm))
		image->created = (uint64_t)timegm(&tm);
	conf_free(c);
}

/* Fill *image from the directory `version`. false: it is none. */
static bool look(const struct settings *s, int images, const char *version, struct image *image)
{
	char path[PATH_MAX], link[IMAGE_NAME_MAX + 1];
	struct stat st;
	ssize_t n;

	memset(image, 0, sizeof(*image));
	if (version[0] == '.' || str_copy(image->version, sizeof(image->version), version) ||
	    str_copy(image->name, sizeof(image->name), version) ||
	    str_format(path, sizeof(path), "%s/rootfs", version) ||
	    fstatat(images, path, &st, 0) < 0 || !S_ISDIR(st.st_mode))
		return false;
	image->name[strcspn(image->name, "@")] = '\0';
	if (!image_is_name(image->name))
		return false;
	image->created = (uint64_t)st.st_mtime;
	read_manifest(s, image);
	n = readlinkat(images, image->name, link, sizeof(link));
	image->current = n < 0 ? strcmp(image->name, version) == 0
			       : (size_t)n == strlen(version) && !strncmp(link, version, (size_t)n);
	return true;
}

/* --- all --- */

static int by_name_and_age(const void *a, const void *b)
{
	const struct image *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->version, y->version);
}

int image_list(const struct settings *s, struct image **out, struct err *e)
{
	struct image *list = calloc(IMAGES_MAX, sizeof(*list));
	auto_dir DIR *dir = opendir(s->storage.images);
	struct dirent *d;
	int n = 0, ret = 0;

	*out = list;
	if (!list)
		return err_set(e, ENOMEM, "list the images: out of memory");
	if (!dir && errno != ENOENT)
		ret = err_sys(e, "open the images '%s'", s->storage.images);
	while (dir && ret == 0 && (d = readdir(dir))) {
		struct stat st;

		/* Links are names of versions, not versions. */
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode) || !look(s, dirfd(dir), d->d_name, &list[n]))
			continue;
		ret = count_users(s, &list[n], e);
		if (++n == IMAGES_MAX)
			break;
	}
	if (ret < 0) {
		free(list);
		*out = NULL;
		return ret;
	}
	qsort(list, (size_t)n, sizeof(*list), by_name_and_age);
	return n;
}

/* --- removal --- */

static int refuse_used(const struct image *image, struct err *e)
{
	if (image->users == 1)
		return err_set(e, EBUSY,
			       "remove image '%s': the files of workspace '%s' lie on it (sshbay "
			       "destroy --purge %s)",
			       image->version, image->user, image->user);
	return err_set(e, EBUSY,
		       "remove image '%s': the files of %u workspaces lie on it, of '%s' for one "
		       "(sshbay image list)",
		       image->version, image->users, image->user);
}

/* The link to what is gone: to the newest version that is left. */
static int move_link(const struct settings *s, int images, const struct image *gone, struct err *e)
{
	struct image *list = NULL;
	const char *newest = NULL;
	char fresh[IMAGE_NAME_MAX + 8];
	int ret = 0, n = image_list(s, &list, e);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		if (strcmp(list[i].name, gone->name) == 0)
			newest = list[i].version;
	if (!newest) {
		if (unlinkat(images, gone->name, 0) < 0 && errno != ENOENT)
			ret = err_sys(e, "remove the link '%s'", gone->name);
	} else {
		(void)str_format(fresh, sizeof(fresh), ".%s.link", gone->name);
		(void)unlinkat(images, fresh, 0);
		if (symlinkat(newest, images, fresh) < 0 ||
		    renameat(images, fresh, images, gone->name) < 0)
			ret = err_sys(e, "point image '%s' at '%s'", gone->name, newest);
	}
	free(list);
	return ret;
}

/* What was hidden: back when somebody uses it, else its files go. Also what an earlier removal left half-way. */
static void settle_hidden(const struct settings *s, int images)
{
	int copy = fcntl(images, F_DUPFD_CLOEXEC, 0);
	auto_dir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;

	if (!dir) {
		fd_close(&copy);
		return;
	}
	rewinddir(dir);
	while ((d = readdir(dir))) {
		const char *version = d->d_name + strlen(HIDDEN);
		struct image image = { 0 };

		if (strncmp(d->d_name, HIDDEN, strlen(HIDDEN)) != 0 ||
		    str_copy(image.version, sizeof(image.version), version) ||
		    count_users(s, &image, NULL) < 0)
			continue;
		if (image.users > 0)
			(void)renameat2(images, d->d_name, images, version, RENAME_NOREPLACE);
		else
			(void)path_remove_tree(images, d->d_name, NULL);
	}
}

/* What builds an image of this name holds it (scripts/mkrootfs). fd. */
static int lock_name(int images, const char *name, struct err *e)
{
	char file[IMAGE_NAME_MAX + 8];
	auto_fd int fd = -1;

	(void)str_format(file, sizeof(file), ".%s.lock", name);
	fd = openat(images, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "lock image '%s'", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_set(e, EBUSY,
					 "remove image '%s': one of that name is being built", name)
			       : err_sys(e, "lock image '%s'", name);
	return fd_take(&fd);
}

int image_remove(const struct settings *s, const char *version, struct err *e)
{
	auto_fd int images = open_images(s, e), name = -1;
	char hidden[IMAGE_NAME_MAX + sizeof(HIDDEN)];
	struct image image;
	bool linked;
	int ret;

	if (images < 0)
		return images;
	/* One removal at a time: what another one has hidden may have to come back. */
	if (flock(images, LOCK_EX) < 0)
		return err_sys(e, "lock the images '%s'", s->storage.images);
	if (strchr(version, '/') || !look(s, images, version, &image))
		return err_set(e, ENOENT, "remove image '%s': no such image (sshbay image list)",
			       version);
	name = lock_name(images, image.name, e);
	if (name < 0)
		return name;
	ret = count_users(s, &image, e);
	if (ret < 0 || image.users > 0)
		return ret < 0 ? ret : refuse_used(&image, e);
	(void)str_format(hidden, sizeof(hidden), HIDDEN "%s", version);
	if (renameat2(images, version, images, hidden, RENAME_NOREPLACE) < 0)
		return err_sys(e, "remove image '%s'", version);
	ret = count_users(s, &image, e);
	if (ret < 0 || image.users > 0) {
		if (renameat2(images, hidden, images, version, RENAME_NOREPLACE) < 0)
			return err_sys(e, "put image '%s' back (it is '%s' now)", version, hidden);
		return ret < 0 ? ret : refuse_used(&image, e);
	}
	linked = image.current && strcmp(image.name, version) != 0;
	ret = linked ? move_link(s, images, &image, e) : 0;
	if (ret == 0)
		ret = path_remove_tree(images, hidden, e);
	settle_hidden(s, images);
	return ret;
}
