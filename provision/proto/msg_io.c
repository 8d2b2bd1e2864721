/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages on SOCK_SEQPACKET sockets, with descriptors and credentials, and the making of such sockets.  Processes here
 * have one thread; the buffer that a message passes through is one per process, so that it costs no stack, and no
 * memory before the first large message.
 */
#include "proto/msg.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define SOCKET_BUFFER (512 * 1024) /* more than one largest message with the kernel's overhead */

static uint8_t scratch[MSG_BYTES_MAX];
static size_t soiled; /* so much of it was written since it was scrubbed */

union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
};

/* As much as the host's limits allow; less is fine, the default holds one largest message. */
static void grow_buffers(int sock)
{
	int size = SOCKET_BUFFER;

	(void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static ssize_t send_retry(int sock, const struct msghdr *mh)
{
	bool grown = false;

	for (;;) {
		ssize_t n = sendmsg(sock, mh, MSG_NOSIGNAL);

		if (n >= 0)
			return n;
		if (errno == EMSGSIZE && !grown) {
			grown = true;
			grow_buffers(sock);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

int msg_send(int sock, const struct msg_proto *p, uint32_t type, const void *body, struct err *e)
{
	return msg_send_fds(sock, p, &(struct msg_out){ .type = type, .body = body }, e);
}

int msg_send_fds(int sock, const struct msg_proto *p, const struct msg_out *out, struct err *e)
{
	ssize_t n = msg_encode(p, out->type, out->body, scratch, sizeof(scratch), e);
	const struct msg_row *row = msg_row_of(p, out->type);
	struct iovec iov = { .iov_base = scratch };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;

	/* What could not be encoded whole may be there in part. */
	if (n < 0)
		soiled = sizeof(scratch);
	else if ((size_t)n > soiled)
		soiled = (size_t)n;
	if (n < 0)
		return (int)n;
	if (!row)
		return err_set(e, EPROTO, "send '%s' message: unknown type %u", p->name, out->type);
	if (out->nfds < row->fds_min || out->nfds > row->fds_max)
		return err_set(e, EINVAL, "send '%s': %u fds, wants %u to %u", row->name, out->nfds,
			       row->fds_min, row->fds_max);
	iov.iov_len = (size_t)n;
	if (out->nfds) {
		struct cmsghdr *c = &control.align;

		memset(&control, 0, sizeof(control));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * out->nfds);
		memcpy(CMSG_DATA(c), out->fds, sizeof(int) * out->nfds);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * out->nfds);
	}
	n = send_retry(sock, &mh);
	/* ECONNRESET: the peer closed with messages of ours unread. For a sender that is the same as gone. */
	if (n == -ECONNRESET)
		n = -EPIPE;
	return n < 0 ? err_ret(e, (int)n, "send '%s'", row->name) : 0;
}

/*
 * Take every descriptor that came, wanted or not, so that none stays open unseen. More than fit are as if the kernel had
 * cut them: where nobody asked for credentials their room in the buffer holds descriptors.
 */
static void collect(struct msghdr *mh, struct msg *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			m->pid = cred.pid;
		}
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (m->nfds < MSG_FDS_MAX) {
				m->fds[m->nfds++] = fd;
			} else {
				fd_close(&fd);
				mh->msg_flags |= MSG_CTRUNC;
			}
		}
	}
}

static ssize_t receive(int sock, struct msghdr *mh)
{
	size_t controllen = mh->msg_controllen;

	for (;;) {
		ssize_t n = recvmsg(sock, mh, MSG_CMSG_CLOEXEC);

		if (n >= 0)
			return n;
		/*
		 * ECONNRESET tells once that the peer closed without reading everything of ours. What it sent
		 * before is still queued and comes next; then the end of the stream.
		 */
		if (errno != EINTR && errno != ECONNRESET)
			return -errno;
		mh->msg_controllen = controllen;
	}
}

static int check_flags(const struct msg_proto *p, int flags, struct err *e)
{
	if (flags & MSG_TRUNC)
		return err_set(e, EBADMSG, "receive '%s' message: larger than %d bytes", p->name,
			       MSG_BYTES_MAX);
	if (flags & MSG_CTRUNC)
		return err_set(e, EPROTO, "receive '%s' message: too many fds", p->name);
	return 0;
}

static int check_fds(const struct msg *m, struct err *e)
{
	if (m->nfds < m->row->fds_min || m->nfds > m->row->fds_max)
		return err_set(e, EPROTO, "receive '%s': %u fds, wants %u to %u", m->row->name,
			       m->nfds, m->row->fds_min, m->row->fds_max);
	return 0;
}

static void clear(struct msg *m, void *body, size_t bodycap)
{
	*m = (struct msg){ .body = body, .bodycap = bodycap };
	for (unsigned int i = 0; i < MSG_FDS_MAX; i++)
		m->fds[i] = -1;
}

/* With `room` bytes for control messages. */
static int receive_into(int sock, const struct msg_proto *p, size_t room, struct msg *m,
			struct err *e)
{
	struct iovec iov = { .iov_base = scratch, .iov_len = sizeof(scratch) };
	union control control;
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = room,
	};
	ssize_t n;
	int r;

	n = receive(sock, &mh);
	if (n == -EAGAIN)
		return err_set(e, EAGAIN, "receive '%s' message: nothing there", p->name);
	if (n < 0)
		return err_ret(e, (int)n, "receive '%s' message", p->name);
	if ((size_t)n > soiled)
		soiled = (size_t)n;
	collect(&mh, m);
	if (n == 0 && m->nfds == 0 && !(mh.msg_flags & MSG_CTRUNC))
		return 0;
	r = check_flags(p, mh.msg_flags, e);
	if (r == 0)
		r = msg_decode(p, scratch, (size_t)n, m, e);
	if (r == 0)
		r = check_fds(m, e);
	if (r < 0) {
		msg_close_fds(m);
		return r;
	}
	return 1;
}

int msg_recv(int sock, const struct msg_proto *p, void *body, size_t bodycap, struct msg *m,
	     struct err *e)
{
	clear(m, body, bodycap);
	return receive_into(sock, p, sizeof(union control), m, e);
}

int msg_recv_plain(int sock, const struct msg_proto *p, void *body, size_t bodycap, struct msg *m,
		   struct err *e)
{
	size_t room = 0;
	socklen_t len = sizeof(int);
	int creds = 0;

	/* Credentials come first and fill this room; without them it would hold descriptors. */
	if (getsockopt(sock, SOL_SOCKET, SO_PASSCRED, &creds, &len) == 0 && creds)
		room = CMSG_SPACE(sizeof(struct ucred));
	clear(m, body, bodycap);
	return receive_into(sock, p, room, m, e);
}

void msg_close_fds(struct msg *m)
{
	for (uint32_t i = 0; i < m->nfds && i < MSG_FDS_MAX; i++)
		fd_close(&m->fds[i]);
}

void msg_scrub(void)
{
	explicit_bzero(scratch, soiled);
	soiled = 0;
}

int msg_pair(int sv[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, "create socket pair");
	grow_buffers(sv[0]);
	grow_buffers(sv[1]);
	return 0;
}

/*
 * The address of `path`. One that is longer than sun_path goes through its directory's descriptor, *dirfd, which has to
 * stay open until bind or connect.
 */
static int address(const char *path, struct sockaddr_un *un, int *dirfd, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (path[0] == '\0')
		return err_set(e, EINVAL, "use socket '': no name");
	if (str_copy(un->sun_path, sizeof(un->sun_path), path) == 0)
		return 0;
	if (!slash || str_format(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path) < 0)
		return err_set(e, ENAMETOOLONG, "use socket '%s': name too long", path);
	*dirfd = path_open_dir(dir, e);
	if (*dirfd < 0)
		return *dirfd;
	if (str_format(un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d/%s", *dirfd,
		       slash + 1) < 0)
		return err_set(e, ENAMETOOLONG, "use socket '%s': name too long", path);
	return 0;
}

static int connect_to(const struct sockaddr_un *un)
{
	auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (sock < 0)
		return -errno;
	do {
		r = connect(sock, (const struct sockaddr *)un, sizeof(*un));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : fd_take(&sock);
}

int msg_connect(const char *path, struct err *e)
{
	auto_fd int sock = -1, dirfd = -1;
	struct sockaddr_un un;
	int r = address(path, &un, &dirfd, e);

	if (r < 0)
		return r;
	sock = connect_to(&un);
	if (sock < 0)
		return err_ret(e, sock, "connect to '%s'", path);
	grow_buffers(sock);
	r = fd_nonblock(sock, 0);
	if (r < 0)
		return err_ret(e, r, "connect to '%s'", path);
	return fd_take(&sock);
}

/* Remove the socket that a killed process left; one that somebody listens on stays. */
static int remove_stale(const char *path, const struct sockaddr_un *un, struct err *e)
{
	struct stat st;
	int probe;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "listen on '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "listen on '%s': something else has this name", path);
	probe = connect_to(un);
	if (probe >= 0 || probe == -EAGAIN) {
		fd_close(&probe);
		return err_set(e, EADDRINUSE, "listen on '%s': another process does", path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "listen on '%s': remove the old socket", path);
	return 0;
}

int msg_listen(const char *path, mode_t mode, int backlog, struct err *e)
{
	auto_fd int sock = -1, dirfd = -1;
	struct sockaddr_un un;
	mode_t mask;
	int r = address(path, &un, &dirfd, e);

	if (r == 0)
		r = remove_stale(path, &un, e);
	if (r < 0)
		return r;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return err_sys(e, "listen on '%s'", path);
	grow_buffers(sock);
	/* By the umask and not by a later chmod: there is no moment in which everybody may connect. */
	mask = umask(0777 & ~mode);
	r = bind(sock, (const struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return err_ret(e, r, "listen on '%s'", path);
	if (listen(sock, backlog) < 0) {
		r = err_sys(e, "listen on '%s'", path);
		(void)unlink(path);
		return r;
	}
	return fd_take(&sock);
}

int msg_peer(int sock, pid_t *pid, uid_t *uid, struct err *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_sys(e, "read credentials of the peer");
	*pid = cred.pid;
	*uid = cred.uid;
	return 0;
}
