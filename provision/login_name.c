/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See login_name.h.  Used for logins, and by `sshbay explain` for what would become of one: names are refused here, never
 * cleaned.
 */
#include "login_name.h"

#include <string.h>

bool login_name_parse(const char *login, char user[STR_NAME_MAX], char workspace[STR_NAME_MAX])
{
	const char *plus = strchr(login, '+');
	size_t n = plus ? (size_t)(plus - login) : strlen(login);

	user[0] = workspace[0] = '\0';
	if (!str_is_name(login, n) || (plus && !str_is_name(plus + 1, strlen(plus + 1))))
		return false;
	memcpy(user, login, n);
	user[n] = '\0';
	if (plus)
		(void)str_copy(workspace, STR_NAME_MAX, plus + 1);
	return true;
}
