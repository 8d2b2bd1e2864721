// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Flow rules on their way home, with a driver that has them only while the interface is up, as otx2, mlx4 and bnxt do.  The
 * interface is one end of a veth; what ethtool asks about rules is answered here, all else by the kernel.
 */
#include "nic.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "netns_lib.h"
#include "nic_identify.h"
#include "quarantine.h"

static struct settings set;
static struct spec spec;
static struct plan plan;
static struct record rec;
static char dir[64];

/* --- the driver --- */

static struct {
	uint32_t place[8]; /* the locations of its rules */
	unsigned int n;
	bool ntuple, context, stuck; /* stuck: no rule can be removed */
} driver;

static long kernel(int fd, unsigned long request, struct ifreq *ifr)
{
	return syscall(SYS_ioctl, fd, request, ifr);
}

static bool is_up(int fd, const struct ifreq *asked)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, asked->ifr_name, sizeof(ifr.ifr_name));
	return kernel(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP);
}

static unsigned int place_of(uint32_t location)
{
	unsigned int i = 0;

	while (i < driver.n && driver.place[i] != location)
		i++;
	return i;
}

static int rules(struct ethtool_rxnfc *c)
{
	unsigned int at = place_of(c->fs.location);

	switch (c->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		c->rule_cnt = driver.n;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		memcpy(c->rule_locs, driver.place, driver.n * sizeof(driver.place[0]));
		return 0;
	case ETHTOOL_GRXCLSRULE:
		c->fs.flow_type = TCP_V4_FLOW;
		return at < driver.n ? 0 : ENOENT;
	case ETHTOOL_SRXCLSRLDEL:
		if (driver.stuck || at == driver.n)
			return EIO;
		driver.place[at] = driver.place[--driver.n];
		return 0;
	default:
		driver.place[driver.n++] = c->fs.location;
		return 0;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifr;
	uint32_t *data;
	va_list ap;
	long ret;

	va_start(ap, request);
	ifr = va_arg(ap, struct ifreq *);
	va_end(ap);
	data = request == SIOCETHTOOL ? (void *)ifr->ifr_data : NULL;
	if (data && data[0] >= ETHTOOL_GRXCLSRLCNT && data[0] <= ETHTOOL_SRXCLSRLINS) {
		errno = is_up(fd, ifr) ? rules((void *)data) : EOPNOTSUPP;
		return errno ? -1 : 0;
	}
	if (data && data[0] == ETHTOOL_GRSSH && driver.context &&
	    ((struct ethtool_rxfh *)(void *)data)->rss_context == 1)
		return 0;
	ret = kernel(fd, request, ifr);
	/* Every offload can be switched, with ntuple among them. */
	if (ret == 0 && data && data[0] == ETHTOOL_GFEATURES && driver.ntuple)
		for (uint32_t i = 0; i < data[1]; i++) {
			struct ethtool_gfeatures *g = (void *)data;

			g->features[i].available = UINT32_MAX;
		}
	return (int)ret;
}

/* --- */

static void host_has(const char *state, unsigned int nrules)
{
	(void)snprintf(spec.nic, sizeof(spec.nic), "cable1");
	memset(&driver, 0, sizeof(driver));
	driver.ntuple = true;
	need(sh(-1, "ip link set cable1 %s", state) == 0, "interface");
	for (uint32_t i = 0; i < nrules; i++)
		driver.place[driver.n++] = 10 + i;
	need(nic_identify(&set, spec.nic, &rec, NULL, NULL) == 0, "identify");
}

static bool quarantined(struct quarantine *q)
{
	return quarantine_get(set.storage.state, "nic", rec.nic.id, q, NULL) == 0;
}

static void come_and_go(const char *state)
{
	struct err e = { 0 };

	did(nic_up(&plan, &e), &e, "move it in");
	driver.place[0] = 66; /* the host's first, if any, is another one of the tenant's */
	driver.n = driver.n ? driver.n : 1;
	did(nic_down(&plan, &e), &e, "bring it home");
	ok(sh(-1, "ip link show cable1 | grep -q '[<,]UP[,>]'") == (strcmp(state, "up") != 0),
	   "it is %s, as it was", state);
}

static void test_up(void)
{
	struct quarantine q;

	host_has("up", 2);
	come_and_go("up");
	ok(driver.n == 2 && place_of(10) < 2 && place_of(11) < 2, "with the host's rules");
	ok(!quarantined(&q), "and not in quarantine");
}

/* It is brought up for a moment, since a tenant's rules would be the next one's. */
static void test_down(void)
{
	struct quarantine q;

	host_has("down", 0);
	come_and_go("down");
	ok(driver.n == 0, "the tenant's rule is gone");
	ok(!quarantined(&q), "and it is not in quarantine");
}

static void test_stuck(void)
{
	struct quarantine q = { 0 };
	struct err e = { 0 };

	host_has("down", 0);
	driver.stuck = true;
	come_and_go("down");
	ok(quarantined(&q), "with a rule that stays it is in quarantine");
	same(q.reason, "remove flow rules of 'nic-6': Input/output error", "with the reason");
	driver.stuck = false;
	need(quarantine_remove(set.storage.state, "nic", rec.nic.id, &e) == 0, "free it");
}

static void test_context(void)
{
	struct err e = { 0 };

	host_has("up", 0);
	driver.context = true;
	ok(nic_up(&plan, &e) == -EBUSY && strstr(e.text, "the host has RSS contexts on 'cable1'"),
	   "a NIC on which the host has RSS contexts is refused: %s", e.text);
	did(nic_down(&plan, &e), &e, "nothing happened to it");
}

int main(void)
{
	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	(void)str_format(set.storage.state, sizeof(set.storage.state), "%s/state", dir);
	make_plan(&plan, &set, &rec, "alice", 6);
	plan.spec = &spec;
	plan.netns = new_netns();
	need(sh(-1, "mkdir -p '%s' && touch '%s/net' && mount --bind /proc/%d/fd/%d '%s/net'",
		plan.dir, plan.dir, getpid(), plan.netns, plan.dir) == 0,
	     "run directory with a pin");
	need(sh(-1, "ip link add cable1 type veth peer name far && ip link set far up") == 0,
	     "interface");
	test_up();
	test_down();
	test_stuck();
	test_context();
	sh(-1, "umount '%s/net'", plan.dir);
	return test_end(dir);
}
