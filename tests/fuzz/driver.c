/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main() of every fuzz target: run the corpus, then mutations of it from a fixed seed, so that gcc without libFuzzer
 * finds the same things on every machine.  Says TAP.  The input that ends the process is written to FUZZ_CRASH (default
 * ./crash-TARGET).
 *
 * usage: fuzz_X              corpus tests/fuzz/corpus/X, FUZZ_RUNS mutations (20000), seed FUZZ_SEED (1)
 *        fuzz_X FILE...      run these inputs only
 *        fuzz_X --seeds DIR  write the target's own seeds (fuzz_seeds) into DIR
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX  (256 * 1024)
#define CORPUS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may generate its seeds: call `emit` for each. */
__attribute__((weak)) void fuzz_seeds(void (*emit)(const char *name, const void *data,
						   size_t size));
/* Of AddressSanitizer and UndefinedBehaviorSanitizer, when linked. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct input {
	uint8_t *data;
	size_t size;
};

static struct input corpus[CORPUS_MAX], now;
static size_t ncorpus;
static const char *target = "fuzz", *seed_dir;
static uint64_t rng;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static uint32_t below(size_t n)
{
	return n ? (uint32_t)(next() % n) : 0;
}

static void save_crash(void)
{
	const char *name = getenv("FUZZ_CRASH");
	char path[PATH_MAX];
	int fd;

	if (!now.data)
		return;
	(void)snprintf(path, sizeof(path), "crash-%s", target);
	fd = open(name ? name : path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, now.data, now.size) != (ssize_t)now.size)
		(void)fprintf(stderr, "# the input could not be saved\n");
	else
		(void)fprintf(stderr, "# input of %zu bytes saved as %s\n", now.size,
			      name ? name : path);
	now.data = NULL;
}

static void on_signal(int sig)
{
	save_crash();
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

/* In a buffer of exactly its size, so that a sanitizer sees the first byte that is read past it. */
static void run_one(const uint8_t *data, size_t size)
{
	now.data = malloc(size ? size : 1);
	now.size = size;
	if (!now.data)
		abort();
	if (size)
		memcpy(now.data, data, size);
	(void)LLVMFuzzerTestOneInput(now.data, size);
	free(now.data);
	now.data = NULL;
}

static void load(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 || !data ? -1 : read(fd, data, INPUT_MAX);

	if (fd >= 0)
		(void)close(fd);
	if (n < 0 || ncorpus == CORPUS_MAX) {
		(void)fprintf(stderr, "# cannot use %s: %s\n", path,
			      n < 0 ? strerror(errno) : "corpus is full");
		exit(2);
	}
	corpus[ncorpus].data = data;
	corpus[ncorpus++].size = (size_t)n;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	static char *names[CORPUS_MAX];
	size_t n = 0;

	while (d && (entry = readdir(d))) {
		char *path = NULL;

		if (entry->d_name[0] == '.' || n == CORPUS_MAX)
			continue;
		if (asprintf(&path, "%s/%s", dir, entry->d_name) > 0)
			names[n++] = path;
	}
	if (d)
		(void)closedir(d);
	/* Sorted: the order of a directory differs between machines, and the mutations shall not. */
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		load(names[i]);
		free(names[i]);
	}
}

static size_t mutate_once(uint8_t *buf, size_t n)
{
	static const uint32_t odd[] = { 0,          1,          0x7f,      0x80,    0xff,
					0x100,      0x7fff,     0xffff,    0x10000, 0x7fffffff,
					0x80000000, 0xfffffffc, 0xffffffff };
	uint32_t v = odd[below(sizeof(odd) / sizeof(odd[0]))], at = below(n), len;
	const struct input *other = &corpus[below(ncorpus)];

	switch (below(8)) {
	case 0: /* cut */
		return at;
	case 1: /* append */
		len = 1 + below(64);
		for (uint32_t i = 0; i < len && n < INPUT_MAX; i++)
			buf[n++] = (uint8_t)next();
		return n;
	case 2: /* remove a piece */
		len = below(n - at < 64 ? n - at : 64);
		memmove(buf + at, buf + at + len, n - at - len);
		return n - len;
	case 3: /* repeat a piece */
		len = below(n - at < 64 ? n - at : 64);
		if (n + len > INPUT_MAX)
			return n;
		memmove(buf + at + len, buf + at, n - at);
		return n + len;
	case 4: /* end like another one */
		len = below(other->size);
		if (at + other->size - len > INPUT_MAX)
			return n;
		memcpy(buf + at, other->data + len, other->size - len);
		return at + other->size - len;
	case 5: /* a number of note, in either byte order */
		if (next() & 1)
			v = __builtin_bswap32(v);
		if (n >= 4)
			memcpy(buf + below(n - 3), &v, 4);
		return n;
	case 6: /* bytes of note */
		if (n)
			buf[at] = (uint8_t)v;
		return n;
	default: /* bits */
		if (n)
			buf[at] ^= (uint8_t)(1U << below(8));
		return n;
	}
}

static void mutate(unsigned long runs)
{
	uint8_t *buf = malloc(INPUT_MAX + 64);

	if (!buf)
		abort();
	for (unsigned long i = 0; i < runs; i++) {
		const struct input *from = &corpus[below(ncorpus)];
		size_t n = from->size;

		memcpy(buf, from->data, n);
		for (uint32_t k = 1 + below(6); k; k--)
			n = mutate_once(buf, n);
		run_one(buf, n);
	}
	free(buf);
}

static void write_seed(const char *name, const void *data, size_t size)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", seed_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0) {
		perror(path);
		exit(2);
	}
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static int seeds(const char *dir)
{
	seed_dir = dir;
	if (!fuzz_seeds) {
		(void)fprintf(stderr, "%s: no seeds of its own\n", target);
		return 2;
	}
	(void)mkdir(dir, 0755);
	fuzz_seeds(write_seed);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long runs = number("FUZZ_RUNS", 20000), seed = number("FUZZ_SEED", 1);
	const char *slash = strrchr(argv[0], '/');
	char dir[PATH_MAX];

	target = slash ? slash + 1 : argv[0];
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return seeds(argv[2]);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_crash);
	else
		(void)signal(SIGSEGV, on_signal);
	(void)signal(SIGABRT, on_signal);
	(void)snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s",
		       target + (strncmp(target, "fuzz_", 5) ? 0 : 5));
	for (int i = 1; i < argc; i++)
		load(argv[i]);
	if (argc == 1)
		load_dir(dir);
	if (ncorpus == 0) {
		printf("not ok 1 - %s: no corpus in %s\n1..1\n", target, dir);
		return 1;
	}
	for (size_t i = 0; i < ncorpus; i++)
		run_one(corpus[i].data, corpus[i].size);
	printf("ok 1 - %s: %zu inputs\n", target, ncorpus);
	if (argc == 1) {
		rng = 0x9e3779b97f4a7c15ULL * (seed + 1);
		mutate(runs);
		printf("ok 2 - %s: %lu mutations from seed %lu\n", target, runs, seed);
	}
	printf("1..%d\n", argc == 1 ? 2 : 1);
	for (size_t i = 0; i < ncorpus; i++)
		free(corpus[i].data);
	return 0;
}
