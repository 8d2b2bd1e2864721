/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JOB_ATTACH: the NIC of a running workspace moves in. Part of operate.c, in provisiond's main process. */
#pragma once
#include "registry.h"

int operate_nic_begin(struct workspace *ws, struct job *job, struct worker_order *o, struct err *e);
void operate_nic_end(struct workspace *ws, struct job *job, struct worker_result *res);
/* `clean`: the NIC is not inside, so its lease ends. */
void operate_nic_failed(struct workspace *ws, struct job *job, bool clean, const struct err *why);
/* The workspace is about to have its NIC with nic_admin = full: that is written to the audit log, at every start. */
void operate_nic_full(const struct workspace *ws, const struct spec *spec);
/* A lease ("nic", "rdma") has ended: to the audit log, as lease.return or lease.quarantine. */
void operate_nic_returned(const struct workspace *ws, const char *kind, const char *id);
