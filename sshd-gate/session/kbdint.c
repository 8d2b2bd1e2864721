/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See kbdint.h.  Session process, before the login. */
#include "kbdint.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <string.h>

#include "lens.h"
#include "login.h"

/* The accessors of a queued message carry a deprecation mark; the callbacks cannot answer later. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

bool kbdint_is_response(struct ssh_message_struct *m)
{
	return ssh_message_type(m) == SSH_REQUEST_AUTH &&
	       ssh_message_subtype(m) == SSH_AUTH_METHOD_INTERACTIVE &&
	       ssh_message_auth_kbdint_is_response(m) > 0;
}

void kbdint_request(struct session *s)
{
	struct gate_interactive q = { 0 };

	memcpy(q.login, s->login, sizeof(q.login));
	login_ask(s, GATE_INTERACTIVE, &q);
}

/* libssh keeps the answers until the next question: not their text. False: one is too long. */
static bool take(struct session *s, struct gate_answers *a)
{
	bool fits = true;

	for (uint32_t i = 0; i < a->n; i++) {
		const char *text = ssh_userauth_kbdint_getanswer(s->ssh, i);
		size_t n = text ? strlen(text) : 0;

		if (n >= sizeof(a->answers[i])) {
			fits = false;
			continue;
		}
		if (n)
			memcpy(a->answers[i], text, n);
	}
	for (uint32_t i = 0; i < a->n; i++) {
		const char *text = ssh_userauth_kbdint_getanswer(s->ssh, i);

		if (text)
			explicit_bzero((char *)(uintptr_t)text, strlen(text));
	}
	return fits;
}

void kbdint_response(struct session *s)
{
	struct gate_answers a = { 0 };
	int n = ssh_userauth_kbdint_getnanswers(s->ssh);

	if (!s->prompted || n < 0 || (uint32_t)n != s->prompts) {
		login_violation(s, s->prompted ? "Wrong number of answers"
					       : "Answers without a question");
		return;
	}
	s->prompted = false;
	a.n = s->prompts;
	if (!take(s, &a))
		login_violation(s, "An answer is too long");
	else
		login_ask(s, GATE_ANSWERS, &a);
	explicit_bzero(&a, sizeof(a));
	lens_forget();
}

void kbdint_prompt(struct session *s, const struct gate_prompt *p)
{
	const char *prompts[GATE_PROMPTS_MAX];
	char echo[GATE_PROMPTS_MAX];

	if (s->auth_type != GATE_INTERACTIVE && s->auth_type != GATE_ANSWERS)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		prompts[i] = p->prompts[i];
		echo[i] = (char)(p->echo >> i & 1);
	}
	if (ssh_message_auth_interactive_request(s->auth_msg, p->name, p->instruction, p->n,
						 prompts, echo) != SSH_OK) {
		session_end(s, "ask the client: %s", ssh_get_error(s->ssh));
		return;
	}
	s->prompted = true;
	s->prompts = p->n;
	login_answered(s);
}
