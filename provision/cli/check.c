/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay check` and `sshbay dump`: what the configuration says, without a daemon.  Loads it exactly as provisiond does.
 */
#include "cli.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf.h"
#include "schema.h"
#include "settings.h"

/* Print a report to stderr, escaped line by line. */
static void print_report(const struct settings_report *report)
{
	const char *p = report->text ? report->text : "";

	while (*p) {
		size_t n = strcspn(p, "\n");
		char line[2048];

		(void)str_format(line, sizeof(line), "%.*s", (int)(n < 2047 ? n : 2047), p);
		cli_print(stderr, line);
		fputc('\n', stderr);
		p += n + (p[n] == '\n');
	}
	if (!report->text)
		fputs("sshbay: check configuration: out of memory\n", stderr);
}

static void print_warning(const char *text)
{
	fputs("warning: ", stderr);
	cli_print(stderr, text);
	fputc('\n', stderr);
}

static void print_json(const char *file, const struct settings *s,
		       const struct settings_report *report, const char *warning)
{
	struct json_object *o = json_object_new_object(), *problems = json_object_new_array(),
			   *warnings = json_object_new_array();
	const char *p = report->text ? report->text : "";

	for (; *p; p += strcspn(p, "\n"), p += *p == '\n')
		json_object_array_add(problems,
				      json_object_new_string_len(p, (int)strcspn(p, "\n")));
	json_object_object_add(o, "file", json_object_new_string(file));
	json_object_object_add(o, "ok", json_object_new_boolean(s != NULL));
	json_object_object_add(o, "workspaces", json_object_new_int(s ? (int)s->nworkspaces : 0));
	json_object_object_add(o, "problems", problems);
	if (*warning)
		json_object_array_add(warnings, json_object_new_string(warning));
	json_object_object_add(o, "warnings", warnings);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int load(struct cli *c, struct settings **s)
{
	struct settings_report report;
	int ret = settings_load(c->config, s, &report);

	if (ret < 0)
		print_report(&report);
	settings_report_free(&report);
	return ret < 0 ? CLI_CONFIG : CLI_OK;
}

int cli_check(struct cli *c, int argc, char **argv)
{
	struct settings_report report;
	struct settings *s;
	char warning[PATH_MAX + 128] = "";
	bool quiet = false;
	const struct cli_option options[] = { { "-q", &quiet, NULL }, { NULL, NULL, NULL } };
	int status = cli_options(&argc, argv, options, NULL);

	if (status)
		return status;
	if (argc > 1)
		return cli_usage(argv[0], "takes no operand (sshbay -c FILE check)");
	(void)settings_load(c->config, &s, &report);
	if (s)
		(void)settings_suspicious(s, warning, sizeof(warning));
	if (*warning && !c->json)
		print_warning(warning);
	if (c->json)
		print_json(c->config, s, &report, warning);
	else if (!s)
		print_report(&report);
	else if (!quiet)
		printf("ok: %s, %u workspace%s configured\n", c->config, s->nworkspaces,
		       s->nworkspaces == 1 ? "" : "s");
	status = s ? CLI_OK : CLI_CONFIG;
	settings_report_free(&report);
	settings_free(s);
	return status;
}

static void no_problem(void *ctx, unsigned int line, const char *section, const char *key,
		       const char *reason)
{
	(void)ctx, (void)line, (void)section, (void)key, (void)reason;
}

/* An object per section, in it each key's value as it is written in the file. */
static int dump_json(const struct settings *s, struct err *e)
{
	struct json_object *o = json_object_new_object();
	auto_fd int fd = memfd_create("dump", MFD_CLOEXEC);
	auto_free char *text = NULL;
	struct conf *conf = NULL;
	struct stat st;
	int ret = fd < 0 ? err_sys(e, "dump configuration '%s'", s->file) : settings_dump(s, fd, e);

	if (ret == 0 && (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		ret = err_sys(e, "dump configuration '%s'", s->file);
	text = ret ? NULL : malloc((size_t)st.st_size + 1);
	if (ret == 0 && (!text || fd_read_all(fd, text, (size_t)st.st_size) < 0 ||
			 conf_parse(text, (size_t)st.st_size, &conf, no_problem, NULL) < 0))
		ret = err_set(e, EIO, "dump configuration '%s': it cannot be read again", s->file);
	for (unsigned int i = 0; ret == 0 && i < conf->nsections; i++)
		json_object_object_add(o, conf->sections[i].name, json_object_new_object());
	for (unsigned int i = 0; ret == 0 && i < conf->nentries; i++)
		json_object_object_add(json_object_object_get(o, conf->entries[i].section),
				       conf->entries[i].key,
				       json_object_new_string(conf->entries[i].value));
	if (ret == 0)
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	conf_free(conf);
	return ret;
}

int cli_dump(struct cli *c, int argc, char **argv)
{
	bool sample = false, man = false;
	const struct cli_option options[] = { { "--sample", &sample, NULL },
					      { "--man", &man, NULL },
					      { NULL, NULL, NULL } };
	int status = cli_options(&argc, argv, options, NULL);
	struct settings *s;
	struct err e;

	if (status)
		return status;
	if (c->json && (sample || man))
		return cli_usage(argv[0], "--json is for what is in effect");
	if (argc > 1 || (sample && man))
		return cli_usage(argv[0],
				 argc > 1 ? "takes no operand" : "--sample or --man, not both");
	if (sample || man) {
		(sample ? schema_write_sample : schema_write_man)(stdout);
		return CLI_OK;
	}
	status = load(c, &s);
	if (status)
		return status;
	if ((c->json ? dump_json(s, &e) : settings_dump(s, STDOUT_FILENO, &e)) < 0)
		status = cli_fail(e.text);
	settings_free(s);
	return status;
}
