/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options before a key in authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT) and before a name in a principals
 * file.  Pure.  What an option means for a login is said in provisiond(8).
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include "proto/gate_login.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_OPTIONS_LIST_MAX 4096

/* About 50 KiB. */
struct key_options {
	/*
	 * flags: what is left of GATE_MAY_ALL. open: "host:port", "[v6]:port", "host:*", host "*" is any; listen: the same,
	 * a bare port became "*:port". environment: no name twice.
	 */
	struct gate_permit permit;
	bool authority;          /* cert-authority */
	bool no_touch, verified; /* no-touch-required, verify-required */
	uint64_t expiry;         /* expiry-time: the last second that it is good for; 0: for ever */
	char from[KEY_OPTIONS_LIST_MAX];       /* match_address(); "" anywhere */
	char source[KEY_OPTIONS_LIST_MAX];     /* match_source(), set by certificates alone */
	char principals[KEY_OPTIONS_LIST_MAX]; /* comma list; "" none given */
};

/*
 * Can it be a forced command? -EINVAL: internal-sftp with flags. They are not enforced here, and one of them may be what
 * makes it read-only.
 */
int key_options_check_command(const char *command);
#define KEY_OPTIONS_NO_FLAGS "internal-sftp takes no flags here (name the workspace's sftp-server)"
/* No options at all: everything permitted. */
void key_options_init(struct key_options *o);
/*
 * Parse the options, of which `len` bytes without blanks outside of quotes remain. One that is unknown or malformed is an
 * error (-EINVAL, "option 'NAME': why"), since ignoring it would grant more than was meant.
 */
int key_options_parse(const char *text, size_t len, struct key_options *o, struct err *e);
/* May `peer` use it at `now`? 0, -EACCES, -EKEYEXPIRED. */
int key_options_allow(const struct key_options *o, const struct ip *peer, uint64_t now,
		      struct err *e);
/*
 * Narrow `o` by what the certificate itself says. As in sshd: permissions are what both give, touch is spared when both
 * spare it, verification needed when either needs it; two different forced commands are refused (-EACCES).
 */
int key_options_narrow(struct key_options *o, const struct key_options *cert, struct err *e);
