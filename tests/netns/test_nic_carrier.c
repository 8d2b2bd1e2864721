// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A NIC on its way home whose link takes a moment, or does not come, and a driver that resets its device.  The interface is
 * one end of a veth; what ethtool asks about pause frames and the carrier is answered here, as by drivers that tell what
 * the ends of the link have agreed upon (igb, i40e), all else by the kernel.  The
 * clock moves by pauses alone, which take no time.
 */
#include "nic.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "netns_lib.h"
#include "nic_identify.h"
#include "nic_note.h"
#include "quarantine.h"

#define NEVER 1000000

static struct settings set;
static struct spec spec;
static struct plan plan;
static struct record rec;
static char dir[64];
static long paused_ms;

/* --- the driver --- */

static struct {
	uint32_t rx_pause; /* as it was set; told only once it is agreed upon */
	bool needs_link;   /* takes it only then */
	int carrier,
		agreed; /* looks, since it came up under its name, until there is one, and until they agree */
	int away, back;    /* looks from which, and until which, there is no device */
	int looks, writes; /* since it came up under its name; writes: of them with a carrier */
} driver;

int nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	paused_ms += (long)t->tv_sec * 1000 + t->tv_nsec / 1000000;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static struct timespec start;

	if (clock != CLOCK_MONOTONIC || !start.tv_sec) {
		if (syscall(SYS_clock_gettime, clock, t))
			return -1;
		start = clock == CLOCK_MONOTONIC ? *t : start;
		return 0;
	}
	t->tv_sec = start.tv_sec + (start.tv_nsec / 1000000 + paused_ms) / 1000;
	t->tv_nsec = (start.tv_nsec / 1000000 + paused_ms) % 1000 * 1000000;
	return 0;
}

static long kernel(int fd, unsigned long request, struct ifreq *ifr)
{
	return syscall(SYS_ioctl, fd, request, ifr);
}

static bool is_up(int fd, const struct ifreq *asked)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, asked->ifr_name, sizeof(ifr.ifr_name));
	return strcmp(ifr.ifr_name, "cable1") == 0 && kernel(fd, SIOCGIFFLAGS, &ifr) == 0 &&
	       (ifr.ifr_flags & IFF_UP);
}

static int pauses(struct ethtool_pauseparam *p, bool carrier)
{
	if (p->cmd == ETHTOOL_SPAUSEPARAM) {
		driver.writes += carrier;
		if (driver.needs_link && !carrier)
			return EINVAL;
		driver.rx_pause = p->rx_pause;
		return 0;
	}
	p->autoneg = 1;
	p->rx_pause = carrier && driver.looks > driver.agreed ? driver.rx_pause : 0;
	p->tx_pause = 0;
	return 0;
}

/* The carrier is what each look at it begins with. */
static int answer(uint32_t *data, bool up)
{
	bool carrier;

	if (up && data[0] == ETHTOOL_GLINK)
		driver.looks++;
	if (up && driver.looks >= driver.away && driver.looks < driver.back)
		return ENODEV;
	carrier = up && driver.looks > driver.carrier;
	if (data[0] != ETHTOOL_GLINK)
		return pauses((void *)data, carrier);
	data[1] = carrier;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifr;
	uint32_t *data;
	va_list ap;

	va_start(ap, request);
	ifr = va_arg(ap, struct ifreq *);
	va_end(ap);
	data = request == SIOCETHTOOL ? (void *)ifr->ifr_data : NULL;
	if (!data || (data[0] != ETHTOOL_GLINK && data[0] != ETHTOOL_GPAUSEPARAM &&
		      data[0] != ETHTOOL_SPAUSEPARAM))
		return (int)kernel(fd, request, ifr);
	errno = answer(data, is_up(fd, ifr));
	return errno ? -1 : 0;
}

/* --- */

/* With a link and pause frames on the host, without them at the tenant's. */
static void lease(void)
{
	struct err e = { 0 };
	struct nic_note note;

	memset(&driver, 0, sizeof(driver));
	driver.rx_pause = 1;
	did(nic_up(&plan, &e), &e, "move it in");
	need(nic_note_load(plan.dir, &note, &e) == 0, "note");
	ok(note.driver.carrier == ETHTOOL_CARRIER_ON, "with a carrier in its note");
	driver.rx_pause = 0;
	driver.looks = driver.writes = 0;
	paused_ms = 0;
}

static void come_home(const char *reason, const char *name)
{
	struct quarantine q = { 0 };
	struct err e = { 0 };

	did(nic_down(&plan, &e), &e, name);
	(void)quarantine_get(set.storage.state, "nic", rec.nic.id, &q, NULL);
	same(q.reason, reason, reason[0] ? "it is in quarantine" : "it is not in quarantine");
	if (reason[0])
		need(quarantine_remove(set.storage.state, "nic", rec.nic.id, &e) == 0, "free it");
}

static void test_at_once(void)
{
	lease();
	come_home("", "bring it home to a link that is there at once");
	ok(driver.rx_pause == 1 && driver.writes == 0, "as it was, without a write with the link");
	ok(paused_ms == 0, "nor a wait: %ld ms", paused_ms);
}

/* A driver of which pause frames are told, and that takes them, only with a link. */
static void test_slow(void)
{
	lease();
	driver.carrier = 20;
	driver.agreed = 25;
	come_home("", "bring it home to a link that takes a second");
	ok(driver.rx_pause == 1 && driver.writes == 0, "what its ends agree upon is waited for");
	ok(paused_ms >= 1000, "%ld ms", paused_ms);
	lease();
	driver.needs_link = true;
	driver.carrier = 20;
	come_home("", "the same with a driver that can be told only then");
	ok(driver.rx_pause == 1 && driver.writes == 1, "which is told");
}

static void test_off(void)
{
	lease();
	driver.carrier = NEVER;
	come_home("", "bring it home when the other end of the link is off");
	ok(driver.rx_pause == 1, "what was set is set back");
	ok(paused_ms >= 10000 && paused_ms < 13000, "the link was waited for: %ld ms", paused_ms);
}

static void test_never_agreed(void)
{
	lease();
	driver.agreed = NEVER;
	come_home("restore 'cable1': not as it was: pause",
		  "bring it home to a link whose ends agree upon something else");
	ok(paused_ms < 7000, "which is found soon: %ld ms", paused_ms);
}

/* The first look is at whether it is as it was, the second at what is to be compared. */
static void test_reset(void)
{
	lease();
	driver.away = 2;
	driver.back = 5;
	come_home("", "bring it home to a driver that resets it at the end");
	lease();
	driver.away = 1;
	driver.back = 5;
	come_home("", "or when it comes up");
	lease();
	driver.away = 2;
	driver.back = NEVER;
	come_home("read the driver's settings of 'cable1': No such device",
		  "or does so and never ends");
	ok(paused_ms < 13000, "which is not waited for: %ld ms", paused_ms);
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
	need(sh(-1, "ip link add cable1 type veth peer name far && ip link set far up && ip link "
		    "set cable1 up") == 0,
	     "interface");
	(void)snprintf(spec.nic, sizeof(spec.nic), "cable1");
	need(nic_identify(&set, spec.nic, &rec, NULL, NULL) == 0, "identify");
	test_at_once();
	test_slow();
	test_off();
	test_never_agreed();
	test_reset();
	sh(-1, "umount '%s/net'", plan.dir);
	return test_end(dir);
}
