/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See pump.h.  Session process.  Every descriptor comes from the tenant: reads and writes are non-blocking and any error
 * ends that direction, nothing else.  Sizes are those that measured best with libssh 0.10: large writes, large pipes for
 * bulk, small ones while somebody types on another channel.
 */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "interpose.h"
#include "lens.h"
#include "rekey.h"
#include "transport.h"

#define CHUNK_BULK          (256 * 1024)
#define CHUNK_SHARED        (32 * 1024)
#define SHARED_US           1000000 /* another channel was typed on this recently */
#define TYPED_MAX           1024    /* a client that sends at most this much at once is typing */
#define BULK_BYTES          (1 << 20)
#define PIPE_BYTES          (1 << 20)
#define FLIGHT_MIN          (256 * 1024) /* bulk under way that delays nobody's echo much */
#define HOLD_US             20000 /* a client that opens its window late is waited for this long */
#define WINDOW_BULK         (4 << 20) /* receive window of a bulk upload */
#define VAIN_MAX            1000 /* a descriptor that is always ready and never gives anything is a trap */
#define WINDOW_CHANNELS_MAX 16 /* with more channels the default window does */

/* Where bytes pass through. Pages are touched only as far as they are used. */
static uint8_t scratch[WINDOW_BULK];

static void rest_free(struct rest *r)
{
	free(r->data);
	*r = (struct rest){ 0 };
}

/* Keep bytes behind those that are kept already. False: out of memory, the stream is broken. */
static bool rest_add(struct rest *r, const void *data, size_t len)
{
	uint8_t *p = malloc(r->len + len);

	if (!p)
		return false;
	if (r->len)
		memcpy(p, r->data + r->off, r->len);
	memcpy(p + r->len, data, len);
	free(r->data);
	*r = (struct rest){ .data = p, .len = r->len + (uint32_t)len };
	return true;
}

static void rest_drop(struct rest *r, uint32_t n)
{
	r->off += n;
	r->len -= n;
	if (!r->len)
		rest_free(r);
}

void pump_text(struct out *o, const char *text, size_t len)
{
	(void)rest_add(&o->rest, text, len);
}

void pump_attach(struct chan *c, int in, int out, int err)
{
	int fds[3] = { in, out, err };

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			(void)fd_nonblock(fds[i], 1);
	c->in = in;
	c->out.fd = out;
	c->err.fd = err;
}

void pump_close_output(struct chan *c)
{
	fd_close(&c->out.fd);
	fd_close(&c->err.fd);
	rest_free(&c->out.rest);
	rest_free(&c->err.rest);
}

void pump_close(struct chan *c)
{
	pump_close_output(c);
	fd_close(&c->in);
	rest_free(&c->in_rest);
	c->have_data = false;
}

bool pump_drained(const struct chan *c)
{
	return c->out.fd < 0 && c->err.fd < 0 && !c->out.rest.len && !c->err.rest.len;
}

/* May something be given to libssh now? */
static bool may_send(const struct session *s, const struct chan *c)
{
	return c->ssh && !s->write_pending && !rekey_is_on() && ssh_channel_window_size(c->ssh) > 0;
}

static short out_events(const struct session *s, const struct chan *c, const struct out *o)
{
	bool may = o->fd >= 0 && !o->rest.len && !c->hold_us && may_send(s, c);

	return may ? POLLIN : 0;
}

void pump_events(const struct session *s, const struct chan *c, short ev[3])
{
	ev[0] = c->in >= 0 && c->in_blocked ? POLLOUT : 0;
	ev[1] = out_events(s, c, &c->out);
	ev[2] = out_events(s, c, &c->err);
}

/* Text that is left goes when the client has room for it: nothing here wakes anybody before. */
static bool watches(const struct session *s, const struct chan *c, const struct out *o)
{
	return o->fd < 0 ? !o->rest.len : out_events(s, c, o) != 0;
}

bool pump_watches(const struct session *s, const struct chan *c)
{
	return watches(s, c, &c->out) && watches(s, c, &c->err);
}

void pump_polled(struct chan *c, const short ev[3], const short revents[3])
{
	if (ev[0] && revents[0])
		c->in_blocked = false;
	c->out.ready = ev[1] && revents[1];
	c->out.quiet = ev[1] && !revents[1];
	c->err.ready = ev[2] && revents[2];
	c->err.quiet = ev[2] && !revents[2];
}

static void enlarge(int fd, bool *done)
{
	*done = true;
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* not a pipe, or no more allowed: as it was */
}

/* Somebody types on another channel. */
static bool shared(const struct session *s, const struct chan *c, uint64_t now)
{
	for (uint32_t i = 0; i < s->nchans; i++) {
		const struct chan *o = s->chans[i];

		if (o != c && o->active_us && now - o->active_us < SHARED_US)
			return true;
	}
	return false;
}

/*
 * An echo arrives behind all bulk that is under way in the buffers of both kernels and of the client, and the only measure
 * of that is what the client's window lacks. Clients open it again when at most half is used; one that waits for more
 * gets another chunk each HOLD_US.
 */
static void hold_back(struct chan *c, bool share, uint64_t now)
{
	uint32_t window = ssh_channel_window_size(c->ssh), most;

	if (window > c->window_top)
		c->window_top = window;
	most = c->window_top / 2 + CHUNK_SHARED;
	if (most < FLIGHT_MIN)
		most = FLIGHT_MIN;
	if (!share || (c->out.fd < 0 && c->err.fd < 0) || c->window_top - window < most)
		c->hold_us = c->window_extra = 0;
	else if (c->window_top - window < most + c->window_extra)
		c->hold_us = 0;
	else if (!c->hold_us)
		c->hold_us = now + HOLD_US;
	else if (now >= c->hold_us) {
		c->window_extra += CHUNK_SHARED;
		c->hold_us = 0;
	}
}

uint64_t pump_next(const struct session *s)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->hold_us && s->chans[i]->hold_us < next)
			next = s->chans[i]->hold_us;
	return next;
}

/* Bytes libssh took, 0 when it takes none now (window, rekey). A failure closes the stream. */
static uint32_t give(struct session *s, struct chan *c, struct out *o, const void *p, uint32_t len)
{
	int n;

	interpose_budget(len);
	n = o == &c->err ? ssh_channel_write_stderr(c->ssh, p, len)
			 : ssh_channel_write(c->ssh, p, len);
	interpose_budget(0);
	transport_note_writes(s);
	if (n >= 0)
		return (uint32_t)n;
	pump_close_output(c); /* the client closed the channel; its CLOSE does the rest */
	return 0;
}

/* False: something is left, so nothing may be read. */
static bool flush_rest(struct session *s, struct chan *c, struct out *o)
{
	uint32_t n;

	if (!o->rest.len)
		return true;
	if (!may_send(s, c))
		return false;
	n = give(s, c, o, o->rest.data + o->rest.off, o->rest.len);
	if (o->rest.len)
		rest_drop(&o->rest, n);
	return !o->rest.len;
}

/*
 * Nothing went through a descriptor that poll called ready. Who made it can take its non-blocking mode away at any time;
 * then the session's alarm ends the call. True: give the descriptor up.
 */
static bool stuck(int fd, int error, uint32_t *vain)
{
	if (error == EINTR)
		(void)fd_nonblock(fd, 1);
	else if (error != EAGAIN)
		return true;
	return ++*vain > VAIN_MAX;
}

/* gcc 12's analyser takes what rest_add keeps in o->rest for lost; pump_close_output frees it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static void out_run(struct session *s, struct chan *c, struct out *o, size_t want)
{
	uint32_t window, sent;
	ssize_t n;

	if (!flush_rest(s, c, o) || o->fd < 0 || !o->ready || !may_send(s, c))
		return;
	window = ssh_channel_window_size(c->ssh);
	if (window < want)
		want = window;
	n = read(o->fd, scratch, want);
	o->ready = false;
	if (n < 0 && !stuck(o->fd, errno, &o->vain))
		return;
	if (n <= 0) { /* EIO: the last process left the terminal */
		fd_close(&o->fd);
		return;
	}
	o->vain = 0;
	o->bytes += (uint64_t)n;
	if (o->bytes > BULK_BYTES && !o->bulk)
		enlarge(o->fd, &o->bulk);
	sent = give(s, c, o, scratch, (uint32_t)n);
	if (sent < (uint32_t)n && o->fd >= 0 &&
	    !rest_add(&o->rest, scratch + sent, (uint32_t)n - sent))
		session_end(s, "out of memory");
}
#pragma GCC diagnostic pop

/* Write client data on. Returns bytes taken; a dead reader takes everything. */
static size_t in_write(struct chan *c, const uint8_t *p, size_t len)
{
	ssize_t n;

	if (c->in < 0 || c->in_dead)
		return len;
	n = write(c->in, p, len);
	if (n > 0)
		c->in_vain = 0;
	if (n >= 0)
		return (size_t)n;
	if (!stuck(c->in, errno, &c->in_vain))
		return 0;
	c->in_dead = true;
	fd_close(&c->in);
	return len;
}

/* Next bytes of the client into scratch. 0 = none. */
static size_t in_read(struct session *s, struct chan *c)
{
	bool raise = c->in_bytes - c->raised_at >= BULK_BYTES && s->nchans <= WINDOW_CHANNELS_MAX &&
		     !c->eof_seen;
	int n;

	/* Reading may open the window, and sending that may take in more data: the callback then sets the mark again. */
	c->have_data = false;
	/* A read that asks for more than the window holds makes libssh open it that far. */
	if (raise) {
		c->raised_at = c->in_bytes;
		n = ssh_channel_read_timeout(c->ssh, scratch, WINDOW_BULK, 0, 0);
	} else {
		n = ssh_channel_read_nonblocking(c->ssh, scratch, CHUNK_BULK, 0);
	}
	transport_note_writes(s);
	if (n <= 0)
		return 0;
	c->have_data = true; /* there may be more; a read of nothing ends it */
	c->in_bytes += (uint64_t)n;
	return (size_t)n;
}

static bool flush_in(struct chan *c)
{
	struct rest *r = &c->in_rest;

	if (!r->len)
		return true;
	rest_drop(r, (uint32_t)in_write(c, r->data + r->off, r->len));
	c->in_blocked = r->len > 0;
	return !r->len;
}

/* The client is done sending. A terminal stays open: only its hangup ends it. */
static void in_eof(struct chan *c)
{
	if (c->in < 0)
		return;
	if (c->kind != CHAN_SESSION)
		(void)shutdown(c->in, SHUT_WR);
	fd_close(&c->in);
}

static void in_run(struct session *s, struct chan *c, uint64_t now)
{
	size_t n, done;

	if (c->in_blocked || c->state < CHAN_RUNNING || !flush_in(c))
		return;
	while (c->have_data && !s->ending) {
		n = in_read(s, c);
		if (n && n <= TYPED_MAX)
			c->active_us = now;
		done = n ? in_write(c, scratch, n) : 0;
		if (c->in_bytes > BULK_BYTES && !c->in_bulk && c->in >= 0)
			enlarge(c->in, &c->in_bulk);
		if (done < n) {
			if (!rest_add(&c->in_rest, scratch + done, n - done))
				session_end(s, "out of memory");
			c->in_blocked = true;
			return;
		}
	}
	if (c->eof_seen && !c->have_data)
		in_eof(c);
}

bool pump_pending(const struct session *s, const struct chan *c)
{
	if (!c->ssh || c->state != CHAN_RUNNING)
		return false;
	/* While something was written the client's window may have opened, or a re-exchange ended. */
	if ((c->out.rest.len || c->err.rest.len) && !c->remote_closed && lens_is_on() &&
	    may_send(s, c))
		return true;
	if (c->in_blocked)
		return false;
	return c->have_data || (c->eof_seen && c->in >= 0 && !c->in_rest.len);
}

void pump_run(struct session *s)
{
	uint64_t now = clk_now_us();
	size_t want;
	bool share;

	s->round++;
	for (uint32_t k = 0; k < s->nchans && !s->ending; k++) {
		struct chan *c = s->chans[(k + s->round) % s->nchans];

		if (!c->ssh || c->state == CHAN_CLOSING || c->remote_closed)
			c->hold_us = 0;
		if (!c->ssh || c->state == CHAN_CLOSING)
			continue;
		in_run(s, c, now);
		/* As in sshd: the program's next output is its end, unless it takes that well. */
		if (c->unwanted && c->kind == CHAN_SESSION && c->state == CHAN_RUNNING)
			pump_close_output(c);
		if (c->remote_closed)
			continue;
		share = shared(s, c, now);
		want = share ? CHUNK_SHARED : CHUNK_BULK; /* small writes keep the echo quick */
		out_run(s, c, &c->err, want);
		out_run(s, c, &c->out, want);
		hold_back(c, share, now);
	}
}
