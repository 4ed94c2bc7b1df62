/* SPDX-License-Identifier: ISC */
/*
 * lookup.c: what is bound to a key of the store.
 *
 * Two locks, taken in this order (all of the module's: lock.h):
 *   load   is held by the one thread that fetches and decodes: if many want the
 *          same chain at once, the first decodes it and the others find it;
 *   cache_lock  guards what each handshake reads, above all the cache, only while it reads:
 *          a thread that finds its answer there never waits for the store or a
 *          system call.
 * Both are held across fork(), so that the child starts with consistent data.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "lookup_internal.h"
#include "walindex.h"

size_t
lookup_memory_of_chains(const struct config *config)
{
	return config->cache_memory - config->cache_memory / 8;
}

struct lookup *
lookup_new(const struct config *config, struct log *log)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	pthread_mutex_init(&lookup->load, NULL);
	pthread_mutex_init(&lookup->cache_lock, NULL);
	lookup->config = config;
	lookup->log = log;
	lookup->generation = 1;
	lookup->looked = -1;
	lookup->since = (int64_t)time(NULL);
	lookup->cache = cache_new(lookup_memory_of_chains(config));
	lookup->store = store_new(config->store_path);
	lookup->children = children_new();
	lookup->codec = chain_codec_new(config->cache_memory / 8);
	lookup->seal = seal_new(NULL);
	if (lookup->cache == NULL || lookup->store == NULL || lookup->codec == NULL ||
	    lookup->seal == NULL) {
		lookup_free(lookup);
		return NULL;
	}
	lookup_fork_enlist(lookup);
	return lookup;
}

void
lookup_free(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	lookup_fork_strike_off(lookup);
	cache_free(lookup->cache);
	store_free(lookup->store);
	children_free(lookup->children);
	shelf_free(lookup->shelf);
	chain_codec_free(lookup->codec);
	seal_free(lookup->seal);
	store_rows_free(&lookup->rows);
	pthread_mutex_destroy(&lookup->load);
	pthread_mutex_destroy(&lookup->cache_lock);
	free(lookup);
}

void
lookup_set_stats(struct lookup *lookup, struct stats *stats)
{
	lookup->stats = stats;
}

bool
lookup_pairs(const struct lookup *lookup)
{
	return atomic_load_explicit(&lookup->pairs, memory_order_relaxed);
}

void
lookup_pair(struct lookup *lookup)
{
	atomic_store_explicit(&lookup->pairs, true, memory_order_relaxed);
}

/* Not for a child's few connections. */
bool
lookup_wants_pair(const struct lookup *lookup, const struct chain *chain)
{
	return lookup_pairs(lookup) && !chain_is_settled(chain) &&
	    !atomic_load_explicit(&lookup->is_child, memory_order_relaxed);
}

static bool
want_pairs(const struct lookup *lookup, const struct answer *answer)
{
	for (size_t i = 0; answer != NULL && i < answer_count(answer); i++)
		if (lookup_wants_pair(lookup, answer_chains(answer)[i]))
			return true;
	return false;
}

/* CLOCK_MONOTONIC in nanoseconds, as of the kernel's last tick: one to ten milliseconds ago. */
static int64_t
ticks(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
lookup_monotonic(void)
{
	return ticks() / 1000000000;
}

/* Under `load`. */
static void
note_state(struct lookup *lookup)
{
	bool is_open = store_is_open(lookup->store);

	if (atomic_exchange(&lookup->was_open, is_open) != is_open)
		atomic_store(&lookup->since, (int64_t)time(NULL));
}

/* Check whether the store's file was replaced. */
static void
look_at_file(struct lookup *lookup)
{
	struct snicert_error err = {0};

	if (!store_moved(lookup->store))
		return;
	if (store_is_forked(lookup->store)) {
		children_miss(lookup->children);
		lookup_fork_drop_inherited();
	}
	lookup_load_begin(lookup);
	if (store_moved(lookup->store)) { /* no other thread was first */
		if (store_open(lookup->store, &err) == 0)
			lookup_tell_store(lookup, LOG_EVENT_OPENED, "store opened", "");
		else
			lookup_tell_store(lookup, LOG_EVENT_UNAVAILABLE, err.text, "; serving without it");
		note_state(lookup);
	}
	lookup_load_end(lookup);
}

static bool
is_known(struct lookup *lookup, const struct store_version *now)
{
	bool known;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	known = store_version_equal(now, &lookup->version);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return known;
}

/*
 * Once a tick of the kernel's clock.  A committer waits for the next tick before it reports success
 * (tools/store/admin.c), so each later handshake checks.  The tick is stored last: until then other
 * threads check for themselves.
 */
void
lookup_refresh(struct lookup *lookup)
{
	struct store_version now;
	int64_t tick = ticks();

	if (tick == atomic_load_explicit(&lookup->looked, memory_order_acquire))
		return;
	look_at_file(lookup);
	store_version(lookup->store, &now);
	/* While the store is unreachable, what is known of it stays valid. */
	if (now.opened != 0 && !is_known(lookup, &now)) {
		lock_take(&lookup->cache_lock, LOCK_CACHE);
		lookup->generation++;
		lookup->version = now;
		lock_give(&lookup->cache_lock, LOCK_CACHE);
		stats_moved(lookup->stats, now.words, now.indexed ? WALINDEX_WORDS : 0);
	}
	atomic_store_explicit(&lookup->looked, tick, memory_order_release);
}

void
lookup_look_again(struct lookup *lookup)
{
	atomic_store_explicit(&lookup->looked, -1, memory_order_release);
	lookup_refresh(lookup);
}

static bool
at_hand(struct lookup *lookup)
{
	return store_is_open(lookup->store);
}

enum lookup_result
lookup_result_of(struct lookup *lookup, const struct cache_entry *entry, struct answer **out)
{
	switch (entry->outcome) {
	case CACHE_FOUND:
		*out = answer_ref(entry->answer);
		return LOOKUP_FOUND;
	case CACHE_NONE:
		/* "Nobody knows that name" may get a client refused: only said with the store at
		 * hand. */
		return at_hand(lookup) ? LOOKUP_NONE : LOOKUP_ERROR;
	default:
		return LOOKUP_BROKEN;
	}
}

/* Answer from memory if it is of this generation, which is left in *generation. */
static bool
from_cache(struct lookup *lookup, const struct name *key, struct answer **out,
    enum lookup_result *result, uint64_t *generation)
{
	static const struct cache_entry none = { .outcome = CACHE_NONE };
	const struct cache_entry *entry;
	bool good;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	*generation = lookup->generation;
	/* Parents of unknown names are endless: they need no entries. */
	if (key->text[0] == '*' && lookup->facts.generation == *generation && !lookup->facts.wildcard)
		entry = &none;
	else
		entry = cache_find(lookup->cache, key);
	good = entry != NULL && (entry == &none || entry->generation == *generation) &&
	    (entry->retry_at == 0 || lookup_monotonic() < entry->retry_at) && !want_pairs(lookup, entry->answer);
	if (good)
		*result = lookup_result_of(lookup, entry, out);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return good;
}

/* The store failed: its last answer is better than nothing. */
static enum lookup_result
from_the_past(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result = LOOKUP_ERROR;
	const struct cache_entry *entry;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	entry = cache_find(lookup->cache, key);
	if (entry != NULL && entry->outcome == CACHE_FOUND) {
		result = lookup_result_of(lookup, entry, out);
		for (size_t i = 0; i < answer_count(entry->answer); i++)
			chain_settle(answer_chains(entry->answer)[i]);
	}
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return result;
}

/* Under `load`: what is asked once for each state of the store. */
static struct facts
learn_facts(struct lookup *lookup, uint64_t generation)
{
	struct facts facts = lookup->facts; /* changed under `load` too */
	enum store_result address, wildcard;

	if (facts.generation == generation)
		return facts;
	if (facts.generation == 0)
		facts.wildcard = true;
	address = store_has_address_fallback(lookup->store, NULL);
	wildcard = store_has_wildcard(lookup->store, NULL);
	if (address == STORE_ERROR || wildcard == STORE_ERROR)
		return facts;
	facts = (struct facts){ .generation = generation, .address_fallback = address == STORE_FOUND,
		.wildcard = wildcard == STORE_FOUND };
	lock_take(&lookup->cache_lock, LOCK_CACHE);
	lookup->facts = facts;
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return facts;
}

/* Under `load`: from the store into the cache, and to the caller. */
static enum lookup_result
load(struct lookup *lookup, const struct name *key, struct lookup_found *found, struct answer **out)
{
	struct snicert_error err = {0};
	bool was_open = at_hand(lookup);
	enum lookup_result result;
	uint64_t generation;

	if (from_cache(lookup, key, out, &result, &generation)) /* another thread was first */
		return result;
	if (key->text[0] == '*') {
		struct facts facts = learn_facts(lookup, generation);

		if (facts.generation == generation && !facts.wildcard && at_hand(lookup))
			return LOOKUP_NONE;
	}
	if (store_lookup(lookup->store, key, &lookup->rows, &err) == STORE_ERROR) {
		/* If not open, lookup_refresh said why. */
		if (was_open)
			lookup_tell_store(lookup, LOG_EVENT_UNREADABLE, err.text, "");
		return from_the_past(lookup, key, out);
	}
	return lookup_take_in(lookup, key, generation, found, out);
}

struct store_version
lookup_known_version(struct lookup *lookup, uint64_t *generation)
{
	struct store_version version;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	version = lookup->version;
	*generation = lookup->generation;
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return version;
}

/* In a child: what its parent has read for it in this state of the store. */
static bool
from_shelf(struct lookup *lookup, const struct name *key, struct answer **out, enum lookup_result *result)
{
	struct lookup_found rows = {0};
	struct store_version version;
	uint64_t generation;
	bool found;

	if (!store_is_forked(lookup->store))
		return false;
	lookup_load_begin(lookup);
	version = lookup_known_version(lookup, &generation);
	found = shelf_get(lookup->shelf, &version, cache_hash(lookup->cache, key), key, &lookup->rows) !=
	    SHELF_UNKNOWN;
	if (found)
		*result = lookup_take_in(lookup, key, generation, &rows, out);
	lookup_load_end(lookup);
	if (rows.keyless)
		*result = lookup_open_keys(lookup, key, &rows, out);
	return found;
}

/* In a child that must ask the store itself after all. */
static void
own_connection(struct lookup *lookup)
{
	if (atomic_load_explicit(&lookup->is_child, memory_order_relaxed))
		children_miss(lookup->children);
	if (!store_is_forked(lookup->store))
		return;
	lookup_fork_drop_inherited();
	lookup_look_again(lookup);
}

static enum lookup_result
from_store(struct lookup *lookup, const struct name *key, struct answer **out)
{
	struct lookup_found found = {0};
	enum lookup_result result;

	own_connection(lookup);
	lookup_load_begin(lookup);
	result = load(lookup, key, &found, out);
	lookup_load_end(lookup);
	return found.keyless ? lookup_open_keys(lookup, key, &found, out) : result;
}

enum lookup_result
lookup_find(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result;
	uint64_t generation;

	*out = NULL;
	if (from_cache(lookup, key, out, &result, &generation)) {
		atomic_fetch_add_explicit(&lookup->cache_hits, 1, memory_order_relaxed);
		stats_count(lookup->stats, STATS_CACHE_HITS);
		return result;
	}
	stats_reach(lookup->stats);
	return from_shelf(lookup, key, out, &result) ? result : from_store(lookup, key, out);
}

void
lookup_prepare(struct lookup *lookup)
{
	struct snicert_error err = {0};
	struct answer *answer = NULL;
	struct lookup_found found = {0};
	struct name fallback;
	uid_t owner;

	lookup_refresh(lookup);
	lookup_load_begin(lookup);
	owner = store_owner(lookup->store);
	if (owner != (uid_t)-1 &&
	    seal_read(lookup->seal, lookup->config->key_path, owner, &err) != 0)
		lookup_tell_key(lookup, &err);
	name_fallback(&fallback, NULL);
	load(lookup, &fallback, &found, &answer);
	lookup_load_end(lookup);
	/* Their providers may be loaded after us, and a token takes its time. */
	if (found.keyless)
		lookup_leave_keys(lookup, &fallback, &found, &answer);
	answer_unref(answer);
}

bool
lookup_has_address_fallback(struct lookup *lookup)
{
	struct facts facts;
	uint64_t generation;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	facts = lookup->facts;
	generation = lookup->generation;
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	if (facts.generation == generation)
		return facts.address_fallback;
	own_connection(lookup);
	lookup_load_begin(lookup);
	facts = learn_facts(lookup, generation);
	lookup_load_end(lookup);
	return facts.address_fallback;
}

void
lookup_health(struct lookup *lookup, struct lookup_health *out)
{
	*out = (struct lookup_health){0};
	own_connection(lookup);
	lookup_refresh(lookup);
	lookup_load_begin(lookup);
	if (store_is_open(lookup->store) && store_sequence(lookup->store, &out->sequence, NULL) == STORE_ERROR)
		out->sequence = 0;
	note_state(lookup);
	out->is_open = store_is_open(lookup->store);
	out->since = atomic_load(&lookup->since);
	lookup_load_end(lookup);
	lock_take(&lookup->cache_lock, LOCK_CACHE);
	out->cached = cache_count(lookup->cache);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
}

void
lookup_counts(const struct lookup *lookup, uint64_t *cache_hits, uint64_t *decodes)
{
	*cache_hits = atomic_load_explicit(&lookup->cache_hits, memory_order_relaxed);
	*decodes = atomic_load_explicit(&lookup->decodes, memory_order_relaxed);
}
