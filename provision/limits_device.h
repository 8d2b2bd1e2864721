/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which devices the processes of a workspace may open at all: the nodes of devices.h, its own terminals, and what it was
 * given.  Enforced by the v1 `devices` controller through libcgroup where that is mounted, and by a program on the v2
 * group, above the delegated payload.  Neither needs a daemon to stay, and no daemon-reload of systemd touches either.
 */
#pragma once
#include "plan.h"

#define LIMITS_DEVICE_CONTROLLER "devices"
#define LIMITS_DEVICE_RULES_MAX  96
#define LIMITS_DEVICE_INSNS_MAX  (LIMITS_DEVICE_RULES_MAX * 8 + 8)

struct bpf_insn;

struct limits_device_rule {
	bool block;
	unsigned int major;
	int minor;           /* -1: all of them */
	unsigned int access; /* enum given_access */
};

/* The rules for this plan. How many. */
unsigned int limits_device_rules(const struct plan *p, struct limits_device_rule *out);
/*
 * The rules as a BPF_PROG_TYPE_CGROUP_DEVICE program (linux/bpf.h, struct bpf_cgroup_dev_ctx) that allows what one rule
 * allows and denies the rest. How many instructions; `out` has room for LIMITS_DEVICE_INSNS_MAX.
 */
unsigned int limits_device_assemble(const struct limits_device_rule *rules, unsigned int n,
				    struct bpf_insn *out);
/* Load the program and attach it to the group directory beside others that are there (kernel 4.15; bpf(2)). */
int limits_device_attach(const char *group, const struct bpf_insn *insns, unsigned int n,
			 struct err *e);
/*
 * Enforce the plan's rules, after the last step that gives something and before a tenant's process lives.  -EOPNOTSUPP
 * when something is given and this host has neither controller; without anything given that is no reason to refuse:
 * a workspace cannot make nodes, and every mount but its /dev is nodev.
 */
int limits_device_up(struct plan *p, struct err *e);
