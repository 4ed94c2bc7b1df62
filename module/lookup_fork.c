/* SPDX-License-Identifier: ISC */
/*
 * lookup_fork.c: what is done around fork().  Locks are held, so that the child starts with
 * whole data.  And where a server forks for each connection, its process looks up before a
 * fork what children had to look up themselves: rows go on the shelf (shelf.h), first those that
 * were asked for, then all that are bound; chains that many ask for are parsed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "lookup_own.h"
#include "walindex.h"

#define WISHES_A_FORK 4         /* names that children asked for, looked up before the next one is made */
#define KEYS_A_FORK 16          /* of all that are bound, put on the shelf before each child */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *all;
static _Thread_local bool in_fork;
static pthread_once_t at_fork_once = PTHREAD_ONCE_INIT;

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
	pthread_mutex_lock(&all_lock);
	drop_all_inherited();
	pthread_mutex_unlock(&all_lock);
}

/* Under `load`: whether there is a shelf of this process's own. */
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

enum shelved { SHELVED, SHELVED_BEFORE, SHELVED_NOTHING, SHELVED_NO_ROOM };

/* Under `load`: what is bound to a key where the next children find it. */
static enum shelved
put_on_shelf(struct lookup *lookup, const struct store_version *version, const struct name *key, bool make_room)
{
	uint64_t hash = cache_hash(lookup->cache, key);

	if (shelf_get(lookup->shelf, version, hash, key, &lookup->rows) == SHELF_FOUND)
		return SHELVED_BEFORE;
	if (store_lookup(lookup->store, key, &lookup->rows, NULL) != STORE_FOUND)
		return SHELVED_NOTHING;
	if (!shelf_put(lookup->shelf, version, hash, key, &lookup->rows, make_room))
		return SHELVED_NO_ROOM;
	for (size_t i = 0; i < lookup->rows.count; i++)
		chain_codec_learn(lookup->codec, &lookup->rows.chains[i]);
	return SHELVED;
}

/* Whether what is bound to a key is there from now on, and was not before.  Nothing is thrown out while all
 * is being put there: it would be taken for complete without that. */
static bool
shelve(struct lookup *lookup, const struct name *key)
{
	struct store_version version;
	uint64_t generation;
	bool done;

	lookup_load_begin(lookup);
	version = lookup_known_version(lookup, &generation);
	done = has_shelf(lookup) && put_on_shelf(lookup, &version, key, !lookup->sweep.active) == SHELVED;
	lookup_load_end(lookup);
	return done;
}

/* Children asked.  Where they do so again in the same state of the store, that lasts long enough
 * to put all of it on the shelf: nobody needs to ask then, nor for names that are unknown. */
static void
start_sweep(struct lookup *lookup)
{
	struct sweep *sweep = &lookup->sweep;
	uint64_t generation;

	lookup_load_begin(lookup);
	lookup_known_version(lookup, &generation);
	if (sweep->generation == generation) {
		sweep->active = sweep->active ||
		    (!sweep->in_vain && sweep->last.length == 0 && shelf_is_own(lookup->shelf));
	} else {
		*sweep = (struct sweep){ .generation = generation, .in_vain = sweep->in_vain };
	}
	lookup_load_end(lookup);
}

/* Under `load`: the next few.  Whether there may be more; *done: all are there. */
static bool
sweep_some(struct lookup *lookup, const struct store_version *version, bool *done)
{
	struct name keys[KEYS_A_FORK];
	size_t count = KEYS_A_FORK;
	enum store_result result = store_keys(lookup->store, lookup->sweep.last.text, keys, &count, NULL);

	*done = result == STORE_NONE;
	if (result != STORE_FOUND)
		return false;
	for (size_t i = 0; i < count; i++) {
		enum shelved shelved = put_on_shelf(lookup, version, &keys[i], false);

		lookup->sweep.in_vain = shelved == SHELVED_NO_ROOM;
		if (shelved == SHELVED_NOTHING || shelved == SHELVED_NO_ROOM)
			return false;
	}
	lookup->sweep.last = keys[count - 1];
	return true;
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
	/* All of them, if that was one state of the store from the first to the last. */
	lookup_look_again(lookup);
	lookup_known_version(lookup, &generation);
	if (generation == sweep->generation)
		shelf_complete(lookup->shelf, &version);
}

/* Under `all_lock`.  What a child of this process had to look up by itself, the next ones
 * inherit.  Only where one asked: not every process that forks is a server. */
static void
grant_wishes(struct lookup *lookup)
{
	bool missed = kin_is_missed(lookup->kin);
	struct name key;
	bool wish = kin_wish(lookup->kin, &key);

	if (!missed && !wish)
		return;
	drop_all_inherited();
	lookup_look_again(lookup);
	if (missed) {
		store_share(lookup->store, lookup->kin);
		lookup_load_begin(lookup);
		chain_codec_prepare(lookup->codec);
		lookup_load_end(lookup);
	}
	if (!atomic_load_explicit(&lookup->serves, memory_order_relaxed)) {
		pthread_mutex_lock(&lookup->guard);
		lookup_set_memory(lookup, true);
		pthread_mutex_unlock(&lookup->guard);
	}
	lookup_has_address_fallback(lookup);
	for (int i = 0; wish && i < WISHES_A_FORK; i++) {
		if (!shelve(lookup, &key))
			lookup_find_ahead(lookup, &key); /* what many ask for they inherit parsed */
		wish = kin_wish(lookup->kin, &key);
	}
	name_fallback(&key, NULL);
	lookup_find_ahead(lookup, &key);
	start_sweep(lookup);
}

static void
before_fork(void)
{
	int saved = errno;

	pthread_mutex_lock(&all_lock);
	in_fork = true;
	ERR_set_mark();
	for (struct lookup *it = all; it != NULL; it = it->next) {
		grant_wishes(it);
		go_on_with_sweep(it);
	}
	ERR_pop_to_mark();
	errno = saved;
	for (struct lookup *it = all; it != NULL; it = it->next) {
		pthread_mutex_lock(&it->load);
		pthread_mutex_lock(&it->guard);
		store_before_fork(it->store);
	}
	walindex_before_fork();
}

static void
after_fork(bool in_child)
{
	walindex_after_fork();
	for (struct lookup *it = all; it != NULL; it = it->next) {
		store_after_fork(it->store, in_child);
		it->is_child = it->is_child || in_child;
		if (in_child) {
			lookup_set_memory(it, false);
			it->sweep = (struct sweep){0}; /* its parent's */
		}
		pthread_mutex_unlock(&it->guard);
		pthread_mutex_unlock(&it->load);
	}
	in_fork = false;
	pthread_mutex_unlock(&all_lock);
}

static void
after_fork_parent(void)
{
	after_fork(false);
}

static void
after_fork_child(void)
{
	after_fork(true);
}

static void
at_fork(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void
lookup_fork_enlist(struct lookup *lookup)
{
	pthread_once(&at_fork_once, at_fork);
	pthread_mutex_lock(&all_lock);
	lookup->next = all;
	all = lookup;
	pthread_mutex_unlock(&all_lock);
}

void
lookup_fork_strike_off(struct lookup *lookup)
{
	struct lookup **at;

	pthread_mutex_lock(&all_lock);
	for (at = &all; *at != NULL && *at != lookup; at = &(*at)->next)
		;
	if (*at != NULL)
		*at = lookup->next;
	pthread_mutex_unlock(&all_lock);
}
