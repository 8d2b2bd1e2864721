/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child table.  Linear throughout: a scan of thousands of entries costs less than the fork that each stands for.
 * Runs in the listener; signals nothing but its own unreaped children, so that a recycled pid is never hit.
 */
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/fd.h"

static struct child *find(const struct children *t, uint32_t serial)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i]->serial == serial)
			return t->v[i];
	return NULL;
}

static bool grow(struct children *t)
{
	size_t cap = t->cap ? 2 * t->cap : 64;
	struct child **v;

	if (t->n < t->cap)
		return true;
	v = reallocarray(t->v, cap, sizeof(*v));
	if (!v)
		return false;
	t->v = v;
	t->cap = cap;
	return true;
}

struct child *children_add(struct children *t)
{
	struct child *c;

	if (t->n >= CHILDREN_MAX || !grow(t))
		return NULL;
	c = fault_point("gate.child") < 0 ? NULL : calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	/* After 2^32 connections the numbers come again; one that lives is skipped. */
	do {
		t->serial++;
	} while (find(t, t->serial));
	c->serial = t->serial;
	c->conn = c->gate = -1;
	t->v[t->n++] = c;
	return c;
}

static void remove_at(struct children *t, size_t i)
{
	struct child *c = t->v[i];

	t->n--;
	memmove(&t->v[i], &t->v[i + 1], (t->n - i) * sizeof(t->v[0]));
	fd_close(&c->conn);
	fd_close(&c->gate);
	free(c);
}

void children_remove(struct children *t, struct child *c)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i] == c) {
			remove_at(t, i);
			return;
		}
	}
}

struct child *children_by_serial(const struct children *t, uint32_t serial)
{
	return find(t, serial);
}

struct child *children_by_id(const struct children *t, const uint8_t id[CTL_ID_LEN])
{
	for (size_t i = 0; i < t->n; i++)
		if (memcmp(t->v[i]->id, id, CTL_ID_LEN) == 0)
			return t->v[i];
	return NULL;
}

uint32_t children_pending(const struct children *t)
{
	uint32_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->v[i]->pid == 0;
	return n;
}

void children_load(const struct children *t, const struct ipnet *source,
		   struct admission_load *load)
{
	load->all = (uint32_t)t->n;
	load->startups = load->from_source = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i]->authenticated)
			continue;
		load->startups++;
		load->from_source += admission_same_source(&t->v[i]->source, source);
	}
}

uint64_t children_deadline(const struct children *t)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < t->n; i++)
		if (t->v[i]->deadline_us && t->v[i]->deadline_us < first)
			first = t->v[i]->deadline_us;
	return first;
}

unsigned int children_expire(struct children *t, uint64_t now_us)
{
	unsigned int n = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct child *c = t->v[i];

		/* Without a pid there is nothing to kill yet: the deadline stays and is met when the pid is known. */
		if (!c->deadline_us || c->deadline_us > now_us)
			continue;
		if (c->pid == 0) {
			c->deadline_us = now_us + 100000;
			continue;
		}
		c->deadline_us = 0;
		c->killed = true;
		c->timeout = !c->authenticated && !c->dropped;
		kill(c->pid, SIGKILL);
		n++;
	}
	return n;
}

bool children_adopt(struct child *c, pid_t pid)
{
	siginfo_t info;

	/* WNOWAIT: a child that is dead already is left for children_reap. */
	if (pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return false;
	c->pid = pid;
	return true;
}

void children_reap(struct children *t, void (*ended)(void *ctx, const struct child *c, int status),
		   void *ctx)
{
	for (size_t i = 0; i < t->n;) {
		struct child *c = t->v[i];
		int status = 0;
		pid_t got = c->pid ? waitpid(c->pid, &status, WNOHANG) : 0;

		/* ECHILD: the search below took it in the instant it died. */
		if (got == 0 || (got < 0 && errno != ECHILD)) {
			i++;
			continue;
		}
		ended(ctx, c, status);
		remove_at(t, i);
	}
	/*
	 * A session whose zygote died between fork and answer is nobody's entry. When no answer is outstanding, any
	 * dead child that is left is such a one.
	 */
	while (t->lost && children_pending(t) == 0 && waitpid(-1, NULL, WNOHANG) > 0)
		t->lost--;
}

void children_free(struct children *t)
{
	while (t->n)
		remove_at(t, t->n - 1);
	free(t->v);
	memset(t, 0, sizeof(*t));
}
