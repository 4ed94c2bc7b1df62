/* SPDX-License-Identifier: ISC */
/*
 * replay.c: the fuzz targets without a fuzzer, for any compiler.
 *
 *   replay --list                   a line for each target: its name, and octets worth trying
 *   replay --seeds DIR              write each target's own seeds into DIR/TARGET
 *   replay TARGET PATH…             the inputs in files and directories, sorted
 *   replay --mangle N TARGET PATH…  and each of them N times more, damaged by chance
 *
 * What fails ends the program; the input's name is the last line before.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MOST (1u << 20)

static const struct fuzz_target *target;
static unsigned long mangled, count;

/* Marsaglia's xorshift: the same damage on each run. */
static uint32_t
chance(uint32_t below)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

/* Of exactly its size, so that a sanitizer sees who reads on. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL)
		fuzz_die("no memory");
	memcpy(copy, data, size);
	target->one(copy, size);
	free(copy);
	count++;
}

static void
mangle(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 8);
	size_t at, length = size;

	if (copy == NULL)
		fuzz_die("no memory");
	memcpy(copy, data, size);
	for (uint32_t i = 1 + chance(4); i > 0 && length > 0; i--) {
		at = chance((uint32_t)length);
		switch (chance(4)) {
		case 0:
			copy[at] ^= (uint8_t)(1u << chance(8));
			break;
		case 1:
			copy[at] = (uint8_t)chance(256);
			break;
		case 2:
			memmove(copy + at, copy + at + 1, length - at - 1);
			length--;
			break;
		default:
			if (length == size + 8)
				break;
			memmove(copy + at + 1, copy + at, length - at);
			length++;
			break;
		}
	}
	run(copy, length);
	free(copy);
}

static void
replay_file(const char *path)
{
	static uint8_t data[INPUT_MOST];
	FILE *file = fopen(path, "r");
	size_t size;

	if (file == NULL)
		fuzz_die("%s: %s", path, strerror(errno));
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	run(data, size);
	for (unsigned long i = 0; i < mangled; i++)
		mangle(data, size);
}

static void
replay(const char *path)
{
	struct dirent **entries;
	char below[1024];
	struct stat st;
	int n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0)
		fuzz_die("%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			replay(below);
		free(entries[i]);
	}
	free(entries);
}

static void
write_seeds(const char *dir)
{
	for (size_t i = 0; fuzz_targets[i] != NULL; i++) {
		char into[512];

		snprintf(into, sizeof(into), "%s/%s", dir, fuzz_targets[i]->name);
		mkdir(into, 0777);
		fuzz_seed_into(into);
		if (fuzz_targets[i]->seed != NULL)
			fuzz_targets[i]->seed();
	}
}

static void
list(void)
{
	for (size_t i = 0; fuzz_targets[i] != NULL; i++)
		printf("%s %zu\n", fuzz_targets[i]->name, fuzz_targets[i]->most);
}

int
main(int argc, char **argv)
{
	int at = 1;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
		write_seeds(argv[2]);
		return 0;
	}
	if (argc > 3 && strcmp(argv[1], "--mangle") == 0) {
		mangled = strtoul(argv[2], NULL, 10);
		at = 3;
	}
	target = argc - at < 2 ? NULL : fuzz_target(argv[at]);
	if (target == NULL) {
		fprintf(stderr, "usage: replay [--mangle N] TARGET PATH…, or --list, or --seeds DIR\n");
		return 2;
	}
	if (target->start != NULL)
		target->start();
	for (int i = at + 1; i < argc; i++)
		replay(argv[i]);
	printf("%s: %lu inputs\n", target->name, count);
	return 0;
}
