/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings of `sshbay doctor` and `sshbay pair`, for people as they come and for programs as one object.  Runs in sshbay.
 */
#include "finding.h"

#include <json-c/json.h>
#include <stdio.h>

#include "cli.h"

static const char *const words[] = { "OK", "WARN", "FAIL" };

struct findings findings_new(bool json)
{
	return (struct findings){ .list = json ? json_object_new_array() : NULL };
}

static void keep(struct findings *fs, const struct finding *f, const char *fact)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "status", json_object_new_string(words[f->level]));
	json_object_object_add(o, "subject", json_object_new_string(f->subject));
	json_object_object_add(o, "fact", json_object_new_string(fact));
	json_object_object_add(o, "remedy", f->remedy ? json_object_new_string(f->remedy) : NULL);
	json_object_array_add(fs->list, o);
}

void findings_say(struct findings *fs, const struct finding *f, const char *fmt, va_list ap)
{
	char fact[512];

	(void)vsnprintf(fact, sizeof(fact), fmt, ap);
	fs->warnings += f->level == FINDING_WARN;
	fs->failures += f->level == FINDING_FAIL;
	if (fs->list) {
		keep(fs, f, fact);
		return;
	}
	printf("%-4s  %s: ", words[f->level], f->subject);
	cli_print(stdout, fact);
	if (f->remedy) {
		fputs(" (", stdout);
		cli_print(stdout, f->remedy);
		fputs(")", stdout);
	}
	putchar('\n');
}

void findings_add(struct findings *fs, const struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	findings_say(fs, f, fmt, ap);
	va_end(ap);
}

int findings_end(struct findings *fs)
{
	struct json_object *o;

	if (!fs->list) {
		printf("%u failure%s, %u warning%s\n", fs->failures, fs->failures == 1 ? "" : "s",
		       fs->warnings, fs->warnings == 1 ? "" : "s");
		return fs->failures ? CLI_FAILED : CLI_OK;
	}
	o = json_object_new_object();
	json_object_object_add(o, "ok", json_object_new_boolean(fs->failures == 0));
	json_object_object_add(o, "warnings", json_object_new_int((int)fs->warnings));
	json_object_object_add(o, "failures", json_object_new_int((int)fs->failures));
	json_object_object_add(o, "findings", fs->list);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	fs->list = NULL;
	return fs->failures ? CLI_FAILED : CLI_OK;
}
