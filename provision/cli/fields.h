/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fields of a row from provisiond mean: one table per struct drives `show`, its explanations and all JSON.
 */
#pragma once
#include "proto/admin.h"
#include <json-c/json_object.h>
#include <stddef.h>

enum field_kind {
	FIELD_TEXT,    /* char[]; empty: null */
	FIELD_LIST,    /* char[], comma or space separated */
	FIELD_NUMBER,  /* uint32_t */
	FIELD_NUMBER0, /* uint32_t; 0: null */
	FIELD_NODE,    /* uint32_t, one more than the number; 0: null */
	FIELD_LONG,    /* uint64_t; 0: null */
	FIELD_SIZE,    /* uint64_t bytes; UINT64_MAX: unlimited, null */
	FIELD_USED,    /* uint64_t bytes; UINT64_MAX: null */
	FIELD_COUNT,   /* uint64_t; UINT64_MAX: null */
	FIELD_TIME,    /* uint64_t seconds since the epoch; 0: null */
	FIELD_BOOL,    /* uint32_t */
	FIELD_MAYBE,   /* uint32_t; 0: null, 1: false, 2: true */
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	const char *help;
};

/* NULL names end them. */
extern const struct field fields_workspace[], fields_session[], fields_channel[], fields_source[],
	fields_lease[], fields_nic[];

/* The value for people: "-" when there is none. Not escaped. Returns buf. */
const char *field_text(const struct field *f, const void *row, char *buf, size_t size);
/* The row as an object; the caller owns it. */
struct json_object *field_json(const struct field *fields, const void *row);
