/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers of what measuring programs print inside a workspace.  Pure; runs in sshbay.
 */
#include "bench_result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/str.h"

#define DEPTH          16   /* of iperf3's JSON: 6 */
#define SAMPLES        4096 /* answers of ping */
#define RATE_MAX       1e14 /* bit/s: more than any interface */
#define SIZE_MAX_BYTES 1e18
#define US_MAX         1e8
#define COLUMNS        12

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_is_type(o, json_type_object) &&
			       json_object_object_get_ex(o, key, &v)
		       ? v
		       : NULL;
}

static bool number(struct json_object *o, const char *key, double max, double *out)
{
	struct json_object *v = get(o, key);

	if (!v ||
	    (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int)))
		return false;
	*out = json_object_get_double(v);
	return isfinite(*out) && *out >= 0 && *out <= max;
}

static void optional(struct json_object *o, const char *key, double max, double *out)
{
	if (!number(o, key, max, out))
		*out = -1;
}

/* The word after "iperf ". */
static void take_version(struct json_object *root, struct bench_flow *f)
{
	struct json_object *v = get(get(root, "start"), "version");
	const char *text =
		v && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";

	if (strncmp(text, "iperf ", 6) == 0)
		text += 6;
	(void)str_vis(text, strnlen(text, 11), f->version, sizeof(f->version));
}

static int read_iperf3(struct json_object *root, struct bench_flow *f, struct err *e)
{
	struct json_object *end = get(root, "end"), *cpu = get(end, "cpu_utilization_percent"),
			   *sent = get(end, "sum_sent"), *received = get(end, "sum_received"),
			   *sum = get(end, "sum"), *error = get(root, "error");
	double bytes, sent_bytes, retransmits;
	char text[160];

	if (error) {
		const char *why = json_object_get_string(error);

		return err_set(
			e, EIO, "iperf3: %s",
			str_vis(why ? why : "", why ? strnlen(why, 120) : 0, text, sizeof(text)));
	}
	if (!number(received, "bytes", SIZE_MAX_BYTES, &bytes) ||
	    !number(received, "bits_per_second", RATE_MAX, &f->bits_per_second) ||
	    !number(received, "seconds", 1e6, &f->seconds) ||
	    !number(sent, "bytes", SIZE_MAX_BYTES, &sent_bytes))
		return err_set(e, EBADMSG, "iperf3 told no result that makes sense");
	optional(sum, "lost_percent", 100, &f->lost_percent);
	optional(sum, "jitter_ms", 1e6, &f->jitter_ms);
	optional(sent, "retransmits", 1e15, &retransmits);
	optional(cpu, "host_total", 1e5, &f->cpu_client);
	optional(cpu, "remote_total", 1e5, &f->cpu_server);
	/* Of UDP some versions count what was sent as received. */
	if (f->lost_percent > 0 && bytes > sent_bytes * (1 - f->lost_percent / 100)) {
		bytes = sent_bytes * (1 - f->lost_percent / 100);
		f->bits_per_second = f->seconds > 0 ? bytes * 8 / f->seconds : 0;
	}
	f->bytes = (uint64_t)bytes;
	f->retransmits = (int64_t)retransmits;
	/* A rate that its own bytes and seconds do not give is no result. */
	if (f->bits_per_second > 1e6 && f->seconds > 0 &&
	    fabs(bytes * 8 / f->seconds - f->bits_per_second) > f->bits_per_second / 5)
		return err_set(e, EBADMSG,
			       "iperf3 told a rate that its bytes and seconds contradict");
	take_version(root, f);
	return 0;
}

int bench_result_iperf3(const char *text, struct bench_flow *f, struct err *e)
{
	struct json_tokener *t = json_tokener_new_ex(DEPTH);
	struct json_object *root;
	const char *at = strchr(text, '{'); /* behind what a shell's start-up files print */
	int r;

	*f = (struct bench_flow){ .retransmits = -1, .lost_percent = -1, .jitter_ms = -1 };
	if (!t)
		return err_set(e, ENOMEM, "read the result: out of memory");
	root = at ? json_tokener_parse_ex(t, at, (int)strlen(at)) : NULL;
	json_tokener_free(t);
	r = root ? read_iperf3(root, f, e) : err_set(e, EBADMSG, "iperf3 told no JSON");
	json_object_put(root);
	return r;
}

/* A decimal number at the start of s, which ends with one of `ends`. */
static bool decimal(const char *s, const char *ends, double max, double *out)
{
	size_t n = strspn(s, "0123456789.");
	char digits[32], *stop;

	if (n == 0 || (s[n] && !strchr(ends, s[n])) ||
	    str_format(digits, sizeof(digits), "%.*s", (int)(n < 32 ? n : 32), s) < 0)
		return false;
	*out = strtod(digits, &stop);
	return !*stop && isfinite(*out) && *out <= max;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int bench_result_ping(const char *text, struct bench_latency *l, struct err *e)
{
	static const char mark[] = " time=";
	static double us[SAMPLES];
	const char *at = text;
	uint64_t n = 0;
	double sum = 0;

	*l = (struct bench_latency){ 0 };
	while ((at = strstr(at, mark)) && n < SAMPLES) {
		at += strlen(mark);
		if (!decimal(at, " ", US_MAX / 1000, &us[n]))
			return err_set(e, EBADMSG, "ping told a time that is none");
		us[n] *= 1000;
		sum += us[n++];
	}
	if (!n)
		return err_set(e, ENODATA, "ping told of no answer");
	qsort(us, n, sizeof(us[0]), by_size);
	l->sent = l->received = n;
	l->min = us[0];
	l->avg = sum / (double)n;
	l->p50 = us[n / 2];
	l->p99 = us[(n * 99) / 100 < n ? (n * 99) / 100 : n - 1];
	l->max = us[n - 1];
	return 0;
}

/* The last line that consists of at least `least` numbers. How many, or 0. */
static unsigned int figures(const char *text, unsigned int least, double v[COLUMNS])
{
	unsigned int found = 0;

	while (*text) {
		size_t end = strcspn(text, "\n"), at = 0;
		double row[COLUMNS];
		unsigned int n = 0;

		for (;;) {
			at += strspn(text + at, " \t\r");
			if (at >= end || n == COLUMNS ||
			    !decimal(text + at, " \t\r\n", 1e18, &row[n]))
				break;
			n++;
			at += strcspn(text + at, " \t\r\n");
		}
		if (at >= end && n >= least) {
			memcpy(v, row, sizeof(row));
			found = n;
		}
		text += end + (text[end] == '\n');
	}
	return found;
}

/* #bytes #iterations BW peak[Gb/sec] BW average[Gb/sec] MsgRate[Mpps] */
int bench_result_write_bw(const char *text, struct bench_flow *f, struct err *e)
{
	double v[COLUMNS];

	*f = (struct bench_flow){ .retransmits = -1,
				  .lost_percent = -1,
				  .jitter_ms = -1,
				  .cpu_client = -1,
				  .cpu_server = -1 };
	if (figures(text, 5, v) < 5 || v[3] * 1e9 > RATE_MAX || v[3] <= 0 || v[0] * v[1] > 1e18)
		return err_set(e, EBADMSG, "ib_write_bw told no result that makes sense");
	f->bytes = (uint64_t)(v[0] * v[1]);
	f->bits_per_second = v[3] * 1e9;
	f->seconds = (double)f->bytes * 8 / f->bits_per_second;
	return 0;
}

/* #bytes #iterations t_min t_max t_typical t_avg t_stdev 99% 99.9%, in microseconds */
int bench_result_send_lat(const char *text, struct bench_latency *l, struct err *e)
{
	double v[COLUMNS];

	*l = (struct bench_latency){ 0 };
	if (figures(text, 9, v) < 9 || v[1] < 1 || v[1] > 1e9 || v[2] > v[3] || v[3] > US_MAX ||
	    v[5] > v[3] || v[7] > v[3])
		return err_set(e, EBADMSG, "ib_send_lat told no result that makes sense");
	l->sent = l->received = (uint64_t)v[1];
	l->min = v[2];
	l->max = v[3];
	l->p50 = v[4];
	l->avg = v[5];
	l->p99 = v[7];
	return 0;
}
