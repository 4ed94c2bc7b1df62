/* SPDX-License-Identifier: ISC */
/*
 * population.h: a store with as many names as a benchmark wants, made in seconds.
 *
 * Every name has chains of its own: a leaf of the size that public CAs issue,
 * one of two intermediates that all share, a key sealed under the store key.  There is
 * one key of each type, and the leaves are one certificate of each type with
 * name and serial number changed in place: nobody looks at their signature.
 */
#ifndef POPULATION_H
#define POPULATION_H

#include <stddef.h>
#include <stdint.h>

/** What a name is bound to; the first letter of the name. */
enum kind { KIND_EC, KIND_RSA, KIND_BOTH, KINDS };

/** Octets of each name, unknown ones included: a recorded ClientHello takes any of them. */
#define POPULATION_NAME_LENGTH 22
#define POPULATION_NAME_SIZE (POPULATION_NAME_LENGTH + 1)

struct population {
	char dir[64];
	char config[96], store[96], key[96];
	size_t names;           /* in all; a third of each kind */
	char *pem[2];           /* leaf and key of name 0, EC and RSA, as PEM */
};

/** Make a store in a new directory; ends the program where it can't. */
struct population *population_new(size_t names);
void population_free(struct population *);

/** The name of number `i` (below names / KINDS) of its kind. */
void population_name(char out[POPULATION_NAME_SIZE], enum kind kind, size_t i);

/** A name that nobody knows: of a parent that is the same, or another for each. */
void population_unknown(char out[POPULATION_NAME_SIZE], size_t i);
void population_unknown_parent(char out[POPULATION_NAME_SIZE], size_t i);

/** Commit a change to a binding that no name of above has. */
void population_commit(struct population *);

/** Put another chain, not seen before, in the place of an EC name's, and commit. */
void population_renew(struct population *, size_t i);

/** End the program where something can't be done. */
void must(int good, const char *what);

#endif
