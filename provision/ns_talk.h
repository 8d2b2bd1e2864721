/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker's conversation with ws-init on a control connection. Every answer is the tenant's: checked and escaped. */
#pragma once
#include "plan.h"

/* Connect and become the control connection. fd or -errno. */
int ns_talk_open(struct plan *p, unsigned int timeout_s, struct err *e);
/* INIT_SETUP with hostname and resolv.conf; waits for INIT_READY. */
int ns_talk_setup(struct plan *p, int sock, unsigned int timeout_s, struct err *e);
/* INIT_POWER: stop everything, SIGKILL after `timeout_s`. Does not wait. */
int ns_talk_stop(int sock, unsigned int timeout_s, struct err *e);
/* resolv.conf text: the configured resolvers, else the host's that are not loopback; "" when there are none. */
void ns_talk_resolv(const struct settings *s, char *buf, size_t size);
