// SPDX-License-Identifier: LGPL-2.1-or-later
/* run/hosts: added to, rewritten in place under readers that hold it open, one file each when isolated. No network. */
#include "net.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/path.h"
#include "netns_lib.h"

#define HEADER_LINES 7

static struct settings set;
static char dir[64];

static struct record named(const char *name, const char *ip, const char *ip6)
{
	struct record r = { 0 };

	(void)snprintf(r.name, sizeof(r.name), "%s", name);
	need(ip_parse(ip, &r.control_ip, NULL) == 0 &&
		     (!ip6 || ip_parse(ip6, &r.control_ip6, NULL) == 0),
	     "address");
	return r;
}

static void lines(const char *file, const char *want, const char *name)
{
	char got[1024];

	sh_out(-1, got, sizeof(got), "tail -n +%d '%s/%s' | tr '\\n\\t' '; '", HEADER_LINES + 1,
	       dir, file);
	same(got, want, name);
}

static ino_t inode(const char *file)
{
	char path[PATH_MAX];
	struct stat st = { 0 };

	(void)str_format(path, sizeof(path), "%s/%s", dir, file);
	(void)stat(path, &st);
	return st.st_ino;
}

static void test_shared(void)
{
	struct record a = named("alice", "172.31.199.1", "fd31:199::1"),
		      b = named("bob", "172.31.199.2", NULL);
	struct record al = named("al", "172.31.199.3", NULL);
	const struct record *const two[] = { &b, &al };
	struct err e = { 0 };
	ino_t first;

	did(net_hosts_add(&set, &a, &e), &e, "the first workspace makes the file");
	first = inode("hosts");
	ok(sh(-1,
	      "head -n %d '%s/hosts' | grep -q '^127.0.0.1.localhost$' && test \"$(stat -c %%a "
	      "'%s/hosts')\" = 644",
	      HEADER_LINES, dir, dir) == 0,
	   "with localhost, readable by all");
	did(net_hosts_add(&set, &b, &e), &e, "another");
	did(net_hosts_add(&set, &al, &e), &e, "one whose name begins like the first");
	did(net_hosts_add(&set, &a, &e), &e, "one that is there");
	lines("hosts", "172.31.199.1 alice;fd31:199::1 alice;172.31.199.2 bob;172.31.199.3 al;",
	      "every name once, both families");
	need(ip_parse("172.31.199.9", &a.control_ip, NULL) == 0, "address");
	did(net_hosts_add(&set, &a, &e), &e, "one with another address");
	lines("hosts", "172.31.199.2 bob;172.31.199.3 al;172.31.199.9 alice;fd31:199::1 alice;",
	      "replaces its lines");
	a.control_ip6.family = 0;
	did(net_hosts_add(&set, &a, &e), &e, "one that lost its IPv6 address");
	lines("hosts", "172.31.199.2 bob;172.31.199.3 al;172.31.199.9 alice;", "has one line");
	need(sh(-1, "printf '10.0.0.1\\tcut' >>'%s/hosts'", dir) == 0, "damage");
	did(net_hosts_add(&set, &b, &e), &e,
	    "adding what is there to a file with a line cut short");
	a = named("carol", "172.31.199.4", NULL);
	did(net_hosts_add(&set, &a, &e), &e, "adding another");
	lines("hosts", "172.31.199.2 bob;172.31.199.3 al;172.31.199.9 alice;172.31.199.4 carol;",
	      "drops the damage");
	did(net_hosts_rewrite(&set, two, 2, &e), &e, "rewrite with two");
	lines("hosts", "172.31.199.2 bob;172.31.199.3 al;", "leaves those two");
	did(net_hosts_rewrite(&set, NULL, 0, &e), &e, "rewrite with none");
	lines("hosts", "", "leaves the header");
	ok(inode("hosts") == first, "all in the same file, which is mounted into workspaces");
}

static void test_configured(void)
{
	struct record a = named("alice", "172.31.199.1", NULL),
		      b = named("bob", "172.31.199.2", NULL);
	const struct record *const one[] = { &b };
	struct spec specs[3] = { { .name = "alice" }, { .name = "bob" }, { .name = "carol" } };
	struct err e = { 0 };

	specs[0].control_ip = a.control_ip;
	need(ip_parse("172.31.199.9", &specs[1].control_ip, NULL) == 0, "address");
	set.workspaces = specs;
	set.nworkspaces = 3;
	need(sh(-1, "rm '%s/hosts'", dir) == 0, "start anew");
	did(net_hosts_rewrite(&set, NULL, 0, &e), &e, "configured workspaces with a fixed address");
	lines("hosts", "172.31.199.1 alice;172.31.199.9 bob;", "are known before they exist");
	did(net_hosts_add(&set, &a, &e), &e, "when one comes to exist");
	lines("hosts", "172.31.199.1 alice;172.31.199.9 bob;", "nothing changes");
	did(net_hosts_rewrite(&set, one, 1, &e), &e, "and one that has another address");
	lines("hosts", "172.31.199.2 bob;172.31.199.1 alice;", "is known by that");
	set.workspaces = NULL;
	set.nworkspaces = 0;
}

static void test_isolated(void)
{
	struct record a = named("alice", "172.31.199.1", NULL),
		      b = named("bob", "172.31.199.2", NULL);
	const struct record *const both[] = { &a, &b };
	struct err e = { 0 };

	set.network.isolate = true;
	ok(net_hosts_add(&set, &a, &e) == -ENOENT, "without its directory it is refused");
	need(sh(-1, "mkdir -p '%s/ws/alice'", dir) == 0, "directory");
	did(net_hosts_add(&set, &a, &e), &e, "isolated: a file of its own");
	lines("ws/alice/hosts", "172.31.199.1 alice;", "which names only itself");
	did(net_hosts_rewrite(&set, both, 2, &e), &e,
	    "rewriting passes over one that has never run");
	lines("ws/alice/hosts", "172.31.199.1 alice;", "and keeps the other");
}

static void test_refusals(void)
{
	struct record a = named("alice", "172.31.199.1", NULL);
	struct err e = { 0 };

	set.network.isolate = false;
	need(sh(-1, "rm '%s/hosts'; ln -s /nowhere '%s/hosts'", dir, dir) == 0, "link");
	ok(net_hosts_add(&set, &a, &e) == -ELOOP, "a symbolic link in its place is refused");
	need(sh(-1,
		"rm '%s/hosts'; mount -t tmpfs -o size=4k tmpfs '%s' && head -c 4096 /dev/zero "
		">'%s/fill'",
		dir, dir, dir) == 0,
	     "full disk");
	ok(net_hosts_add(&set, &a, &e) == -ENOSPC && strstr(e.text, "/hosts'"),
	   "a full disk is reported with the file's name");
	sh(-1, "umount '%s'", dir);
}

int main(void)
{
	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	test_shared();
	test_configured();
	test_isolated();
	test_refusals();
	return test_end(dir);
}
