/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `sshbay doctor`: findings, and the groups of checks that make them. */
#pragma once
#include "cli.h"
#include "finding.h"
#include "settings.h"

struct doctor {
	const struct settings *s; /* NULL: the configuration does not load */
	struct findings findings;
};

/* One finding: "OK    subject: fact", "WARN  subject: fact (remedy)". */
void doctor_ok(struct doctor *d, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_warn(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void doctor_fail(struct doctor *d, const char *subject, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* doctor_kernel.c: what the kernel can do, tried out; its settings. Leaves nothing behind. */
void doctor_kernel(struct doctor *d);
void doctor_sysctls(struct doctor *d);
/* doctor_gpu.c: GPUs, CDI specifications. */
void doctor_gpu(struct doctor *d);
/* doctor_direct.c: IOMMU, vfio-pci, huge pages. */
void doctor_direct(struct doctor *d);
/* doctor_rdma.c: RDMA devices, the kernel's mode. */
void doctor_rdma(struct doctor *d);
/* doctor_disk.c: how `disk` would be kept. */
void doctor_disk(struct doctor *d);
/* doctor_bridge.c: the bridges of attach. */
void doctor_bridge(struct doctor *d);
/* doctor_host.c: ids, directories, devices, versions. */
void doctor_host(struct doctor *d);
