/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session that somebody has taken over, for tests (-DSSHBAY_FAULTS; otherwise nothing): the variable LC_MISBEHAVE of an
 * authenticated client names what the session tries, "WHAT" or "WHAT:PID". What became of it goes to the log.
 */
#pragma once
#include "session.h"

#ifdef SSHBAY_FAULTS
void misbehave_asked(struct session *s, const char *variable, const char *value);
#else
static inline void misbehave_asked(struct session *s, const char *variable, const char *value)
{
	(void)s;
	(void)variable;
	(void)value;
}
#endif
