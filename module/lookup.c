/* SPDX-License-Identifier: ISC */
/*
 * lookup.c: what is bound to a key of the store.
 *
 * Two locks, taken in this order:
 *   load   is held by the one thread that fetches and decodes: of many that want
 *          the same chain at once, the first decodes it and the others find it;
 *   gate   guards what each handshake reads, the cache above all.  Those that
 *          find what they look for there pass by each other, and never wait for the
 *          store nor for a system call.
 * Both are held across fork(), so that the child starts with whole data.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <openssl/err.h>

#include "chain.h"
#include "error.h"
#include "gate.h"
#include "kin.h"
#include "lookup.h"
#include "seal.h"
#include "store.h"

#define WISHES_A_FORK 4 /* names that children asked for, looked up before the next one is made */
#define RETRY_AFTER 1 /* seconds until a chain that could not be used is tried again */

/* What is asked of the whole store once for each state of it. */
struct facts {
	uint64_t generation;            /* of which they are; 0: not asked yet */
	bool address_fallback, wildcard;
};

struct lookup {
	pthread_mutex_t load;
	struct gate gate;

	/* Changed within the gate: */
	struct cache *cache;
	struct store_version version;
	uint64_t generation;            /* grows whenever the store has moved on */
	struct facts facts;

	/* Under `load`: */
	struct store *store;            /* but for what store.h lets any thread ask */
	struct chain_codec *codec;
	struct seal *seal;
	struct store_rows rows;

	const struct config *config;
	struct log *log;
	struct kin *kin;
	atomic_bool is_child;           /* forked since it was opened here */
	_Atomic int64_t looked;         /* when the store's file was looked at */
	_Atomic uint64_t cache_hits;
	_Atomic uint64_t decodes;
	struct lookup *next;            /* of all that are open, for fork */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *all;
static pthread_once_t at_fork_once = PTHREAD_ONCE_INIT;

static void at_fork(void);

struct lookup *
lookup_new(const struct config *config, struct log *log)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	pthread_mutex_init(&lookup->load, NULL);
	gate_init(&lookup->gate);
	lookup->config = config;
	lookup->log = log;
	lookup->generation = 1;
	lookup->looked = -1;
	/* An eighth for the intermediates that chains share. */
	lookup->cache = cache_new(config->cache_memory - config->cache_memory / 8);
	lookup->store = store_new(config->store_path);
	lookup->kin = kin_new();
	lookup->codec = chain_codec_new(config->cache_memory / 8);
	lookup->seal = seal_new(NULL);
	if (lookup->cache == NULL || lookup->store == NULL || lookup->codec == NULL ||
	    lookup->seal == NULL) {
		lookup_free(lookup);
		return NULL;
	}
	pthread_once(&at_fork_once, at_fork);
	pthread_mutex_lock(&all_lock);
	lookup->next = all;
	all = lookup;
	pthread_mutex_unlock(&all_lock);
	return lookup;
}

void
lookup_free(struct lookup *lookup)
{
	struct lookup **at;

	if (lookup == NULL)
		return;
	pthread_mutex_lock(&all_lock);
	for (at = &all; *at != NULL && *at != lookup; at = &(*at)->next)
		;
	if (*at != NULL)
		*at = lookup->next;
	pthread_mutex_unlock(&all_lock);
	cache_free(lookup->cache);
	store_free(lookup->store);
	kin_free(lookup->kin);
	chain_codec_free(lookup->codec);
	seal_free(lookup->seal);
	store_rows_free(&lookup->rows);
	pthread_mutex_destroy(&lookup->load);
	gate_destroy(&lookup->gate);
	free(lookup);
}

/* Under `all_lock`, in a child that looks into a store for the first time: see
 * store_drop_inherited. */
static void
drop_all_inherited(void)
{
	for (struct lookup *it = all; it != NULL; it = it->next) {
		pthread_mutex_lock(&it->load);
		store_drop_inherited(it->store);
		pthread_mutex_unlock(&it->load);
	}
}

static void
drop_inherited(void)
{
	pthread_mutex_lock(&all_lock);
	drop_all_inherited();
	pthread_mutex_unlock(&all_lock);
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
	bool reopened = false;

	if (!store_moved(lookup->store))
		return;
	if (store_is_forked(lookup->store)) {
		kin_miss(lookup->kin);
		drop_inherited();
	}
	pthread_mutex_lock(&lookup->load);
	if (store_moved(lookup->store)) /* no other thread was first */
		reopened = store_open(lookup->store, &err) == 0;
	pthread_mutex_unlock(&lookup->load);
	if (reopened)
		log_write(lookup->log, LOG_EVENT_STORE, LOG_INFO, "store %s opened",
		    lookup->config->store_path);
	else if (err.code != SNICERT_OK)
		log_write(lookup->log, LOG_EVENT_STORE, LOG_ERR, "%s; serving without it", err.text);
}

static bool
is_known(struct lookup *lookup, const struct store_version *now)
{
	bool known;

	gate_enter(&lookup->gate);
	known = store_version_equal(now, &lookup->version);
	gate_leave(&lookup->gate);
	return known;
}

/*
 * Commits show in memory that is shared with whoever makes them, and are looked
 * for each time.  That another file was put in the store's place shows in the
 * directory only: looked for once a tick of the kernel's clock.
 */
void
lookup_refresh(struct lookup *lookup)
{
	struct store_version now;
	int64_t tick = ticks();

	store_version(lookup->store, &now);
	if (!now.certain || tick != atomic_load_explicit(&lookup->looked, memory_order_relaxed)) {
		atomic_store_explicit(&lookup->looked, tick, memory_order_relaxed);
		look_at_file(lookup);
		store_version(lookup->store, &now);
	}
	/* While the store is out of reach, what is known of it stays good. */
	if (now.opened == 0 || is_known(lookup, &now))
		return;
	gate_lock(&lookup->gate);
	lookup->generation++;
	lookup->version = now;
	gate_unlock(&lookup->gate);
}

static bool
at_hand(struct lookup *lookup)
{
	struct store_version now;

	store_version(lookup->store, &now);
	return now.opened != 0;
}

/* Within the gate, or with an entry of one's own. */
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
		return LOOKUP_ERROR;
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

	gate_enter(&lookup->gate);
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
	gate_leave(&lookup->gate);
	return good;
}

/* The store having failed: what it said before is better than nothing. */
static enum lookup_result
from_the_past(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result = LOOKUP_ERROR;
	const struct cache_entry *entry;

	gate_enter(&lookup->gate);
	entry = cache_find(lookup->cache, key);
	if (entry != NULL && entry->outcome == CACHE_FOUND)
		result = result_of(lookup, entry, out);
	gate_leave(&lookup->gate);
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
	gate_lock(&lookup->gate);
	lookup->facts = facts;
	gate_unlock(&lookup->gate);
	return facts;
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

/* Under `load`: ask the store, and pick out of the cache what is decoded already. */
static enum store_result
fetch(struct lookup *lookup, const struct name *key, struct chain **chains,
    struct snicert_error *err)
{
	enum store_result result = store_lookup(lookup->store, key, &lookup->rows, err);

	gate_enter(&lookup->gate);
	for (size_t i = 0; i < lookup->rows.count; i++) {
		chains[i] = cache_chain(lookup->cache, lookup->rows.chains[i].identity);
		if (chains[i] != NULL)
			chain_ref(chains[i]);
	}
	gate_leave(&lookup->gate);
	return result;
}

static void
remember(struct lookup *lookup, const struct name *key, const struct cache_entry *entry)
{
	gate_lock(&lookup->gate);
	cache_put(lookup->cache, key, entry);
	gate_unlock(&lookup->gate);
}

/* Under `load`: from the store into the cache, and to the caller. */
static enum lookup_result
load(struct lookup *lookup, const struct name *key, struct answer **out)
{
	struct chain *chains[STORE_CHAINS_MOST] = {0};
	struct cache_entry entry = { .outcome = CACHE_NONE };
	struct snicert_error err = {0};
	bool was_open = at_hand(lookup);
	enum lookup_result result;
	enum store_result stored;
	size_t good = 0;

	if (from_cache(lookup, key, out, &result, &entry.generation)) /* another thread was first */
		return result;
	if (key->text[0] == '*') {
		struct facts facts = learn_facts(lookup, entry.generation);

		if (facts.generation == entry.generation && !facts.wildcard && at_hand(lookup))
			return LOOKUP_NONE;
	}
	stored = fetch(lookup, key, chains, &err);
	if (stored == STORE_ERROR) {
		/* Why it is not open lookup_refresh has said. */
		if (was_open)
			log_write(lookup->log, LOG_EVENT_STORE, LOG_ERR, "%s", err.text);
		return from_the_past(lookup, key, out);
	}
	if (stored == STORE_FOUND) {
		good = decode_missing(lookup, key, store_owner(lookup->store), chains);
		entry.answer = good > 0 ? answer_new(chains, good) : NULL;
		entry.outcome = entry.answer != NULL ? CACHE_FOUND : CACHE_BROKEN;
		if (good < lookup->rows.count)
			entry.retry_at = monotonic() + RETRY_AFTER;
		for (size_t i = 0; i < good; i++)
			chain_unref(chains[i]);
	}
	remember(lookup, key, &entry);
	result = result_of(lookup, &entry, out);
	answer_unref(entry.answer);
	return result;
}

/* In a child that has to ask the store itself after all. */
static void
own_connection(struct lookup *lookup)
{
	if (!store_is_forked(lookup->store))
		return;
	drop_inherited();
	lookup_refresh(lookup);
}

enum lookup_result
lookup_find(struct lookup *lookup, const struct name *key, struct answer **out)
{
	enum lookup_result result;
	uint64_t generation;

	*out = NULL;
	if (from_cache(lookup, key, out, &result, &generation)) {
		atomic_fetch_add_explicit(&lookup->cache_hits, 1, memory_order_relaxed);
		return result;
	}
	own_connection(lookup);
	pthread_mutex_lock(&lookup->load);
	result = load(lookup, key, out);
	pthread_mutex_unlock(&lookup->load);
	if (result == LOOKUP_FOUND && atomic_load_explicit(&lookup->is_child, memory_order_relaxed))
		kin_ask(lookup->kin, key);
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
	owner = store_owner(lookup->store);
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
	struct facts facts;
	uint64_t generation;

	gate_enter(&lookup->gate);
	facts = lookup->facts;
	generation = lookup->generation;
	gate_leave(&lookup->gate);
	if (facts.generation == generation)
		return facts.address_fallback;
	own_connection(lookup);
	pthread_mutex_lock(&lookup->load);
	facts = learn_facts(lookup, generation);
	pthread_mutex_unlock(&lookup->load);
	return facts.address_fallback;
}

void
lookup_counts(const struct lookup *lookup, uint64_t *cache_hits, uint64_t *decodes)
{
	*cache_hits = atomic_load_explicit(&lookup->cache_hits, memory_order_relaxed);
	*decodes = atomic_load_explicit(&lookup->decodes, memory_order_relaxed);
}

/* Under `all_lock`.  What a child of this process had to look up by itself, the next ones
 * inherit.  Only where one asked: not every process that forks is a server. */
static void
grant_wishes(struct lookup *lookup)
{
	bool missed = kin_is_missed(lookup->kin);
	struct answer *answer;
	struct name key;
	bool wish = kin_wish(lookup->kin, &key);

	if (!missed && !wish)
		return;
	drop_all_inherited();
	lookup_refresh(lookup);
	if (missed) {
		store_share(lookup->store, lookup->kin);
		pthread_mutex_lock(&lookup->load);
		chain_codec_prepare(lookup->codec);
		pthread_mutex_unlock(&lookup->load);
	}
	lookup_has_address_fallback(lookup);
	for (int i = 0; wish && i < WISHES_A_FORK; i++) {
		lookup_find(lookup, &key, &answer);
		answer_unref(answer);
		wish = kin_wish(lookup->kin, &key);
	}
	name_fallback(&key, NULL);
	lookup_find(lookup, &key, &answer);
	answer_unref(answer);
}

static void
before_fork(void)
{
	int saved = errno;

	pthread_mutex_lock(&all_lock);
	ERR_set_mark();
	for (struct lookup *it = all; it != NULL; it = it->next)
		grant_wishes(it);
	ERR_pop_to_mark();
	errno = saved;
	for (struct lookup *it = all; it != NULL; it = it->next) {
		pthread_mutex_lock(&it->load);
		gate_lock(&it->gate);
		store_before_fork(it->store);
	}
}

static void
after_fork(bool in_child)
{
	for (struct lookup *it = all; it != NULL; it = it->next) {
		store_after_fork(it->store, in_child);
		it->is_child = it->is_child || in_child;
		gate_unlock(&it->gate);
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
