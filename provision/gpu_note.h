/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run/ws/NAME/gpu: what a workspace was given for its GPUs, from the step's up to its down; what is left of it is kept
 * beside a GPU in quarantine. Written by workers, read by provisiond's main process too.
 */
#pragma once
#include "cdi.h"
#include "gpu_busy.h"

#define GPU_NOTE_CDI_MAX  16
#define GPU_NOTE_TEXT_MAX 8192

struct gpu_note {
	char ids[400], driver[32];
	struct gpu_busy own; /* the nodes that are these GPUs' alone */
	struct {
		char name[CDI_NAME_MAX * 2];
		uint64_t digest; /* cdi_digest() of what was given */
	} cdi[GPU_NOTE_CDI_MAX];
	unsigned int ncdi;
};

/* As lines of "key value"; cut at `size`, which GPU_NOTE_TEXT_MAX never does. */
void gpu_note_print(const struct gpu_note *n, char *buf, size_t size);
void gpu_note_parse(char *text, struct gpu_note *n);
int gpu_note_save(const char *dir, const struct gpu_note *n, struct err *e);
/* -ENOENT: nothing was given. */
int gpu_note_load(const char *dir, struct gpu_note *n, struct err *e);
void gpu_note_remove(const char *dir);
