/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keyboard-interactive (RFC 4256): a child runs sshbay-pam, and this file passes its questions to the session and the
 * answers back.  The main process never loads a PAM module.  Modules have answer_time between two answers of the user;
 * how long the user takes is limited by the grace time alone.
 */
#include "gate_conn.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "gate_job.h"
#include "proto/asker.h"

#define ROUNDS_MAX 16

/* A name that str_is_name() never accepts: whatever PAM makes of it, nobody is logged in. */
#define NOBODY "INVALID"

const char *gate_interactive_program = SSHBAY_LIBEXEC "/sshbay-pam";

/* In the child. */
static int run(struct gate_job *j, int fd)
{
	char *argv[] = { (char *)"sshbay-pam", NULL };
	char *env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8",
			NULL };
	int null = open("/dev/null", O_RDWR);

	/* Modules may print; nothing of that may pass for a word of provisiond's. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return 1;
	if (null > 2 && null != fd)
		(void)close(null);
	execve(gate_interactive_program, argv, env);
	return 127;
}

static void over(struct gate_conn *c, bool ok, const char *why)
{
	gate_job_end(&c->job);
	/* The session waits for the user, not for us: it hears of this when the answers come. */
	if (c->prompted)
		return;
	gate_auth_result(c, ok && c->login_valid, why);
}

static void started(struct gate_job *j)
{
	struct gate_conn *c = j->ctx;
	const struct settings *s = registry_settings(c->g->reg);
	struct asker_begin b = { 0 };

	(void)str_copy(b.service, sizeof(b.service), s->auth.pam_service);
	(void)str_copy(b.user, sizeof(b.user), c->login_valid ? c->saved.info.user : NOBODY);
	(void)ip_text(&c->peer.addr, b.peer, sizeof(b.peer));
	/* If it cannot be sent, the child ends at once, and that is seen. */
	(void)msg_send(j->fd, &asker_proto, ASKER_BEGIN, &b, NULL);
}

/* Control characters would reach the user's terminal. Lines of an instruction stay lines. */
static void clean(char *text, size_t size)
{
	char out[4096];
	size_t used = 0;

	for (const char *p = text; *p && used + 2 < sizeof(out);) {
		size_t n = strcspn(p, "\n");

		(void)str_vis(p, n, out + used, sizeof(out) - used - 1);
		used += strlen(out + used);
		p += n;
		if (*p == '\n') {
			out[used++] = '\n';
			p++;
		}
	}
	out[used] = '\0';
	(void)str_copy(text, size, out);
}

static void ask(struct gate_conn *c, struct gate_prompt *p)
{
	struct err e = { 0 };

	clean(p->name, sizeof(p->name));
	clean(p->instruction, sizeof(p->instruction));
	for (uint32_t i = 0; i < p->n; i++) {
		p->prompts[i][strcspn(p->prompts[i], "\n")] = '\0';
		clean(p->prompts[i], sizeof(p->prompts[i]));
	}
	if (++c->rounds > ROUNDS_MAX) {
		over(c, false, "PAM asks without end");
		return;
	}
	c->prompted = true;
	c->prompts = p->n;
	gate_job_deadline(&c->job, 0);
	if (gate_server_send(c, GATE_PROMPT, p, -1, &e) < 0)
		gate_server_doom(c);
}

static void readable(struct gate_job *j)
{
	struct gate_conn *c = j->ctx;
	union {
		struct gate_prompt prompt;
		struct asker_result result;
	} body;
	struct err e = { 0 };
	struct msg m;
	int ret = msg_recv_plain(j->fd, &asker_proto, &body, sizeof(body), &m, &e);

	if (ret == -EAGAIN)
		return;
	if (ret <= 0)
		over(c, false, ret ? e.text : "the helper process died");
	else if (m.type == ASKER_RESULT)
		over(c, body.result.ok, body.result.text);
	else if (m.type == ASKER_PROMPT && !c->prompted)
		ask(c, &body.prompt);
	else
		over(c, false, "the helper process broke the rules");
}

static void failed(struct gate_job *j, int ret)
{
	over(j->ctx, false,
	     ret == -ETIMEDOUT ? "PAM took too long ([auth] answer_time)" : strerror(-ret));
}

int gate_interactive_begin(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_interactive *q = m->body;
	const struct settings *s = registry_settings(c->g->reg);
	int ret = gate_auth_begin(c, METHOD_INTERACTIVE, q->login, e);

	if (ret != 1)
		return ret;
	c->rounds = 0;
	c->job = (struct gate_job){ .kind = GATE_JOB_INTERACTIVE,
				    .limit_us = s->auth.answer_time * UINT64_C(1000000),
				    .run = run,
				    .started = started,
				    .readable = readable,
				    .failed = failed,
				    .ctx = c };
	ret = gate_job_begin(&c->g->jobs, &c->job, e);
	return ret < 0 ? gate_auth_failed(c, e->text, e) : 0;
}

int gate_interactive_answers(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	struct gate_answers *a = m->body;
	const struct settings *s = registry_settings(c->g->reg);
	int ret = 0;

	if (!c->prompted || a->n != c->prompts)
		ret = err_set(e, EPROTO, "answer for connection '%s': %s", c->saved.info.id,
			      c->prompted ? "wrong number of answers" : "nothing was asked");
	if (ret == 0)
		c->prompted = false;
	if (ret == 0 && !c->job.active) {
		ret = gate_auth_failed(c, "the helper process ended", e);
	} else if (ret == 0) {
		gate_job_deadline(&c->job, s->auth.answer_time * UINT64_C(1000000));
		/* A child that is gone is seen as such. */
		(void)msg_send(c->job.fd, &asker_proto, ASKER_ANSWERS, a, NULL);
	}
	explicit_bzero(a, sizeof(*a));
	return ret;
}
