/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GPUs, cpus and device rules: discovery in fake trees, words, clashes, what CDI devices stand for, the device program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "given.h"
#include "gpu.h"
#include "gpu_cdi.h"
#include "gpu_hook.h"
#include "gpu_note.h"
#include "gpu_nvidia.h"
#include "provision/limits_device.h"
#include "numa.h"

#define A "GPU-aaaaaaaa-0000-0000-0000-000000000001"
#define B "GPU-bbbbbbbb-0000-0000-0000-000000000002"

static struct settings s;
static struct gpu_list l;
static struct err e;
static char root[64];

static void put(const char *file, const char *text)
{
	char path[256], *slash;
	struct path_content c = { text, strlen(text), 0644, false };

	(void)str_format(path, sizeof(path), "%s/%s", root, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	*slash = '/';
	assert_int_equal(path_write_atomic(AT_FDCWD, path, &c, &e), 0);
}

static int setup(void **state)
{
	(void)str_copy(root, sizeof(root), "/tmp/sshbay-gpu.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	(void)str_format(s.hardware.sysfs, sizeof(s.hardware.sysfs), "%s/sys", root);
	(void)str_format(s.hardware.proc, sizeof(s.hardware.proc), "%s/proc", root);
	(void)str_format(s.hardware.dev, sizeof(s.hardware.dev), "%s/dev", root);
	memset(&l, 0, sizeof(l));
	return 0;
}

static int teardown(void **state)
{
	auto_fd int tmp = path_open_dir("/tmp", &e);

	return path_remove_tree(tmp, root + strlen("/tmp/"), &e);
}

#define INFO(pci) "proc/driver/nvidia/gpus/" pci "/information"

static void two_nvidia(void)
{
	put(INFO("0000:81:00.0"),
	    "Model: \t\t NVIDIA H100\nGPU UUID: \t " B "\nDevice Minor: \t 1\n");
	put(INFO("0000:41:00.0"),
	    "Model: \t\t NVIDIA H100 80GB\nIRQ:   16\nGPU UUID: \t " A "\nDevice Minor: \t 0\n");
	put("proc/devices", "Character devices:\n  1 mem\n195 nvidia-frontend\n240 nvidia-caps\n");
	put("sys/class/drm/renderD128/dev", "226:128\n");
	put("sys/class/drm/renderD128/device/uevent",
	    "DRIVER=nvidia\nPCI_SLOT_NAME=0000:41:00.0\n");
	put("sys/class/drm/card0/dev", "226:0\n");
}

static void test_nvidia(void **state)
{
	two_nvidia();
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.g[0].id, A);
	assert_string_equal(l.g[0].pci, "0000:41:00.0");
	assert_string_equal(l.g[0].model, "NVIDIA H100 80GB");
	assert_int_equal(l.g[0].index, 0);
	assert_int_equal(l.g[0].nnodes, 2);
	assert_string_equal(l.g[0].nodes[0].name, "nvidia0");
	assert_int_equal(l.g[0].nodes[0].major, 195);
	assert_string_equal(l.g[0].nodes[1].name, "dri/renderD128");
	assert_int_equal(l.g[0].nodes[1].minor, 128);
	assert_string_equal(l.g[1].id, B);
	assert_int_equal(l.g[1].nnodes, 1);
	assert_ptr_equal(gpu_find(&l, "1"), &l.g[1]);
	assert_ptr_equal(gpu_find(&l, "pci:0000:81:00.0"), &l.g[1]);
	assert_ptr_equal(gpu_find(&l, "0000:81:00.0"), &l.g[1]);
	assert_ptr_equal(gpu_find(&l, B), &l.g[1]);
	assert_null(gpu_find(&l, "2"));
	assert_null(gpu_find(&l, "0/gi1/ci0"));
	assert_null(gpu_find(&l, ""));
}

static void test_mig(void **state)
{
	two_nvidia();
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", "DeviceFileMinor: 12\n");
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access", "DeviceFileMinor: 13\n");
	/* Minors from the list where the file has none; and one that neither tells. */
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi2/access", "\n");
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi2/ci0/access", "DeviceFileMinor: x\n");
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi3/ci0/access", "DeviceFileMinor: 99\n");
	put("proc/driver/nvidia/capabilities/gpu0/mig/config", "DeviceFileMinor: 1\n");
	put("proc/driver/nvidia-caps/mig-minors",
	    "config 1\ngpu10/gi2/access 77\ngpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\n");
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(l.n, 4);
	assert_true(l.g[0].partitioned);
	assert_string_equal(l.g[1].id, A "/gi1/ci0");
	assert_true(l.g[1].instance);
	assert_int_equal(l.g[1].nnodes, 3);
	assert_string_equal(l.g[1].nodes[0].name, "nvidia0");
	assert_false(l.g[1].nodes[0].own);
	assert_string_equal(l.g[1].nodes[1].name, "nvidia-caps/nvidia-cap12");
	assert_int_equal(l.g[1].nodes[1].major, 240);
	assert_string_equal(l.g[1].nodes[2].name, "nvidia-caps/nvidia-cap13");
	assert_true(l.g[1].nodes[2].own);
	assert_string_equal(l.g[2].id, A "/gi2/ci0");
	assert_int_equal(l.g[2].nodes[1].minor, 21);
	assert_int_equal(l.g[2].nodes[2].minor, 22);
	assert_ptr_equal(gpu_find(&l, "0/gi2/ci0"), &l.g[2]);
	assert_int_equal(l.g[3].index, 1);
}

static void test_drm(void **state)
{
	char path[128];

	put("sys/class/drm/renderD128/dev", "226:128\n");
	put("sys/class/drm/renderD128/device/uevent", "PCI_SLOT_NAME=0000:03:00.0\n");
	put("sys/class/drm/renderD128/device/vendor", "0x1002\n");
	put("sys/class/drm/renderD128/device/product_name", "Instinct MI300\n");
	put("sys/class/drm/renderD129/dev", "226:129\n");
	put("sys/class/drm/renderD129/device/uevent", "PCI_SLOT_NAME=0000:00:02.0\n");
	put("sys/class/drm/renderD129/device/vendor", "0x8086\n");
	put("sys/devices/platform/vgem/x", "");
	put("sys/class/drm/renderD130/dev", "226:130\n");
	(void)str_format(path, sizeof(path), "%s/sys/class/drm/renderD130/device", root);
	assert_int_equal(symlink("../../../devices/platform/vgem", path), 0);
	/* kfd's numbers are the file's: root may make one. */
	(void)str_format(path, sizeof(path), "%s/dev", root);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)str_format(path, sizeof(path), "%s/dev/kfd", root);
	if (mknod(path, S_IFCHR | 0600, 235 << 8) < 0)
		skip();
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.g[0].vendor, "intel");
	assert_string_equal(l.g[0].id, "0000:00:02.0");
	assert_int_equal(l.g[0].nnodes, 1);
	assert_string_equal(l.g[1].vendor, "amd");
	assert_string_equal(l.g[1].model, "Instinct MI300");
	assert_int_equal(l.g[1].nnodes, 2);
	assert_string_equal(l.g[1].nodes[1].name, "kfd");
	assert_int_equal(l.g[1].nodes[1].major, 235);
	assert_false(l.g[1].nodes[1].own);
	assert_string_equal(l.g[2].id, "drm:vgem");
	assert_int_equal(l.g[2].index, 2);
}

/* Nothing, half and hostile: what makes no sense is left out, nothing else suffers. */
static void test_hostile(void **state)
{
	char text[4096];

	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(l.n, 0);
	two_nvidia();
	put(INFO("../../x"), "Device Minor: 3\n");
	put(INFO("0000:01:00.0/"), "x");
	put("proc/driver/nvidia/gpus/0000:02:00.0/other", "x");
	put(INFO("0000:03:00.0"), "Model: no minor\n");
	put(INFO("0000:04:00.0"), "Device Minor: -1\n");
	put(INFO("0000:05:00.0"), "Device Minor: 99999999999999999999\n");
	put(INFO("0000:06:00.0"), "GPU Excluded:\t Yes\nDevice Minor: 6\n");
	/* A UUID that is none is not an identity; the model is harmless on a terminal. */
	put(INFO("0000:07:00.0"),
	    "GPU UUID: GPU-../../../../etc\nModel: \x1b[31mred\nDevice Minor: 7\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put(INFO("0000:08:00.0"), text);
	put("sys/class/drm/renderD12x/dev", "226:1\n");
	put("sys/class/drm/renderD200/dev", "nonsense\n");
	put("sys/class/drm/renderD201/dev", "226:201:1\n");
	put("sys/class/drm/renderD202/dev", "0:0\n");
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	for (unsigned int i = 0; i < l.n; i++)
		assert_false(strchr(l.g[i].model, '\x1b') || strchr(l.g[i].id, '.') == l.g[i].id);
	assert_int_equal(l.n, 4);
	assert_string_equal(l.g[0].id, "0000:07:00.0");
	assert_string_equal(l.g[0].model, "\\x1b[31mred");
	assert_string_equal(l.g[3].id, "drm:renderD202");
	assert_int_equal(l.g[3].nnodes, 0);
	put(INFO("0000:09:00.0"), "GPU UUID: " A "\nDevice Minor: 9\n");
	assert_int_equal(gpu_scan(&s, &l, &e), -ENOTUNIQ);
	assert_string_equal(e.text, "look for GPUs: two of them are '" A "'");
}

static void test_clash(void **state)
{
	assert_true(gpu_clash("a", "a"));
	assert_true(gpu_clash("a,b", "c,b"));
	assert_true(gpu_clash("a/gi1/ci0", "a"));
	assert_true(gpu_clash("a", "x,a/gi1/ci0"));
	assert_true(gpu_clash("GPU-A", "gpu-a"));
	assert_false(gpu_clash("a/gi1/ci0", "a/gi2/ci0"));
	assert_false(gpu_clash("a/gi1/ci1", "a/gi1/ci10"));
	assert_false(gpu_clash("ab", "a"));
	assert_false(gpu_clash("", "a"));
	assert_false(gpu_clash("", ""));
}

static void test_driver(void **state)
{
	char v[32];

	gpu_driver(&s, v, sizeof(v));
	assert_string_equal(v, "");
	put("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  "
					  "535.104.05  Sat Aug 19\nGCC version: 12.2\n");
	gpu_driver(&s, v, sizeof(v));
	assert_string_equal(v, "535.104.05");
	put("proc/driver/nvidia/version", "NVRM version: none\n");
	gpu_driver(&s, v, sizeof(v));
	assert_string_equal(v, "");
}

static int collect(void *ctx, const char *path, const char *text)
{
	char *out = ctx;

	(void)str_format(out + strlen(out), 4096 - strlen(out), "%s:%s", path, text);
	return 0;
}

static void test_texts(void **state)
{
	char out[4096] = "";

	two_nvidia();
	put("proc/driver/nvidia/params", "DeviceFileMode: 438\nModifyDeviceFiles: 1\nX: 2\n");
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(gpu_nvidia_texts(&s, &l.g[1], collect, out), 0);
	assert_string_equal(out,
			    "params:DeviceFileMode: 438\nModifyDeviceFiles: 0\nX: 2\n"
			    "gpus/0000:81:00.0/information:Model: \t\t NVIDIA H100\nGPU UUID: \t " B
			    "\nDevice Minor: \t 1\n");
}

static void test_cdi(void **state)
{
	static const char text[] =
		"cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n"
		"- { name: all, containerEdits: { deviceNodes: [ { path: /dev/nvidia0 }, { path: "
		"/dev/nvidia1 } ] } }\n"
		"- { name: one, containerEdits: { deviceNodes: [ { path: /dev/nvidia1 } ] } }\n"
		"- { name: MIG-1, containerEdits: { deviceNodes: [ { path: /dev/nvidia0 }, { path: "
		"/dev/nvidia-caps/nvidia-cap13 } ] } }\n"
		"- { name: other, containerEdits: { deviceNodes: [ { path: /dev/x } ] } }\n";
	struct cdi_list c = { .n = 1 };
	const struct cdi_device *dev;
	const struct cdi_spec *spec;
	char ids[400];

	two_nvidia();
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", "DeviceFileMinor: 12\n");
	put("proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access", "DeviceFileMinor: 13\n");
	assert_int_equal(gpu_scan(&s, &l, &e), 0);
	assert_int_equal(cdi_decode("f", text, strlen(text), &c.specs[0], &e), 0);
	assert_int_equal(gpu_cdi_find(&c, "nvidia.com/gpu=all", &spec, &dev, &e), 0);
	assert_int_equal(gpu_cdi_ids(&l, dev, "n", ids, sizeof(ids), &e), 0);
	assert_string_equal(ids, A "," B);
	assert_int_equal(gpu_cdi_find(&c, "MIG-1", &spec, &dev, &e), 0);
	assert_int_equal(gpu_cdi_ids(&l, dev, "n", ids, sizeof(ids), &e), 0);
	assert_string_equal(ids, A "/gi1/ci0");
	assert_int_equal(gpu_cdi_find(&c, "MIG-2", &spec, &dev, &e), -ENOENT);
	assert_int_equal(gpu_cdi_find(&c, "nvidia.com/gpu=other", &spec, &dev, &e), 0);
	assert_int_equal(gpu_cdi_ids(&l, dev, "nvidia.com/gpu=other", ids, sizeof(ids), &e), 0);
	assert_string_equal(ids, "cdi:nvidia.com/gpu=other");
	assert_true(gpu_cdi_for(&c, &l, gpu_find(&l, B), &spec, &dev));
	assert_string_equal(dev->name, "one");
	assert_true(gpu_cdi_for(&c, &l, gpu_find(&l, "0/gi1/ci0"), &spec, &dev));
	assert_string_equal(dev->name, "MIG-1");
	/* `all` is not the first GPU's. */
	assert_false(gpu_cdi_for(&c, &l, gpu_find(&l, A), &spec, &dev));
	cdi_free(&c);
}

static void test_numa(void **state)
{
	static const struct {
		const char *local, *online, *cpus;
		unsigned int count;
		int ret;
	} table[] = {
		{ "0-3,8-11\n", "0-15\n", "0-3,8-11", 8, 0 },
		{ "0-3,8-11", "0-2,9", "0-2,9-9", 4, 0 },
		{ "5", NULL, "5-5", 1, 0 },
		{ "5", "0-3", "", 0, -ENODATA },
		{ "", "0-3", "", 0, -ENODATA },
		{ "3-1", "0-3", "", 0, -EBADMSG },
		{ "0-99999", "0-3", "", 0, -EBADMSG },
		{ "0,,1", "0-3", "", 0, -EBADMSG },
		{ "ff", "0-3", "", 0, -EBADMSG },
	};
	struct numa n;

	assert_int_equal(numa_local(s.hardware.sysfs, "0000:41:00.0", &n, &e), -ENODEV);
	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put("sys/bus/pci/devices/0000:41:00.0/local_cpulist", table[i].local);
		put("sys/devices/system/cpu/online", table[i].online ? table[i].online : "?");
		assert_int_equal(numa_local(s.hardware.sysfs, "0000:41:00.0", &n, &e),
				 table[i].ret);
		assert_string_equal(n.cpus, table[i].cpus);
		assert_int_equal(n.count, table[i].count);
		assert_int_equal(n.node, -1);
	}
	put("sys/bus/pci/devices/0000:41:00.0/local_cpulist", "0-3");
	put("sys/devices/system/cpu/online", "0-3");
	put("sys/bus/pci/devices/0000:41:00.0/numa_node", "1\n");
	assert_int_equal(numa_local(s.hardware.sysfs, "0000:41:00.0", &n, &e), 0);
	assert_int_equal(n.node, 1);
	put("sys/bus/pci/devices/0000:41:00.0/numa_node", "-1\n");
	assert_int_equal(numa_local(s.hardware.sysfs, "0000:41:00.0", &n, &e), 0);
	assert_int_equal(n.node, -1);
	assert_true(numa_overlap("0-3,8", "8-9"));
	assert_false(numa_overlap("0-3,8", "4-7,9"));
	assert_false(numa_overlap("", "0"));
	put("sys/devices/system/node/has_memory", "1");
	put("sys/devices/system/node/node0/cpulist", "0-3");
	put("sys/devices/system/node/node1/cpulist", "4-7");
	assert_int_equal(numa_node_of(s.hardware.sysfs, "4-5"), 1);
	assert_int_equal(numa_node_of(s.hardware.sysfs, "0-1"), -1); /* without memory */
	assert_int_equal(numa_node_of(s.hardware.sysfs, "3-4"), -1); /* of two nodes */
}

static struct record rec = { .name = "alice", .id_base = 100000, .id_count = 65536 };
static struct spec spec_;

static struct plan plan_with(void)
{
	return (struct plan){ .settings = &s, .spec = &spec_, .rec = &rec };
}

static void test_given(void **state)
{
	struct plan p = plan_with();
	struct given_node n = { .path = "/dev/nvidia0", .major = 195 };
	static const char *const bad[] = { "/dev",     "/etc/x",   "dev/x",     "/dev/../etc/x",
					   "/dev//x",  "/dev/x/",  "/dev/null", "/dev/pts/1",
					   "/dev/shm", "/dev/\x1b" };

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct given_node b = { .major = 1 };

		(void)str_copy(b.path, sizeof(b.path), bad[i]);
		assert_int_equal(given_add_node(&p, &b, &e), -EINVAL);
	}
	assert_int_equal(given_add_node(&p, &n, &e), 0);
	assert_int_equal(given_add_node(&p, &n, &e), 0);
	assert_int_equal(p.given->nnodes, 1);
	n.minor = 1;
	assert_int_equal(given_add_node(&p, &n, &e), -EEXIST);
	assert_int_equal(given_add_mount(&p, "/a", "/usr/lib/a", &e), 0);
	assert_int_equal(given_add_mount(&p, "/b", "/usr/lib/a", &e), -EEXIST);
	assert_int_equal(given_add_mount(&p, "/a", "/proc/x", &e), -EINVAL);
	assert_int_equal(given_add_mount(&p, "/a", "/sys", &e), -EINVAL);
	assert_int_equal(given_add_mount(&p, "/a", "/dev/x", &e), -EINVAL);
	assert_int_equal(given_add_mount(&p, "/a", "/run/sshbay/env", &e), -EINVAL);
	assert_int_equal(given_add_mount(&p, "/a/../b", "/usr/x", &e), -EINVAL);
	assert_int_equal(given_add_mount(&p, "/a", "/procession", &e), 0);
	assert_int_equal(given_add_link(&p, "", "/usr/x", &e), -EINVAL);
	assert_int_equal(given_add_link(&p, "a", "/usr/x", &e), 0);
	assert_int_equal(given_add_link(&p, "b", "/usr/x", &e), -EEXIST);
	assert_int_equal(given_add_env(&p, "A", &e), -EINVAL);
	assert_int_equal(given_add_env(&p, "=A", &e), -EINVAL);
	assert_int_equal(given_add_env(&p, "A=b", &e), 0);
	assert_int_equal(p.given->nenv, 4);
	for (n.minor = 0; p.given->nnodes < GIVEN_NODES_MAX; n.minor++) {
		(void)str_format(n.path, sizeof(n.path), "/dev/n%u", n.minor);
		assert_int_equal(given_add_node(&p, &n, &e), 0);
	}
	(void)str_copy(n.path, sizeof(n.path), "/dev/more");
	assert_int_equal(given_add_node(&p, &n, &e), -E2BIG);
	free(p.given);
}

/* As the kernel runs it: just the instructions that the program uses, anything else fails the test. */
static int run(const struct bpf_insn *in, unsigned int n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { 0 };

	for (unsigned int pc = 0, steps = 0; pc < n && steps < n + 1; steps++) {
		const struct bpf_insn *i = &in[pc++];
		uint32_t src =
			BPF_SRC(i->code) == BPF_X ? (uint32_t)r[i->src_reg] : (uint32_t)i->imm;

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			r[i->dst_reg] = *(const uint32_t *)((const char *)ctx + i->off);
			break;
		case BPF_ALU:
			if (BPF_OP(i->code) == BPF_MOV)
				r[i->dst_reg] = src;
			else if (BPF_OP(i->code) == BPF_AND)
				r[i->dst_reg] = (uint32_t)r[i->dst_reg] & src;
			else if (BPF_OP(i->code) == BPF_RSH)
				r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> src;
			else
				fail();
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_EXIT)
				return (int)r[0];
			if (BPF_OP(i->code) != BPF_JNE)
				fail();
			if (r[i->dst_reg] != (uint64_t)(int64_t)i->imm)
				pc += (unsigned int)i->off;
			break;
		default:
			fail();
		}
	}
	fail();
	return -1;
}

static void test_program(void **state)
{
	static const struct limits_device_rule rules[] = {
		{ false, 1, 3, GIVEN_READ | GIVEN_WRITE },
		{ false, 136, -1, GIVEN_READ | GIVEN_WRITE },
		{ true, 7, 0, GIVEN_READ },
		{ false, 195, 0, GIVEN_READ | GIVEN_WRITE | GIVEN_MKNOD },
	};
	enum { R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE, M = BPF_DEVCG_ACC_MKNOD };
	static const struct {
		unsigned int kind, access, major, minor;
		int verdict;
	} table[] = {
		{ BPF_DEVCG_DEV_CHAR, R, 1, 3, 1 },
		{ BPF_DEVCG_DEV_CHAR, R | W, 1, 3, 1 },
		{ BPF_DEVCG_DEV_CHAR, M, 1, 3, 0 },
		{ BPF_DEVCG_DEV_CHAR, R, 1, 7, 0 },
		{ BPF_DEVCG_DEV_BLOCK, R, 1, 3, 0 },
		{ BPF_DEVCG_DEV_CHAR, R | W, 136, 0, 1 },
		{ BPF_DEVCG_DEV_CHAR, W, 136, 1 << 19, 1 },
		{ BPF_DEVCG_DEV_CHAR, W, 137, 0, 0 },
		{ BPF_DEVCG_DEV_BLOCK, R, 7, 0, 1 },
		{ BPF_DEVCG_DEV_BLOCK, R | W, 7, 0, 0 },
		{ BPF_DEVCG_DEV_CHAR, R, 7, 0, 0 },
		{ BPF_DEVCG_DEV_CHAR, R | W | M, 195, 0, 1 },
		{ BPF_DEVCG_DEV_CHAR, R, 195, 1, 0 },
		{ BPF_DEVCG_DEV_CHAR, R, 0, 0, 0 },
	};
	struct bpf_insn insns[LIMITS_DEVICE_INSNS_MAX];
	unsigned int n = limits_device_assemble(rules, 4, insns);

	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bpf_cgroup_dev_ctx c = { .access_type =
							table[i].access << 16 | table[i].kind,
						.major = table[i].major,
						.minor = table[i].minor };

		assert_int_equal(run(insns, n, &c), table[i].verdict);
	}
}

/* The largest list fits, and a workspace without nesting has no fuse. */
static void test_rules(void **state)
{
	struct limits_device_rule rules[LIMITS_DEVICE_RULES_MAX];
	struct bpf_insn insns[LIMITS_DEVICE_INSNS_MAX];
	struct plan p = plan_with();
	unsigned int plain = limits_device_rules(&p, rules), n;

	for (unsigned int i = 0; i < plain; i++)
		assert_false(rules[i].major == 10 && rules[i].minor == 229);
	spec_.nesting = true;
	assert_int_equal(limits_device_rules(&p, rules), plain + 1);
	for (unsigned int i = 0; i < GIVEN_NODES_MAX; i++) {
		struct given_node g = { .major = 195, .minor = i };

		(void)str_format(g.path, sizeof(g.path), "/dev/n%u", i);
		assert_int_equal(given_add_node(&p, &g, &e), 0);
	}
	n = limits_device_rules(&p, rules);
	assert_int_equal(n, plain + 1 + GIVEN_NODES_MAX);
	assert_true(limits_device_assemble(rules, n, insns) <= LIMITS_DEVICE_INSNS_MAX);
	spec_.nesting = false;
	free(p.given);
}

static void test_note(void **state)
{
	struct gpu_note n = { .ids = A "," B "/gi1/ci0", .driver = "535.104.05" }, back;
	char text[GPU_NOTE_TEXT_MAX], junk[] = "node 1\ncdi xyz\nnode 195:3 \n\nids\ncdi 5\nwhat\n";

	for (unsigned int i = 0; i < GPU_BUSY_NODES_MAX; i++)
		n.own.nodes[n.own.n++] = makedev(4095, 0xfffff - i);
	for (n.ncdi = 0; n.ncdi < GPU_NOTE_CDI_MAX; n.ncdi++) {
		memset(n.cdi[n.ncdi].name, 'x', sizeof(n.cdi[0].name) - 1);
		n.cdi[n.ncdi].digest = UINT64_MAX - n.ncdi;
	}
	assert_int_equal(path_mkdirs(root, 0755, &e), 0);
	assert_int_equal(gpu_note_save(root, &n, &e), 0);
	assert_int_equal(gpu_note_load(root, &back, &e), 0);
	assert_string_equal(back.ids, n.ids);
	assert_string_equal(back.driver, n.driver);
	assert_int_equal(back.own.n, GPU_BUSY_NODES_MAX);
	assert_memory_equal(back.own.nodes, n.own.nodes, sizeof(n.own.nodes));
	assert_int_equal(back.ncdi, GPU_NOTE_CDI_MAX);
	assert_memory_equal(back.cdi, n.cdi, sizeof(n.cdi));
	gpu_note_remove(root);
	assert_int_equal(gpu_note_load(root, &back, &e), -ENOENT);
	gpu_note_parse(junk, &back);
	assert_int_equal(back.own.n, 1);
	assert_int_equal(back.ncdi, 0);
	gpu_note_print(&back, text, sizeof(text));
	assert_non_null(strstr(text, "node 195:3\n"));
}

#define HOOK(...)                                                                                  \
	((struct cdi_hook){ .path = "/usr/bin/x-hook",                                             \
			    .args = (const char *[]){ __VA_ARGS__ },                               \
			    .nargs = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) })

static void test_hooks(void **state)
{
	struct plan p = plan_with();
	struct given_node node = { .path = "/dev/nvidia0", .major = 195, .mode = 0666 };
	const struct cdi_hook bare = { .path = "/opt/acme/polish" };
	const struct cdi_hook mode =
		HOOK("h", "chmod", "--path", "/dev/nvidia0", "--path=/dev/dri", "--mode", "0640");
	const struct cdi_hook bad = HOOK("h", "chmod", "--mode=rw", "--path=/dev/nvidia0");
	const struct cdi_hook compat =
		HOOK("h", "hook", "enable-cuda-compat", "--host-driver-version", "535.1");
	const struct cdi_hook evil =
		HOOK("h", "enable-cuda-compat", "--host-driver-version=$(reboot)");
	const struct cdi_hook links = HOOK("h", "create-symlinks", "--link=no-separator");
	const char *name;

	assert_int_equal(gpu_hook_kind(&bare, &name), GPU_HOOK_UNKNOWN);
	assert_string_equal(name, "polish");
	assert_int_equal(gpu_hook_kind(&compat, &name), GPU_HOOK_COMPAT);
	assert_int_equal(given_add_node(&p, &node, &e), 0);
	assert_int_equal(gpu_hook_give(&p, &bare, &e), 0);
	assert_int_equal(gpu_hook_give(&p, &mode, &e), 0);
	assert_int_equal(p.given->nodes[0].mode, 0640);
	assert_int_equal(gpu_hook_give(&p, &bad, &e), -EINVAL);
	assert_int_equal(p.given->nodes[0].mode, 0640);
	assert_int_equal(gpu_hook_give(&p, &compat, &e), 0);
	assert_string_equal(p.given->compat, "535.1");
	assert_int_equal(gpu_hook_give(&p, &evil, &e), -EINVAL);
	assert_int_equal(gpu_hook_give(&p, &links, &e), -EINVAL);
	free(p.given);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nvidia),  T(test_mig),   T(test_drm),  T(test_hostile), T(test_clash),
		T(test_driver),  T(test_texts), T(test_cdi),  T(test_numa),    T(test_given),
		T(test_program), T(test_rules), T(test_note), T(test_hooks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
