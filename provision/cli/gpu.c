/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay gpu`: what GPUs this host has, who has them, and getting one out of quarantine.  Runs in sshbay, as root: it
 * looks at the host itself and asks provisiond for the leases alone.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli.h"
#include "gpu.h"
#include "grid.h"
#include "numa.h"
#include "quarantine.h"
#include "settings.h"

#define LEASES_MAX 1024

struct lease {
	char id[64], owner[STR_NAME_MAX];
};
struct view {
	const struct settings *s;
	struct gpu_list list;
	struct lease leases[LEASES_MAX];
	unsigned int nleases;
	struct grid grid;
	struct json_object *json; /* or NULL */
	const char *id;           /* of the row being made */
	struct quarantine found;
};

static void on_lease(void *ctx, const void *row)
{
	const struct admin_lease *l = row;
	struct view *v = ctx;

	if (strcmp(l->kind, "gpu") != 0 || !l->owner[0] || v->nleases == LEASES_MAX)
		return;
	(void)str_copy(v->leases[v->nleases].id, sizeof(v->leases[0].id), l->object);
	(void)str_copy(v->leases[v->nleases].owner, sizeof(v->leases[0].owner), l->owner);
	v->nleases++;
}

static void on_quarantine(void *ctx, const struct quarantine *q)
{
	struct view *v = ctx;

	if (gpu_clash(q->id, v->id))
		v->found = *q;
}

static const char *owner_of(const struct view *v, const char *id)
{
	for (unsigned int i = 0; i < v->nleases; i++)
		if (gpu_clash(v->leases[i].id, id))
			return v->leases[i].owner;
	return "";
}

static void add_row(struct view *v, const struct gpu *g)
{
	const char *owner = owner_of(v, g->id);
	char index[16], state[300];
	struct numa near;
	char node[24] = "";

	v->id = g->id;
	v->found.id[0] = '\0';
	(void)quarantine_each(v->s->storage.state, "gpu", on_quarantine, v, NULL);
	(void)str_format(index, sizeof(index), "%d", g->index);
	(void)str_copy(state, sizeof(state),
		       v->found.id[0]   ? v->found.reason
		       : owner[0]       ? "leased"
		       : g->partitioned ? "partitioned"
					: "free");
	if (g->pci[0] && numa_local(v->s->hardware.sysfs, g->pci, &near, NULL) == 0 &&
	    near.node >= 0)
		(void)str_format(node, sizeof(node), "%d", near.node);
	if (v->json) {
		const char *const keys[] = {
			"index", "id", "pci", "model", "node", "owner", "state"
		};
		const char *const values[] = { index, g->id, g->pci, g->model, node, owner, state };
		struct json_object *o = json_object_new_object();

		for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			json_object_object_add(o, keys[i],
					       values[i][0] ? json_object_new_string(values[i])
							    : NULL);
		json_object_array_add(v->json, o);
		return;
	}
	grid_add(&v->grid, (const char *const[]){ g->instance ? "" : index, g->id, g->pci, g->model,
						  node, owner, state, NULL });
}

static int list(struct cli *c, struct view *v)
{
	static const char *const heads[] = { "INDEX", "ID",    "PCI",   "MODEL",
					     "NODE",  "OWNER", "STATE", NULL };
	struct admin_name req = { .tag = 1 };
	struct err e;
	int r = gpu_scan(v->s, &v->list, &e);

	if (r < 0)
		return cli_fail(e.text);
	r = cli_ask(c, ADMIN_LEASES, &req, on_lease, v);
	if (r)
		return r;
	v->grid.heads = heads;
	v->json = c->json ? json_object_new_array() : NULL;
	for (unsigned int i = 0; i < v->list.n; i++)
		add_row(v, &v->list.g[i]);
	if (v->json)
		printf("%s\n", json_object_to_json_string_ext(v->json, JSON_C_TO_STRING_PLAIN));
	else
		grid_print(&v->grid, stdout);
	json_object_put(v->json);
	return CLI_OK;
}

static int recover(struct cli *c, const char *word)
{
	struct admin_gpu req = { .tag = 1 };

	if (str_copy(req.name, sizeof(req.name), word) < 0 || !req.name[0])
		return cli_usage("gpu", "recover needs one GPU, by index, UUID or PCI address");
	return cli_ask(c, ADMIN_GPU_RECOVER, &req, NULL, NULL);
}

int cli_gpu(struct cli *c, int argc, char **argv)
{
	static const struct cli_option none[] = { { NULL, NULL, NULL } };
	auto_free struct view *v = calloc(1, sizeof(*v));
	struct settings_report report;
	struct settings *s = NULL;
	int r = cli_options(&argc, argv, none, NULL);
	bool listing = argc == 2 && !strcmp(argv[1], "list");

	if (r)
		return r;
	if (argc < 2)
		return cli_usage(argv[0], "list or recover?");
	if (!listing && strcmp(argv[1], "list") == 0)
		return cli_usage(argv[0], "list takes no operand");
	if (!listing && strcmp(argv[1], "recover") != 0)
		return cli_usage(argv[0], "unknown verb '%s'", argv[1]);
	if (!listing && argc != 3)
		return cli_usage(argv[0], "recover needs one GPU");
	if (!listing)
		return recover(c, argv[2]);
	if (!v)
		return cli_fail("look at GPUs: out of memory");
	r = settings_load(c->config, &s, &report);
	if (r < 0)
		cli_print(stderr, report.text);
	settings_report_free(&report);
	if (r < 0)
		return CLI_CONFIG;
	v->s = s;
	r = list(c, v);
	settings_free(s);
	return r;
}
