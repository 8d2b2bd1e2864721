/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host names for forwards, resolved inside the workspace by its own resolver. Helper only, as the login's user. */
#pragma once
#include "base/ip.h"

#define RESOLVE_MAX 16    /* addresses of one name that are tried */
#define RESOLVE_MS  10000 /* time for one name */

/*
 * A literal ("1.2.3.4", "::1", "[::1]"), "localhost" (::1, 127.0.0.1), or a name for the image's getent(1), which is run
 * because ws-init itself must never load the workspace's NSS modules. Fills out[RESOLVE_MAX]; returns the count >= 1,
 * or -EINVAL, -ENOENT (no such name), -ETIMEDOUT, -ENOSYS (no getent in the image).
 */
int resolve_host(const char *host, struct ip *out, struct err *e);
/* The addresses in the output of `getent ahosts`: first word of each line, no duplicates. Count. Pure. */
int resolve_parse(const char *text, size_t n, struct ip *out);
