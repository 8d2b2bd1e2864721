/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users of the host that the configuration names.  A directory service (LDAP, SSSD) may not answer for minutes, and its
 * modules are not provisiond's: /etc/passwd is read here, everything else is asked in a child that has little time.
 */
#pragma once
#include "base/err.h"
#include <stdint.h>

/*
 * A name, or a number: that one is a uid, and its gid is the one /etc/passwd has for it, else the same number.
 * -ENOENT: no such user. -ETIMEDOUT: the host's user database did not answer within 2 s.
 */
int host_user_find(const char *text, uint32_t *uid, uint32_t *gid, struct err *e);
