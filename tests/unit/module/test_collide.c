/* SPDX-License-Identifier: ISC */
/*
 * test_collide.c: names that are made to fall together, in each table of hashes that
 * a peer's names reach: the cache's, and the places for unknown names in the statistics.
 *
 * The cache is compiled in here, with a source of random octets that can be forced:
 * its key is nobody's to see.  (Chains are found by the digests of their certificates,
 * which are the administrator's, not the peers'.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/rand.h>

static const uint64_t *forced;  /* a key, or NULL: chance */
static void *latest;            /* what the octets went into: a cache begins with its key */

static ssize_t
chance(void *out, size_t size, unsigned flags)
{
	latest = out;
	if (forced == NULL)
		return getrandom(out, size, flags);
	memcpy(out, forced, size);
	return (ssize_t)size;
}

#define getrandom chance
#include "cache.c" /* NOLINT(bugprone-suspicious-include): what it keeps to itself is the matter */
#undef getrandom

#include "../harness.h"
#include "mapping.h"
#include "sketch.h"
#include "trial.h"

#define TOGETHER 64
#define APART 12        /* of 600 names in 1024 buckets: that one has more has a chance of 1 in 10^10 */

static const uint64_t known_key[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
static const uint64_t other_key[2] = { 0x1716151413121110u, 0x1f1e1d1c1b1a1918u };

static struct name
name_number(unsigned long number)
{
	struct name name;

	name.length = (size_t)snprintf(name.text, sizeof(name.text), "mx%lu.customer.example", number);
	return name;
}

/* The next name whose hash ends in zeros as far as the mask goes. */
static struct name
next_aimed(const uint64_t key[2], uint64_t mask, unsigned long *number)
{
	struct name name;

	do
		name = name_number((*number)++);
	while ((siphash(key, name.text, name.length) & mask) != 0);
	return name;
}

static size_t
longest_bucket(const struct table *table)
{
	size_t longest = 0;

	for (size_t i = 0; i < table->size; i++) {
		size_t length = 0;

		for (const struct link *link = table->buckets[i]; link != NULL; link = link->next)
			length++;
		longest = length > longest ? length : longest;
	}
	return longest;
}

static struct cache *
cache_with_key(const uint64_t *key, size_t memory)
{
	struct cache *cache;

	forced = key;
	cache = cache_new(memory);
	forced = NULL;
	ck_assert_ptr_nonnull(cache);
	return cache;
}

/* The reference's own: key 00 01 … 0f, of no octets and of 00 01 … 0e (Aumasson and Bernstein, appendix A). */
START_TEST(test_siphash)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	unsigned char octets[15];

	for (unsigned i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)i;
	ck_assert_uint_eq(siphash(known_key, octets, 0), 0x726fdb47dd0e0e31u);
	ck_assert_uint_eq(siphash(known_key, octets, 15), 0xa129ca6149be45e5u);
#endif
}
END_TEST

/* 64 names in one bucket of 1024 under a key that is known, and spread out under any other. */
START_TEST(test_cache_collisions)
{
	const struct cache_entry none = { .outcome = CACHE_NONE };
	const uint64_t *keys[] = { known_key, other_key, NULL, NULL };

	for (size_t i = 0; i < COUNT(keys); i++) {
		struct cache *cache = cache_with_key(keys[i], 64 << 20);
		unsigned long number = 0, filler = 1000000000;

		for (int j = 0; j < TOGETHER; j++) {
			struct name name = next_aimed(known_key, 1023, &number);

			cache_put(cache, &name, &none);
		}
		/* As many others as it takes for 1024 buckets: about one to a bucket. */
		while (cache_count(cache) < 600) {
			struct name name = name_number(filler++);

			cache_put(cache, &name, &none);
		}
		ck_assert_uint_eq(cache->nodes.size, 1024);
		if (i == 0)
			ck_assert_uint_ge(longest_bucket(&cache->nodes), TOGETHER);
		else
			ck_assert_msg(longest_bucket(&cache->nodes) <= APART, "key %zu: %zu names in a bucket", i,
			    longest_bucket(&cache->nodes));
		cache_free(cache);
	}
}
END_TEST

/* --- whose key it is ----------------------------------------------------------------- */

static int pipe_fds[2];

/* A child's copy of the parent's cache, with what is in it; and one of its own. */
static int
tell_keys(void *arg)
{
	struct cache *inherited = arg, *own = cache_new(1 << 20);
	struct name name = name_number(1);

	if (own == NULL || cache_find(inherited, &name) == NULL)
		return 1;
	if (write(pipe_fds[1], inherited->secret, 16) != 16 || write(pipe_fds[1], own->secret, 16) != 16)
		return 2;
	return 0;
}

START_TEST(test_each_has_its_own_key)
{
	const struct cache_entry none = { .outcome = CACHE_NONE };
	uint64_t keys[6][2], inherited[2];
	struct cache *caches[2] = { cache_new(1 << 20), cache_new(1 << 20) };
	struct name name = name_number(1);

	ck_assert_int_eq(pipe(pipe_fds), 0);
	cache_put(caches[0], &name, &none);
	memcpy(keys[0], caches[0]->secret, 16);
	memcpy(keys[1], caches[1]->secret, 16);
	for (int i = 2; i < 6; i++) {
		ck_assert_int_eq(in_child(tell_keys, caches[0]), 0);
		ck_assert_int_eq(read(pipe_fds[0], inherited, 16), 16);
		ck_assert_int_eq(read(pipe_fds[0], keys[i], 16), 16);
		/* What the parent has found stays found: a child of each connection is none the worse. */
		ck_assert_mem_eq(inherited, keys[0], 16);
	}
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < i; j++)
			ck_assert_msg(memcmp(keys[i], keys[j], 16) != 0, "%d and %d have one key", i, j);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	cache_free(caches[0]);
	cache_free(caches[1]);
}
END_TEST

/* --- all of them in one bucket ---------------------------------------------------------- */

static double
time_handshakes(SSL_CTX *ctx, const struct name *name)
{
	double least = 1e9;

	for (int i = 0; i < 20; i++) {
		double from = cpu_seconds();

		ck_assert_str_eq(served(ctx, name->text), name->text);
		from = cpu_seconds() - from;
		least = from < least ? from : least;
	}
	return least;
}

/* A name that is not there: to the bucket's end. */
static double
time_walk(const struct cache *cache, const struct name *name)
{
	double least = 1e9;

	for (int i = 0; i < 1000; i++) {
		double from = cpu_seconds();

		ck_assert_ptr_null(cache_find(cache, name));
		from = cpu_seconds() - from;
		least = from < least ? from : least;
	}
	return least;
}

/*
 * Who knows the key fills the bucket of a name of the store with all that the cache
 * can hold.  Still its memory is bounded, and by that how far a look-up walks: each
 * handshake has its chain, and at the smallest cache takes about as long as it did.
 */
START_TEST(test_worst_case)
{
	struct world *world = world_new();
	unsigned long number = 0;
	struct spec spec = {0};
	struct name known;
	struct bench bench;
	struct cache *cache;
	double quiet, worst;
	char often[64];
	size_t count;

	world_configure(world, "cache { memory = \"1M\" }");
	/* Its wildcard's bucket is another one. */
	known = next_aimed(known_key, 2047, &number);
	spec.cn = known.text;
	world_add(world, &spec);
	forced = known_key;
	bench_open(&bench, world);
	forced = NULL;
	cache = latest;
	ck_assert_mem_eq(cache->secret, known_key, sizeof(known_key));
	quiet = time_handshakes(bench.ctx, &known);
	for (int i = 0; i < 2000; i++) {
		struct name name = next_aimed(known_key, 2047, &number);
		struct answer *answer = NULL;

		ck_assert_int_eq(lookup_find(bench.snicert->lookup, &name, &answer), LOOKUP_NONE);
	}
	worst = time_handshakes(bench.ctx, &known);
	ck_assert_uint_le(cache->nodes.size, 2048); /* with pointers of 32 bits there is room for more than 1024 */
	count = longest_bucket(&cache->nodes);
	known = next_aimed(known_key, 2047, &number);
	snprintf(often, sizeof(often), "%zu entries, the most that 1 MiB of cache holds", count);
	trial_row("peers", "names in one bucket of the cache, by a key that the test knows", often,
	    "a look-up that passes all of them takes %.1f us; a handshake with a name of the store in that bucket "
	    "%.0f us, %.0f us before; under another key the same names are spread out, and each cache has "
	    "another", time_walk(cache, &known) * 1e6, worst * 1e6, quiet * 1e6);
	ck_assert_uint_gt(count, 500);
	ck_assert_uint_le(cache_memory(cache), 1 << 20);
	ck_assert_msg(worst < 2 * quiet, "%.0f us, %.0f us before", worst * 1e6, quiet * 1e6);
	bench_close(&bench);
	world_free(world);
}
END_TEST

/* --- statistics ----------------------------------------------------------------------- */

static size_t
most_in_a_bucket(const uint64_t key[2], const struct name *names, size_t count, size_t places)
{
	size_t buckets[128] = {0}, most = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t tag = sketch_hash(key, names[i].text, names[i].length);
		size_t at = sketch_unknown_bucket(tag, places) / MAPPING_WAYS;

		most = ++buckets[at] > most ? buckets[at] : most;
	}
	return most;
}

/* The same for the places of unknown names: 64 names in one of 128 buckets. */
START_TEST(test_sketch_collisions)
{
	struct name names[TOGETHER];
	size_t found = 0;

	for (unsigned long number = 0; found < TOGETHER; number++) {
		struct name name = name_number(number);

		if (sketch_unknown_bucket(sketch_hash(known_key, name.text, name.length), 1024) == 0)
			names[found++] = name;
	}
	ck_assert_uint_eq(most_in_a_bucket(known_key, names, TOGETHER, 1024), TOGETHER);
	for (int i = 0; i < 100; i++) {
		uint64_t key[2];

		ck_assert_int_eq(RAND_bytes((unsigned char *)key, sizeof(key)), 1);
		key[1] |= 1;
		/* 1 in 10^12 that it is more, for each key. */
		ck_assert_uint_le(most_in_a_bucket(key, names, TOGETHER, 1024), 14);
	}
}
END_TEST

/* The key is of the file, which all processes of a user have in common: another file, another key. */
START_TEST(test_each_file_has_its_own_key)
{
	const struct mapping_geometry geometry = { 1024, 1024 };
	struct world *world = world_new();
	struct mapping files[2], again;
	struct snicert_error err = {0};
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/stats%d", world->dir, i);
		ck_assert_msg(mapping_open(&files[i], path, &geometry, "store", &err) == 0, "%s", err.text);
	}
	ck_assert_int_eq(mapping_open(&again, path, &geometry, "store", &err), 0);
	ck_assert_mem_eq(files[1].key, again.key, sizeof(again.key));
	ck_assert_int_ne(memcmp(files[0].key, files[1].key, sizeof(again.key)), 0);
	mapping_close(&again);
	for (int i = 0; i < 2; i++)
		mapping_close(&files[i]);
	world_free(world);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("collide");
	TCase *tc = tcase_create("collide");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_siphash);
	tcase_add_test(tc, test_cache_collisions);
	tcase_add_test(tc, test_each_has_its_own_key);
	tcase_add_test(tc, test_worst_case);
	tcase_add_test(tc, test_sketch_collisions);
	tcase_add_test(tc, test_each_file_has_its_own_key);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
