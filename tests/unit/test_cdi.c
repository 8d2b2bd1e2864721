/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CDI specifications: YAML and JSON decode alike, bad ones are refused with file and line, directories win and clash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cdi.h"
#include "cdi_yaml.h"

static struct err e;

static int decode(const char *text, struct cdi_spec **s)
{
	return cdi_decode("f.yaml", text, strlen(text), s, &e);
}

static const char yaml[] = "---\n"
			   "# made by a tool\n"
			   "cdiVersion: 0.5.0\n"
			   "kind: nvidia.com/gpu\n"
			   "annotations: { a: b }\n"
			   "containerEdits:\n"
			   "  env:\n"
			   "  - NVIDIA_VISIBLE_DEVICES=void\n"
			   "  deviceNodes:\n"
			   "  - path: /dev/nvidiactl\n"
			   "  mounts:\n"
			   "  - hostPath: /usr/lib/libcuda.so.535\n"
			   "    containerPath: /usr/lib/libcuda.so.535\n"
			   "    options: [ro, nosuid, nodev, bind]\n"
			   "  hooks:\n"
			   "  - hookName: createContainer\n"
			   "    path: /usr/bin/nvidia-ctk\n"
			   "    args: [nvidia-ctk, hook, update-ldcache, --folder, /usr/lib]\n"
			   "    timeout: 5\n"
			   "devices:\n"
			   "- name: \"0\"\n"
			   "  containerEdits:\n"
			   "    deviceNodes:\n"
			   "    - { path: /dev/nvidia0, hostPath: /dev/x, type: c, major: 195, "
			   "minor: 0, fileMode: 0640,\n"
			   "        permissions: rw, uid: 7, gid: 44 }\n"
			   "    additionalGIDs: [44]\n"
			   "- name: MIG-1:2\n"
			   "  containerEdits: {}\n";

static const char json[] =
	"{\"cdiVersion\": \"0.5.0\", \"kind\": \"nvidia.com\\/gpu\", \"annotations\": {\"a\": "
	"\"b\"},\n"
	"\t\"containerEdits\": {\"env\": [\"NVIDIA_VISIBLE_DEVICES=void\"],\n"
	"\t\"deviceNodes\": [{\"path\": \"/dev/nvidiactl\"}],\n"
	"\t\"mounts\": [{\"hostPath\": \"/usr/lib/libcuda.so.535\", \"containerPath\": "
	"\"/usr/lib/libcuda.so.535\", \"options\": [\"ro\"]}],\n"
	"\t\"hooks\": [{\"hookName\": \"createContainer\", \"path\": \"/usr/bin/nvidia-ctk\", "
	"\"args\": "
	"[\"nvidia-ctk\", \"hook\", \"update-ldcache\", \"--folder\", \"/usr/lib\"], \"timeout\": "
	"5}]},\n"
	"\"devices\": [{\"name\": \"0\", \"containerEdits\": {\"deviceNodes\": [{\"path\": "
	"\"/dev/nvidia0\", "
	"\"hostPath\": \"/dev/x\", \"type\": \"c\", \"major\": 195, \"minor\": 0, \"fileMode\": "
	"416, "
	"\"permissions\": \"rw\", \"uid\": 7, \"gid\": 44}], \"additionalGIDs\": [44]}},\n"
	"{\"name\": \"MIG-1:2\", \"containerEdits\": {}}]}\n";

static void check_sample(const char *text)
{
	struct cdi_spec *s;
	const struct cdi_node *n;

	assert_int_equal(decode(text, &s), 0);
	assert_string_equal(s->vendor, "nvidia.com");
	assert_string_equal(s->class, "gpu");
	assert_int_equal(s->edits.nenv, 1);
	assert_string_equal(s->edits.env[0], "NVIDIA_VISIBLE_DEVICES=void");
	assert_int_equal(s->edits.nnodes, 1);
	assert_false(s->edits.nodes[0].has_numbers);
	assert_int_equal(s->edits.nmounts, 1);
	assert_string_equal(s->edits.mounts[0].path, "/usr/lib/libcuda.so.535");
	assert_int_equal(s->edits.nhooks, 1);
	assert_int_equal(s->edits.hooks[0].nargs, 5);
	assert_string_equal(s->edits.hooks[0].args[4], "/usr/lib");
	assert_int_equal(s->ndevices, 2);
	assert_string_equal(s->devices[0].name, "0");
	assert_true(s->devices[0].edits.ignored);
	n = &s->devices[0].edits.nodes[0];
	assert_string_equal(n->path, "/dev/nvidia0");
	assert_string_equal(n->host, "/dev/x");
	assert_true(n->has_numbers && n->has_mode && n->has_uid && n->has_gid);
	assert_int_equal(n->major, 195);
	assert_int_equal(n->minor, 0);
	assert_int_equal(n->mode, 0640);
	assert_int_equal(n->uid, 7);
	assert_int_equal(n->gid, 44);
	assert_string_equal(n->access, "rw");
	assert_string_equal(s->devices[1].name, "MIG-1:2");
	cdi_spec_free(s);
}

static void test_alike(void **state)
{
	check_sample(yaml);
	check_sample(json);
}

#define HEAD "cdiVersion: 0.6.0\nkind: a.b/c\n"
#define DEV  HEAD "devices:\n- name: x\n  containerEdits:\n"

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "f.yaml:1: nothing in it" },
	{ "[", "f.yaml:2: did not find expected node content" },
	{ "x", "f.yaml:1: not an object" },
	{ "{}", "f.yaml:1: there is no 'cdiVersion'" },
	{ "cdiVersion: 0.6.0\n", "f.yaml:1: there is no 'kind'" },
	{ HEAD, "f.yaml:1: there are no devices" },
	{ "cdiVersion: 2.0.0\n", "f.yaml:1: version '2.0.0' is not known (0.3.0 to 1.1.0)" },
	{ "cdiVersion: 0.6.0\nkind: gpu\n", "f.yaml:2: 'gpu' is not a kind (vendor.com/class)" },
	{ "cdiVersion: 0.6.0\nkind: a.b/c.d\n",
	  "f.yaml:2: 'a.b/c.d' is not a kind (vendor.com/class)" },
	{ "cdiVersion: 0.6.0\nkind: -a/c\n", "f.yaml:2: '-a/c' is not a kind (vendor.com/class)" },
	{ HEAD "kind: d.e/f\n", "f.yaml:3: the same key a second time" },
	{ HEAD "device: []\n", "f.yaml:3: unknown key 'device'" },
	{ HEAD "devices: {}\n", "f.yaml:3: not a list" },
	{ HEAD "devices: [x]\n", "f.yaml:3: not an object" },
	{ HEAD "devices:\n- containerEdits: {}\n", "f.yaml:4: a device without name" },
	{ HEAD "devices:\n- name: a/b\n", "f.yaml:4: 'a/b' is not a device name" },
	{ HEAD "devices:\n- name: ''\n", "f.yaml:4: empty 'name'" },
	{ HEAD "devices:\n- name: [a]\n", "f.yaml:4: not a text" },
	{ HEAD "devices:\n- name: a\n- name: a\n", "f.yaml:5: device 'a' a second time" },
	{ HEAD "devices:\n- &x\n  name: a\n", "f.yaml:4: anchors, aliases and tags are not taken" },
	{ HEAD "devices: *x\n", "f.yaml:3: anchors, aliases and tags are not taken" },
	{ HEAD "devices: !!set\n", "f.yaml:3: anchors, aliases and tags are not taken" },
	{ HEAD "devices:\n- name: a\n---\nb: c\n", "f.yaml:5: a second document" },
	{ HEAD "devices:\n- {[a]: b}\n", "f.yaml:4: a key that is not a text" },
	{ HEAD "x: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n", "f.yaml:3: nested too deep" },
	{ HEAD "a\tb: \"\\0\"\n", "f.yaml:3: text too long, or with a NUL" },
	{ HEAD "e\x01: 1\n", "f.yaml:1: control characters are not allowed" },
	{ DEV "    env: x\n", "f.yaml:6: not a list" },
	{ DEV "    env: [A]\n", "f.yaml:6: 'A' is not NAME=value" },
	{ DEV "    env: [\"=a\"]\n", "f.yaml:6: '=a' is not NAME=value" },
	{ DEV "    gpus: 1\n", "f.yaml:6: unknown key 'gpus'" },
	{ DEV "    deviceNodes: [{hostPath: /dev/x}]\n", "f.yaml:6: a device node without path" },
	{ DEV "    deviceNodes: [{path: /a, type: x}]\n",
	  "f.yaml:6: 'x' is not a type of device (c, b)" },
	{ DEV "    deviceNodes: [{path: /a, permissions: rwx}]\n",
	  "f.yaml:6: 'rwx' are not permissions (r, w, m)" },
	{ DEV "    deviceNodes: [{path: /a, major: x}]\n", "f.yaml:6: 'x' is not a number" },
	{ DEV "    deviceNodes: [{path: /a, major: -1}]\n", "f.yaml:6: '-1' is not a number" },
	{ DEV "    deviceNodes: [{path: /a, major: \"1\"}]\n",
	  "f.yaml:6: 'major' is not a number" },
	{ DEV "    deviceNodes: [{path: /a, major: 4294967296}]\n",
	  "f.yaml:6: '4294967296' is not a number of 32 bits" },
	{ DEV "    deviceNodes: [{path: /a, fileMode: 0689}]\n",
	  "f.yaml:6: '0689' is not a number of 32 bits" },
	{ DEV "    mounts:\n    - hostPath: /a\n", "f.yaml:7: a mount without containerPath" },
	{ DEV "    mounts:\n    - containerPath: /a\n", "f.yaml:7: a mount without hostPath" },
	{ DEV "    hooks:\n    - args: [a]\n", "f.yaml:7: a hook without path" },
	{ DEV "    hooks:\n    - { path: /a, args: a }\n", "f.yaml:7: not a list" },
};

static void test_bad(void **state)
{
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cdi_spec *s = (void *)1;

		assert_int_equal(decode(bad[i].text, &s), -EINVAL);
		assert_null(s);
		assert_string_equal(e.text, bad[i].why);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint32_t value;
	} good[] = {
		{ "0", 0 }, { "416", 416 }, { "0640", 0640 }, { "0o640", 0640 }, { "0x1A0", 416 }
	};
	char text[256];
	struct cdi_spec *s;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)str_format(text, sizeof(text),
				 DEV "    deviceNodes: [{path: /a, fileMode: %s}]\n", good[i].text);
		assert_int_equal(decode(text, &s), 0);
		assert_int_equal(s->devices[0].edits.nodes[0].mode, good[i].value);
		cdi_spec_free(s);
	}
	/* null is as if the key were not there. */
	assert_int_equal(decode(DEV "    deviceNodes: [{path: /a, fileMode: null}]\n", &s), 0);
	assert_false(s->devices[0].edits.nodes[0].has_mode);
	cdi_spec_free(s);
}

static void test_large(void **state)
{
	size_t n = CDI_YAML_TEXT_MAX + 1, used;
	auto_free char *text = malloc(n + 1);
	struct cdi_spec *s;

	memset(text, ' ', n);
	text[n] = '\0';
	assert_int_equal(decode(text, &s), -EINVAL);
	assert_string_equal(e.text, "f.yaml:1: larger than 1048576 bytes");
	used = (size_t)sprintf(text, HEAD "devices:\n");
	while (used < 200000)
		used += (size_t)sprintf(text + used, "- a\n");
	assert_int_equal(decode(text, &s), -EINVAL);
	assert_non_null(strstr(e.text, ": too many values"));
	used = (size_t)sprintf(text, HEAD "devices:\n");
	for (int i = 0; i <= CDI_DEVICES_MAX; i++)
		used += (size_t)sprintf(text + used, "- name: d%d\n", i);
	assert_int_equal(decode(text, &s), -EINVAL);
	assert_string_equal(e.text, "f.yaml:4: more devices than 256");
}

static char dir[64];

static void put(const char *file, const char *text)
{
	struct path_content c = { text, strlen(text), 0644, false };
	char path[128];

	(void)str_format(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(path_write_atomic(AT_FDCWD, path, &c, &e), 0);
}

static void test_directories(void **state)
{
	const struct cdi_device *dev;
	const struct cdi_spec *spec;
	struct cdi_list l;
	char dirs[256], path[128];
	auto_fd int tmp = -1;

	(void)str_copy(dir, sizeof(dir), "/tmp/sshbay-cdi.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)str_format(path, sizeof(path), "%s/low", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)str_format(path, sizeof(path), "%s/high", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)str_format(dirs, sizeof(dirs), "%s/low:%s/none:%s/high", dir, dir, dir);
	put("low/a.yaml", HEAD "devices: [{name: one}, {name: two}]\n");
	put("low/b.json",
	    "{\"cdiVersion\":\"0.6.0\",\"kind\":\"a.b/c\",\"devices\":[{\"name\":\"two\"}]}");
	put("high/a.yaml", HEAD "devices:\n- name: one\n  containerEdits: {env: [A=1]}\n");
	put("high/bad.yaml", HEAD "devices: 1\n");
	put("high/ignored.txt", "x");
	cdi_load(dirs, &l);
	assert_int_equal(l.n, 3);
	assert_non_null(strstr(l.problems, "high/bad.yaml:3: not a list"));
	assert_int_equal(cdi_find(&l, "a.b/c=one", &spec, &dev, &e), 0);
	assert_int_equal(dev->edits.nenv, 1);
	assert_int_equal(cdi_find(&l, "a.b/c=two", &spec, &dev, &e), -ENOTUNIQ);
	assert_non_null(strstr(e.text, "low/a.yaml:3 and "));
	assert_non_null(strstr(e.text, "low/b.json:1 both have it"));
	assert_int_equal(cdi_find(&l, "a.b/c=three", &spec, &dev, &e), -ENOENT);
	assert_non_null(strstr(e.text, "bad.yaml:3"));
	assert_int_equal(cdi_find(&l, "a.b/c", &spec, &dev, &e), -ENOENT);
	cdi_free(&l);
	/* What somebody else could have written is not believed. */
	(void)str_format(path, sizeof(path), "%s/high/a.yaml", dir);
	assert_int_equal(chmod(path, 0666), 0);
	cdi_load(dirs, &l);
	assert_int_equal(l.n, 2);
	assert_non_null(strstr(l.problems, "high/a.yaml"));
	cdi_free(&l);
	tmp = path_open_dir("/tmp", &e);
	assert_int_equal(path_remove_tree(tmp, dir + strlen("/tmp/"), &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike),       cmocka_unit_test(test_bad),
		cmocka_unit_test(test_numbers),     cmocka_unit_test(test_large),
		cmocka_unit_test(test_directories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
