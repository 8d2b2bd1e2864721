/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watching ws-init in provisiond's main process.  A ws-init that this provisiond's workers started is its child (it is
 * a child subreaper) and leaves an exit status; one that was adopted after a restart leaves none.
 */
#include "watch.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clk.h"
#include "base/fd.h"
#include "limits.h"
#include "jobs.h"

#define REBOOT_UPTIME_S 5 /* one that reboots sooner would loop */

static int on_exit_(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct workspace *ws = ctx;
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG) == 0 && si.si_pid) {
		ws->exit_code = si.si_code;
		ws->exit_status = si.si_status;
	}
	watch_stop(ws);
	job_died(ws);
	return 0;
}

int watch_start(struct workspace *ws, int pidfd, struct err *e)
{
	int ret;

	watch_stop(ws);
	ws->exit_code = ws->exit_status = 0;
	if (pidfd < 0)
		return err_set(e, EBADF, "watch ws-init of '%s': no process handle", ws->name);
	ws->pidfd = pidfd;
	ret = sd_event_add_io(ws->registry->loop, &ws->watch, pidfd, EPOLLIN, on_exit_, ws);
	if (ret < 0) {
		fd_close(&ws->pidfd);
		return err_ret(e, ret, "watch ws-init of '%s'", ws->name);
	}
	return 0;
}

void watch_stop(struct workspace *ws)
{
	ws->watch = sd_event_source_disable_unref(ws->watch);
	fd_close(&ws->pidfd);
}

void watch_reaped(void *ctx, const siginfo_t *si)
{
	struct registry *r = ctx;

	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		if (ws->pidfd >= 0 && ws->has_record && ws->rec.init_pid == (uint32_t)si->si_pid) {
			ws->exit_code = si->si_code;
			ws->exit_status = si->si_status;
			return;
		}
	}
}

bool watch_rebooted(const struct workspace *ws)
{
	/* pid_namespaces(7): reboot(2) with RESTART ends the namespace's init as if by SIGHUP. */
	return ws->exit_code == CLD_KILLED && ws->exit_status == SIGHUP && ws->rec.started &&
	       clk_wall_s() >= ws->rec.started + REBOOT_UPTIME_S;
}

bool watch_crashed(const struct workspace *ws)
{
	return ws->exit_code != CLD_KILLED ||
	       (ws->exit_status != SIGHUP && ws->exit_status != SIGINT);
}

const char *watch_reason(const struct workspace *ws, char *buf, size_t size)
{
	char oom[64] = "";
	uint64_t kills = 0;

	if (limits_oom_kills(ws->registry->settings, ws->name, &kills, NULL) == 0 && kills)
		str_format(oom, sizeof(oom), " (%llu out-of-memory kills in the workspace)",
			   (unsigned long long)kills);
	if (ws->exit_code == CLD_EXITED)
		str_format(buf, size, "ws-init ended with status %d%s", ws->exit_status, oom);
	else if (ws->exit_code && ws->exit_status == SIGHUP)
		str_format(buf, size, "the workspace rebooted");
	else if (ws->exit_code && ws->exit_status == SIGINT)
		str_format(buf, size, "the workspace powered itself off");
	else if (ws->exit_code)
		str_format(buf, size, "ws-init was ended by signal %d%s", ws->exit_status, oom);
	else
		str_format(buf, size, "ws-init ended by itself%s", oom);
	return buf;
}
