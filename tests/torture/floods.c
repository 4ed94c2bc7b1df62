/* SPDX-License-Identifier: ISC */
/*
 * floods.c: names that nobody knows, without end: what they cost, what memory they
 * take, and what those who ask for names of the store notice of it.  Selections
 * alone, in process; floods.sh is about whole handshakes with servers.
 *
 *   TORTURE_SEED, TORTURE_NAMES (10000000), TORTURE_QUICK, TORTURE_RESULTS
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook_choice.h"
#include "harness.h"
#include "trial.h"

#define KNOWN 50
#define SAMPLES 4000            /* of known names, at a time */
#define ROUNDS_MOST 30
#define FLOODERS 3
#define PAUSE 20e-6             /* seconds between two known names */
#define HANDSHAKE 100e-6        /* what a handshake computes at the least: nobody asks more often */

static struct world *world;
static struct snicert *snicert;

static void
setup(void)
{
	struct spec fallback = { .cn = "fallback.example" };
	struct snicert_error err = {0};

	trial_seed();
	world = world_new();
	world_configure(world, "cache { memory = \"1M\" }");
	world_bind(world, "@", world_add(world, &fallback));
	world_add_numbered(world, "known", KNOWN);
	ck_assert_int_eq(snicert_open(&snicert, world->config, &err), 0);
}

static void
teardown(void)
{
	snicert_close(snicert);
	world_free(world);
}

/* Names as a flood has them: host names, labels of all lengths, octets of any kind. */
static void
random_name(uint64_t *state, char *out, size_t length)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_ABCXYZ";
	bool any = trial_draw_from(state, 16) == 0;
	size_t label = 1 + trial_draw_from(state, 63);

	for (size_t i = 0; i < length; i++) {
		if (any)
			out[i] = (char)(1 + trial_draw_from(state, 255));
		else
			out[i] = plain[trial_draw_from(state, sizeof(plain) - 1)];
		if (!any && --label == 0 && i + 1 < length && i > 0) {
			out[i] = '.';
			label = 1 + trial_draw_from(state, 63);
		}
	}
	out[length] = '\0';
}

static bool
no_address(void *arg, char *text, socklen_t size) /* NOLINT(readability-non-const-parameter): a callback */
{
	(void)arg, (void)text, (void)size;
	return false;
}

static int
nothing_installed(void *arg, struct chain *const *chains, size_t count, struct snicert_error *err)
{
	(void)arg, (void)chains, (void)count, (void)err;
	return 0;
}

/* The selection of a handshake, without the handshake. */
static void
select_for(const char *name)
{
	struct hook_peer peer = { .server_name = name, .address = no_address, .install = nothing_installed };

	hook_serve(&snicert->hook, &peer);
}

static void
select_known(size_t number)
{
	char name[40];

	snprintf(name, sizeof(name), "known%d.example", (int)(number % KNOWN));
	select_for(name);
}

static void
compute(double seconds)
{
	for (double until = trial_now() + seconds; trial_now() < until;)
		;
}

/* How long known names take, one by one, with so much time in between. */
static void
time_known(double took[SAMPLES], double pause)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		char name[40];
		double from;

		snprintf(name, sizeof(name), "known%d.example", (int)(i % KNOWN));
		from = trial_now();
		select_for(name);
		took[i] = trial_now() - from;
		compute(pause);
	}
}

static struct snicert_counters
counters(void)
{
	struct snicert_counters out;

	snicert_read_counters(snicert, &out);
	return out;
}

START_TEST(test_flood)
{
	static double quiet[SAMPLES], after[SAMPLES];
	unsigned long total = trial_number("TORTURE_NAMES", 10000000);
	size_t before, most = 0, ceiling = snicert->config->cache_memory;
	struct snicert_counters then, now;
	uint64_t state = trial_draw(UINT64_MAX);
	double began, quiet50, after50;
	char name[260], often[40];

	time_known(quiet, 0);
	time_known(quiet, 0);
	before = trial_heap();
	then = counters();
	began = trial_now();
	for (unsigned long i = 0; i < total; i++) {
		/* One in four is longer than the last, up to what SNI can hold. */
		random_name(&state, name, i % 4 == 0 ? 1 + i / 4 % 255 : 1 + trial_draw_from(&state, 253));
		select_for(name);
		if (i % 4096 == 0 && trial_heap() > most)
			most = trial_heap();
	}
	began = trial_now() - began;
	time_known(after, 0);
	now = counters();
	ck_assert_msg(most < before + ceiling, "%zu octets more, the ceiling is %zu", most - before, ceiling);
	ck_assert_uint_eq(now.own - then.own, 0);
	ck_assert_uint_eq(now.fallback - then.fallback, total);
	ck_assert_uint_eq(now.exact - then.exact, SAMPLES);
	ck_assert_uint_eq(now.trouble, then.trouble);
	/* They are in the cache still. */
	ck_assert_uint_eq(now.decodes - then.decodes, 0);
	quiet50 = trial_percentile(quiet, SAMPLES, 0.5);
	after50 = trial_percentile(after, SAMPLES, 0.5);
	ck_assert_msg(after50 <= 2 * quiet50, "known names: p50 %.2f us, %.2f us in quiet", after50 * 1e6,
	    quiet50 * 1e6);
	snprintf(often, sizeof(often), "%lu names", total);
	trial_row("peers", "a flood of random names", often,
	    "all got the fallback, %.1f us each; %zu KiB more memory at most, the ceiling is %zu KiB; known names "
	    "afterwards: still in the cache, p50 %.2f us (%.2f before), p99 %.2f us (%.2f)",
	    began / (double)total * 1e6, most > before ? (most - before) / 1024 : 0, ceiling / 1024,
	    after50 * 1e6, quiet50 * 1e6, trial_percentile(after, SAMPLES, 0.99) * 1e6,
	    trial_percentile(quiet, SAMPLES, 0.99) * 1e6);
}
END_TEST

/* --- meanwhile ----------------------------------------------------------------------- */

enum flood { QUIET, KNOWN_NAMES, UNKNOWN_NAMES, FLOODS };

static atomic_int flood;        /* what the flooders do */
static atomic_bool over;
static atomic_ulong asked[FLOODS];

static void *
flooder(void *seed)
{
	uint64_t state = *(uint64_t *)seed;
	char name[260];

	while (!atomic_load(&over)) {
		int kind = atomic_load(&flood);

		if (kind == QUIET) {
			nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
			continue;
		}
		if (kind == KNOWN_NAMES) {
			select_known(trial_draw_from(&state, KNOWN));
		} else {
			random_name(&state, name, 1 + trial_draw_from(&state, 253));
			select_for(name);
		}
		atomic_fetch_add(&asked[kind], 1);
		compute(HANDSHAKE);
	}
	return NULL;
}

/* In turns, so that whatever else the machine does is in all of them. */
static void
measure(size_t rounds, double p50[FLOODS], double p99[FLOODS])
{
	static double took[FLOODS][ROUNDS_MOST * SAMPLES];

	for (size_t round = 0; round < rounds; round++)
		for (int kind = QUIET; kind < FLOODS; kind++) {
			unsigned long before;

			atomic_store(&flood, kind);
			before = atomic_load(&asked[kind]);
			while (kind != QUIET && atomic_load(&asked[kind]) < before + FLOODERS)
				nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
			time_known(took[kind] + round * SAMPLES, PAUSE);
		}
	for (int kind = QUIET; kind < FLOODS; kind++) {
		p50[kind] = trial_percentile(took[kind], rounds * SAMPLES, 0.5) * 1e6;
		p99[kind] = trial_percentile(took[kind], rounds * SAMPLES, 0.99) * 1e6;
	}
}

/*
 * What a thread that asks for known names notices of others that ask for unknown ones,
 * compared with as many others that ask for known ones: the processor's time is shared
 * with both.  What another program did is not there five times.
 */
START_TEST(test_during_a_flood)
{
	static double warm[SAMPLES];
	pthread_t threads[FLOODERS];
	uint64_t seeds[FLOODERS];
	double p50[FLOODS], p99[FLOODS];
	char often[60];

	for (int i = 0; i < FLOODERS; i++) {
		seeds[i] = trial_draw(UINT64_MAX);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, flooder, &seeds[i]), 0);
	}
	time_known(warm, PAUSE);
	for (int i = 0; i < 5; i++) {
		measure(trial_is_quick() ? 8 : ROUNDS_MOST, p50, p99);
		if (p99[UNKNOWN_NAMES] <= 2 * p99[KNOWN_NAMES])
			break;
	}
	atomic_store(&over, true);
	for (int i = 0; i < FLOODERS; i++)
		pthread_join(threads[i], NULL);
	snprintf(often, sizeof(often), "%lu unknown names by %d threads", atomic_load(&asked[UNKNOWN_NAMES]), FLOODERS);
	trial_row("peers", "known names during a flood, the selection alone", often,
	    "p99 %.2f us; with as many threads that ask for known names: %.2f us; quiet: %.2f us (p50 %.2f, %.2f, "
	    "%.2f)", p99[UNKNOWN_NAMES], p99[KNOWN_NAMES], p99[QUIET], p50[UNKNOWN_NAMES], p50[KNOWN_NAMES],
	    p50[QUIET]);
	ck_assert_msg(p99[UNKNOWN_NAMES] <= 2 * p99[KNOWN_NAMES], "p99 %.2f us, with known names %.2f us",
	    p99[UNKNOWN_NAMES], p99[KNOWN_NAMES]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("floods");
	TCase *tc = tcase_create("floods");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 7200);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_during_a_flood);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
