/* SPDX-License-Identifier: ISC */
/*
 * stops.c: that nothing stops.  Threads handshake while one forks and a process commits, half of
 * the time without the module and then with it; what takes the longest without it, the machine
 * being as busy as it is, is the measure for what may take how long with it.
 *
 *   stops [SECONDS [THREADS]]      otherwise TORTURE_SECONDS (10), four threads; TORTURE_RESULTS
 *
 * Of what took long it says what the thread did meanwhile, by getrusage(2): wait for something, or stand
 * in the queue for a core, which as many threads as there are cores do not.
 *
 * A watchdog tells where each thread is, and ends the process, once something does not come back.
 */
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ends.h"
#include "harness.h"
#include "trial.h"

#define THREADS_MOST 16
#define NAMES 50u               /* more than there is room for in the cache */
#define HANGS 30.0              /* seconds after which something is taken to hang */
#define LONG 0.05               /* seconds from which it is said what it was */
#define STOP_MOST 0.1           /* seconds that something may take longer than … */
#define TIMES_MOST 2            /* … so often the longest without the module */

/* What a thread does, and how long it took at the most. */
struct place {
	pthread_t thread;
	SSL_CTX *server, *client;
	uint64_t dice;
	_Atomic double began;           /* 0: nothing */
	double longest;
	unsigned long count, failed;
	struct rusage before;
	struct delays {
		unsigned long waited, queued;   /* how many were long as they waited, or else stood in a queue */
		double longest_waited;          /* … once for the most */
	} delays;
};

static struct world *world;
static int threads = 4;            /* that handshake; one more forks */
static struct place places[THREADS_MOST + 1];
static atomic_bool stop;
static int64_t ids[2];

static void
tell_where(int number)
{
	void *frames[64];

	(void)number;
	backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
}

static void
tell_all(void)
{
	for (int i = 0; i <= threads; i++) {
		double began = atomic_load(&places[i].began);

		fprintf(stderr, "%s %d, at it for %.3f s:\n", i < threads ? "thread" : "fork", i,
		    began > 0 ? trial_now() - began : 0);
		pthread_kill(places[i].thread, SIGUSR1);
		ends_nap(200); /* or their lines stand in each other's */
	}
}

static void *
watch(void *unused)
{
	(void)unused;
	while (!atomic_load(&stop)) {
		for (int i = 0; i <= threads; i++) {
			double began = atomic_load(&places[i].began);

			if (began == 0 || trial_now() - began < HANGS)
				continue;
			tell_all();
			_exit(1);
		}
		ends_nap(50);
	}
	return NULL;
}

static void
begins(struct place *place)
{
	getrusage(RUSAGE_THREAD, &place->before);
	atomic_store(&place->began, trial_now());
}

/* A switch that the thread didn't want is the machine's. */
static void
explain(struct place *place, double took)
{
	struct rusage now;

	getrusage(RUSAGE_THREAD, &now);
	if (now.ru_nvcsw == place->before.ru_nvcsw) {
		place->delays.queued++;
		return;
	}
	place->delays.waited++;
	if (took > place->delays.longest_waited)
		place->delays.longest_waited = took;
}

static void
is_done(struct place *place)
{
	double took = trial_now() - atomic_load(&place->began);

	atomic_store(&place->began, 0);
	place->count++;
	if (took > place->longest)
		place->longest = took;
	if (took > LONG)
		explain(place, took);
}

static void *
shake_all_the_time(void *arg)
{
	struct place *place = arg;
	char name[32], leaf[LEAF_SIZE];

	while (!atomic_load(&stop)) {
		snprintf(name, sizeof(name), "host%u.example", (unsigned)trial_draw_from(&place->dice, NAMES + 5));
		begins(place);
		place->failed += !ends_shake(place->server, place->client, name, leaf);
		is_done(place);
	}
	return NULL;
}

/* Children do nothing: what OpenSSL's locks are like in one is none of ours (quiet.h). */
static void *
fork_all_the_time(void *arg)
{
	struct place *place = arg;

	while (!atomic_load(&stop)) {
		pid_t child;

		begins(place);
		child = fork();
		if (child == 0)
			_exit(0);
		is_done(place);
		place->failed += child < 0 || waitpid(child, NULL, 0) != child;
	}
	return NULL;
}

static pid_t
start_committing(void)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	for (unsigned i = 0; child == 0; i++) {
		world_bind(world, "flip.example", ids[i % 2]);
		if (i % 8 == 0)
			ends_nap(100); /* now what is cached stays good for a while */
	}
	return child;
}

/* Put the longest handshake and the longest fork into out[]. */
static void
run(SSL_CTX *server, double seconds, double out[2], unsigned long counts[2], struct delays delays[2])
{
	double end = trial_now() + seconds;
	pid_t committer = start_committing();
	pthread_t watchdog;

	atomic_store(&stop, false);
	out[0] = out[1] = 0;
	counts[0] = counts[1] = 0;
	memset(delays, 0, 2 * sizeof(*delays));
	for (int i = 0; i <= threads; i++) {
		places[i] = (struct place){ .server = server, .client = ends_client(TLS1_3_VERSION), .dice = (uint64_t)i };
		ck_assert_int_eq(pthread_create(&places[i].thread, NULL,
		    i < threads ? shake_all_the_time : fork_all_the_time, &places[i]), 0);
	}
	ck_assert_int_eq(pthread_create(&watchdog, NULL, watch, NULL), 0);
	while (trial_now() < end)
		ends_nap(50);
	atomic_store(&stop, true);
	pthread_join(watchdog, NULL);
	for (int i = 0; i <= threads; i++) {
		bool is_fork = i == threads;

		pthread_join(places[i].thread, NULL);
		if (places[i].longest > out[is_fork])
			out[is_fork] = places[i].longest;
		counts[is_fork] += places[i].count;
		delays[is_fork].waited += places[i].delays.waited;
		delays[is_fork].queued += places[i].delays.queued;
		if (places[i].delays.longest_waited > delays[is_fork].longest_waited)
			delays[is_fork].longest_waited = places[i].delays.longest_waited;
		ck_assert_uint_eq(places[i].failed, 0);
		SSL_CTX_free(places[i].client);
	}
	kill(committer, SIGKILL);
	waitpid(committer, NULL, 0);
}

static void
setup(void)
{
	void *frames[2];

	backtrace(frames, 2); /* loads what it needs */
	signal(SIGUSR1, tell_where);
	world = world_new();
	world_configure(world, "cache { memory = \"1M\" }");
	world_add_numbered(world, "host", (int)NAMES);
	for (int i = 0; i < 2; i++)
		ids[i] = world_add(world, &(struct spec){ .cn = i == 0 ? "flip.example" : "flop.example" });
}

static void
teardown(void)
{
	world_free(world);
}

START_TEST(test_stops)
{
	static const char *const what[2] = { "handshake", "fork" };
	double seconds = (double)trial_number("TORTURE_SECONDS", 10) / 2, without[2], with[2];
	unsigned long counts_without[2], counts[2];
	struct delays delays_without[2], delays[2];
	SSL_CTX *own = server_ctx();
	struct bench bench;
	char often[100];

	run(own, seconds, without, counts_without, delays_without); /* first: what runs within a fork is for good */
	bench_open(&bench, world);
	run(bench.ctx, seconds, with, counts, delays);
	for (int i = 0; i < 2; i++) {
		snprintf(often, sizeof(often), "%lu without the module, %lu with it", counts_without[i], counts[i]);
		trial_row("stops", what[i], often, "the longest took %.1f ms without, %.1f ms with", without[i] * 1e3,
		    with[i] * 1e3);
		trial_row("stops", what[i], "longer than 50 ms", "without: %lu waited (%.1f ms), %lu in the queue for a core; with: %lu "
		    "waited (%.1f ms), %lu in the queue", delays_without[i].waited, delays_without[i].longest_waited * 1e3,
		    delays_without[i].queued, delays[i].waited, delays[i].longest_waited * 1e3, delays[i].queued);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_msg(with[i] <= TIMES_MOST * without[i] + STOP_MOST, "a %s took %.1f ms, without the module %.1f",
		    what[i], with[i] * 1e3, without[i] * 1e3);
	bench_close(&bench);
	SSL_CTX_free(own);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("stops");
	TCase *tests = tcase_create("stops");
	int failed;

	if (argc > 1)
		setenv("TORTURE_SECONDS", argv[1], 1);
	if (argc > 2)
		threads = atoi(argv[2]);
	if (threads < 1 || threads > THREADS_MOST)
		return 2;
	harness_start();
	tcase_set_timeout(tests, 36000);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_stops);
	suite_add_tcase(suite, tests);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
