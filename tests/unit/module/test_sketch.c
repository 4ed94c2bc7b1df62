/* SPDX-License-Identifier: ISC */
/* test_sketch.c: the sketches against exact counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "sketch.h"

#define WINDOW MAPPING_WINDOW
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct mapping_geometry geometry = { 256, 1024 };
static const struct sketch_address nowhere;
static struct mapping mapping;

/* A mapping in memory: the sketches know nothing of files. */
static void
setup(void)
{
	char *at;

	mapping_parts(&mapping.parts, &geometry);
	at = aligned_alloc(4096, mapping.parts.size);
	ck_assert_ptr_nonnull(at);
	memset(at, 0, mapping.parts.size);
	mapping.header = (struct mapping_header *)at;
	mapping.sketch = (struct mapping_cell *)(at + mapping.parts.sketch);
	mapping.unknown = (struct mapping_unknown *)(at + mapping.parts.unknown);
	mapping.use = (struct mapping_use *)(at + mapping.parts.use);
	mapping.unknown_count = geometry.unknown;
	mapping.use_count = geometry.names;
	mapping.key[0] = 0x0123456789abcdefu;
	mapping.key[1] = 0xfedcba9876543211u;
}

static void
teardown(void)
{
	free(mapping.header);
}

static bool
ask(const char *text, int64_t now)
{
	struct name name = { .length = strlen(text) };

	strcpy(name.text, text);
	return sketch_unknown(&mapping, &name, now, &nowhere);
}

static const struct mapping_unknown *
place_of(const char *text)
{
	for (size_t i = 0; i < mapping.unknown_count; i++)
		if (atomic_load(&mapping.unknown[i].tag) != 0 && strcmp(mapping.unknown[i].name, text) == 0)
			return &mapping.unknown[i];
	return NULL;
}

/* Names asked for by Zipf's law: each count is between `count` and `count + missed`. */
START_TEST(test_zipf)
{
	static uint64_t exact[20000];
	uint64_t bound, requests = 400000, held = 0;
	size_t listed = 0, within = 0, top = 0;
	unsigned seed = 1;
	char text[64];

	for (uint64_t i = 0; i < requests; i++) {
		double x = rand_r(&seed) / ((double)RAND_MAX + 1);
		size_t which = (size_t)(pow(COUNT(exact), x) - 1) % COUNT(exact);

		exact[which]++;
		snprintf(text, sizeof(text), "mx%zu.example", which);
		ask(text, 1000000000 + (int64_t)(i / 40)); /* 17 windows */
	}
	for (size_t i = 0; i < mapping.parts.sketch_width; i++)
		held += mapping.sketch[i].count;
	bound = 2 * held / mapping.parts.sketch_width;
	for (size_t i = 0; i < COUNT(exact); i++) {
		const struct mapping_unknown *place;

		snprintf(text, sizeof(text), "mx%zu.example", i);
		place = place_of(text);
		if (place == NULL)
			continue;
		listed++;
		top += i < 50;
		ck_assert_msg(place->count <= exact[i] && exact[i] <= place->count + place->missed,
		    "%s: asked for %lu times, told %lu to %lu", text, (unsigned long)exact[i],
		    (unsigned long)place->count, (unsigned long)(place->count + place->missed));
		within += place->count + place->missed <= exact[i] + bound;
	}
	ck_assert_uint_eq(listed, mapping.unknown_count);
	ck_assert_msg(within >= listed - listed / 16, "%zu of %zu within %lu", within, listed, (unsigned long)bound);
	ck_assert_uint_eq(top, 50);
}
END_TEST

/* A week of real senders, some of them every two hours, others once a day; then a minute of noise, of
 * other names each time; then a flood of the same ones, as fast as it gets. */
START_TEST(test_flood)
{
	const int64_t start = 1000000200, week = 7 * 86400;
	const size_t often = 60, daily = 20;
	unsigned seed = 7, lost = 0;
	char text[64];

	for (int64_t at = 0; at < week; at += 7200)
		for (size_t i = 0; i < often + (at % 86400 == 0 ? daily : 0); i++) {
			snprintf(text, sizeof(text), "mx.customer%zu.example", i);
			ask(text, start + at + (int64_t)i);
		}
	for (size_t i = 0; i < often + daily; i++) {
		snprintf(text, sizeof(text), "mx.customer%zu.example", i);
		lost += place_of(text) == NULL;
	}
	ck_assert_uint_eq(lost, 0);
	for (int i = 0; i < 500000; i++) {
		snprintf(text, sizeof(text), "%08x%08x.example", (unsigned)rand_r(&seed), (unsigned)i);
		ask(text, start + week + i / 10000);
	}
	for (int i = 0; i < 500000; i++) {
		snprintf(text, sizeof(text), "noise%d.example", i % 5000);
		ask(text, start + week + 50 + i / 50000);
	}
	for (size_t i = 0; i < often + daily; i++) {
		const struct mapping_unknown *place;

		snprintf(text, sizeof(text), "mx.customer%zu.example", i);
		place = place_of(text);
		ck_assert_msg(place != NULL, "%s was washed out", text);
		ck_assert_uint_eq(place->count + place->missed >= (i < often ? 84 : 7), 1);
		ck_assert_uint_eq(place->count, i < often ? 84 : 7);
		ck_assert_str_eq(place->name, text);
	}
}
END_TEST

/* Noise for hours, and a newcomer amidst it that is asked for every ten minutes: it comes to stay. */
START_TEST(test_newcomer)
{
	unsigned seed = 9;
	char text[64];
	int64_t at;

	for (at = 1000000200; at < 1000000200 + 6 * 3600; at++) {
		for (int i = 0; i < 2; i++) {
			snprintf(text, sizeof(text), "%08x%08x.example", (unsigned)rand_r(&seed), (unsigned)at);
			ask(text, at);
		}
		if (at % 600 == 299)
			ask("mx.newcomer.example", at);
	}
	ck_assert_ptr_nonnull(place_of("mx.newcomer.example"));
	ck_assert_uint_ge(place_of("mx.newcomer.example")->count + place_of("mx.newcomer.example")->missed, 36);
}
END_TEST

/* Who was asked for a year ago makes room. */
START_TEST(test_forgotten)
{
	char text[64];
	int64_t at = 1000000200;

	for (int day = 0; day < 60; day++)
		for (int i = 0; i < 256; i++) {
			snprintf(text, sizeof(text), "old%d.example", i);
			ask(text, at + day * 86400);
		}
	at += (int64_t)365 * 86400;
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "new%d.example", i);
		ck_assert_msg(ask(text, at), "%s found no place", text);
	}
}
END_TEST

/* Use of names of the store: exact where there is room; else what is told is never too early. */
START_TEST(test_use)
{
	static uint32_t last[3000];
	unsigned seed = 3;
	size_t listed = 0, full_buckets = 0;
	char text[64];

	for (uint32_t day = 20000; day < 20100; day++)
		for (int i = 0; i < 400; i++) {
			size_t which = (size_t)rand_r(&seed) % COUNT(last);

			if (which % 3 == 0 && day > 20010)
				continue; /* these go out of use */
			last[which] = day;
			snprintf(text, sizeof(text), "n%zu.example", which);
			sketch_use(&mapping, sketch_hash(mapping.key, text, strlen(text)), day, 1);
		}
	for (size_t i = 0; i < COUNT(last); i++) {
		const struct mapping_use *bucket;
		uint32_t earliest = UINT32_MAX, found = 0;
		bool full = true;
		uint64_t tag;

		snprintf(text, sizeof(text), "n%zu.example", i);
		tag = sketch_hash(mapping.key, text, strlen(text));
		bucket = &mapping.use[sketch_use_bucket(tag, mapping.use_count)];
		for (unsigned k = 0; k < MAPPING_USE_WAYS; k++) {
			uint32_t day = (uint32_t)(bucket[k].use >> MAPPING_USE_BITS);

			if (bucket[k].tag == tag)
				found = day;
			full = full && bucket[k].tag != 0;
			earliest = day < earliest ? day : earliest;
		}
		listed += found != 0;
		full_buckets += full;
		if (found != 0)
			ck_assert_uint_eq(found, last[i]);
		else
			ck_assert_msg(last[i] == 0 || (full && last[i] <= earliest),
			    "%s: used on day %u, told not after %u", text, last[i], earliest);
	}
	ck_assert_uint_gt(full_buckets, 0);
	ck_assert_uint_ge(listed, 900);
}
END_TEST

/* The clock was ahead by years, and is back; a second past midnight is no such thing. */
START_TEST(test_use_after_clock_jump)
{
	static const struct { uint32_t day, want; } steps[] = { { 20000, 20000 }, { 27300, 27300 }, { 20000, 20000 },
		{ 20001, 20001 }, { 20000, 20001 }, { 20001, 20001 } };
	const struct mapping_use *bucket;
	uint64_t tag = sketch_hash(mapping.key, "jump.example", 12), used = 0;

	for (size_t i = 0; i < COUNT(steps); i++) {
		sketch_use(&mapping, tag, steps[i].day, 1);
		bucket = &mapping.use[sketch_use_bucket(tag, mapping.use_count)];
		for (unsigned k = 0; k < MAPPING_USE_WAYS; k++)
			used = bucket[k].tag == tag ? bucket[k].use : used;
		ck_assert_uint_eq(used >> MAPPING_USE_BITS, steps[i].want);
		ck_assert_uint_eq(used & (((uint64_t)1 << MAPPING_USE_BITS) - 1), i + 1);
	}
}
END_TEST

/* Names that differ in one octet, wherever, have other hashes; and under another key all have. */
START_TEST(test_hash)
{
	const uint64_t other[2] = { 5, 7 };
	char a[64], b[64];

	for (size_t length = 1; length < 40; length++)
		for (size_t at = 0; at < length; at++) {
			memset(a, 'a', length);
			memcpy(b, a, length);
			b[at] = 'b';
			ck_assert_uint_ne(sketch_hash(mapping.key, a, length), sketch_hash(mapping.key, b, length));
			ck_assert_uint_ne(sketch_hash(mapping.key, a, length), sketch_hash(other, a, length));
			ck_assert_uint_ne(sketch_hash(mapping.key, a, length), sketch_hash(mapping.key, a, length - 1));
		}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sketch");
	TCase *tc = tcase_create("sketch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_zipf);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_newcomer);
	tcase_add_test(tc, test_forgotten);
	tcase_add_test(tc, test_use);
	tcase_add_test(tc, test_use_after_clock_jump);
	tcase_add_test(tc, test_hash);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
