/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RDMA between two workspaces.  What perftest says is the tenants' word; the counters are read from a sysfs of the
 * workspace's network namespace that is mounted nowhere, so that no tenant can cover it.  Runs in sshbay.
 */
#include "bench_rdma.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "netns.h"
#include "rdma_find.h"

#define HOST_DEV_MAX (1024 * 1024) /* bytes of /proc/net/dev */

void bench_rdma_devices(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		const char *leased = b->ends[i].ws.rdma;
		char *to = b->ends[i].facts.rdma;

		if (strcmp(leased, "none") == 0 || strcmp(leased, "auto") == 0 ||
		    str_copy(to, PAIR_WORD, leased))
			to[0] = '\0';
	}
}

static bool is_iwarp(const struct pair_end *end)
{
	return strcmp(end->facts.rdma_type, "RNIC") == 0;
}

int bench_rdma_check(const struct bench *b)
{
	char text[512];

	for (int i = 0; i < 2; i++) {
		const char *name = b->ends[i].ws.name, *device = b->ends[i].facts.rdma;

		text[0] = '\0';
		if (!*device)
			(void)str_format(text, sizeof(text),
					 "bench workspace '%s': it has no RDMA device (set rdma = "
					 "auto in workspaces.d/%s.ini)",
					 name, name);
		else if (!b->ends[i].facts.ip.addr.family)
			(void)str_format(text, sizeof(text),
					 "bench workspace '%s': perftest connects by IPv4 (set "
					 "data_ip in workspaces.d/%s.ini)",
					 name, name);
		else if (is_iwarp(&b->ends[i]) && !b->ends[i].facts.rdma_cm)
			(void)str_format(text, sizeof(text),
					 "bench workspace '%s': '%s' speaks iWARP, which connects "
					 "by rdma_cm alone (set rdma_cm = yes in "
					 "workspaces.d/%s.ini)",
					 name, device, name);
		if (text[0])
			return cli_fail(text);
	}
	return 0;
}

/* Says when the port is listened on. The program's words go to one stream, so that none is mistaken for a failure. */
#define LISTEN                                                                                     \
	"up() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | { while read -r i l r s x; do "     \
	"case $l$s in *:%04X0A) exit 0 ;; esac; done; exit 1; }; }; "                              \
	"%s -d %s -p %d </dev/null 2>&1 & p=$!; "                                                  \
	"{ until up; do kill -0 $p || { echo; echo @ended; exit; }; sleep 0.05; done; "            \
	"echo; echo @listening; } 2>/dev/null & "                                                  \
	"cat >/dev/null; kill $p"
/* Ends with its program, which the shell that is killed would leave behind. */
#define TRIES                                                                                      \
	"( trap 'kill $c; exit 1' TERM; for i in 1 2 3 4 5 6 7 8 9 10; do %s -R -d %s -p %d %s & " \
	"c=$!; wait $c && exit 0; sleep 0.5; done; exit 1 )"

void bench_rdma_plan(const struct bench *b, int from, const char *command, struct bench_job *j)
{
	const struct pair_end *to = &b->ends[!from], *c = &b->ends[from];
	char address[IP_TEXT_MAX];

	(void)ip_text(&to->facts.ip.addr, address, sizeof(address));
	j->server = !from;
	j->client = from;
	if (is_iwarp(&b->ends[0]) || is_iwarp(&b->ends[1])) {
		j->ready = NULL;
		(void)str_format(j->serve, sizeof(j->serve), BENCH_SERVER("%s -R -d %s -p %d"),
				 command, to->facts.rdma, BENCH_PORT);
		(void)str_format(j->ask, sizeof(j->ask), BENCH_CLIENT(TRIES), command,
				 c->facts.rdma, BENCH_PORT, address);
		return;
	}
	j->ready = "@";
	(void)str_format(j->serve, sizeof(j->serve), BENCH_PATHS LISTEN, BENCH_PORT, command,
			 to->facts.rdma, BENCH_PORT);
	(void)str_format(j->ask, sizeof(j->ask), BENCH_CLIENT("%s -d %s -p %d %s"), command,
			 c->facts.rdma, BENCH_PORT, address);
}

/* --- counters --- */

static bool read_number(int dir, const char *path, uint64_t *v)
{
	char text[32];
	size_t len;

	if (path_read(dir, path, text, sizeof(text), &len, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return num_u64(text, 0, UINT64_MAX, v, NULL) == 0;
}

bool bench_rdma_port(int sysfs, const char *device, uint64_t *tx, uint64_t *rx)
{
	/* The first that there is: InfiniBand's own, in words of 4 bytes; irdma's; bnxt_re's and efa's. */
	static const struct {
		const char *tx, *rx;
		unsigned int bytes;
	} kinds[] = {
		{ "counters/port_xmit_data", "counters/port_rcv_data", 4 },
		{ "hw_counters/ip4OutOctets", "hw_counters/ip4InOctets", 1 },
		{ "hw_counters/tx_bytes", "hw_counters/rx_bytes", 1 },
	};
	char path[2][PATH_MAX];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		(void)str_format(path[0], PATH_MAX, "class/infiniband/%s/ports/1/%s", device,
				 kinds[i].tx);
		(void)str_format(path[1], PATH_MAX, "class/infiniband/%s/ports/1/%s", device,
				 kinds[i].rx);
		if (!read_number(sysfs, path[0], tx) || !read_number(sysfs, path[1], rx))
			continue;
		*tx *= kinds[i].bytes;
		*rx *= kinds[i].bytes;
		return true;
	}
	return false;
}

static int open_netns(const struct pair_end *end, struct err *e)
{
	char path[64];
	struct stat st;
	auto_fd int fd = -1;

	(void)str_format(path, sizeof(path), "/proc/%" PRIu32 "/ns/net", end->ws.init_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != end->ws.ns_net)
		return err_set(e, ESTALE, "workspace '%s' was stopped or restarted meanwhile",
			       end->ws.name);
	return fd_take(&fd);
}

/* In exclusive mode a device is in the sysfs of its namespace alone, and which one that is the mounting thread decides. */
static int open_sysfs(const struct pair_end *end, struct err *e)
{
	auto_fd int netns = open_netns(end, e), fs = -1;
	auto_netns int home = -1;
	int ret = netns < 0 ? netns : netns_visit(netns, &home, e), fd;

	if (ret)
		return ret;
	fs = fsopen("sysfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "look at the RDMA device of workspace '%s'", end->ws.name);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	return fd < 0 ? err_sys(e, "look at the RDMA device of workspace '%s'", end->ws.name) : fd;
}

/* The interface of the host's below a device that is made in software, which no name of a tenant's hides. */
static int take_parent(const char *parent, struct pair_counts *n, struct err *e)
{
	auto_free char *text = malloc(HOST_DEV_MAX);
	size_t len;
	int ret;

	if (!text)
		return err_set(e, ENOMEM, "count what RDMA sent: out of memory");
	ret = path_read(AT_FDCWD, "/proc/self/net/dev", text, HOST_DEV_MAX, &len, e);
	if (ret == 0 && !pair_count_parse(text, parent, &n->data))
		ret = err_set(e, ENODEV, "count what RDMA sent: '%s' is not in /proc/net/dev",
			      parent);
	return ret;
}

int bench_rdma_count(const struct bench *b, const struct pair_end *end, struct pair_counts *n,
		     bool *counted, struct err *e)
{
	auto_fd int host = open(b->sysfs, O_PATH | O_DIRECTORY | O_CLOEXEC), own = -1;
	const char *device = end->facts.rdma;
	struct rdma_find dev;
	uint64_t tx, rx;

	*counted = true;
	if (rdma_find_look(b->sysfs, device, &dev, NULL) == 0 && dev.parent[0])
		return take_parent(dev.parent, n, e);
	*counted = host >= 0 && bench_rdma_port(host, device, &tx, &rx);
	if (!*counted) {
		own = open_sysfs(end, e);
		if (own < 0)
			return own;
		*counted = bench_rdma_port(own, device, &tx, &rx);
	}
	if (*counted) {
		n->data.tx_bytes += tx;
		n->data.rx_bytes += rx;
	}
	return 0;
}
