/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets of remote forwards. */
#include "listen.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "agent_sock.h"
#include "become.h"
#include "private_dir.h"
#include "resolve.h"
#include "served.h"
#include "display.h"

#define REMOVE_MS      1000 /* a remover takes no longer, if the file is one that it removes */
#define REMOVE_STEP_MS 10
#define BACKLOG        128
#define PRIVILEGED     1024

/* fd or -errno. `dual`: an IPv6 wildcard that takes IPv4 too. */
static int listen_ip(const struct ipport *at, bool dual)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(at, &ss);
	auto_fd int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, only = !dual;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (ss.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return fd_take(&fd);
}

/* The addresses to try, in order; *dual for the first. Count or -errno. */
static int choose(const char *host, struct ip *ips, bool *dual, struct err *e)
{
	bool any = host[0] == '\0' || strcmp(host, "*") == 0;

	*dual = any;
	if (any || strcmp(host, "localhost") == 0) {
		ip_parse(any ? "::" : "127.0.0.1", &ips[0], NULL);
		ip_parse(any ? "0.0.0.0" : "::1", &ips[1], NULL);
		return 2;
	}
	return resolve_host(host, ips, e);
}

static int listen_tcp(struct job_helper *h, const struct init_address *ad, int *fd, struct err *e)
{
	struct ip ips[RESOLVE_MAX];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport at;
	bool dual;
	int n, r = -EADDRNOTAVAIL;

	if (ad->port && ad->port < PRIVILEGED && h->account->uid)
		return err_set(e, EACCES, "listen on port %u: only root may use ports below %d",
			       ad->port, PRIVILEGED);
	n = choose(ad->host, ips, &dual, e);
	if (n < 0)
		return err_wrap(e, "listen on '%.60s' port %u", ad->host, ad->port);
	/* The next address only where this one does not exist here; a port in use is an answer. */
	for (int i = 0; i < n && (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT); i++) {
		at = (struct ipport){ ips[i], (uint16_t)ad->port };
		r = listen_ip(&at, dual && i == 0);
	}
	if (r < 0)
		return err_ret(e, r, "listen on '%.100s' port %u", ad->host, ad->port);
	*fd = r;
	if (getsockname(r, (struct sockaddr *)&ss, &len) < 0 ||
	    !ip_from_sockaddr((struct sockaddr *)&ss, len, &at))
		return err_sys(e, "listen on '%.100s' port %u", ad->host, ad->port);
	h->report.port = at.port;
	return 0;
}

/* Where a path of a request is: a relative one starts at the home. */
static int full_path(const struct job_helper *h, char *out, size_t cap)
{
	const struct init_address *ad = h->request;
	bool relative = ad->host[0] != '/';

	return str_format(out, cap, "%s%s%s", relative ? h->account->home : "", relative ? "/" : "",
			  ad->host);
}

/* A path that was given up a moment ago may still wait for its remover. */
static int bind_path(const struct job_helper *h, int s, const struct sockaddr_un *un)
{
	const struct timespec pause = { .tv_nsec = REMOVE_STEP_MS * 1000000 };
	int r = -1;

	for (int i = 0; r < 0 && i <= (h->removing ? REMOVE_MS / REMOVE_STEP_MS : 0); i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		r = bind(s, (const struct sockaddr *)un, sizeof(*un));
		if (r < 0 && errno != EADDRINUSE)
			break;
	}
	return r;
}

static int listen_unix(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_address *ad = h->request;
	auto_fd int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;

	if (full_path(h, h->report.text, sizeof(h->report.text)) < 0 ||
	    str_copy(un.sun_path, sizeof(un.sun_path), ad->host) < 0)
		return err_set(e, ENAMETOOLONG, "listen on '%.100s': path too long", ad->host);
	if (ad->host[0] != '/' && chdir(h->account->home) < 0)
		return err_sys(e, "listen on '%.100s': enter '%.100s'", ad->host, h->account->home);
	umask(0177);
	if (s < 0 || bind_path(h, s, &un) < 0)
		return err_sys(e, "listen on '%.100s'", ad->host);
	if (lstat(un.sun_path, &st) < 0 || listen(s, BACKLOG) < 0) {
		int r = err_sys(e, "listen on '%.100s'", ad->host);

		(void)unlink(un.sun_path);
		return r;
	}
	h->report.dev = st.st_dev;
	h->report.ino = st.st_ino;
	*fd = fd_take(&s);
	return 0;
}

void listen_remove(const struct private_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		(void)unlink(file->path);
}

/* Nobody waits for it any more. */
static void remove_file(const struct job_helper *h)
{
	struct private_file file = { .dev = h->report.dev, .ino = h->report.ino };

	(void)str_copy(file.path, sizeof(file.path), h->report.text);
	if (file.ino)
		listen_remove(&file);
	else
		private_dir_remove(file.path);
}

int listen_work(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_address *ad = h->request;
	int r = become_user(h->account, &h->limits, e);

	if (r < 0)
		return r;
	if (ad->kind == INIT_TCP)
		return listen_tcp(h, ad, fd, e);
	h->report.uid = h->account->uid;
	h->undo = remove_file;
	switch (ad->kind) {
	case INIT_AGENT:
		return agent_sock_listen(h, fd, e);
	case INIT_X11:
		return display_listen(h, fd, e);
	default:
		return listen_unix(h, fd, e);
	}
}
