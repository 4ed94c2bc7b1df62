/* SPDX-License-Identifier: ISC */
/*
 * shelf.h: rows of the store, where the children that a server forks find them.
 *
 * What lies in memory of its own a process has to describe to each child: fork() copies an
 * entry for each page, exit() takes it back, a tenth of a microsecond apiece for both, used
 * or not.  Pages that are shared cost a child nothing until it looks at them.  So
 * a parent that serves by children parses none for them, and keeps rows here.
 *
 * One process writes; its children read, at any time, and wait for nobody.  They can't write,
 * whatever becomes of them: what one child serves is not for another one to say.
 */
#ifndef SNICERT_SHELF_H
#define SNICERT_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"
#include "store.h"

struct shelf;

/**
 * For the children that this process will fork.  `size` octets of address space, 256 MiB at the most,
 * of which what is used takes memory.  NULL where that can't be had (sealed memfd_create(2), Linux 5.1), which
 * all functions take.
 */
struct shelf *shelf_new(size_t size);
void shelf_free(struct shelf *);

/** Whether this process made it, and may put something there. */
bool shelf_is_own(const struct shelf *);

/**
 * Put what a key is bound to in a state of the store, to which all that is here then belongs: rows
 * of another one go.  `hash` is of the key.  False in processes that did not make it, where there is
 * no room, and for what is too long.
 */
bool shelf_put(struct shelf *, const struct store_version *, uint64_t hash, const struct name *key,
    const struct store_rows *rows);

/** All keys that are bound in this state of the store are here. */
void shelf_complete(struct shelf *, const struct store_version *);

enum shelf_result {
	SHELF_FOUND,    /* the rows are a copy of what is here */
	SHELF_NONE,     /* the key is bound to nothing */
	SHELF_UNKNOWN   /* not here */
};

/** What is here of a key in this state of the store; in any of the processes. */
enum shelf_result shelf_get(const struct shelf *, const struct store_version *, uint64_t hash,
    const struct name *key, struct store_rows *rows);

/**
 * Rows as octets, and back.  Returns how many octets they are, whether or not that fits into
 * `size`; false for octets that are not rows.  The octets are the arena of the rows, and are
 * changed by nothing as long as those are used.
 */
size_t shelf_pack(const struct store_rows *, unsigned char *out, size_t size);
bool shelf_unpack(struct store_rows *, size_t length);

#endif
