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
#include "base/num.h"

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

static const struct ip *ip_of(const struct record *rec, int family)
{
	return family == AF_INET ? &rec->control_ip : &rec->control_ip6;
}

static const struct ip *spec_ip(const struct spec *spec, int family)
{
	return family == AF_INET ? &spec->control_ip : &spec->control_ip6;
}

/* Who has this address, or is configured for it (`config`), besides `ws`? */
static const char *holder(struct registry *r, const struct workspace *ws, const struct ip *ip,
			  bool config)
{
	const struct settings *s = r->settings;

	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *o = r->list[i];

		if (o != ws && holds(o) && ip_equal(ip_of(&o->rec, ip->family), ip))
			return o->name;
	}
	for (uint32_t i = 0; config && i < s->nworkspaces; i++)
		if (strcmp(s->workspaces[i].name, ws->name) &&
		    ip_equal(spec_ip(&s->workspaces[i], ip->family), ip))
			return s->workspaces[i].name;
	return NULL;
}

/* The lowest free host number; 0 = none. `prefer` is taken when it is free. */
static uint64_t free_host(struct registry *r, const struct workspace *ws, const struct ipnet *net,
			  uint64_t prefer)
{
	const struct settings *s = r->settings;
	int family = net->addr.family;
	uint64_t nbits = (uint64_t)r->nlist + s->nworkspaces + 2, end = usable_end(net), n;
	auto_free uint8_t *bits = NULL;
	struct ip ip;

	if (prefer && prefer < end && ip_nth(net, prefer, &ip) && !holder(r, ws, &ip, true))
		return prefer;
	bits = calloc(1, nbits / 8 + 1);
	if (!bits)
		return 0;
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i] != ws && holds(r->list[i]))
			mark(bits, nbits, host_number(ip_of(&r->list[i]->rec, family), net));
	for (uint32_t i = 0; i < s->nworkspaces; i++)
		mark(bits, nbits, host_number(spec_ip(&s->workspaces[i], family), net));
	/* At most nlist + nworkspaces bits are set, so a clear one is among those from 1. */
	n = lowest_clear(bits, 1, nbits);
	return n < end ? n : 0;
}

/* One family: `fixed`, else what *ip is, else new with the host number `prefer` when that is free. */
static int allocate_ip(struct workspace *ws, const struct ipnet *net, const struct ip *fixed,
		       uint64_t prefer, struct ip *ip, struct err *e)
{
	struct registry *r = ws->registry;
	char text[IP_TEXT_MAX];
	const char *other;
	uint64_t n;

	if (fixed->family) {
		other = holder(r, ws, fixed, false);
		if (other)
			return err_set(
				e, EADDRINUSE,
				"allocate address for '%s': %s is in use by '%s' (sshbay leases)",
				ws->name, ip_text(fixed, text, sizeof(text)), other);
		*ip = *fixed;
		return 0;
	}
	if (!net->addr.family) {
		memset(ip, 0, sizeof(*ip));
		return 0;
	}
	if (ip->family && ip_in_net(ip, net) && !holder(r, ws, ip, true))
		return 0;
	n = free_host(r, ws, net, prefer);
	if (!n || !ip_nth(net, n, ip))
		return err_set(e, EADDRNOTAVAIL,
			       "allocate address for '%s': control_cidr%s %s is full", ws->name,
			       net->addr.family == AF_INET ? "" : "6",
			       ip_net_text(net, text, sizeof(text)));
	return 0;
}

int allocate_address(struct registry *r, struct workspace *ws, const struct spec *spec,
		     struct record *rec, struct err *e)
{
	const struct settings *s = r->settings;
	int ret = allocate_ip(ws, &s->network.control_cidr, &spec->control_ip, 0, &rec->control_ip,
			      e);
	uint64_t host;

	if (ret)
		return ret;
	host = host_number(&rec->control_ip, &s->network.control_cidr);
	return allocate_ip(ws, &s->network.control_cidr6, &spec->control_ip6,
			   host == UINT64_MAX ? 0 : host, &rec->control_ip6, e);
}

int allocate_possible(const char *name, const struct spec *spec, struct err *e)
{
	char size[32];

	if (spec->disk != SETTINGS_UNLIMITED)
		return err_set(e, EOPNOTSUPP,
			       "start workspace '%s': disk = %s: file space cannot be limited yet "
			       "(set disk = unlimited)",
			       name, num_size_text(spec->disk, size, sizeof(size)));
	return 0;
}
