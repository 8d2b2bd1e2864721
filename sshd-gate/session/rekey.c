/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See rekey.h.  libssh judges a packet by one number in its session object, which has no accessor.  During a re-exchange
 * that number is "key exchange"; for the time of one channel message it is set to "authenticated", which it was before
 * and will be after, and set back before libssh sees the next packet.  Where the number is was learnt from a session of
 * the self-test by its values, and nothing is written unless "key exchange" stands there.
 */
#include "rekey.h"

#include <malloc.h>
#include <stddef.h>
#include <string.h>

#define MSG_KEXINIT       20
#define MSG_NEWKEYS       21
#define MSG_CHANNEL_FIRST 80 /* global requests among them */
#define MSG_CHANNEL_LAST  100
#define NUMBERS_MAX       1024 /* of a session object; libssh 0.10 has a quarter of that */

/* enum ssh_session_state_e of libssh 0.10 */
enum state { NEW = 0, EXCHANGE = 6, LOGIN = 7, LOGGED_IN = 8 };

/* The process' own context of this file: what interposes libcrypto gets no argument of ours. */
static struct {
	bool out[NUMBERS_MAX]; /* ruled out; only while learning */
	size_t at;             /* index of the number, 0 = not known: the first is not it */
	int *state;            /* of the session that is served, NULL = none */
	bool lent;
	bool on;
} self;

static size_t numbers_of(const struct ssh_session_struct *ssh)
{
	size_t n = malloc_usable_size((void *)(uintptr_t)ssh) / sizeof(int);

	return n < NUMBERS_MAX ? n : NUMBERS_MAX;
}

bool rekey_learn(const struct ssh_session_struct *ssh, enum rekey_moment moment)
{
	static const int wanted[] = { NEW, LOGIN, LOGGED_IN };
	size_t n = numbers_of(ssh), left = 0, at = 0;

	if (moment == REKEY_NEW)
		memset(&self, 0, sizeof(self));
	for (size_t i = 1; i < n; i++) {
		int v;

		memcpy(&v, (const char *)ssh + i * sizeof(int), sizeof(v));
		self.out[i] |= v != wanted[moment];
		if (self.out[i])
			continue;
		left++;
		at = i;
	}
	if (moment == REKEY_LOGGED_IN)
		self.at = left == 1 ? at : 0;
	return moment == REKEY_LOGGED_IN ? self.at != 0 : left != 0;
}

void rekey_serve(struct ssh_session_struct *ssh)
{
	self.lent = self.on = false;
	self.state = self.at && self.at < numbers_of(ssh) ? (int *)(void *)ssh + self.at : NULL;
	if (self.state && *self.state != LOGGED_IN)
		self.state = NULL;
}

void rekey_settle(void)
{
	if (self.lent && *self.state == LOGGED_IN)
		*self.state = EXCHANGE;
	self.lent = false;
}

void rekey_packet_in(uint8_t type)
{
	if (!self.state)
		return;
	rekey_settle();
	if (type == MSG_NEWKEYS)
		self.on = false;
	if (type < MSG_CHANNEL_FIRST || type > MSG_CHANNEL_LAST || *self.state != EXCHANGE)
		return;
	*self.state = LOGGED_IN;
	self.lent = true;
}

void rekey_packet_out(uint8_t type)
{
	if (self.state && type == MSG_KEXINIT)
		self.on = true;
}

bool rekey_is_on(void)
{
	return self.on;
}
