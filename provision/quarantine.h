/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that could not be given back as they were: one durable file each, state/quarantine/KIND-ID.  A device that
 * is in here is leased to nobody until an admin lifts it (sshbay nic recover, sshbay gpu recover).  Workers add and
 * lift; provisiond's main process reads.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdint.h>

struct quarantine {
	char kind[8]; /* "nic", "gpu" */
	char id[80];  /* as in the record that leased it */
	char mac[18]; /* a NIC's permanent MAC, by which it is known elsewhere on the bus; "" unknown */
	char name[64]; /* what people call it: the interface as it is called now, the GPU's model */
	char owner[STR_NAME_MAX]; /* the workspace that had it last */
	char reason[256];
	uint64_t since; /* seconds since the epoch */
};

/* Enter a device, durably; one that is there already gets the new reason. `note` (may be NULL): text to keep beside it. */
int quarantine_add(const char *state, const struct quarantine *q, const char *note, struct err *e);
/* -ENOENT when it is not in quarantine. */
int quarantine_get(const char *state, const char *kind, const char *id, struct quarantine *out,
		   struct err *e);
/* The text that quarantine_add kept. -ENOENT when there is none. */
int quarantine_note(const char *state, const char *kind, const char *id, char *buf, size_t size,
		    struct err *e);
/* Lift it; none is fine. */
int quarantine_remove(const char *state, const char *kind, const char *id, struct err *e);
/* Call fn for each device of this kind (NULL: all). One that cannot be read is given with that as its reason. */
int quarantine_each(const char *state, const char *kind,
		    void (*fn)(void *ctx, const struct quarantine *q), void *ctx, struct err *e);
