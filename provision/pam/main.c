/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshbay-pam: one keyboard-interactive login with PAM.  Started by provisiond as root with the "pam" conversation on
 * descriptor 3; of no use by hand.  The only program of sshbay's that loads PAM modules, and it ends with the login.
 */
#include <security/pam_appl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/asker.h"

#define SOCK     3
#define EX_USAGE 2

/* What the conversation function works with. */
struct talk {
	struct gate_prompt ask; /* being put together: texts wait for the next question */
	struct gate_answers got;
};

/* A text for the user, shown before the next question. What does not fit is cut. */
static void add_text(struct talk *t, const char *text)
{
	char *at = t->ask.instruction;
	size_t used = strlen(at);

	(void)str_format(at + used, sizeof(t->ask.instruction) - used, "%s%s", used ? "\n" : "",
			 text);
}

static int add_question(struct talk *t, const char *text, bool echo)
{
	if (t->ask.n == GATE_PROMPTS_MAX)
		return PAM_CONV_ERR;
	(void)str_copy(t->ask.prompts[t->ask.n], sizeof(t->ask.prompts[0]), text);
	t->ask.echo |= (uint32_t)echo << t->ask.n;
	t->ask.n++;
	return PAM_SUCCESS;
}

/* Ask what was put together, and wait. */
static int exchange(struct talk *t)
{
	struct msg m;
	int ret = msg_send(SOCK, &asker_proto, ASKER_PROMPT, &t->ask, NULL);

	if (ret == 0)
		ret = msg_recv(SOCK, &asker_proto, &t->got, sizeof(t->got), &m, NULL);
	msg_scrub();
	if (ret != 1 || m.type != ASKER_ANSWERS || t->got.n != t->ask.n)
		return PAM_CONV_ERR;
	memset(&t->ask, 0, sizeof(t->ask));
	return PAM_SUCCESS;
}

static void free_replies(struct pam_response *r, int n)
{
	for (int i = 0; r && i < n; i++) {
		if (r[i].resp)
			explicit_bzero(r[i].resp, strlen(r[i].resp));
		free(r[i].resp);
	}
	free(r);
}

/* The answers, in the places of their questions. */
static struct pam_response *replies(const struct talk *t, int n, const struct pam_message **msg)
{
	struct pam_response *r = calloc((size_t)n, sizeof(*r));
	uint32_t next = 0;

	for (int i = 0; r && i < n; i++) {
		if (msg[i]->msg_style != PAM_PROMPT_ECHO_ON &&
		    msg[i]->msg_style != PAM_PROMPT_ECHO_OFF)
			continue;
		r[i].resp = strdup(t->got.answers[next++]);
		if (!r[i].resp) {
			free_replies(r, n);
			return NULL;
		}
	}
	return r;
}

static int converse(int n, const struct pam_message **msg, struct pam_response **out, void *ctx)
{
	struct talk *t = ctx;
	int ret = PAM_SUCCESS;

	*out = NULL;
	if (n < 1 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	for (int i = 0; i < n && ret == PAM_SUCCESS; i++) {
		switch (msg[i]->msg_style) {
		case PAM_PROMPT_ECHO_ON:
		case PAM_PROMPT_ECHO_OFF:
			ret = add_question(t, msg[i]->msg, msg[i]->msg_style == PAM_PROMPT_ECHO_ON);
			break;
		case PAM_ERROR_MSG:
		case PAM_TEXT_INFO:
			add_text(t, msg[i]->msg);
			break;
		default:
			ret = PAM_CONV_ERR;
		}
	}
	if (ret == PAM_SUCCESS && t->ask.n)
		ret = exchange(t);
	if (ret == PAM_SUCCESS) {
		*out = replies(t, n, msg);
		ret = *out ? PAM_SUCCESS : PAM_BUF_ERR;
	}
	explicit_bzero(&t->got, sizeof(t->got));
	return ret;
}

/* PAM may map one name to another; the login is for the one it began with. */
static int same_user(pam_handle_t *h, const char *user)
{
	const void *now = NULL;
	int ret = pam_get_item(h, PAM_USER, &now);

	if (ret != PAM_SUCCESS)
		return ret;
	return now && strcmp(now, user) == 0 ? PAM_SUCCESS : PAM_USER_UNKNOWN;
}

static int authenticate(pam_handle_t *h, const struct asker_begin *b)
{
	int ret = pam_set_item(h, PAM_RHOST, b->peer);

	if (ret == PAM_SUCCESS)
		ret = pam_set_item(h, PAM_TTY, "ssh");
	if (ret == PAM_SUCCESS)
		ret = pam_set_item(h, PAM_RUSER, "");
	if (ret == PAM_SUCCESS)
		ret = pam_authenticate(h, PAM_DISALLOW_NULL_AUTHTOK);
	if (ret == PAM_SUCCESS)
		ret = pam_acct_mgmt(h, PAM_DISALLOW_NULL_AUTHTOK);
	return ret == PAM_SUCCESS ? same_user(h, b->user) : ret;
}

static int serve(const struct asker_begin *b)
{
	struct talk talk = { 0 };
	const struct pam_conv conv = { converse, &talk };
	struct asker_result r = { 0 };
	pam_handle_t *h = NULL;
	int ret = pam_start(b->service, b->user, &conv, &h);

	if (ret == PAM_SUCCESS)
		ret = authenticate(h, b);
	/* Last words, such as when the password expires, are shown before the end. */
	if (ret == PAM_SUCCESS && talk.ask.instruction[0])
		ret = exchange(&talk);
	r.ok = ret == PAM_SUCCESS;
	(void)str_format(r.text, sizeof(r.text), "PAM service '%s': %s", b->service,
			 h ? pam_strerror(h, ret) : "cannot be started");
	if (h)
		(void)pam_end(h, ret);
	return msg_send(SOCK, &asker_proto, ASKER_RESULT, &r, NULL) < 0;
}

int main(int argc, char **argv)
{
	struct asker_begin b;
	struct stat st;
	struct msg m;

	log_setup("sshbay-pam", LOG_LEVEL_NOTE);
	if (argc > 1 || fstat(SOCK, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		log_error("%s is started by provisiond, with a socket on descriptor 3", argv[0]);
		return EX_USAGE;
	}
	/* What modules start must not be able to speak for this process; nor may it be looked into. */
	if (fcntl(SOCK, F_SETFD, FD_CLOEXEC) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return 1;
	if (msg_recv(SOCK, &asker_proto, &b, sizeof(b), &m, NULL) != 1 || m.type != ASKER_BEGIN)
		return 1;
	return serve(&b);
}
