/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of one end of a pair.  The parsers take text that a tenant may have made up: whole lines of known keys
 * with values of known forms, or nothing.  Runs in sshbay.
 */
#include "pair_facts.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "inside.h"

#define PROC_MAX   (1024 * 1024) /* bytes of /proc/net/dev, /proc/net/arp */
#define LINE_BYTES 512

static const struct {
	const char *name, *package;
} tools[PAIR_NTOOLS] = {
	[PAIR_IP] = { "ip", "iproute2" },
	[PAIR_PING] = { "ping", "iputils-ping" },
	[PAIR_IPERF3] = { "iperf3", "iperf3" },
	[PAIR_ETHTOOL] = { "ethtool", "ethtool" },
	[PAIR_WRITE_BW] = { "ib_write_bw", "perftest" },
	[PAIR_SEND_LAT] = { "ib_send_lat", "perftest" },
};

/* Lines of ours begin with @, so that what a shell's start-up files print does no harm. */
const char pair_facts_script[] =
	"PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL; exec 2>/dev/null\n"
	"d=/sys/class/net/data0\n"
	"[ -e $d ] && echo '@there 1'\n"
	"for k in operstate carrier speed duplex mtu address; do read -r v <$d/$k && echo \"@$k "
	"$v\"; done\n"
	"v=$(readlink $d/device) && echo \"@device ${v##*/}\"\n"
	"v=$(readlink $d/device/driver) && echo \"@driver ${v##*/}\"\n"
	"for r in /sys/class/infiniband/*; do [ -e $r ] || continue; echo \"@rdma ${r##*/}\"\n"
	"	read -r i v <$r/node_type && echo \"@rdma_type $v\"\n"
	"	read -r v i <$r/fw_ver && echo \"@rdma_firmware $v\"\n"
	"	read -r v <$r/ports/1/link_layer && echo \"@rdma_link $v\"\n"
	"	read -r v n i <$r/ports/1/rate && echo \"@rdma_rate $v$n\"; done\n"
	"[ -e /dev/infiniband/rdma_cm ] && echo '@rdma_cm 1'\n"
	"for t in ip ping iperf3 ethtool ib_write_bw ib_send_lat; do\n"
	"	command -v $t >/dev/null && echo \"@tool $t\"; done\n"
	"for f in 4 6; do ip -o -$f addr show dev data0 scope global | while read -r i n f a r; "
	"do\n"
	"	echo \"@address ${a}\"; done; done\n"
	"iperf3 --version | { read -r i v r && echo \"@iperf3 $v\"; }\n"
	"ib_write_bw -V | while read -r k v r; do\n"
	"	case $k in Version:) echo \"@perftest $v\" ;; esac; done\n"
	"ethtool -i data0 | while read -r k v r; do case $k in\n"
	"	driver:) echo \"@driver $v\" ;; firmware-version:) echo \"@firmware $v\" ;; esac; "
	"done\n"
	"ethtool -k data0 | while read -r k v r; do case $k in\n"
	"	rx-checksumming:|tx-checksumming:|scatter-gather:|tcp-segmentation-offload:|\\\n"
	"	generic-segmentation-offload:|generic-receive-offload:|large-receive-offload:) "
	"echo \"@offload $k$v\" ;;\n"
	"	esac; done\n"
	"exit 0\n";

const char *pair_tool_name(enum pair_tool t)
{
	return tools[t].name;
}

const char *pair_tool_package(enum pair_tool t)
{
	return tools[t].package;
}

static bool is_word(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "._:,+-/@") == strlen(s);
}

static bool take_word(char *to, size_t size, const char *value)
{
	return is_word(value) && str_copy(to, size, value) == 0;
}

static bool take_mac(char to[18], const char *value)
{
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? value[i] != ':' : !isxdigit((unsigned char)value[i]))
			return false;
	return !value[17] && str_copy(to, 18, value) == 0;
}

/* The configured address, when data0 has it; else the first. */
static bool take_address(struct pair_facts *f, const struct ip *configured, const char *value)
{
	struct ipnet net, *to;

	if (ip_parse_net(value, &net, NULL) < 0)
		return false;
	to = net.addr.family == AF_INET ? &f->ip : &f->ip6;
	if (!to->addr.family || ip_equal(&net.addr, configured))
		*to = net;
	return true;
}

/* Of -1 and 0 (what drivers say without a link) nothing is kept. */
static bool take_speed(int64_t *to, const char *value)
{
	uint64_t v;

	if (strcmp(value, "-1") == 0)
		return true;
	if (num_u64(value, 0, UINT32_MAX, &v, NULL) < 0)
		return false;
	*to = v && v < UINT32_MAX ? (int64_t)v : -1;
	return true;
}

static bool take_tool(struct pair_facts *f, const char *value)
{
	for (int t = 0; t < PAIR_NTOOLS; t++)
		if (strcmp(value, tools[t].name) == 0)
			f->tools[t] = true;
	return true;
}

static bool take_offload(struct pair_facts *f, const char *value)
{
	size_t at = strlen(f->offloads);

	return is_word(value) && str_format(f->offloads + at, sizeof(f->offloads) - at, "%s%s",
					    at ? " " : "", value) == 0;
}

static bool take_number(const char *value, uint64_t max, uint64_t *v)
{
	return num_u64(value, 0, max, v, NULL) == 0;
}

static bool take(struct pair_facts *f, const struct ip *configured, const char *key,
		 const char *value)
{
	static const struct {
		const char *key;
		size_t offset;
	} texts[] = {
		{ "operstate", offsetof(struct pair_facts, operstate) },
		{ "duplex", offsetof(struct pair_facts, duplex) },
		{ "device", offsetof(struct pair_facts, device) },
		{ "driver", offsetof(struct pair_facts, driver) },
		{ "firmware", offsetof(struct pair_facts, firmware) },
		{ "iperf3", offsetof(struct pair_facts, iperf3) },
		{ "rdma", offsetof(struct pair_facts, rdma) },
		{ "rdma_type", offsetof(struct pair_facts, rdma_type) },
		{ "rdma_firmware", offsetof(struct pair_facts, rdma_firmware) },
		{ "rdma_link", offsetof(struct pair_facts, rdma_link) },
		{ "rdma_rate", offsetof(struct pair_facts, rdma_rate) },
		{ "perftest", offsetof(struct pair_facts, perftest) },
	};
	uint64_t v = 0;
	bool ok;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].key) == 0)
			return !*value || take_word((char *)f + texts[i].offset, PAIR_WORD, value);
	if (strcmp(key, "address") == 0)
		return strchr(value, '/') ? take_address(f, configured, value)
					  : take_mac(f->mac, value);
	if (strcmp(key, "speed") == 0)
		return take_speed(&f->speed, value);
	if (strcmp(key, "tool") == 0)
		return take_tool(f, value);
	if (strcmp(key, "offload") == 0)
		return take_offload(f, value);
	if (strcmp(key, "carrier") == 0) {
		ok = take_number(value, 1, &v);
		f->carrier = (int)v;
	} else if (strcmp(key, "mtu") == 0) {
		ok = take_number(value, 1 << 20, &v) && v >= 68;
		f->mtu = (uint32_t)v;
	} else if (strcmp(key, "rdma_cm") == 0) {
		ok = f->rdma_cm = true;
	} else {
		ok = strcmp(key, "there") == 0;
		f->there = ok;
	}
	return ok;
}

/* The next line of *text into `line`; *cut when it is longer than that. False at the end. */
static bool next_line(const char **text, char *line, size_t size, bool *cut)
{
	size_t n = strcspn(*text, "\n");

	if (!**text)
		return false;
	*cut = n >= size;
	(void)str_format(line, size, "%.*s", (int)(*cut ? size - 1 : n), *text);
	*text += n + ((*text)[n] == '\n');
	return true;
}

int pair_facts_parse(const char *text, const struct ip *configured, struct pair_facts *f,
		     struct err *e)
{
	char line[LINE_BYTES], vis[4 * 64 + 1], *value;
	bool cut;

	*f = (struct pair_facts){ .carrier = -1, .speed = -1 };
	while (next_line(&text, line, sizeof(line), &cut)) {
		if (line[0] != '@')
			continue;
		value = strchr(line, ' ');
		if (value)
			*value++ = '\0';
		if (cut || !value || !take(f, configured, line + 1, value))
			return err_set(e, EBADMSG, "it says '%s' of '%s'",
				       value ? str_vis(value, strnlen(value, 48), vis, 200) : "",
				       str_vis(line + 1, strnlen(line + 1, 12), vis + 200,
					       sizeof(vis) - 200));
	}
	return 0;
}

bool pair_count_parse(const char *text, const char *name, struct pair_count *out)
{
	char line[LINE_BYTES], *at, *save = NULL, *word;
	uint64_t v[16];
	unsigned int n = 0;
	bool cut;

	while (next_line(&text, line, sizeof(line), &cut)) {
		at = line + strspn(line, " ");
		if (cut || strncmp(at, name, strlen(name)) != 0 || at[strlen(name)] != ':')
			continue;
		at += strlen(name) + 1;
		for (word = strtok_r(at, " ", &save); word && n < 16;
		     word = strtok_r(NULL, " ", &save))
			if (num_u64(word, 0, UINT64_MAX, &v[n++], NULL) < 0)
				return false;
		if (n != 16 || word)
			return false;
		*out = (struct pair_count){ v[0], v[1], v[8], v[9] };
		return true;
	}
	return false;
}

bool pair_arp_parse(const char *text, const struct ip *ip, char mac[18])
{
	char line[LINE_BYTES], address[IP_TEXT_MAX], device[32], hw[32];
	struct ip found;
	unsigned int flags;
	bool cut;

	while (next_line(&text, line, sizeof(line), &cut)) {
		/* IP address, HW type, Flags (2: complete), HW address, Mask, Device */
		if (cut ||
		    sscanf(line, "%63s %*s %x %31s %*s %31s", address, &flags, hw, device) != 4)
			continue;
		if (ip_parse(address, &found, NULL) == 0 && ip_equal(&found, ip) && (flags & 2) &&
		    strcmp(device, "data0") == 0)
			return take_mac(mac, hw);
	}
	return false;
}

/* "NUMBER WORDS" somewhere in the line: the number. */
static bool number_before(const char *line, const char *words, uint64_t *v)
{
	const char *at = strstr(line, words), *from = at;
	char digits[24];

	if (!at)
		return false;
	while (from > line && isdigit((unsigned char)from[-1]))
		from--;
	return str_format(digits, sizeof(digits), "%.*s", (int)(at - from < 24 ? at - from : 24),
			  from) == 0 &&
	       num_u64(digits, 0, UINT32_MAX, v, NULL) == 0;
}

bool pair_ping_parse(const char *text, uint64_t *sent, uint64_t *received)
{
	char line[LINE_BYTES];
	bool cut;

	while (next_line(&text, line, sizeof(line), &cut))
		if (!cut && number_before(line, " packets transmitted", sent))
			return number_before(line, " received", received) && *received <= *sent;
	return false;
}

/* --- asking --- */

static void take_row(void *ctx, const void *row)
{
	struct admin_workspace *ws = ctx;

	*ws = *(const struct admin_workspace *)row;
}

int pair_ask(struct cli *c, const char *name, struct pair_end *end)
{
	struct admin_name req = { .tag = 1 };
	int status;

	(void)str_copy(req.name, sizeof(req.name), name);
	memset(&end->ws, 0, sizeof(end->ws));
	status = cli_ask(c, ADMIN_LIST, &req, take_row, &end->ws);
	if (status == CLI_OK && strcmp(end->ws.name, name) != 0)
		status = cli_fail("talk to provisiond: it told of another workspace");
	return status;
}

int pair_look(struct cli *c, struct pair_end *end)
{
	struct inside w = INSIDE_NONE;
	struct ipnet configured = { 0 };
	char text[ERR_TEXT_MAX + STR_NAME_MAX + 64];
	struct err e = { 0 };
	int status = inside_run(&w, c, end->ws.name, pair_facts_script);

	(void)ip_parse_net(end->ws.data_ip, &configured, NULL);
	if (status == 0 && w.status)
		status = cli_fail("look at data0 from inside: the script failed (is there a sh?)");
	if (status == 0 && pair_facts_parse(w.text, &configured.addr, &end->facts, &e) < 0) {
		(void)str_format(text, sizeof(text), "look at data0 of workspace '%s': %s",
				 end->ws.name, e.text);
		status = cli_fail(text);
	}
	inside_end(&w);
	return status;
}

/* /proc/PID/net/NAME of the workspace. Malloc'd text, or NULL. */
static char *read_net(const struct pair_end *end, const char *name, struct err *e)
{
	char path[64], *text;
	uint64_t ns;
	size_t len;

	if (proc_ns_inode((pid_t)end->ws.init_pid, "net", &ns, NULL) < 0 || ns != end->ws.ns_net) {
		err_set(e, ESTALE, "workspace '%s' was stopped or restarted meanwhile",
			end->ws.name);
		return NULL;
	}
	text = malloc(PROC_MAX);
	(void)str_format(path, sizeof(path), "/proc/%" PRIu32 "/net/%s", end->ws.init_pid, name);
	if (!text)
		err_set(e, ENOMEM, "read '%s': out of memory", path);
	else if (path_read(AT_FDCWD, path, text, PROC_MAX, &len, e) == 0)
		return text;
	free(text);
	return NULL;
}

int pair_counts_read(const struct pair_end *end, struct pair_counts *out, struct err *e)
{
	auto_free char *text = read_net(end, "dev", e);
	auto_free char *host = malloc(PROC_MAX);
	size_t len;

	if (!text)
		return -e->code;
	*out = (struct pair_counts){ .has_control = false };
	if (!pair_count_parse(text, "data0", &out->data))
		return err_set(e, ENODEV, "workspace '%s' has no data0", end->ws.name);
	if (!host || path_read(AT_FDCWD, "/proc/self/net/dev", host, PROC_MAX, &len, NULL) < 0)
		return 0;
	out->has_control =
		*end->ws.interface && pair_count_parse(host, end->ws.interface, &out->control);
	return 0;
}

int pair_resolved(const struct pair_end *end, const struct ip *ip, char mac[18], struct err *e)
{
	auto_free char *text = read_net(end, "arp", e);

	return text ? pair_arp_parse(text, ip, mac) : -e->code;
}
