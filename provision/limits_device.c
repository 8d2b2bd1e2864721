/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device rules of a workspace: list, program, v1 group.  Runs in workers.  The program is put together here in
 * memory; no compiler and no BPF library has a part in it.
 */
#include "limits_device.h"

#include <fcntl.h>
#include <libcgroup.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "devices.h"
#include "given.h"
#include "limits_group.h"

#define PTY_SLAVES_FIRST 136 /* Documentation/admin-guide/devices.txt: Unix98 terminals */
#define PTY_SLAVES_LAST  143
#define LOG_SIZE         4096

unsigned int limits_device_rules(const struct plan *p, struct limits_device_rule *out)
{
	const struct given *g = p->given;
	unsigned int n = 0;

	for (const struct devices_node *d = devices_nodes; d->name; d++)
		if (!d->nesting || p->spec->nesting)
			out[n++] = (struct limits_device_rule){ false, d->major, (int)d->minor,
								GIVEN_READ | GIVEN_WRITE };
	out[n++] = (struct limits_device_rule){ false, 5, 2, GIVEN_READ | GIVEN_WRITE };
	for (unsigned int m = PTY_SLAVES_FIRST; m <= PTY_SLAVES_LAST; m++)
		out[n++] = (struct limits_device_rule){ false, m, -1, GIVEN_READ | GIVEN_WRITE };
	for (unsigned int i = 0; g && i < g->nnodes && n < LIMITS_DEVICE_RULES_MAX; i++)
		out[n++] =
			(struct limits_device_rule){ g->nodes[i].block, g->nodes[i].major,
						     (int)g->nodes[i].minor, g->nodes[i].access };
	return n;
}

/* --- the program --- */

#define INSN(c, dst, src, o, i)                                                                    \
	((struct bpf_insn){                                                                        \
		.code = (c), .dst_reg = (dst), .src_reg = (src), .off = (o), .imm = (i) })
#define LOAD(dst, field)                                                                           \
	INSN(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1,                                            \
	     offsetof(struct bpf_cgroup_dev_ctx, field), 0)
#define ALU(op, dst, i)        INSN(BPF_ALU | BPF_K | (op), dst, 0, 0, i)
#define JUMP_UNLESS(reg, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, o, i)
#define EXIT(verdict)          ALU(BPF_MOV, BPF_REG_0, verdict), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static unsigned int kernel_access(unsigned int access)
{
	return (access & GIVEN_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & GIVEN_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & GIVEN_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static unsigned int append(struct bpf_insn *out, unsigned int at, const struct bpf_insn *from,
			   unsigned int n)
{
	memcpy(out + at, from, n * sizeof(*from));
	return at + n;
}

static unsigned int one_rule(const struct limits_device_rule *r, struct bpf_insn *out,
			     unsigned int at)
{
	bool all = r->minor < 0;
	/* How far the next rule is from the jump. */
	short next = all ? 6 : 7;
	const struct bpf_insn head[] = {
		JUMP_UNLESS(BPF_REG_2, r->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, next),
		JUMP_UNLESS(BPF_REG_4, (int)r->major, (short)(next - 1)),
	};
	const struct bpf_insn minor[] = { JUMP_UNLESS(BPF_REG_5, r->minor, (short)(next - 2)) };
	const struct bpf_insn tail[] = {
		INSN(BPF_ALU | BPF_X | BPF_MOV, BPF_REG_0, BPF_REG_3, 0, 0),
		ALU(BPF_AND, BPF_REG_0, (int)(7U & ~kernel_access(r->access))),
		/* Something is asked for that this rule does not give: on to the next. */
		JUMP_UNLESS(BPF_REG_0, 0, 2),
		EXIT(1),
	};

	at = append(out, at, head, 2);
	if (!all)
		at = append(out, at, minor, 1);
	return append(out, at, tail, sizeof(tail) / sizeof(tail[0]));
}

unsigned int limits_device_assemble(const struct limits_device_rule *rules, unsigned int n,
				    struct bpf_insn *out)
{
	/* access_type: the wish above 16 bits of the kind. */
	const struct bpf_insn start[] = {
		LOAD(BPF_REG_2, access_type),
		INSN(BPF_ALU | BPF_X | BPF_MOV, BPF_REG_3, BPF_REG_2, 0, 0),
		ALU(BPF_AND, BPF_REG_2, 0xffff),
		ALU(BPF_RSH, BPF_REG_3, 16),
		LOAD(BPF_REG_4, major),
		LOAD(BPF_REG_5, minor),
	};
	const struct bpf_insn deny[] = { EXIT(0) };
	unsigned int at = append(out, 0, start, sizeof(start) / sizeof(start[0]));

	for (unsigned int i = 0; i < n; i++)
		at = one_rule(&rules[i], out, at);
	return append(out, at, deny, 2);
}

static int load_program(const struct bpf_insn *insns, unsigned int n, struct err *e)
{
	static const char license[] = "LGPL";
	char log[LOG_SIZE] = "";
	union bpf_attr a;
	int fd;

	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (uint64_t)(uintptr_t)insns;
	a.insn_cnt = n;
	a.license = (uint64_t)(uintptr_t)license;
	(void)str_copy(a.prog_name, sizeof(a.prog_name), "sshbay_dev");
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	if (fd >= 0 || errno == EPERM || errno == ENOSYS)
		return fd < 0 ? err_sys(e, "load the device program") : fd;
	/* Again, for the verifier's words. */
	a.log_buf = (uint64_t)(uintptr_t)log;
	a.log_size = sizeof(log);
	a.log_level = 1;
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	log[strcspn(log, "\n")] = '\0';
	return fd < 0 ? err_sys(e, "load the device program (%.100s)", log) : fd;
}

int limits_device_attach(const char *group, const struct bpf_insn *insns, unsigned int n,
			 struct err *e)
{
	auto_fd int prog = load_program(insns, n, e), dir = -1;
	union bpf_attr a;

	if (prog < 0)
		return prog;
	dir = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open group '%s'", group);
	memset(&a, 0, sizeof(a));
	a.target_fd = (uint32_t)dir;
	a.attach_bpf_fd = (uint32_t)prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	/* Programs of groups below may deny more; none can allow what this one denies. */
	a.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof(a)) < 0)
		return err_sys(e, "attach the device program to '%s'", group);
	return 0;
}

/* --- v1 --- */

static int set(const char *name, const char *file, const char *value, struct err *e)
{
	struct cgroup *g = cgroup_new_cgroup(name);
	struct cgroup_controller *c = g ? cgroup_add_controller(g, LIMITS_DEVICE_CONTROLLER) : NULL;
	int r = ECGFAIL;

	if (c && cgroup_add_value_string(c, file, value) == 0)
		r = cgroup_modify_cgroup(g);
	cgroup_free(&g);
	if (r == 0)
		return 0;
	return err_set(e, r == ECGOTHER && cgroup_get_last_errno() ? cgroup_get_last_errno() : EIO,
		       "set %s of '%s' to '%s': %s", file, name, value,
		       r == ECGOTHER ? strerror(cgroup_get_last_errno()) : cgroup_strerror(r));
}

static void rule_text(const struct limits_device_rule *r, char *buf, size_t size)
{
	char minor[16] = "*";

	if (r->minor >= 0)
		(void)str_format(minor, sizeof(minor), "%d", r->minor);
	(void)str_format(buf, size, "%c %u:%s %s%s%s", r->block ? 'b' : 'c', r->major, minor,
			 r->access & GIVEN_READ ? "r" : "", r->access & GIVEN_WRITE ? "w" : "",
			 r->access & GIVEN_MKNOD ? "m" : "");
}

/* libcgroup 2.0 takes one value of a name at a time: devices.allow is written once per rule. */
static int apply_v1(const char *path, const struct limits_device_rule *rules, unsigned int n,
		    struct err *e)
{
	auto_free char *mount = NULL;
	const char *name;
	char text[48];
	int r;

	if (cgroup_get_subsys_mount_point(LIMITS_DEVICE_CONTROLLER, &mount) != 0 || !mount)
		return err_set(e, ENOENT, "limit devices: the devices controller has gone");
	name = path + strlen(mount);
	name += strspn(name, "/");
	r = set(name, "devices.deny", "a", e);
	for (unsigned int i = 0; i < n && r == 0; i++) {
		rule_text(&rules[i], text, sizeof(text));
		r = set(name, "devices.allow", text, e);
	}
	return r;
}

int limits_device_up(struct plan *p, struct err *e)
{
	struct limits_device_rule rules[LIMITS_DEVICE_RULES_MAX];
	struct bpf_insn insns[LIMITS_DEVICE_INSNS_MAX];
	const struct limits_group *v1, *v2;
	unsigned int n = limits_device_rules(p, rules);
	struct limits_groups g;
	bool given = p->given && p->given->nnodes, done = false;
	int r = limits_group_load(p->dir, &g, e);

	if (r < 0)
		return r;
	v1 = limits_group_find(&g, LIMITS_DEVICE_CONTROLLER);
	v2 = limits_group_find(&g, LIMITS_UNIFIED);
	if (v1) {
		r = apply_v1(v1->path, rules, n, e);
		done = r == 0;
	}
	if (v2 && r == 0) {
		r = limits_device_attach(v2->path, insns, limits_device_assemble(rules, n, insns),
					 e);
		done |= r == 0;
		/* The v1 controller does it alone then, or nothing was given (see the header). */
		if (done || !given)
			r = 0;
	}
	if (r == 0 && given && !done)
		return err_set(e, EOPNOTSUPP,
			       "limit the devices of '%s': this host has neither the v1 devices "
			       "controller nor v2 groups (mount one of them)",
			       p->rec->name);
	return r < 0 ? err_wrap(e, "limit the devices of '%s'", p->rec->name) : 0;
}
