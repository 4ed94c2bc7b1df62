/* SPDX-License-Identifier: ISC */
/* test_cache.c: what the cache holds, for how long, and that it stays within its bounds. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "cache.h"
#include "seal.h"

#define MEMORY (1u << 20)

static struct seal *seal;
static struct chain_codec *codec;
static struct store_chain row;  /* of which chains are made: only the identity differs */
static unsigned char *leaf_der, *key_der;
static int leaf_length, key_length;

static void
setup(void)
{
	unsigned char octets[SEAL_KEY_LENGTH] = "any key";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *leaf = X509_new();
	PKCS8_PRIV_KEY_INFO *info;

	seal = seal_new(NULL);
	codec = chain_codec_new(1u << 20);
	ck_assert_int_eq(seal_add(seal, octets, NULL), 0);
	X509_set_version(leaf, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1);
	X509_gmtime_adj(X509_getm_notBefore(leaf), -60);
	X509_gmtime_adj(X509_getm_notAfter(leaf), 3600);
	X509_set_pubkey(leaf, key);
	ck_assert_int_gt(X509_sign(leaf, key, EVP_sha256()), 0);
	info = EVP_PKEY2PKCS8(key);
	leaf_length = i2d_X509(leaf, &leaf_der);
	key_length = i2d_PKCS8_PRIV_KEY_INFO(info, &key_der);
	PKCS8_PRIV_KEY_INFO_free(info);
	ck_assert_int_gt(leaf_length, 0);
	ck_assert_int_gt(key_length, 0);
	X509_free(leaf);
	EVP_PKEY_free(key);
	strcpy(row.key_type, "EC");
	row.not_after = 4102444800;
	row.cert_count = 1;
	SHA256(leaf_der, (size_t)leaf_length, row.certs[0].digest);
	row.certs[0].der.data = leaf_der;
	row.certs[0].der.length = (size_t)leaf_length;
}

static void
teardown(void)
{
	chain_codec_free(codec);
	seal_free(seal);
	OPENSSL_free(leaf_der);
	OPENSSL_free(key_der);
}

static void
identify(unsigned char *out, int number)
{
	memset(out, 0, STORE_DIGEST_LENGTH);
	memcpy(out, &number, sizeof(number));
}

static struct chain *
make_chain(int number)
{
	struct snicert_error err = {0};
	unsigned char *sealed = NULL;
	size_t length;
	struct chain *chain = NULL;

	identify(row.identity, number);
	ck_assert_int_eq(seal_close(seal, key_der, (size_t)key_length, row.identity, sizeof(row.identity),
	    &sealed, &length, &err), 0);
	row.sealed_key.data = sealed;
	row.sealed_key.length = length;
	ck_assert_msg(chain_decode(codec, seal, &row, &chain, &err) == 0, "%s", err.text);
	OPENSSL_free(sealed);
	return chain;
}

static struct name *
name_of(const char *form, int number)
{
	static struct name name;

	name.length = (size_t)snprintf(name.text, sizeof(name.text), form, number);
	return &name;
}

/* Under a key: one chain (number), or none (-1); the caller keeps no reference. */
static void
put(struct cache *cache, const char *form, int key, int number, uint64_t generation)
{
	struct cache_entry entry = { .outcome = CACHE_NONE, .generation = generation };

	if (number >= 0) {
		unsigned char identity[STORE_DIGEST_LENGTH];
		struct chain *chain, *held;

		identify(identity, number);
		held = cache_chain(cache, identity);
		chain = held != NULL ? chain_ref(held) : make_chain(number);
		entry.outcome = CACHE_FOUND;
		entry.answer = answer_new(&chain, 1);
		chain_unref(chain);
	}
	cache_put(cache, name_of(form, key), &entry);
	answer_unref(entry.answer);
}

static bool
has_chain(struct cache *cache, int number)
{
	unsigned char identity[STORE_DIGEST_LENGTH];
	struct chain *chain;

	identify(identity, number);
	chain = cache_chain(cache, identity);
	ck_assert_msg(chain == NULL ||
	        memcmp(chain_identity(chain), identity, STORE_DIGEST_LENGTH) == 0,
	    "chain %d: got another", number);
	return chain != NULL;
}

static void
check_counts(const char *label, const struct cache *cache, size_t count, size_t most)
{
	ck_assert_msg(cache_count(cache) == count, "%s: entries: got %zu, want %zu", label,
	    cache_count(cache), count);
	ck_assert_msg(cache_memory(cache) <= most, "%s: memory: got %zu, want at most %zu", label,
	    cache_memory(cache), most);
}

START_TEST(test_empty)
{
	struct cache *cache = cache_new(MEMORY);

	ck_assert_ptr_null(cache_find(cache, name_of("mx%d.example", 1)));
	ck_assert(!has_chain(cache, 1));
	check_counts("empty", cache, 0, 0);
	cache_free(cache);
	cache_free(NULL);
}
END_TEST

static const struct {
	const char *label;
	enum cache_outcome outcome;
	uint64_t generation;
	int64_t retry_at;
} entries[] = {
	{ "found", CACHE_FOUND, 1, 0 },
	{ "found, later", CACHE_FOUND, UINT64_MAX, 0 },
	{ "found, some broken", CACHE_FOUND, 7, 123456789012 },
	{ "none", CACHE_NONE, 3, 0 },
	{ "broken", CACHE_BROKEN, 4, 99 },
};

START_TEST(test_entry)
{
	struct cache *cache = cache_new(MEMORY);
	struct chain *chains[2] = { make_chain(1), make_chain(2) };
	bool found = entries[_i].outcome == CACHE_FOUND;
	struct cache_entry entry = { entries[_i].outcome, entries[_i].generation, entries[_i].retry_at,
		found ? answer_new(chains, 2) : NULL };
	const struct cache_entry *got;

	cache_put(cache, name_of("mx%d.example", 1), &entry);
	got = cache_find(cache, name_of("mx%d.example", 1));
	ck_assert_ptr_nonnull(got);
	ck_assert_msg(got->outcome == entry.outcome && got->generation == entry.generation &&
	        got->retry_at == entry.retry_at && got->answer == entry.answer,
	    "%s: got %d, %llu, %lld", entries[_i].label, (int)got->outcome,
	    (unsigned long long)got->generation, (long long)got->retry_at);
	ck_assert_ptr_null(cache_find(cache, name_of("mx%d.exampl", 1)));
	ck_assert_ptr_null(cache_find(cache, name_of("mx%d.example", 2)));
	if (found) {
		ck_assert_uint_eq(answer_count(got->answer), 2);
		ck_assert_ptr_eq(answer_chains(got->answer)[0], chains[0]);
		ck_assert_ptr_eq(answer_chains(got->answer)[1], chains[1]);
	}
	ck_assert_msg(has_chain(cache, 1) == found && has_chain(cache, 2) == found,
	    "%s: chains by identity: got %d", entries[_i].label, has_chain(cache, 1));
	/* An answer lent before goes on after the cache is gone. */
	cache_free(cache);
	if (found) {
		ck_assert_int_eq(chain_identity(answer_chains(entry.answer)[1])[0], 2);
		answer_unref(answer_ref(entry.answer));
	}
	answer_unref(entry.answer);
	chain_unref(chains[0]);
	chain_unref(chains[1]);
}
END_TEST

/* In place of the former entry, whichever of each kind: nothing is left of it. */
START_TEST(test_replace)
{
	static const int numbers[] = { -1, 1, 2, 1, -1, -1, 1, 1, 2, 2, -1 };
	struct cache *cache = cache_new(MEMORY);
	size_t empty, full;

	put(cache, "mx%d.example", 0, -1, 1);
	empty = cache_memory(cache);
	put(cache, "mx%d.example", 0, 1, 1);
	full = cache_memory(cache);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct cache_entry *got;

		put(cache, "mx%d.example", 0, numbers[i], 10 + i);
		got = cache_find(cache, name_of("mx%d.example", 0));
		ck_assert_ptr_nonnull(got);
		ck_assert_uint_eq(got->generation, 10 + i);
		ck_assert_int_eq(got->outcome, numbers[i] < 0 ? CACHE_NONE : CACHE_FOUND);
		ck_assert_msg(cache_count(cache) == 1, "step %zu: entries: got %zu, want 1", i,
		    cache_count(cache));
		ck_assert_msg(cache_memory(cache) == (numbers[i] < 0 ? empty : full),
		    "step %zu: memory: got %zu, want %zu", i, cache_memory(cache),
		    numbers[i] < 0 ? empty : full);
		for (int number = 1; number <= 2; number++)
			ck_assert_msg(has_chain(cache, number) == (number == numbers[i]),
			    "step %zu: chain %d: got %d", i, number, number != numbers[i]);
	}
	cache_free(cache);
}
END_TEST

/* One chain under a thousand names is counted once, and goes with the last of them. */
START_TEST(test_shared)
{
	struct cache *cache = cache_new(64 * MEMORY), *other = cache_new(64 * MEMORY);
	size_t one, step, all;

	put(cache, "mx%04d.example", 0, 1, 1);
	one = cache_memory(cache);
	put(cache, "mx%04d.example", 1, 1, 1);
	step = cache_memory(cache) - one;
	for (int i = 2; i < 1000; i++)
		put(cache, "mx%04d.example", i, 1, 1);
	all = one + 999 * step;
	ck_assert_msg(cache_memory(cache) == all, "memory: got %zu, want %zu", cache_memory(cache), all);
	put(other, "mx%04d.example", 0, 1, 1);
	put(other, "mx%04d.example", 1, 2, 1);
	ck_assert_msg(cache_memory(other) == 2 * one, "two chains: got %zu, want %zu",
	    cache_memory(other), 2 * one);
	ck_assert_msg(step < one / 4, "a name more costs %zu of %zu", step, one);
	for (int i = 0; i < 1000; i++) {
		ck_assert_msg(has_chain(cache, 1), "gone after %d of 1000 names", i);
		put(cache, "mx%04d.example", i, -1, 2);
	}
	ck_assert_msg(!has_chain(cache, 1), "still held by nobody");
	cache_free(cache);
	cache_free(other);
}
END_TEST

/* All kinds of keys, many more than there is room for. */
START_TEST(test_bounded)
{
	static const size_t memories[] = { MEMORY, MEMORY / 8, 4 * MEMORY, 4096, 0 };
	size_t memory = memories[_i];
	struct cache *cache = cache_new(memory);
	unsigned seed = 7;

	for (int i = 0; i < 100000; i++) {
		int key = i % 2 == 0 ? i : rand_r(&seed) % 1000;

		if (i % 50 == 0)
			put(cache, "bound%d.example", key, rand_r(&seed) % 400, 1);
		else if (i % 7 == 0)
			put(cache, "%0240d.example", key, -1, 1);
		else
			put(cache, "x%d.example", key, -1, 1);
		ck_assert_msg(cache_memory(cache) <= memory, "after %d: memory: got %zu, want at most %zu",
		    i, cache_memory(cache), memory);
	}
	ck_assert_msg(memory < MEMORY || cache_count(cache) > 100, "entries: got %zu", cache_count(cache));
	cache_free(cache);
}
END_TEST

/* A flood of invented names washes no chain out. */
START_TEST(test_flood)
{
	struct cache *cache = cache_new(MEMORY);
	int bound = 20;

	for (int i = 0; i < bound; i++)
		put(cache, "bound%d.example", i, i, 1);
	ck_assert_uint_eq(cache_count(cache), (size_t)bound);
	for (int i = 0; i < 100000; i++)
		put(cache, "flood%d.example", i, -1, 1);
	for (int i = 0; i < bound; i++) {
		const struct cache_entry *got = cache_find(cache, name_of("bound%d.example", i));

		ck_assert_msg(got != NULL && got->outcome == CACHE_FOUND, "bound name %d is gone", i);
		ck_assert_msg(has_chain(cache, i), "chain %d is gone", i);
	}
	ck_assert_msg(cache_find(cache, name_of("flood%d.example", 99999)) != NULL,
	    "the newest invented name is not remembered");
	ck_assert_msg(cache_find(cache, name_of("flood%d.example", 0)) == NULL,
	    "the oldest invented name still is");
	/* And bound names do not wash out the memory of unbound ones. */
	for (int i = 0; i < 300; i++)
		put(cache, "more%d.example", i, 1000 + i, 1);
	ck_assert_msg(cache_find(cache, name_of("flood%d.example", 99999)) != NULL,
	    "the newest invented name is gone");
	cache_free(cache);
}
END_TEST

/* The one that was not asked for the longest goes first, of both kinds. */
START_TEST(test_order)
{
	bool bound = _i == 1;
	struct cache *cache = cache_new(MEMORY);
	int count = 0, kept = 0, last;

	/* Fill up until the first goes. */
	do {
		put(cache, "mx%06d.example", count, bound ? count : -1, 1);
		count++;
	} while (cache_count(cache) == (size_t)count && count < 100000);
	ck_assert_int_lt(count, 100000);
	/* 0 went; now 1 is the oldest.  Ask for it, and 2 goes instead. */
	ck_assert_ptr_null(cache_find(cache, name_of("mx%06d.example", 0)));
	ck_assert_ptr_nonnull(cache_find(cache, name_of("mx%06d.example", 1)));
	put(cache, "mx%06d.example", count, bound ? count : -1, 1);
	ck_assert_msg(cache_find(cache, name_of("mx%06d.example", 1)) != NULL, "the one asked for went");
	ck_assert_msg(cache_find(cache, name_of("mx%06d.example", 2)) == NULL, "the oldest stayed");
	/* A replaced entry is new again. */
	put(cache, "mx%06d.example", 3, bound ? 3 : -1, 2);
	put(cache, "mx%06d.example", count + 1, bound ? count + 1 : -1, 1);
	ck_assert_msg(cache_find(cache, name_of("mx%06d.example", 4)) == NULL, "the oldest stayed");
	ck_assert_msg(cache_find(cache, name_of("mx%06d.example", 3)) != NULL, "the replaced one went");
	/* What is left is what came last, without a hole. */
	last = count + 1;
	for (int i = 5; i <= last; i++)
		kept += cache_find(cache, name_of("mx%06d.example", i)) != NULL;
	ck_assert_msg(kept == last - 4, "kept: got %d, want %d", kept, last - 4);
	cache_free(cache);
}
END_TEST

/* A name with as many chains as there may be, and one too big for the whole cache. */
START_TEST(test_many_chains)
{
	struct chain *chains[STORE_CHAINS_MOST];
	struct cache *cache = cache_new(MEMORY), *tiny = cache_new(4096);
	struct cache_entry entry = { CACHE_FOUND, 1, 0, NULL };

	for (int i = 0; i < STORE_CHAINS_MOST; i++)
		chains[i] = make_chain(i);
	entry.answer = answer_new(chains, STORE_CHAINS_MOST);
	cache_put(cache, name_of("mx%d.example", 1), &entry);
	for (int i = 0; i < STORE_CHAINS_MOST; i++)
		ck_assert(has_chain(cache, i));
	check_counts("eight chains", cache, 1, MEMORY);
	cache_put(tiny, name_of("mx%d.example", 1), &entry);
	check_counts("too big", tiny, 0, 0);
	ck_assert(!has_chain(tiny, 0));
	answer_unref(entry.answer);
	cache_free(cache);
	cache_free(tiny);
	for (int i = 0; i < STORE_CHAINS_MOST; i++)
		chain_unref(chains[i]);
}
END_TEST

/* Two decodings of one chain under two names, as two threads may make them, or as it is made a pair. */
START_TEST(test_twice_decoded)
{
	struct cache *cache = cache_new(MEMORY);
	struct chain *one = make_chain(1), *two = make_chain(1);
	struct cache_entry entry = { CACHE_FOUND, 1, 0, NULL };

	entry.answer = answer_new(&one, 1);
	cache_put(cache, name_of("mx%d.example", 1), &entry);
	answer_unref(entry.answer);
	entry.answer = answer_new(&two, 1);
	cache_put(cache, name_of("mx%d.example", 2), &entry);
	answer_unref(entry.answer);
	/* The later one, which may be a pair. */
	ck_assert(cache_chain(cache, chain_identity(two)) == two);
	/* Whichever goes first, the other stays found and nothing is freed twice. */
	put(cache, "mx%d.example", 1, -1, 2);
	ck_assert(has_chain(cache, 1));
	put(cache, "mx%d.example", 2, -1, 2);
	ck_assert(!has_chain(cache, 1));
	chain_unref(one);
	chain_unref(two);
	cache_free(cache);
}
END_TEST

START_TEST(test_fallback_keys)
{
	struct cache *cache = cache_new(MEMORY);
	struct name global, address;

	name_fallback(&global, NULL);
	name_fallback(&address, "192.0.2.1");
	put(cache, "@", 0, 1, 1);
	put(cache, "@192.0.2.%d", 1, -1, 1);
	ck_assert_int_eq(cache_find(cache, &global)->outcome, CACHE_FOUND);
	ck_assert_int_eq(cache_find(cache, &address)->outcome, CACHE_NONE);
	cache_free(cache);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cache");
	TCase *tc = tcase_create("cache");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_empty);
	tcase_add_loop_test(tc, test_entry, 0, (int)(sizeof(entries) / sizeof(entries[0])));
	tcase_add_test(tc, test_replace);
	tcase_add_test(tc, test_shared);
	tcase_add_loop_test(tc, test_bounded, 0, 5);
	tcase_add_test(tc, test_flood);
	tcase_add_loop_test(tc, test_order, 0, 2);
	tcase_add_test(tc, test_many_chains);
	tcase_add_test(tc, test_twice_decoded);
	tcase_add_test(tc, test_fallback_keys);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
