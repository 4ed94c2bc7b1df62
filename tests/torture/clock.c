/* SPDX-License-Identifier: ISC */
/*
 * clock.c: the clock of the system jumps, by years and both ways, while four threads
 * handshake: chains expire or are not valid yet, and come back.  Each handshake completes
 * with its own chain, the first after a commit has the new one, statistics count each, and
 * the log stays short.
 *
 * time() and CLOCK_REALTIME are this program's own, for OpenSSL and SQLite, too; what the
 * kernel notes of files stays, as the tool's clock does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ends.h"
#include "harness.h"
#include "log_budget.h"
#include "stats/read.h"
#include "trial.h"

#define IN_FRONT __attribute__((visibility("default"))) /* of libc's, for all libraries */
#define YEAR (365 * DAY)
#define THREADS 4
#define NAMES 8
#define EACH 40 /* handshakes of all threads, at least, before the clock jumps again */

static _Atomic int64_t skew;
static _Thread_local bool steady; /* this thread's clock does not jump: it is at the tool's work */

IN_FRONT int
clock_gettime(clockid_t clock, struct timespec *out)
{
#ifdef SYS_clock_gettime64
	long rc = syscall(sizeof(out->tv_sec) > sizeof(long) ? SYS_clock_gettime64 : SYS_clock_gettime, clock, out);
#else
	long rc = syscall(SYS_clock_gettime, clock, out);
#endif

	if (rc == 0 && !steady && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		out->tv_sec += (time_t)atomic_load(&skew);
	return (int)rc;
}

IN_FRONT time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

static const struct jump {
	const char *what;
	int64_t to;             /* seconds from now */
} jumps[] = {
	{ "a day ahead", DAY },
	{ "20 years ahead", 20 * YEAR },
	{ "a year back", -YEAR },
	{ "back to now", 0 },
	{ "30 years back", -30 * YEAR },
	{ "before 1970", -60 * YEAR },
	{ "200 years ahead", 200 * YEAR },
	{ "beyond the year 9999", 9000 * YEAR },
	{ "a second back from there", 9000 * YEAR - 1 },
	{ "back to now", 0 },
};

static struct world *world;
static struct bench bench;
static atomic_bool stop;
static _Atomic unsigned shaken, wrong, flips;
static _Atomic unsigned lines;
static int64_t ids[2];

static void
count_line(void *arg, int priority, const char *text)
{
	(void)arg, (void)priority, (void)text;
	atomic_fetch_add(&lines, 1);
}

static void *
shake_all_the_time(void *arg)
{
	char name[40], leaf[LEAF_SIZE];

	for (unsigned turn = 0; !atomic_load(&stop); turn++) {
		bool unknown = turn % 5 == 4;

		snprintf(name, sizeof(name), unknown ? "nobody%u.example" : "host%u.example", turn % NAMES);
		if (!ends_shake(bench.ctx, arg, name, leaf) ||
		    strcmp(leaf, unknown ? "fallback.example" : name) != 0) {
			fprintf(stderr, "%s got '%s'\n", name, leaf);
			atomic_fetch_add(&wrong, 1);
		}
		atomic_fetch_add(&shaken, 1);
	}
	return NULL;
}

static void
setup(void)
{
	struct spec fallback = { .cn = "fallback.example" };

	world = world_new();
	world_bind(world, "@", world_add(world, &fallback));
	world_add_numbered(world, "host", NAMES);
	for (int i = 0; i < 2; i++) {
		struct spec spec = { .cn = i == 0 ? "a.example" : "b.example" };

		ids[i] = world_add(world, &spec);
	}
	bench_open(&bench, world);
	snicert_set_log(bench.snicert, count_line, NULL);
	SSL_CTX_set_session_cache_mode(bench.ctx, SSL_SESS_CACHE_OFF);
}

static void
teardown(void)
{
	bench_close(&bench);
	world_free(world);
}

static uint64_t
counted(uint64_t *expired)
{
	struct snicert_error err = {0};
	struct stats_reader *reader = NULL;
	struct stats_totals totals;

	ck_assert_msg(stats_read_open(&reader, world->stats, &err) == 0, "%s", err.text);
	stats_read_totals(reader, &totals);
	stats_read_close(reader);
	*expired = totals.counters[STATS_SERVED_EXPIRED];
	return totals.handshakes;
}

/* At the clock's new time: others go on, and what is committed now is served at once. */
static void
look_around(const struct jump *jump, SSL_CTX *client)
{
	static const char *const cns[2] = { "a.example", "b.example" };
	unsigned from = atomic_load(&shaken);
	double until = trial_now() + 60;
	char leaf[LEAF_SIZE];

	for (int i = 0; i < 4; i++) {
		steady = true;
		world_bind(world, "flip.example", ids[i % 2]);
		steady = false;
		ck_assert_msg(ends_shake(bench.ctx, client, "flip.example", leaf), "%s: it fails", jump->what);
		ck_assert_msg(strcmp(leaf, cns[i % 2]) == 0, "%s: after a commit %s is served", jump->what, leaf);
		atomic_fetch_add(&flips, 1);
	}
	while (atomic_load(&shaken) < from + EACH && trial_now() < until)
		ends_nap(5);
	ck_assert_msg(atomic_load(&shaken) >= from + EACH, "%s: %u handshakes only", jump->what,
	    atomic_load(&shaken) - from);
}

/* `expired = fallback` follows the clock both ways. */
static void
check_fallback(SSL_CTX *client)
{
	static const struct { int64_t to; const char *leaf; } steps[] = { { 0, "host0.example" },
		{ 20 * YEAR, "own-ec" }, { 0, "host0.example" }, { -20 * YEAR, "host0.example" },
		{ 9000 * YEAR, "own-ec" }, { 0, "host0.example" } };
	struct bench other;
	char leaf[LEAF_SIZE];

	world_configure(world, "expired = fallback");
	bench_open(&other, world);
	for (size_t i = 0; i < COUNT(steps); i++) {
		atomic_store(&skew, steps[i].to);
		ck_assert(ends_shake(other.ctx, client, "host0.example", leaf));
		ck_assert_msg(strcmp(leaf, steps[i].leaf) == 0, "expired = fallback, step %zu: got %s, want %s", i, leaf,
		    steps[i].leaf);
	}
	atomic_store(&skew, 0);
	bench_close(&other);
}

START_TEST(test_jumps)
{
	unsigned seconds = (unsigned)trial_number("TORTURE_SECONDS", 5), rounds = 0, jumped = 0;
	SSL_CTX *client = ends_client(TLS1_3_VERSION);
	pthread_t threads[THREADS];
	double began = trial_now();
	uint64_t before, expired, now;
	char often[80];

	before = counted(&expired);
	ck_assert_uint_eq(expired, 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, shake_all_the_time, client), 0);
	do {
		for (size_t i = 0; i < COUNT(jumps); i++, jumped++) {
			/* Where time_t has 32 bits the clock can't be there. */
			if (sizeof(time_t) < 8 && (jumps[i].to > 11 * YEAR || jumps[i].to < -30 * YEAR))
				continue;
			atomic_store(&skew, jumps[i].to);
			look_around(&jumps[i], client);
		}
		rounds++;
	} while (trial_now() - began < seconds);
	atomic_store(&skew, 0);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	now = counted(&expired);
	snprintf(often, sizeof(often), "%u jumps, %u commits", jumped, atomic_load(&flips));
	trial_row("clock", "the clock jumps: by 20, 60, 200 and 9000 years, ahead and back", often,
	    "%u handshakes: %u their own chain, %u another or failed; each is counted, %u of them with an expired "
	    "chain; 0 of the first after a commit stale; %u log lines", atomic_load(&shaken),
	    atomic_load(&shaken) - atomic_load(&wrong), atomic_load(&wrong), (unsigned)expired, atomic_load(&lines));
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	ck_assert_uint_eq(now - before, atomic_load(&shaken) + atomic_load(&flips));
	if (sizeof(time_t) >= 8)
		ck_assert_uint_ge(expired, rounds * 4 * EACH / 2);
	/* Of each event so many a minute, whatever the clock says. */
	ck_assert_uint_le(atomic_load(&lines), LOG_BURST * 4 * (1 + (unsigned)((trial_now() - began) / LOG_PERIOD)));
	if (sizeof(time_t) >= 8)
		check_fallback(client);
	SSL_CTX_free(client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");
	int result;

	harness_start();
	tcase_set_timeout(tc, 36000);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_jumps);
	suite_add_tcase(suite, tc);
	result = harness_run(suite);
	harness_end();
	return result;
}
