/* SPDX-License-Identifier: ISC */
/*
 * fuzz.h: what the fuzz targets share.  A target takes octets that somebody
 * else chose and lets the code have them; what must hold it checks itself, with
 * fuzz_die.  libfuzzer.c has a fuzzer call it, replay.c the inputs of the tree.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
	const char *name;
	void (*start)(void);                    /* once; may be NULL */
	void (*one)(const uint8_t *data, size_t size);
	void (*seed)(void);                     /* by fuzz_seed: real input that has to be made; may be NULL */
	size_t most;                            /* octets worth trying */
};

/** All targets, ended by NULL; one by its name, or NULL. */
extern const struct fuzz_target *const fuzz_targets[];
const struct fuzz_target *fuzz_target(const char *name);

/** A property does not hold: say which, and abort. */
void fuzz_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/** Write a seed into the directory that fuzz_seed_into named. */
void fuzz_seed_into(const char *dir);
void fuzz_seed(const char *name, const void *data, size_t size);
void fuzz_seed_file(const char *name, const char *path);

/** A directory of this process, which is removed as it ends; and a path within it. */
const char *fuzz_dir(void);
const char *fuzz_path(char path[200], const char *name);

/** A file of octets, as a private key has to lie there. */
void fuzz_write(const char *path, const void *data, size_t size);

/** What is left of an input; beyond its end there are zeros. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};
uint8_t fuzz_octet(struct fuzz_input *);
unsigned fuzz_number(struct fuzz_input *);      /* of two octets */
/** The next octets, as many as the first one says, or as there are. */
const uint8_t *fuzz_piece(struct fuzz_input *, size_t *length);
/** The same as text, ended by NUL, in a buffer of at least 256. */
const char *fuzz_text(struct fuzz_input *, char *out);

/** Change a copy of octets as the input says: where (24 bits), how many, by what. */
void fuzz_edit(struct fuzz_input *, uint8_t *octets, size_t length);

#endif
