/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See motd.h.  provisiond's main process.  Tells what a user would have to look up in several places otherwise; made
 * from the record and the configuration alone, so that it costs no system call and nothing in it is a tenant's words.
 */
#include "motd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/text.h"

/* The largest unit that says something: "3 days". */
static void add_age(struct text *t, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	size_t i = 0;
	uint64_t n;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	n = seconds / units[i].seconds;
	text_add(t, "%" PRIu64 " %s%s", n, units[i].name, n == 1 ? "" : "s");
}

static void add_head(struct text *t, const struct motd *m)
{
	text_add(t, "workspace '%s' on %s, ", m->rec->name, m->host);
	if (m->created) {
		text_add(t, "just created\n");
		return;
	}
	text_add(t, "up for ");
	add_age(t, m->now > m->rec->started ? m->now - m->rec->started : 0);
	text_add(t, "\n");
}

static void add_addresses(struct text *t, const struct record *rec)
{
	const struct ip *ips[] = { &rec->control_ip, &rec->control_ip6 };
	char text[IP_TEXT_MAX];
	const char *between = "";

	text_add(t, "  address  ");
	for (size_t i = 0; i < 2; i++) {
		if (!ips[i]->family)
			continue;
		text_add(t, "%s%s", between, ip_text(ips[i], text, sizeof(text)));
		between = ", ";
	}
	text_add(t, "%s\n", *between ? "" : "none");
}

static void add_data(struct text *t, const struct motd *m)
{
	const struct ipnet *nets[] = { &m->spec->data_ip, &m->spec->data_ip6 };
	uint32_t mtu = m->spec->data_mtu ? m->spec->data_mtu : m->rec->nic.mtu;
	char text[IP_TEXT_MAX];

	if (!m->rec->nic.name[0]) {
		text_add(t, "  data     none%s%s\n",
			 m->spec->nic_optional && m->rec->note[0] ? ", " : "",
			 m->spec->nic_optional ? m->rec->note : "");
		return;
	}
	text_add(t, "  data     data0 = %s", m->rec->nic.name);
	for (size_t i = 0; i < 2; i++)
		if (nets[i]->addr.family)
			text_add(t, ", %s", ip_net_text(nets[i], text, sizeof(text)));
	if (mtu)
		text_add(t, ", MTU %" PRIu32, mtu);
	text_add(t, "\n");
}

static void add_size(struct text *t, const char *what, uint64_t bytes)
{
	char text[32];

	if (bytes != SETTINGS_UNLIMITED)
		text_add(t, "%s %s, ", what, num_size_text(bytes, text, sizeof(text)));
}

static void add_limits(struct text *t, const struct spec *spec)
{
	text_add(t, "  limits   ");
	add_size(t, "memory", spec->memory);
	add_size(t, "disk", spec->disk);
	if (spec->pids)
		text_add(t, "%" PRIu32 " processes, ", spec->pids);
	text_add(t, "cpus %s\n", spec->cpus[0] ? spec->cpus : "all");
}

const char *motd_write(const struct motd *m, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	char ip[IP_TEXT_MAX];
	bool gpu = m->spec->gpu[0] && strcmp(m->spec->gpu, "none") != 0;

	buf[0] = '\0';
	add_head(&t, m);
	add_addresses(&t, m->rec);
	add_data(&t, m);
	text_add(&t, "  gpu      %s\n",
		 m->rec->gpus[0] ? m->rec->gpus
		 : gpu           ? m->spec->gpu
				 : "none");
	if (m->note && m->note[0])
		text_add(&t, "  note     %s\n", m->note);
	add_limits(&t, m->spec);
	text_add(&t, "  help     ssh %s@%s leads here too (also with -J); questions: root of %s\n",
		 m->user, ip_text(&m->rec->control_ip, ip, sizeof(ip)), m->host);
	if (m->text[0])
		text_add(&t, "%s%s", m->text, m->text[strlen(m->text) - 1] == '\n' ? "" : "\n");
	return buf;
}
