/* SPDX-License-Identifier: ISC */
/*
 * lookup.h: what is bound to a key of the store, from the cache unless the store has changed.  Any
 * number of threads; survives fork.
 */
#ifndef SNICERT_LOOKUP_H
#define SNICERT_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"
#include "log.h"
#include "name.h"
#include "snicert.h"
#include "stats.h"

enum lookup_result {
	LOOKUP_FOUND,   /* *out has the chains: at least one */
	LOOKUP_NONE,    /* nothing is bound to the key */
	LOOKUP_BROKEN,  /* chains are bound, but none is usable: logged */
	LOOKUP_MEMORY,  /* no memory for what is bound: logged */
	LOOKUP_ERROR    /* the store can't be read: logged */
};

struct lookup;

/** Borrows both arguments.  The store need not exist yet.  NULL if out of memory. */
struct lookup *lookup_new(const struct config *, struct log *);
void lookup_free(struct lookup *);

/** Where to count hits, decodes and store states; borrowed; call before the first use. */
void lookup_set_stats(struct lookup *, struct stats *);

/**
 * Check whether the store has changed; at the start of each handshake.  lookup_find afterwards
 * answers with everything committed before this call.  A replaced store file is noticed with the
 * next tick of the kernel's clock (10 ms at most).
 */
void lookup_refresh(struct lookup *);

/** Whether chains are paired as they are decoded (chain_pair), and let them be from now on. */
bool lookup_pairs(const struct lookup *);
void lookup_pair(struct lookup *);

/** What is bound to `key`; the caller returns *out with answer_unref. */
enum lookup_result lookup_find(struct lookup *, const struct name *key, struct answer **out);

/** Whether any fallback is bound to a local address. */
bool lookup_has_address_fallback(struct lookup *);

/**
 * Open all that a chroot or dropped privileges would hide: the store, its index, the store key, and
 * the global fallback as the chain to have at least; but no key elsewhere, which the first look-up
 * opens.
 */
void lookup_prepare(struct lookup *);

/** Current health. */
struct lookup_health {
	bool is_open;                   /* the store */
	int64_t since;                  /* Unix time */
	uint64_t sequence;              /* of its last change; 0: none, or unreadable */
	uint64_t cached;                /* keys in the cache, unknown ones too */
};
void lookup_health(struct lookup *, struct lookup_health *out);

/** Look-ups answered from the cache, and chains decoded, so far. */
void lookup_counts(const struct lookup *, uint64_t *cache_hits, uint64_t *decodes);

#endif
