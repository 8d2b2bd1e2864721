/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of values that rows of schema.h use. */
#pragma once
#include "schema.h"

/* schema_type.c: numbers, names, paths; schema_word.c: words */
extern const struct schema_type schema_type_number;   /* uint32_t */
extern const struct schema_type schema_type_number64; /* uint64_t */
extern const struct schema_type schema_type_port;     /* uint32_t */
extern const struct schema_type schema_type_pids;     /* uint32_t, 0 = unlimited */
extern const struct schema_type schema_type_size;     /* uint64_t bytes, or unlimited */
extern const struct schema_type
	schema_type_megabytes;                        /* uint32_t MiB, written as a size; 0 = off */
extern const struct schema_type schema_type_seconds;  /* uint32_t */
extern const struct schema_type schema_type_bool;     /* bool: yes, no */
extern const struct schema_type schema_type_create;   /* bool: first-login, configured */
extern const struct schema_type schema_type_path;     /* char[]: absolute */
extern const struct schema_type schema_type_paths;    /* char[]: absolute, separated by ':' */
extern const struct schema_type schema_type_user;     /* char[]: user name or number */
extern const struct schema_type schema_type_image;    /* char[] */
extern const struct schema_type schema_type_cgroup;   /* char[]: relative group path */
extern const struct schema_type schema_type_startups; /* uint32_t[3] begin:rate:full */
extern const struct schema_type schema_type_prefixes; /* uint32_t[2] v4:v6 */
extern const struct schema_type schema_type_words;    /* char[]: comma list out of row->words */
extern const struct schema_type schema_type_choice; /* uint32_t: index of the word in row->words */
extern const struct schema_type
	schema_type_methods; /* char[]: comma lists of row->words, separated by blanks */
extern const struct schema_type schema_type_hash; /* char[]: as crypt(5) describes */
extern const struct schema_type
	schema_type_patterns; /* char[]: names with '*' and '?', separated by blanks */

/* schema_net.c: addresses, devices, cpus */
extern const struct schema_type schema_type_listen;               /* struct ipport[] and count */
extern const struct schema_type schema_type_ip4, schema_type_ip6; /* struct ip */
extern const struct schema_type schema_type_dns;                  /* struct ip[] and count */
extern const struct schema_type schema_type_pool4,
	schema_type_pool6; /* struct ipnet without host bits */
extern const struct schema_type schema_type_data4,
	schema_type_addr6;                          /* struct ipnet, address/length */
extern const struct schema_type schema_type_nets;   /* struct ipnet[] and count, either family */
extern const struct schema_type schema_type_ifname; /* char[] */
extern const struct schema_type schema_type_users;  /* char[][STR_NAME_MAX] and count */
extern const struct schema_type schema_type_nic, schema_type_nics;      /* char[] */
extern const struct schema_type schema_type_gpu, schema_type_gpus;      /* char[] */
extern const struct schema_type schema_type_rdma, schema_type_features; /* char[] */
extern const struct schema_type schema_type_mac;                        /* uint8_t[6] */
extern const struct schema_type schema_type_policy, schema_type_admin;  /* bool: second word */
extern const struct schema_type schema_type_routes; /* struct spec_route[] and count */
extern const struct schema_type schema_type_cpus;   /* char[] */

/*
 * Call `one` for each entry of a list separated by commas, blanks around it removed; empty entries are refused.
 * Number of entries, or -errno.
 */
int schema_type_each(const char *text,
		     int (*one)(void *ctx, const char *entry, unsigned int n, struct err *e),
		     void *ctx, struct err *e);

/* A char[] value: copied when it fits into row->size, printed as it is. */
int schema_type_store(const struct schema_row *row, const char *text, void *base, struct err *e);
void schema_type_print_text(const struct schema_row *row, const void *base, char *buf, size_t size);
