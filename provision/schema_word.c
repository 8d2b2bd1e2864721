/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of configuration values: words out of a set, patterns, chains of methods, password hashes.  Pure functions. */
#include "schema_type.h"

#include <crypt.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define U32(row, base)   ((uint32_t *)((char *)(base) + (row)->offset))
#define C_U32(row, base) ((const uint32_t *)((const char *)(base) + (row)->offset))
#define ALNUM            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int parse_choice(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char all[128] = "";
	uint32_t i;

	for (i = 0; row->words[i]; i++) {
		size_t used = strlen(all);

		if (strcmp(row->words[i], text) == 0) {
			*U32(row, base) = i;
			return 0;
		}
		(void)str_format(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
				 row->words[i]);
	}
	return err_set(e, EINVAL, "'%s' is none of: %s", text, all);
}

static void print_choice(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_copy(buf, size, row->words[*C_U32(row, base)]);
}

struct words {
	const struct schema_row *row;
	bool again; /* a word may come twice */
	char out[SCHEMA_VALUE_MAX];
};

static int word_once(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = strstr(list, word); p; p = strstr(p + 1, word)) {
		if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return 0;
	}
	return 1;
}

static int one_word(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct words *w = ctx;
	size_t used = strlen(w->out);
	unsigned int i;

	for (i = 0; w->row->words[i] && strcmp(w->row->words[i], entry) != 0; i++)
		;
	if (!w->row->words[i])
		return err_set(e, EINVAL, "'%s' is not known or not safe", entry);
	if (!w->again && !word_once(w->out, entry))
		return err_set(e, EINVAL, "'%s' is listed twice", entry);
	return str_format(w->out + used, sizeof(w->out) - used, "%s%s", n ? "," : "", entry);
}

static int parse_words(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	struct words w = { .row = row };
	int ret = schema_type_each(text, one_word, &w, e);

	return ret < 0 ? ret : schema_type_store(row, w.out, base, e);
}

static int parse_patterns(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "";
	size_t used = 0;

	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t n = strcspn(text, " \t");

		if (strspn(text, ALNUM "_*?") < n)
			return err_set(
				e, EINVAL,
				"'%.*s' is not the name of a variable (letters, digits, _ * ?)",
				(int)n, text);
		if (used + n + 2 > sizeof(out))
			return err_set(e, ENAMETOOLONG, "too long");
		if (used)
			out[used++] = ' ';
		memcpy(out + used, text, n);
		used += n;
		out[used] = '\0';
		text += n;
	}
	return schema_type_store(row, out, base, e);
}

/* Lists of words separated by blanks, each list once. */
static int parse_methods(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "", list[SCHEMA_VALUE_MAX];
	size_t used = 0;

	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t n = strcspn(text, " \t");
		struct words w = { .row = row, .again = true }; /* two keys */

		if (n >= sizeof(list))
			return err_set(e, ENAMETOOLONG, "too long");
		memcpy(list, text, n);
		list[n] = '\0';
		if (schema_type_each(list, one_word, &w, e) < 0)
			return -EINVAL;
		if (str_format(out + used, sizeof(out) - used, "%s%s", used ? " " : "", w.out) < 0)
			return err_set(e, ENAMETOOLONG, "too long");
		used = strlen(out);
		text += n;
	}
	return schema_type_store(row, out, base, e);
}

static int parse_hash(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (*text == '\0')
		return schema_type_store(row, text, base, e);
	/* The text is never repeated: it may be a password in the wrong place. */
	if (text[strspn(text, ALNUM "./$=,+-_")] || *text != '$')
		return err_set(e, EINVAL, "not a crypt(5) hash (mkpasswd makes one)");
	if (crypt_checksalt(text) != CRYPT_SALT_OK)
		return err_set(e, EINVAL,
			       "not a strong crypt(5) hash (mkpasswd -m yescrypt makes one)");
	return schema_type_store(row, text, base, e);
}

const struct schema_type schema_type_choice = { "one of several words", parse_choice,
						print_choice };
const struct schema_type schema_type_methods = { "lists of methods, separated by blanks",
						 parse_methods, schema_type_print_text };
const struct schema_type schema_type_hash = { "crypt(5) hash", parse_hash, schema_type_print_text };
const struct schema_type schema_type_words = { "list", parse_words, schema_type_print_text };
const struct schema_type schema_type_patterns = { "patterns separated by blanks", parse_patterns,
						  schema_type_print_text };
