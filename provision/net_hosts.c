// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Keeps run/hosts, which every workspace sees as its /etc/hosts, or one file per workspace when they are isolated.  Runs
 * in provisiond's main process.  The files are bind-mounted, so they are changed in place and never replaced; a reader
 * who comes during a removal may see a line twice, but never half of the file.
 */
#include "net.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define LINE_MAX_BYTES 192 /* two addresses and a name */
#define FILE_MAX_BYTES (16 * 1024 * 1024)

static const char header[] = "# Kept by sshbay: the workspaces of this host.\n"
			     "127.0.0.1\tlocalhost\n"
			     "::1\tlocalhost ip6-localhost ip6-loopback\n"
			     "fe00::0\tip6-localnet\n"
			     "ff00::0\tip6-mcastprefix\n"
			     "ff02::1\tip6-allnodes\n"
			     "ff02::2\tip6-allrouters\n";

/* The lines of one workspace: an address each. */
static void lines_of(const char *name, const struct ip *ip, const struct ip *ip6,
		     char out[LINE_MAX_BYTES])
{
	const struct ip *ips[] = { ip, ip6 };
	char text[IP_TEXT_MAX];
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < 2; i++) {
		if (!ips[i]->family)
			continue;
		(void)str_format(out + len, LINE_MAX_BYTES - len, "%s\t%s\n",
				 ip_text(ips[i], text, sizeof(text)), name);
		len += strlen(out + len);
	}
}

static void entry(const struct record *r, char out[LINE_MAX_BYTES])
{
	lines_of(r->name, &r->control_ip, &r->control_ip6, out);
}

/* A configured workspace answers at its fixed address before it exists, so its name is known from the start. */
static bool is_early(const struct spec *spec, const struct record *const *records, unsigned int n)
{
	if (!spec->control_ip.family && !spec->control_ip6.family)
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(records[i]->name, spec->name) == 0)
			return false;
	return true;
}

static int file_of(const struct settings *s, const struct record *r, char path[PATH_MAX],
		   struct err *e)
{
	int ret;

	if (!s->network.isolate)
		ret = str_format(path, PATH_MAX, "%s/hosts", s->storage.run);
	else
		ret = str_format(path, PATH_MAX, "%s/ws/%s/hosts", s->storage.run, r->name);
	return ret ? err_set(e, ENAMETOOLONG, "open 'hosts' of '%s': name too long", s->storage.run)
		   : 0;
}

/* Tenants read it through a mount, so it is readable by all whatever the umask; the directories above are not. */
static int open_file(const char *path, struct err *e)
{
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0 || fchmod(fd, 0644))
		return err_sys(e, "open '%s'", path);
	return fd_take(&fd);
}

/* The whole file, NUL-terminated, to be freed. */
static int load(int fd, const char *path, char **out, size_t *size, struct err *e)
{
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st))
		return err_sys(e, "read '%s'", path);
	if (st.st_size > FILE_MAX_BYTES)
		return err_set(e, EFBIG, "read '%s': larger than a list of workspaces can be",
			       path);
	*out = malloc((size_t)st.st_size + 1);
	if (!*out)
		return err_set(e, ENOMEM, "read '%s': out of memory", path);
	got = pread(fd, *out, (size_t)st.st_size, 0);
	if (got < 0)
		return err_sys(e, "read '%s'", path);
	(*out)[got] = '\0';
	*size = (size_t)got;
	return 0;
}

/*
 * Overwrite in place, then cut: at every moment the file holds the lines that stay. O_APPEND would send pwrite to the
 * end (pwrite(2)), so this is another open file than the one that adds.
 */
static int overwrite(const char *path, const char *text, size_t len, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int ret;

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	ret = fd_write_all(fd, text, len);
	if (ret)
		return err_ret(e, ret, "write '%s'", path);
	if (ftruncate(fd, (off_t)len))
		return err_sys(e, "write '%s'", path);
	return 0;
}

static int append(int fd, const char *path, const char *lines, struct err *e)
{
	size_t len = strlen(lines);
	ssize_t put = write(fd, lines, len);

	if (put < 0)
		return err_sys(e, "write '%s'", path);
	return (size_t)put == len ? 0 : err_set(e, ENOSPC, "write '%s': disk full", path);
}

static bool is_entry_of(const char *line, size_t len, const char *name)
{
	const char *tab = memchr(line, '\t', len);
	size_t n = strlen(name);

	return tab && (size_t)(line + len - (tab + 1)) == n && memcmp(tab + 1, name, n) == 0;
}

/* Drop every line of `name`; returns how many bytes are left. A last line that was cut short goes too. */
static size_t without(char *text, const char *name)
{
	char *from = text, *to = text, *end;

	while ((end = strchr(from, '\n'))) {
		size_t len = (size_t)(end - from);

		if (!is_entry_of(from, len, name)) {
			memmove(to, from, len + 1);
			to += len + 1;
		}
		from = end + 1;
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* Its lines in `text`, one after the other and nothing else of it: what a restart finds. */
static bool has_entry(const char *text, const struct record *r, const char *lines)
{
	const char *at = strstr(text, lines), *line, *end;
	size_t n = 0;

	for (line = text; (end = strchr(line, '\n')); line = end + 1)
		if (is_entry_of(line, (size_t)(end - line), r->name))
			n += (size_t)(end - line) + 1;
	return at && (at == text || at[-1] == '\n') && n == strlen(lines);
}

static int rewrite(const struct settings *s, const char *path, const struct record *const *records,
		   unsigned int n, struct err *e)
{
	unsigned int nearly = s->network.isolate ? 0 : s->nworkspaces;
	size_t size = sizeof(header) + (size_t)(n + nearly) * LINE_MAX_BYTES,
	       len = sizeof(header) - 1;
	auto_free char *text = malloc(size);
	auto_fd int fd = -1;

	if (!text)
		return err_set(e, ENOMEM, "write '%s': out of memory", path);
	memcpy(text, header, sizeof(header));
	for (unsigned int i = 0; i < n; i++) {
		entry(records[i], text + len);
		len += strlen(text + len);
	}
	for (unsigned int i = 0; i < nearly; i++) {
		const struct spec *spec = &s->workspaces[i];

		if (!is_early(spec, records, n))
			continue;
		lines_of(spec->name, &spec->control_ip, &spec->control_ip6, text + len);
		len += strlen(text + len);
	}
	fd = open_file(path, e);
	return fd < 0 ? fd : overwrite(path, text, len, e);
}

int net_hosts_add(const struct settings *s, const struct record *r, struct err *e)
{
	char path[PATH_MAX], lines[LINE_MAX_BYTES];
	auto_free char *text = NULL;
	auto_fd int fd = -1;
	size_t size = 0, left;
	int ret = file_of(s, r, path, e);

	if (ret)
		return ret;
	fd = open_file(path, e);
	if (fd < 0)
		return fd;
	ret = load(fd, path, &text, &size, e);
	if (ret || !text)
		return ret;
	if (size == 0)
		return rewrite(s, path, &r, 1, e);
	entry(r, lines);
	if (has_entry(text, r, lines))
		return 0;
	left = without(text, r->name);
	if (left < size)
		ret = overwrite(path, text, left, e);
	return ret ? ret : append(fd, path, lines, e);
}

int net_hosts_rewrite(const struct settings *s, const struct record *const *records, unsigned int n,
		      struct err *e)
{
	struct record nobody = { 0 };
	char path[PATH_MAX];
	int ret = 0, one;

	if (!s->network.isolate) {
		ret = file_of(s, &nobody, path, e);
		return ret ? ret : rewrite(s, path, records, n, e);
	}
	/* Isolated: each file names only its own workspace; that of one without a directory is made when it starts. */
	for (unsigned int i = 0; i < n; i++) {
		one = file_of(s, records[i], path, e);
		if (one == 0)
			one = rewrite(s, path, &records[i], 1, e);
		if (one && one != -ENOENT && ret == 0)
			ret = one;
	}
	return ret;
}
