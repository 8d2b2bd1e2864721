/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two checks around a lease, and the note between them. Runs in workers (gpu_lease_driver anywhere). */
#include "gpu_lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "given_enter.h"
#include "gpu.h"
#include "gpu_busy.h"
#include "gpu_give.h"
#include "quarantine.h"

#define NAME     "gpu"
#define TEXT_MAX 4096
#define GONE_MS  2000 /* for the last process to let go */

struct note {
	char ids[400], driver[32];
	struct gpu_busy own;
};

static int note_save(const char *dir, const struct note *n, struct err *e)
{
	char path[PATH_MAX], text[TEXT_MAX] = "";
	struct path_content c = { .buf = text, .mode = 0600 };

	(void)str_format(text, sizeof(text), "ids %s\ndriver %s\n", n->ids, n->driver);
	for (unsigned int i = 0; i < n->own.n; i++) {
		c.len = strlen(text);
		(void)str_format(text + c.len, sizeof(text) - c.len, "node %u:%u\n",
				 major(n->own.nodes[i]), minor(n->own.nodes[i]));
	}
	c.len = strlen(text);
	if (str_format(path, sizeof(path), "%s/" NAME, dir) < 0)
		return err_set(e, ENAMETOOLONG, "note the GPU: path too long");
	return path_write_atomic(AT_FDCWD, path, &c, e);
}

static int note_load(const char *dir, struct note *n, struct err *e)
{
	char path[PATH_MAX], text[TEXT_MAX], *save = NULL;
	size_t len;
	int r;

	memset(n, 0, sizeof(*n));
	if (str_format(path, sizeof(path), "%s/" NAME, dir) < 0)
		return err_set(e, ENAMETOOLONG, "read the GPU's note: path too long");
	r = path_read(AT_FDCWD, path, text, sizeof(text), &len, e);
	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		unsigned int major, minor;

		if (!strncmp(l, "ids ", 4))
			(void)str_copy(n->ids, sizeof(n->ids), l + 4);
		else if (!strncmp(l, "driver ", 7))
			(void)str_copy(n->driver, sizeof(n->driver), l + 7);
		else if (sscanf(l, "node %u:%u", &major, &minor) == 2 &&
			 n->own.n < GPU_BUSY_NODES_MAX)
			n->own.nodes[n->own.n++] = makedev(major, minor);
	}
	return 0;
}

static void note_remove(const char *dir)
{
	static const char *const files[] = { NAME, "." NAME ".new" };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < 2; i++)
		if (str_format(path, sizeof(path), "%s/%s", dir, files[i]) == 0)
			(void)unlink(path);
	given_enter_clean(dir);
	/* Other steps' notes may be there still. */
	(void)rmdir(dir);
}

int gpu_lease_up(struct plan *p, struct err *e)
{
	struct note n = { .ids = "" };
	int r;

	if (!p->rec->gpus[0]) {
		note_remove(p->dir);
		return 0;
	}
	(void)str_copy(n.ids, sizeof(n.ids), p->rec->gpus);
	gpu_driver(p->settings, n.driver, sizeof(n.driver));
	r = gpu_give(p, &n.own, e);
	if (r < 0)
		return err_wrap(e, "start '%s'", p->rec->name);
	if (gpu_busy_wait(&n.own, 0)) {
		/* Not this workspace's doing: its undo is not to blame the GPU on it. */
		note_remove(p->dir);
		return err_set(e, EBUSY,
			       "start '%s': GPU '%.80s' is in use on the host by pid %d (%s)",
			       p->rec->name, p->rec->gpus, (int)n.own.pid, n.own.cmd);
	}
	r = path_mkdirs(p->dir, 0700, e);
	return r < 0 ? r : note_save(p->dir, &n, e);
}

static int put_aside(const struct plan *p, const struct note *n, struct err *e)
{
	struct quarantine q = { .kind = "gpu", .since = clk_wall_s() };
	int r = 0;

	(void)str_copy(q.owner, sizeof(q.owner), p->rec->name);
	(void)str_format(q.reason, sizeof(q.reason), "dirty: held by pid %d (%s)", (int)n->own.pid,
			 n->own.cmd);
	for (const char *id = n->ids; *id && r == 0; id += strcspn(id, ","), id += *id == ',') {
		(void)str_format(q.id, sizeof(q.id), "%.*s", (int)strcspn(id, ","), id);
		r = quarantine_add(p->settings->storage.state, &q, NULL, e);
		log_warn("workspace '%s': GPU '%s' is in quarantine, %s (sshbay gpu recover %s)",
			 p->rec->name, q.id, q.reason, q.id);
	}
	return r;
}

int gpu_lease_down(struct plan *p, struct err *e)
{
	struct note n;
	int r = note_load(p->dir, &n, e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && gpu_busy_wait(&n.own, GONE_MS))
		r = put_aside(p, &n, e);
	if (r < 0 && r != -ENOENT)
		return r;
	note_remove(p->dir);
	return 0;
}

void gpu_lease_driver(const struct settings *s, const char *name, char *buf, size_t size)
{
	char dir[PATH_MAX], now[32];
	struct err ignored;
	struct note n;

	buf[0] = '\0';
	if (str_format(dir, sizeof(dir), "%s/ws/%s", s->storage.run, name) < 0 ||
	    note_load(dir, &n, &ignored) < 0 || !n.driver[0])
		return;
	gpu_driver(s, now, sizeof(now));
	if (now[0] && strcmp(now, n.driver) != 0)
		(void)str_format(buf, size,
				 "the host's NVIDIA driver is %s now, the files inside are of %s "
				 "(restart the workspace)",
				 now, n.driver);
}

int gpu_lease_recover(const struct settings *s, const char *id, struct err *e)
{
	auto_free struct gpu_list *list = NULL;
	struct gpu_busy own = { .n = 0 };
	const struct gpu *g;
	struct quarantine q;
	int r = quarantine_get(s->storage.state, "gpu", id, &q, e);

	if (r == -ENOENT)
		return err_set(e, ENOENT, "recover GPU '%s': it is not in quarantine", id);
	list = calloc(1, sizeof(*list));
	if (!list)
		return err_set(e, ENOMEM, "recover GPU '%s': out of memory", id);
	r = r < 0 ? r : gpu_scan(s, list, e);
	if (r < 0)
		return r;
	g = gpu_find(list, id);
	for (unsigned int i = 0; g && i < g->nnodes; i++)
		if (g->nodes[i].own)
			own.nodes[own.n++] = makedev(g->nodes[i].major, g->nodes[i].minor);
	if (!g && strncmp(id, "cdi:", 4) != 0)
		return err_set(e, ENODEV, "recover GPU '%s': it is not on this host now", id);
	if (gpu_busy_wait(&own, GONE_MS))
		return err_set(e, EBUSY, "recover GPU '%s': still held by pid %d (%s)", id,
			       (int)own.pid, own.cmd);
	return quarantine_remove(s->storage.state, "gpu", id, e);
}
