/* SPDX-License-Identifier: ISC */
/*
 * lookup.c: what is bound to a key of the store.
 *
 * Two locks, taken in this order (all of the module's: lock.h):
 *   load   is held by the one thread that fetches and decodes: of many that want
 *          the same chain at once, the first decodes it and the others find it;
 *   cache_lock  guards what each handshake reads, the cache above all, for as long as that takes:
 *          those that find what they look for there never wait for the store nor for a
 *          system call.
 * Both are held across fork(), so that the child starts with whole data.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

#include "error.h"
#include "lookup_internal.h"
#include "walindex.h"

#define RETRY_AFTER 1 /* seconds until a chain that could not be used is tried again */
#define RETRY_AT_ONCE 1 /* the clock's first second: long past */

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

/* CLOCK_MONOTONIC in nanoseconds, as of the kernel's last tick: one to ten milliseconds ago. */
static int64_t
ticks(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t
monotonic(void)
{
	return ticks() / 1000000000;
}

/* See whether the store's file is another one. */
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
 * Once a tick of the kernel's clock.  Who commits waits for the next one before
 * telling that it is done (tools/store/admin.c), so each handshake thereafter looks.  The
 * tick is noted last: until then other threads look for themselves.
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
	/* While the store is out of reach, what is known of it stays good. */
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

/* Under `cache_lock`, or with an entry of one's own. */
static enum lookup_result
result_of(struct lookup *lookup, const struct cache_entry *entry, struct answer **out)
{
	switch (entry->outcome) {
	case CACHE_FOUND:
		*out = answer_ref(entry->answer);
		return LOOKUP_FOUND;
	case CACHE_NONE:
		/* "Nobody knows that name" may get a client refused: only said
		 * with the store at hand. */
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
	/* Parents of unknown names, of which there is no end, need no entries. */
	if (key->text[0] == '*' && lookup->facts.generation == *generation && !lookup->facts.wildcard)
		entry = &none;
	else
		entry = cache_find(lookup->cache, key);
	good = entry != NULL && (entry == &none || entry->generation == *generation) &&
	    (entry->retry_at == 0 || monotonic() < entry->retry_at);
	if (good)
		*result = result_of(lookup, entry, out);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return good;
}

/* The store having failed: what it said before is better than nothing. */
static enum lookup_result
from_the_past(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result = LOOKUP_ERROR;
	const struct cache_entry *entry;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	entry = cache_find(lookup->cache, key);
	if (entry != NULL && entry->outcome == CACHE_FOUND)
		result = result_of(lookup, entry, out);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	return result;
}

/* Under `load`: ask what is asked once for each state of the store. */
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

/* What a look-up found, on its way into the cache. */
struct found {
	uint64_t generation;            /* of the store */
	size_t rows, count;             /* chains that are bound; of these are here: */
	struct chain *chains[STORE_CHAINS_MOST];
	char *uris[STORE_CHAINS_MOST];  /* where a key is elsewhere: still to be opened, without `load` */
	bool keyless;                   /* there are such */
	bool left;                      /* they were left to the next look-up */
	bool no_memory;                 /* for want of that one or more are not */
};

/* Under `load`: the store key that a chain wants, if it is not at hand. */
static void
read_key_for(struct lookup *lookup, const struct store_chain *row)
{
	struct snicert_error err = {0};

	if (row->sealed_key.data != NULL &&
	    !seal_knows(lookup->seal, row->sealed_key.data, row->sealed_key.length) &&
	    seal_read(lookup->seal, lookup->config->key_path, store_owner(lookup->store), &err) != 0)
		lookup_tell_key(lookup, &err);
}

/* Under `load`: a chain of which the cache knows nothing; NULL where it can't be used. */
static struct chain *
decode(struct lookup *lookup, const struct name *key, const struct store_chain *row, struct found *found)
{
	struct snicert_error err = {0};
	struct chain *chain = NULL;

	atomic_fetch_add_explicit(&lookup->decodes, 1, memory_order_relaxed);
	stats_count(lookup->stats, STATS_DECODES);
	if (chain_decode_here(lookup->codec, lookup->seal, row, &chain, &err) == 0 && row->key_uri != NULL) {
		found->uris[found->count] = strdup(row->key_uri);
		found->keyless = true;
		if (found->uris[found->count] == NULL) {
			error_set(&err, SNICERT_EMEMORY, "no memory");
			chain_unref(chain);
			chain = NULL;
		}
	}
	if (chain == NULL) {
		char label[CHAIN_LABEL_SIZE] = "";

		if (row->cert_count > 0)
			chain_label_of(row->certs[0].digest, label);
		lookup_tell_chain(lookup, &lookup->said, key, label, row->key_type, &err);
		found->no_memory = found->no_memory || err.code == SNICERT_EMEMORY;
	}
	return chain;
}

/* Under `load`: decode what the cache did not have. */
static void
decode_missing(struct lookup *lookup, const struct name *key, struct chain **cached, struct found *found)
{
	for (size_t i = 0; i < lookup->rows.count; i++) {
		struct chain *chain = cached[i];

		if (chain == NULL) {
			/* One by one: the error queue holds but sixteen, and the host's are in it. */
			ERR_set_mark();
			read_key_for(lookup, &lookup->rows.chains[i]);
			chain = decode(lookup, key, &lookup->rows.chains[i], found);
			ERR_pop_to_mark();
		}
		if (chain != NULL)
			found->chains[found->count++] = chain;
	}
}

/* Under `load`: pick out of the cache what is decoded already of the rows. */
static void
find_decoded(struct lookup *lookup, struct chain **chains)
{
	lock_take(&lookup->cache_lock, LOCK_CACHE);
	for (size_t i = 0; i < lookup->rows.count; i++) {
		chains[i] = cache_chain(lookup->cache, lookup->rows.chains[i].identity);
		if (chains[i] != NULL)
			chain_ref(chains[i]);
	}
	lock_give(&lookup->cache_lock, LOCK_CACHE);
}

/* Whose keys took their time may come after somebody who saw a later state of the store. */
static void
remember(struct lookup *lookup, const struct name *key, const struct cache_entry *entry)
{
	const struct cache_entry *there;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	there = cache_find(lookup->cache, key);
	if (there == NULL || there->generation <= entry->generation)
		cache_put(lookup->cache, key, entry);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
}

/* What was found into the cache, and to the caller. */
static enum lookup_result
settle(struct lookup *lookup, const struct name *key, struct found *found, struct answer **out)
{
	struct cache_entry entry = { .outcome = CACHE_NONE, .generation = found->generation };
	enum lookup_result result;

	if (found->rows > 0) {
		entry.answer = found->count > 0 ? answer_new(found->chains, found->count) : NULL;
		entry.outcome = entry.answer != NULL ? CACHE_FOUND : CACHE_BROKEN;
		found->no_memory = found->no_memory || (found->count > 0 && entry.answer == NULL);
		if (found->count < found->rows)
			entry.retry_at = found->left ? RETRY_AT_ONCE : monotonic() + RETRY_AFTER;
		for (size_t i = 0; i < found->count; i++)
			chain_unref(found->chains[i]);
	}
	remember(lookup, key, &entry);
	result = result_of(lookup, &entry, out);
	answer_unref(entry.answer);
	return result == LOOKUP_BROKEN && found->no_memory ? LOOKUP_MEMORY : result;
}

/* A chain whose key is elsewhere: that of another thread which was first, or this one with its key. */
static struct chain *
with_key(struct lookup *lookup, const struct name *key, struct chain *chain, const char *uri, struct said **said)
{
	struct snicert_error err = {0};
	struct chain *there;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	there = cache_chain(lookup->cache, chain_identity(chain));
	if (there != NULL)
		chain_ref(there);
	lock_give(&lookup->cache_lock, LOCK_CACHE);
	if (there == NULL) {
		ERR_set_mark();
		lock_none();
		if (chain_open_key(chain, uri, &err) == 0)
			there = chain_ref(chain);
		else
			lookup_tell_chain(lookup, said, key, chain_label(chain), chain_key_type(chain), &err);
		ERR_pop_to_mark();
	}
	chain_unref(chain);
	return there;
}

/* Without a lock: a token takes its time, and its code may fork. */
static enum lookup_result
open_keys(struct lookup *lookup, const struct name *key, struct found *found, struct answer **out)
{
	struct said *said = NULL;
	size_t good = 0;

	for (size_t i = 0; i < found->count; i++) {
		struct chain *chain = found->chains[i];

		if (found->uris[i] != NULL)
			chain = with_key(lookup, key, chain, found->uris[i], &said);
		free(found->uris[i]);
		if (chain != NULL)
			found->chains[good++] = chain;
	}
	found->count = good;
	lookup_say(said);
	return settle(lookup, key, found, out);
}

/* Under `load`: what the rows are of a generation of the store.  Found, or keyless and to be opened. */
static enum lookup_result
take_in(struct lookup *lookup, const struct name *key, uint64_t generation, struct found *found,
    struct answer **out)
{
	struct chain *cached[STORE_CHAINS_MOST] = {0};

	found->generation = generation;
	found->rows = lookup->rows.count;
	find_decoded(lookup, cached);
	decode_missing(lookup, key, cached, found);
	return found->keyless ? LOOKUP_BROKEN : settle(lookup, key, found, out);
}

/* Under `load`: from the store into the cache, and to the caller. */
static enum lookup_result
load(struct lookup *lookup, const struct name *key, struct found *found, struct answer **out)
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
		/* Why it is not open lookup_refresh has said. */
		if (was_open)
			lookup_tell_store(lookup, LOG_EVENT_UNREADABLE, err.text, "");
		return from_the_past(lookup, key, out);
	}
	return take_in(lookup, key, generation, found, out);
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

/* In a child: what its parent has read for it, of this state of the store. */
static bool
from_shelf(struct lookup *lookup, const struct name *key, struct answer **out, enum lookup_result *result)
{
	struct found rows = {0};
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
		*result = take_in(lookup, key, generation, &rows, out);
	lookup_load_end(lookup);
	if (rows.keyless)
		*result = open_keys(lookup, key, &rows, out);
	return found;
}

/* In a child that has to ask the store itself after all. */
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
	struct found found = {0};
	enum lookup_result result;

	own_connection(lookup);
	lookup_load_begin(lookup);
	result = load(lookup, key, &found, out);
	lookup_load_end(lookup);
	return found.keyless ? open_keys(lookup, key, &found, out) : result;
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

/* What is at hand of a key's chains, until a handshake asks for all of them. */
static void
leave_keys(struct lookup *lookup, const struct name *key, struct found *found, struct answer **out)
{
	size_t good = 0;

	for (size_t i = 0; i < found->count; i++) {
		if (found->uris[i] == NULL)
			found->chains[good++] = found->chains[i];
		else
			chain_unref(found->chains[i]);
		free(found->uris[i]);
	}
	found->count = good;
	found->left = true;
	settle(lookup, key, found, out);
}

void
lookup_prepare(struct lookup *lookup)
{
	struct snicert_error err = {0};
	struct answer *answer = NULL;
	struct found found = {0};
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
		leave_keys(lookup, &fallback, &found, &answer);
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
lookup_counts(const struct lookup *lookup, uint64_t *cache_hits, uint64_t *decodes)
{
	*cache_hits = atomic_load_explicit(&lookup->cache_hits, memory_order_relaxed);
	*decodes = atomic_load_explicit(&lookup->decodes, memory_order_relaxed);
}
