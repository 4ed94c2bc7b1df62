/* SPDX-License-Identifier: ISC */
/*
 * lookup.h: what is bound to a key of the store, from the cache where the store
 * has not moved on, else from the store.  Any number of threads; survives fork.
 */
#ifndef SNICERT_LOOKUP_H
#define SNICERT_LOOKUP_H

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
	LOOKUP_BROKEN,  /* chains are bound, and none of them can be used: logged */
	LOOKUP_MEMORY,  /* no memory for what is bound: logged */
	LOOKUP_ERROR    /* the store can't be read: logged */
};

struct lookup;

/** Borrows both arguments.  The store need not be there yet.  NULL for want of memory. */
struct lookup *lookup_new(const struct config *, struct log *);
void lookup_free(struct lookup *);

/** Where to count hits, decodes and states of the store; borrowed; before the first use. */
void lookup_set_stats(struct lookup *, struct stats *);

/**
 * See whether the store has moved on; at the start of each handshake.  What was
 * committed before this call is what lookup_find answers after it.  That another file was put
 * in the store's place is seen with the next tick of the kernel's clock (10 ms at most).
 */
void lookup_refresh(struct lookup *);

/** What is bound to `key`; the caller gives *out back with answer_unref. */
enum lookup_result lookup_find(struct lookup *, const struct name *key, struct answer **out);

/** Whether some fallback is bound to a local address. */
bool lookup_has_address_fallback(struct lookup *);

/**
 * Reach for all that a chroot or dropped privileges would hide: the store, its
 * index, the store key, and the global fallback as the chain to have at least; but no key
 * that is elsewhere, which the first look-up opens.
 */
void lookup_prepare(struct lookup *);

/** How things are. */
struct lookup_health {
	bool is_open;                   /* the store */
	int64_t since;                  /* Unix time */
	uint64_t sequence;              /* of its last change; 0: none, or it can't be read */
	uint64_t cached;                /* keys in the cache, unknown ones included */
};
void lookup_health(struct lookup *, struct lookup_health *out);

/** Look-ups answered from the cache, and chains decoded, so far. */
void lookup_counts(const struct lookup *, uint64_t *cache_hits, uint64_t *decodes);

#endif
