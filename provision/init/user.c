/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The unix user of a login.  A new one gets the lines in group, shadow, gshadow and last in passwd (so that a user who
 * is found is complete), then a home and, with sudo rights, a file in /etc/sudoers.d.
 */
#include "user.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "etc.h"
#include "home.h"

#define LINE_MAX_LEN 512
#define SUDO_RULE    "%s ALL=(ALL:ALL) NOPASSWD: ALL\n"

struct work {
	int root;
	int lock; /* -1 = not taken */
	const char *name;
	struct passwd_text passwd, group;
};

static bool is_executable(int root, const char *path)
{
	struct stat st;

	return fstatat(root, path, &st, 0) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static void take_root(struct work *w, struct account *a)
{
	memset(a, 0, sizeof(*a));
	str_copy(a->name, sizeof(a->name), "root");
	str_copy(a->home, sizeof(a->home), "/root");
	str_copy(a->shell, sizeof(a->shell),
		 is_executable(w->root, "bin/bash") ? "/bin/bash" : "/bin/sh");
}

static int take_lock(struct work *w, struct err *e)
{
	if (w->lock < 0)
		w->lock = etc_lock(w->root, e);
	return w->lock < 0 ? w->lock : 0;
}

/* Read passwd and group; one that does not exist is empty. */
static int read_files(struct work *w, struct err *e)
{
	int r = etc_read(w->root, ETC_PASSWD, &w->passwd, e);

	if (r == 0 || r == -ENOENT)
		r = etc_read(w->root, ETC_GROUP, &w->group, e);
	return r == -ENOENT ? 0 : r;
}

/* Append `line` to a file unless it has one for this user. A shadow file that the image lacks is not made. */
static int add_line(struct work *w, enum etc_file f, const char *line, struct err *e)
{
	struct passwd_text t;
	int r = etc_read(w->root, f, &t, e);

	if (r == -ENOENT && f != ETC_SHADOW && f != ETC_GSHADOW)
		r = 0;
	if (r == -ENOENT || (r == 0 && passwd_has_line(t, w->name)))
		return 0;
	if (r < 0)
		return r;
	if (passwd_append(t, line, etc_out()) < 0)
		return err_set(e, EFBIG, "add '%s' to the account files: too large", w->name);
	return etc_replace(w->root, f, e);
}

/* A file system without account files: root must not vanish because another user appears. */
static int add_root(struct work *w, struct err *e)
{
	const char *name = w->name;
	struct account a;
	char line[LINE_MAX_LEN];
	int r;

	take_root(w, &a);
	w->name = "root";
	str_format(line, sizeof(line), "root:*:0:0:root:/root:%s", a.shell);
	r = w->group.n ? 0 : add_line(w, ETC_GROUP, "root:x:0:", e);
	if (r == 0)
		r = w->passwd.n ? 0 : add_line(w, ETC_PASSWD, line, e);
	w->name = name;
	return r;
}

static int add_lines(struct work *w, uint32_t uid, uint32_t gid, struct err *e)
{
	const char *shell = is_executable(w->root, "bin/bash") ? "/bin/bash" : "/bin/sh";
	struct passwd_text shadow;
	bool has_shadow = etc_read(w->root, ETC_SHADOW, &shadow, NULL) == 0;
	char line[LINE_MAX_LEN];
	int r;

	str_format(line, sizeof(line), "%s:x:%u:", w->name, gid);
	r = add_line(w, ETC_GROUP, line, e);
	/* "*": no password fits, while an sshd of the tenant's own still takes keys (it refuses "!"). */
	str_format(line, sizeof(line), "%s:*:%lld:0:99999:7:::", w->name,
		   (long long)time(NULL) / 86400);
	if (r == 0)
		r = add_line(w, ETC_SHADOW, line, e);
	str_format(line, sizeof(line), "%s:!::", w->name);
	if (r == 0)
		r = add_line(w, ETC_GSHADOW, line, e);
	str_format(line, sizeof(line), "%s:%s:%u:%u:,,,:/home/%s:%s", w->name,
		   has_shadow ? "x" : "*", uid, gid, w->name, shell);
	return r < 0 ? r : add_line(w, ETC_PASSWD, line, e);
}

static int create(struct work *w, struct err *e)
{
	struct account a;
	uint32_t uid, gid;
	int r = take_lock(w, e);

	/* Again, under the lock: another login may have been first. */
	if (r == 0)
		r = read_files(w, e);
	if (r < 0 || passwd_find(w->passwd, w->name, &a))
		return r;
	if (passwd_has_line(w->passwd, w->name))
		return err_set(
			e, EINVAL,
			"find user '%s': the line in /etc/passwd is malformed (edit it as root)",
			w->name);
	uid = passwd_free_id(w->passwd, w->group);
	if (!uid)
		return err_set(e, ENOSPC, "create user '%s': no free id from %d to %d", w->name,
			       PASSWD_ID_FIRST, PASSWD_ID_LAST);
	gid = uid;
	/* A group of that name, from a creation that was interrupted or from the image, becomes the user's. */
	if (!passwd_find_group(w->group, w->name, &gid) && passwd_has_line(w->group, w->name))
		return err_set(e, EINVAL,
			       "create user '%s': the group's line in /etc/group is malformed",
			       w->name);
	if (!w->passwd.n || !w->group.n)
		r = add_root(w, e);
	if (r == 0)
		r = add_lines(w, uid, gid, e);
	if (r == 0)
		r = read_files(w, e);
	return r;
}

static int edit_members(struct work *w, enum etc_file f, struct passwd_text t, bool add,
			struct err *e)
{
	int r = passwd_edit_member(t, "sudo", w->name, add, etc_out());

	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_ret(e, r, "change members of group 'sudo'") : etc_replace(w->root, f, e);
}

/* Put the user into group sudo (gshadow too) or take it out. */
static int edit_sudo_group(struct work *w, bool add, struct err *e)
{
	struct passwd_text t;
	int r;

	if (!passwd_has_line(w->group, "sudo") ||
	    passwd_is_member(w->group, "sudo", w->name) == add)
		return 0;
	r = take_lock(w, e);
	if (r == 0)
		r = etc_read(w->root, ETC_GROUP, &w->group, e);
	if (r == 0)
		r = edit_members(w, ETC_GROUP, w->group, add, e);
	if (r == 0)
		r = etc_read(w->root, ETC_GROUP, &w->group, e);
	if (r == 0 && etc_read(w->root, ETC_GSHADOW, &t, NULL) == 0)
		r = edit_members(w, ETC_GSHADOW, t, add, e);
	return r;
}

static int set_sudo(struct work *w, bool sudo, struct err *e)
{
	char file[STR_NAME_MAX + 32], rule[STR_NAME_MAX + 64];
	struct path_content c = { .buf = rule, .mode = 0440 };
	struct stat st;
	int r = 0;

	str_format(file, sizeof(file), "etc/sudoers.d/sshbay-%s", w->name);
	if (!sudo)
		return unlinkat(w->root, file, 0) == 0 ? edit_sudo_group(w, false, e) : 0;
	if (mkdirat(w->root, "etc/sudoers.d", 0750) < 0 && errno != EEXIST)
		return err_sys(e, "create directory '/etc/sudoers.d'");
	str_format(rule, sizeof(rule), SUDO_RULE, w->name);
	c.len = strlen(rule);
	/* What the tenant's root made of an existing rule is left alone. Logins at the same time write one temporary file. */
	if (fstatat(w->root, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = take_lock(w, e);
	if (r == 0 && fstatat(w->root, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = path_write_atomic(w->root, file, &c, e);
	return r < 0 ? r : edit_sudo_group(w, true, e);
}

static int bind_user(struct work *w, bool sudo, struct account *a, struct err *e)
{
	bool created = false;
	int r = etc_read(w->root, ETC_PASSWD, &w->passwd, e);

	if (r == 0 && passwd_find(w->passwd, w->name, a)) {
		/* An unreadable group file costs the groups, not the login. */
		(void)etc_read(w->root, ETC_GROUP, &w->group, NULL);
	} else if (r == 0 || r == -ENOENT) {
		created = true;
		r = create(w, e);
		if (r == 0 && !passwd_find(w->passwd, w->name, a))
			r = err_set(e, EIO, "create user '%s': not found afterwards", w->name);
	}
	if (r < 0)
		return err_wrap(e, "log in as '%s'", w->name);
	if (home_missing(w->root, a)) {
		r = take_lock(w, e);
		if (r == 0)
			r = home_make(w->root, a, e);
	}
	if (r == 0 && a->uid)
		r = set_sudo(w, sudo, e);
	passwd_groups(w->group, a);
	/* An existing user logs in even on a full or read-only disk. */
	return created ? r : 0;
}

int user_bind(int root, const char *name, bool sudo, struct account *a, struct err *e)
{
	struct work w = { .root = root, .lock = -1, .name = name };
	bool is_root = strcmp(name, "root") == 0;
	int r;

	memset(a, 0, sizeof(*a));
	/* Without passwd, or without a usable line: root is made up, not created. */
	if (is_root && (read_files(&w, NULL) < 0 || !passwd_find(w.passwd, name, a))) {
		take_root(&w, a);
		passwd_groups(w.group, a);
		return 0;
	}
	r = bind_user(&w, sudo, a, e);
	fd_close(&w.lock);
	return r;
}

int user_again(const struct account *was, bool sudo, struct account *a, struct err *e)
{
	auto_fd int root = path_open_dir("/", e);
	int r;

	if (root < 0)
		return root;
	r = user_bind(root, was->name, sudo, a, e);
	etc_sync(); /* nothing to do unless it was made */
	return r;
}

int user_bind_work(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_bind *b = h->request;
	auto_fd int root = path_open_dir("/", e);

	if (root < 0)
		return root;
	h->after = etc_sync;
	return user_bind(root, b->user, b->sudo, &h->report.account, e);
}
