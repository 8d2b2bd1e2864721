/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay doctor`: is this host fit for sshbay, and is the configuration fit for this host?  Every finding is a line with
 * its remedy.  Runs as root by hand; changes nothing, and works without a daemon.
 */
#include "doctor.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../limits.h"
#include "base/fd.h"

void doctor_ok(struct doctor *d, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	findings_say(&d->findings, &(struct finding){ FINDING_OK, subject, NULL }, fmt, ap);
	va_end(ap);
}

void doctor_warn(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	findings_say(&d->findings, &(struct finding){ FINDING_WARN, subject, remedy }, fmt, ap);
	va_end(ap);
}

void doctor_fail(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	findings_say(&d->findings, &(struct finding){ FINDING_FAIL, subject, remedy }, fmt, ap);
	va_end(ap);
}

static struct settings *check_config(struct doctor *d, const char *file)
{
	char warning[PATH_MAX + 128];
	struct settings_report report;
	struct settings *s;

	if (settings_load(file, &s, &report) == 0)
		doctor_ok(d, "configuration", "%s, %u workspaces configured", file, s->nworkspaces);
	else
		doctor_fail(d, "configuration", "sshbay check lists them", "%s: %u problem%s", file,
			    report.count, report.count == 1 ? "" : "s");
	settings_report_free(&report);
	if (s && settings_suspicious(s, warning, sizeof(warning)))
		doctor_warn(d, "configuration", "put the file in place, or empty the key", "%s",
			    warning);
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

/* Does the gate answer provisiond, and whom does it refuse? That is not the host's fault, but often why somebody calls. */
static void check_gate(struct doctor *d, int fd)
{
	struct admin_sources request = { .tag = 2 };
	union {
		struct admin_source source;
		struct admin_done done;
		struct admin_failed failed;
	} body = { .done.tag = 0 };
	struct err e = { 0 };
	struct msg m;
	int r = msg_send(fd, &admin_proto, ADMIN_SOURCES, &request, &e);

	if (r == 0)
		do
			r = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e);
		while (r == 1 && m.type == ADMIN_SOURCE);
	if (r == 1 && m.type == ADMIN_DONE)
		doctor_ok(d, "sshd-gate", "answers, %s%s", body.done.text,
			  strncmp(body.done.text, "0 ", 2) ? " (sshbay penalties)" : "");
	else if (r == 1 && m.type == ADMIN_FAILED)
		doctor_fail(d, "sshd-gate", "systemctl status sshd-gate", "%s", body.failed.text);
	else
		doctor_fail(d, "provisiond", "journalctl -u provisiond",
			    "no answer about the sources that the gate refuses");
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
	check_gate(d, fd);
}

int cli_doctor(struct cli *c, int argc, char **argv)
{
	const struct cli_option options[] = { { NULL, NULL, NULL } };
	struct doctor d = { .findings = findings_new(c->json) };
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
	doctor_bridge(&d);
	doctor_gpu(&d);
	doctor_direct(&d);
	doctor_rdma(&d);
	doctor_disk(&d);
	check_daemon(&d);
	settings_free(s);
	return findings_end(&d.findings);
}
