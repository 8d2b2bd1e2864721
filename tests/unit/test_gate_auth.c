/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate_auth.c and the files of the methods: chains and alternatives, partial success, passwords, conversations with PAM,
 * keys_command, and everything that may go wrong in between. This program is sshbay-pam as well, when it is told so.
 */
#include "gate_lab.h"

#include <crypt.h>
#include <signal.h>

#include "gate_auth.h"
#include "methods.h"
#include "proto/asker.h"

static char hash[256];     /* of "correct horse" */
static struct spec team;   /* the workspace of this test */
static int team_there = 1; /* has it a file? */

void settings_spec(const struct settings *s, const char *name, struct spec *out)
{
	*out = team;
	(void)str_copy(out->name, sizeof(out->name), name);
	(void)str_copy(out->file, sizeof(out->file), team_there ? "/etc/team.ini" : "");
}

bool settings_may_enter(const struct spec *spec, const char *user)
{
	return strcmp(user, "alice") == 0 || strcmp(user, "bob") == 0;
}

/* --- what the tests say -------------------------------------------------------------------------------------------- */

/* The next message, however long a child takes. */
static int await(struct session *s)
{
	for (int i = 0; i < 500; i++) {
		int type;

		sd_event_run(loop, 10000);
		spin();
		type = next(s);
		if (type != -1)
			return type;
	}
	return -1;
}

static int try_password(struct session *s, const char *login, const char *text)
{
	struct gate_password p = { 0 };

	(void)str_copy(p.login, sizeof(p.login), login);
	(void)str_copy(p.password, sizeof(p.password), text);
	assert_int_equal(msg_send(s->fd, &gate_proto, GATE_PASSWORD, &p, NULL), 0);
	return await(s);
}

static int begin(struct session *s, const char *login)
{
	struct gate_interactive q = { 0 };

	(void)str_copy(q.login, sizeof(q.login), login);
	assert_int_equal(msg_send(s->fd, &gate_proto, GATE_INTERACTIVE, &q, NULL), 0);
	return await(s);
}

static int answer(struct session *s, uint32_t n, const char *first)
{
	static struct gate_answers a;

	memset(&a, 0, sizeof(a));
	a.n = n;
	(void)str_copy(a.answers[0], sizeof(a.answers[0]), first);
	assert_int_equal(msg_send(s->fd, &gate_proto, GATE_ANSWERS, &a, NULL), 0);
	return await(s);
}

static void use(const char *methods)
{
	(void)str_copy(settings.auth.methods, sizeof(settings.auth.methods), methods);
}

#define REFUSED(type)                                                                              \
	do {                                                                                       \
		assert_int_equal(type, GATE_VERDICT);                                              \
		assert_false(got.verdict.ok || got.verdict.partial || got.verdict.drop);           \
	} while (0)
#define PARTIAL(type, rest)                                                                        \
	do {                                                                                       \
		assert_int_equal(type, GATE_VERDICT);                                              \
		assert_true(got.verdict.partial && !got.verdict.ok && !got.verdict.drop);          \
		assert_string_equal(got.verdict.methods, rest);                                    \
		assert_int_equal(listed(), 0);                                                     \
	} while (0)
#define ACCEPTED(type)                                                                             \
	do {                                                                                       \
		assert_int_equal(type, GATE_VERDICT);                                              \
		assert_true(got.verdict.ok && !got.verdict.partial && !got.verdict.drop);          \
		assert_int_equal(last_state, CTL_AUTHENTICATED);                                   \
	} while (0)
#define DROPPED(type)                                                                              \
	do {                                                                                       \
		assert_int_equal(type, GATE_VERDICT);                                              \
		assert_true(got.verdict.drop && !got.verdict.ok && !got.verdict.partial);          \
	} while (0)

/* --- chains -------------------------------------------------------------------------------------------------------- */

static void parsing(void **state)
{
	struct methods m;
	char buf[64];

	assert_int_equal(methods_parse(" publickey,password\tkeyboard-interactive ", &m, NULL), 0);
	assert_int_equal(m.n, 2);
	assert_string_equal(methods_next(&m, buf, sizeof(buf)), "publickey,keyboard-interactive");
	assert_false(methods_allow(&m, METHOD_PASSWORD));
	assert_true(methods_mention(&m, METHOD_PASSWORD));
	assert_false(methods_complete(&m, METHOD_PUBLICKEY));
	assert_string_equal(methods_next(&m, buf, sizeof(buf)), "password,keyboard-interactive");
	assert_true(methods_complete(&m, METHOD_PASSWORD));
	assert_int_equal(methods_parse("", &m, NULL), -EINVAL);
	assert_int_equal(methods_parse("publickey,", &m, NULL), -EINVAL);
	assert_int_equal(methods_parse(",publickey", &m, NULL), -EINVAL);
	assert_int_equal(methods_parse("none", &m, NULL), -EINVAL);
	assert_int_equal(methods_parse("publickeys", &m, NULL), -EINVAL);
	assert_int_equal(methods_parse("password password password password password password "
				       "password password password",
				       &m, NULL),
			 -EINVAL);
	assert_int_equal(methods_parse("password,password,password,password,password,password,"
				       "password,password,password",
				       &m, NULL),
			 -EINVAL);
}

static void a_chain_in_its_order(void **state)
{
	struct session s;

	use("publickey,password");
	connect_as(&s, 0, NULL);
	assert_int_equal(next(&s), GATE_WELCOME);
	assert_string_equal(got.welcome.methods, "publickey");
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	/* The second one first is a failure, however right. */
	REFUSED(try_password(&s, "alice", "correct horse"));
	assert_string_equal(got.verdict.methods, "publickey");
	PARTIAL(verify(&s, "alice", s.hash), "password");
	assert_int_equal(saved_file(&s), 0);
	assert_non_null(strstr(audited, "auth.partial"));
	/* The key again is none. */
	REFUSED(verify(&s, "alice", s.hash));
	REFUSED(try_password(&s, "alice", "wrong"));
	assert_string_equal(got.verdict.methods, "password");
	npermits = 0;
	ACCEPTED(try_password(&s, "alice", "correct horse"));
	assert_int_equal(npermits, 1);
	assert_non_null(strstr(audited, "auth.ok"));
	assert_non_null(strstr(strstr(audited, "auth.ok"), "method=publickey,password fp=SHA256:"));
	assert_null(strstr(audited, "correct horse"));
	hang_up(&s, 0);
}

static void alternatives(void **state)
{
	struct session s;

	use("publickey,keyboard-interactive password");
	open_session(&s);
	ACCEPTED(try_password(&s, "alice", "correct horse"));
	assert_non_null(strstr(audited, "method=password result=accepted"));
	assert_null(strstr(audited, "fp="));
	hang_up(&s, 0);
	open_session(&s);
	PARTIAL(verify(&s, "alice", s.hash), "password,keyboard-interactive");
	ACCEPTED(try_password(&s, "alice", "correct horse"));
	hang_up(&s, 0);
	use("publickey");
	open_session(&s);
	REFUSED(try_password(&s, "alice", "correct horse"));
	REFUSED(begin(&s, "alice"));
	assert_int_equal(listed(), 0);
	hang_up(&s, 0);
}

static void a_key_counts_once(void **state)
{
	struct session s;

	use("publickey,publickey");
	open_session(&s);
	PARTIAL(verify(&s, "alice", s.hash), "publickey");
	REFUSED(probe(&s, "alice"));
	REFUSED(verify(&s, "alice", s.hash));
	assert_int_equal(listed(), 0);
	assert_non_null(strstr(audited, "used already"));
	hang_up(&s, 0);
}

static void half_a_login_is_for_one_user(void **state)
{
	struct session s;

	use("publickey,password");
	open_session(&s);
	PARTIAL(verify(&s, "alice", s.hash), "password");
	DROPPED(try_password(&s, "bob", "correct horse"));
	assert_int_equal(listed(), 0);
	hang_up(&s, 0);
}

/* --- passwords ----------------------------------------------------------------------------------------------------- */

static void passwords(void **state)
{
	static const char *const wrong[] = {
		"", "wrong", "correct horsf", "correct hors", "Correct horse", "correct horse "
	};
	struct session s;

	use("password");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		open_session(&s);
		REFUSED(try_password(&s, "alice", wrong[i]));
		hang_up(&s, 0);
	}
	open_session(&s);
	ACCEPTED(try_password(&s, "alice", "correct horse"));
	hang_up(&s, 0);
	/* Not theirs to enter, no such name, no file, no password: not even when it fits what stands in for their hash. */
	settings.workspaces = &team;
	settings.nworkspaces = 1;
	open_session(&s);
	REFUSED(try_password(&s, "mallory", "correct horse"));
	hang_up(&s, 0);
	open_session(&s);
	REFUSED(try_password(&s, "ALICE", "correct horse"));
	hang_up(&s, 0);
	team_there = 0;
	open_session(&s);
	REFUSED(try_password(&s, "alice", "correct horse"));
	hang_up(&s, 0);
	team_there = 1;
	team.password[0] = 0;
	open_session(&s);
	REFUSED(try_password(&s, "alice", "correct horse"));
	REFUSED(try_password(&s, "alice", ""));
	hang_up(&s, 0);
	assert_int_equal(listed(), 0);
}

/* --- what stands in for hashes that are not there -------------------------------------------------------------------- */

#define STAND_INS 8
#define LOGINS    400

/* Half of them cheap, the others expensive, of three kinds. */
static void some_hashes(struct spec *specs, uint32_t n)
{
	static const char *const kinds[] = { "$5$rounds=1000$", "$y$jFT$", "$6$rounds=90000$" };

	memset(specs, 0, STAND_INS * sizeof(*specs));
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(specs[i].name, sizeof(specs[i].name), "ws%u", i);
		(void)snprintf(specs[i].password, sizeof(specs[i].password), "%ssalt%u$x",
			       kinds[i % 3], i);
	}
	settings.workspaces = specs;
	settings.nworkspaces = n;
}

static void stand_in(uint32_t login, char out[256])
{
	char text[32];

	(void)snprintf(text, sizeof(text), "nobody%u", login);
	gate_password_stand_in(server, text, out, 256);
}

/* Probing names must not show which exist: each takes as long as one of those that do, and the same each time. */
static void stand_ins_are_like_the_hashes_there_are(void **state)
{
	static struct spec specs[STAND_INS];
	static char before[LOGINS][256];
	unsigned int of[STAND_INS] = { 0 }, changed = 0;
	char now[256], first[256];

	some_hashes(specs, STAND_INS);
	for (uint32_t i = 0; i < LOGINS; i++) {
		unsigned int w = 0;

		stand_in(i, before[i]);
		stand_in(i, now);
		assert_string_equal(before[i], now);
		while (w < STAND_INS && strcmp(specs[w].password, before[i]) != 0)
			w++;
		assert_true(w < STAND_INS);
		of[w]++;
	}
	for (unsigned int w = 0; w < STAND_INS; w++)
		assert_in_range(of[w], 20, 90); /* 50 on average */
	/* A workspace more changes few, and nothing but to the new one's. */
	some_hashes(specs, STAND_INS - 1);
	for (uint32_t i = 0; i < LOGINS; i++) {
		stand_in(i, now);
		changed += strcmp(now, before[i]) != 0;
	}
	assert_int_equal(changed, of[STAND_INS - 1]);
	/* Without any: still a computation. */
	settings.nworkspaces = 0;
	stand_in(1, first);
	assert_int_equal(strncmp(first, "$y$", 3), 0);
	specs[0].password[0] = 0;
	settings.nworkspaces = 1;
	stand_in(2, now);
	assert_string_equal(now, first);
}

/* Another host key, another choice: nobody who reads the source knows which. */
static void stand_ins_are_not_to_be_foreseen(void **state)
{
	uint8_t one[32], other[32], again[32];
	struct hostkey *k;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/another_key", dir);
	assert_int_equal(hostkey_load(path, &k, NULL), 0);
	assert_int_equal(hostkey_derive(hostkey, "a", one, NULL), 0);
	assert_int_equal(hostkey_derive(hostkey, "a", again, NULL), 0);
	assert_memory_equal(one, again, 32);
	assert_int_equal(hostkey_derive(hostkey, "b", other, NULL), 0);
	assert_memory_not_equal(one, other, 32);
	assert_int_equal(hostkey_derive(k, "a", other, NULL), 0);
	assert_memory_not_equal(one, other, 32);
	hostkey_free(k);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/another_key.pub", dir);
	(void)unlink(path);
}

/* A hash that crypt(3) itself refuses must not be equal to its error. */
static void a_broken_hash_lets_nobody_in(void **state)
{
	static const char *const broken[] = { "*0", "*1", "!", "x", "$6$", "$y$", "$9$abc" };
	struct session s;

	use("password");
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		(void)str_copy(team.password, sizeof(team.password), broken[i]);
		open_session(&s);
		REFUSED(try_password(&s, "alice", "x"));
		REFUSED(try_password(&s, "alice", broken[i]));
		hang_up(&s, 0);
	}
}

static void wrong_passwords_are_counted(void **state)
{
	struct session s;

	use("password publickey");
	open_session(&s);
	for (int i = 0; i < 4; i++)
		REFUSED(try_password(&s, "alice", "wrong"));
	REFUSED(probe(&s, "bob"[0] ? "alice" : "") == GATE_VERDICT && got.verdict.ok
			? try_password(&s, "alice", "wrong")
			: -1);
	DROPPED(try_password(&s, "alice", "wrong"));
	assert_int_equal(last_state, CTL_AUTH_FAILED);
	assert_int_equal(try_password(&s, "alice", "correct horse") == GATE_VERDICT, 0);
	hang_up(&s, 0);
}

static void one_question_at_a_time(void **state)
{
	struct gate_password p = { .login = "alice", .password = "wrong" };
	struct session s;

	use("password");
	open_session(&s);
	assert_int_equal(msg_send(s.fd, &gate_proto, GATE_PASSWORD, &p, NULL), 0);
	assert_int_equal(msg_send(s.fd, &gate_proto, GATE_PASSWORD, &p, NULL), 0);
	spin();
	assert_dropped(&s);
}

/* Many at once wait for each other; one that leaves is forgotten. */
static void a_queue_of_passwords(void **state)
{
	struct gate_password p = { .login = "bob", .password = "wrong" };
	struct session s[12];

	use("password");
	for (int i = 0; i < 12; i++) {
		open_session(&s[i]);
		assert_int_equal(msg_send(s[i].fd, &gate_proto, GATE_PASSWORD, &p, NULL), 0);
		spin();
	}
	hang_up(&s[0], 0);
	hang_up(&s[11], 0);
	for (int i = 1; i < 11; i++) {
		REFUSED(await(&s[i]));
		hang_up(&s[i], 0);
	}
}

/* --- keyboard-interactive ------------------------------------------------------------------------------------------ */

static void a_conversation(void **state)
{
	struct session s;

	use("keyboard-interactive");
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	assert_int_equal(got.prompt.n, 2);
	assert_int_equal(got.prompt.echo, 2);
	assert_string_equal(got.prompt.prompts[0], "Password: ");
	/* Control characters are for no terminal. */
	assert_string_equal(got.prompt.prompts[1], "Code \\x1b[31m: ");
	assert_string_equal(got.prompt.instruction, "first\nsecond \\x07");
	assert_int_equal(answer(&s, 2, "right"), GATE_PROMPT);
	assert_int_equal(got.prompt.n, 0);
	ACCEPTED(answer(&s, 0, ""));
	assert_non_null(strstr(audited, "method=keyboard-interactive result=accepted"));
	hang_up(&s, 0);
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	REFUSED(answer(&s, 2, "wrong"));
	hang_up(&s, 0);
	/* PAM lets everybody in who knows the answer, but this name is nobody's. */
	open_session(&s);
	assert_int_equal(begin(&s, "ALICE"), GATE_PROMPT);
	assert_int_equal(answer(&s, 2, "right"), GATE_PROMPT);
	REFUSED(answer(&s, 0, ""));
	assert_int_equal(listed(), 0);
	hang_up(&s, 0);
}

static void answers_out_of_place(void **state)
{
	struct session s;

	use("keyboard-interactive publickey");
	open_session(&s);
	assert_int_equal(answer(&s, 0, ""), 0);
	assert_int_equal(last_state, CTL_DROP);
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	assert_int_equal(answer(&s, 1, "right"), 0);
	assert_int_equal(last_state, CTL_DROP);
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	assert_int_equal(answer(&s, 2, "right"), GATE_PROMPT);
	/* Another method instead of the answer: that was a try, and its answers come too late. */
	assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_non_null(strstr(audited, "abandoned"));
	assert_int_equal(answer(&s, 0, ""), 0);
	assert_int_equal(last_state, CTL_DROP);
	assert_int_equal(listed(), 0);
}

static void abandoned_conversations_are_tries(void **state)
{
	struct session s;

	use("keyboard-interactive");
	open_session(&s);
	for (int i = 0; i < 6; i++)
		assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	DROPPED(begin(&s, "alice"));
	hang_up(&s, 0);
}

static void what_becomes_of_the_child(void **state)
{
	static const char *const ways[] = {
		"dies", "silent", "babbles", "garbage", "early", "kills"
	};
	struct session s;
	int type;

	use("keyboard-interactive");
	settings.auth.answer_time = 1;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		open_session(&s);
		assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
		type = answer(&s, 2, ways[i]);
		/* Time for its last words to come in. */
		for (int k = 0; type == GATE_PROMPT && k < 40; k++)
			sd_event_run(loop, 20000);
		REFUSED(type == GATE_PROMPT ? answer(&s, 2, "right") : type);
		assert_int_equal(listed(), 0);
		hang_up(&s, 0);
	}
	assert_non_null(strstr(audited, "answer_time"));
	gate_interactive_program = "/nonexistent/sshbay-pam";
	open_session(&s);
	REFUSED(begin(&s, "alice"));
	hang_up(&s, 0);
	/* The user has all the time that there is. */
	gate_interactive_program = "/proc/self/exe";
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	usleep(1500000);
	spin();
	assert_int_equal(answer(&s, 2, "right"), GATE_PROMPT);
	hang_up(&s, 0);
}

/* --- the child: as this program is called ----------------------------------------------------------------------------- */

static int result(uint32_t ok)
{
	struct asker_result r = { .ok = ok, .text = "test" };

	return msg_send(3, &asker_proto, ASKER_RESULT, &r, NULL) < 0;
}

static int second_round(const char *said)
{
	static struct gate_answers a;
	struct gate_prompt more = { .instruction = "last words" };
	struct msg m;

	if (strcmp(said, "right") != 0)
		return result(0);
	(void)msg_send(3, &asker_proto, ASKER_PROMPT, &more, NULL);
	return msg_recv(3, &asker_proto, &a, sizeof(a), &m, NULL) == 1 ? result(1) : 1;
}

static int play_pam(void)
{
	struct gate_prompt p = { .instruction = "first\nsecond \a", .n = 2, .echo = 2 };
	static struct gate_answers a;
	struct asker_begin b;
	struct msg m;

	if (msg_recv(3, &asker_proto, &b, sizeof(b), &m, NULL) != 1 || getenv("HOME"))
		return 1;
	(void)str_copy(p.prompts[0], sizeof(p.prompts[0]), "Password: ");
	(void)str_copy(p.prompts[1], sizeof(p.prompts[1]), "Code \x1b[31m: ");
	(void)msg_send(3, &asker_proto, ASKER_PROMPT, &p, NULL);
	if (msg_recv(3, &asker_proto, &a, sizeof(a), &m, NULL) != 1)
		return 1;
	if (strcmp(a.answers[0], "dies") == 0)
		return 1;
	if (strcmp(a.answers[0], "silent") == 0)
		pause();
	if (strcmp(a.answers[0], "kills") == 0)
		(void)raise(SIGKILL);
	if (strcmp(a.answers[0], "garbage") == 0)
		return send(3, "garbage", 7, 0) != 7;
	if (strcmp(a.answers[0], "early") == 0) {
		(void)msg_send(3, &asker_proto, ASKER_PROMPT, &p, NULL);
		return result(1); /* nobody answered this */
	}
	if (strcmp(a.answers[0], "babbles") == 0)
		for (int i = 0; i < 2; i++)
			(void)msg_send(3, &asker_proto, ASKER_PROMPT, &p, NULL);
	return second_round(a.answers[0]);
}

/* --- keys_command -------------------------------------------------------------------------------------------------- */

static void script(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/command", dir);
	(void)unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	(void)str_copy(settings.auth.keys_command, sizeof(settings.auth.keys_command), path);
}

static int probe_slowly(struct session *s, const char *login)
{
	int type = probe(s, login);

	return type == -1 ? await(s) : type;
}

static void keys_command(void **state)
{
	struct session s;

	if (getuid() != 0)
		skip();
	settings.auth.answer_time = 1;
	(void)str_copy(settings.auth.keys_user, sizeof(settings.auth.keys_user), "nobody");
	script("echo \"ran $# $1 $2 ${#3} $(id -u) ${HOME-none} $(ls /proc/self/fd | wc -l)\"");
	open_session(&s);
	REFUSED(probe_slowly(&s, "bob"));
	assert_string_equal(more_seen, "ran 3 bob ssh-ed25519 68 65534 none 4\n");
	assert_int_equal(probe_slowly(&s, "bob"), GATE_VERDICT);
	hang_up(&s, 0);
	/* A name that is none is not for a command's eyes. */
	more_seen[0] = 0;
	open_session(&s);
	REFUSED(probe_slowly(&s, "$(reboot)"));
	assert_string_equal(more_seen, "");
	hang_up(&s, 0);
	/* Where it fails the file still counts. */
	static const char *const bad[] = { "echo listed; exit 1",      "echo listed; kill -9 $$",
					   "echo listed; sleep 60",    "yes | head -c 2000000",
					   "exec sleep 60 >/dev/null", "sleep 60 & sleep 60",
					   "exec /nonexistent" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		more_seen[0] = 0;
		script(bad[i]);
		open_session(&s);
		assert_int_equal(verify(&s, "alice", s.hash) == -1 ? await(&s) : GATE_VERDICT,
				 GATE_VERDICT);
		assert_true(got.verdict.ok);
		assert_string_equal(more_seen, "");
		hang_up(&s, 0);
		open_session(&s);
		REFUSED(probe_slowly(&s, "bob"));
		hang_up(&s, 0);
	}
	settings.auth.keys_command[0] = 0;
}

static void a_connection_that_ends_meanwhile(void **state)
{
	struct gate_key k;
	struct session s;

	if (getuid() != 0)
		skip();
	settings.auth.answer_time = 10;
	(void)str_copy(settings.auth.keys_user, sizeof(settings.auth.keys_user), "nobody");
	script("sleep 60");
	for (int i = 0; i < 3; i++) {
		open_session(&s);
		fill_key(&k, "alice");
		assert_int_equal(msg_send(s.fd, &gate_proto, GATE_PROBE, &k, NULL), 0);
		sd_event_run(loop, 10000);
		hang_up(&s, 0);
	}
	settings.auth.keys_command[0] = 0;
	use("password keyboard-interactive");
	open_session(&s);
	assert_int_equal(begin(&s, "alice"), GATE_PROMPT);
	hang_up(&s, 0);
}

static int fresh_auth(void **state)
{
	memset(&team, 0, sizeof(team));
	(void)str_copy(team.password, sizeof(team.password), hash);
	(void)str_copy(settings.auth.pam_service, sizeof(settings.auth.pam_service), "sshbay");
	settings.auth.answer_time = 5;
	settings.auth.keys_command[0] = 0;
	settings.workspaces = NULL;
	settings.nworkspaces = 0;
	gate_interactive_program = "/proc/self/exe";
	return fresh(state);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh_auth, finish)
	const struct CMUnitTest tests[] = {
		T(parsing),
		T(a_chain_in_its_order),
		T(alternatives),
		T(a_key_counts_once),
		T(half_a_login_is_for_one_user),
		T(passwords),
		T(stand_ins_are_like_the_hashes_there_are),
		T(stand_ins_are_not_to_be_foreseen),
		T(a_broken_hash_lets_nobody_in),
		T(wrong_passwords_are_counted),
		T(one_question_at_a_time),
		T(a_queue_of_passwords),
		T(a_conversation),
		T(answers_out_of_place),
		T(abandoned_conversations_are_tries),
		T(what_becomes_of_the_child),
		T(keys_command),
		T(a_connection_that_ends_meanwhile),
	};

	if (strcmp(argv[0], "sshbay-pam") == 0)
		return play_pam();
	(void)str_copy(hash, sizeof(hash), crypt("correct horse", "$5$rounds=1000$sshbay"));
	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_auth", tests, setup, teardown);
}
