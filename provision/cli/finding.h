/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a verification found: lines "OK    subject: fact", "WARN  subject: fact (remedy)", or one JSON object. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
	enum finding_level level;
	const char *subject, *remedy; /* remedy: NULL = none */
};
struct findings {
	struct json_object *list; /* with --json, else NULL */
	unsigned int warnings, failures;
};

struct findings findings_new(bool json);
/* One finding: printed at once, or kept for the JSON. The fact may hold anything; it is made safe for a terminal. */
void findings_say(struct findings *fs, const struct finding *f, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void findings_add(struct findings *fs, const struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Print the JSON object or the sum. CLI_FAILED if there is a failure, else CLI_OK. */
int findings_end(struct findings *fs);
