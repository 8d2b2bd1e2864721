/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshbay doctor: which way `disk` is kept on the store's file system, and what would be better.  Only looks.
 */
#include "doctor.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "disk_image.h"
#include "disk_quota.h"

#define EXT_MAGIC 0xef53
#define XFS_MAGIC 0x58465342

static bool wanted(const struct settings *s)
{
	bool any = s->defaults.disk != SETTINGS_UNLIMITED;

	for (uint32_t i = 0; i < s->nworkspaces; i++)
		any |= s->workspaces[i].disk != SETTINGS_UNLIMITED;
	return any;
}

static const char *how(long type)
{
	if (type == EXT_MAGIC)
		return "project quotas would cost nothing: tune2fs -O project -Q prjquota while it "
		       "is not mounted, mount "
		       "option prjquota";
	if (type == XFS_MAGIC)
		return "project quotas would cost nothing: mount option prjquota";
	return "project quotas of ext4 or xfs would cost nothing";
}

static void images(struct doctor *d, const char *path, long type)
{
	const char *missing = disk_image_missing();

	if (missing && wanted(d->s))
		doctor_fail(d, "disk", how(type),
			    "%s has no project quotas, and images cannot be made: %s", path,
			    missing);
	else if (missing)
		doctor_ok(d, "disk",
			  "%s has no project quotas, and %s: the key disk cannot be used", path,
			  missing);
	else
		doctor_ok(d, "disk", "limited by an image for each workspace, %s; %s",
			  d->s->storage.reserve_disk ? "its space taken at once"
						     : "which grows with use",
			  how(type));
}

void doctor_disk(struct doctor *d)
{
	const char *path = d->s ? d->s->storage.state : "";
	auto_fd int fd = d->s ? path_open_dir(path, NULL) : -1;
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return;
	if (disk_quota_on(fd))
		doctor_ok(d, "disk", "limited by project quotas of %s", path);
	else
		images(d, path, fs.f_type);
}
