/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of configuration values: interfaces, NICs, GPUs and cpus.  Syntax only: whether one exists is decided where it is
 * used, so that a configuration can be checked on another host.
 */
#include "schema_type.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "nic_altname.h"

#define DIGITS "0123456789"
#define HEX    "0123456789abcdefABCDEF"

/* A list under way; `out` is a text of SCHEMA_VALUE_MAX bytes. */
struct list {
	const struct schema_row *row;
	void *out;
};

static void append_with(char *buf, size_t size, const char *comma, const char *text)
{
	size_t used = strlen(buf);

	str_format(buf + used, size - used, "%s%s", used ? comma : "", text);
}

/* --- devices -------------------------------------------------------------------------------------------------------- */

/* `pattern`: 'x' stands for a hexadecimal digit, everything else for itself. */
static bool looks_like(const char *s, const char *pattern)
{
	for (; *pattern; s++, pattern++) {
		if (*s == '\0' || (*pattern == 'x' ? !strchr(HEX, *s) : *s != *pattern))
			return false;
	}
	return *s == '\0';
}

static bool is_pci(const char *s)
{
	return looks_like(s, "xxxx:xx:xx.x") || looks_like(s, "xxxxx:xx:xx.x");
}

/* dev_valid_name() of the kernel, less the characters that no one types; at most `max` characters. */
static bool is_called(const char *s, size_t max)
{
	size_t n = strlen(s);

	return n >= 1 && n <= max && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && *s != '-' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-")] ==
		       '\0';
}

static bool is_ifname(const char *s)
{
	return is_called(s, IF_NAMESIZE - 1);
}

/* Of a NIC alternative names will do, which may be longer. */
static bool is_nic_name(const char *s)
{
	return is_called(s, NIC_ALTNAME_MAX - 1);
}

static int parse_ifname(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (*text && !is_ifname(text))
		return err_set(e, EINVAL, "'%s' is not an interface name (at most 15 characters)",
			       text);
	return schema_type_store(row, text, base, e);
}

static int check_nic(const char *text, struct err *e)
{
	if (strncmp(text, "pci:", 4) == 0) {
		if (!is_pci(text + 4))
			return err_set(e, EINVAL, "'%s' is not a PCI address (pci:0000:29:00.0)",
				       text);
		return 0;
	}
	if (strncmp(text, "mac:", 4) == 0) {
		if (!looks_like(text + 4, "xx:xx:xx:xx:xx:xx"))
			return err_set(e, EINVAL,
				       "'%s' is not a MAC address (mac:02:00:00:00:00:01)", text);
		return 0;
	}
	if (!is_nic_name(text))
		return err_set(e, EINVAL,
			       "'%s' is not a NIC (pci:ADDRESS, mac:ADDRESS, an interface name)",
			       text);
	return 0;
}

/* One word per device, so that two are the same when their words are: a PCI address has its "pci:". */
static void with_prefix(const char *text, size_t n, char *buf, size_t size)
{
	(void)str_format(buf, size, "%.*s", (int)n, text);
	if (is_pci(buf))
		(void)str_format(buf, size, "pci:%.*s", (int)n, text);
}

/* NIC:N is NIC/vfN, too. */
static const char *plain_nic(const char *text, char *buf, size_t size)
{
	const char *end = strrchr(text, ':');
	size_t digits = end ? strspn(end + 1, DIGITS) : 0;

	with_prefix(text, strlen(text), buf, size);
	if (!digits || end[1 + digits] || check_nic(buf, NULL) == 0 ||
	    (end == text + 3 && (strncmp(text, "pci", 3) == 0 || strncmp(text, "mac", 3) == 0)) ||
	    strncmp(text, "macvlan:", 8) == 0)
		return buf;
	with_prefix(text, (size_t)(end - text), buf, size);
	if (check_nic(buf, NULL) == 0)
		(void)str_format(buf + strlen(buf), size - strlen(buf), "/vf%s", end + 1);
	else
		(void)str_format(buf, size, "%s", text);
	return buf;
}

/* NIC, NIC/vfN, NIC:N, macvlan:NAME. */
static int parse_nic(const struct schema_row *row, const char *word, void *base, struct err *e)
{
	char plain[SCHEMA_VALUE_MAX], nic[SCHEMA_VALUE_MAX];
	const char *text = plain_nic(word, plain, sizeof(plain)), *vf = strstr(text, "/vf");

	if (strncmp(text, "macvlan:", 8) == 0) {
		if (!is_nic_name(text + 8))
			return err_set(e, EINVAL, "'%s': no interface name after macvlan:", text);
		return schema_type_store(row, text, base, e);
	}
	if (vf && (vf[3] == '\0' || strlen(vf + 3) > 3 || vf[3 + strspn(vf + 3, DIGITS)]))
		return err_set(e, EINVAL, "'%s': a virtual function is NIC/vf0, NIC/vf1, ..", text);
	(void)str_format(nic, sizeof(nic), "%.*s", vf ? (int)(vf - text) : (int)strlen(text), text);
	if (vf && (strcmp(nic, "auto") == 0 || strcmp(nic, "none") == 0))
		return err_set(e, EINVAL, "'%s' names no NIC", text);
	return check_nic(nic, e) < 0 ? -EINVAL : schema_type_store(row, text, base, e);
}

static int one_nic(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	char nic[SCHEMA_VALUE_MAX];
	int ret;

	with_prefix(entry, strlen(entry), nic, sizeof(nic));
	ret = check_nic(nic, e);
	if (ret == 0 && (strcmp(entry, "auto") == 0 || strcmp(entry, "none") == 0))
		return err_set(e, EINVAL, "'%s' names no NIC", entry);
	if (ret == 0)
		append_with(l->out, SCHEMA_VALUE_MAX, ",", nic);
	return ret;
}

static int parse_nics(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "";
	struct list l = { row, out };
	int n = *text ? schema_type_each(text, one_nic, &l, e) : 0;

	return n < 0 ? n : schema_type_store(row, out, base, e);
}

/* A whole GPU: UUID, PCI address or index. */
static bool is_gpu(const char *text)
{
	const char *name = strncmp(text, "pci:", 4) == 0 ? text + 4 : text;
	size_t n = strlen(text);

	return is_pci(name) || looks_like(text, "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") ||
	       (n >= 1 && n <= 3 && text[strspn(text, DIGITS)] == '\0');
}

/* "/giN/ciN": an instance of a partitioned GPU. */
static bool is_instance(const char *part)
{
	for (const char *prefix = "gc"; *prefix; prefix++) {
		size_t n;

		if (part[0] != '/' || part[1] != *prefix || part[2] != 'i')
			return false;
		n = strspn(part + 3, DIGITS);
		if (n < 1 || n > 3)
			return false;
		part += 3 + n;
	}
	return *part == '\0';
}

/* A GPU, an instance of one, or a CDI device vendor.com/class=name. */
static int check_gpu(const char *text, struct err *e)
{
	const char *part = strchr(text, '/');
	char whole[SCHEMA_VALUE_MAX];

	(void)str_format(whole, sizeof(whole), "%.*s",
			 part ? (int)(part - text) : (int)strlen(text), text);
	if (is_gpu(whole) && (!part || is_instance(part)))
		return 0;
	if (is_gpu(whole))
		return err_set(e, EINVAL, "'%s': an instance of a GPU is %s/giN/ciN", text, whole);
	if (looks_like(text, "MIG-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return 0;
	if (strchr(text, '/') && strchr(text, '=') > strchr(text, '/') &&
	    text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/=-")] ==
		    '\0')
		return 0;
	return err_set(e, EINVAL,
		       "'%s' is not a GPU (GPU-UUID, PCI address, index, GPU/giN/ciN, CDI name)",
		       text);
}

static int parse_gpu(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (strcmp(text, "auto") != 0 && strcmp(text, "none") != 0 && check_gpu(text, e) < 0)
		return -EINVAL;
	return schema_type_store(row, text, base, e);
}

static int one_gpu(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	struct list *l = ctx;
	int ret = check_gpu(entry, e);

	if (ret == 0)
		append_with(l->out, SCHEMA_VALUE_MAX, ",", entry);
	return ret;
}

static int parse_gpus(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	char out[SCHEMA_VALUE_MAX] = "";
	struct list l = { row, out };
	int n;

	if (strcmp(text, "all") == 0 || *text == '\0')
		return schema_type_store(row, text, base, e);
	n = schema_type_each(text, one_gpu, &l, e);
	return n < 0 ? n : schema_type_store(row, out, base, e);
}

/* --- cpus ----------------------------------------------------------------------------------------------------------- */

#define CPU_MAX 8191

/* Read a number at *p, move *p behind it. */
static bool take_number(const char **p, unsigned long *v)
{
	size_t n = strspn(*p, DIGITS);

	if (n == 0 || n > 5)
		return false;
	*v = strtoul(*p, NULL, 10);
	*p += n;
	return true;
}

/* a, a-b, a-b:used/group: the list format of cpuset(7). */
static int one_cpus(void *ctx, const char *entry, unsigned int n, struct err *e)
{
	unsigned long first, last, used, group;
	const char *p = entry;

	if (!take_number(&p, &first))
		goto bad;
	last = first;
	if (*p == '-' && (p++, !take_number(&p, &last)))
		goto bad;
	if (last < first)
		return err_set(e, EINVAL, "range '%s' ends before it begins", entry);
	if (last > CPU_MAX)
		return err_set(e, ERANGE, "'%s' is above cpu %d", entry, CPU_MAX);
	if (*p == ':') {
		p++;
		if (!take_number(&p, &used) || *p++ != '/' || !take_number(&p, &group))
			goto bad;
		if (used == 0 || used > group)
			return err_set(e, EINVAL, "'%s' takes %lu of every %lu cpus", entry, used,
				       group);
	}
	if (*p == '\0')
		return 0;
bad:
	return err_set(e, EINVAL, "'%s' is not a list of cpus (0-3,8 or 0-15:1/2)", entry);
}

static int parse_cpus(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t count;
	int n;

	if (*text == '\0' || strcmp(text, "auto:nic") == 0 || strcmp(text, "auto:gpu") == 0)
		return schema_type_store(row, text, base, e);
	if (text[strspn(text, DIGITS)] == '\0') {
		if (num_u64(text, 1, CPU_MAX + 1, &count, e) < 0)
			return -EINVAL;
		return schema_type_store(row, text, base, e);
	}
	if (strpbrk(text, " \t"))
		return err_set(e, EINVAL, "blank in the list of cpus '%s'", text);
	n = schema_type_each(text, one_cpus, NULL, e);
	return n < 0 ? n : schema_type_store(row, text, base, e);
}

const struct schema_type schema_type_ifname = { "interface name", parse_ifname,
						schema_type_print_text };
const struct schema_type schema_type_nic = {
	"auto, none, pci:, mac:, interface name, NIC/vfN, NIC:N, macvlan:NAME", parse_nic,
	schema_type_print_text
};
const struct schema_type schema_type_nics = { "list of NICs", parse_nics, schema_type_print_text };
const struct schema_type schema_type_gpu = {
	"auto, none, UUID, PCI address, index, GPU/giN/ciN or CDI name", parse_gpu,
	schema_type_print_text
};
const struct schema_type schema_type_gpus = { "all, or list of GPUs", parse_gpus,
					      schema_type_print_text };
const struct schema_type schema_type_cpus = { "count, list, auto:nic or auto:gpu", parse_cpus,
					      schema_type_print_text };
