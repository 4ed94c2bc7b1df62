/* SPDX-License-Identifier: ISC */
/* lookup_load.c: from the rows of the store to chains in the cache. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "error.h"
#include "lookup_internal.h"

#define RETRY_AFTER 1 /* seconds until an unusable chain is tried again */
#define RETRY_AT_ONCE 1 /* the clock's first second: long past */

/* Under `load`: the store key that a chain needs, if missing. */
static void
read_key_for(struct lookup *lookup, const struct store_chain *row)
{
	struct snicert_error err = {0};

	if (row->sealed_key.data != NULL &&
	    !seal_knows(lookup->seal, row->sealed_key.data, row->sealed_key.length) &&
	    seal_read(lookup->seal, lookup->config->key_path, store_owner(lookup->store), &err) != 0)
		lookup_tell_key(lookup, &err);
}

/* Under `load`.  *out has no key yet where that is elsewhere. */
static int
decode_here(struct lookup *lookup, const struct store_chain *row, struct chain **out, struct snicert_error *err)
{
	struct chain *chain = NULL;

	if (chain_decode_here(lookup->codec, lookup->seal, row, &chain, err) != 0)
		return -1;
	if (row->key_uri == NULL && lookup_pairs(lookup) && chain_pair(lookup->codec, chain, err) != 0) {
		chain_unref(chain);
		return -1;
	}
	*out = chain;
	return 0;
}

/* Under `load`: a chain that the cache lacks; NULL if it is unusable. */
static struct chain *
decode(struct lookup *lookup, const struct name *key, const struct store_chain *row, struct lookup_found *found)
{
	struct snicert_error err = {0};
	struct chain *chain = NULL;

	atomic_fetch_add_explicit(&lookup->decodes, 1, memory_order_relaxed);
	stats_count(lookup->stats, STATS_DECODES);
	if (decode_here(lookup, row, &chain, &err) == 0 && row->key_uri != NULL) {
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

/* Under `load`: a pair in the place of a chain that was decoded too early, or that chain. */
static struct chain *
decode_again(struct lookup *lookup, const struct store_chain *row, struct chain *chain)
{
	struct chain *pair = NULL;

	if (decode_here(lookup, row, &pair, NULL) != 0) {
		chain_settle(chain);
		return chain;
	}
	chain_unref(chain);
	return pair;
}

/* Under `load`: decode what the cache lacked. */
static void
decode_missing(struct lookup *lookup, const struct name *key, struct chain **cached, struct lookup_found *found)
{
	for (size_t i = 0; i < lookup->rows.count; i++) {
		const struct store_chain *row = &lookup->rows.chains[i];
		struct chain *chain = cached[i];

		/* One by one: the error queue holds only sixteen, including the host's. */
		ERR_set_mark();
		if (chain == NULL) {
			read_key_for(lookup, row);
			chain = decode(lookup, key, row, found);
		} else if (lookup_wants_pair(lookup, chain)) {
			chain = decode_again(lookup, row, chain);
		}
		ERR_pop_to_mark();
		if (chain != NULL)
			found->chains[found->count++] = chain;
	}
}

/* Under `load`: take the rows' already decoded chains from the cache. */
static void
find_decoded(struct lookup *lookup, struct chain **chains)
{
	lock_take(&lookup->cache_lock, LOCK_CACHE);
	for (size_t i = 0; i < lookup->rows.count; i++) {
		chains[i] = cache_chain(lookup->cache, lookup->rows.chains[i].identity);
		if (chains[i] == NULL)
			continue;
		chain_ref(chains[i]);
		chain_renumber(chains[i], lookup->rows.chains[i].number);
	}
	lock_give(&lookup->cache_lock, LOCK_CACHE);
}

/* If its keys took long, another thread may have seen a later state of the store. */
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

/* Cache what was found, and return it. */
static enum lookup_result
settle(struct lookup *lookup, const struct name *key, struct lookup_found *found, struct answer **out)
{
	struct cache_entry entry = { .outcome = CACHE_NONE, .generation = found->generation };
	enum lookup_result result;

	if (found->rows > 0) {
		entry.answer = found->count > 0 ? answer_new(found->chains, found->count) : NULL;
		entry.outcome = entry.answer != NULL ? CACHE_FOUND : CACHE_BROKEN;
		found->no_memory = found->no_memory || (found->count > 0 && entry.answer == NULL);
		if (found->count < found->rows)
			entry.retry_at = found->left ? RETRY_AT_ONCE : lookup_monotonic() + RETRY_AFTER;
		for (size_t i = 0; i < found->count; i++)
			chain_unref(found->chains[i]);
	}
	remember(lookup, key, &entry);
	result = lookup_result_of(lookup, &entry, out);
	answer_unref(entry.answer);
	return result == LOOKUP_BROKEN && found->no_memory ? LOOKUP_MEMORY : result;
}

/* A chain whose key is elsewhere: the one of a thread that was first, or this one with its key. */
static struct chain *
with_key(struct lookup *lookup, const struct name *key, struct chain *chain, const char *uri, struct said **said)
{
	struct snicert_error err = {0};
	struct chain *there;

	lock_take(&lookup->cache_lock, LOCK_CACHE);
	there = cache_chain(lookup->cache, chain_identity(chain));
	if (there != NULL) {
		chain_ref(there);
		chain_renumber(there, chain_number(chain));
	}
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

enum lookup_result
lookup_open_keys(struct lookup *lookup, const struct name *key, struct lookup_found *found, struct answer **out)
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

enum lookup_result
lookup_take_in(struct lookup *lookup, const struct name *key, uint64_t generation, struct lookup_found *found,
    struct answer **out)
{
	struct chain *cached[STORE_CHAINS_MOST] = {0};

	found->generation = generation;
	found->rows = lookup->rows.count;
	find_decoded(lookup, cached);
	decode_missing(lookup, key, cached, found);
	return found->keyless ? LOOKUP_BROKEN : settle(lookup, key, found, out);
}

void
lookup_leave_keys(struct lookup *lookup, const struct name *key, struct lookup_found *found, struct answer **out)
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
