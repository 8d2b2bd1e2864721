/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond's main process: one sd-event loop over the servers, the registry and the signals.  Start-up goes from
 * what can refuse (configuration, locks, self-test) to what others notice (network, sockets); an end at any point in
 * between, by SIGKILL too, leaves nothing that the next start does not take over.
 */
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "admin_server.h"
#include "audit.h"
#include "auth.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "ctl_server.h"
#include "filter.h"
#include "gate_auth.h"
#include "harden.h"
#include "helper.h"
#include "limits.h"
#include "hostnet.h"
#include "ns.h"
#include "rootfs.h"
#include "statedir.h"
#include "workspace.h"

#define DRAIN_US (5 * 1000000ULL)

struct daemon {
	const char *file;
	struct settings *settings;
	struct statedir dirs;
	struct registry_files files;
	struct hostkey *hostkey;
	sd_event *loop;
	sd_event_source *signals[3], *drain;
	struct registry *registry;
	struct ctl_server *ctl;
	struct admin_server *admin;
	uint64_t since, loaded; /* seconds since the epoch */
	uint64_t drain_until;
	bool reload_failed;
};

static void log_report(const struct settings_report *report)
{
	const char *line = report->text;

	while (line && *line) {
		size_t len = strcspn(line, "\n");

		log_error("%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

struct settings *daemon_settings(const char *file)
{
	struct settings_report report = { 0 };
	struct settings *s = NULL;

	if (settings_load(file, &s, &report)) {
		fputs(report.text ? report.text : "", stderr);
		if (report.text && report.text[0] && report.text[strlen(report.text) - 1] != '\n')
			fputc('\n', stderr);
	}
	settings_report_free(&report);
	return s;
}

/* --- reload --- */

static void audit_conf(const char *event, const char *file, const char *reason)
{
	const struct audit_field fields[] = { AUDIT_TEXT("file", file),
					      AUDIT_TEXT("reason", reason) };

	audit_write(event, fields, 2);
}

static bool same_net(const struct ipnet *a, const struct ipnet *b)
{
	return a->plen == b->plen && a->addr.family == b->addr.family &&
	       ip_equal(&a->addr, &b->addr);
}

/* The first setting that differs and that living workspaces are built upon, or NULL. */
static const char *fixed_difference(const struct settings *a, const struct settings *b)
{
	const struct {
		const char *key;
		bool same;
	} fixed[] = {
		{ "storage.state", !strcmp(a->storage.state, b->storage.state) },
		{ "storage.run", !strcmp(a->storage.run, b->storage.run) },
		{ "storage.images", !strcmp(a->storage.images, b->storage.images) },
		{ "storage.id_base", a->storage.id_base == b->storage.id_base },
		{ "storage.id_count", a->storage.id_count == b->storage.id_count },
		{ "network.control_cidr",
		  same_net(&a->network.control_cidr, &b->network.control_cidr) },
		{ "network.control_cidr6",
		  !a->network.control_cidr6.addr.family == !b->network.control_cidr6.addr.family &&
			  same_net(&a->network.control_cidr6, &b->network.control_cidr6) },
		{ "network.mark", a->network.mark == b->network.mark },
		{ "network.table", a->network.table == b->network.table },
		{ "gate.transparent_port", a->gate.transparent_port == b->gate.transparent_port },
		{ "gate.user", a->gate.uid == b->gate.uid && a->gate.gid == b->gate.gid },
		{ "gate.host_key", !strcmp(a->gate.host_key, b->gate.host_key) },
		{ "limits.cgroup", !strcmp(a->limits.cgroup, b->limits.cgroup) },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!fixed[i].same)
			return fixed[i].key;
	return NULL;
}

static int reject(struct daemon *d, char *text, size_t size, const char *why)
{
	char shown[400];

	str_format(shown, sizeof(shown), "%s", why);
	str_format(text, size, "reload '%s': the old configuration stays: %s", d->file, shown);
	log_error("%s", text);
	audit_conf("conf.reject", d->file, shown);
	d->reload_failed = true;
	return -EINVAL;
}

/* The first line of the report, and how many more there are. */
static int reject_report(struct daemon *d, char *text, size_t size,
			 const struct settings_report *report)
{
	const char *all = report->text ? report->text : "it does not load";
	char first[380];

	log_report(report);
	if (report->count > 1)
		str_format(first, sizeof(first), "%.*s (and %u more, see sshbay check)",
			   (int)strcspn(all, "\n"), all, report->count - 1);
	else
		str_format(first, sizeof(first), "%.*s", (int)strcspn(all, "\n"), all);
	return reject(d, text, size, first);
}

static void apply(struct daemon *d, struct settings *s)
{
	struct settings *old = d->settings;
	struct err e = { 0 };

	d->settings = s;
	d->loaded = clk_wall_s();
	d->reload_failed = false;
	registry_set_settings(d->registry, s);
	if (audit_open(s->log.audit, &e))
		log_error("%s", e.text);
	if (ctl_server_reload(d->ctl, &e))
		log_error("%s", e.text);
	registry_refresh_host(d->registry);
	settings_free(old);
	audit_conf("conf.load", d->file, "");
}

static int reload(void *ctx, char *text, size_t size)
{
	struct daemon *d = ctx;
	struct settings_report report = { 0 };
	struct settings *s = NULL;
	const char *key;
	char why[128];
	int ret;

	sd_notify(0, "RELOADING=1");
	if (settings_load(d->file, &s, &report)) {
		ret = reject_report(d, text, size, &report);
	} else if ((key = fixed_difference(d->settings, s))) {
		str_format(why, sizeof(why), "%s cannot change while provisiond runs (restart it)",
			   key);
		ret = reject(d, text, size, why);
		settings_free(s);
	} else {
		apply(d, s);
		str_format(text, size, "configuration '%s' is loaded", d->file);
		log_note("%s", text);
		ret = 0;
	}
	settings_report_free(&report);
	sd_notify(0, "READY=1");
	return ret;
}

static void status(void *ctx, char *text, size_t size)
{
	struct daemon *d = ctx;
	unsigned int all = 0, running = 0, sessions = 0;
	char since[32], loaded[32];

	for (struct workspace *ws = workspace_next(d->registry, NULL); ws;
	     ws = workspace_next(d->registry, ws)) {
		all++;
		running += workspace_exists(ws) && workspace_record(ws)->state == RECORD_RUNNING;
		sessions += workspace_sessions(ws);
	}
	str_format(text, size,
		   "provisiond %s, pid %d, since %s; %u workspaces, %u running; %u sessions; %u "
		   "workers; configuration '%s' "
		   "of %s%s",
		   SSHBAY_VERSION, (int)getpid(), clk_text(d->since, since, sizeof(since)), all,
		   running, sessions, registry_busy(d->registry), d->file,
		   clk_text(d->loaded, loaded, sizeof(loaded)),
		   d->reload_failed ? "; the last reload was rejected" : "");
}

/* --- signals --- */

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
	char text[512];

	reload(ctx, text, sizeof(text));
	return 0;
}

/* Workers get a moment to end what they are at; what they do not end is settled by the next start. */
static int on_drain(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct daemon *d = ctx;

	if (!registry_busy(d->registry) || clk_now_us() >= d->drain_until)
		return sd_event_exit(d->loop, DAEMON_OK);
	sd_event_source_set_time(s, clk_now_us() + 10000);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
	struct daemon *d = ctx;

	sd_notify(0, "STOPPING=1");
	if (d->drain) /* the second signal: at once */
		return sd_event_exit(d->loop, DAEMON_OK);
	registry_drain(d->registry);
	if (!registry_busy(d->registry))
		return sd_event_exit(d->loop, DAEMON_OK);
	d->drain_until = clk_now_us() + DRAIN_US;
	if (sd_event_add_time(d->loop, &d->drain, CLOCK_MONOTONIC, clk_now_us() + 10000, 1000,
			      on_drain, d) < 0)
		return sd_event_exit(d->loop, DAEMON_OK);
	return 0;
}

static int watch_signals(struct daemon *d, struct err *e)
{
	int ret = sd_event_add_signal(d->loop, &d->signals[0], SIGHUP, on_reload, d);

	if (ret >= 0)
		ret = sd_event_add_signal(d->loop, &d->signals[1], SIGTERM, on_end, d);
	if (ret >= 0)
		ret = sd_event_add_signal(d->loop, &d->signals[2], SIGINT, on_end, d);
	return ret < 0 ? err_ret(e, ret, "watch for signals") : 0;
}

/* --- start and end --- */

static int block_signals(struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? err_sys(e, "block signals") : 0;
}

/* A part of sshbay: beside provisiond itself in a build tree, else where it is installed. Returns buf. */
static const char *part_path(const char *name, char buf[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);

	if (n > 0) {
		char *slash;

		buf[n] = '\0';
		slash = strrchr(buf, '/') + 1;
		if (!str_copy(slash, PATH_MAX - (size_t)(slash - buf), name) && !access(buf, X_OK))
			return buf;
	}
	(void)str_format(buf, PATH_MAX, "%s/%s", SSHBAY_LIBEXEC, name);
	return buf;
}

static int open_files(struct registry_files *files, struct err *e)
{
	static char bundle[PATH_MAX], pam[PATH_MAX];
	char path[PATH_MAX];

	rootfs_bundle_path = part_path("sftp", bundle);
	gate_interactive_program = part_path("sshbay-pam", pam);
	files->filter = filter_build(e);
	if (files->filter < 0)
		return files->filter;
	files->init = ns_init_image(part_path("ws-init", path), e);
	return files->init < 0 ? files->init : 0;
}

static int host_up(void *ctx, struct err *e)
{
	return hostnet_up(ctx, e);
}

static int kick(void *ctx, const char *who, const char *message, struct err *e)
{
	struct daemon *d = ctx;

	return ctl_server_kick(d->ctl, who, message, e);
}

static int look(void *ctx, const char *lift, ctl_look_fn fn, void *who, struct err *e)
{
	struct daemon *d = ctx;

	return ctl_server_look(d->ctl, lift, fn, who, e);
}

static int start_servers(struct daemon *d, struct err *e)
{
	const struct admin_daemon self = { .ctx = d,
					   .reload = reload,
					   .status = status,
					   .kick = kick,
					   .look = look,
					   .hostkey = d->hostkey };
	int ret = sd_event_new(&d->loop);

	if (ret < 0)
		return err_ret(e, ret, "make event loop");
	ret = watch_signals(d, e);
	if (!ret)
		ret = registry_new(d->loop, d->settings, &d->registry, e);
	if (!ret)
		ret = ctl_server_new(d->loop, d->registry, d->hostkey, &d->ctl, e);
	if (!ret)
		ret = admin_server_new(d->loop, d->registry, &self, &d->admin, e);
	return ret;
}

static int start(struct daemon *d, struct err *e)
{
	struct err audit = { 0 };
	char controllers[256];
	int ret = harden_self(e);

	if (!ret)
		ret = block_signals(e);
	if (!ret)
		ret = statedir_open(d->settings, &d->dirs, e);
	if (!ret)
		ret = verify_self_test(e);
	if (!ret)
		ret = hostkey_load(d->settings->gate.host_key, &d->hostkey, e);
	if (ret)
		return ret;
	if (audit_open(d->settings->log.audit, &audit))
		log_error("%s", audit.text);
	if (limits_describe(controllers, sizeof(controllers), &audit) == 0)
		log_detail("cgroup controllers: %s", controllers);
	ret = open_files(&d->files, e);
	if (ret)
		return ret;
	ret = helper_run("set up the host's network", host_up, d->settings, e);
	return ret ? ret : start_servers(d, e);
}

static void stop(struct daemon *d)
{
	admin_server_free(d->admin);
	ctl_server_free(d->ctl);
	registry_free(d->registry);
	for (unsigned int i = 0; i < 3; i++)
		sd_event_source_disable_unref(d->signals[i]);
	sd_event_source_disable_unref(d->drain);
	sd_event_unref(d->loop);
	hostkey_free(d->hostkey);
	fd_close(&d->files.init);
	fd_close(&d->files.filter);
	statedir_close(&d->dirs);
	settings_free(d->settings);
}

int daemon_run(const char *file, struct settings *s)
{
	struct daemon d = {
		.file = file,
		.settings = s,
		.files = { -1, -1, { -1, -1 } },
		.dirs = { -1, -1 },
		.since = clk_wall_s(),
		.loaded = clk_wall_s(),
	};
	struct err e = { 0 };
	int ret = start(&d, &e);

	if (ret) {
		log_error("%s", e.text);
		stop(&d);
		return DAEMON_FAILED;
	}
	audit_conf("conf.load", file, "");
	d.files.locks[0] = d.dirs.runlock;
	d.files.locks[1] = d.dirs.statelock;
	registry_start(d.registry, &d.files);
	sd_notify(0, "READY=1");
	log_note("ready");
	ret = sd_event_loop(d.loop);
	if (ret < 0)
		log_error("run event loop: %s", strerror(-ret));
	stop(&d);
	return ret < 0 ? DAEMON_FAILED : ret;
}
