/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay doctor`: is this host fit for sshbay, and is the configuration fit for this host?  Every finding is a line with
 * its remedy.  Runs as root by hand; changes nothing, and works without a daemon.
 */
#include "doctor.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../limits.h"
#include "base/fd.h"

static const char *const words[] = { "OK", "WARN", "FAIL" };
enum level { OK, WARN, FAIL };

struct finding {
	enum level level;
	const char *subject, *remedy;
};

static void say(struct doctor *d, const struct finding *f, const char *fmt, va_list ap)
{
	char fact[512];
	struct json_object *o;

	vsnprintf(fact, sizeof(fact), fmt, ap);
	d->warnings += f->level == WARN;
	d->failures += f->level == FAIL;
	if (d->list) {
		o = json_object_new_object();
		json_object_object_add(o, "status", json_object_new_string(words[f->level]));
		json_object_object_add(o, "subject", json_object_new_string(f->subject));
		json_object_object_add(o, "fact", json_object_new_string(fact));
		json_object_object_add(o, "remedy",
				       f->remedy ? json_object_new_string(f->remedy) : NULL);
		json_object_array_add(d->list, o);
		return;
	}
	printf("%-4s  %s: ", words[f->level], f->subject);
	cli_print(stdout, fact);
	if (f->remedy)
		printf(" (%s)", f->remedy);
	putchar('\n');
}

void doctor_ok(struct doctor *d, const char *subject, const char *fmt, ...)
{
	const struct finding f = { OK, subject, NULL };
	va_list ap;

	va_start(ap, fmt);
	say(d, &f, fmt, ap);
	va_end(ap);
}

void doctor_warn(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
{
	const struct finding f = { WARN, subject, remedy };
	va_list ap;

	va_start(ap, fmt);
	say(d, &f, fmt, ap);
	va_end(ap);
}

void doctor_fail(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
{
	const struct finding f = { FAIL, subject, remedy };
	va_list ap;

	va_start(ap, fmt);
	say(d, &f, fmt, ap);
	va_end(ap);
}

static struct settings *check_config(struct doctor *d, const char *file)
{
	struct settings_report report;
	struct settings *s;

	if (settings_load(file, &s, &report) == 0)
		doctor_ok(d, "configuration", "%s, %u workspaces configured", file, s->nworkspaces);
	else
		doctor_fail(d, "configuration", "sshbay check lists them", "%s: %u problem%s", file,
			    report.count, report.count == 1 ? "" : "s");
	settings_report_free(&report);
	d->s = s;
	return s;
}

/* A limit that some workspace has, and no controller to keep it, makes its start fail. */
static void check_controller(struct doctor *d, const char *line, const char *name, bool needed)
{
	char word[24];
	const char *at;

	snprintf(word, sizeof(word), " %s", name);
	for (at = strstr(line, word); at; at = strstr(at + 1, word)) {
		char end = at[strlen(word)];

		if (end == '\0' || end == ' ' || end == ';')
			return;
	}
	if (needed)
		doctor_fail(d, "cgroups", "boot with it, or lift the limit in [defaults]",
			    "there is no %s controller, and [defaults] has a limit for it", name);
	else
		doctor_warn(d, "cgroups", "boot with it", "there is no %s controller", name);
}

static void check_cgroups(struct doctor *d)
{
	const struct spec *spec = d->s ? &d->s->defaults : NULL;
	char line[256];
	struct err e;

	if (limits_describe(line, sizeof(line), &e) < 0) {
		doctor_fail(d, "cgroups", "mount cgroup2 on /sys/fs/cgroup", "%s", e.text);
		return;
	}
	doctor_ok(d, "cgroups", "%s", line);
	check_controller(d, line, "memory", spec && spec->memory != SETTINGS_UNLIMITED);
	check_controller(d, line, "pids", spec && spec->pids != 0);
	check_controller(d, line, "cpuset", spec && *spec->cpus);
	check_controller(d, line, "cpu", false);
}

/* Does a daemon of this configuration answer? */
static void check_daemon(struct doctor *d)
{
	struct admin_name request = { .tag = 1 };
	struct admin_done done = { .tag = 0 };
	char path[PATH_MAX];
	auto_fd int fd = -1;
	struct err e = { 0 };
	struct msg m;

	if (!d->s)
		return;
	(void)str_format(path, sizeof(path), "%s/admin.sock", d->s->storage.run);
	fd = msg_connect(path, &e);
	if (fd < 0) {
		doctor_warn(d, "provisiond", "systemctl start provisiond",
			    "does not answer at %s: %s", path, strerrordesc_np(e.code));
		return;
	}
	if (msg_send(fd, &admin_proto, ADMIN_STATUS, &request, &e) < 0 ||
	    msg_recv(fd, &admin_proto, &done, sizeof(done), &m, &e) != 1 || m.type != ADMIN_DONE) {
		doctor_fail(d, "provisiond", "journalctl -u provisiond", "no answer at %s", path);
		return;
	}
	done.text[strcspn(done.text, "\n")] = '\0';
	doctor_ok(d, "provisiond", "%s", *done.text ? done.text : "answers");
}

static void print_list(struct doctor *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(d->failures == 0));
	json_object_object_add(o, "warnings", json_object_new_int((int)d->warnings));
	json_object_object_add(o, "failures", json_object_new_int((int)d->failures));
	json_object_object_add(o, "findings", d->list);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int cli_doctor(struct cli *c, int argc, char **argv)
{
	const struct cli_option options[] = { { NULL, NULL, NULL } };
	struct doctor d = { .list = c->json ? json_object_new_array() : NULL };
	int status = cli_options(&argc, argv, options, NULL);
	struct settings *s;

	if (status)
		return status;
	if (argc > 1)
		return cli_usage(argv[0], "takes no operand");
	if (geteuid() != 0)
		doctor_fail(&d, "user", "sudo sshbay doctor",
			    "not root: most of what follows cannot be tried");
	s = check_config(&d, c->config);
	doctor_kernel(&d);
	doctor_sysctls(&d);
	check_cgroups(&d);
	doctor_host(&d);
	doctor_gpu(&d);
	check_daemon(&d);
	if (c->json)
		print_list(&d);
	else
		printf("%u failure%s, %u warning%s\n", d.failures, d.failures == 1 ? "" : "s",
		       d.warnings, d.warnings == 1 ? "" : "s");
	settings_free(s);
	return d.failures ? CLI_FAILED : CLI_OK;
}
