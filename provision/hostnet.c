/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See hostnet.h. Reads the records, never writes them. */
#include "hostnet.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/str.h"
#include "net.h"
#include "net_bridge.h"
#include "rdma.h"
#include "record.h"

struct leased {
	int recordsfd;
	struct record *list;
	const struct record **refs;
	unsigned int n, cap;
};

/* A record that cannot be read is the registry's to report; here it only has no address. */
static int collect(void *ctx, const char *name)
{
	struct leased *l = ctx;
	int fell_back;

	if (l->n == l->cap) {
		unsigned int cap = l->cap ? 2 * l->cap : 64;
		struct record *list = reallocarray(l->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		l->list = list;
		l->cap = cap;
	}
	if (record_load(l->recordsfd, name, &l->list[l->n], &fell_back, NULL) == 0 &&
	    l->list[l->n].state != RECORD_ABSENT)
		l->n++;
	return 0;
}

static int announce(const struct settings *s, struct leased *l, struct err *e)
{
	int ret = record_each(l->recordsfd, collect, l, e);

	if (ret)
		return ret;
	l->refs = calloc(l->n + 1, sizeof(const struct record *));
	if (!l->refs)
		return err_set(e, ENOMEM, "announce addresses: out of memory");
	for (unsigned int i = 0; i < l->n; i++)
		l->refs[i] = &l->list[i];
	ret = net_announce(s, l->refs, l->n, true, e);
	return ret ? ret : net_bridge_refresh(s, l->refs, l->n, e);
}

int hostnet_up(const struct settings *s, struct err *e)
{
	auto_fd int recordsfd = -1;
	struct leased l = { 0 };
	char path[PATH_MAX];
	int ret;

	rdma_host_up(s);
	ret = net_host_up(s, e);
	if (ret || (!s->network.announce[0] && !net_bridge_name(s, 0)))
		return ret;
	if (str_format(path, sizeof(path), "%s/records", s->storage.state))
		return err_set(e, ENAMETOOLONG, "open '%s/records': name too long",
			       s->storage.state);
	recordsfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (recordsfd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", path);
	l.recordsfd = recordsfd;
	ret = announce(s, &l, e);
	free(l.refs);
	free(l.list);
	return ret;
}
