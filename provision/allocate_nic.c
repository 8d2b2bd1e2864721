// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Leases of NICs.  A leased one is in its workspace's namespace, where the host cannot look it up by name any more, so
 * what the configuration asks for is compared with the records first, and looked for on the host after that.
 */
#include "allocate_nic.h"

#include <string.h>
#include <strings.h>

#include "base/clk.h"
#include "base/log.h"
#include "nic_identify.h"
#include "nic_note.h"
#include "quarantine.h"

static bool holds(const struct workspace *ws)
{
	return (ws->has_record || ws->damaged) && (ws->rec.nic.id[0] || ws->rec.nic.name[0]);
}

static bool clash(const struct record *rec, const char *id)
{
	/* A record of an older version has no id. */
	if (!rec->nic.id[0])
		return strncmp(id, "name:", 5) == 0 && strcmp(id + 5, rec->nic.name) == 0;
	return nic_identify_clash(rec->nic.id, id);
}

const struct workspace *allocate_nic_holder(const struct registry *r, const struct workspace *ws,
					    const char *id)
{
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i] != ws && holds(r->list[i]) && clash(&r->list[i]->rec, id))
			return r->list[i];
	return NULL;
}

static bool is_mac(const uint8_t mac[6], const char *text)
{
	char own[24];

	(void)str_format(own, sizeof(own), "mac:%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
	return strcasecmp(own, text) == 0;
}

/* Is `what` a word for the device that this workspace holds? Its other names are in the note of its move. */
static bool is_called(const struct workspace *ws, const char *what)
{
	const struct record *rec = &ws->rec;
	struct nic_note note;
	char dir[PATH_MAX];

	if (strcasecmp(rec->nic.id, what) == 0 || strcmp(rec->nic.name, what) == 0 ||
	    is_mac(rec->nic.mac, what))
		return true;
	if (str_format(dir, sizeof(dir), "%s/ws/%s", ws->registry->settings->storage.run,
		       ws->name) ||
	    nic_note_load(dir, &note, NULL))
		return false;
	for (unsigned int i = 0; i < note.naltnames; i++)
		if (strcmp(note.altname[i], what) == 0)
			return true;
	return is_mac(note.perm_mac, what);
}

static int refuse(const struct workspace *ws, const char *what, const struct workspace *holder,
		  struct err *e)
{
	char since[32];

	return err_set(
		e, EBUSY, "move '%s' into workspace '%s': leased by '%s' since %s (sshbay leases)",
		what, ws->name, holder->name, clk_text(holder->leased, since, sizeof(since)));
}

/* Whoever has a physical function rules its virtual ones: both are not leased at a time. */
static int check_functions(const struct workspace *ws, const char *what, const struct record *want,
			   struct err *e)
{
	const struct registry *r = ws->registry;
	const char *sysfs = r->settings->hardware.sysfs, *id = want->nic.id;
	char pf[NIC_FIND_ID] = "pci:";
	unsigned int n = nic_find_vfs(sysfs, id);
	uint32_t vf;

	if (n)
		return err_set(e, EBUSY,
			       "move '%s' into workspace '%s': it has %u virtual functions (lease "
			       "those: %s/vf0, ..; or remove them: sriov_numvfs)",
			       what, ws->name, n, id);
	if (strncmp(id, "pci:", 4) != 0 || !nic_find_pf(sysfs, id + 4, pf + 4, &vf))
		return 0;
	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *other = r->list[i];

		if (other != ws && holds(other) &&
		    strncmp(other->rec.nic.id, pf, strlen(pf)) == 0 &&
		    strchr("/", other->rec.nic.id[strlen(pf)]))
			return err_set(e, EBUSY,
				       "move '%s' into workspace '%s': its physical function '%s' "
				       "is leased by '%s' (sshbay leases)",
				       what, ws->name, pf, other->name);
	}
	return 0;
}

/* What is configured for a virtual function does not quietly come to nothing. */
static int check_vf_keys(const struct workspace *ws, const struct spec *spec,
			 const struct record *rec, struct err *e)
{
	static const uint8_t none[6];
	const char *key = memcmp(spec->vf_mac, none, 6) != 0 ? "vf_mac"
			  : spec->vf_vlan                    ? "vf_vlan"
			  : spec->vf_trust                   ? "vf_trust"
							     : NULL;
	char pf[NIC_FIND_PCI];
	uint32_t vf;

	if (!key || (strncmp(rec->nic.id, "pci:", 4) == 0 &&
		     nic_find_pf(ws->registry->settings->hardware.sysfs, rec->nic.id + 4, pf, &vf)))
		return 0;
	return err_set(e, EINVAL,
		       "move '%s' into workspace '%s': %s is set, but it is no virtual function "
		       "(nic = NIC/vfN)",
		       rec->nic.id, ws->name, key);
}

struct search {
	const char *sysfs, *id, *mac; /* of what is looked for; mac "": it has no permanent one */
	struct quarantine found;
};

/* With its place on the bus changed, a NIC is known by its MAC; and what has its old place then is another one. */
static bool is_meant(const struct quarantine *q, const struct search *s)
{
	bool same_mac = q->mac[0] && strcmp(q->mac, s->mac) == 0;
	char by_mac[24];
	struct nic_seen seen;

	if (strcmp(q->id, s->id) != 0 || same_mac || !q->mac[0] || !s->mac[0])
		return same_mac || strcmp(q->id, s->id) == 0;
	(void)str_format(by_mac, sizeof(by_mac), "mac:%s", q->mac);
	return nic_find(s->sysfs, by_mac, &seen, NULL) != 0;
}

static void on_quarantine(void *ctx, const struct quarantine *q)
{
	struct search *s = ctx;

	if (is_meant(q, s))
		s->found = *q;
}

/* `seen` is NULL for what has no interface now. */
static int check_quarantine(const struct workspace *ws, const char *what, const char *id,
			    const struct nic_seen *seen, struct err *e)
{
	const struct settings *set = ws->registry->settings;
	char mac[18] = "";
	struct search s = { .sysfs = set->hardware.sysfs,
			    .id = id,
			    .mac = seen ? nic_find_mac_text(seen->perm, mac) : mac };
	struct err why = { 0 };

	/* Not known is not free. */
	if (quarantine_each(set->storage.state, "nic", on_quarantine, &s, &why) < 0)
		return err_set(e, why.code, "move '%s' into workspace '%s': %s", what, ws->name,
			       why.text);
	return s.found.id[0] ? err_set(e, EBUSY,
				       "move '%s' into workspace '%s': in quarantine: %.150s "
				       "(sshbay nic recover %s)",
				       what, ws->name, s.found.reason, s.found.id)
			     : 0;
}

/* `want` gets what it is; -errno when it is not there, leased, or in quarantine. */
static int take(struct workspace *ws, const char *what, struct record *want, struct nic_seen *seen,
		struct err *e)
{
	const struct registry *r = ws->registry;
	bool macvlan = strncmp(what, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
	const struct workspace *holder;
	struct nic_seen mine = { 0 };
	int ret;

	if (!seen)
		seen = &mine;
	for (unsigned int i = 0; i < r->nlist; i++) {
		holder = r->list[i];
		if (holder != ws && holds(holder) &&
		    !(macvlan && strncmp(holder->rec.nic.id, NIC_IDENTIFY_MACVLAN,
					 strlen(NIC_IDENTIFY_MACVLAN)) == 0) &&
		    is_called(holder, macvlan ? what + strlen(NIC_IDENTIFY_MACVLAN) : what))
			return refuse(ws, what, holder, e);
	}
	ret = nic_identify(r->settings, what, want, seen, e);
	/* One that could not come home may have no interface now. */
	if (ret == -ENODEV && check_quarantine(ws, what, what, NULL, e))
		return -EBUSY;
	if (ret)
		return ret;
	holder = allocate_nic_holder(r, ws, want->nic.id);
	if (holder)
		return refuse(ws, what, holder, e);
	ret = check_functions(ws, what, want, e);
	if (ret)
		return ret;
	return check_quarantine(ws, what, want->nic.id, seen, e);
}

/* The first of the pool that is free and has a carrier; without one, the first that is free. */
static int choose(struct workspace *ws, struct record *rec, struct err *e)
{
	const char *at = ws->registry->settings->pool.nics;
	struct record best = { 0 }, want = { 0 };
	unsigned int n = 0;
	bool carrier = false;
	struct nic_seen seen = { 0 };
	struct err why = { 0 };
	char entry[NIC_FIND_ID];

	for (; *at && !carrier; at += strcspn(at, ",")) {
		at += strspn(at, ", ");
		if (!*at || str_format(entry, sizeof(entry), "%.*s", (int)strcspn(at, ","), at))
			continue;
		n++;
		if (take(ws, entry, &want, &seen, &why) || (best.nic.id[0] && !seen.carrier))
			continue;
		best = want;
		carrier = seen.carrier;
	}
	if (!best.nic.id[0])
		return err_set(e, EBUSY,
			       "lease 'auto': none of the pool's %u NICs is free; the last: %.150s "
			       "(sshbay nic list)",
			       n, why.text);
	rec->nic = best.nic;
	log_note("workspace '%s': nic = auto takes %s ('%s'), the first free one of the pool%s",
		 ws->name, rec->nic.id, rec->nic.name,
		 carrier ? " with a carrier" : "; none has a carrier");
	return 0;
}

/* Moved in already and kept by a stop: the host's namespace no longer has it to look at. */
static bool still_fits(const struct workspace *ws, const struct spec *spec,
		       const struct record *rec)
{
	return rec->nic.name[0] && rec->ns_net &&
	       strcmp(rec->boot_id, ws->registry->boot_id) == 0 &&
	       (strcmp(rec->nic.asked, spec->nic) == 0 ||
		(strcmp(spec->nic, "auto") != 0 && is_called(ws, spec->nic)));
}

int allocate_nic(struct registry *r, struct workspace *ws, const struct spec *spec,
		 struct record *rec, struct err *e)
{
	struct record want = { 0 };
	struct err why = { 0 };
	int ret;

	(void)r;
	if (!spec->nic[0] || strcmp(spec->nic, "none") == 0) {
		rec->nic = want.nic;
		return 0;
	}
	if (still_fits(ws, spec, rec))
		return 0;
	if (strcmp(spec->nic, "auto") == 0)
		ret = choose(ws, &want, &why);
	else
		ret = take(ws, spec->nic, &want, NULL, &why);
	if ((ret == -ENODEV || ret == -EBUSY) && spec->nic_optional) {
		memset(&rec->nic, 0, sizeof(rec->nic));
		(void)str_format(rec->note, sizeof(rec->note), "without its NIC: %.230s", why.text);
		return 0;
	}
	if (ret)
		return err_set(e, why.code, "%s", why.text);
	ret = check_vf_keys(ws, spec, &want, e);
	if (ret)
		return ret;
	rec->nic = want.nic;
	(void)str_copy(rec->nic.asked, sizeof(rec->nic.asked), spec->nic);
	ws->leased = clk_wall_s();
	return 0;
}
