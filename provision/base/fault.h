/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failure injection for tests.  `fault_point("netif.veth")` returns 0, or the -errno that SSHBAY_FAULT asks for:
 * SSHBAY_FAULT="netif.veth=ENOSPC" fails each time, "netif.veth=ENOSPC*2" the first two times in each process, "netif.veth=kill" raises SIGKILL there, "netif.veth=hang" stops there for ever,
 * "#7=EIO" fails the 7th point that is passed.  Compiled in only with -DSSHBAY_FAULTS (the test build); otherwise a constant 0.
 */
#pragma once
#ifdef SSHBAY_FAULTS
int fault_point(const char *name);
#else
static inline int fault_point(const char *name)
{
	(void)name;
	return 0;
}
#endif
