/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the audit log about one SSH connection: who, from where, by which method, and what became of it. */
#pragma once

struct audit_field;
struct gate_conn;

/* A connection is new: nothing was logged of it. */
void gate_audit_begin(struct gate_conn *c);
/* Audit line about this connection; reason NULL or "": none. */
void gate_audit_line(struct gate_conn *c, const char *event, const char *result,
		     const char *reason);
/* As above for what a session can cause at any rate: beyond 100 per second it is only counted. */
void gate_audit_limited(struct gate_conn *c, const char *event, const char *result,
			const char *reason);
/* As above, with fields of its own. */
struct gate_event {
	const char *name, *result, *reason;
	const struct audit_field *more;
	unsigned int nmore;
};
void gate_audit_event(struct gate_conn *c, const struct gate_event *ev);
