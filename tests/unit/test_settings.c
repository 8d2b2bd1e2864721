/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration as a whole: the corpus tests/data/conf (each file carries the problems it must cause), files of
 * workspaces, look-ups, dump and reload, and the documents that are generated from the key table.
 */
#include "settings.h"

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "schema.h"

#define CORPUS "tests/data/conf"

/* The host's users must not decide what a test says. */
struct passwd *getpwnam(const char *name)
{
	static struct passwd gate = { .pw_name = (char *)"sshd-gate",
				      .pw_uid = 321,
				      .pw_gid = 322 };
	static struct passwd root = { .pw_name = (char *)"root" };

	if (strcmp(name, "root") == 0)
		return &root;
	return strcmp(name, "sshd-gate") == 0 ? &gate : NULL;
}

static char dir[] = "/tmp/sshbay-settings-XXXXXX";
static char main_file[64], ws_dir[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(main_file, sizeof(main_file), "%s/sshbay.ini", dir);
	snprintf(ws_dir, sizeof(ws_dir), "%s/workspaces.d", dir);
	return mkdir(ws_dir, 0755);
}

static int clean(void **state)
{
	char path[512];
	struct dirent *d;
	auto_dir DIR *list = opendir(ws_dir);

	while (list && (d = readdir(list))) {
		snprintf(path, sizeof(path), "%s/%s", ws_dir, d->d_name);
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			unlink(path);
	}
	unlink(main_file);
	return 0;
}

static int teardown(void **state)
{
	clean(state);
	rmdir(ws_dir);
	return rmdir(dir);
}

static void put(const char *path, const char *text, size_t n)
{
	assert_int_equal(path_write_atomic(AT_FDCWD, path,
					   &(struct path_content){ text, n, 0644, false }, NULL),
			 0);
}

static void put_workspace(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", ws_dir, name);
	put(path, text, strlen(text));
}

static struct settings *loaded(const char *text)
{
	struct settings_report report;
	struct settings *s;

	put(main_file, text, strlen(text));
	if (settings_load(main_file, &s, &report) != 0)
		fail_msg("refused: %s", report.text);
	assert_int_equal(report.count, 0);
	assert_string_equal(report.text, "");
	settings_report_free(&report);
	return s;
}

/* Load and expect failure. The report's text is the caller's. */
static char *refused(unsigned int count)
{
	struct settings_report report;
	struct settings *s = (struct settings *)1;

	assert_int_equal(settings_load(main_file, &s, &report), -EINVAL);
	assert_null(s);
	if (report.count != count)
		fail_msg("%u problems, expected %u:\n%s", report.count, count, report.text);
	return report.text;
}

static bool has_line(const char *report, const char *want)
{
	auto_free char *full = NULL;
	char *at;

	if (asprintf(&full, "%s:%s", main_file, want) < 0)
		return false;
	at = strstr(report, full);
	return at && (at == report || at[-1] == '\n');
}

/* --- corpus --------------------------------------------------------------------------------------------------------- */

static void run_bad_file(const char *name)
{
	auto_free char *report = NULL;
	char path[512], text[4096], *copy, *line, *rest;
	unsigned int n = 0;
	size_t len;
	struct settings_report r;
	struct settings *s;

	snprintf(path, sizeof(path), CORPUS "/%s", name);
	assert_int_equal(path_read(AT_FDCWD, path, text, sizeof(text), &len, NULL), 0);
	put(main_file, text, len);
	if (settings_load(main_file, &s, &r) != -EINVAL)
		fail_msg("%s was accepted", name);
	assert_null(s);
	report = r.text;
	/* A NUL among the bytes must not end the search for expectations. */
	for (copy = text; copy < text + len; copy++)
		*copy = *copy ? *copy : ' ';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# expect: ", 10) != 0)
			continue;
		n++;
		if (!has_line(report, line + 10))
			fail_msg("%s: expected '%s' in:\n%s", name, line + 10, report);
	}
	if (n == 0 || r.count != n)
		fail_msg("%s: %u problems, expected %u:\n%s", name, r.count, n, report);
}

static int is_ini(const struct dirent *d)
{
	return strstr(d->d_name, ".ini") != NULL;
}

static void test_corpus(void **state)
{
	struct dirent **names;
	int n = scandir(CORPUS, &names, is_ini, alphasort), i;

	assert_true(n >= 60);
	for (i = 0; i < n; i++) {
		run_bad_file(names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* --- good ones ------------------------------------------------------------------------------------------------------ */

static void test_standard(void **state)
{
	struct settings *s = loaded("");
	struct spec spec;
	char ip[IP_TEXT_MAX];

	assert_int_equal(s->gate.nlisten, 2);
	assert_int_equal(s->gate.listen[0].port, 22);
	assert_int_equal(s->gate.uid, 321);
	assert_int_equal(s->gate.gid, 322);
	assert_true(s->gate.create_on_login);
	assert_int_equal(s->gate.login_grace, 30);
	assert_int_equal(s->gate.startups_begin, 10);
	assert_int_equal(s->gate.startups_rate, 30);
	assert_int_equal(s->gate.startups_full, 100);
	assert_int_equal(s->gate.source_v6_len, 64);
	assert_int_equal(s->gate.rekey_mb, 0);
	assert_string_equal(ip_net_text(&s->network.control_cidr, ip, sizeof(ip)),
			    "172.31.199.0/24");
	assert_int_equal(s->network.control_cidr6.addr.family, 0);
	assert_true(s->network.nat);
	assert_string_equal(s->storage.images, "/var/lib/sshbay/images");
	assert_int_equal(s->storage.id_count, 262144);
	assert_int_equal(s->nworkspaces, 0);
	assert_int_equal(s->defaults.memory, UINT64_C(8) << 30);
	assert_int_equal(s->defaults.disk, SETTINGS_UNLIMITED);
	settings_spec(s, "alice", &spec);
	assert_string_equal(spec.name, "alice");
	assert_string_equal(spec.file, "");
	assert_string_equal(spec.image, "bookworm");
	assert_true(settings_may_enter(&spec, "alice"));
	assert_false(settings_may_enter(&spec, "bob"));
	assert_false(settings_may_enter(&spec, ""));
	settings_free(s);
	settings_free(NULL);
}

static void test_values(void **state)
{
	struct settings *s = loaded(
		"[gate]\nlisten = 127.0.0.1:2222, [::1]:2222\nuser = 65534\ncreate = configured\n"
		"login_grace = 2m\nalive_interval = 0\nrekey = 1G\nsource_prefix = 24:48\n"
		"kex = curve25519-sha256 , diffie-hellman-group14-sha256\naccept_env = \n"
		"[network]\ncontrol_cidr6 = fd00:1::/64\nnat = no\ndns = 9.9.9.9, 2620:fe::9\n"
		"announce = eth0\ndata_cidr =\nmark = 4294967295\n"
		"[storage]\nimages = /srv/images\nstate = /srv/s\n"
		"[pool]\nnics = pci:0000:29:00.0, eth7\ngpus = "
		"GPU-01234567-89ab-cdef-0123-456789abcdef, 1/gi3/ci0\n"
		"[log]\naudit =\n"
		"[defaults]\nmemory = unlimited\npids = unlimited\nswap = 1G\nnic = auto\ncpus = "
		"2\n");

	assert_int_equal(s->gate.uid, 65534);
	assert_false(s->gate.create_on_login);
	assert_int_equal(s->gate.login_grace, 120);
	assert_int_equal(s->gate.alive_interval, 0);
	assert_int_equal(s->gate.rekey_mb, 1024);
	assert_int_equal(s->gate.source_v4_len, 24);
	assert_string_equal(s->gate.kex, "curve25519-sha256,diffie-hellman-group14-sha256");
	assert_string_equal(s->gate.accept_env, "");
	assert_int_equal(s->network.ndns, 2);
	assert_int_equal(s->network.data_cidr.addr.family, 0);
	assert_int_equal(s->network.mark, UINT32_MAX);
	assert_string_equal(s->storage.images, "/srv/images");
	assert_string_equal(s->pool.nics, "pci:0000:29:00.0,eth7");
	assert_string_equal(s->pool.gpus, "GPU-01234567-89ab-cdef-0123-456789abcdef,1/gi3/ci0");
	assert_string_equal(s->log.audit, "");
	assert_int_equal(s->defaults.memory, SETTINGS_UNLIMITED);
	assert_int_equal(s->defaults.pids, 0);
	settings_free(s);
}

static void test_workspaces(void **state)
{
	const struct spec *found;
	struct settings *s;
	struct spec spec;
	struct ip ip;

	put_workspace("client.ini",
		      "[workspace]\nusers = user, alice\ncontrol_ip = 172.31.199.1\nnic = eth5\n"
		      "data_ip = 192.168.199.1/24\ncpus = 40-55,152-167\nswap = 0 ; none\n");
	put_workspace("adam.ini", "");
	put_workspace("README", "not read");
	put_workspace(".client.ini.swp", "not read");
	put_workspace(".hidden.ini", "not read");
	s = loaded("[workspace zoe]\nmemory = 16M\n[defaults]\nusers = op\nmemory = 1G\n");
	assert_int_equal(s->nworkspaces, 3);
	assert_string_equal(s->workspaces[0].name, "adam");
	assert_string_equal(s->workspaces[1].name, "client");
	assert_string_equal(s->workspaces[2].name, "zoe");
	settings_spec(s, "client", &spec);
	assert_int_equal(spec.nusers, 2);
	assert_false(settings_may_enter(&spec, "client"));
	assert_false(settings_may_enter(&spec, "op"));
	assert_true(settings_may_enter(&spec, "alice"));
	assert_non_null(strstr(spec.file, "/workspaces.d/client.ini"));
	assert_int_equal(spec.memory, 1 << 30);
	settings_spec(s, "adam", &spec);
	assert_true(settings_may_enter(&spec, "adam"));
	assert_true(settings_may_enter(&spec, "op"));
	settings_spec(s, "zoe", &spec);
	assert_int_equal(spec.memory, 16 << 20);
	settings_spec(s, "new", &spec);
	assert_true(settings_may_enter(&spec, "new"));
	assert_true(settings_may_enter(&spec, "op"));
	assert_int_equal(ip_parse("172.31.199.1", &ip, NULL), 0);
	found = settings_find_ip(s, &ip);
	assert_non_null(found);
	assert_string_equal(found->name, "client");
	assert_int_equal(ip_parse("172.31.199.2", &ip, NULL), 0);
	assert_null(settings_find_ip(s, &ip));
	ip = (struct ip){ 0 };
	assert_null(settings_find_ip(s, &ip));
	settings_free(s);
}

/* The forms in which a NIC may be written, and what they are one word for. */
static void test_nic_words(void **state)
{
	static const char *const words[][2] = {
		{ "eth0", "eth0" },
		{ "pci:0000:29:00.0", "pci:0000:29:00.0" },
		{ "0000:29:00.0", "pci:0000:29:00.0" },
		{ "mac:02:00:00:00:00:01", "mac:02:00:00:00:00:01" },
		{ "eth0/vf3", "eth0/vf3" },
		{ "eth0:3", "eth0/vf3" },
		{ "pci:0000:29:00.0:12", "pci:0000:29:00.0/vf12" },
		{ "0000:29:00.0:12", "pci:0000:29:00.0/vf12" },
		{ "mac:02:00:00:00:00:01:7", "mac:02:00:00:00:00:01/vf7" },
		{ "macvlan:0", "macvlan:0" },
	};
	static const char *const bad[] = { "eth0:",      "eth0:x", "eth0:1234", "pci:29", "mac:02",
					   "0000:29:00", ":1",     "auto:1",    "none:1" };
	char text[128];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct settings *s;

		snprintf(text, sizeof(text), "[workspace a]\nnic = %s\n", words[i][0]);
		s = loaded(text);
		assert_string_equal(s->workspaces[0].nic, words[i][1]);
		settings_free(s);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_free char *report = NULL;

		snprintf(text, sizeof(text), "[workspace a]\nnic = %s\n", bad[i]);
		put(main_file, text, strlen(text));
		report = refused(1);
		assert_non_null(strstr(report, ":2: [workspace a] nic: '"));
	}
}

static void test_no_directory(void **state)
{
	assert_int_equal(rmdir(ws_dir), 0);
	settings_free(loaded(""));
	assert_int_equal(mkdir(ws_dir, 0755), 0);
}

/* --- bad ones that a single file cannot show ------------------------------------------------------------------------ */

static void test_bad_workspace_files(void **state)
{
	auto_free char *report = NULL;

	put(main_file, "[workspace bob]\ncontrol_ip = 172.31.199.9\n[gate]\nx = 1\n", 54);
	put_workspace("Alice.ini", "[workspace]\n");
	put_workspace("bob.ini", "[workspace]\n");
	put_workspace(
		"carol.ini",
		"[workspace]\ncontrol_ip = 172.31.199.9\n[gate]\nuser = 1\n[workspace dave]\n");
	put_workspace("dave.ini", "[workspace]\nmemori = 1G\nmemory = 12abc\nmemory = 1G\n");
	put_workspace("thirtytwo-characters-are-too-many.ini", "");
	report = refused(10);
	assert_true(has_line(report, "4: [gate] x: unknown key"));
	assert_non_null(strstr(report, "/Alice.ini: the file name is not a workspace name"));
	assert_non_null(strstr(report, "/bob.ini: 'bob' is configured already in "));
	assert_non_null(strstr(report, "/carol.ini:2: [workspace] control_ip: 172.31.199.9 is the "
				       "address of workspace 'bob' already"));
	assert_non_null(
		strstr(report, "/carol.ini:3: [gate] only [workspace] belongs into this file"));
	assert_non_null(strstr(
		report, "/carol.ini:5: [workspace dave] only [workspace] belongs into this file"));
	assert_non_null(strstr(
		report, "/dave.ini:2: [workspace] memori: unknown key (did you mean 'memory'?)"));
	assert_non_null(strstr(report, "/dave.ini:3: [workspace] memory: '12abc' is not a size"));
	assert_non_null(
		strstr(report, "/dave.ini:4: [workspace] memory: is there already in line 3"));
	assert_non_null(
		strstr(report, "/thirtytwo-characters-are-too-many.ini: the file name is not"));
	/* In the order of the files, and of the lines in them. */
	assert_true(strstr(report, "4: [gate] x") < strstr(report, "/Alice.ini"));
	assert_true(strstr(report, "/dave.ini:2") < strstr(report, "/dave.ini:3"));
}

static void test_untrusted_workspace_file(void **state)
{
	auto_free char *report = NULL;
	char path[512];

	put(main_file, "", 0);
	put_workspace("alice.ini", "[workspace]\n");
	snprintf(path, sizeof(path), "%s/alice.ini", ws_dir);
	assert_int_equal(chmod(path, 0666), 0);
	report = refused(1);
	assert_non_null(strstr(report, "/alice.ini: writable by group or others"));
}

static void test_missing_file(void **state)
{
	auto_free char *report = refused(1);

	assert_non_null(strstr(report, "sshbay.ini: No such file or directory"));
}

static void test_banner(void **state)
{
	auto_free char *banner = NULL, *text = NULL, *report = NULL;
	char long_text[1100];

	assert_true(asprintf(&banner, "%s/banner", dir) > 0);
	assert_true(asprintf(&text, "[gate]\nbanner = %s\n", banner) > 0);
	put(banner, "Hello\n", 6);
	settings_free(loaded(text));
	put(banner, "He\033[2Jllo\n", 10);
	report = refused(1);
	assert_non_null(strstr(report, "has the control character \\x1b in it"));
	free(report);
	memset(long_text, 'x', sizeof(long_text));
	put(banner, long_text, 1023);
	settings_free(loaded(text));
	put(banner, long_text, 1024);
	report = refused(1);
	assert_non_null(strstr(report, "is longer than 1023 bytes"));
	unlink(banner);
}

/* --- dump ----------------------------------------------------------------------------------------------------------- */

static char *dump(const struct settings *s)
{
	char *text = calloc(1, 65536);
	auto_fd int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	ssize_t n;

	assert_non_null(text);
	assert_int_equal(settings_dump(s, fd, NULL), 0);
	n = pread(fd, text, 65535, 0);
	assert_true(n > 0);
	return text;
}

static void forget_files(struct settings *s)
{
	uint32_t i;

	memset(s->file, 0, sizeof(s->file));
	for (i = 0; i < s->nworkspaces; i++)
		memset(s->workspaces[i].file, 0, sizeof(s->workspaces[i].file));
}

static void test_dump(void **state)
{
	static const char text[] =
		"[gate]\nauthorized_keys = \"/srv/key s;#/%u \"\naccept_env = A* "
		"B?\nalive_interval = 0\n"
		"[storage]\nstate = \"/srv/it's\"\n[pool]\nnics = eth1,eth2\n[network]\ndns = "
		"1.1.1.1,::1\ncontrol_cidr6 = fd00::/64\n"
		"[defaults]\nusers = op\nswap = unlimited\npids = unlimited\nnic = auto\n"
		"[workspace e]\ndata_ip = none\n[workspace f]\ndata_ip = auto\n"
		"[workspace a]\nnic = mac:02:00:00:00:00:01\ndata_ip = 10.0.0.1/8\ndata_ip6 = "
		"fd01::1/64\ncontrol_ip6 = fd00::1\n"
		"gpu = nvidia.com/gpu=0\ncpus = 0-7:1/2\n[workspace b]\nusers = x, y\nroot = "
		"no\nnesting = yes\ngpu = 0/gi1/ci0\n"
		"[workspace c]\ngpu = pci:0000:41:00.0/gi2/ci11\n"
		"[workspace d]\ngpu = GPU-01234567-89ab-cdef-0123-456789abcdef/gi1/ci0\n";
	auto_free char *first = NULL, *second = NULL;
	struct settings *s = loaded(text), *t;
	uint32_t i;

	first = dump(s);
	t = loaded(first);
	second = dump(t);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\"/srv/key s;#/%u \""));
	assert_non_null(strstr(first, "\"/srv/it's/images\""));
	forget_files(s);
	forget_files(t);
	assert_int_equal(s->nworkspaces, 6);
	assert_int_equal(s->nworkspaces, t->nworkspaces);
	for (i = 0; i < s->nworkspaces; i++)
		assert_memory_equal(&s->workspaces[i], &t->workspaces[i], sizeof(s->workspaces[i]));
	assert_memory_equal(s, t, offsetof(struct settings, workspaces));
	settings_free(s);
	settings_free(t);
}

static void test_dump_error(void **state)
{
	struct settings *s = loaded("");
	struct err e = { 0 };

	assert_int_equal(settings_dump(s, -1, &e), -EBADF);
	assert_non_null(strstr(e.text, "dump configuration '"));
	settings_free(s);
}

/* --- table and documents -------------------------------------------------------------------------------------------- */

static void test_table(void **state)
{
	unsigned int i, j;

	for (i = 0; i < schema_nrows; i++) {
		const struct schema_row *row = &schema_rows[i];
		bool spec = strcmp(row->section, "workspace") == 0;

		assert_true(row->help[strlen(row->help) - 1] == '.');
		assert_true(row->offset + row->size <=
			    (spec ? sizeof(struct spec) : sizeof(struct settings)));
		assert_ptr_equal(schema_find(row->section, row->key), row);
		for (j = 0; j < i; j++) {
			if (strcmp(schema_rows[j].section, row->section) == 0) {
				assert_string_not_equal(schema_rows[j].key, row->key);
				assert_true(schema_rows[j].offset != row->offset);
			}
		}
	}
}

/* Uncommenting every key of the sample changes nothing. */
static void test_sample_is_standard(void **state)
{
	auto_free char *text = calloc(1, 65536), *plain = NULL, *first = NULL, *second = NULL;
	FILE *f = fmemopen(text, 65536, "w");
	struct settings *s, *t;
	char *p;

	schema_write_sample(f);
	fclose(f);
	s = loaded(text);
	first = dump(s);
	for (p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (*p == ';')
			*p = ' ';
		else if (*p == '\0')
			break;
	}
	t = loaded(text);
	second = dump(t);
	assert_string_equal(first, second);
	settings_free(s);
	settings_free(t);
}

static void compare_file(const char *path, void (*write)(FILE *f), const char *begin,
			 const char *end)
{
	auto_free char *want = calloc(1, 65536), *have = calloc(1, 131072);
	FILE *f = fmemopen(want, 65536, "w");
	char *at, *stop;
	size_t n;

	write(f);
	fclose(f);
	assert_int_equal(path_read(AT_FDCWD, path, have, 131072, &n, NULL), 0);
	at = strstr(have, begin);
	stop = at ? strstr(at, end) : NULL;
	assert_non_null(stop);
	if (*end)
		*stop = '\0';
	if (strcmp(at + strlen(begin), want) != 0)
		fail_msg("%s is not what the key table says (sshbay dump --sample, --man)", path);
}

static void test_checked_in_sample(void **state)
{
	compare_file("conf/sshbay.ini", schema_write_sample, "", "");
}

static void test_checked_in_manual(void **state)
{
	compare_file("conf/sshbay.ini.5", schema_write_man, ".\\\" begin generated\n",
		     ".\\\" end generated\n");
}

/* Loaded, so that the file may come later, and yet told. */
static void test_suspicious(void **state)
{
	char text[512];
	struct settings *s = loaded("[auth]\ntrusted_user_ca_keys = /nonexistent/cas\n");

	assert_true(settings_suspicious(s, text, sizeof(text)));
	assert_non_null(strstr(text, "trusted_user_ca_keys: '/nonexistent/cas' does not exist"));
	settings_free(s);
	s = loaded("");
	assert_false(settings_suspicious(s, text, sizeof(text)));
	settings_free(s);
}

static void test_suggestions(void **state)
{
	char buf[96];

	assert_string_equal(schema_suggest_key("gate", "lisen", buf, sizeof(buf)),
			    " (did you mean 'listen'?)");
	assert_string_equal(schema_suggest_key("defaults", "memroy", buf, sizeof(buf)),
			    " (did you mean 'memory'?)");
	assert_string_equal(schema_suggest_key("gate", "memory", buf, sizeof(buf)),
			    " (it belongs into [defaults])");
	assert_string_equal(schema_suggest_key("gate", "completely-different", buf, sizeof(buf)),
			    "");
	assert_string_equal(schema_suggest_section("netwrok", buf, sizeof(buf)),
			    " (did you mean 'network'?)");
	assert_string_equal(schema_suggest_section("zzz", buf, sizeof(buf)), "");
	assert_true(schema_is_section("defaults"));
	assert_true(schema_is_section("workspace x"));
	assert_false(schema_is_section("workspace"));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		T(test_corpus),
		T(test_standard),
		T(test_values),
		T(test_workspaces),
		T(test_nic_words),
		T(test_no_directory),
		T(test_bad_workspace_files),
		T(test_untrusted_workspace_file),
		T(test_missing_file),
		T(test_banner),
		T(test_dump),
		T(test_dump_error),
		T(test_table),
		T(test_sample_is_standard),
		T(test_checked_in_sample),
		T(test_checked_in_manual),
		T(test_suspicious),
		T(test_suggestions),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
