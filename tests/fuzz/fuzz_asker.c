/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: a keyboard-interactive login in provisiond, between a session and the child that talks with PAM, either of
 * which may say anything at any time.  Input: operations, a byte each with what belongs to it (see step).  Whatever happens:
 * one verdict per question, a good one only by the child's own word and while nobody is being asked; what reaches the user
 * has no control characters; answers that were not asked for do not reach the child.
 */
#include "provision/gate_interactive.c"

#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

enum op { BEGIN, ASKED, RESULT, BYTES, ANSWERS, LATE, GONE, OPS };

static struct gate_server server;
static struct gate_conn conn;
static struct settings settings;
static int child = -1;     /* its end of the job's socket */
static bool open_question; /* a try is under way, and has no verdict yet */
static bool said_ok;       /* the child's last word */
static bool was_asked;     /* the user, when that came */
static bool doomed;
static unsigned int asked; /* of this try */

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

/* --- what stands for the rest of provisiond --- */

const struct settings *registry_settings(const struct registry *r)
{
	(void)r;
	return &settings;
}

int gate_job_begin(struct gate_jobs *jobs, struct gate_job *j, struct err *e)
{
	int sv[2];

	MUST(!j->active && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	(void)fd_nonblock(sv[0], 1);
	(void)fd_nonblock(sv[1], 1);
	(void)jobs, (void)e;
	j->fd = sv[0];
	child = sv[1];
	j->active = true;
	j->started(j);
	return 0;
}

void gate_job_deadline(struct gate_job *j, uint64_t us)
{
	MUST(j->active);
	(void)us;
}

void gate_job_end(struct gate_job *j)
{
	if (j->active) {
		fd_close(&j->fd);
		fd_close(&child);
	}
	j->active = false;
}

static void verdict(bool ok)
{
	MUST(open_question && !conn.prompted && !conn.job.active);
	MUST(!ok || (said_ok && !was_asked && conn.login_valid));
	open_question = false;
}

void gate_auth_result(struct gate_conn *c, bool ok, const char *why)
{
	(void)c;
	MUST(ok || why[0] || said_ok || !why[0]);
	verdict(ok);
}

int gate_auth_failed(struct gate_conn *c, const char *why, struct err *e)
{
	(void)c, (void)why, (void)e;
	verdict(false);
	return 0;
}

/* As gate_auth.c has it: a user who is being asked may think better of it. */
int gate_auth_begin(struct gate_conn *c, enum method method, const char *login, struct err *e)
{
	MUST(method == METHOD_INTERACTIVE);
	if ((c->job.active || c->prompted) && !c->prompted)
		return err_set(e, EPROTO, "asked before the answer");
	gate_job_end(&c->job);
	c->prompted = false;
	c->login_valid = login[0] == 'a';
	(void)str_copy(c->saved.info.user, sizeof(c->saved.info.user), "alice");
	open_question = true;
	said_ok = was_asked = false;
	asked = 0;
	return 1;
}

static void check_text(const char *text, bool lines)
{
	for (; *text; text++)
		MUST((*text >= 0x20 && *text <= 0x7e) || (lines && *text == '\n'));
}

int gate_server_send(struct gate_conn *c, uint32_t type, const void *body, int fd, struct err *e)
{
	const struct gate_prompt *p = body;

	MUST(type == GATE_PROMPT && fd < 0 && c->prompted && p->n <= GATE_PROMPTS_MAX);
	MUST(!was_asked && ++asked <= 16); /* nobody is asked without end */
	check_text(p->name, true);
	check_text(p->instruction, true);
	for (uint32_t i = 0; i < p->n; i++)
		check_text(p->prompts[i], false);
	return doomed ? err_set(e, EPIPE, "gone") : 0;
}

void gate_server_doom(struct gate_conn *c)
{
	(void)c;
}

/* --- the two ends --- */

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

/* Up to `most` bytes as a string, without its NULs. */
static void string(struct input *in, char *out, size_t most)
{
	size_t n = byte(in), used = 0;

	for (; n-- && in->left && used + 1 < most;) {
		uint8_t b = byte(in);

		if (b)
			out[used++] = (char)b;
	}
	out[used] = '\0';
}

static void child_says(uint32_t type, const void *body)
{
	if (child < 0 || msg_send(child, &asker_proto, type, body, NULL) < 0)
		return;
	was_asked = conn.prompted;
	conn.job.readable(&conn.job);
}

static void child_asks(struct input *in)
{
	static struct gate_prompt p;

	memset(&p, 0, sizeof(p));
	string(in, p.name, sizeof(p.name));
	string(in, p.instruction, sizeof(p.instruction));
	p.n = byte(in) % (GATE_PROMPTS_MAX + 1);
	for (uint32_t i = 0; i < p.n; i++)
		string(in, p.prompts[i], sizeof(p.prompts[i]));
	child_says(ASKER_PROMPT, &p);
}

static void child_ends(struct input *in)
{
	struct asker_result r = { .ok = byte(in) & 1 };

	string(in, r.text, sizeof(r.text));
	said_ok = r.ok;
	child_says(ASKER_RESULT, &r);
}

static void child_raves(struct input *in)
{
	uint8_t raw[512];
	size_t n = 0, most = 2 * (size_t)byte(in);

	while (n < most && in->left)
		raw[n++] = byte(in);
	if (child < 0 || n == 0 || send(child, raw, n, MSG_NOSIGNAL) < 0)
		return;
	/* By chance a whole result? Then it is its word. */
	said_ok = true;
	was_asked = conn.prompted;
	conn.job.readable(&conn.job);
	said_ok = false;
}

/* What waits for the child; true: there were answers among it. */
static bool child_hears(void)
{
	static struct gate_answers got;
	bool answers = false;
	struct msg m;

	while (child >= 0 && msg_recv(child, &asker_proto, &got, sizeof(got), &m, NULL) == 1)
		answers |= m.type == ASKER_ANSWERS;
	return answers;
}

static void session_answers(struct input *in)
{
	static struct gate_answers a;
	struct msg m = { .type = GATE_ANSWERS, .body = &a };
	bool fits, heard;
	struct err e;
	int r;

	memset(&a, 0, sizeof(a));
	a.n = byte(in) % (GATE_PROMPTS_MAX + 1);
	for (uint32_t i = 0; i < a.n; i++)
		string(in, a.answers[i], sizeof(a.answers[i]));
	fits = conn.prompted && a.n == conn.prompts;
	(void)child_hears();
	r = gate_interactive_answers(&conn, &m, &e);
	heard = child_hears();
	MUST(fits == (r == 0));
	MUST(heard == (fits && conn.job.active));
	for (size_t i = 0; i < sizeof(a); i++)
		MUST(((const uint8_t *)&a)[i] == 0);
}

static void session_begins(struct input *in)
{
	struct gate_interactive q = { .login = { (char)byte(in) } };
	struct msg m = { .body = &q };
	struct err e;

	(void)gate_interactive_begin(&conn, &m, &e);
}

static void step(struct input *in)
{
	switch ((enum op)(byte(in) % OPS)) {
	case BEGIN:
		session_begins(in);
		break;
	case ASKED:
		child_asks(in);
		break;
	case RESULT:
		child_ends(in);
		break;
	case BYTES:
		child_raves(in);
		break;
	case ANSWERS:
		session_answers(in);
		break;
	case LATE:
		if (conn.job.active)
			conn.job.failed(&conn.job, byte(in) & 1 ? -ETIMEDOUT : -EAGAIN);
		break;
	case GONE:
		fd_close(&child);
		if (conn.job.active)
			conn.job.readable(&conn.job);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	memset(&conn, 0, sizeof(conn));
	conn.g = &server;
	settings.auth.answer_time = 30;
	(void)str_copy(settings.auth.pam_service, sizeof(settings.auth.pam_service), "sshbay");
	open_question = said_ok = was_asked = false;
	doomed = size && data[size - 1] & 1;
	while (in.left)
		step(&in);
	gate_job_end(&conn.job);
	fd_close(&child);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char good[] = "\0a\1\2hi\2ok\1\12Password: \4\1\6secret\2\1\0";
	static const char two[] = "\0a\1\0\0\2\1a\1b\4\2\1x\1y\1\0\0\1\3pin\4\1\0041234\2\0\2no";
	static const char early[] = "\0a\1\0\0\1\3who\2\1\0\4\1\1x";
	static const char late[] = "\0a\1\0\0\1\3who\5\1\4\1\1x\0b\2\1\0";
	static const char nobody[] = "\0\033\2\1\0\0a\6\0a\2\1\0";
	static const char control[] = "\0a\1\5\033[2J\n\7a\nb\r\033]0\1\6\1\2pw\n?\4\0\4\1\0\2\1\0";

	char rounds[2 + 24 * 6] = "\0a";

	for (int i = 0; i < 24; i++)
		memcpy(rounds + 2 + (size_t)i * 6, "\1\0\0\0\4\0", 6);
	emit("rounds", rounds, sizeof(rounds));
	emit("good", good, sizeof(good) - 1);
	emit("two", two, sizeof(two) - 1);
	emit("early", early, sizeof(early) - 1);
	emit("late", late, sizeof(late) - 1);
	emit("nobody", nobody, sizeof(nobody) - 1);
	emit("control", control, sizeof(control) - 1);
}
