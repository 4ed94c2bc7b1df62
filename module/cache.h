/* SPDX-License-Identifier: ISC */
/*
 * cache.h: a bounded map from keys of the store to parsed chains, including keys known to be
 * unknown.  Plain data: the caller (lookup.c) holds the lock.  Many threads may call functions that
 * take a const cache at once.
 *
 * An entry carries the generation in which it was looked up.  Once the store has changed, an older
 * entry still tells what was there: the caller asks the store again and, if the same chains are
 * bound, keeps them without decoding.
 */
#ifndef SNICERT_CACHE_H
#define SNICERT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "name.h"

enum cache_outcome {
	CACHE_FOUND,    /* chains are bound to the key, and `answer` has those that decode */
	CACHE_NONE,     /* nothing is */
	CACHE_BROKEN    /* chains are bound, but none is usable */
};

/** The chains of one key, shared by reference. */
struct answer;

struct answer *answer_new(struct chain *const *chains, size_t count);   /* takes new references */
struct answer *answer_ref(struct answer *);
void answer_unref(struct answer *);
size_t answer_count(const struct answer *);
struct chain *const *answer_chains(const struct answer *);

/**
 * Count one more use of the chains.  Returns how many to report: the unreported ones, at the first
 * use in a period, and whenever they reach ANSWER_USES; else 0.  The high 32 bits of a period stand
 * for the process, the others for the time.
 */
unsigned answer_use(struct answer *, uint64_t period);
#define ANSWER_USES 16

struct cache_entry {
	enum cache_outcome outcome;
	uint64_t generation;
	int64_t retry_at;               /* CLOCK_MONOTONIC seconds at which to retry after trouble; 0: none */
	struct answer *answer;          /* NULL unless found; lent */
};

struct cache;

/** At most `memory` octets; an eighth of them for unbound keys. */
struct cache *cache_new(size_t memory);
void cache_free(struct cache *);

/** Limit it to this from now on.  Any excess goes as others are put. */
void cache_set_memory(struct cache *, size_t memory);

/** An unpredictable hash of a key; the same in a process and its forks. */
uint64_t cache_hash(const struct cache *, const struct name *key);

/** The entry of a key, or NULL.  Lent until the next call of cache_put. */
const struct cache_entry *cache_find(const struct cache *, const struct name *key);

/** Replace the key's entry; takes a new reference to entry->answer. */
void cache_put(struct cache *, const struct name *key, const struct cache_entry *entry);

/** A chain that some entry holds, by its identity; lent; NULL if none. */
struct chain *cache_chain(const struct cache *, const unsigned char *identity);

/** Octets in use, and entries held. */
size_t cache_memory(const struct cache *);
size_t cache_count(const struct cache *);

#endif
