/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files: every failing system call of an atomic write leaves the old content and no temporary file; a tree is removed
 * without touching anything outside of it.  path.c is compiled in here with its fault points on.
 */
#define SSHBAY_FAULTS 1
#include "provision/base/fault.c"
#include "provision/base/path.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct fixture {
	char dir[64];
	int fd;
};

static int setup(void **state)
{
	static struct fixture f;

	(void)unsetenv("SSHBAY_FAULT");
	strcpy(f.dir, "/tmp/sshbay-test-path-XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;
	int r = path_remove_tree(AT_FDCWD, "x/", &e);

	assert_int_equal(r, -EINVAL);
	(void)close(f->fd);
	f->fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = path_remove_tree(f->fd, strrchr(f->dir, '/') + 1, &e);
	if (r < 0)
		print_error("%s\n", e.text);
	(void)close(f->fd);
	return r;
}

static unsigned int count_entries(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void put(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void expect(int dirfd, const char *name, const char *text)
{
	char buf[256];
	size_t len;
	struct err e;

	if (path_read(dirfd, name, buf, sizeof(buf), &len, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf, text);
	assert_int_equal(len, strlen(text));
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct stat st;
	struct err e;
	mode_t mask = umask(0077);

	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "one", 3, 0644, true }, &e),
		0);
	umask(mask);
	expect(f->fd, "a", "one");
	assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "", 0, 0600, false }, &e), 0);
	expect(f->fd, "a", "");
	assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* A leftover of a killed writer does not stand in the way. */
	put(f->fd, ".a.new", "half");
	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "two", 3, 0600, true }, &e),
		0);
	expect(f->fd, "a", "two");
	assert_int_equal(count_entries(f->fd), 1);
	/* Below a directory, and by absolute name. */
	assert_int_equal(mkdirat(f->fd, "d", 0755), 0);
	assert_int_equal(path_write_atomic(f->fd, "d/b",
					   &(struct path_content){ "three", 5, 0600, true }, &e),
			 0);
	expect(f->fd, "d/b", "three");
	(void)snprintf(path, sizeof(path), "%s/d/c", f->dir);
	assert_int_equal(path_write_atomic(AT_FDCWD, path,
					   &(struct path_content){ "four", 4, 0600, true }, &e),
			 0);
	expect(f->fd, "d/c", "four");
	/* Over a symbolic link: the link is replaced, its target is not. */
	assert_int_equal(symlinkat("a", f->fd, "l"), 0);
	assert_int_equal(
		path_write_atomic(f->fd, "l", &(struct path_content){ "five", 4, 0600, false }, &e),
		0);
	expect(f->fd, "a", "two");
	expect(f->fd, "l", "five");
	assert_int_equal(path_write_atomic(f->fd, "none/x",
					   &(struct path_content){ "y", 1, 0600, false }, &e),
			 -ENOENT);
	assert_string_equal(e.text, "write 'none/x': No such file or directory");
	assert_int_equal(
		path_write_atomic(f->fd, "d", &(struct path_content){ "y", 1, 0600, false }, &e),
		-EISDIR);
	assert_int_equal(
		path_write_atomic(f->fd, "d/", &(struct path_content){ "y", 1, 0600, false }, &e),
		-EINVAL);
	assert_int_equal(
		path_write_atomic(f->fd, "", &(struct path_content){ "y", 1, 0600, false }, &e),
		-EINVAL);
}

static void test_write_faults(void **state)
{
	static const char *const points[] = { "path.create", "path.write", "path.fsync",
					      "path.rename" };
	struct fixture *f = *state;
	char fault_text[64];
	struct err e;

	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "old", 3, 0600, true }, &e),
		0);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		unsigned int fds = count_fds();

		(void)snprintf(fault_text, sizeof(fault_text), "%s=ENOSPC", points[i]);
		setenv("SSHBAY_FAULT", fault_text, 1);
		assert_int_equal(path_write_atomic(f->fd, "a",
						   &(struct path_content){ "new", 3, 0600, true },
						   &e),
				 -ENOSPC);
		assert_string_equal(e.text, "write 'a': No space left on device");
		unsetenv("SSHBAY_FAULT");
		expect(f->fd, "a", "old");
		assert_int_equal(count_entries(f->fd), 1);
		assert_int_equal(count_fds(), fds);
	}
	/* The directory's sync comes after the rename: the new content is there, its durability is not. */
	setenv("SSHBAY_FAULT", "path.syncdir=EIO", 1);
	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "new", 3, 0600, true }, &e),
		-EIO);
	unsetenv("SSHBAY_FAULT");
	expect(f->fd, "a", "new");
	assert_int_equal(count_entries(f->fd), 1);
}

/* Killed at every point: afterwards the old or the new content, whole; and the next write works. */
static void test_write_killed(void **state)
{
	struct fixture *f = *state;
	char fault_text[32];
	struct err e;
	int killed = 0;

	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "old", 3, 0600, true }, &e),
		0);
	for (unsigned int nth = 1;; nth++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			(void)snprintf(fault_text, sizeof(fault_text), "#%u=kill", nth);
			setenv("SSHBAY_FAULT", fault_text, 1);
			passed = 0;
			_exit(path_write_atomic(f->fd, "a",
						&(struct path_content){ "new", 3, 0600, true }, &e)
				      ? 1
				      : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			break;
		}
		killed++;
		/* Only the last point, the directory's sync, comes after the rename. */
		expect(f->fd, "a", nth < 5 ? "old" : "new");
		assert_int_equal(path_write_atomic(f->fd, "a",
						   &(struct path_content){ "old", 3, 0600, true },
						   &e),
				 0);
		assert_int_equal(count_entries(f->fd), 1);
	}
	assert_int_equal(killed, 5);
}

/* A real short disk: the limit on file size makes write(2) stop half way. */
static void test_write_short(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small = { 1000, RLIM_INFINITY };
	char big[5000];
	struct err e;

	memset(big, 'x', sizeof(big));
	assert_int_equal(
		path_write_atomic(f->fd, "a", &(struct path_content){ "old", 3, 0600, true }, &e),
		0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(path_write_atomic(f->fd, "a",
					   &(struct path_content){ big, sizeof(big), 0600, true },
					   &e),
			 -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	expect(f->fd, "a", "old");
	assert_int_equal(count_entries(f->fd), 1);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	char buf[8];
	size_t len = 99;
	struct err e;

	put(f->fd, "seven", "1234567");
	put(f->fd, "eight", "12345678");
	assert_int_equal(path_read(f->fd, "seven", buf, sizeof(buf), &len, &e), 0);
	assert_int_equal(len, 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(path_read(f->fd, "eight", buf, sizeof(buf), &len, &e), -EFBIG);
	assert_int_equal(path_read(f->fd, "none", buf, sizeof(buf), &len, &e), -ENOENT);
	assert_int_equal(symlinkat("seven", f->fd, "link"), 0);
	assert_int_equal(path_read(f->fd, "link", buf, sizeof(buf), &len, &e), -ELOOP);
	assert_int_equal(mkfifoat(f->fd, "fifo", 0600), 0);
	assert_int_equal(path_read(f->fd, "fifo", buf, sizeof(buf), &len, &e), -EINVAL);
	assert_string_equal(e.text, "read 'fifo': not a regular file");
	assert_int_equal(mkdirat(f->fd, "dir", 0755), 0);
	assert_int_equal(path_read(f->fd, "dir", buf, sizeof(buf), &len, &e), -EINVAL);
}

static void test_mkdirs(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct stat st;
	struct err e;
	mode_t mask = umask(0077);

	(void)snprintf(path, sizeof(path), "%s//x/y///z/", f->dir);
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* An existing one keeps its mode. */
	assert_int_equal(path_mkdirs(path, 0700, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	put(f->fd, "file", "");
	(void)snprintf(path, sizeof(path), "%s/file", f->dir);
	assert_int_equal(path_mkdirs(path, 0755, &e), -ENOTDIR);
	(void)snprintf(path, sizeof(path), "%s/file/below", f->dir);
	assert_int_equal(path_mkdirs(path, 0755, &e), -ENOTDIR);
	assert_int_equal(symlinkat("nowhere", f->fd, "dangling"), 0);
	(void)snprintf(path, sizeof(path), "%s/dangling", f->dir);
	assert_true(path_mkdirs(path, 0755, &e) < 0);
	assert_true(path_mkdirs("", 0755, &e) < 0);
}

/* Whatever a tenant puts into its root, a name below it never leads out. */
static void test_open_in_root(void **state)
{
	struct fixture *f = *state;
	auto_fd int root = -1, fd = -1;
	char path[128];
	struct err e;

	(void)snprintf(path, sizeof(path), "%s/root", f->dir);
	put(f->fd, "canary", "outside");
	assert_int_equal(mkdir(path, 0755), 0);
	root = path_open_dir(path, &e);
	assert_true(root >= 0);
	assert_true(fcntl(root, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	put(root, "canary", "inside");
	(void)snprintf(path, sizeof(path), "%s/canary", f->dir);
	assert_int_equal(symlinkat(path, root, "etc/absolute"), 0);
	assert_int_equal(symlinkat("../../canary", root, "etc/dotdot"), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc/passwd", root, "etc/magic"), 0);
	assert_int_equal(path_open_in_root(root, "etc/absolute", O_RDONLY, 0, &e), -ENOENT);
	fd = path_open_in_root(root, "etc/dotdot", O_RDONLY, 0, &e);
	assert_true(fd >= 0);
	memset(path, 0, sizeof(path));
	assert_true(read(fd, path, sizeof(path) - 1) == 6);
	assert_string_equal(path, "inside");
	fd_close(&fd);
	assert_true(path_open_in_root(root, "etc/magic", O_RDONLY, 0, &e) < 0);
	assert_int_equal(path_open_in_root(root, "etc/dotdot", O_RDONLY, RESOLVE_NO_SYMLINKS, &e),
			 -ELOOP);
	assert_int_equal(path_open_in_root(root, "no\nne", O_RDONLY, 0, &e), -ENOENT);
	assert_string_equal(e.text, "open 'no\\x0ane' in the workspace: No such file or directory");
	fd = path_open_in_root(root, "etc/new", O_WRONLY | O_CREAT | O_EXCL, 0, &e);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(path_open_dir("/nonexistent", &e) < 0);
	assert_int_equal(path_write_sys("/nonexistent/x", "1", &e), -ENOENT);
	assert_string_equal(e.text, "write '1' to '/nonexistent/x': No such file or directory");
	assert_int_equal(path_write_sys("/dev/null", "1", &e), 0);
	assert_int_equal(path_write_sys("/dev/full", "1", &e), -ENOSPC);
}

static void make_tree(int dirfd, const char *outside)
{
	assert_int_equal(mkdirat(dirfd, "tree", 0755), 0);
	assert_int_equal(mkdirat(dirfd, "tree/a", 0755), 0);
	assert_int_equal(mkdirat(dirfd, "tree/a/b", 0755), 0);
	put(dirfd, "tree/a/b/file", "x");
	put(dirfd, "tree/file", "x");
	assert_int_equal(symlinkat(outside, dirfd, "tree/a/out"), 0);
	assert_int_equal(symlinkat("..", dirfd, "tree/up"), 0);
	assert_int_equal(symlinkat("nowhere", dirfd, "tree/dangling"), 0);
	assert_int_equal(mkfifoat(dirfd, "tree/fifo", 0600), 0);
	assert_int_equal(linkat(dirfd, "outside/canary", dirfd, "tree/hard", 0), 0);
	put(dirfd, "tree/a/new\nline\033", "x");
	assert_int_equal(mkdirat(dirfd, "tree/closed", 0755), 0);
	put(dirfd, "tree/closed/file", "x");
	assert_int_equal(fchmodat(dirfd, "tree/closed", 0, 0), 0);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	unsigned int fds = count_fds();
	char outside[128];
	struct err e;

	assert_int_equal(mkdirat(f->fd, "outside", 0755), 0);
	put(f->fd, "outside/canary", "alive");
	(void)snprintf(outside, sizeof(outside), "%s/outside", f->dir);
	make_tree(f->fd, outside);
	if (path_remove_tree(f->fd, "tree", &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(faccessat(f->fd, "tree", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	expect(f->fd, "outside/canary", "alive");
	assert_int_equal(count_entries(f->fd), 1);
	/* Again, and things that are not directories. */
	assert_int_equal(path_remove_tree(f->fd, "tree", &e), 0);
	assert_int_equal(symlinkat("outside", f->fd, "link"), 0);
	assert_int_equal(path_remove_tree(f->fd, "link", &e), 0);
	put(f->fd, "plain", "x");
	assert_int_equal(path_remove_tree(f->fd, "plain", &e), 0);
	assert_int_equal(count_entries(f->fd), 1);
	expect(f->fd, "outside/canary", "alive");
	assert_int_equal(path_remove_tree(f->fd, "..", &e), -EINVAL);
	assert_int_equal(path_remove_tree(f->fd, ".", &e), -EINVAL);
	assert_int_equal(path_remove_tree(f->fd, "", &e), -EINVAL);
	assert_int_equal(path_remove_tree(f->fd, "outside/canary", &e), -EINVAL);
	assert_int_equal(count_fds(), fds);
}

/* Deeper than descriptors and PATH_MAX allow, and with the names that deep directories are moved to taken. */
static void test_remove_deep(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, few = { 64, 64 };
	int at = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;
	int r;

	assert_int_equal(mkdirat(f->fd, "tree", 0755), 0);
	put(f->fd, "tree/.sshbay-removing-0", "x");
	assert_int_equal(mkdirat(f->fd, "tree/.sshbay-removing-1", 0755), 0);
	for (int i = 0; i < 3000; i++) {
		int next;

		if (i == 0)
			next = openat(at, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		else
			next = mkdirat(at, "deep", 0755)
				       ? -1
				       : openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		put(next, "file", "x");
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = path_remove_tree(f->fd, "tree", &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	if (r < 0)
		fail_msg("%s", e.text);
	assert_int_equal(count_entries(f->fd), 0);
}

static int set_flags(int dirfd, const char *name, int more)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC), flags = 0, r;

	if (fd < 0)
		return -1;
	r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags |= more;
	r = r < 0 ? r : ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return r;
}

static void test_remove_immutable(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_int_equal(mkdirat(f->fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(f->fd, "tree/dir", 0755), 0);
	put(f->fd, "tree/dir/file", "x");
	put(f->fd, "tree/dir/log", "x");
	assert_int_equal(mkdirat(f->fd, "tree/empty", 0755), 0);
	if (set_flags(f->fd, "tree/dir/file", FS_IMMUTABLE_FL) < 0) {
		print_message("# no immutable files here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(set_flags(f->fd, "tree/dir/log", FS_APPEND_FL), 0);
	assert_int_equal(set_flags(f->fd, "tree/dir", FS_IMMUTABLE_FL), 0);
	assert_int_equal(set_flags(f->fd, "tree/empty", FS_IMMUTABLE_FL), 0);
	assert_int_equal(set_flags(f->fd, "tree", FS_APPEND_FL), 0);
	assert_int_equal(unlinkat(f->fd, "tree/dir/file", 0), -1);
	if (path_remove_tree(f->fd, "tree", &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(count_entries(f->fd), 0);
}

/* In a mount namespace of our own: a bind mount of the same filesystem has the same st_dev, and is still a mount. */
static int remove_with_mount(const char *dir)
{
	auto_fd int fd = -1;
	char from[96], to[96];
	struct err e;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	(void)snprintf(from, sizeof(from), "%s/outside", dir);
	(void)snprintf(to, sizeof(to), "%s/tree/mnt", dir);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return 77;
	/* Opened here: a descriptor from before would still see the other namespace's mounts. */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = path_remove_tree(fd, "tree", &e);
	if (r != -EBUSY) {
		print_error("%d %s\n", r, e.text);
		return 1;
	}
	if (strcmp(e.text, "remove 'tree': something is mounted on 'mnt' in it") != 0)
		return 2;
	if (umount2(to, MNT_DETACH) < 0)
		return 3;
	/* Resumable. */
	return path_remove_tree(fd, "tree", &e) < 0 ? 4 : 0;
}

static void test_remove_mount(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	assert_int_equal(mkdirat(f->fd, "outside", 0755), 0);
	put(f->fd, "outside/canary", "alive");
	assert_int_equal(mkdirat(f->fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(f->fd, "tree/mnt", 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(remove_with_mount(f->dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	expect(f->fd, "outside/canary", "alive");
	assert_int_equal(faccessat(f->fd, "tree", F_OK, 0), -1);
}

static void test_fault(void **state)
{
	(void)state;
	unsetenv("SSHBAY_FAULT");
	assert_int_equal(fault_point("x"), 0);
	setenv("SSHBAY_FAULT", "", 1);
	assert_int_equal(fault_point("x"), 0);
	setenv("SSHBAY_FAULT", "y=EIO,x=ENOSPC", 1);
	assert_int_equal(fault_point("x"), -ENOSPC);
	assert_int_equal(fault_point("x"), -ENOSPC);
	assert_int_equal(fault_point("y"), -EIO);
	assert_int_equal(fault_point("xx"), 0);
	passed = 0;
	setenv("SSHBAY_FAULT", "#3=EACCES", 1);
	assert_int_equal(fault_point("a"), 0);
	assert_int_equal(fault_point("b"), 0);
	assert_int_equal(fault_point("c"), -EACCES);
	assert_int_equal(fault_point("d"), 0);
	unsetenv("SSHBAY_FAULT");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_write),        T(test_write_faults),
		T(test_write_killed), T(test_write_short),
		T(test_read),         T(test_mkdirs),
		T(test_open_in_root), T(test_remove),
		T(test_remove_deep),  T(test_remove_immutable),
		T(test_remove_mount), cmocka_unit_test(test_fault),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
