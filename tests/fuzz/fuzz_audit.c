/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: lines of the audit log.  Whatever a peer puts into a field, the line is one line of at most 4 KiB, one JSON
 * object, and holds no byte that a terminal would act on.  Input: texts separated by NUL, one per field.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../provision/audit.h"

#define FIELDS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static const char *const keys[FIELDS] = { "user",   "src", "reason", "ws",
					  "method", "fp",  "what",   "result" };
static unsigned int lines;

static void check_line(void *ctx, const char *line)
{
	const char *event;
	struct json_object *o, *v;
	size_t len = strlen(line);

	lines++;
	if (len < 2 || len > 4096)
		abort();
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] >= 0x7f ||
		    ((unsigned char)line[i] < 0x20 && !(line[i] == '\n' && i == len - 1)))
			abort();
	o = json_tokener_parse(line);
	if (!o || !json_object_is_type(o, json_type_object))
		abort();
	if (!json_object_object_get_ex(o, "ev", &v))
		abort();
	event = json_object_get_string(v);
	if (strcmp(event, "auth.fail") != 0)
		abort();
	json_object_put(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_field f[FIELDS];
	char *text = calloc(1, size + FIELDS + 1), *p = text;
	unsigned int before = lines;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	for (size_t i = 0; i < FIELDS; i++) {
		f[i] = (struct audit_field)AUDIT_TEXT(keys[i], p);
		p += strlen(p) + 1;
		if (p > text + size)
			p = text + size;
	}
	audit_subscribe(check_line, NULL);
	audit_write("auth.fail", f, FIELDS);
	if (lines != before + 1)
		abort();
	free(text);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char plain[] = "alice\0127.0.0.1\0no such key\0alice\0publickey";
	static const char forged[] =
		"a\"},{\"ev\":\"auth.ok\"}\n\0\033[2J\0\xe2\x80\xae\xff\\u0000";
	char longest[5000];

	memset(longest, '"', sizeof(longest));
	emit("plain", plain, sizeof(plain));
	emit("forged", forged, sizeof(forged));
	emit("long", longest, sizeof(longest));
}
