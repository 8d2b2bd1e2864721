/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The minute's look at what the records say.  It only looks (ioctl, sysfs) and queues jobs: workers do the rest.
 */
#include "reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "allocate_nic.h"
#include "base/clk.h"
#include "base/log.h"
#include "jobs.h"
#include "nic_find.h"
#include "nic_identify.h"

#define EVERY_US 60000000ULL
#define SLACK_US 1000000ULL
#define SEEN_MAX 256

struct sight {
	unsigned int n;
	struct nic_seen seen[SEEN_MAX];
};

static void add_seen(void *ctx, const struct nic_seen *seen)
{
	struct sight *s = ctx;

	if (s->n < SEEN_MAX)
		s->seen[s->n++] = *seen;
}

/* Is the interface that this record holds on the host, where it should not be? */
static bool on_host(const struct sight *s, const struct record *rec)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (strcmp(s->seen[i].id, rec->nic.id) == 0 &&
		    (strncmp(rec->nic.id, "name:", 5) != 0 ||
		     memcmp(s->seen[i].mac, rec->nic.mac, 6) == 0))
			return true;
	return false;
}

static bool is_macvlan(const struct record *rec)
{
	return strncmp(rec->nic.id, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
}

/* Told once; the record's note, of which there is one, is left to whoever wrote there first. */
static void tell_unplugged(struct workspace *ws)
{
	char note[sizeof(ws->rec.note)] = "";
	struct err e = { 0 };

	(void)str_format(note, sizeof(note), "its NIC %.120s has been unplugged", ws->rec.nic.id);
	if (strcmp(note, ws->rec.note) == 0)
		return;
	if (strcmp(note, ws->nic_said) != 0)
		log_warn("workspace '%s': %s", ws->name, note);
	(void)str_copy(ws->nic_said, sizeof(ws->nic_said), note);
	if (ws->rec.note[0] && strncmp(ws->rec.note, "its NIC ", 8) != 0)
		return;
	memcpy(ws->rec.note, note, sizeof(note));
	if (record_save(ws->registry->recordsfd, &ws->rec, &e))
		log_warn("%s", e.text);
}

/* Does a running workspace want its NIC moved in? */
static bool wants_attach(struct registry *r, struct workspace *ws, const struct sight *s)
{
	const struct record *rec = &ws->rec;
	const char *pci = rec->nic.id + 4;
	struct record copy = *rec;
	struct spec spec;

	if (strcmp(rec->step, "nic") == 0)
		return true;
	settings_spec(r->settings, ws->name, &spec);
	if (rec->vfio[0] && !nic_find_pci_exists(r->settings->hardware.sysfs, rec->vfio))
		tell_unplugged(ws);
	/* A node of a device is given at a start only. */
	if (rec->vfio[0] || spec.dpdk)
		return false;
	if (!rec->nic.id[0]) {
		if (!spec.nic_optional || !spec.nic[0] || strcmp(spec.nic, "none") == 0)
			return false;
		spec.nic_optional = false;
		return allocate_nic(r, ws, &spec, &copy, NULL) == 0;
	}
	if (is_macvlan(rec))
		return false;
	if (on_host(s, rec))
		return true;
	if (strncmp(rec->nic.id, "pci:", 4) == 0 && !strchr(pci, '/') &&
	    !nic_find_pci_exists(r->settings->hardware.sysfs, pci))
		tell_unplugged(ws);
	return false;
}

void reconcile_now(struct registry *r)
{
	const struct job_request attach = { .kind = JOB_ATTACH };
	struct sight *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	if (!s || nic_find_each(r->settings->hardware.sysfs, add_seen, s, &e)) {
		log_warn("compare leases with the host: %s", s ? e.text : "out of memory");
		free(s);
		return;
	}
	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		if (!ws->has_record || ws->rec.state != RECORD_RUNNING)
			ws->nic_said[0] = '\0';
		if (ws->has_record && !ws->damaged && !ws->busy && !ws->jobs && !ws->dead &&
		    ws->rec.state == RECORD_RUNNING && wants_attach(r, ws, s)) {
			log_note("workspace '%s': its NIC is on the host and moves in", ws->name);
			job_queue(ws, &attach, NULL);
		}
	}
	free(s);
}

static int on_time(sd_event_source *s, uint64_t usec, void *ctx)
{
	(void)usec;
	reconcile_now(ctx);
	(void)sd_event_source_set_time(s, clk_now_us() + EVERY_US);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int reconcile_start(struct registry *r, struct err *e)
{
	int ret = sd_event_add_time(r->loop, &r->reconcile, CLOCK_MONOTONIC, clk_now_us(), SLACK_US,
				    on_time, r);

	return ret < 0 ? err_ret(e, ret, "plan comparing leases with the host") : 0;
}

void reconcile_stop(struct registry *r)
{
	r->reconcile = sd_event_source_disable_unref(r->reconcile);
}
