/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few operations on the state of PID 1 that its parts share: time, watching descriptors, stopping. */
#include "agent.h"

#include <signal.h>
#include <sys/epoll.h>

#include "base/clk.h"
#include "job.h"

uint64_t agent_now(void)
{
	return clk_now_us() / 1000;
}

void agent_watch(struct agent *a, int fd, enum agent_source source, uint32_t row, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)source << 32 | row };

	if (!events)
		epoll_ctl(a->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 && errno == EEXIST)
		epoll_ctl(a->epoll, EPOLL_CTL_MOD, fd, &ev);
}

void agent_stop(struct agent *a, uint64_t ms)
{
	uint64_t kill_at = agent_now() + ms;

	if (!a->stopping || kill_at < a->kill_at)
		a->kill_at = kill_at;
	if (a->stopping)
		return;
	a->stopping = true;
	job_hangup(a);
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
}
