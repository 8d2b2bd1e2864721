/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encoded terminal modes of a pty-req (RFC 4254 section 8; IUTF8: RFC 8160). Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

/*
 * Apply `blob` to *t, which holds the terminal's defaults.  IUTF8 is on unless the blob says otherwise.  Opcodes this
 * system lacks are skipped; parsing ends at TTY_OP_END, an opcode >= 160 (undefined) or a cut argument.
 */
void modes_apply(const uint8_t *blob, size_t n, struct termios *t);
