/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocation in provisiond's main process.  There is no free list to keep in step with the records: each call marks in
 * a bitmap what the records hold and takes the lowest bit that is left.  Leases of hardware: allocate_nic.c.
 */
#include "allocate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/fd.h"

static void mark(uint8_t *bits, uint64_t nbits, uint64_t bit)
{
	if (bit < nbits)
		bits[bit / 8] |= (uint8_t)(1U << (bit % 8));
}

static uint64_t lowest_clear(const uint8_t *bits, uint64_t from, uint64_t nbits)
{
	uint64_t i = from;

	while (i < nbits && (bits[i / 8] & (1U << (i % 8))))
		i++;
	return i;
}

/* Mark each slot whose id range, as now configured, shares an id with base..base+count-1. */
static void mark_range(const struct settings *s, uint8_t *bits, uint64_t base, uint64_t count)
{
	uint64_t first, last;

	if (!count || base + count <= s->storage.id_base)
		return;
	first = base > s->storage.id_base ? (base - s->storage.id_base) / s->storage.id_count : 0;
	last = (base + count - 1 - s->storage.id_base) / s->storage.id_count;
	for (uint64_t i = first; i <= last && i < s->storage.id_slots; i++)
		mark(bits, s->storage.id_slots, i);
}

/* Has this one a claim on what its record names? Also a damaged one: recover.c read from it what it could. */
static bool holds(const struct workspace *ws)
{
	return ws->has_record || ws->damaged;
}

/* Which slots are taken, by anybody but `ws`. malloc'd. */
static uint8_t *taken_slots(struct registry *r, const struct workspace *ws)
{
	const struct settings *s = r->settings;
	uint8_t *bits = calloc(1, s->storage.id_slots / 8 + 1);

	if (!bits)
		return NULL;
	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *other = r->list[i];

		if (other == ws || !holds(other) || !other->rec.id_count)
			continue;
		mark(bits, s->storage.id_slots, other->rec.slot);
		mark_range(s, bits, other->rec.id_base, other->rec.id_count);
	}
	return bits;
}

static void take_slot(const struct settings *s, uint64_t slot, struct record *rec)
{
	rec->slot = (uint32_t)slot;
	rec->id_base = s->storage.id_base + slot * s->storage.id_count;
	rec->id_count = (uint32_t)s->storage.id_count;
}

int allocate_slot(struct registry *r, struct workspace *ws, struct record *rec, struct err *e)
{
	const struct settings *s = r->settings;
	auto_free uint8_t *bits = taken_slots(r, ws);
	uint64_t slot;

	if (!bits)
		return err_set(e, ENOMEM, "allocate ids for '%s': out of memory", ws->name);
	for (unsigned int i = 0; i < r->nreserved; i++)
		mark_range(s, bits, r->reserved[i], s->storage.id_count);
	slot = lowest_clear(bits, 0, s->storage.id_slots);
	if (slot >= s->storage.id_slots)
		return err_set(
			e, ENOSPC,
			"allocate ids for '%s': all %u id ranges are in use (storage.id_slots)",
			ws->name, s->storage.id_slots);
	take_slot(s, slot, rec);
	return 0;
}

int allocate_slot_at(struct registry *r, struct workspace *ws, uint64_t id_base, struct record *rec,
		     struct err *e)
{
	const struct settings *s = r->settings;
	auto_free uint8_t *bits = taken_slots(r, ws);
	uint64_t slot;

	if (!bits)
		return err_set(e, ENOMEM, "allocate ids for '%s': out of memory", ws->name);
	if (id_base < s->storage.id_base || (id_base - s->storage.id_base) % s->storage.id_count)
		return err_set(e, EINVAL,
			       "allocate ids for '%s': its files belong to id %llu, which begins "
			       "no id range",
			       ws->name, (unsigned long long)id_base);
	slot = (id_base - s->storage.id_base) / s->storage.id_count;
	if (lowest_clear(bits, slot, s->storage.id_slots) != slot || slot >= s->storage.id_slots)
		return err_set(
			e, EBUSY,
			"allocate ids for '%s': its files belong to id %llu, which is another's",
			ws->name, (unsigned long long)id_base);
	take_slot(s, slot, rec);
	return 0;
}

/* addr - network address, or UINT64_MAX when it is outside of the network or beyond 2^32. */
static uint64_t host_number(const struct ip *ip, const struct ipnet *net)
{
	unsigned int bytes = ip->family == AF_INET ? 4 : 16, hostbits = bytes * 8 - net->plen;
	uint64_t n = 0;

	if (!ip->family || ip->family != net->addr.family || !ip_in_net(ip, net))
		return UINT64_MAX;
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int above = (bytes - 1 - i) * 8; /* bits below this byte */
		uint8_t b = ip->b[i];

		if (above >= hostbits)
			continue;
		if (above + 8 > hostbits)
			b &= (uint8_t)((1U << (hostbits - above)) - 1);
		if (above >= 32 && b)
			return UINT64_MAX;
		if (above < 32)
			n |= (uint64_t)b << above;
	}
	return n;
}

/* Host numbers 1 .. usable_end - 1 may be given out. */
static uint64_t usable_end(const struct ipnet *net)
{
	unsigned int hostbits = (net->addr.family == AF_INET ? 32U : 128U) - net->plen;
	uint64_t size = hostbits >= 32 ? 1ULL << 32 : 1ULL << hostbits;

	return size < 4 ? 0 : size - 2;
}

/* The pools of addresses, named as in the configuration. */
enum pool { CONTROL, CONTROL6, DATA };

static const char *const pool_keys[] = { "control_cidr", "control_cidr6", "data_cidr" };

static const struct ip *ip_of(const struct record *rec, enum pool pool)
{
	return pool == CONTROL    ? &rec->control_ip
	       : pool == CONTROL6 ? &rec->control_ip6
				  : &rec->data_ip.addr;
}

static const struct ip *spec_ip(const struct spec *spec, enum pool pool)
{
	return pool == CONTROL    ? &spec->control_ip
	       : pool == CONTROL6 ? &spec->control_ip6
				  : &spec->data_ip.addr;
}

/* What an address is wanted for. */
struct want {
	struct workspace *ws;
	enum pool pool;
	const struct ipnet *net;
	const struct spec *spec;
	uint64_t prefer; /* host number that is taken when it is free; 0: none */
};

/* Who has this address, or is configured for it (`config`), besides the one that wants it? */
static const char *holder(const struct want *w, const struct ip *ip, bool config)
{
	const struct registry *r = w->ws->registry;
	const struct settings *s = r->settings;

	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *o = r->list[i];

		if (o != w->ws && holds(o) && ip_equal(ip_of(&o->rec, w->pool), ip))
			return o->name;
	}
	for (uint32_t i = 0; config && i < s->nworkspaces; i++)
		if (strcmp(s->workspaces[i].name, w->ws->name) &&
		    ip_equal(spec_ip(&s->workspaces[i], w->pool), ip))
			return s->workspaces[i].name;
	return NULL;
}

/* The lowest free host number; 0 = none. */
static uint64_t free_host(const struct want *w)
{
	const struct registry *r = w->ws->registry;
	const struct settings *s = r->settings;
	uint64_t nbits = (uint64_t)r->nlist + s->nworkspaces + 2, end = usable_end(w->net), n;
	auto_free uint8_t *bits = NULL;
	struct ip ip;

	if (w->prefer && w->prefer < end && ip_nth(w->net, w->prefer, &ip) && !holder(w, &ip, true))
		return w->prefer;
	bits = calloc(1, nbits / 8 + 1);
	if (!bits)
		return 0;
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i] != w->ws && holds(r->list[i]))
			mark(bits, nbits, host_number(ip_of(&r->list[i]->rec, w->pool), w->net));
	for (uint32_t i = 0; i < s->nworkspaces; i++)
		mark(bits, nbits, host_number(spec_ip(&s->workspaces[i], w->pool), w->net));
	/* At most nlist + nworkspaces bits are set, so a clear one is among those from 1. */
	n = lowest_clear(bits, 1, nbits);
	return n < end ? n : 0;
}

/* As configured, else what *ip is, else a new one. */
static int allocate_ip(const struct want *w, struct ip *ip, struct err *e)
{
	const struct ip *fixed = spec_ip(w->spec, w->pool);
	char text[IP_TEXT_MAX];
	const char *other;
	uint64_t n;

	if (fixed->family) {
		other = holder(w, fixed, false);
		if (other)
			return err_set(
				e, EADDRINUSE,
				"allocate address for '%s': %s is in use by '%s' (sshbay leases)",
				w->ws->name, ip_text(fixed, text, sizeof(text)), other);
		*ip = *fixed;
		return 0;
	}
	if (!w->net->addr.family) {
		memset(ip, 0, sizeof(*ip));
		return 0;
	}
	if (ip->family && ip_in_net(ip, w->net) && !holder(w, ip, true))
		return 0;
	n = free_host(w);
	if (!n || !ip_nth(w->net, n, ip))
		return err_set(e, EADDRNOTAVAIL, "allocate address for '%s': %s %s is full",
			       w->ws->name, pool_keys[w->pool],
			       ip_net_text(w->net, text, sizeof(text)));
	return 0;
}

/* Of the control address, for another pool to prefer. */
static uint64_t own_number(const struct settings *s, const struct record *rec)
{
	uint64_t host = host_number(&rec->control_ip, &s->network.control_cidr);

	return host == UINT64_MAX ? 0 : host;
}

int allocate_address(struct registry *r, struct workspace *ws, const struct spec *spec,
		     struct record *rec, struct err *e)
{
	const struct settings *s = r->settings;
	struct want w = { ws, CONTROL, &s->network.control_cidr, spec, 0 };
	int ret = allocate_ip(&w, &rec->control_ip, e);

	if (ret)
		return ret;
	w = (struct want){ ws, CONTROL6, &s->network.control_cidr6, spec, own_number(s, rec) };
	return allocate_ip(&w, &rec->control_ip6, e);
}

int allocate_data_ip(struct registry *r, struct workspace *ws, struct spec *spec,
		     struct record *rec, struct err *e)
{
	const struct settings *s = r->settings;
	const struct want w = { ws, DATA, &s->network.data_cidr, spec, own_number(s, rec) };
	bool wired = !spec->dpdk && strcmp(spec->nic, "none") != 0;
	bool none = spec->data_ip.plen == SPEC_NO_ADDRESS || spec->data_ip6.addr.family;
	int ret = 0;

	if (!wired || (!spec->data_ip.addr.family && none))
		memset(&rec->data_ip.addr, 0, sizeof(rec->data_ip.addr));
	else
		ret = allocate_ip(&w, &rec->data_ip.addr, e);
	rec->data_ip.plen = !rec->data_ip.addr.family   ? 0
			    : spec->data_ip.addr.family ? spec->data_ip.plen
							: w.net->plen;
	spec->data_ip = rec->data_ip;
	return ret;
}
