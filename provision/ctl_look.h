/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question at a time to the listener about the sources that it refuses (CTL_LOOK). provisiond's main process. */
#pragma once
#include "base/err.h"
#include "proto/ctl.h"
#include <systemd/sd-event.h>

/* The listener's words: checked for form by the receiver. NULL: no answer came. Called once per question. */
typedef void (*ctl_look_fn)(void *ctx, const struct ctl_sources *s);

/* Zero-initialised, then `loop` set: nothing is out. */
struct ctl_look_state {
	sd_event *loop;
	ctl_look_fn fn;
	void *ctx;
	int fd; /* of the listener that was asked */
	uint32_t serial;
	sd_event_source *timer;
};

/* Ask the listener at `fd`. `lift` as in struct ctl_look. -EBUSY: one is out already. */
int ctl_look_ask(struct ctl_look_state *l, int fd, const char *lift, ctl_look_fn fn, void *ctx,
		 struct err *e);
void ctl_look_answer(struct ctl_look_state *l, int fd, const struct ctl_sources *s);
/* The listener at `fd` is gone. */
void ctl_look_lost(struct ctl_look_state *l, int fd);
/* Nobody waits for the answer any more (`ctx` NULL: whoever it was); fn is not called. */
void ctl_look_cancel(struct ctl_look_state *l, const void *ctx);
