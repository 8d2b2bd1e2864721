/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay image`: what workspaces are made from.  Runs in sshbay, as root, and needs no provisiond (image.h); building
 * and importing is scripts/mkrootfs' work.
 */
#include "image.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/num.h"
#include "base/str.h"
#include "cli.h"
#include "grid.h"

#define WORDS_MAX 16

/* --- list --- */

static void add_json(struct json_object *array, const struct image *i)
{
	struct json_object *o = json_object_new_object(), *created = NULL;
	char text[40];

	if (i->created)
		created = json_object_new_string(clk_text(i->created, text, sizeof(text)));
	json_object_object_add(o, "name", json_object_new_string(i->name));
	json_object_object_add(o, "version", json_object_new_string(i->version));
	json_object_object_add(o, "current", json_object_new_boolean(i->current));
	json_object_object_add(o, "origin", json_object_new_string(i->origin));
	json_object_object_add(o, "bytes", json_object_new_int64((int64_t)i->bytes));
	json_object_object_add(o, "created", created);
	json_object_object_add(o, "users", json_object_new_int64(i->users));
	json_object_array_add(array, o);
}

static void add_row(struct grid *g, const struct image *i)
{
	char size[32] = "", created[40] = "", users[STR_NAME_MAX + 32] = "";
	const char *cells[] = { i->name,   i->version, i->current ? "yes" : "no", size, created,
				i->origin, users };

	if (i->bytes)
		(void)str_format(size, sizeof(size), "%" PRIu64 "M", (i->bytes + 524288) / 1048576);
	if (i->created)
		clk_text(i->created, created, sizeof(created));
	if (i->users == 1)
		(void)str_copy(users, sizeof(users), i->user);
	else if (i->users > 1)
		(void)str_format(users, sizeof(users), "%s and %u more", i->user, i->users - 1);
	grid_add(g, cells);
}

static int list(struct cli *c, const struct settings *s, int argc, char **argv)
{
	static const char *const heads[] = { "NAME",    "VERSION", "CURRENT", "SIZE",
					     "CREATED", "ORIGIN",  "USED BY", NULL };
	struct json_object *array = NULL;
	struct grid grid = { .heads = heads };
	struct image *images = NULL;
	struct err e = { 0 };
	int n;

	if (argc > 2)
		return cli_usage(argv[0], "list takes no operand");
	n = image_list(s, &images, &e);
	if (n < 0)
		return cli_fail(e.text);
	if (c->json)
		array = json_object_new_array();
	for (int i = 0; i < n; i++)
		if (array)
			add_json(array, &images[i]);
		else
			add_row(&grid, &images[i]);
	free(images);
	if (!array) {
		grid_print(&grid, stdout);
		return CLI_OK;
	}
	puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
	return CLI_OK;
}

/* --- build, import --- */

/* Of this source tree when the program is one of its build, else as installed. */
static const char *maker_path(char buf[PATH_MAX])
{
	static const char in_tree[] = "/../../scripts/mkrootfs";
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - sizeof(in_tree));

	if (n > 0) {
		buf[n] = '\0';
		*strrchr(buf, '/') = '\0';
		strcat(buf, in_tree);
		if (access(buf, X_OK) == 0)
			return buf;
	}
	return SSHBAY_LIBEXEC "/mkrootfs";
}

/* Become mkrootfs. Returns only when that fails. */
static int become_maker(const struct settings *s, const char *const *more)
{
	const char *words[WORDS_MAX] = { "mkrootfs", "-o", s->storage.images };
	char path[PATH_MAX], text[PATH_MAX + 64];
	unsigned int n = 3;
	const char *maker = maker_path(path);

	while (*more && n < WORDS_MAX - 1)
		words[n++] = *more++;
	fflush(stdout);
	(void)!execv(maker, (char *const *)(uintptr_t)words);
	(void)str_format(text, sizeof(text), "run '%s': %s", maker, strerror(errno));
	return cli_fail(text);
}

static int build(const struct settings *s, int argc, char **argv)
{
	const char *suite = NULL, *mirror = NULL, *packages = NULL, *name = "bookworm";
	bool force = false;
	const struct cli_option options[] = { { "--suite", NULL, &suite },
					      { "--mirror", NULL, &mirror },
					      { "--packages", NULL, &packages },
					      { "--force", &force, NULL },
					      { NULL, NULL, NULL } };
	const char *more[WORDS_MAX] = { NULL };
	unsigned int n = 0;
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc > 3)
		return cli_usage(argv[0], "build takes one name at most");
	if (argc == 3)
		name = argv[2];
	if (!image_is_name(name))
		return cli_usage(argv[0], "'%s' is not an image's name (a-z, 0-9, ., _ and -)",
				 name);
	/* A suite is named by the image, unless it is said. */
	const char *const pairs[][2] = { { "-n", name },
					 { "-s", suite       ? suite
						 : argc == 3 ? name
							     : NULL },
					 { "-m", mirror },
					 { "-i", packages } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i][1]) {
			more[n++] = pairs[i][0];
			more[n++] = pairs[i][1];
		}
	if (force)
		more[n++] = "-f";
	return become_maker(s, more);
}

static int import(const struct settings *s, int argc, char **argv)
{
	const char *more[] = { "-n", NULL, "-t", NULL, NULL };

	if (argc != 4)
		return cli_usage(argv[0], "import needs a name and a tar file, a directory or -");
	if (!image_is_name(argv[2]))
		return cli_usage(argv[0], "'%s' is not an image's name (a-z, 0-9, ., _ and -)",
				 argv[2]);
	more[1] = argv[2];
	more[3] = argv[3];
	return become_maker(s, more);
}

/* --- remove, prune --- */

static int remove_one(const struct settings *s, const char *version)
{
	struct err e = { 0 };

	if (image_remove(s, version, &e) < 0)
		return cli_fail(e.text);
	printf("image '%s' is removed\n", version);
	return CLI_OK;
}

/* A version, or all versions of an image. */
static int remove_named(const struct settings *s, const char *name)
{
	struct image *images = NULL;
	struct err e = { 0 };
	int n = image_list(s, &images, &e), found = 0, status = CLI_OK;
	char text[IMAGE_NAME_MAX * 2 + 64];

	if (n < 0)
		return cli_fail(e.text);
	/* Nothing goes when one of them must stay. */
	for (int i = 0; i < n; i++)
		if (strcmp(images[i].name, name) == 0 && images[i].users > 0 && !found) {
			found = 1;
			status = remove_one(s, images[i].version);
		}
	for (int i = 0; i < n && status == CLI_OK; i++)
		if (strcmp(images[i].name, name) == 0 || strcmp(images[i].version, name) == 0) {
			found = 1;
			status = remove_one(s, images[i].version);
		}
	free(images);
	if (found)
		return status;
	(void)str_format(text, sizeof(text),
			 "remove image '%.64s': no such image (sshbay image list)", name);
	return cli_fail(text);
}

static int prune(const struct settings *s, int argc, char **argv)
{
	struct image *images = NULL;
	struct err e = { 0 };
	int n, status = CLI_OK;

	if (argc > 2)
		return cli_usage(argv[0], "prune takes no operand");
	n = image_list(s, &images, &e);
	if (n < 0)
		return cli_fail(e.text);
	for (int i = 0; i < n; i++)
		if (!images[i].current && images[i].users == 0 &&
		    remove_one(s, images[i].version) != CLI_OK)
			status = CLI_FAILED;
	free(images);
	return status;
}

static int dispatch(struct cli *c, const struct settings *s, int argc, char **argv)
{
	int status = CLI_OK;

	if (strcmp(argv[1], "list") == 0)
		return list(c, s, argc, argv);
	if (strcmp(argv[1], "build") == 0)
		return build(s, argc, argv);
	if (strcmp(argv[1], "import") == 0)
		return import(s, argc, argv);
	if (strcmp(argv[1], "prune") == 0)
		return prune(s, argc, argv);
	if (strcmp(argv[1], "remove") != 0)
		return cli_usage(argv[0], "unknown verb '%s'", argv[1]);
	if (argc < 3)
		return cli_usage(argv[0], "remove needs an image, or a version of one");
	for (int i = 2; i < argc; i++)
		if (remove_named(s, argv[i]) != CLI_OK)
			status = CLI_FAILED;
	return status;
}

int cli_image(struct cli *c, int argc, char **argv)
{
	struct settings *s = NULL;
	int status;

	if (argc < 2)
		return cli_usage(argv[0], "list, build, import, remove or prune?");
	status = cli_settings(c, &s);
	if (status == CLI_OK)
		status = dispatch(c, s, argc, argv);
	settings_free(s);
	return status;
}
