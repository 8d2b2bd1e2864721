/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two forms of a measurement.  Runs in sshbay.
 */
#include "bench.h"

#include <inttypes.h>

#include <json-c/json.h>

#define JSON_FORM                                                                                  \
	(JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

const char *bench_kind_name(enum bench_kind k)
{
	static const char *const names[] = { "tcp", "udp", "rdma" };

	return names[k];
}

static int status_of(const struct bench *b)
{
	return b->legs[0].level == FINDING_FAIL || b->legs[1].level == FINDING_FAIL ? CLI_FAILED
										    : CLI_OK;
}

/* --- JSON --- */

static void text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, *value ? json_object_new_string(value) : NULL);
}

static void real(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_double(value));
}

static void whole(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

static uint64_t carried(const struct pair_count *c)
{
	return c->rx_bytes + c->tx_bytes;
}

static struct json_object *json_leg(const struct bench *b, const struct bench_leg *l)
{
	struct json_object *o = json_object_new_object();
	const struct bench_flow *f = &l->flow;
	/* The client is always the second end, but with RDMA, where it is the sender. */
	bool client_sends = b->kind == BENCH_RDMA || l->from == 1;

	text(o, "from", b->ends[l->from].ws.name);
	text(o, "to", b->ends[!l->from].ws.name);
	real(o, "bits_per_second", f->bits_per_second);
	real(o, "seconds", f->seconds);
	whole(o, "bytes", (int64_t)f->bytes);
	whole(o, "retransmits", f->retransmits);
	real(o, "lost_percent", f->lost_percent);
	real(o, "jitter_ms", f->jitter_ms);
	real(o, "cpu_sender_percent", client_sends ? f->cpu_client : f->cpu_server);
	real(o, "cpu_receiver_percent", client_sends ? f->cpu_server : f->cpu_client);
	real(o, "cpu_host_percent", l->host_cpu);
	whole(o, "data_sent_bytes", (int64_t)l->moved[0].data.tx_bytes);
	whole(o, "data_received_bytes", (int64_t)l->moved[1].data.rx_bytes);
	whole(o, "control_sender_bytes", (int64_t)carried(&l->moved[0].control));
	whole(o, "control_receiver_bytes", (int64_t)carried(&l->moved[1].control));
	json_object_object_add(o, "proven", json_object_new_boolean(l->level == FINDING_OK));
	text(o, "counters", l->verdict);
	return o;
}

static struct json_object *json_latency(const struct bench_latency *l)
{
	struct json_object *o = json_object_new_object();

	whole(o, "samples", (int64_t)l->received);
	real(o, "min_us", l->min);
	real(o, "avg_us", l->avg);
	real(o, "p50_us", l->p50);
	real(o, "p99_us", l->p99);
	real(o, "max_us", l->max);
	return o;
}

static struct json_object *json_nic(const struct pair_end *end, const struct manifest_nic *n)
{
	struct json_object *o = json_object_new_object();
	const struct pair_facts *f = &end->facts;

	text(o, "workspace", end->ws.name);
	text(o, "image", end->ws.image);
	text(o, "cpus", end->ws.cpus);
	text(o, "nic", end->ws.nic);
	text(o, "mac", f->mac);
	text(o, "device", f->device);
	text(o, "driver", n->driver);
	text(o, "firmware", n->firmware);
	text(o, "pci_link_speed", n->link_speed);
	text(o, "pci_link_width", n->link_width);
	whole(o, "numa_node", n->numa);
	text(o, "local_cpus", n->cpus);
	whole(o, "mtu", f->mtu);
	whole(o, "speed_mbit", f->speed);
	text(o, "offloads", f->offloads);
	text(o, "rdma", f->rdma);
	text(o, "rdma_firmware", f->rdma_firmware);
	text(o, "rdma_link", f->rdma_link);
	text(o, "rdma_rate", f->rdma_rate);
	text(o, "perftest", f->perftest);
	text(o, "iperf3", f->iperf3);
	return o;
}

static struct json_object *json_manifest(const struct bench *b)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();

	text(o, "kernel", b->manifest.kernel);
	text(o, "cpu", b->manifest.cpu);
	whole(o, "cpus_online", b->manifest.cpus_online);
	text(o, "governor", b->manifest.governor);
	for (int i = 0; i < 2; i++)
		json_object_array_add(a, json_nic(&b->ends[i], &b->manifest.nics[i]));
	json_object_object_add(o, "ends", a);
	return o;
}

static void print_json(const struct bench *b)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();

	json_object_object_add(o, "ok", json_object_new_boolean(status_of(b) == CLI_OK));
	text(o, "protocol", bench_kind_name(b->kind));
	whole(o, "streams", (int64_t)b->streams);
	for (int i = 0; i < 2; i++)
		json_object_array_add(a, json_leg(b, &b->legs[i]));
	json_object_object_add(o, "directions", a);
	json_object_object_add(o, "latency", json_latency(&b->latency));
	json_object_object_add(o, "manifest", json_manifest(b));
	puts(json_object_to_json_string_ext(o, JSON_FORM));
	json_object_put(o);
}

/* --- for people --- */

static void print_leg(const struct bench *b, const struct bench_leg *l)
{
	const struct bench_flow *f = &l->flow;
	bool client_sends = b->kind == BENCH_RDMA || l->from == 1;
	double sender = client_sends ? f->cpu_client : f->cpu_server;
	double receiver = client_sends ? f->cpu_server : f->cpu_client;

	printf("%s -> %s: %.3f Gbit/s %s, %.2f s", b->ends[l->from].ws.name,
	       b->ends[!l->from].ws.name, f->bits_per_second / 1e9, bench_kind_name(b->kind),
	       f->seconds);
	if (f->retransmits >= 0)
		printf(", %" PRId64 " retransmits", f->retransmits);
	if (f->lost_percent >= 0)
		printf(", %.2f %% lost", f->lost_percent);
	if (f->jitter_ms >= 0)
		printf(", jitter %.3f ms", f->jitter_ms);
	if (sender >= 0 && receiver >= 0)
		printf(", CPU %.0f %% sending, %.0f %% receiving", sender, receiver);
	if (l->host_cpu >= 0)
		printf(", %.0f %% of the host", l->host_cpu);
	printf("\n  %s: ", l->level == FINDING_OK     ? "proven"
			   : l->level == FINDING_WARN ? "not proven"
						      : "CONTRADICTED");
	cli_print(stdout, l->verdict);
	puts("");
}

static void print_word(const char *name, const char *value)
{
	if (!*value)
		return;
	printf(", %s ", name);
	cli_print(stdout, value);
}

static void print_nic(const struct bench *b, int i)
{
	const struct pair_end *end = &b->ends[i];
	const struct manifest_nic *n = &b->manifest.nics[i];
	const struct pair_facts *f = &end->facts;
	char number[32];

	printf("  %s: nic ", end->ws.name);
	cli_print(stdout, end->ws.nic);
	print_word("device", f->device);
	print_word("driver", n->driver);
	print_word("firmware", n->firmware);
	print_word("PCI", n->link_speed);
	print_word("lanes", n->link_width);
	(void)str_format(number, sizeof(number), "%d", n->numa);
	print_word("NUMA node", n->numa < 0 ? "" : number);
	(void)str_format(number, sizeof(number), "%" PRIu32, f->mtu);
	print_word("mtu", number);
	(void)str_format(number, sizeof(number), "%" PRId64 " Mbit/s", f->speed);
	print_word("link", f->speed < 0 ? "" : number);
	print_word("cpus", end->ws.cpus);
	print_word("image", end->ws.image);
	if (b->kind == BENCH_RDMA) {
		print_word("RDMA device", f->rdma);
		print_word("firmware", f->rdma_firmware);
		print_word("rate", f->rdma_rate);
		print_word("perftest", f->perftest);
	} else {
		print_word("iperf3", f->iperf3);
	}
	puts("");
	printf("    offloads: ");
	cli_print(stdout, *f->offloads ? f->offloads : "not known (no ethtool inside)");
	puts("");
}

int bench_print(const struct bench *b)
{
	const struct bench_latency *l = &b->latency;

	if (b->c->json) {
		print_json(b);
		return status_of(b);
	}
	print_leg(b, &b->legs[0]);
	print_leg(b, &b->legs[1]);
	printf("latency: avg %.1f us, p50 %.1f, p99 %.1f, min %.1f, max %.1f (%" PRIu64
	       " round trips)\n",
	       l->avg, l->p50, l->p99, l->min, l->max, l->received);
	printf("with: kernel ");
	cli_print(stdout, b->manifest.kernel);
	printf(", %ld processors", b->manifest.cpus_online);
	print_word("CPU", b->manifest.cpu);
	print_word("governor", b->manifest.governor);
	puts("");
	for (int i = 0; i < 2; i++)
		print_nic(b, i);
	return status_of(b);
}
