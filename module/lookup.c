/* SPDX-License-Identifier: ISC */
/*
 * lookup.c: what is bound to a key of the store.
 *
 * Two locks, taken in this order:
 *   load   is held by the one thread that fetches and decodes: of many that want
 *          the same chain at once, the first decodes it and the others find it;
 *   state  guards cache and connection, for the microseconds of a look-up.
 * Both are held across fork(), so that the child starts with whole data.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "chain.h"
#include "error.h"
#include "lookup.h"
#include "seal.h"
#include "store.h"

#define RETRY_AFTER 1 /* seconds until a chain that could not be used is tried again */

struct lookup {
	pthread_mutex_t load;
	pthread_mutex_t state;

	/* Under `state`: */
	struct cache *cache;
	struct store *store;
	struct store_version version;
	uint64_t generation;            /* grows whenever the store has moved on */
	uint64_t address_generation;    /* of the next */
	bool has_address_fallback;

	/* Under `load`: */
	struct chain_codec *codec;
	struct seal *seal;
	struct store_rows rows;

	const struct config *config;
	struct log *log;
	_Atomic uint64_t cache_hits;
	_Atomic uint64_t decodes;
	struct lookup *next;            /* of all that are open, for fork */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *all;
static pthread_once_t at_fork_once = PTHREAD_ONCE_INIT;

static void
before_fork(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct lookup *it = all; it != NULL; it = it->next) {
		pthread_mutex_lock(&it->load);
		pthread_mutex_lock(&it->state);
	}
}

static void
after_fork(bool in_child)
{
	for (struct lookup *it = all; it != NULL; it = it->next) {
		if (in_child)
			store_forked(it->store);
		pthread_mutex_unlock(&it->state);
		pthread_mutex_unlock(&it->load);
	}
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

struct lookup *
lookup_new(const struct config *config, struct log *log)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	pthread_mutex_init(&lookup->load, NULL);
	pthread_mutex_init(&lookup->state, NULL);
	lookup->config = config;
	lookup->log = log;
	lookup->generation = 1;
	/* An eighth for the intermediates that chains share. */
	lookup->cache = cache_new(config->cache_memory - config->cache_memory / 8);
	lookup->store = store_new(config->store_path);
	lookup->codec = chain_codec_new(config->cache_memory / 8);
	lookup->seal = seal_new(NULL);
	pthread_once(&at_fork_once, at_fork);
	pthread_mutex_lock(&all_lock);
	lookup->next = all;
	all = lookup;
	pthread_mutex_unlock(&all_lock);
	if (lookup->cache == NULL || lookup->store == NULL || lookup->codec == NULL ||
	    lookup->seal == NULL) {
		lookup_free(lookup);
		return NULL;
	}
	return lookup;
}

void
lookup_free(struct lookup *lookup)
{
	struct lookup **at;

	if (lookup == NULL)
		return;
	pthread_mutex_lock(&all_lock);
	for (at = &all; *at != lookup; at = &(*at)->next)
		;
	*at = lookup->next;
	pthread_mutex_unlock(&all_lock);
	cache_free(lookup->cache);
	store_free(lookup->store);
	chain_codec_free(lookup->codec);
	seal_free(lookup->seal);
	store_rows_free(&lookup->rows);
	pthread_mutex_destroy(&lookup->load);
	pthread_mutex_destroy(&lookup->state);
	free(lookup);
}

/* In a child that looks into a store for the first time: see store_drop_inherited. */
static void
drop_inherited(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct lookup *it = all; it != NULL; it = it->next) {
		pthread_mutex_lock(&it->state);
		store_drop_inherited(it->store);
		pthread_mutex_unlock(&it->state);
	}
	pthread_mutex_unlock(&all_lock);
}

void
lookup_refresh(struct lookup *lookup)
{
	struct snicert_error err = {0};
	struct store_version now;
	bool reopened = false;

	pthread_mutex_lock(&lookup->state);
	if (store_is_forked(lookup->store)) {
		pthread_mutex_unlock(&lookup->state);
		drop_inherited();
		pthread_mutex_lock(&lookup->state);
	}
	if (store_moved(lookup->store))
		reopened = store_open(lookup->store, &err) == 0;
	store_version(lookup->store, &now);
	/* While the store is out of reach, what is known of it stays good. */
	if (now.opened != 0 && !store_version_equal(&now, &lookup->version)) {
		lookup->generation++;
		lookup->version = now;
	}
	pthread_mutex_unlock(&lookup->state);
	if (reopened)
		log_write(lookup->log, LOG_EVENT_STORE, LOG_INFO, "store %s opened",
		    lookup->config->store_path);
	else if (err.code != SNICERT_OK)
		log_write(lookup->log, LOG_EVENT_STORE, LOG_ERR, "%s; serving without it", err.text);
}

static int64_t
monotonic(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static enum lookup_result
result_of(const struct lookup *lookup, const struct cache_entry *entry, struct answer **out)
{
	struct store_version now;

	switch (entry->outcome) {
	case CACHE_FOUND:
		*out = answer_ref(entry->answer);
		return LOOKUP_FOUND;
	case CACHE_NONE:
		/* "Nobody knows that name" may get a client refused: only said
		 * with the store at hand. */
		store_version(lookup->store, &now);
		return now.opened != 0 ? LOOKUP_NONE : LOOKUP_ERROR;
	default:
		return LOOKUP_ERROR;
	}
}

/* Under `state`: answer from the cache if it is of this generation. */
static bool
from_cache(struct lookup *lookup, const struct name *key, struct answer **out,
    enum lookup_result *result)
{
	const struct cache_entry *entry = cache_find(lookup->cache, key);

	if (entry == NULL || entry->generation != lookup->generation ||
	    (entry->retry_at != 0 && monotonic() >= entry->retry_at))
		return false;
	*result = result_of(lookup, entry, out);
	return true;
}

/* Under `state`, the store having failed: what it said before is better than nothing. */
static enum lookup_result
from_the_past(struct lookup *lookup, const struct name *key, struct answer **out)
{
	const struct cache_entry *entry = cache_find(lookup->cache, key);

	return entry != NULL && entry->outcome == CACHE_FOUND ? result_of(lookup, entry, out)
	                                                      : LOOKUP_ERROR;
}

/* Under `load`: decode what the cache did not have.  Returns how many of `chains` are there. */
static size_t
decode_missing(struct lookup *lookup, const struct name *key, uid_t owner, struct chain **chains)
{
	const struct store_rows *rows = &lookup->rows;
	size_t good = 0;

	for (size_t i = 0; i < rows->count; i++) {
		const struct store_chain *row = &rows->chains[i];
		struct snicert_error err = {0};
		struct chain *chain = chains[i];

		chains[i] = NULL;
		if (chain == NULL && row->sealed_key.data != NULL &&
		    !seal_knows(lookup->seal, row->sealed_key.data, row->sealed_key.length) &&
		    seal_read(lookup->seal, lookup->config->key_path, owner, &err) != 0)
			log_write(lookup->log, LOG_EVENT_KEY, LOG_ERR, "%s", err.text);
		error_clear(&err);
		if (chain == NULL) {
			atomic_fetch_add_explicit(&lookup->decodes, 1, memory_order_relaxed);
			if (chain_decode(lookup->codec, lookup->seal, row, &chain, &err) != 0) {
				char text[NAME_TEXT_SIZE];

				log_write(lookup->log, LOG_EVENT_CHAIN, LOG_ERR,
				    "%s chain of %s passed over: %s", row->key_type,
				    name_describe(key, text), err.text);
				continue;
			}
		}
		chains[good++] = chain;
	}
	return good;
}

/* Under `state`: ask the store, and pick out of the cache what is decoded already. */
static enum store_result
fetch(struct lookup *lookup, const struct name *key, struct chain **chains, uid_t *owner,
    struct snicert_error *err)
{
	enum store_result result = store_lookup(lookup->store, key, &lookup->rows, err);

	*owner = store_owner(lookup->store);
	for (size_t i = 0; i < lookup->rows.count; i++) {
		chains[i] = cache_chain(lookup->cache, lookup->rows.chains[i].identity);
		if (chains[i] != NULL)
			chain_ref(chains[i]);
	}
	return result;
}

/* Under `load`: from the store into the cache, and to the caller. */
static enum lookup_result
load(struct lookup *lookup, const struct name *key, struct answer **out)
{
	struct chain *chains[STORE_CHAINS_MOST] = {0};
	struct cache_entry entry = { .outcome = CACHE_NONE };
	struct snicert_error err = {0};
	struct store_version before;
	enum lookup_result result;
	enum store_result stored;
	size_t good = 0;
	uid_t owner;

	pthread_mutex_lock(&lookup->state);
	if (from_cache(lookup, key, out, &result)) { /* another thread was first */
		pthread_mutex_unlock(&lookup->state);
		return result;
	}
	entry.generation = lookup->generation;
	store_version(lookup->store, &before);
	stored = fetch(lookup, key, chains, &owner, &err);
	result = stored == STORE_ERROR ? from_the_past(lookup, key, out) : LOOKUP_NONE;
	pthread_mutex_unlock(&lookup->state);
	if (stored == STORE_ERROR) {
		/* Why it is not open lookup_refresh has said. */
		if (before.opened != 0)
			log_write(lookup->log, LOG_EVENT_STORE, LOG_ERR, "%s", err.text);
		return result;
	}

	if (stored == STORE_FOUND) {
		good = decode_missing(lookup, key, owner, chains);
		entry.answer = good > 0 ? answer_new(chains, good) : NULL;
		entry.outcome = entry.answer != NULL ? CACHE_FOUND : CACHE_BROKEN;
		if (good < lookup->rows.count)
			entry.retry_at = monotonic() + RETRY_AFTER;
		for (size_t i = 0; i < good; i++)
			chain_unref(chains[i]);
	}
	pthread_mutex_lock(&lookup->state);
	cache_put(lookup->cache, key, &entry);
	result = result_of(lookup, &entry, out);
	pthread_mutex_unlock(&lookup->state);
	answer_unref(entry.answer);
	return result;
}

enum lookup_result
lookup_find(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result;
	bool hit;

	*out = NULL;
	pthread_mutex_lock(&lookup->state);
	hit = from_cache(lookup, key, out, &result);
	pthread_mutex_unlock(&lookup->state);
	if (hit) {
		atomic_fetch_add_explicit(&lookup->cache_hits, 1, memory_order_relaxed);
		return result;
	}
	pthread_mutex_lock(&lookup->load);
	result = load(lookup, key, out);
	pthread_mutex_unlock(&lookup->load);
	return result;
}

void
lookup_prepare(struct lookup *lookup)
{
	struct snicert_error err = {0};
	struct answer *answer = NULL;
	struct name fallback;
	uid_t owner;

	lookup_refresh(lookup);
	pthread_mutex_lock(&lookup->load);
	pthread_mutex_lock(&lookup->state);
	owner = store_owner(lookup->store);
	pthread_mutex_unlock(&lookup->state);
	if (owner != (uid_t)-1 &&
	    seal_read(lookup->seal, lookup->config->key_path, owner, &err) != 0)
		log_write(lookup->log, LOG_EVENT_KEY, LOG_ERR, "%s", err.text);
	pthread_mutex_unlock(&lookup->load);
	name_fallback(&fallback, NULL);
	lookup_find(lookup, &fallback, &answer);
	answer_unref(answer);
}

bool
lookup_has_address_fallback(struct lookup *lookup)
{
	bool has;

	pthread_mutex_lock(&lookup->state);
	if (lookup->address_generation != lookup->generation) {
		enum store_result result = store_has_address_fallback(lookup->store, NULL);

		if (result != STORE_ERROR) {
			lookup->has_address_fallback = result == STORE_FOUND;
			lookup->address_generation = lookup->generation;
		}
	}
	has = lookup->has_address_fallback;
	pthread_mutex_unlock(&lookup->state);
	return has;
}

void
lookup_counts(const struct lookup *lookup, uint64_t *cache_hits, uint64_t *decodes)
{
	*cache_hits = atomic_load_explicit(&lookup->cache_hits, memory_order_relaxed);
	*decodes = atomic_load_explicit(&lookup->decodes, memory_order_relaxed);
}
