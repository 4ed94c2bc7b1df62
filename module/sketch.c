/* SPDX-License-Identifier: ISC */
/* sketch.c: unknown names, and the use of known ones, in bounded memory. */
#include <string.h>

#include "sketch.h"

#define LOCK_STALE 2            /* seconds until a place's taker counts as dead */
#define FORGET_WINDOWS (7 * 86400 / MAPPING_WINDOW)
#define CELL_FULL 0xf0000000u

/* Two multiplications by a secret factor for each eight octets. */
uint64_t
sketch_hash(const uint64_t key[2], const char *text, size_t length)
{
	uint64_t value = key[0] ^ (length * 0x9e3779b97f4a7c15u), word;

	for (; length > 0; text += 8) {
		size_t part = length < 8 ? length : 8;

		word = 0;
		if (part == 8)
			memcpy(&word, text, 8);
		else
			for (size_t i = 0; i < part; i++)
				word |= (uint64_t)(unsigned char)text[i] << (8 * i);
		value = (value ^ word) * (key[1] | 1);
		value ^= value >> 32;
		value *= 0xff51afd7ed558ccdu ^ (key[0] << 1);
		value ^= value >> 29;
		length -= part;
	}
	return value == 0 ? 1 : value;
}

size_t
sketch_unknown_bucket(uint64_t tag, size_t count)
{
	return (size_t)(tag & (count / MAPPING_WAYS - 1)) * MAPPING_WAYS;
}

size_t
sketch_use_bucket(uint64_t tag, size_t count)
{
	return (size_t)(tag & (count / MAPPING_USE_WAYS - 1)) * MAPPING_USE_WAYS;
}

static uint64_t
load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

uint32_t
sketch_aged(uint64_t score, uint32_t window)
{
	uint32_t last = (uint32_t)score, value = (uint32_t)(score >> 32);
	uint32_t weeks = window > last ? (window - last) / FORGET_WINDOWS : 0;

	return weeks < 32 ? value >> weeks : 0;
}

/* --- the sketch ------------------------------------------------------------- */

static struct mapping_cell *
cell(const struct mapping *mapping, uint64_t tag, unsigned row)
{
	static const uint64_t factors[MAPPING_ROWS] = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu,
		0x165667b19e3779f9u, 0xd6e8feb86659fd93u };
	size_t width = mapping->parts.sketch_width;

	return &mapping->sketch[row * width + (size_t)((tag * factors[row]) >> 40) % width];
}

static void
cell_add(struct mapping_cell *cell, uint64_t count)
{
	uint32_t now = atomic_load_explicit(&cell->count, memory_order_relaxed);

	if (now < CELL_FULL)
		atomic_fetch_add_explicit(&cell->count, count > CELL_FULL - now ? CELL_FULL - now : (uint32_t)count,
		    memory_order_relaxed);
}

/* One more ten-minute window, if it is new: lost if another thread is faster. */
static uint32_t
cell_score(struct mapping_cell *cell, uint32_t window)
{
	uint32_t before = atomic_load_explicit(&cell->score, memory_order_relaxed);
	uint32_t score = before >> 16, idle = (uint16_t)(window - before);

	if (before != 0 && idle == 0)
		return score;
	score >>= idle / FORGET_WINDOWS < 16 ? idle / FORGET_WINDOWS : 15;
	score += score < UINT16_MAX;
	atomic_compare_exchange_strong_explicit(&cell->score, &before, score << 16 | (window & 0xffff),
	    memory_order_relaxed, memory_order_relaxed);
	return score;
}

/* What the sketch knows of a name without a place. */
struct estimate {
	uint64_t missed;        /* earlier requests, at most */
	uint64_t count;         /* the same and the score, less noise */
	uint32_t score;
};

/* What it says of a name never asked for. */
static void
noise_of(const struct mapping *mapping, uint64_t tag, uint32_t window, struct estimate *out)
{
	out->count = UINT64_MAX;
	out->score = UINT32_MAX;
	for (unsigned row = 0; row < MAPPING_ROWS; row++) {
		const struct mapping_cell *at = cell(mapping, ~tag, row);
		uint32_t word = atomic_load_explicit(&at->score, memory_order_relaxed);
		uint32_t count = atomic_load_explicit(&at->count, memory_order_relaxed);
		uint32_t weeks = (uint16_t)(window - word) / FORGET_WINDOWS;
		uint32_t score = word == 0 ? 0 : (word >> 16) >> (weeks < 16 ? weeks : 15);

		out->count = count < out->count ? count : out->count;
		out->score = score < out->score ? score : out->score;
	}
}

/* One more request. */
static void
sketch_add(const struct mapping *mapping, uint64_t tag, uint32_t window, struct estimate *out)
{
	struct estimate noise;

	noise_of(mapping, tag, window, &noise);
	out->missed = UINT64_MAX;
	out->score = UINT32_MAX;
	for (unsigned row = 0; row < MAPPING_ROWS; row++) {
		struct mapping_cell *at = cell(mapping, tag, row);
		uint32_t before = atomic_load_explicit(&at->count, memory_order_relaxed);
		uint32_t windows = cell_score(at, window);

		out->missed = before < out->missed ? before : out->missed;
		out->score = windows < out->score ? windows : out->score;
		cell_add(at, 1);
	}
	out->count = out->missed > noise.count ? out->missed - noise.count : 0;
	out->score = out->score > noise.score ? out->score - noise.score : 1;
}

/* Into the sketch: what a name loses with its place. */
static void
sketch_keep(const struct mapping *mapping, uint64_t tag, uint64_t count)
{
	for (unsigned row = 0; row < MAPPING_ROWS; row++)
		cell_add(cell(mapping, tag, row), count);
}

/* --- places ------------------------------------------------------------------- */

static void
score_place(struct mapping_unknown *place, uint32_t window)
{
	uint64_t before = load(&place->score), score;

	if ((uint32_t)before == window)
		return;
	score = sketch_aged(before, window);
	score += score < UINT32_MAX;
	atomic_compare_exchange_strong_explicit(&place->score, &before, score << 32 | window,
	    memory_order_relaxed, memory_order_relaxed);
}

/* Counts, unless the place just went to another name. */
static bool
count_at(struct mapping_unknown *place, uint64_t tag, int64_t now)
{
	atomic_fetch_add_explicit(&place->count, 1, memory_order_relaxed);
	if (atomic_load_explicit(&place->tag, memory_order_acquire) != tag) {
		atomic_fetch_sub_explicit(&place->count, 1, memory_order_relaxed);
		return false;
	}
	if (atomic_load_explicit(&place->last, memory_order_relaxed) != now)
		atomic_store_explicit(&place->last, now, memory_order_relaxed);
	score_place(place, (uint32_t)(now / MAPPING_WINDOW));
	return true;
}

static bool
lock(struct mapping_unknown *place, uint64_t now)
{
	uint64_t since = load(&place->lock);

	return (since == 0 || now - since > LOCK_STALE) &&
	    atomic_compare_exchange_strong_explicit(&place->lock, &since, now == 0 ? 1 : now,
	        memory_order_acquire, memory_order_relaxed);
}

static void
unlock(struct mapping_unknown *place)
{
	atomic_store_explicit(&place->lock, 0, memory_order_release);
}

/* The lowest score in a bucket, then the fewest requests; an empty place first of all. */
static struct mapping_unknown *
weakest(struct mapping_unknown *bucket, uint32_t window)
{
	struct mapping_unknown *found = bucket;
	uint32_t lowest = UINT32_MAX;

	for (unsigned i = 0; i < MAPPING_WAYS; i++) {
		struct mapping_unknown *place = &bucket[i];
		uint32_t score = load(&place->tag) == 0 ? 0 : sketch_aged(load(&place->score), window);

		if (load(&place->tag) == 0 && load(&place->lock) == 0)
			return place;
		if (score < lowest || (score == lowest && load(&place->count) < load(&found->count))) {
			found = place;
			lowest = score;
		}
	}
	return found;
}

static bool
gives_way(const struct mapping_unknown *place, const struct estimate *newcomer, uint32_t window)
{
	uint64_t has = load(&place->score);
	uint32_t aged = sketch_aged(has, window), score = newcomer->score;
	bool idle = (uint32_t)has != window;

	if (load(&place->tag) == 0 || (aged <= 1 && idle) || score > aged + !idle)
		return true;
	/* About as persistent, and much more frequent. */
	return score + score / 8 >= aged && newcomer->count > 2 * load(&place->count);
}

/* Under the lock of the place. */
static void
move_in(const struct mapping *mapping, struct mapping_unknown *place, const struct name *name, uint64_t tag,
    const struct estimate *newcomer, int64_t now, const struct sketch_address *address)
{
	uint64_t former = atomic_exchange(&place->tag, 0), count = atomic_exchange(&place->count, 1);

	if (former != 0 && former != tag)
		sketch_keep(mapping, former, count);
	atomic_store_explicit(&place->missed, newcomer->missed, memory_order_relaxed);
	atomic_store_explicit(&place->first, now, memory_order_relaxed);
	atomic_store_explicit(&place->last, now, memory_order_relaxed);
	atomic_store_explicit(&place->score, (uint64_t)(1 + newcomer->score / 2) << 32 | (uint32_t)(now / MAPPING_WINDOW),
	    memory_order_relaxed);
	memset(place->name, 0, sizeof(place->name));
	memcpy(place->name, name->text, name->length < sizeof(place->name) ? name->length : 0);
	place->address[0] = '\0';
	if (address->find == NULL || !address->find(address->arg, place->address, sizeof(place->address)))
		place->address[0] = '\0';
	atomic_store_explicit(&place->tag, tag, memory_order_release);
}

bool
sketch_unknown(const struct mapping *mapping, const struct name *name, int64_t now,
    const struct sketch_address *address)
{
	uint64_t tag = sketch_hash(mapping->key, name->text, name->length);
	struct mapping_unknown *bucket = &mapping->unknown[sketch_unknown_bucket(tag, mapping->unknown_count)];
	uint32_t window = (uint32_t)(now / MAPPING_WINDOW);
	struct mapping_unknown *place;
	struct estimate newcomer;
	bool moved = false;

	for (unsigned i = 0; i < MAPPING_WAYS; i++)
		if (load(&bucket[i].tag) == tag && count_at(&bucket[i], tag, now))
			return true;
	sketch_add(mapping, tag, window, &newcomer);
	place = weakest(bucket, window);
	if (!gives_way(place, &newcomer, window) || !lock(place, (uint64_t)now))
		return false;
	if (gives_way(place, &newcomer, window)) { /* still */
		move_in(mapping, place, name, tag, &newcomer, now, address);
		moved = true;
	}
	unlock(place);
	return moved;
}

/* --- names of the store -------------------------------------------------------- */

/* A clock that ran ahead, and is back, leaves future days; another process may be past midnight
 * already. */
static bool
is_of(uint64_t use, uint32_t day)
{
	return use >> MAPPING_USE_BITS == day || use >> MAPPING_USE_BITS == (uint64_t)day + 1;
}

static void
use(struct mapping_use *at, uint32_t day, unsigned count)
{
	uint64_t before = load(&at->use), day_bits = (uint64_t)day << MAPPING_USE_BITS;
	uint64_t mask = ((uint64_t)1 << MAPPING_USE_BITS) - 1;

	while (!is_of(before, day))
		if (atomic_compare_exchange_weak_explicit(&at->use, &before, day_bits | ((before & mask) + count),
		        memory_order_relaxed, memory_order_relaxed))
			return;
	atomic_fetch_add_explicit(&at->use, count, memory_order_relaxed);
}

bool
sketch_use(const struct mapping *mapping, uint64_t tag, uint32_t day, unsigned count)
{
	struct mapping_use *bucket = &mapping->use[sketch_use_bucket(tag, mapping->use_count)];
	struct mapping_use *oldest = bucket;
	uint64_t former;

	for (unsigned i = 0; i < MAPPING_USE_WAYS; i++) {
		if (load(&bucket[i].tag) == tag) {
			use(&bucket[i], day, count);
			return true;
		}
		if (load(&bucket[i].use) < load(&oldest->use))
			oldest = &bucket[i];
	}
	for (unsigned i = 0; i < MAPPING_USE_WAYS; i++) {
		former = 0;
		if (atomic_compare_exchange_strong(&bucket[i].tag, &former, tag) || former == tag) {
			use(&bucket[i], day, count);
			return true;
		}
	}
	former = load(&oldest->tag);
	if (atomic_compare_exchange_strong(&oldest->tag, &former, tag))
		atomic_store_explicit(&oldest->use, (uint64_t)day << MAPPING_USE_BITS | count, memory_order_relaxed);
	return false;
}
