/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshbay: the admin's command line.  Talks to provisiond over run/admin.sock; opens no other socket and changes nothing
 * itself.  The verbs are in verbs.c.
 */
#include "cli.h"

int main(int argc, char **argv)
{
	return cli_run(argc - 1, argv + 1);
}
