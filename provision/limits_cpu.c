/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU lists and the files around them. Runs in workers; pure but for the reading of /sys. */
#include "limits_cpu.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define CPU_MAX 8192

/* Take one "a" or "a-b" off the list. 1 = got one, 0 = at the end, -errno. */
static int next_range(const char **s, uint64_t *lo, uint64_t *hi, struct err *e)
{
	char part[48], *dash;
	size_t n = strcspn(*s, ",");
	int r;

	if (**s == '\0')
		return 0;
	if (n == 0 || n >= sizeof(part))
		return err_set(e, EINVAL, "not a list of CPUs");
	memcpy(part, *s, n);
	part[n] = '\0';
	*s += n;
	if (**s == ',' && *++*s == '\0')
		return err_set(e, EINVAL, "not a list of CPUs: it ends with a comma");
	dash = strchr(part, '-');
	if (dash)
		*dash++ = '\0';
	r = num_u64(part, 0, CPU_MAX - 1, lo, e);
	if (r == 0)
		r = dash ? num_u64(dash, 0, CPU_MAX - 1, hi, e) : (*hi = *lo, 0);
	if (r < 0)
		return r;
	return *hi < *lo ? err_set(e, EINVAL, "'%s-%s' runs backwards", part, dash ? dash : part)
			 : 1;
}

static bool in_list(const char *list, uint64_t cpu)
{
	uint64_t lo, hi;

	while (next_range(&list, &lo, &hi, NULL) > 0)
		if (cpu >= lo && cpu <= hi)
			return true;
	return false;
}

static unsigned int count(const char *list)
{
	unsigned int n = 0;
	uint64_t lo, hi;

	while (next_range(&list, &lo, &hi, NULL) > 0)
		n += (unsigned int)(hi - lo + 1);
	return n;
}

int limits_cpu_parse_against(const char *text, const char *online, struct limits_cpu *out,
			     struct err *e)
{
	const char *s = text;
	uint64_t lo, hi;
	int r;

	memset(out, 0, sizeof(*out));
	if (text[0] == '\0')
		return 0;
	if (!strpbrk(text, "-,")) {
		r = num_u64(text, 1, CPU_MAX, &lo, e);
		if (r < 0)
			return r;
		if (lo > count(online))
			return err_set(e, EINVAL, "%s is more than there are (online: %s)", text,
				       online);
		out->count = (unsigned int)lo;
		return 0;
	}
	while ((r = next_range(&s, &lo, &hi, e)) > 0)
		for (uint64_t c = lo; c <= hi; c++)
			if (!in_list(online, c))
				return err_set(e, EINVAL, "%u is not online (online: %s)",
					       (unsigned int)c, online);
	if (r < 0)
		return r;
	return str_copy(out->list, sizeof(out->list), text) < 0
		       ? err_set(e, EINVAL, "list is too long")
		       : 0;
}

static int read_word(const char *path, char *buf, size_t size, struct err *e)
{
	size_t len;
	int r = path_read(AT_FDCWD, path, buf, size, &len, e);

	if (r == 0)
		buf[strcspn(buf, "\n")] = '\0';
	return r;
}

int limits_cpu_parse(const char *text, struct limits_cpu *out, struct err *e)
{
	char online[512];
	int r;

	if (text[0] == '\0') {
		memset(out, 0, sizeof(*out));
		return 0;
	}
	r = read_word("/sys/devices/system/cpu/online", online, sizeof(online), e);
	return r < 0 ? r : limits_cpu_parse_against(text, online, out, e);
}

/* Fill parent/file from base/file when it is empty. */
static int copy_down(const char *base, const char *parent, const char *file, char *value,
		     struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r;

	if (str_format(from, sizeof(from), "%s/%s", base, file) < 0 ||
	    str_format(to, sizeof(to), "%s/%s", parent, file) < 0)
		return err_set(e, ENAMETOOLONG, "set '%s': path too long", file);
	r = read_word(to, value, 160, e);
	if (r < 0 || value[0])
		return r;
	r = read_word(from, value, 160, e);
	return r < 0 ? r : path_write_sys(to, value, e);
}

int limits_cpu_inherit(const char *base, const char *parent, char *mems, size_t size, struct err *e)
{
	char dir[PATH_MAX], value[160];
	int r;

	if (str_format(dir, sizeof(dir), "%s/%s", base, parent) < 0)
		return err_set(e, ENAMETOOLONG, "make group '%s': path too long", parent);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make group '%s'", dir);
	r = copy_down(base, dir, "cpuset.cpus", value, e);
	if (r == 0)
		r = copy_down(base, dir, "cpuset.mems", value, e);
	if (r == 0 && str_copy(mems, size, value) < 0)
		r = err_set(e, ENAMETOOLONG, "read '%s/cpuset.mems': too long", dir);
	return r;
}

bool limits_cpu_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = words; *s; s += strcspn(s, " \n"), s += strspn(s, " \n"))
		if (!strncmp(s, word, n) && strchr(" \n", s[n]))
			return true;
	return false;
}
