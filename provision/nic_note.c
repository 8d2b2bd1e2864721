// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reads and writes run/ws/NAME/nic. Runs in workers. Lines of "key value", ours alone (the directory is root's). */
#include "nic_note.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define NAME     "nic"
#define TEXT_MAX 2048

int nic_note_save(const char *dir, const struct nic_note *note, struct err *e)
{
	char text[TEXT_MAX], mac[13];
	auto_fd int dirfd = -1;
	struct path_content c = { .buf = text, .mode = 0600 };
	size_t len;

	str_hex(note->perm_mac, 6, mac);
	(void)str_format(text, sizeof(text), "index %d\nkind %s\nperm %s\n", note->index,
			 note->kind, mac);
	for (unsigned int i = 0; i < note->naltnames; i++) {
		len = strlen(text);
		(void)str_format(text + len, sizeof(text) - len, "altname %s\n", note->altname[i]);
	}
	dirfd = path_open_dir(dir, e);
	if (dirfd < 0)
		return dirfd;
	c.len = strlen(text);
	return path_write_atomic(dirfd, NAME, &c, e);
}

static int take_line(struct nic_note *note, char *line, struct err *e)
{
	char *value = strchr(line, ' ');
	uint64_t n;
	int ret;

	if (!value)
		return err_set(e, EINVAL, "line '%s' has no value", line);
	*value++ = '\0';
	if (strcmp(line, "index") == 0) {
		ret = num_u64(value, 1, INT32_MAX, &n, e);
		note->index = ret ? 0 : (int)n;
		return ret;
	}
	if (strcmp(line, "kind") == 0 && str_copy(note->kind, sizeof(note->kind), value) == 0)
		return 0;
	if (strcmp(line, "perm") == 0 && strlen(value) == 12 && str_unhex(value, note->perm_mac, 6))
		return 0;
	if (strcmp(line, "altname") == 0 && note->naltnames < NETIF_ALTNAMES &&
	    str_copy(note->altname[note->naltnames], NETIF_ALTNAME_MAX, value) == 0) {
		note->naltnames++;
		return 0;
	}
	return err_set(e, EINVAL, "line '%s' is not understood", line);
}

int nic_note_load(const char *dir, struct nic_note *note, struct err *e)
{
	char text[TEXT_MAX], *line, *save = NULL;
	auto_fd int dirfd = -1;
	size_t len;
	int ret;

	memset(note, 0, sizeof(*note));
	dirfd = path_open_dir(dir, e);
	if (dirfd < 0)
		return dirfd;
	ret = path_read(dirfd, NAME, text, sizeof(text), &len, e);
	if (ret)
		return ret;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (take_line(note, line, e))
			return err_wrap(e, "read '%s/" NAME "'", dir);
	return note->index ? 0 : err_set(e, EINVAL, "read '%s/" NAME "': no index", dir);
}

int nic_note_remove(const char *dir, struct err *e)
{
	auto_fd int dirfd = path_open_dir(dir, NULL);

	if (dirfd < 0 || unlinkat(dirfd, NAME, 0) == 0 || errno == ENOENT)
		return 0;
	return err_sys(e, "remove '%s/" NAME "'", dir);
}
