/* SPDX-License-Identifier: ISC */
/*
 * lookup_fork.c: what happens around fork().  Locks are held, so that the child starts with
 * consistent data.  Where a server forks for each connection and a child had to ask the store, its
 * process puts rows on the shelf (shelf.h) before each fork, until all bound keys are there.
 *
 * That takes the time of somebody else's daemon: so a few rows each time, as stored.  It decodes
 * but one chain of each key type, and few intermediates (chain_codec_prepare()), reads no key file,
 * logs nothing and calls no foreign code.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>

#include "at_fork.h"
#include "lookup_internal.h"
#include "walindex.h"

#define KEYS_A_FORK 16          /* bound keys put on the shelf before each child, or: */
#define TIME_A_FORK 1000000     /* nanoseconds, and the key then begun */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *all;
static _Thread_local bool in_fork;

bool
lookup_fork_is_on(void)
{
	return in_fork;
}

/* Under `all_lock`. */
static void
drop_all_inherited(void)
{
	for (struct lookup *it = all; it != NULL; it = it->next) {
		lookup_load_begin(it);
		store_drop_inherited(it->store);
		lookup_load_end(it);
	}
}

void
lookup_fork_drop_inherited(void)
{
	lock_take(&all_lock, LOCK_LOOKUPS);
	drop_all_inherited();
	lock_give(&all_lock, LOCK_LOOKUPS);
}

/* Under `load`: whether this process has its own shelf. */
static bool
has_shelf(struct lookup *lookup)
{
	if (lookup->shelf != NULL && !shelf_is_own(lookup->shelf)) {
		shelf_free(lookup->shelf);
		lookup->shelf = NULL;
	}
	if (lookup->shelf == NULL)
		lookup->shelf = shelf_new(lookup_memory_of_chains(lookup->config));
	return lookup->shelf != NULL;
}

enum shelved { SHELVED, SHELVED_NOTHING, SHELVED_NO_ROOM };

/* Under `load`: put what is bound to a key where children find it, and be ready for its like. */
static enum shelved
put_on_shelf(struct lookup *lookup, const struct store_version *version, const struct name *key)
{
	uint64_t hash = cache_hash(lookup->cache, key);

	if (shelf_get(lookup->shelf, version, hash, key, &lookup->rows) == SHELF_FOUND)
		return SHELVED; /* by a sweep that was restarted */
	if (store_lookup(lookup->store, key, &lookup->rows, NULL) != STORE_FOUND)
		return SHELVED_NOTHING;
	for (size_t i = 0; i < lookup->rows.count; i++)
		chain_codec_prepare(lookup->codec, lookup->seal, &lookup->rows.chains[i]);
	return shelf_put(lookup->shelf, version, hash, key, &lookup->rows) ? SHELVED : SHELVED_NO_ROOM;
}

/* A child asked: put this whole state of the store on the shelf, unless done or in progress. */
static void
start_sweep(struct lookup *lookup)
{
	struct sweep *sweep = &lookup->sweep;
	uint64_t generation;

	lookup_load_begin(lookup);
	lookup_known_version(lookup, &generation);
	if (sweep->generation != generation)
		*sweep = (struct sweep){ .generation = generation, .active = has_shelf(lookup) };
	lookup_load_end(lookup);
}

static int64_t
nanoseconds(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Under `load`: the next few.  Whether there may be more; *done: all are there. */
static bool
sweep_some(struct lookup *lookup, const struct store_version *version, bool *done)
{
	int64_t end = nanoseconds() + TIME_A_FORK;
	struct sweep *sweep = &lookup->sweep;
	struct name keys[KEYS_A_FORK];
	size_t count = KEYS_A_FORK;
	enum store_result result = store_keys(lookup->store, sweep->last.text, keys, &count, NULL);
	enum shelved shelved = SHELVED;

	*done = result == STORE_NONE;
	if (result == STORE_ERROR)
		sweep->generation = 0;
	if (result != STORE_FOUND)
		return false;
	for (size_t i = 0; i < count && shelved == SHELVED && (i == 0 || nanoseconds() < end); i++) {
		shelved = put_on_shelf(lookup, version, &keys[i]);
		if (shelved == SHELVED)
			sweep->last = keys[i];
		else if (shelved == SHELVED_NOTHING)
			sweep->generation = 0;
	}
	return shelved == SHELVED;
}

static void
go_on_with_sweep(struct lookup *lookup)
{
	struct sweep *sweep = &lookup->sweep;
	struct store_version version;
	uint64_t generation;
	bool done = false;

	if (!sweep->active)
		return;
	lookup_look_again(lookup);
	lookup_load_begin(lookup);
	version = lookup_known_version(lookup, &generation);
	sweep->active = generation == sweep->generation && sweep_some(lookup, &version, &done);
	lookup_load_end(lookup);
	if (!done)
		return;
	/* All of them, if the store did not change from the first to the last. */
	lookup_look_again(lookup);
	lookup_known_version(lookup, &generation);
	if (generation == sweep->generation)
		shelf_complete(lookup->shelf, &version);
}

/* Under `all_lock`.  Only where a child asked: not every process that forks is a server. */
static void
serve_children(struct lookup *lookup)
{
	if (!children_is_missed(lookup->children))
		return;
	drop_all_inherited();
	lookup_look_again(lookup);
	store_share(lookup->store, lookup->children);
	lookup_has_address_fallback(lookup);
	start_sweep(lookup);
}

static void
before_fork(void)
{
	int saved = errno;

	lock_take(&all_lock, LOCK_LOOKUPS);
	in_fork = true;
	ERR_set_mark();
	for (struct lookup *it = all; it != NULL; it = it->next) {
		serve_children(it);
		go_on_with_sweep(it);
	}
	ERR_pop_to_mark();
	errno = saved;
	for (struct lookup *it = all; it != NULL; it = it->next)
		lock_take(&it->load, LOCK_LOAD);
	for (struct lookup *it = all; it != NULL; it = it->next)
		lock_take(&it->cache_lock, LOCK_CACHE);
	for (struct lookup *it = all; it != NULL; it = it->next)
		store_before_fork(it->store);
	walindex_before_fork();
}

static void
after_fork(bool in_child)
{
	walindex_after_fork();
	for (struct lookup *it = all; it != NULL; it = it->next) {
		store_after_fork(it->store, in_child);
		it->is_child = it->is_child || in_child;
		if (in_child)
			it->sweep = (struct sweep){0}; /* the parent's */
		lock_give(&it->cache_lock, LOCK_CACHE);
		lock_give(&it->load, LOCK_LOAD);
	}
	in_fork = false;
	lock_give(&all_lock, LOCK_LOOKUPS);
}

static const struct at_fork around_forks = { before_fork, after_fork };

void
lookup_fork_enlist(struct lookup *lookup)
{
	at_fork(AT_FORK_LOOKUP, &around_forks);
	lock_take(&all_lock, LOCK_LOOKUPS);
	lookup->next = all;
	all = lookup;
	lock_give(&all_lock, LOCK_LOOKUPS);
}

void
lookup_fork_strike_off(struct lookup *lookup)
{
	struct lookup **at;

	lock_take(&all_lock, LOCK_LOOKUPS);
	for (at = &all; *at != NULL && *at != lookup; at = &(*at)->next)
		;
	if (*at != NULL)
		*at = lookup->next;
	lock_give(&all_lock, LOCK_LOOKUPS);
}
