/* SPDX-License-Identifier: ISC */
/*
 * shelf.h: rows of the store, for the children that a server forks.
 *
 * A process has to describe its private memory to each child: fork() copies an entry for each page,
 * exit() drops it, a tenth of a microsecond apiece for both, used or not.  Shared pages cost a
 * child nothing until it reads them.  So a parent that serves through children doesn't parse their
 * chains for them, and keeps rows here.
 *
 * One process writes; its children read, at any time, without waiting.  They can never write, even
 * if compromised: one child must not decide what another serves.
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
 * For this process's future children.  `size` octets of address space, 256 MiB at most, of which
 * only the used part takes memory.  NULL if unavailable (sealed memfd_create(2), Linux 5.1); all
 * functions accept that.
 */
struct shelf *shelf_new(size_t size);
void shelf_free(struct shelf *);

/** Whether this process made it, and may put things there. */
bool shelf_is_own(const struct shelf *);

/**
 * Store what a key is bound to in a state of the store, to which the whole shelf then belongs: rows
 * of another state go.  `hash` is the key's.  False in processes that did not make it, if there is
 * no room, and for what is too long.
 */
bool shelf_put(struct shelf *, const struct store_version *, uint64_t hash, const struct name *key,
    const struct store_rows *rows);

/** All keys bound in this state of the store are here. */
void shelf_complete(struct shelf *, const struct store_version *);

enum shelf_result {
	SHELF_FOUND,    /* the rows are a copy */
	SHELF_NONE,     /* nothing is bound to the key */
	SHELF_UNKNOWN   /* not here */
};

/** What is here for a key in this state of the store; in any process. */
enum shelf_result shelf_get(const struct shelf *, const struct store_version *, uint64_t hash,
    const struct name *key, struct store_rows *rows);

/**
 * Rows as octets, and back.  Returns their number of octets, even if more than `size`; false for
 * octets that are not rows.  The octets are the rows' arena, and must not change while those are
 * used.
 */
size_t shelf_pack(const struct store_rows *, unsigned char *out, size_t size);
bool shelf_unpack(struct store_rows *, size_t length);

#endif
