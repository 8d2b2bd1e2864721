/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What provisiond does with the records it finds at start: adopt what lives, settle what was half-made or has died,
 * report what it does not understand.  It deletes nothing that a record does not order to be deleted.
 */
#pragma once
#include "registry.h"

/* Read every record into the registry, adopt living workspaces, reserve the id ranges of files without a record. */
int recover_load(struct registry *r, struct err *e);
/* Queue the settling of every unsettled record, finish interrupted deletions, start `autostart` workspaces. */
void recover_run(struct registry *r);
void recover_free(struct registry *r);
