/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of jobs: forking helpers, reading their reports, answering when the asker takes it, exit statuses.
 * Runs in PID 1.  Never blocks, never touches a file.
 */
#include "job.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"
#include "conn.h"
#include "login.h"
#include "served.h"

static struct job *job_new(struct agent *a, enum job_kind kind)
{
	uint32_t limit = kind == JOB_BIND || kind == JOB_SETUP || kind == JOB_REMOVE
				 ? AGENT_JOBS
				 : AGENT_JOBS - AGENT_SPARE_JOBS;

	if (a->njobs >= limit)
		return NULL;
	for (uint32_t i = 0; i < AGENT_JOBS; i++) {
		struct job *j = &a->jobs[i];

		if (j->kind != JOB_FREE)
			continue;
		memset(j, 0, sizeof(*j));
		j->kind = kind;
		j->sock = j->fds[0] = j->fds[1] = j->fds[2] = -1;
		a->njobs++;
		if (i >= a->jobs_top)
			a->jobs_top = i + 1;
		return j;
	}
	return NULL;
}

static uint32_t *job_count(struct job *j)
{
	return j->kind == JOB_SPAWN ? &j->conn->nspawns : &j->conn->nhelpers;
}

/* Free the row once nothing is left: the helper reports no more, the process is reaped, the asker knows. */
static void job_settle(struct agent *a, struct job *j)
{
	if (j->kind == JOB_FREE || j->sock >= 0 || !j->gone ||
	    (j->conn && (j->answer_due || j->exit_due)))
		return;
	for (int i = 0; i < 3; i++)
		fd_close(&j->fds[i]);
	if (j->conn)
		(*job_count(j))--;
	j->kind = JOB_FREE;
	a->njobs--;
	while (a->jobs_top && a->jobs[a->jobs_top - 1].kind == JOB_FREE)
		a->jobs_top--;
}

struct job *job_start(struct agent *a, struct conn *c, const struct job_start *s, struct err *e)
{
	struct job *j = job_new(a, s->kind);
	const char *name = c && c->account.name[0] ? c->account.name : "ws-init";
	int sv[2];

	if (!j) {
		err_set(e, EBUSY, "start a process for '%s': too many run already (limit %d)", name,
			AGENT_JOBS);
		return NULL;
	}
	j->gone = true;
	j->id = s->id;
	j->pty = s->pty;
	j->serves = s->serves;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		err_sys(e, "start a process for '%s'", name);
		job_settle(a, j);
		return NULL;
	}
	j->pid = fork();
	if (j->pid == 0)
		job_helper_run(a, c, s, sv[1]);
	if (j->pid < 0)
		err_sys(e, "start a process for '%s'", name);
	close(sv[1]);
	if (j->pid < 0) {
		close(sv[0]);
		job_settle(a, j);
		return NULL;
	}
	j->gone = false;
	j->sock = sv[0];
	j->conn = c;
	if (c)
		(*job_count(j))++;
	j->deadline = agent_now() + s->limit_ms;
	agent_watch(a, j->sock, AGENT_JOB, (uint32_t)(j - a->jobs), EPOLLIN);
	return j;
}

/* Both: the helper may not have made its group yet, and the group may hold a resolver. */
static void job_kill(struct job *j)
{
	if (j->gone)
		return;
	kill(-j->pid, SIGKILL);
	kill(j->pid, SIGKILL);
}

/* Unwatched first: a helper that was just forked may hold a copy for a moment, and epoll would go on reporting. */
static void close_sock(struct agent *a, struct job *j)
{
	agent_watch(a, j->sock, AGENT_JOB, 0, 0);
	fd_close(&j->sock);
}

static void answer_failed(struct job *j, uint32_t code, const char *text)
{
	for (int i = 0; i < 3; i++)
		fd_close(&j->fds[i]);
	j->code = code;
	str_copy(j->text, sizeof(j->text), text);
}

/* The helper sends no more (it exec'd, finished, died, or we gave up): the answer is known. */
static void job_answered(struct agent *a, struct job *j)
{
	struct private_file file = { .uid = j->uid, .dev = j->dev, .ino = j->ino };

	close_sock(a, j);
	if (j->serves && j->code == 0) {
		str_copy(file.path, sizeof(file.path), j->text);
		served_listening(a, j->conn, j->id, &file);
	} else if (j->serves && j->conn) {
		served_failed(j->conn, j->id);
	}
	if (!j->conn) {
		job_settle(a, j);
		return;
	}
	j->answer_due = true;
	job_flush(j->conn);
}

/* Take the descriptors of a report, at most three; the rest is closed. */
static void take_fds(struct job *j, struct msghdr *mh)
{
	int fds[JOB_REPORT_FDS + 1]; /* CMSG_SPACE rounds up: the kernel may deliver one more */
	size_t n;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (i == JOB_REPORT_FDS) {
				fd_close(&fds[i]);
				continue;
			}
			fd_close(&j->fds[i]);
			j->fds[i] = fds[i];
		}
	}
}

static void apply_report(struct job *j, struct job_report *r, size_t n)
{
	r->text[sizeof(r->text) - 1] = '\0';
	if (r->code) {
		answer_failed(j, r->code <= 4095 ? r->code : EIO, r->text);
		return;
	}
	j->code = 0;
	j->port = r->port;
	j->logged = j->kind == JOB_SPAWN && r->logged;
	j->hush = j->kind == JOB_SPAWN && r->hush;
	if (j->serves) {
		j->uid = r->uid;
		j->dev = r->dev;
		j->ino = r->ino;
		str_copy(j->text, sizeof(j->text), r->text);
	}
	if (j->kind != JOB_BIND || !j->conn)
		return;
	r->account.home[sizeof(r->account.home) - 1] = '\0';
	r->account.shell[sizeof(r->account.shell) - 1] = '\0';
	if (n != sizeof(*r) || r->account.ngroups > PASSWD_GROUPS_MAX || !r->account.home[0]) {
		answer_failed(j, EPROTO, "start process 'helper': bad report");
		return;
	}
	/* The name stays what was asked for. */
	str_copy(r->account.name, sizeof(r->account.name), j->conn->account.name);
	j->conn->account = r->account;
	conn_remember(j->conn);
}

/* 1 = one report taken, 0 = no more will come, -EAGAIN. */
static int read_report(struct job *j)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(JOB_REPORT_FDS * sizeof(int))];
	} control;
	struct job_report r;
	struct iovec iov = { &r, sizeof(r) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(j->sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	if (n == 0)
		return 0;
	take_fds(j, &mh);
	if ((size_t)n == sizeof(r) || (size_t)n == JOB_REPORT_SHORT)
		apply_report(j, &r, (size_t)n);
	else
		answer_failed(j, EPROTO, "start process 'helper': bad report");
	return 1;
}

/* The descriptors that a successful answer carries. */
static uint32_t fds_wanted(const struct job *j)
{
	switch (j->kind) {
	case JOB_SPAWN:
		return j->pty ? 1 : 3;
	case JOB_DIAL:
	case JOB_LISTEN:
		return 1;
	default:
		return 0;
	}
}

void job_event(struct agent *a, uint32_t row)
{
	struct job *j = &a->jobs[row];
	uint32_t have = 0;

	if (row >= AGENT_JOBS || j->kind == JOB_FREE || j->sock < 0)
		return;
	for (int tries = 0; tries < 4; tries++) {
		int r = read_report(j);

		if (r == -EAGAIN)
			return;
		if (r == 1)
			continue;
		while (have < 3 && j->fds[have] >= 0)
			have++;
		/* No report at all: it was killed, by the OOM killer or by the workspace's root. */
		if (!j->code && (have != fds_wanted(j) ||
				 (j->kind == JOB_BIND && j->conn && !j->conn->account.home[0])))
			answer_failed(j, EIO,
				      "start process 'helper': killed before it could report");
		job_answered(a, j);
		return;
	}
	/* More reports than any helper of ours sends: not ours any more. */
	answer_failed(j, EPROTO, "start process 'helper': bad report");
	job_kill(j);
	job_answered(a, j);
}

static int send_answer(struct job *j)
{
	struct conn *c = j->conn;
	struct init_failed failed = { .id = j->id, .code = j->code };
	struct init_spawned spawned = { .id = j->id, .pid = (uint32_t)j->pid, .hush = j->hush };
	struct init_opened opened = { .id = j->id, .port = j->port };

	if (j->code) {
		str_copy(failed.text, sizeof(failed.text), j->text);
		return conn_send(c, INIT_FAILED, &failed, NULL, 0);
	}
	switch (j->kind) {
	case JOB_SPAWN:
		return conn_send(c, INIT_SPAWNED, &spawned, j->fds, fds_wanted(j));
	case JOB_DIAL:
		return conn_send(c, INIT_DIALED, &opened, j->fds, 1);
	case JOB_LISTEN:
		if (j->serves)
			str_copy(opened.path, sizeof(opened.path), j->text);
		return conn_send(c, INIT_LISTENING, &opened, j->fds, 1);
	case JOB_SETUP:
		return conn_send(c, INIT_READY, NULL, NULL, 0);
	default:
		return conn_send_bound(c);
	}
}

static int send_exited(struct job *j)
{
	struct init_exited x = { .id = j->id };

	if (WIFSIGNALED(j->wstatus)) {
		x.signal = (uint32_t)WTERMSIG(j->wstatus);
		x.core = WCOREDUMP(j->wstatus) ? 1 : 0;
	} else {
		x.status = (uint32_t)WEXITSTATUS(j->wstatus);
	}
	return conn_send(j->conn, INIT_EXITED, &x, NULL, 0);
}

/* One job's messages, answer before exit. 0 or what conn_send says. */
static int flush_one(struct agent *a, struct job *j)
{
	int r;

	if (j->answer_due) {
		r = send_answer(j);
		if (r < 0)
			return r;
		j->answer_due = false;
		for (int i = 0; i < 3; i++)
			fd_close(&j->fds[i]);
		if (j->kind == JOB_BIND)
			conn_bound(j->conn, j->code == 0);
	}
	if (j->exit_due && j->sock < 0) {
		r = j->code ? 0 : send_exited(j);
		if (r < 0)
			return r;
		j->exit_due = false;
	}
	job_settle(a, j);
	return 0;
}

void job_flush(struct conn *c)
{
	struct agent *a = c->agent;

	for (uint32_t i = 0; i < a->jobs_top && !c->blocked; i++) {
		struct job *j = &a->jobs[i];

		if (j->kind != JOB_FREE && j->conn == c && (j->answer_due || j->exit_due))
			if (flush_one(a, j) < 0)
				return;
	}
}

/* The utmp record of a terminal session ends with its process. */
static void log_out(struct agent *a, struct job *j)
{
	uint32_t line = j->port;
	struct job_start s = {
		.kind = JOB_LOGOUT, .limit_ms = 5000, .work = login_logout_work, .request = &line
	};

	j->logged = false;
	job_start(a, NULL, &s, NULL);
}

void job_reaped(struct agent *a, pid_t pid, int wstatus)
{
	for (uint32_t i = 0; i < a->jobs_top; i++) {
		struct job *j = &a->jobs[i];

		if (j->kind == JOB_FREE || j->gone || j->pid != pid)
			continue;
		j->gone = true;
		j->wstatus = wstatus;
		if (j->logged)
			log_out(a, j);
		if (j->kind == JOB_SPAWN && j->conn) {
			j->exit_due = true;
			job_flush(j->conn);
		}
		job_settle(a, j);
		return;
	}
}

struct job *job_find(struct conn *c, uint32_t id)
{
	struct agent *a = c->agent;

	for (uint32_t i = 0; i < a->jobs_top; i++)
		if (a->jobs[i].kind == JOB_SPAWN && a->jobs[i].conn == c && a->jobs[i].id == id)
			return &a->jobs[i];
	return NULL;
}

void job_forget(struct conn *c)
{
	struct agent *a = c->agent;

	for (uint32_t i = 0; i < a->jobs_top; i++) {
		struct job *j = &a->jobs[i];

		if (j->kind == JOB_FREE || j->conn != c)
			continue;
		j->conn = NULL;
		/*
		 * Creating a user goes on: it is of use to the next login.  What makes files must say which.  Other
		 * helpers have nobody to report to.
		 */
		if (j->sock >= 0 && j->kind != JOB_BIND && j->kind != JOB_SETUP && !j->serves) {
			job_kill(j);
			close_sock(a, j);
		} else if (j->kind == JOB_SPAWN && !j->pty) {
			/* Runs on, as under sshd; a row is only kept for terminals, which have a record to end. */
			j->gone = true;
		}
		/* Half-received: the rest of a report is judged by what came with it. */
		for (int k = 0; k < 3 && !(j->serves && j->sock >= 0); k++)
			fd_close(&j->fds[k]);
		job_settle(a, j);
	}
}

uint64_t job_expire(struct agent *a, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < a->jobs_top; i++) {
		struct job *j = &a->jobs[i];

		if (j->kind == JOB_FREE || j->sock < 0)
			continue;
		if (j->deadline > now) {
			next = j->deadline < next ? j->deadline : next;
			continue;
		}
		job_kill(j);
		answer_failed(j, ETIMEDOUT,
			      "start process 'helper': timed out (does a file system of the "
			      "workspace hang?)");
		job_answered(a, j);
	}
	return next;
}

void job_hangup(struct agent *a)
{
	for (uint32_t i = 0; i < a->jobs_top; i++)
		if (a->jobs[i].kind == JOB_SPAWN && a->jobs[i].pty && !a->jobs[i].gone)
			kill(-a->jobs[i].pid, SIGHUP);
}
