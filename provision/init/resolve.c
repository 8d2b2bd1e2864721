/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names to addresses without the C library's resolver. Runs in the helpers of dial and listen. */
#include "resolve.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "base/fd.h"
#include "base/str.h"

#define NAME_MAX_LEN 253 /* RFC 1035, without the final dot */
#define OUTPUT_MAX   (16 * 1024)

int resolve_parse(const char *text, size_t n, struct ip *out)
{
	int count = 0;

	while (n && count < RESOLVE_MAX) {
		const char *end = memchr(text, '\n', n);
		size_t line = end ? (size_t)(end - text) : n, word = 0;
		char addr[IP_TEXT_MAX];
		bool known = false;

		while (word < line && text[word] != ' ' && text[word] != '\t')
			word++;
		if (word < sizeof(addr)) {
			memcpy(addr, text, word);
			addr[word] = '\0';
			if (ip_parse(addr, &out[count], NULL) == 0) {
				for (int i = 0; i < count; i++)
					known = known || ip_equal(&out[i], &out[count]);
				count += known ? 0 : 1;
			}
		}
		text += line + (end ? 1 : 0);
		n -= line + (end ? 1 : 0);
	}
	return count;
}

static bool good_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NAME_MAX_LEN || s[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '.' || s[i] == '_'))
			return false;
	return true;
}

/* In the child: exit status 126 when there is no getent at all. */
static _Noreturn void run_getent(const char *name, int out)
{
	static char cmd[] = "getent", db[] = "ahosts", path[] = "PATH=/usr/bin:/bin",
		    lang[] = "LC_ALL=C";
	char copy[NAME_MAX_LEN + 1];
	char *argv[] = { cmd, db, copy, NULL };
	char *envp[] = { path, lang, NULL };

	str_copy(copy, sizeof(copy), name);
	if (dup2(out, STDOUT_FILENO) >= 0 && fd_cloexec_from(STDERR_FILENO + 1) == 0) {
		execve("/usr/bin/getent", argv, envp);
		execve("/bin/getent", argv, envp);
	}
	_exit(126);
}

/* Read until the end, the deadline or a full buffer. Bytes, or -ETIMEDOUT. */
static ssize_t read_output(int fd, char *buf, size_t cap)
{
	uint64_t deadline = agent_now() + RESOLVE_MS;
	size_t got = 0;

	while (got < cap) {
		uint64_t now = agent_now();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now >= deadline || poll(&p, 1, (int)(deadline - now)) == 0)
			return -ETIMEDOUT;
		n = read(fd, buf + got, cap - got);
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)got;
}

static int ask_getent(const char *name, struct ip *out, struct err *e)
{
	auto_fd int from = -1, to = -1;
	char text[OUTPUT_MAX];
	int status = 0, count;
	int p[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "resolve '%.100s'", name);
	from = p[0];
	to = p[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "resolve '%.100s'", name);
	if (pid == 0)
		run_getent(name, to);
	fd_close(&to);
	n = read_output(from, text, sizeof(text));
	if (n < 0 || n == (ssize_t)sizeof(text))
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n < 0)
		return err_ret(e, (int)n, "resolve '%.100s'", name);
	count = resolve_parse(text, (size_t)n, out);
	if (count)
		return count;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 126)
		return err_set(e, ENOSYS, "resolve '%.100s': the image has no getent", name);
	return err_set(e, ENOENT, "resolve '%.100s': no such host", name);
}

int resolve_host(const char *host, struct ip *out, struct err *e)
{
	char text[IP_TEXT_MAX];
	size_t n = strlen(host);

	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		if (str_format(text, sizeof(text), "%.*s", (int)n - 2, host + 1) == 0 &&
		    ip_parse(text, out, NULL) == 0)
			return 1;
		return err_set(e, EINVAL, "resolve '%.100s': not an address", host);
	}
	if (ip_parse(host, out, NULL) == 0)
		return 1;
	if (strcmp(host, "localhost") == 0) {
		ip_parse("::1", &out[0], NULL);
		ip_parse("127.0.0.1", &out[1], NULL);
		return 2;
	}
	if (!good_name(host))
		return err_set(e, EINVAL, "resolve '%.100s': not a host name", host);
	return ask_getent(host, out, e);
}
