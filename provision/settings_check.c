/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks of the configuration that need more than one value, or the host: ranges that must fit together, objects named
 * twice, the gate's user, the banner.  Whether interfaces, GPUs and cpus exist is not asked here: they may appear later,
 * and `sshbay doctor` looks.
 */
#include "settings_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "host_user.h"
#include "schema.h"

#define BANNER_MAX 1023 /* struct gate_welcome */
#define TEXT_MAX   2048 /* of the message of the day */
#define RUN_MAX    62   /* RUN/ws/NAME/init.sock is a socket's address: 107 bytes */

/* --- problems at a key ---------------------------------------------------------------------------------------------- */

static unsigned int row_index(const char *section, const char *key)
{
	return (unsigned int)(schema_find(section, key) - schema_rows);
}

/* Was the value of this key of sshbay.ini accepted? If not, nothing more is said about it. */
static bool good(const struct settings_loader *l, const char *section, const char *key)
{
	return !l->keys[row_index(section, key)].bad;
}

static struct settings_place main_place(const struct settings_loader *l, const char *section,
					const char *key)
{
	return (struct settings_place){ 0, l->keys[row_index(section, key)].line, section, key };
}

/* The key may stand in the workspace's file or come from [defaults]. */
static struct settings_place workspace_place(const struct settings_workspace *w, const char *key)
{
	unsigned int line = w->keys[row_index("workspace", key)].line;

	return (struct settings_place){ w->file, line ? line : w->line, w->section, key };
}

/* --- gate ----------------------------------------------------------------------------------------------------------- */

static void check_user(struct settings_loader *l)
{
	struct settings *s = l->s;
	struct err e = { 0 };

	if (!good(l, "gate", "user"))
		return;
	if (host_user_find(s->gate.user, &s->gate.uid, &s->gate.gid, &e) < 0) {
		settings_report_at(l, main_place(l, "gate", "user"), "%s%s", e.text,
				   e.code == ENOENT ? " (systemd-sysusers, or a number)" : "");
		return;
	}
	if (s->gate.uid == 0 || s->gate.gid == 0)
		settings_report_at(l, main_place(l, "gate", "user"),
				   "'%s' is root (the gate must run unprivileged)", s->gate.user);
	else if (s->gate.uid >= s->storage.id_base &&
		 s->gate.uid - s->storage.id_base < s->storage.id_count * s->storage.id_slots)
		settings_report_at(l, main_place(l, "gate", "user"),
				   "uid %" PRIu32 " belongs to the workspaces (id_base)",
				   s->gate.uid);
}

/* A file that goes to terminals as it is. */
static void check_text(struct settings_loader *l, const char *key, const char *path, size_t max)
{
	char text[TEXT_MAX + 2];
	size_t n = 0, i;
	struct err e;

	if (*path == '\0')
		return;
	if (path_read(AT_FDCWD, path, text, sizeof(text), &n, &e) < 0) {
		settings_report_at(l, main_place(l, "gate", key), "%s", e.text);
		return;
	}
	if (n > max) {
		settings_report_at(l, main_place(l, "gate", key), "'%s' is longer than %zu bytes",
				   path, max);
		return;
	}
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
			settings_report_at(l, main_place(l, "gate", key),
					   "'%s' has the control character \\x%02x in it", path, c);
			return;
		}
	}
}

static void check_keys_pattern(struct settings_loader *l)
{
	const char *p, *pattern = l->s->gate.authorized_keys;
	bool user = false;

	for (p = strchr(pattern, '%'); p; p = strchr(p + 2, '%')) {
		if (p[1] != 'u') {
			settings_report_at(l, main_place(l, "gate", "authorized_keys"),
					   "'%%%.1s' is not known (only %%u)", p + 1);
			return;
		}
		user = true;
	}
	if (!user && good(l, "gate", "authorized_keys"))
		settings_report_at(
			l, main_place(l, "gate", "authorized_keys"),
			"'%s' has no %%u: every key in it would open every user's workspace",
			pattern);
}

static void check_gate(struct settings_loader *l)
{
	const struct settings *s = l->s;
	uint32_t i;

	check_user(l);
	check_text(l, "banner", s->gate.banner, BANNER_MAX);
	check_text(l, "motd", s->gate.motd, TEXT_MAX);
	check_keys_pattern(l);
	for (i = 0; i < s->gate.nlisten; i++) {
		if (s->gate.listen[i].port == s->gate.transparent_port)
			settings_report_at(l, main_place(l, "gate", "transparent_port"),
					   "%" PRIu32 " is a port of listen as well",
					   s->gate.transparent_port);
	}
}

/* --- network -------------------------------------------------------------------------------------------------------- */

static bool overlap(const struct ipnet *a, const struct ipnet *b)
{
	return a->addr.family && a->addr.family == b->addr.family &&
	       (ip_in_net(&a->addr, b) || ip_in_net(&b->addr, a));
}

/* Networks that cannot be a pool: what they are, or NULL. */
static const char *special(const struct ipnet *net)
{
	static const struct {
		const char *net, *what;
	} known[] = {
		{ "0.0.0.0/8", "no addresses of hosts" },
		{ "127.0.0.0/8", "loopback" },
		{ "169.254.0.0/16", "link-local" },
		{ "224.0.0.0/3", "multicast or reserved" },
		{ "fe80::/10", "link-local" },
		{ "ff00::/8", "multicast" },
		{ "::/8", "reserved" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct ipnet other;

		if (ip_parse_net(known[i].net, &other, NULL) == 0 && overlap(net, &other))
			return known[i].what;
	}
	return NULL;
}

static void check_pool(struct settings_loader *l, const char *key, const struct ipnet *net)
{
	char text[IP_TEXT_MAX];
	const char *what = net->addr.family ? special(net) : NULL;

	if (what)
		settings_report_at(l, main_place(l, "network", key), "'%s' is %s",
				   ip_net_text(net, text, sizeof(text)), what);
}

static void check_network(struct settings_loader *l)
{
	const struct settings *s = l->s;

	check_pool(l, "control_cidr", &s->network.control_cidr);
	check_pool(l, "control_cidr6", &s->network.control_cidr6);
	check_pool(l, "data_cidr", &s->network.data_cidr);
	if (overlap(&s->network.control_cidr, &s->network.data_cidr))
		settings_report_at(l, main_place(l, "network", "data_cidr"),
				   "overlaps control_cidr");
	/* Tables default, main and local. */
	if (s->network.table >= 253 && s->network.table <= 255)
		settings_report_at(l, main_place(l, "network", "table"),
				   "%" PRIu32 " is one of the system's own", s->network.table);
}

/* --- storage -------------------------------------------------------------------------------------------------------- */

static void check_path(struct settings_loader *l, const char *key, const char *path, size_t max)
{
	if (strlen(path) > max)
		settings_report_at(l, main_place(l, "storage", key), "%zu characters (at most %zu)",
				   strlen(path), max);
	else if (path[strspn(path, "/")] == '\0' && good(l, "storage", key))
		settings_report_at(l, main_place(l, "storage", key), "'%s' is the root directory",
				   path);
}

/* The end of the pool, told at the key that the file has. */
static void check_ids(struct settings_loader *l)
{
	static const char *const keys[] = { "id_slots", "id_count", "id_base" };
	const struct settings *s = l->s;
	uint64_t end = s->storage.id_base + s->storage.id_count * s->storage.id_slots;
	const char *key = keys[0];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!good(l, "storage", keys[i]))
			return;
		if (l->keys[row_index("storage", keys[i])].line)
			key = keys[i];
	}
	/* 2^32-1 is no id, and 2^32-2 is the highest that there is. */
	if (end > UINT32_MAX)
		settings_report_at(l, main_place(l, "storage", key),
				   "the ids end at %" PRIu64
				   ", above 4294967294 (id_base + id_slots * id_count)",
				   end - 1);
}

static void check_storage(struct settings_loader *l)
{
	struct settings *s = l->s;

	check_path(l, "state", s->storage.state, PATH_MAX);
	check_path(l, "run", s->storage.run, RUN_MAX);
	if (s->storage.images[0] == '\0')
		(void)str_format(s->storage.images, sizeof(s->storage.images), "%s/images",
				 s->storage.state);
	if (strcmp(s->storage.state, s->storage.run) == 0)
		settings_report_at(l, main_place(l, "storage", "run"),
				   "is the same directory as state");
	check_ids(l);
}

/* --- workspaces ----------------------------------------------------------------------------------------------------- */

static bool bad_key(const struct settings_loader *l, const struct settings_workspace *w,
		    const char *key)
{
	unsigned int row = row_index("workspace", key);

	return w->keys[row].bad || (w->keys[row].line == 0 && l->keys[row].bad);
}

static void check_control_ip(struct settings_loader *l, const struct settings_workspace *w,
			     const char *key, const struct ip *ip, const struct ipnet *pool)
{
	const char *pool_key = pool->addr.family == AF_INET6 || ip->family == AF_INET6
				       ? "control_cidr6"
				       : "control_cidr";
	char text[IP_TEXT_MAX], net[IP_TEXT_MAX];
	struct ip last;

	if (!ip->family || bad_key(l, w, key) || !good(l, "network", pool_key))
		return;
	ip_text(ip, text, sizeof(text));
	if (!pool->addr.family)
		settings_report_at(l, workspace_place(w, key),
				   "'%s' is in no pool ([network] %s is empty)", text, pool_key);
	else if (!ip_in_net(ip, pool))
		settings_report_at(l, workspace_place(w, key), "'%s' is not in [network] %s = %s",
				   text, pool_key, ip_net_text(pool, net, sizeof(net)));
	else if (ip_equal(ip, &pool->addr))
		settings_report_at(l, workspace_place(w, key),
				   "'%s' is the address of the network itself", text);
	else if (ip->family == AF_INET &&
		 ip_nth(pool, (UINT64_C(1) << (32 - pool->plen)) - 1, &last) && ip_equal(ip, &last))
		settings_report_at(l, workspace_place(w, key),
				   "'%s' is the network's broadcast address", text);
}

/* data_ip and data_ip6. */
static void check_data_ip(struct settings_loader *l, const struct settings_workspace *w,
			  const char *key, const struct ipnet *addr)
{
	char text[IP_TEXT_MAX];
	struct ip last;

	if (!addr->addr.family || bad_key(l, w, key))
		return;
	ip_text(&addr->addr, text, sizeof(text));
	if (strcmp(w->spec.nic, "none") == 0 && !bad_key(l, w, "nic"))
		settings_report_at(l, workspace_place(w, key),
				   "'%s' has no interface to go to (nic = none)", text);
	if (ip_in_net(&addr->addr, &l->s->network.control_cidr) ||
	    ip_in_net(&addr->addr, &l->s->network.control_cidr6))
		settings_report_at(l, workspace_place(w, key), "'%s' is in the control network",
				   text);
	if (addr->addr.family == AF_INET && addr->plen < 31 &&
	    ip_nth(addr, (UINT64_C(1) << (32 - addr->plen)) - 1, &last) &&
	    ip_equal(&addr->addr, &last))
		settings_report_at(l, workspace_place(w, key),
				   "'%s' is the network's broadcast address", text);
}

static void check_users(struct settings_loader *l, struct settings_workspace *w)
{
	struct spec *spec = &w->spec;

	if (w->keys[row_index("workspace", "users")].line) {
		if (spec->nusers == 0 && !bad_key(l, w, "users"))
			settings_report_at(l, workspace_place(w, "users"),
					   "is empty: nobody could log in");
		return;
	}
	if (!settings_may_enter(spec, spec->name) && spec->nusers < SETTINGS_USERS_MAX)
		str_copy(spec->users[spec->nusers++], STR_NAME_MAX, spec->name);
}

static void check_rdma(struct settings_loader *l, const struct settings_workspace *w)
{
	const struct spec *spec = &w->spec;
	bool none = strcmp(spec->rdma, "none") == 0;

	if (!none && strcmp(spec->nic, "none") == 0 && !bad_key(l, w, "nic"))
		settings_report_at(l, workspace_place(w, "rdma"), "'%s' needs a nic", spec->rdma);
	if (none && spec->rdma_cm && !bad_key(l, w, "rdma"))
		settings_report_at(l, workspace_place(w, "rdma_cm"), "needs rdma");
}

static void check_workspace(struct settings_loader *l, struct settings_workspace *w)
{
	const struct spec *spec = &w->spec;

	check_users(l, w);
	check_control_ip(l, w, "control_ip", &spec->control_ip, &l->s->network.control_cidr);
	check_control_ip(l, w, "control_ip6", &spec->control_ip6, &l->s->network.control_cidr6);
	check_data_ip(l, w, "data_ip", &spec->data_ip);
	check_data_ip(l, w, "data_ip6", &spec->data_ip6);
	if (strcmp(spec->nic, "auto") == 0 && l->s->pool.nics[0] == '\0' && good(l, "pool", "nics"))
		settings_report_at(l, workspace_place(w, "nic"),
				   "'auto' has nothing to choose from ([pool] nics is empty)");
	if (spec->dpdk &&
	    (strcmp(spec->nic, "none") == 0 || strncmp(spec->nic, "macvlan:", 8) == 0))
		settings_report_at(l, workspace_place(w, "dpdk"),
				   "needs a NIC of its own (nic = %s)", spec->nic);
	if (spec->dpdk && strcmp(spec->rdma, "none") != 0)
		settings_report_at(
			l, workspace_place(w, "dpdk"),
			"and rdma exclude each other: a NIC at vfio-pci has no RDMA device");
	check_rdma(l, w);
	if (strcmp(spec->cpus, "auto:nic") == 0 && strcmp(spec->nic, "none") == 0)
		settings_report_at(l, workspace_place(w, "cpus"), "'auto:nic' needs a nic");
	if (strcmp(spec->cpus, "auto:gpu") == 0 && strcmp(spec->gpu, "none") == 0)
		settings_report_at(l, workspace_place(w, "cpus"), "'auto:gpu' needs a gpu");
}

/* The text that tells one device from another: without "pci:". NULL: no particular device. */
static const char *device(const char *text)
{
	if (strcmp(text, "none") == 0 || strcmp(text, "auto") == 0)
		return NULL;
	return strncmp(text, "pci:", 4) == 0 ? text + 4 : text;
}

static bool same_device(const char *a, const char *b)
{
	const char *da = device(a), *db = device(b);
	bool number = da && strpbrk(da, ":-"); /* an address or UUID: hexadecimal, either case */

	if (!da || !db)
		return false;
	return number ? strcasecmp(da, db) == 0 : strcmp(da, db) == 0;
}

/* The same GPU, or one of them an instance of the other; under different kinds of names only the host can tell. */
static bool same_gpu(const char *a, const char *b)
{
	size_t na, nb, n;

	a = device(a);
	b = device(b);
	if (!a || !b)
		return false;
	if (strchr(a, '=')) /* a CDI name */
		return strcmp(a, b) == 0;
	na = strlen(a);
	nb = strlen(b);
	n = na < nb ? na : nb;
	return strncasecmp(a, b, n) == 0 && (na == nb || (na < nb ? b[n] : a[n]) == '/');
}

/* Two workspaces; problems are reported at the second. */
struct pair {
	const struct settings_workspace *first, *second;
};

static void check_address(struct settings_loader *l, const struct pair *p, const char *key,
			  const struct ip *first, const struct ip *second)
{
	char text[IP_TEXT_MAX];

	if (second->family && ip_equal(first, second))
		settings_report_at(l, workspace_place(p->second, key),
				   "%s is the address of workspace '%s' already",
				   ip_text(second, text, sizeof(text)), p->first->spec.name);
}

static void check_pair(struct settings_loader *l, const struct settings_workspace *a,
		       const struct settings_workspace *w)
{
	const struct spec *s = &a->spec, *t = &w->spec;
	const struct pair p = { a, w };

	check_address(l, &p, "control_ip", &s->control_ip, &t->control_ip);
	check_address(l, &p, "control_ip6", &s->control_ip6, &t->control_ip6);
	check_address(l, &p, "data_ip", &s->data_ip.addr, &t->data_ip.addr);
	check_address(l, &p, "data_ip6", &s->data_ip6.addr, &t->data_ip6.addr);
	/* A macvlan's parent is for many. */
	if (same_device(s->nic, t->nic) && strncmp(t->nic, "macvlan:", 8) != 0)
		settings_report_at(l, workspace_place(w, "nic"),
				   "'%s' is given to workspace '%s' already", t->nic, s->name);
	if (same_device(s->rdma, t->rdma))
		settings_report_at(l, workspace_place(w, "rdma"),
				   "'%s' is given to workspace '%s' already", t->rdma, s->name);
	if (same_gpu(s->gpu, t->gpu))
		settings_report_at(l, workspace_place(w, "gpu"),
				   "'%s' is given to workspace '%s' already", t->gpu, s->name);
}

/* A default that names one device would be taken by the first workspace and missed by all others. */
static void check_defaults(struct settings_loader *l)
{
	const struct spec *d = &l->s->defaults;

	if (device(d->nic))
		settings_report_at(l, main_place(l, "defaults", "nic"),
				   "'%s' is one device (auto or none)", d->nic);
	if (device(d->rdma))
		settings_report_at(l, main_place(l, "defaults", "rdma"),
				   "'%s' is one device (auto or none)", d->rdma);
	if (device(d->gpu))
		settings_report_at(l, main_place(l, "defaults", "gpu"),
				   "'%s' is one device (auto or none)", d->gpu);
	if (d->nusers >= SETTINGS_USERS_MAX)
		settings_report_at(l, main_place(l, "defaults", "users"),
				   "more than %d users (the workspace's own is added)",
				   SETTINGS_USERS_MAX - 1);
	if (strcmp(d->nic, "auto") == 0 && l->s->pool.nics[0] == '\0' && good(l, "pool", "nics"))
		settings_report_at(l, main_place(l, "defaults", "nic"),
				   "'auto' has nothing to choose from ([pool] nics is empty)");
}

void settings_check_all(struct settings_loader *l)
{
	unsigned int i, j;

	check_storage(l);
	check_gate(l);
	settings_check_auth(l);
	check_network(l);
	check_defaults(l);
	settings_check_attach(l);
	if (l->nworkspaces > l->s->storage.id_slots)
		settings_report_at(l, main_place(l, "storage", "id_slots"),
				   "%" PRIu32 " is too few for the %u workspaces configured",
				   l->s->storage.id_slots, l->nworkspaces);
	for (i = 0; i < l->nworkspaces; i++) {
		check_workspace(l, &l->workspaces[i]);
		for (j = 0; j < i; j++)
			check_pair(l, &l->workspaces[j], &l->workspaces[i]);
	}
}
