/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The workspaces' own host keys ([gate] host_key_per_workspace): STATE/hostkeys/NAME, 0600 in a 0700 directory outside of
 * every rootfs, with NAME.pub beside it.  Main process of provisiond only; private keys never leave it.
 */
#pragma once
#include "auth.h"
#include <stdbool.h>

/* A bounded cache of loaded keys. A file that was replaced or removed is noticed. */
struct hostkeys;

int hostkeys_new(const char *state, struct hostkeys **out, struct err *e);
void hostkeys_free(struct hostkeys *c);
/*
 * The key of workspace `name`, a reference that the caller gives back by hostkey_free. When there is none: made, or
 * -ENOENT without `make`.
 */
int hostkeys_get(struct hostkeys *c, const char *name, bool make, struct hostkey **out,
		 struct err *e);
/* Make the key's files unless they are there. */
int hostkeys_make(const char *state, const char *name, struct err *e);
/* Remove them; what is not there is success. */
int hostkeys_remove(const char *state, const char *name, struct err *e);
