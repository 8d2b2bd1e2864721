/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small text file. Lines that make no sense are left out: the worst that follows is a check less at the end. */
#include "gpu_note.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

#define NAME "gpu"

void gpu_note_print(const struct gpu_note *n, char *buf, size_t size)
{
	size_t used;

	(void)str_format(buf, size, "ids %s\ndriver %s\n", n->ids, n->driver);
	for (unsigned int i = 0; i < n->own.n; i++) {
		used = strlen(buf);
		(void)str_format(buf + used, size - used, "node %u:%u\n", major(n->own.nodes[i]),
				 minor(n->own.nodes[i]));
	}
	for (unsigned int i = 0; i < n->ncdi; i++) {
		used = strlen(buf);
		(void)str_format(buf + used, size - used, "cdi %016" PRIx64 " %s\n",
				 n->cdi[i].digest, n->cdi[i].name);
	}
}

static void take_line(struct gpu_note *n, const char *l)
{
	unsigned int major, minor;
	uint64_t digest;
	int end = 0;

	if (!strncmp(l, "ids ", 4)) {
		(void)str_copy(n->ids, sizeof(n->ids), l + 4);
	} else if (!strncmp(l, "driver ", 7)) {
		(void)str_copy(n->driver, sizeof(n->driver), l + 7);
	} else if (sscanf(l, "node %u:%u", &major, &minor) == 2) {
		if (n->own.n < GPU_BUSY_NODES_MAX)
			n->own.nodes[n->own.n++] = makedev(major, minor);
	} else if (sscanf(l, "cdi %16" SCNx64 " %n", &digest, &end) == 1 && end && l[end] &&
		   n->ncdi < GPU_NOTE_CDI_MAX &&
		   str_copy(n->cdi[n->ncdi].name, sizeof(n->cdi[0].name), l + end) == 0) {
		n->cdi[n->ncdi++].digest = digest;
	}
}

void gpu_note_parse(char *text, struct gpu_note *n)
{
	char *save = NULL;

	memset(n, 0, sizeof(*n));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		take_line(n, l);
}

int gpu_note_save(const char *dir, const struct gpu_note *n, struct err *e)
{
	char path[PATH_MAX], text[GPU_NOTE_TEXT_MAX];
	struct path_content c = { .buf = text, .mode = 0600 };

	gpu_note_print(n, text, sizeof(text));
	c.len = strlen(text);
	if (str_format(path, sizeof(path), "%s/" NAME, dir) < 0)
		return err_set(e, ENAMETOOLONG, "note the GPU: path too long");
	return path_write_atomic(AT_FDCWD, path, &c, e);
}

int gpu_note_load(const char *dir, struct gpu_note *n, struct err *e)
{
	char path[PATH_MAX], text[GPU_NOTE_TEXT_MAX];
	size_t len;
	int r;

	memset(n, 0, sizeof(*n));
	if (str_format(path, sizeof(path), "%s/" NAME, dir) < 0)
		return err_set(e, ENAMETOOLONG, "read the GPU's note: path too long");
	r = path_read(AT_FDCWD, path, text, sizeof(text), &len, e);
	if (r == 0)
		gpu_note_parse(text, n);
	return r;
}

void gpu_note_remove(const char *dir)
{
	static const char *const files[] = { NAME, "." NAME ".new" };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < 2; i++)
		if (str_format(path, sizeof(path), "%s/%s", dir, files[i]) == 0)
			(void)unlink(path);
}
