/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment of a login: bounded, and nothing in it that the asker may not set. Pure but for env_read_file. */
#pragma once
#include "passwd.h"

#define ENV_VARS_MAX  192                        /* more are dropped */
#define ENV_BYTES_MAX (INIT_ENV_MAX + 32 * 1024) /* NAME=value NUL of all together */

struct env {
	char *vars[ENV_VARS_MAX + 1]; /* NULL-terminated, for execve */
	size_t nvars;
	char bytes[ENV_BYTES_MAX];
	size_t nbytes;
};

/* Set or replace; a name that is not [A-Za-z_][A-Za-z0-9_]* or begins with LD_, or what does not fit, is dropped. */
void env_set(struct env *v, const char *name, const char *value);
/* NAME=value NUL NAME=value NUL ...: what the asker sends. */
void env_add_block(struct env *v, const uint8_t *block, size_t n);
/* The lines of /etc/environment as pam_env(8) reads them: NAME=value, "export ", #comments, one pair of quotes. */
void env_add_lines(struct env *v, const char *text, size_t n);
/* env_add_lines of a regular file of at most 16 KiB, if it is there. */
void env_read_file(struct env *v, const char *path);
/* Value of a variable or NULL. */
const char *env_get(const struct env *v, const char *name);
/*
 * Everything, in sshd's order: the asker's block, PATH, /etc/environment and /etc/default/locale, then what nobody
 * overrides: HOME USER LOGNAME SHELL MAIL, and TERM and SSH_TTY with a terminal (tty != NULL).
 */
void env_build(struct env *v, const struct account *a, const struct init_spawn *s, const char *tty);
