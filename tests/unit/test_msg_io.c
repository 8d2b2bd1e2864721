/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets: messages of every size, descriptors that arrive, are refused and never leak, and peers that go away or
 * write what no encoder of ours would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "msg_fill.h"

static uint8_t body[MSG_BODY_MAX], back[MSG_BODY_MAX];

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	static int sv[2];
	struct err e;

	*state = sv;
	return msg_pair(sv, &e);
}

static int teardown(void **state)
{
	int *sv = *state;

	fd_close(&sv[0]);
	fd_close(&sv[1]);
	return 0;
}

/* One message of each row, as large as it gets, with as many descriptors as it may carry. */
static void test_every_row(void **state)
{
	unsigned int before = count_fds();
	int *sv = *state, fds[MSG_FDS_MAX];
	struct msg m;
	struct err e;

	for (int i = 0; i < MSG_FDS_MAX; i++)
		fds[i] = sv[0];
	for (size_t p = 0; p < MSG_NPROTOS; p++) {
		for (uint32_t r = 0; r < msg_protos[p]->nrows; r++) {
			const struct msg_row *row = &msg_protos[p]->rows[r];

			msg_fill_row(row, body, FILL_MOST, row->type);
			if (msg_send_fds(sv[0], msg_protos[p],
					 &(struct msg_out){ row->type, body, fds, row->fds_max },
					 &e) < 0)
				fail_msg("%s", e.text);
			if (msg_recv(sv[1], msg_protos[p], back, sizeof(back), &m, &e) != 1)
				fail_msg("%s", e.text);
			assert_ptr_equal(m.row, row);
			assert_int_equal(m.type, row->type);
			assert_int_equal(m.nfds, row->fds_max);
			assert_memory_equal(body, back, row->size);
			for (uint32_t i = 0; i < m.nfds; i++)
				assert_true(fcntl(m.fds[i], F_GETFD) & FD_CLOEXEC);
			msg_close_fds(&m);
			msg_close_fds(&m);
			assert_int_equal(count_fds(), before);
		}
	}
}

static void test_fd_counts(void **state)
{
	unsigned int before = count_fds();
	int *sv = *state, fds[MSG_FDS_MAX];
	struct init_spawned spawned = { .id = 1, .pid = 2 };
	struct gate_attached attached = { .workspace = "a", .user = "a" };
	struct msg m;
	struct err e;

	for (int i = 0; i < MSG_FDS_MAX; i++)
		fds[i] = sv[0];
	/* The sender is held to the row... */
	assert_int_equal(msg_send_fds(sv[0], &init_proto,
				      &(struct msg_out){ INIT_SPAWNED, &spawned, fds, 0 }, &e),
			 -EINVAL);
	assert_int_equal(msg_send_fds(sv[0], &init_proto,
				      &(struct msg_out){ INIT_SPAWNED, &spawned, fds, 4 }, &e),
			 -EINVAL);
	assert_int_equal(msg_send(sv[0], &gate_proto, GATE_ATTACHED, &attached, &e), -EINVAL);
	assert_int_equal(
		msg_send_fds(sv[0], &gate_proto, &(struct msg_out){ GATE_WHY, NULL, fds, 1 }, &e),
		-EINVAL);
	assert_int_equal(msg_send(sv[0], &gate_proto, 4444, NULL, &e), -EPROTO);
	/* ...and one that is not ours is refused by the receiver. */
	for (uint32_t n = 0; n <= MSG_FDS_MAX; n++) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
		} control = { 0 };
		struct msghdr mh = { .msg_iovlen = 1 };
		uint8_t buf[64];
		ssize_t len = msg_encode(&init_proto, INIT_SPAWNED, &spawned, buf, sizeof(buf), &e);
		struct iovec iov = { buf, (size_t)len };

		mh.msg_iov = &iov;
		if (n) {
			mh.msg_control = &control;
			mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);
			control.align.cmsg_level = SOL_SOCKET;
			control.align.cmsg_type = SCM_RIGHTS;
			control.align.cmsg_len = CMSG_LEN(sizeof(int) * n);
			memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n);
		}
		assert_int_equal(sendmsg(sv[0], &mh, 0), len);
		if (n >= 1 && n <= 3) {
			assert_int_equal(msg_recv(sv[1], &init_proto, back, sizeof(back), &m, &e),
					 1);
			assert_int_equal(m.nfds, n);
			msg_close_fds(&m);
		} else {
			assert_int_equal(msg_recv(sv[1], &init_proto, back, sizeof(back), &m, &e),
					 -EPROTO);
		}
		assert_int_equal(count_fds(), before);
	}
}

static void send_raw(int sock, const void *buf, size_t len, unsigned int nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		for (unsigned int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &sock, sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &mh, MSG_NOSIGNAL), (ssize_t)len);
}

static void test_hostile(void **state)
{
	unsigned int before = count_fds();
	static uint8_t big[MSG_BYTES_MAX + 1];
	struct ctl_settings settings = { 0 };
	ssize_t len;
	int *sv = *state;
	struct msg m;
	struct err e;

	/* More descriptors than fit: those that came are closed. */
	send_raw(sv[0], "SBg\1\22\0\0\0", 8, 21);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EPROTO);
	assert_int_equal(count_fds(), before);
	send_raw(sv[0], "SBg\1\22\0\0\0", 8, 253);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EPROTO);
	assert_int_equal(count_fds(), before);
	/* Also where the row allows as many as arrive: one was lost, and nobody knows which. */
	len = msg_encode(&ctl_proto, CTL_SETTINGS, &settings, big, sizeof(big), &e);
	assert_true(len > 0);
	send_raw(sv[0], big, (size_t)len, MSG_FDS_MAX + 1);
	assert_int_equal(msg_recv(sv[1], &ctl_proto, back, sizeof(back), &m, &e), -EPROTO);
	assert_int_equal(count_fds(), before);
	/* Rubbish with a descriptor. */
	send_raw(sv[0], "x", 1, 1);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EBADMSG);
	assert_int_equal(count_fds(), before);
	/* An empty message reads like the end; with a descriptor it is not let pass for it. */
	send_raw(sv[0], "", 0, 1);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EBADMSG);
	assert_int_equal(count_fds(), before);
	/* Larger than any message. */
	send_raw(sv[0], big, sizeof(big), 1);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EBADMSG);
	assert_int_equal(count_fds(), before);
	/* The stream still works after all that: dropping the peer is the caller's decision. */
	assert_int_equal(msg_send(sv[0], &gate_proto, GATE_WHY, NULL, &e), 0);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 1);
	assert_int_equal(m.type, GATE_WHY);
	assert_int_equal(m.pid, 0);
}

/* The lowest free descriptor. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* Descriptors that nobody asked for: with and without credentials, none enters the process. */
static void test_plain(void **state)
{
	int *sv = *state, one = 1, next = next_fd();
	struct msg m;
	struct err e;

	for (int creds = 0; creds < 2; creds++) {
		if (creds)
			assert_int_equal(
				setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
		for (unsigned int n = 1; n <= MSG_FDS_MAX + 1; n++) {
			send_raw(sv[0], "SBg\1\22\0\0\0", 8, n);
			assert_int_equal(
				msg_recv_plain(sv[1], &gate_proto, back, sizeof(back), &m, &e),
				-EPROTO);
			assert_int_equal(m.nfds, 0);
			assert_int_equal(next_fd(), next);
		}
		send_raw(sv[0], "", 0, 1);
		assert_int_equal(msg_recv_plain(sv[1], &gate_proto, back, sizeof(back), &m, &e),
				 -EPROTO);
		assert_int_equal(msg_send(sv[0], &gate_proto, GATE_WHY, NULL, &e), 0);
		assert_int_equal(msg_recv_plain(sv[1], &gate_proto, back, sizeof(back), &m, &e), 1);
		assert_int_equal(m.type, GATE_WHY);
		assert_int_equal(m.pid, creds ? getpid() : 0);
	}
	fd_close(&sv[0]);
	assert_int_equal(msg_recv_plain(sv[1], &gate_proto, back, sizeof(back), &m, &e), 0);
}

static void test_ends(void **state)
{
	int *sv = *state, sent = 0;
	struct gate_refused refused = { .text = "no" };
	struct msg m;
	struct err e;

	assert_int_equal(fd_nonblock(sv[1], 1), 0);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), -EAGAIN);
	/* What was sent before the close arrives, although the peer left something of ours unread. */
	assert_int_equal(msg_send(sv[1], &gate_proto, GATE_WHY, NULL, &e), 0);
	assert_int_equal(msg_send(sv[0], &gate_proto, GATE_REFUSED, &refused, &e), 0);
	fd_close(&sv[0]);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 1);
	assert_int_equal(m.type, GATE_REFUSED);
	assert_string_equal(((struct gate_refused *)m.body)->text, "no");
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 0);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 0);
	assert_int_equal(msg_send(sv[1], &gate_proto, GATE_WHY, NULL, &e), -EPIPE);
	fd_close(&sv[1]);
	assert_int_equal(msg_pair(sv, &e), 0);
	assert_int_equal(fd_nonblock(sv[0], 1), 0);
	while (msg_send(sv[0], &gate_proto, GATE_WHY, NULL, &e) == 0)
		assert_true(++sent < 100000);
	assert_int_equal(e.code, EAGAIN);
	assert_true(sent > 0);
	for (int i = 0; i < sent; i++)
		assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 1);
}

static void test_credentials(void **state)
{
	int *sv = *state, one = 1;
	struct msg m;
	struct err e;
	uid_t uid;
	pid_t pid;

	assert_int_equal(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	assert_int_equal(msg_send(sv[0], &gate_proto, GATE_WHY, NULL, &e), 0);
	assert_int_equal(msg_recv(sv[1], &gate_proto, back, sizeof(back), &m, &e), 1);
	assert_int_equal(m.pid, getpid());
	assert_int_equal(msg_peer(sv[0], &pid, &uid, &e), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
	assert_true(msg_peer(-1, &pid, &uid, &e) < 0);
}

static void test_listen(void **state)
{
	char dir[] = "/tmp/sshbay-test-msg-XXXXXX", path[64], longer[512];
	int listener, sock, peer, full[64], n = 0;
	struct stat st;
	struct msg m;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(msg_connect(path, &e), -ENOENT);
	listener = msg_listen(path, 0600, 2, &e);
	assert_true(listener >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(msg_listen(path, 0600, 2, &e), -EADDRINUSE);
	/* The probe of the second listener hangs in the queue; let it out. */
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(peer);
	sock = msg_connect(path, &e);
	assert_true(sock >= 0);
	assert_int_equal(fcntl(sock, F_GETFL) & O_NONBLOCK, 0);
	assert_true(fcntl(sock, F_GETFD) & FD_CLOEXEC);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	/* The largest message of all, on sockets whose buffers are the system's defaults. */
	memset(body, 0, sizeof(body));
	((struct init_spawn *)(void *)body)->command.len = INIT_COMMAND_MAX;
	((struct init_spawn *)(void *)body)->env.len = INIT_ENV_MAX;
	assert_int_equal(msg_send(peer, &init_proto, INIT_SPAWN, body, &e), 0);
	assert_int_equal(msg_recv(sock, &init_proto, back, sizeof(back), &m, &e), 1);
	assert_memory_equal(body, back, sizeof(struct init_spawn));
	close(peer);
	close(sock);
	/* A full backlog: no waiting. */
	while (n < 64 && (full[n] = msg_connect(path, &e)) >= 0)
		n++;
	assert_in_range(n, 1, 63);
	assert_int_equal(full[n], -EAGAIN);
	while (n > 0)
		close(full[--n]);
	close(listener);
	assert_int_equal(msg_connect(path, &e), -ECONNREFUSED);
	/* What a killed listener left is replaced; a file is not. */
	listener = msg_listen(path, 0666, 2, &e);
	assert_true(listener >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	close(listener);
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(msg_listen(path, 0600, 2, &e), -EEXIST);
	assert_int_equal(unlink(path), 0);
	/* Longer than sun_path. */
	(void)snprintf(longer, sizeof(longer), "%s/%0150d", dir, 1);
	assert_int_equal(mkdir(longer, 0700), 0);
	(void)snprintf(longer, sizeof(longer), "%s/%0150d/sock", dir, 1);
	listener = msg_listen(longer, 0600, 2, &e);
	assert_true(listener >= 0);
	sock = msg_connect(longer, &e);
	assert_true(sock >= 0);
	close(sock);
	close(listener);
	assert_int_equal(unlink(longer), 0);
	*strrchr(longer, '/') = '\0';
	assert_int_equal(rmdir(longer), 0);
	assert_int_equal(msg_connect("", &e), -EINVAL);
	assert_int_equal(rmdir(dir), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_row),
		T(test_fd_counts),
		T(test_hostile),
		T(test_plain),
		T(test_ends),
		T(test_credentials),
		cmocka_unit_test(test_listen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
