/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From worker to ws-init in two processes.  The helper (CLONE_VM|CLONE_VFORK: the worker sleeps, nothing is copied) has
 * the host's rights: it joins the groups, stages the root, enters the pinned namespaces.  The child it makes is PID 1
 * of the workspace: it has no power outside, drops more, and executes the sealed image.  Neither is dumpable.
 */
#include "ns_child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "filter.h"
#include "given.h"
#include "limits.h"
#include "rootfs.h"

#define HELPER_STACK (256 * 1024)
#define MEMLOCK      (64 << 20)
#define HIGH_FD      16 /* what must not be in the way of fds 0..3 */

struct start {
	struct plan *p;
	int payload; /* v2 group, or -1 */
	int errfd;   /* closed by exec: the end of the pipe is success */
	pid_t worker, pid;
	struct rootfs_sources src;
};

/* Dropped from the bounding set (THREATS 5.1). SYS_BOOT stays: reboot(2) in a pid namespace ends that namespace. */
static const int dropped[] = {
	CAP_SYS_MODULE,    CAP_SYS_RAWIO,  CAP_SYS_TIME,      CAP_MAC_ADMIN,
	CAP_MAC_OVERRIDE,  CAP_SYSLOG,     CAP_BPF,           CAP_PERFMON,
	CAP_AUDIT_CONTROL, CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND,
};

/* --- the child, in the workspace --- */

static int become_root(struct err *e)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, "become root of the workspace");
	/* The change of ids has done so already; say it, so that it does not hang on a sysctl. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, "become undumpable");
	return 0;
}

/* No state of provisiond may shape what runs inside: signals, session, keyring, names. */
static int fresh_state(const struct plan *p, struct err *e)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &sa, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)umask(022);
	(void)prctl(PR_SET_PDEATHSIG, 0);
	/* Before the filter hides keyctl; a kernel without keys has none to share. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return err_sys(e, "make a session keyring");
	if (sethostname(p->rec->name, strlen(p->rec->name)) < 0 || setdomainname("(none)", 6) < 0)
		return err_sys(e, "set the host name");
	return 0;
}

static int drop_capabilities(struct err *e)
{
	for (unsigned int i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		if (prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, "drop capability %d", dropped[i]);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, "clear the ambient capabilities");
	return 0;
}

/* 0, 1, 2: the workspace's own /dev/null; 3: the listening socket; the rest goes at exec. */
static int arrange_fds(struct plan *p, struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_sys(e, "open '/dev/null' in the workspace");
	for (int fd = 0; fd < 3; fd++)
		if (null == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0)
			return err_sys(e, "set up the standard descriptors");
	if (dup2(p->listenfd, 3) < 0)
		return err_sys(e, "hand over the listening socket");
	return fd_cloexec_from(4) < 0 ? err_sys(e, "close descriptors") : 0;
}

/* Keep what is needed up to exec away from the numbers that ws-init gets. */
static int lift(int *fd, struct err *e)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH_FD);

	if (high < 0)
		return err_sys(e, "move descriptor %d", *fd);
	*fd = high;
	return 0;
}

static int enter(struct start *s, struct err *e)
{
	struct plan *p = s->p;
	int r;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, "become undumpable");
	r = rootfs_claim(p, e);
	if (r == 0)
		r = become_root(e);
	if (r == 0)
		r = fresh_state(p, e);
	if (r == 0)
		r = rootfs_enter(p, &s->src, e);
	if (r == 0)
		r = fault_point("init.child") < 0 ? err_set(e, EIO, "start ws-init: injected") : 0;
	if (r == 0)
		r = lift(&p->listenfd, e);
	if (r == 0)
		r = lift(&p->initfd, e);
	if (r == 0)
		r = lift(&s->errfd, e);
	if (r == 0)
		r = lift(&p->filterfd, e);
	if (r == 0)
		r = arrange_fds(p, e);
	if (r == 0)
		r = drop_capabilities(e);
	/* Last: nothing but the exec may depend on what the program forbids. */
	return r < 0 ? r
		     : filter_load(p->filterfd,
				   (p->spec->nesting ? FILTER_NESTING : 0) |
					   (p->spec->nic_full ? FILTER_NIC_FULL : 0) |
					   (p->given && p->given->rdma_alone ? FILTER_RDMA : 0),
				   e);
}

static void tell(int fd, const struct err *e)
{
	/* Smaller than PIPE_BUF: one write, whole or not at all. */
	if (write(fd, e, sizeof(*e)) < 0)
		return;
}

static void child(struct start *s)
{
	static char name[] = "ws-init",
		    path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char kind[] = "container=sshbay";
	char *argv[] = { name, NULL }, *envp[] = { path, kind, NULL };
	struct err e = { 0 };

	if (enter(s, &e) == 0) {
		(void)syscall(SYS_execveat, s->p->initfd, "", argv, envp, AT_EMPTY_PATH);
		(void)err_sys(&e, "execute ws-init");
	}
	tell(s->errfd, &e);
	_exit(1);
}

/* --- the helper, on the host --- */

static void limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit now, want = { soft, hard };

	if (setrlimit(what, &want) == 0 || getrlimit(what, &now) < 0)
		return;
	/* Raising the hard limit takes CAP_SYS_RESOURCE: without it, as far as it goes. */
	want.rlim_max = now.rlim_max;
	want.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	(void)setrlimit(what, &want);
}

void ns_child_memlock(const struct spec *s)
{
	bool direct = s->dpdk || (s->rdma[0] && strcmp(s->rdma, "none") != 0);
	rlim_t most = direct ? RLIM_INFINITY : MEMLOCK;

	limit(RLIMIT_MEMLOCK, most, most);
}

/* What a login may have of the workspace's processes; the rest is there for its owner to log in and end a fork bomb. */
static rlim_t logins_share(const struct spec *s)
{
	return s->pids == 0 ? RLIM_INFINITY : s->pids - (s->pids < 64 ? s->pids / 4 : 16);
}

static int set_limits(const struct spec *s, struct err *e)
{
	limit(RLIMIT_NOFILE, 1024, 1048576);
	limit(RLIMIT_CORE, 0, RLIM_INFINITY);
	ns_child_memlock(s);
	limit(RLIMIT_NPROC, logins_share(s), RLIM_INFINITY);
	limit(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY);
	limit(RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
	/* provisiond is protected from the OOM killer; what runs inside must not be. */
	return path_write_sys("/proc/self/oom_score_adj", "0", e);
}

static int make_child(struct start *s, struct err *e)
{
	/* CLONE_PARENT: the worker's child, so that it is reaped there and by provisiond after that. */
	struct clone_args a = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | CLONE_PARENT,
	};
	long pid;
	int ret = fault_point("ns.clone");

	if (ret < 0)
		return err_ret(e, ret, "make the namespaces of '%s'", s->p->rec->name);
	if (s->payload >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)s->payload;
	}
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		child(s);
	if (pid < 0)
		return err_sys(e, "make the namespaces of '%s'", s->p->rec->name);
	s->pid = (pid_t)pid;
	return 0;
}

static int help(struct start *s, struct err *e)
{
	struct plan *p = s->p;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make a mount namespace for '%s'", p->rec->name);
	/* Before the groups: theirs of devices lets nobody make a node. */
	r = rootfs_gather(p, &s->src, e);
	if (r == 0)
		r = limits_join(p, e);
	if (r == 0)
		r = set_limits(p->spec, e);
	if (r == 0)
		r = rootfs_stage(p, &s->src, e);
	if (r < 0)
		return r;
	if (setns(p->userns, CLONE_NEWUSER) < 0 || setns(p->netns, CLONE_NEWNET) < 0)
		return err_sys(e, "enter the namespaces of '%s'", p->rec->name);
	return make_child(s, e);
}

static int helper(void *arg)
{
	struct start *s = arg;
	struct err e = { 0 };

	/* A worker that is killed is not to be outlived: nobody would know of the ws-init that comes of it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->worker)
		_exit(1);
	if (help(s, &e) < 0)
		tell(s->errfd, &e);
	_exit(0);
}

static int run_helper(struct start *s, struct err *e)
{
	void *stack = mmap(NULL, HELPER_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;
	int r = 0;

	if (stack == MAP_FAILED)
		return err_sys(e, "start ws-init of '%s'", s->p->rec->name);
	pid = clone(helper, (char *)stack + HELPER_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	if (pid < 0)
		r = err_sys(e, "start ws-init of '%s'", s->p->rec->name);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)munmap(stack, HELPER_STACK);
	return r;
}

/* End of file: exec has closed the child's end. */
static int listen_to(int fd, struct err *e)
{
	struct err told;
	int r = fd_read_all(fd, &told, sizeof(told));

	if (r == -ENODATA)
		return 0;
	if (r < 0)
		return err_ret(e, r, "hear from the process that becomes ws-init");
	told.text[sizeof(told.text) - 1] = '\0';
	return err_set(e, told.code > 0 ? told.code : EIO, "%s", told.text);
}

int ns_child_start(struct plan *p, pid_t *pid, struct err *e)
{
	struct start s = { .p = p, .payload = -1, .errfd = -1, .worker = getpid(), .pid = -1 };
	auto_fd int payload = limits_payload(p, e), from = -1, to = -1;
	int ends[2], r;

	if (payload < 0 && payload != -ENOENT)
		return payload;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "start ws-init of '%s'", p->rec->name);
	from = ends[0];
	to = ends[1];
	s.payload = payload < 0 ? -1 : payload;
	s.errfd = to;
	r = run_helper(&s, e);
	fd_close(&to);
	if (r == 0)
		r = listen_to(from, e);
	if (r == 0 && s.pid < 0)
		r = err_set(e, ECHILD, "start ws-init of '%s': the helper died", p->rec->name);
	if (r < 0 && s.pid > 0) {
		(void)kill(s.pid, SIGKILL);
		while (waitpid(s.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*pid = s.pid;
	return r;
}
