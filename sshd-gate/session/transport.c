/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See transport.h.  Session process.  libssh's event objects are not used: one poll loop of ours watches the socket, and
 * ssh_message_get() reads, one buffer at a time, until the socket is dry.  Requests come through libssh's message queue
 * and not through callbacks, because only queued messages may be answered later.
 */
#include "transport.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "blob.h"
#include "interpose.h"
#include "proto/disconnect.h"
#include "readahead.h"
#include "rekey.h"
#include "rpc.h"

/* libssh leaves out what it does not know (0.10: certificates of sk-ssh-ed25519). */
#define USER_KEY_TYPES                                                                             \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"    \
	"rsa-sha2-256,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,"              \
	"ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"               \
	"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"       \
	"rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"                     \
	"sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define READ_SIZE 4096 /* of libssh: a shorter read means that the socket is dry */
/*
 * OpenSSH's client says no-more-sessions and eow@openssh.com only to a version that begins with "OpenSSH"; without the
 * latter `ssh gate yes | head -1` would never end.  No number: nobody shall infer the bugs of a release from it.
 */
#define BANNER     "OpenSSH_compatible_sshbay"
#define UNSENT_MAX (1 << 20) /* stop reading while the client takes no answers */
#define LINGER_MS  1000

struct counters {
	struct ssh_counter_struct socket, raw;
	uint64_t heard; /* socket.in_bytes when the client was last known to be alive */
};

static int set_key(ssh_bind b, const uint8_t pub[32])
{
	char text[1024];
	ssh_key key = NULL;

	if (blob_host_key(pub, text, sizeof(text)) < 0 ||
	    ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key) != SSH_OK)
		return -EINVAL;
	if (ssh_bind_options_set(b, SSH_BIND_OPTIONS_IMPORT_KEY, key) < 0) {
		ssh_key_free(key);
		return -EINVAL;
	}
	return 0;
}

static int set_lists(ssh_bind b, const struct transport_setup *t)
{
	int ret = 0;

	if (t->kex && *t->kex)
		ret |= ssh_bind_options_set(b, SSH_BIND_OPTIONS_KEY_EXCHANGE, t->kex);
	if (t->ciphers && *t->ciphers) {
		ret |= ssh_bind_options_set(b, SSH_BIND_OPTIONS_CIPHERS_C_S, t->ciphers);
		ret |= ssh_bind_options_set(b, SSH_BIND_OPTIONS_CIPHERS_S_C, t->ciphers);
	}
	if (t->macs && *t->macs) {
		ret |= ssh_bind_options_set(b, SSH_BIND_OPTIONS_HMAC_C_S, t->macs);
		ret |= ssh_bind_options_set(b, SSH_BIND_OPTIONS_HMAC_S_C, t->macs);
	}
	return ret ? -EINVAL : 0;
}

static int configure(ssh_bind b, const struct transport_setup *t)
{
	bool no = false;

	if (ssh_bind_options_set(b, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_bind_options_set(b, SSH_BIND_OPTIONS_BANNER, BANNER) < 0 ||
	    ssh_bind_options_set(b, SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, USER_KEY_TYPES) < 0)
		return -EINVAL;
	return set_lists(b, t) < 0 ? -EINVAL : set_key(b, t->host_key);
}

static int options(ssh_session ssh, const struct transport_setup *t)
{
	uint64_t rekey = (uint64_t)t->rekey_mb << 20;
	bool no = false;

	/*
	 * Compression costs more than it saves here, and zlib on hostile input is attack surface. To libssh "no" means
	 * "none,zlib@openssh.com".
	 */
	if (ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION_C_S, "none") < 0 ||
	    ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION_S_C, "none") < 0)
		return -EINVAL;
	if (rekey && ssh_options_set(ssh, SSH_OPTIONS_REKEY_DATA, &rekey) < 0)
		return -EINVAL;
	if (t->rekey_s && ssh_options_set(ssh, SSH_OPTIONS_REKEY_TIME, &t->rekey_s) < 0)
		return -EINVAL;
	return 0;
}

int transport_accept(const struct transport_setup *t, int fd, struct ssh_session_struct **out,
		     struct err *e)
{
	ssh_bind b = ssh_bind_new();
	ssh_session ssh = ssh_new();
	int ret = -EIO;

	if (!b || !ssh || configure(b, t) < 0 || options(ssh, t) < 0)
		(void)err_set(e, EINVAL, "set up 'SSH transport': %s",
			      b ? ssh_get_error(b) : "out of memory");
	else if (ssh_bind_accept_fd(b, ssh, fd) != SSH_OK)
		(void)err_set(e, EIO, "set up 'SSH transport': %s", ssh_get_error(b));
	else
		ret = 0;
	ssh_bind_free(b);
	if (ret < 0) {
		ssh_free(ssh);
		return ret;
	}
	ssh_set_blocking(ssh, 0);
	ssh_set_auth_methods(ssh, SSH_AUTH_METHOD_PUBLICKEY);
	*out = ssh;
	return 0;
}

int transport_start(struct session *s, int conn, struct err *e)
{
	struct transport_setup t = { .kex = s->welcome.kex,
				     .ciphers = s->welcome.ciphers,
				     .macs = s->welcome.macs,
				     .rekey_mb = s->welcome.rekey_mb,
				     .rekey_s = s->welcome.rekey_s };
	struct counters *c = calloc(1, sizeof(*c));
	int on = 1, ret;

	if (!c)
		return err_set(e, ENOMEM, "set up 'SSH transport': out of memory");
	memcpy(t.host_key, s->welcome.host_key.data, sizeof(t.host_key));
	ret = transport_accept(&t, conn, &s->ssh, e);
	if (ret < 0) {
		free(c);
		return ret;
	}
	(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	interpose_socket(conn);
	interpose_hook(rpc_sign, s);
	ssh_set_counters(s->ssh, &c->socket, &c->raw);
	s->counters = c;
	return 0;
}

/* A client behind Nagle waits for our ACK before it sends its next small packet; the kernel would delay it 40 ms. */
static void quickack(const struct session *s)
{
	int on = 1;

	if (!s->channel_ran)
		(void)setsockopt(s->linger, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

uint64_t transport_packets(const struct session *s, uint64_t *bytes)
{
	const struct counters *c = s->counters;

	*bytes = c->raw.in_bytes;
	return c->raw.in_packets;
}

static void note_failure(struct session *s)
{
	const char *text = ssh_get_error(s->ssh);

	if (ssh_get_fd(s->ssh) < 0 || ssh_get_status(s->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR))
		session_end(s, "%s", text && *text ? text : "connection closed");
	else if (interpose_overflow())
		session_end(s, "too many signatures at once");
}

void transport_note_writes(struct session *s)
{
	rekey_settle();
	/* A failed write closes the socket and tells nobody; nothing would ever wake the loop again. */
	note_failure(s);
	s->write_pending = (ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING) != 0;
}

bool transport_out_of_place(const char *why)
{
	return strncmp(why, "Packet filter:", 14) == 0;
}

int transport_kex(struct session *s)
{
	const struct counters *c = s->counters;
	uint64_t before;
	int rc;

	do {
		before = c->socket.in_bytes;
		rc = ssh_handle_key_exchange(s->ssh);
		quickack(s);
	} while (rc == SSH_AGAIN && c->socket.in_bytes - before >= READ_SIZE);
	if (c->socket.in_bytes)
		s->heard_us = clk_now_us();
	/* Packets of a login may be in one read with the last of the exchange: what libssh says of those stays as it is. */
	if (rc == SSH_ERROR)
		session_end(s, "%s%s",
			    transport_out_of_place(ssh_get_error(s->ssh)) ? "" : "key exchange: ",
			    ssh_get_error(s->ssh));
	transport_note_writes(s);
	note_failure(s);
	return rc == SSH_OK && !s->ending;
}

short transport_events(const struct session *s)
{
	short ev = s->write_pending && !s->auth_type ? POLLOUT : 0;

	/*
	 * While a verdict is out nothing else may be processed, and libssh cannot write without reading: what is left to
	 * write waits, too. And a client that takes no answers may not ask more.
	 */
	if (!s->auth_type && interpose_unsent() < UNSENT_MAX)
		ev |= POLLIN;
	return ev;
}

/*
 * Did the client say anything? libssh also reads while it writes: the answer to a keepalive often comes in while that is
 * still being sent.
 */
static void note_heard(struct session *s)
{
	struct counters *c = s->counters;

	if (c->socket.in_bytes == c->heard)
		return;
	c->heard = c->socket.in_bytes;
	s->heard_us = clk_now_us();
	s->alive_missed = 0;
}

/* One read, which may leave several requests in the queue. */
static struct ssh_message_struct *read_once(struct session *s, bool *dry)
{
	struct counters *c = s->counters;
	uint64_t before = c->socket.in_bytes;
	ssh_message m = ssh_message_get(s->ssh);

	note_heard(s);
	*dry = !m && c->socket.in_bytes - before < READ_SIZE;
	return m;
}

struct ssh_message_struct *transport_next(struct session *s, bool readable)
{
	const struct counters *c = s->counters;
	struct ssh_message_struct *m = NULL;
	bool dry = false;

	/* Packets that a nested read of libssh took in leave requests behind a silent socket. */
	if (s->ending || s->auth_type || (!readable && c->raw.in_packets == s->packets_seen))
		return NULL;
	for (int reads = 0; !m && !dry && !s->ending && reads < 64; reads++) {
		m = read_once(s, &dry);
		note_failure(s);
	}
	if (!m)
		s->packets_seen = c->raw.in_packets;
	quickack(s);
	transport_note_writes(s);
	return m;
}

bool transport_pending(const struct session *s)
{
	const struct counters *c = s->counters;

	return s->stage != STAGE_KEX && !s->auth_type && c->raw.in_packets != s->packets_seen;
}

void transport_keepalive(struct session *s, uint64_t now)
{
	uint64_t interval = (uint64_t)s->welcome.alive_interval_s * 1000000;

	if (!interval || s->stage != STAGE_OPEN)
		return;
	note_heard(s);
	if (now < s->heard_us + interval || now < s->alive_us)
		return;
	if (s->welcome.alive_count && s->alive_missed >= s->welcome.alive_count) {
		session_end(s, "no answer to %u keepalives", s->alive_missed);
		return;
	}
	s->alive_missed++;
	s->alive_us = now + interval;
	ssh_send_keepalive(s->ssh);
	transport_note_writes(s);
}

void transport_disconnect(struct session *s, const char *text)
{
	if (!s->ending)
		s->farewell = true;
	session_end(s, "%s", text);
}

/* Closing with unread input would reset the connection and could cost the client our words. */
static void linger(int fd)
{
	char junk[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t until = clk_now_us() + LINGER_MS * 1000;

	(void)shutdown(fd, SHUT_WR);
	while (clk_now_us() < until && poll(&p, 1, LINGER_MS) == 1 &&
	       recv(fd, junk, sizeof(junk), 0) > 0)
		;
}

void transport_refuse(int conn, const char *text)
{
	uint8_t buf[DISCONNECT_BYTES_MAX];
	size_t n = disconnect_packet(DISCONNECT_BY_APPLICATION, text, buf);

	(void)send(conn, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	linger(conn);
}

void transport_farewell(struct session *s)
{
	if (!s->farewell)
		return;
	(void)ssh_session_set_disconnect_message(s->ssh, s->why);
	interpose_socket(-1);
	readahead_socket(-1);
	ssh_disconnect(s->ssh);
	linger(s->linger);
}
