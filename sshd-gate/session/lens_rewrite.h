/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libssh 0.10 cannot parse, said in words that it can: decrypted packets are rewritten in place, the length
 * with the padding unchanged.  Pure; session process.  A name whose first byte becomes 0xff is unknown to libssh, and is refused as
 * such: so are strings with a NUL inside and ports over 65535, which libssh would cut, and a client's own use of the
 * marks below.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* streamlocal-forward@, cancel-, direct-streamlocal@openssh.com: tcpip-forward, cancel-, direct-tcpip with this host. */
#define LENS_REWRITE_UNIX "\001sshbay-unix\001:" /* then the path; the port is 1 */
/*
 * Requests that libssh would answer at once, before others that wait: a tcpip-forward of one of these hosts.  REFUSED is
 * every one that is unknown or malformed and wants an answer; names under 19 bytes may have no room for it.
 */
#define LENS_REWRITE_NO_MORE   "\001nomore" /* no-more-sessions@openssh.com */
#define LENS_REWRITE_KEEPALIVE "\001ka"     /* keepalive@openssh.com */
#define LENS_REWRITE_REFUSED   "\001!"
/* eow@openssh.com: a signal of this name. */
#define LENS_REWRITE_EOW "\001eow\001"
/* auth-agent-req@openssh.com, which libssh answers by itself: a subsystem of this name. */
#define LENS_REWRITE_AGENT "\001sb-agent-req"
/* To the client. A forwarded-tcpip open of this host and no originator: forwarded-streamlocal@openssh.com. */
#define LENS_REWRITE_UNIX_OUT "\001sb-unix\001:" /* then the path */
/* An exit-status of this value: eow@openssh.com. */
#define LENS_REWRITE_EOW_STATUS 0x656f7721
/* A debug message that begins so, then 8 digits of the client's channel and 1 of the code (hexadecimal): an open that failed. */
#define LENS_REWRITE_FAILURE "\001sbfail" /* then the reason */

#define LENS_REWRITE_MODES_MAX 1024
#define LENS_REWRITE_TICKETS   32

/* Terminal modes of the latest pty requests. The width of a request says which are its own. */
struct lens_rewrite_modes {
	uint16_t last; /* ticket given out last, 0 = none yet */
	struct {
		uint16_t ticket; /* 0 = free */
		uint32_t len;
		uint8_t data[LENS_REWRITE_MODES_MAX];
	} kept[LENS_REWRITE_TICKETS];
};

/*
 * A payload from the client (the type is its first byte) with `room` bytes of padding behind it; whatever does not parse
 * is left to libssh. Returns its length, which may have grown into the padding.
 */
size_t lens_rewrite_in(uint8_t *p, size_t len, size_t room, struct lens_rewrite_modes *modes);
/* A payload for the client. */
void lens_rewrite_out(uint8_t *p, size_t len);
/* An open that failed, as libssh tells it, becomes one that says nothing. False: it is none; else *channel is the client's. */
bool lens_rewrite_hush(uint8_t *p, size_t len, uint32_t *channel);
/*
 * The modes of the pty request whose width (as rewritten) this is, into out[LENS_REWRITE_MODES_MAX]; their length, 0
 * when there are none any more. *width: as the client sent it, at most 65535.
 */
uint32_t lens_rewrite_modes_of(const struct lens_rewrite_modes *modes, uint32_t *width,
			       uint8_t *out);
