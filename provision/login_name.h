/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client sends as user name: "user" or "user+workspace". Pure. */
#pragma once
#include "base/str.h"

/* False: it names no user. `workspace` gets "" when none is named; both are "" on failure. */
bool login_name_parse(const char *login, char user[STR_NAME_MAX], char workspace[STR_NAME_MAX]);
