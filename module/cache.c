/* SPDX-License-Identifier: ISC */
/*
 * cache.c: a bounded map from keys of the store to parsed chains.
 *
 * Keys come from peers, so buckets are chosen by SipHash-2-4 under a random key (Aumasson and
 * Bernstein, 2012): nobody can make them collide.  Bound and unbound keys have separate rings and
 * budgets: a flood of invented names evicts no chain.
 *
 * Eviction takes the oldest entry not found since its last turn ("second chance"; Corbato's clock,
 * 1968).  It chooses about as well as least recently used, and a look-up changes only one flag, so
 * that any number of threads can look up at once.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cache.h"

#define BUCKETS_LEAST 64u
#define MALLOC_OVERHEAD 16

struct answer {
	atomic_uint refs;
	atomic_uint uses;               /* not yet reported */
	_Atomic uint64_t period;        /* of the last report */
	size_t count;
	struct chain *chains[STORE_CHAINS_MOST];
};

/* Entries and chains share one kind of table. */
struct link {
	struct link *next;
	uint64_t hash;
};

struct table {
	struct link **buckets;
	size_t size;            /* a power of two */
	size_t count;
};

struct node {
	struct link link;       /* first */
	struct node *newer, *older;
	atomic_bool used;       /* found since it was put, or checked for eviction */
	struct cache_entry entry;
	size_t memory;
	size_t length;
	char key[];
};

/* A chain, and how many entries hold it. */
struct holding {
	struct link link;       /* first */
	struct chain *chain;
	size_t entries;
};

struct ring {
	struct node *newest, *oldest;
	size_t memory, limit;
};

struct cache {
	uint64_t secret[2];
	struct table nodes;
	struct table holdings;
	struct ring bound, unbound;
};

struct answer *
answer_new(struct chain *const *chains, size_t count)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL)
		return NULL;
	atomic_init(&answer->refs, 1);
	answer->count = count;
	for (size_t i = 0; i < count; i++)
		answer->chains[i] = chain_ref(chains[i]);
	return answer;
}

struct answer *
answer_ref(struct answer *answer)
{
	atomic_fetch_add_explicit(&answer->refs, 1, memory_order_relaxed);
	return answer;
}

void
answer_unref(struct answer *answer)
{
	if (answer == NULL ||
	    atomic_fetch_sub_explicit(&answer->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < answer->count; i++)
		chain_unref(answer->chains[i]);
	free(answer);
}

unsigned
answer_use(struct answer *answer, uint64_t period)
{
	uint64_t before = atomic_load_explicit(&answer->period, memory_order_relaxed);

	if (before != period) {
		unsigned uses = atomic_exchange_explicit(&answer->uses, 0, memory_order_relaxed);

		atomic_store_explicit(&answer->period, period, memory_order_relaxed);
		/* Uses unreported before the fork are the parent's to report. */
		return before >> 32 == period >> 32 ? uses + 1 : 1;
	}
	if (atomic_fetch_add_explicit(&answer->uses, 1, memory_order_relaxed) + 1 < ANSWER_USES)
		return 0;
	return atomic_exchange_explicit(&answer->uses, 0, memory_order_relaxed);
}

size_t
answer_count(const struct answer *answer)
{
	return answer->count;
}

struct chain *const *
answer_chains(const struct answer *answer)
{
	return answer->chains;
}

#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void
sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1]; v[1] = ROTATE(v[1], 13); v[1] ^= v[0]; v[0] = ROTATE(v[0], 32);
		v[2] += v[3]; v[3] = ROTATE(v[3], 16); v[3] ^= v[2];
		v[0] += v[3]; v[3] = ROTATE(v[3], 21); v[3] ^= v[0];
		v[2] += v[1]; v[1] = ROTATE(v[1], 17); v[1] ^= v[2]; v[2] = ROTATE(v[2], 32);
	}
}

/* Words are in the machine's byte order: the hash never leaves the process. */
static uint64_t
siphash(const uint64_t secret[2], const void *data, size_t length)
{
	const unsigned char *at = data;
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575ull, secret[1] ^ 0x646f72616e646f6dull,
		secret[0] ^ 0x6c7967656e657261ull, secret[1] ^ 0x7465646279746573ull };
	uint64_t word;
	size_t left = length;

	for (; left >= sizeof(word); at += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = (uint64_t)length << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)at[i] << (8 * i);
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Make room for one more; if memory is short, buckets get longer instead. */
static bool
table_grow(struct table *table)
{
	size_t size = table->size == 0 ? BUCKETS_LEAST : 2 * table->size;
	struct link **buckets, *next;

	if (table->count < table->size)
		return true;
	buckets = calloc(size, sizeof(*buckets)); /* NOLINT(bugprone-sizeof-expression): pointers are meant */
	if (buckets == NULL)
		return table->size > 0;
	for (size_t i = 0; i < table->size; i++) {
		for (struct link *link = table->buckets[i]; link != NULL; link = next) {
			next = link->next;
			link->next = buckets[link->hash & (size - 1)];
			buckets[link->hash & (size - 1)] = link;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->size = size;
	return true;
}

static void
table_insert(struct table *table, struct link *link)
{
	struct link **bucket = &table->buckets[link->hash & (table->size - 1)];

	link->next = *bucket;
	*bucket = link;
	table->count++;
}

static void
table_remove(struct table *table, struct link *link)
{
	struct link **at = &table->buckets[link->hash & (table->size - 1)];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	table->count--;
}

static struct link *
table_bucket(const struct table *table, uint64_t hash)
{
	return table->size == 0 ? NULL : table->buckets[hash & (table->size - 1)];
}

struct cache *
cache_new(size_t memory)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	if (getrandom(cache->secret, sizeof(cache->secret), GRND_NONBLOCK) != sizeof(cache->secret)) {
		free(cache);
		return NULL;
	}
	cache_set_memory(cache, memory);
	return cache;
}

void
cache_set_memory(struct cache *cache, size_t memory)
{
	cache->unbound.limit = memory / 8;
	cache->bound.limit = memory - memory / 8;
}

uint64_t
cache_hash(const struct cache *cache, const struct name *key)
{
	return siphash(cache->secret, key->text, key->length);
}

static struct holding *
holding_find(const struct cache *cache, const unsigned char *identity, uint64_t hash)
{
	for (struct link *link = table_bucket(&cache->holdings, hash); link != NULL; link = link->next) {
		struct holding *holding = (struct holding *)link;

		if (link->hash == hash &&
		    memcmp(chain_identity(holding->chain), identity, STORE_DIGEST_LENGTH) == 0)
			return holding;
	}
	return NULL;
}

/* Another of the same, decoded anew, takes the former one's place. */
static void
exchange(struct cache *cache, struct holding *holding, struct chain *chain)
{
	cache->bound.memory += chain_memory(chain);
	cache->bound.memory -= chain_memory(holding->chain);
	chain_unref(holding->chain);
	holding->chain = chain_ref(chain);
}

/* Hold a chain again.  Without memory it just can't be found by identity. */
static void
hold(struct cache *cache, struct chain *chain)
{
	uint64_t hash = siphash(cache->secret, chain_identity(chain), STORE_DIGEST_LENGTH);
	struct holding *holding = holding_find(cache, chain_identity(chain), hash);

	if (holding == NULL) {
		if (!table_grow(&cache->holdings) || (holding = calloc(1, sizeof(*holding))) == NULL)
			return;
		holding->link.hash = hash;
		holding->chain = chain_ref(chain);
		table_insert(&cache->holdings, &holding->link);
		cache->bound.memory += chain_memory(chain) + sizeof(*holding) + MALLOC_OVERHEAD;
	}
	if (holding->chain != chain)
		exchange(cache, holding, chain);
	holding->entries++;
}

static void
let_go(struct cache *cache, const struct chain *chain)
{
	uint64_t hash = siphash(cache->secret, chain_identity(chain), STORE_DIGEST_LENGTH);
	struct holding *holding = holding_find(cache, chain_identity(chain), hash);

	if (holding == NULL || --holding->entries > 0)
		return;
	table_remove(&cache->holdings, &holding->link);
	cache->bound.memory -= chain_memory(holding->chain) + sizeof(*holding) + MALLOC_OVERHEAD;
	chain_unref(holding->chain);
	free(holding);
}

static struct ring *
ring_of(struct cache *cache, const struct node *node)
{
	return node->entry.outcome == CACHE_FOUND ? &cache->bound : &cache->unbound;
}

static void
ring_remove(struct ring *ring, struct node *node)
{
	if (node->newer != NULL)
		node->newer->older = node->older;
	else
		ring->newest = node->older;
	if (node->older != NULL)
		node->older->newer = node->newer;
	else
		ring->oldest = node->newer;
	node->newer = node->older = NULL;
}

static void
ring_push(struct ring *ring, struct node *node)
{
	node->older = ring->newest;
	node->newer = NULL;
	if (ring->newest != NULL)
		ring->newest->newer = node;
	else
		ring->oldest = node;
	ring->newest = node;
}

static void
node_drop(struct cache *cache, struct node *node)
{
	struct ring *ring = ring_of(cache, node);
	struct answer *answer = node->entry.answer;

	ring_remove(ring, node);
	ring->memory -= node->memory;
	table_remove(&cache->nodes, &node->link);
	for (size_t i = 0; answer != NULL && i < answer->count; i++)
		let_go(cache, answer->chains[i]);
	answer_unref(answer);
	free(node);
}

void
cache_free(struct cache *cache)
{
	if (cache == NULL)
		return;
	while (cache->bound.newest != NULL)
		node_drop(cache, cache->bound.newest);
	while (cache->unbound.newest != NULL)
		node_drop(cache, cache->unbound.newest);
	free(cache->nodes.buckets);
	free(cache->holdings.buckets);
	free(cache);
}

static struct node *
node_find(const struct cache *cache, const struct name *key, uint64_t hash)
{
	for (struct link *link = table_bucket(&cache->nodes, hash); link != NULL; link = link->next) {
		struct node *node = (struct node *)link;

		if (link->hash == hash && node->length == key->length &&
		    memcmp(node->key, key->text, key->length) == 0)
			return node;
	}
	return NULL;
}

const struct cache_entry *
cache_find(const struct cache *cache, const struct name *key)
{
	struct node *node = node_find(cache, key, cache_hash(cache, key));

	if (node == NULL)
		return NULL;
	/* Only if unset: the cache line stays shared by all readers. */
	if (!atomic_load_explicit(&node->used, memory_order_relaxed))
		atomic_store_explicit(&node->used, true, memory_order_relaxed);
	return &node->entry;
}

/* Ends: by its second turn a node has lost its flag. */
static void
shrink(struct cache *cache, struct ring *ring)
{
	while (ring->memory > ring->limit && ring->oldest != NULL) {
		struct node *node = ring->oldest;

		if (!atomic_exchange_explicit(&node->used, false, memory_order_relaxed)) {
			/* It leaves the ring here; the analyser doesn't see that it is in this one. */
			node_drop(cache, node); /* NOLINT(clang-analyzer-unix.Malloc) */
			continue;
		}
		ring_remove(ring, node); /* NOLINT(clang-analyzer-unix.Malloc): as above */
		ring_push(ring, node);
	}
}

static size_t
node_size(const struct name *key, const struct answer *answer)
{
	/* Two bucket pointers: after growing, a table is at least half full. */
	return sizeof(struct node) + key->length + MALLOC_OVERHEAD + 2 * sizeof(struct link *) +
	    (answer == NULL ? 0 : sizeof(*answer) + MALLOC_OVERHEAD);
}

void
cache_put(struct cache *cache, const struct name *key, const struct cache_entry *entry)
{
	uint64_t hash = cache_hash(cache, key);
	struct node *former = node_find(cache, key, hash), *node;
	struct ring *ring;

	/* Hold the new chains before releasing the old: they may be the same. */
	for (size_t i = 0; entry->answer != NULL && i < entry->answer->count; i++)
		hold(cache, entry->answer->chains[i]);
	if (entry->answer != NULL)
		answer_ref(entry->answer);
	if (former != NULL)
		node_drop(cache, former);
	node = table_grow(&cache->nodes) ? malloc(sizeof(*node) + key->length) : NULL;
	if (node == NULL) {
		for (size_t i = 0; entry->answer != NULL && i < entry->answer->count; i++)
			let_go(cache, entry->answer->chains[i]);
		answer_unref(entry->answer);
		return;
	}
	node->link.hash = hash;
	atomic_init(&node->used, false);
	node->entry = *entry;
	node->length = key->length;
	memcpy(node->key, key->text, key->length);
	node->memory = node_size(key, entry->answer);
	ring = ring_of(cache, node);
	table_insert(&cache->nodes, &node->link);
	ring_push(ring, node);
	ring->memory += node->memory;
	shrink(cache, ring);
}

struct chain *
cache_chain(const struct cache *cache, const unsigned char *identity)
{
	struct holding *holding = holding_find(cache, identity,
	    siphash(cache->secret, identity, STORE_DIGEST_LENGTH));

	return holding == NULL ? NULL : holding->chain;
}

size_t
cache_memory(const struct cache *cache)
{
	return cache->bound.memory + cache->unbound.memory;
}

size_t
cache_count(const struct cache *cache)
{
	return cache->nodes.count;
}
