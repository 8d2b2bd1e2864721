/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors, processes and log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"

static void test_fd(void **state)
{
	int p[2], kept;
	char buf[8];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	kept = p[0];
	assert_int_equal(fd_take(&p[0]), kept);
	assert_int_equal(p[0], -1);
	p[0] = kept;
	assert_int_equal(fd_nonblock(p[0], 1), 0);
	assert_int_equal(fd_read_all(p[0], buf, 1), -EAGAIN);
	assert_int_equal(fd_nonblock(p[0], 0), 0);
	assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fd_write_all(p[1], "abcd", 4), 0);
	assert_int_equal(fd_read_all(p[0], buf, 4), 0);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(fd_write_all(p[1], "ab", 2), 0);
	errno = EXDEV;
	fd_close(&p[1]);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(p[1], -1);
	fd_close(&p[1]);
	assert_int_equal(fd_read_all(p[0], buf, 4), -ENODATA);
	fd_close(&p[0]);
	assert_int_equal(fd_write_all(-1, "a", 1), -EBADF);
	assert_int_equal(fd_nonblock(-1, 1), -EBADF);
	assert_int_equal(fd_write_all(-1, "", 0), 0);
}

/* More than a pipe holds, through a reader that takes it in pieces. */
static void test_fd_large(void **state)
{
	enum { SIZE = 1000000 };
	char *out = malloc(SIZE), *in = malloc(SIZE);
	int p[2], status;
	pid_t pid;

	(void)state;
	assert_true(out && in);
	for (int i = 0; i < SIZE; i++)
		out[i] = (char)(i * 7 + i / 256);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(p[0]);
		_exit(fd_write_all(p[1], out, SIZE) ? 1 : 0);
	}
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], in, SIZE), 0);
	assert_memory_equal(in, out, SIZE);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(in);
	free(out);
}

static void test_cloexec_from(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		int a = dup(0), b = fcntl(0, F_DUPFD, 200);

		if (a < 0 || b < 200 || fd_cloexec_from(3) < 0)
			_exit(1);
		_exit((fcntl(a, F_GETFD) & FD_CLOEXEC) && (fcntl(b, F_GETFD) & FD_CLOEXEC) &&
				      !(fcntl(2, F_GETFD) & FD_CLOEXEC)
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void scoped(int fd, DIR **seen)
{
	auto_fd int owned = fd;
	auto_free char *text = strdup("x");
	auto_free char *none = NULL;
	auto_file FILE *nofile = NULL;
	auto_dir DIR *d = opendir("/");

	assert_non_null(text);
	assert_null(none);
	assert_null(nofile);
	assert_non_null(d);
	assert_true(owned >= 0);
	*seen = d;
}

static void test_scope(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	DIR *d = NULL;

	(void)state;
	assert_true(fd >= 0);
	scoped(fd, &d);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_non_null(d);
}

static void test_identity(void **state)
{
	uint64_t mine, again, inode;
	char boot[37], name[] = ") (R 1 2) 3";
	struct stat st;
	struct err e;
	int fd;

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &mine, &e), 0);
	assert_true(mine > 0);
	/* The name of a process may look like the fields after it. */
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(proc_start_time(getpid(), &again, &e), 0);
	assert_true(again == mine);
	assert_int_equal(proc_start_time(0x3fffffff, &again, &e), -ESRCH);
	fd = proc_open(getpid(), mine, &e);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(proc_open(getpid(), mine + 1, &e), -ESRCH);
	assert_int_equal(proc_open(0x3fffffff, mine, &e), -ESRCH);
	assert_int_equal(proc_open(0, mine, &e), -ESRCH);
	assert_int_equal(proc_open(-1, mine, &e), -ESRCH);
	assert_int_equal(proc_ns_inode(getpid(), "net", &inode, &e), 0);
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	assert_true(inode == st.st_ino);
	assert_true(proc_ns_inode(getpid(), "none", &inode, &e) < 0);
	assert_int_equal(proc_boot_id(boot, &e), 0);
	assert_int_equal(strlen(boot), 36);
	assert_int_equal(boot[8], '-');
}

static void test_proc_dies(void **state)
{
	uint64_t ticks;
	struct pollfd p = { .events = POLLIN };
	struct err e;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(proc_start_time(pid, &ticks, &e), 0);
	p.fd = proc_open(pid, ticks, &e);
	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_open(pid, ticks, &e), -ESRCH);
	close(p.fd);
}

static int run_sh(const char *script, const char *input, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	memset(e, 0, sizeof(*e));
	return proc_run(argv, input, e);
}

static void test_run(void **state)
{
	const char *missing[] = { "/nonexistent/program", NULL };
	char big[200001];
	struct err e;

	(void)state;
	assert_int_equal(run_sh("exit 0", NULL, &e), 0);
	assert_int_equal(run_sh("exit 3", NULL, &e), -EIO);
	assert_string_equal(e.text, "run '/bin/sh': failed (exit status 3)");
	assert_int_equal(run_sh("echo first >&2; echo second >&2; exit 1", NULL, &e), -EIO);
	assert_string_equal(e.text, "run '/bin/sh': first (exit status 1)");
	assert_int_equal(run_sh("printf 'a\\033b' >&2; exit 1", NULL, &e), -EIO);
	assert_string_equal(e.text, "run '/bin/sh': a\\x1bb (exit status 1)");
	assert_int_equal(run_sh("kill -9 $$", NULL, &e), -EIO);
	assert_string_equal(e.text, "run '/bin/sh': killed by signal 9");
	assert_int_equal(run_sh("test \"$(cat)\" = hello", "hello", &e), 0);
	assert_int_equal(run_sh("test -z \"$(cat)\"", NULL, &e), 0);
	/* Larger than a pipe, unread; and a child that keeps stderr open. */
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(run_sh("exit 0", big, &e), 0);
	assert_int_equal(run_sh("test $(cat | wc -c) = 200000", big, &e), 0);
	assert_int_equal(run_sh("sleep 3 >&2 & exit 0", NULL, &e), 0);
	assert_int_equal(
		run_sh("test \"$(env | grep -vE '^(PWD|_|SHLVL|OLDPWD|PATH)=')\" = ''", NULL, &e),
		0);
	assert_int_equal(run_sh("test -n \"$PATH\"", NULL, &e), 0);
	assert_int_equal(proc_run(missing, NULL, &e), -ENOENT);
	assert_string_equal(e.text, "run '/nonexistent/program': No such file or directory");
}

/* What one call of log_msg writes, through a pipe. */
static ssize_t logged(char *buf, size_t size, enum log_level level, const char *text)
{
	ssize_t n;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	log_to_fd(p[1]);
	errno = EXDEV;
	log_msg(level, "%s", text);
	assert_int_equal(errno, EXDEV);
	n = read(p[0], buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(p[0]);
	close(p[1]);
	log_to_fd(2);
	return n;
}

static void test_log(void **state)
{
	char buf[4096], big[3000], stream[64];
	struct stat st;
	int p[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_setup("prog", LOG_LEVEL_NOTE);
	assert_true(logged(buf, sizeof(buf), LOG_LEVEL_NOTE, "hello") > 0);
	assert_string_equal(buf, "prog: hello\n");
	assert_true(logged(buf, sizeof(buf), LOG_LEVEL_ERROR, "a\nb\033[2J") > 0);
	assert_string_equal(buf, "prog: error: a\\x0ab\\x1b[2J\n");
	assert_int_equal(logged(buf, sizeof(buf), LOG_LEVEL_DETAIL, "quiet"), -1);
	log_setup("prog", LOG_LEVEL_DETAIL);
	assert_true(logged(buf, sizeof(buf), LOG_LEVEL_DETAIL, "quiet") > 0);
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_true(logged(buf, sizeof(buf), LOG_LEVEL_WARN, big) <= 1024);
	assert_int_equal(buf[strlen(buf) - 1], '\n');
	assert_int_equal(strcspn(buf, "\n"), strlen(buf) - 1);
	/* systemd's stream takes priorities. */
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fstat(p[1], &st), 0);
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_to_fd(p[1]);
	log_error("boom");
	log_to_fd(2);
	unsetenv("JOURNAL_STREAM");
	buf[read(p[0], buf, sizeof(buf) - 1)] = '\0';
	assert_string_equal(buf, "<3>prog: boom\n");
	close(p[0]);
	/* A log that is gone does not stop the caller. */
	signal(SIGPIPE, SIG_IGN);
	log_to_fd(p[1]);
	log_error("nobody reads this");
	log_to_fd(2);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd),           cmocka_unit_test(test_fd_large),
		cmocka_unit_test(test_cloexec_from), cmocka_unit_test(test_scope),
		cmocka_unit_test(test_identity),     cmocka_unit_test(test_proc_dies),
		cmocka_unit_test(test_run),          cmocka_unit_test(test_log),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
