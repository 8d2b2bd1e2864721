/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshd-gate, the listener: accepts SSH connections, limits them, has the zygote start a session process for each, keeps
 * the table of these processes and their grace time.  Never reads a byte from a connection, holds no key and decides
 * nothing about who a user is.  Runs as the gate's uid in a sandbox; one thread, one poll loop.
 */
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accept.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "control.h"
#include "judge.h"

#define FILES_MAX 65536 /* one descriptor per connection, and a few */

enum { P_SIGNALS, P_CONTROL, P_ZYGOTE, P_SOCKS };

static void ended(void *ctx, const struct child *c, int status)
{
	struct listener *l = ctx;
	uint32_t sig = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
	char from[IP_TEXT_MAX];

	accept_resume(l);
	judge_ended(l, c, status);
	control_closed(l, c, sig);
	ip_port_text(&c->peer, from, sizeof(from));
	if (c->timeout)
		log_note("connection from %s: not authenticated in %u s", from,
			 l->settings.grace_s);
	else if (sig && !c->killed)
		log_warn("connection from %s: its session %d died by signal %u; the zygote is "
			 "replaced",
			 from, c->pid, sig);
	else
		log_detail("connection from %s: session %d ended, status 0x%x", from, c->pid,
			   status);
	/* Someone may be probing the layout of these processes: the next ones get another. */
	if (sig && !c->killed)
		zygote_retire(&l->zygote, clk_now_us());
}

static void spawned(void *ctx, const struct zygote_spawned *s)
{
	accept_spawned(ctx, s, clk_now_us());
}

static void read_signals(struct listener *l)
{
	struct signalfd_siginfo si;

	while (read(l->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			l->stop = true;
}

static void read_zygote(struct listener *l, uint64_t now)
{
	struct err e = { 0 };

	if (zygote_read(&l->zygote, now, spawned, l, &e) < 0)
		log_error("%s", e.text);
}

/* Replace it when it is gone or retired. */
static void keep_zygote(struct listener *l, uint64_t now)
{
	struct err e = { 0 };

	if (zygote_check(&l->zygote, now, children_pending(&l->children), &e) < 0)
		log_error("%s", e.text);
	zygote_reap(&l->zygote, now);
	if (l->zygote.sock >= 0)
		return;
	accept_abandon(l);
	if (l->confined && now >= l->zygote.retry_us && zygote_start(&l->zygote, now, &e) < 0)
		log_error("%s", e.text);
}

static int timeout_ms(const struct listener *l, uint64_t now)
{
	uint64_t at[] = {
		children_deadline(&l->children),
		l->confined ? zygote_deadline(&l->zygote) : UINT64_MAX,
		refuse_deadline(&l->refused),
		judge_deadline(l),
		accept_deadline(l, now),
		l->control.sock < 0 ? l->control.retry_us : UINT64_MAX,
	};
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (at[i] < first)
			first = at[i];
	if (first == UINT64_MAX)
		return -1;
	return first <= now
		       ? 0
		       : (int)((first - now + 999) / 1000 > 60000 ? 60000
								  : (first - now + 999) / 1000);
}

static unsigned int poll_set(const struct listener *l, struct pollfd *p, uint64_t now)
{
	bool accepting = accept_wanted(l, now);
	unsigned int n = P_SOCKS;

	p[P_SIGNALS] = (struct pollfd){ .fd = l->signals, .events = POLLIN };
	p[P_CONTROL] = (struct pollfd){ .fd = l->control.sock,
					.events = POLLIN | (control_backlog(l) ? POLLOUT : 0) };
	p[P_ZYGOTE] = (struct pollfd){ .fd = l->zygote.sock, .events = POLLIN };
	for (uint32_t i = 0; i < l->nsocks; i++)
		p[n++] = (struct pollfd){ .fd = accepting ? l->socks[i] : -1, .events = POLLIN };
	return n + refuse_pollfds(&l->refused, &p[n]);
}

/* One turn of the loop. The order matters: what frees descriptors and slots comes before what takes them. */
static void turn(struct listener *l)
{
	struct pollfd p[P_SOCKS + MSG_FDS_MAX + REFUSE_MAX];
	uint64_t now = clk_now_us();
	unsigned int n = poll_set(l, p, now), socks = l->nsocks;

	if (poll(p, n, timeout_ms(l, now)) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	now = clk_now_us();
	if (p[P_SIGNALS].revents)
		read_signals(l);
	refuse_expire(&l->refused, &p[P_SOCKS + socks], n - P_SOCKS - socks, now);
	if (p[P_ZYGOTE].revents)
		read_zygote(l, now);
	children_expire(&l->children, now);
	/* Also without SIGCHLD: a child may have died before the zygote's answer told its pid. */
	if (p[P_SIGNALS].revents || p[P_ZYGOTE].revents)
		children_reap(&l->children, ended, l);
	keep_zygote(l, now);
	/* Whoever came as provisiond went is told so, or waits for the next one: in the next turn, when that is known. */
	if (accept_wanted(l, now) && !(p[P_CONTROL].revents & (POLLHUP | POLLERR)))
		accept_turn(l, &p[P_SOCKS], now);
	/* Last: it may exchange the listening sockets that p stands for. */
	if (p[P_CONTROL].revents || (l->nended && l->control.sock >= 0))
		control_ready(l, now);
	judge_settle(l, now);
	control_connect(l, now);
}

static int setup(struct listener *l, const char *run, bool debug, struct err *e)
{
	struct rlimit files;
	sigset_t set;
	int ret;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* provisiond sends new settings by itself */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	l->reserve = fcntl(l->null, F_DUPFD_CLOEXEC, 3);
	if (l->signals < 0 || l->null < 0 || l->reserve < 0)
		return err_sys(e, "start 'sshd-gate'");
	ret = control_init(&l->control, run, e);
	if (ret == 0)
		zygote_init(&l->zygote, l->program, l->program_fd, l->null, debug);
	return ret;
}

/* The session program: as told, else beside this one in a build tree, else where it is installed. */
static int name_program(struct listener *l, const char *told, struct err *e)
{
	char self[PATH_MAX];
	ssize_t n;

	if (told) {
		if (told[0] != '/')
			return err_set(e, EINVAL, "use session program '%s': not an absolute path",
				       told);
		return str_copy(l->program, sizeof(l->program), told);
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = 0;
		if (str_format(l->program, sizeof(l->program), "%s/sshd-gate-session",
			       dirname(self)) == 0 &&
		    access(l->program, X_OK) == 0)
			return 0;
	}
	return str_copy(l->program, sizeof(l->program), SSHBAY_LIBEXEC "/sshd-gate-session");
}

/* Opened before privileges are given up: the gate's uid need not be able to walk to it, as below /root. */
static int find_program(struct listener *l, const char *told, struct err *e)
{
	int ret = name_program(l, told, e);

	if (ret < 0)
		return ret;
	l->program_fd = open(l->program, O_PATH | O_CLOEXEC);
	return l->program_fd < 0 ? err_sys(e, "open session program '%s'", l->program) : 0;
}

static int usage(FILE *to, int status)
{
	fputs("usage: sshd-gate [-d] [-r RUNDIR] [-S PROGRAM]\n"
	      "The listener of sshbay: accepts SSH connections and starts a session process for "
	      "each.\n"
	      "  -r RUNDIR   where gate.sock of provisiond is (default /run/sshbay)\n"
	      "  -S PROGRAM  session program (default " SSHBAY_LIBEXEC "/sshd-gate-session)\n"
	      "  -d          log details\n"
	      "  -h, -V      show this help, the version\n"
	      "Everything else is configured in sshbay.ini(5) and comes from provisiond(8).\n",
	      to);
	return status;
}

int main(int argc, char **argv)
{
	static struct listener l;
	const char *run = "/run/sshbay", *program = NULL;
	bool debug = false;
	struct err e = { 0 };
	int opt;

	while ((opt = getopt(argc, argv, "r:S:dhV")) != -1) {
		switch (opt) {
		case 'r':
			run = optarg;
			break;
		case 'S':
			program = optarg;
			break;
		case 'd':
			debug = true;
			break;
		case 'V':
			return puts("sshd-gate " SSHBAY_VERSION) < 0;
		default:
			return opt == 'h' ? usage(stdout, 0) : usage(stderr, 2);
		}
	}
	if (optind < argc)
		return usage(stderr, 2);
	log_setup("sshd-gate", debug ? LOG_LEVEL_DETAIL : LOG_LEVEL_NOTE);
	if (find_program(&l, program, &e) < 0 || setup(&l, run, debug, &e) < 0) {
		log_error("%s", e.code ? e.text : "use session program: path too long");
		return 1;
	}
	while (!l.stop)
		turn(&l);
	log_note("stopped; %zu sessions run on", l.children.n);
	return l.confined ? 0 : 1;
}
