/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A forwarded X11 display (INIT_LISTEN, kind X11): a free TCP port of the loopback and an authority file (Xau(3)) with the
 * client's cookie, so that no xauth program is needed inside.  Helper of a listen, as the login's unix user.
 */
#pragma once
#include "job.h"

#define DISPLAY_AUTHORITY_MAX                                                                      \
	1024 /* bytes of an authority file: two entries of a host name of at most 64 characters */

/*
 * The file's bytes for display `number` of `host`: one entry for that host (what `xauth list` shows, and what clients of
 * 127.0.0.1:N look for), one for any address. Length, or -ENAMETOOLONG.
 */
int display_authority(const char *host, uint32_t number, const struct x11_cookie *c,
		      uint8_t out[DISPLAY_AUTHORITY_MAX]);
/* *fd the socket, h->report.port the display, h->report.text the file. 0 or -errno, with nothing left. */
int display_listen(struct job_helper *h, int *fd, struct err *e);
