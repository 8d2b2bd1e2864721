/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The forked side of a job: cleaning the process of what is PID 1's, running the work, sending the report.  Runs as root
 * of the workspace until the work becomes the login's user.
 */
#include "job_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "conn.h"
#include "job.h"
#include "user.h"

#define HELPER_SOCK 3 /* where a helper keeps its report socket */

/*
 * Descriptors under way count against the sender's limit of open ones, all of its user's together: with some hundred starts
 * at once a login's soft limit would not do.
 */
static ssize_t send_beyond_limit(int sock, const struct msghdr *mh)
{
	struct rlimit own, more;
	ssize_t n;

	if (getrlimit(RLIMIT_NOFILE, &own) < 0)
		return -1;
	more = own;
	more.rlim_cur = own.rlim_max < AGENT_NOFILE ? own.rlim_max : AGENT_NOFILE;
	(void)setrlimit(RLIMIT_NOFILE, &more);
	n = sendmsg(sock, mh, MSG_NOSIGNAL);
	(void)setrlimit(RLIMIT_NOFILE, &own);
	return n;
}

int job_helper_report(struct job_helper *h, const int *fds, uint32_t nfds, struct err *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(JOB_REPORT_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &h->report,
			     h->report.account.name[0] ? sizeof(h->report) : JOB_REPORT_SHORT };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	ssize_t n;

	if (nfds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = &control.align;
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	n = sendmsg(h->sock, &mh, MSG_NOSIGNAL);
	if (n < 0 && errno == ETOOMANYREFS)
		n = send_beyond_limit(h->sock, &mh);
	return n < 0 ? err_sys(e, "report to 'ws-init'") : 0;
}

/* All signals, also the two that glibc keeps from sigaction(3): whoever started provisiond may have ignored them. */
static void default_signals(void)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} dfl = { SIG_DFL, 0, NULL, 0 }; /* the kernel's struct sigaction */

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, &dfl, NULL, sizeof(dfl.mask));
}

/* Undo what PID 1 has and a program must not inherit: blocked and ignored signals, descriptors, the umask. */
static void helper_clean(int sock)
{
	sigset_t none;

	default_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (sock != HELPER_SOCK)
		dup3(sock, HELPER_SOCK, O_CLOEXEC);
	syscall(SYS_close_range, HELPER_SOCK + 1, ~0U, 0);
	umask(022);
	setsid();
}

static bool is_removing(const struct agent *a)
{
	for (uint32_t i = 0; i < a->jobs_top; i++)
		if (a->jobs[i].kind == JOB_REMOVE && !a->jobs[i].gone)
			return true;
	return a->nunused > 0;
}

void job_helper_run(struct agent *a, const struct conn *c, const struct job_start *s, int sock)
{
	static struct account account;
	static struct job_helper h;
	struct err e = { 0 };
	int fd = -1, r = 0;

	helper_clean(sock);
	h.sock = HELPER_SOCK;
	h.account = c ? &c->account : NULL;
	h.request = s->request;
	h.limits = a->limits;
	h.removing = is_removing(a);
	if (c && conn_looks_again(c)) {
		r = user_again(&c->account, c->sudo, &account, &e);
		h.account = &account;
	}
	if (r == 0)
		r = s->work(&h, &fd, &e);
	if (r < 0) {
		memset(&h.report, 0, JOB_REPORT_SHORT);
		h.report.account.name[0] = '\0';
		h.report.code = (uint32_t)-r;
		str_copy(h.report.text, sizeof(h.report.text), e.text);
		fd_close(&fd);
	}
	if (job_helper_report(&h, &fd, fd >= 0, NULL) < 0 && r == 0 && h.undo)
		h.undo(&h);
	/* First what was reported: its end of the socket tells that only the asker has it, to close or to ask for anew. */
	fd_close(&fd);
	close(h.sock);
	if (h.after)
		h.after();
	_exit(r < 0);
}
