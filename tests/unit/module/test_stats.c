/* SPDX-License-Identifier: ISC */
/* test_stats.c: what servers count, from handshakes to what a reader is told. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "ring.h"
#include "roster.h"
#include "sketch.h"
#include "stats.h"
#include "stats/read.h"
#include "store.h"

#define NOBODY 65534

static struct world *world;

/* The test's own time(), which stands still where a busy machine, or the end of an hour, would have
 * a say otherwise. */
static time_t still;

time_t
time(time_t *out)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	if (still != 0)
		now.tv_sec = still;
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

static int64_t
add(const char *cn, enum key_kind kind)
{
	struct spec spec = { .cn = cn, .kind = kind };

	return world_add(world, &spec);
}

static void
setup(void)
{
	world = world_new();
	chmod(world->dir, 01777);
	add("a.example", KEY_P256);
	add("*.wild.example", KEY_RSA);
	world_bind(world, "@", add("fallback.example", KEY_P256));
}

static void
teardown(void)
{
	world_free(world);
}

static struct stats_reader *
reader(void)
{
	struct stats_reader *out = NULL;
	struct snicert_error err = {0};

	ck_assert_msg(stats_read_open(&out, world->stats, &err) == 0, "%s", err.text);
	return out;
}

static struct stats_totals
totals(void)
{
	struct stats_reader *all = reader();
	struct stats_totals out;

	stats_read_totals(all, &out);
	stats_read_close(all);
	return out;
}

static void
shake(const struct bench *bench, const struct client *client, int times)
{
	for (int i = 0; i < times; i++) {
		struct outcome outcome;

		handshake(bench->ctx, client, &outcome);
		outcome_clear(&outcome);
	}
}

/* --- what is counted as what ------------------------------------------------- */

static const struct {
	const char *label, *name, *sigalgs;
	enum stats_outcome outcome;
	enum stats_reason reason;
	unsigned keys;
} counted[] = {
	{ "exact", "a.example", NULL, STATS_EXACT, STATS_NONE, STATS_EC },
	{ "wildcard", "b.wild.example", NULL, STATS_WILDCARD, STATS_NONE, STATS_RSA },
	{ "no name", NULL, NULL, STATS_GLOBAL, STATS_NO_NAME, STATS_EC },
	{ "unknown", "nobody.example", NULL, STATS_GLOBAL, STATS_UNKNOWN, STATS_EC },
	{ "malformed", "-!-", NULL, STATS_GLOBAL, STATS_MALFORMED, STATS_EC },
	{ "unusable", "b.wild.example", "ECDSA+SHA256", STATS_GLOBAL, STATS_UNUSABLE, STATS_EC },
	{ "nothing usable", "a.example", "rsa_pss_rsae_sha256", STATS_OWN, STATS_UNUSABLE, 0 },
	{ "no name, nothing usable", NULL, "rsa_pss_rsae_sha256", STATS_OWN, STATS_UNUSABLE, 0 },
	{ "unknown, nothing usable", "nobody.example", "rsa_pss_rsae_sha256", STATS_OWN, STATS_UNKNOWN, 0 },
};

START_TEST(test_counted)
{
	struct client client = { .name = counted[_i].name, .sigalgs = counted[_i].sigalgs };
	struct bench bench;
	struct stats_totals got;
	uint64_t keys = 0;

	bench_open(&bench, world);
	shake(&bench, &client, 3);
	got = totals();
	ck_assert_msg(got.handshakes == 3 && got.both[counted[_i].outcome][counted[_i].reason] == 3,
	    "%s: got %lu of %lu, want 3 of 3", counted[_i].label,
	    (unsigned long)got.both[counted[_i].outcome][counted[_i].reason], (unsigned long)got.handshakes);
	ck_assert_uint_eq(got.outcomes[counted[_i].outcome], 3);
	ck_assert_uint_eq(got.reasons[counted[_i].reason], 3);
	for (int i = 0; i < STATS_KEY_SETS; i++)
		keys += got.keys[i];
	ck_assert_uint_eq(keys, counted[_i].keys == 0 ? 0 : 3);
	ck_assert_uint_eq(got.keys[counted[_i].keys], keys);
	bench_close(&bench);
}
END_TEST

static void
check_one(const char *label, enum stats_outcome outcome, enum stats_reason reason)
{
	struct stats_totals before = totals(), after;
	struct client client = { .name = "a.example" };
	struct bench bench;

	bench_open(&bench, world);
	shake(&bench, &client, 1);
	after = totals();
	ck_assert_msg(after.both[outcome][reason] == before.both[outcome][reason] + 1 &&
	    after.handshakes == before.handshakes + 1, "%s: not counted as such", label);
	bench_close(&bench);
}

/* What is wrong with the store, and its policies. */
START_TEST(test_reasons)
{
	struct spec old = { .cn = "old.example", .names = "old.example", .from = -2 * DAY, .to = -DAY };
	struct client client = { .name = "old.example" };
	struct stats_totals got;
	struct bench bench;

	world_add(world, &old);
	bench_open(&bench, world);
	shake(&bench, &client, 2);
	got = totals();
	ck_assert_uint_eq(got.both[STATS_EXACT][STATS_NONE], 2);
	ck_assert_uint_eq(got.counters[STATS_SERVED_EXPIRED], 2);
	bench_close(&bench);
	world_configure(world, "expired = fallback");
	bench_open(&bench, world);
	shake(&bench, &client, 2);
	ck_assert_uint_eq(totals().both[STATS_GLOBAL][STATS_EXPIRED], 2);
	bench_close(&bench);

	world_sql(world, "PRAGMA foreign_keys = OFF; UPDATE chain SET sealed_key = x'00' WHERE id = 1");
	check_one("broken", STATS_GLOBAL, STATS_BROKEN);
	ck_assert_uint_ge(totals().counters[STATS_TROUBLE], 1);
	world_remove_store(world);
	check_one("unreadable", STATS_OWN, STATS_UNREADABLE);
}
END_TEST

START_TEST(test_refused)
{
	struct client client = { .name = "nobody.example" };
	struct bench bench;
	char more[128];

	snprintf(more, sizeof(more), "program \"%s\" { unknown = refuse }", program_invocation_short_name);
	world_configure(world, more);
	bench_open(&bench, world);
	shake(&bench, &client, 2);
	ck_assert_uint_eq(totals().both[STATS_REFUSED][STATS_UNKNOWN], 2);
	client.name = "-!-";
	shake(&bench, &client, 1);
	ck_assert_uint_eq(totals().both[STATS_REFUSED][STATS_MALFORMED], 1);
	client.name = "a.example";
	shake(&bench, &client, 1);
	ck_assert_uint_eq(totals().both[STATS_EXACT][STATS_NONE], 1);
	ck_assert_uint_eq(totals().handshakes, 4);
	bench_close(&bench);
}
END_TEST

START_TEST(test_cache_and_latency)
{
	struct client client = { .name = "a.example" };
	struct stats_totals got;
	struct bench bench;
	struct snicert_counters own;

	bench_open(&bench, world);
	shake(&bench, &client, 33);
	got = totals();
	own = bench_counters(&bench);
	ck_assert_uint_eq(got.counters[STATS_CACHE_HITS], own.cache_hits);
	ck_assert_uint_eq(got.counters[STATS_DECODES], own.decodes);
	ck_assert_uint_ge(own.cache_hits, 32);
	/* The first reached for the store; of the 32 that didn't, each measured one stands for 16. */
	ck_assert_uint_eq(got.latencies, 1 + 32);
	ck_assert(stats_percentile(&got, 50) > 0);
	ck_assert(stats_percentile(&got, 50) <= stats_percentile(&got, 99));
	ck_assert_uint_gt(got.latency_ns, 0);
	bench_close(&bench);
}
END_TEST

/* --- many writers --------------------------------------------------------------- */

#define WRITERS 3
#define THREADS 8
#define ROUNDS 20000

static struct config *config;

static void
read_config(void)
{
	ck_assert_int_eq(config_read(&config, world->config, CONFIG_STRICT, NULL), 0);
}

static struct stats_selection
selection_of(const char *text, struct name *name, enum stats_outcome outcome, enum stats_reason reason)
{
	name->length = strlen(text);
	memcpy(name->text, text, name->length + 1);
	return (struct stats_selection){ .outcome = outcome, .reason = reason, .server_name = name->text,
		.key = name, .uses = 1, .keys = STATS_EC };
}

static void *
write_many(void *arg)
{
	static const char *const unknown[] = { "u0.example", "u1.example", "u2.example", "u3.example" };
	struct stats *stats = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct name name;
		struct stats_selection selection = i % 4 == 0
		    ? selection_of(unknown[i / 4 % 4], &name, STATS_GLOBAL, STATS_UNKNOWN)
		    : selection_of("a.example", &name, STATS_EXACT, STATS_NONE);

		stats_begin(stats);
		stats_record(stats, &selection);
	}
	return NULL;
}

static int
write_in_threads(void *arg)
{
	struct stats *stats = stats_new(config, NULL);
	pthread_t threads[THREADS];

	(void)arg;
	if (stats == NULL)
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, write_many, stats) != 0)
			return 2;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	stats_free(stats);
	return 0;
}

static void
run_writers(int (*work)(void *arg))
{
	pid_t children[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(work(NULL));
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
}

START_TEST(test_exact_totals)
{
	uint64_t all = (uint64_t)WRITERS * THREADS * ROUNDS, listed = 0;
	struct stats_unknown *unknown;
	struct stats_totals got;
	struct stats_reader *stats;
	struct stats_use use;
	size_t count;

	read_config();
	run_writers(write_in_threads);
	got = totals();
	ck_assert_uint_eq(got.handshakes, all);
	ck_assert_uint_eq(got.both[STATS_EXACT][STATS_NONE], all * 3 / 4);
	ck_assert_uint_eq(got.both[STATS_GLOBAL][STATS_UNKNOWN], all / 4);
	ck_assert_uint_eq(got.keys[STATS_EC], all);
	ck_assert_uint_eq(got.latencies, all); /* 1 in 16, for each thread */
	stats = reader();
	ck_assert_int_eq(stats_read_unknown(stats, &unknown, &count), 0);
	ck_assert_uint_eq(count, 4);
	for (size_t i = 0; i < count; i++) {
		listed += unknown[i].count;
		ck_assert_uint_le(unknown[i].count, all / 16);
		ck_assert_uint_ge(unknown[i].count + unknown[i].missed, all / 16 - got.counters[STATS_UNKNOWN_MISSED]);
	}
	ck_assert_uint_eq(listed + got.counters[STATS_UNKNOWN_MISSED], all / 4);
	stats_read_use(stats, "a.example", &use);
	ck_assert_int_eq(use.used, STATS_USED);
	ck_assert_uint_eq(use.count, all * 3 / 4);
	free(unknown);
	stats_read_close(stats);
	config_free(config);
}
END_TEST

static void *
shake_many(void *bench)
{
	struct client client = { .name = "a.example" };

	shake(bench, &client, 15);
	return NULL;
}

static int
shake_in_threads(void *arg)
{
	static struct bench bench;
	pthread_t threads[THREADS];

	(void)arg;
	bench_open(&bench, world);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, shake_many, &bench) != 0)
			return 2;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* The same by whole handshakes. */
START_TEST(test_exact_handshakes)
{
	struct stats_process rows[8];
	struct stats_reader *stats;

	run_writers(shake_in_threads);
	ck_assert_uint_eq(totals().both[STATS_EXACT][STATS_NONE], WRITERS * THREADS * 15);
	stats = reader();
	ck_assert_uint_eq(stats_read_processes(stats, rows, COUNT(rows)), WRITERS);
	for (int i = 0; i < WRITERS; i++) {
		ck_assert(!rows[i].alive);
		ck_assert_uint_eq(rows[i].threads, THREADS);
	}
	stats_read_close(stats);
}
END_TEST

/* Written and killed, again and again: what each said it did is in the totals. */
START_TEST(test_killed)
{
	_Atomic uint64_t *begun = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_Atomic uint64_t *done = begun + 1;
	struct stats_trace *trace;
	struct stats_totals got;
	struct stats *stats;
	struct name name;
	struct stats_selection selection = selection_of("late.example", &name, STATS_GLOBAL, STATS_UNKNOWN);
	struct stats_reader *all;
	struct stats_unknown *unknown;
	size_t count;
	bool found = false;

	read_config();
	stats = stats_new(config, NULL);
	ck_assert_int_eq(stats_trace_open(&trace, world->stats, NULL), 0);
	for (int i = 0; i < 40; i++) {
		struct timespec a_moment = { 0, 1000000 + i * 100000 };
		uint64_t before = *done;
		pid_t child = fork();
		int status;

		if (child == 0) {
			struct stats *own = stats_new(config, NULL);

			for (unsigned k = 0;; k++) {
				struct name other;
				struct stats_selection one;
				char text[64];

				snprintf(text, sizeof(text), "n%u.example", k % 200);
				one = selection_of(text, &other, STATS_GLOBAL, STATS_UNKNOWN);
				atomic_fetch_add(begun, 1);
				stats_begin(own);
				stats_record(own, &one);
				stats_error(own, "an error");
				atomic_fetch_add(done, 1);
			}
		}
		do /* at least once, however long it waits for a core */
			nanosleep(&a_moment, NULL);
		while (*done == before);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	got = totals();
	ck_assert_uint_gt(*done, 0);
	ck_assert_msg(got.handshakes >= *done && got.handshakes <= *begun, "%lu done, %lu counted, %lu begun",
	    (unsigned long)*done, (unsigned long)got.handshakes, (unsigned long)*begun);
	/* Nothing is stuck: a new name finds a place, whatever the dead were at. */
	sleep(3);
	for (int i = 0; i < 3; i++)
		stats_record(stats, &selection);
	all = reader();
	ck_assert_int_eq(stats_read_unknown(all, &unknown, &count), 0);
	for (size_t i = 0; i < count; i++)
		found = found || strcmp(unknown[i].name, "late.example") == 0;
	/* 64 places for 200 names, all of this window: it need not have one, but is counted. */
	ck_assert(found || totals().counters[STATS_UNKNOWN_MISSED] >= got.counters[STATS_UNKNOWN_MISSED] + 3);
	ck_assert_uint_eq(totals().handshakes, got.handshakes + 3);
	stats_read_close(all);
	stats_trace_close(trace);
	free(unknown);
	stats_free(stats);
	config_free(config);
	munmap(begun, 4096);
}
END_TEST

/* --- users, jails, forks -------------------------------------------------------------- */

static struct bench jailed;

static int
serve_in_jail(void *arg)
{
	struct client client = { .name = "a.example" };
	char jail[128], path[128];

	(void)arg;
	snprintf(jail, sizeof(jail), "%s/jail", world->dir);
	bench_open(&jailed, world);
	if (mkdir(jail, 0755) != 0 || chroot(jail) != 0 || chdir("/") != 0 || setgid(NOBODY) != 0 ||
	    setuid(NOBODY) != 0)
		return 1;
	shake(&jailed, &client, 5);
	/* Nor has it anything to cut the file off by. */
	for (int fd = 0; fd < 256; fd++) {
		struct stat st;

		snprintf(path, sizeof(path), "%s", world->stats);
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 100000 && ftruncate(fd, st.st_size) == 0)
			return 2;
	}
	return 0;
}

START_TEST(test_jail)
{
	char jail[128];

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_jail: needs root\n");
		return;
	}
	ck_assert_int_eq(in_child(serve_in_jail, NULL), 0);
	ck_assert_uint_eq(totals().both[STATS_EXACT][STATS_NONE], 5);
	snprintf(jail, sizeof(jail), "%s/jail", world->dir);
	rmdir(jail);
}
END_TEST

static int
serve_as_nobody(void *arg)
{
	struct client client = { .name = "nobody.example" };

	(void)arg;
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 1;
	/* The store and its key are not for this user: only what is counted matters. */
	bench_open(&jailed, world);
	shake(&jailed, &client, 2);
	return truncate(world->stats, 0) == 0 ? 2 : jailed.snicert->stats == NULL ? 3 : 0;
}

/* One of another user has its own file; a reader adds them up. */
START_TEST(test_users)
{
	struct client client = { .name = "a.example" };
	struct stats_process rows[4];
	struct stats_reader *all;
	struct bench bench;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_users: needs root\n");
		return;
	}
	bench_open(&bench, world);
	shake(&bench, &client, 3);
	ck_assert_int_eq(in_child(serve_as_nobody, NULL), 0);
	ck_assert_uint_eq(totals().handshakes, 5);
	all = reader();
	ck_assert_uint_eq(stats_read_files(all), 2);
	ck_assert_uint_eq(stats_read_processes(all, rows, COUNT(rows)), 2);
	ck_assert_int_eq(rows[0].pid, getpid());
	ck_assert_uint_eq(rows[1].uid, NOBODY);
	stats_read_close(all);
	/* Where it may not make one it serves without. */
	chmod(world->dir, 0755);
	unlink(world->stats);
	{
		char path[128];

		mapping_path(path, sizeof(path), world->stats, NOBODY);
		unlink(path);
	}
	ck_assert_int_eq(in_child(serve_as_nobody, NULL), 3);
	bench_close(&bench);
}
END_TEST

START_TEST(test_no_directory)
{
	struct bench bench;

	world_configure(world, "stats { path = \"/nonexistent/directory/stats\" }");
	bench_open(&bench, world);
	ck_assert_str_eq(served(bench.ctx, "a.example"), "a.example");
	ck_assert_ptr_null(bench.snicert->stats);
	bench_close(&bench);
	world_configure(world, "stats { path = none }");
	bench_open(&bench, world);
	ck_assert_str_eq(served(bench.ctx, "a.example"), "a.example");
	ck_assert_ptr_null(bench.snicert->stats);
	bench_close(&bench);
}
END_TEST

static int
shake_in_child(void *times)
{
	struct client client = { .name = "a.example" };

	shake(&jailed, &client, *(int *)times);
	return 0;
}

/* A child for a connection counts with its parent; one that goes on gets a row. */
START_TEST(test_forked)
{
	struct stats_process rows[8];
	struct stats_reader *all;
	int one = 1, three = 3;

	bench_open(&jailed, world);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(in_child(shake_in_child, &one), 0);
	all = reader();
	ck_assert_uint_eq(stats_read_processes(all, rows, COUNT(rows)), 1);
	ck_assert_int_eq(rows[0].pid, getpid());
	ck_assert_int_gt(rows[0].served, 0);
	stats_read_close(all);
	ck_assert_int_eq(in_child(shake_in_child, &three), 0);
	all = reader();
	ck_assert_uint_eq(stats_read_processes(all, rows, COUNT(rows)), 2);
	ck_assert(rows[0].alive && rows[0].pid == getpid());
	ck_assert(!rows[1].alive);
	ck_assert_uint_eq(rows[1].commit, rows[0].commit);
	stats_read_close(all);
	ck_assert_uint_eq(totals().both[STATS_EXACT][STATS_NONE], 8);
	bench_close(&jailed);
	all = reader();
	ck_assert_uint_eq(stats_read_processes(all, rows, COUNT(rows)), 1);
	ck_assert_int_ne(rows[0].pid, getpid());
	stats_read_close(all);
}
END_TEST

static struct stats_process
own_row(void)
{
	struct stats_reader *all = reader();
	struct stats_process rows[8];
	size_t count = stats_read_processes(all, rows, COUNT(rows));

	ck_assert_uint_ge(count, 1);
	ck_assert_int_eq(rows[0].pid, getpid());
	stats_read_close(all);
	return rows[0];
}

START_TEST(test_process)
{
	struct client client = { .name = "a.example" };
	struct stats_process before, after;
	struct store *store;
	struct store_version version;
	struct bench bench;

	memset(program_invocation_short_name, 'x', strlen(program_invocation_short_name)); /* a title */
	bench_open(&bench, world);
	before = own_row();
	ck_assert(before.alive);
	ck_assert_str_eq(before.module, SNICERT_VERSION);
	ck_assert_str_eq(before.program, "test_stats");
	ck_assert_int_eq(before.served, 0);
	ck_assert_int_eq(before.error_at, 0);
	add("later.example", KEY_P256);
	shake(&bench, &client, 2);
	after = own_row();
	ck_assert_uint_ne(after.commit, before.commit);
	ck_assert_uint_eq(after.changes, before.changes + 1);
	ck_assert_int_gt(after.served, 0);
	ck_assert_uint_eq(after.threads, 1);
	/* What the tool finds there is the same state. */
	store = store_new(world->store);
	ck_assert_int_eq(store_open(store, NULL), 0);
	store_version(store, &version);
	ck_assert_uint_eq(mapping_commit(version.words, COUNT(version.words)), after.commit);
	store_free(store);
	log_say(bench.snicert->log, LOG_EVENT_FALLBACK, "of less weight");
	ck_assert_int_eq(own_row().error_at, 0);
	log_say(bench.snicert->log, LOG_EVENT_KEY, "an error to be seen");
	after = own_row();
	ck_assert_int_gt(after.error_at, 0);
	ck_assert_msg(strstr(after.error, "an error to be seen") != NULL, "got %s", after.error);
	bench_close(&bench);
}
END_TEST

START_TEST(test_use)
{
	struct client client = { .name = "a.example" };
	struct stats_reader *all;
	struct stats_use use;
	struct bench bench;

	still = time(NULL);
	bench_open(&bench, world);
	shake(&bench, &client, 1 + 16 + 3); /* the first, and then in lots */
	client.name = "b.wild.example";
	shake(&bench, &client, 2);
	all = reader();
	stats_read_use(all, "a.example", &use);
	ck_assert_int_eq(use.used, STATS_USED);
	ck_assert_uint_eq(use.count, 17);
	ck_assert_int_eq(use.day, still / 86400 * 86400);
	stats_read_use(all, "*.wild.example", &use);
	ck_assert_uint_eq(use.count, 1);
	stats_read_use(all, "b.wild.example", &use);
	ck_assert_int_eq(use.used, STATS_NOT_USED);
	ck_assert_int_gt(use.since, 0);
	stats_read_close(all);
	bench_close(&bench);
}
END_TEST

/* --- the ring ----------------------------------------------------------------------------- */

static struct {
	int count;
	struct stats_event last;
} events;

static void
take_event(void *arg, const struct stats_event *event)
{
	(void)arg;
	events.count++;
	events.last = *event;
}

START_TEST(test_trace)
{
	struct client client = { .name = "a.example" };
	struct stats_trace *trace;
	struct bench bench;
	uint64_t lost;
	time_t began;

	still = time(NULL);
	bench_open(&bench, world);
	shake(&bench, &client, 2);
	ck_assert_uint_eq(totals().counters[STATS_TRACED], 0); /* nobody reads */
	ck_assert_int_eq(stats_trace_open(&trace, world->stats, NULL), 0);
	ck_assert_int_eq(stats_trace_next(trace, take_event, NULL, &lost, NULL), 0);
	shake(&bench, &client, 2);
	client.name = "nobody.example";
	shake(&bench, &client, 1);
	ck_assert_int_eq(stats_trace_next(trace, take_event, NULL, &lost, NULL), 3);
	ck_assert_int_eq(events.count, 3);
	ck_assert_uint_eq(lost, 0);
	ck_assert_str_eq(events.last.name, "nobody.example");
	ck_assert_int_eq(events.last.outcome, STATS_GLOBAL);
	ck_assert_int_eq(events.last.reason, STATS_UNKNOWN);
	ck_assert_int_eq(events.last.pid, getpid());
	ck_assert_uint_gt(events.last.ns, 0);
	ck_assert_int_ge(events.last.at / 1000000000, still);
	began = still;
	still = 0;
	ck_assert_int_le(events.last.at / 1000000000, time(NULL));
	still = began;
	ck_assert_uint_ne(events.last.leaf[0] | events.last.leaf[1] | events.last.leaf[2], 0);
	ck_assert_int_eq(stats_trace_next(trace, take_event, NULL, &lost, NULL), 0);
	/* More than the ring holds: the oldest are lost, and it is said how many. */
	{
		struct name name;
		struct stats_selection selection = selection_of("a.example", &name, STATS_EXACT, STATS_NONE);

		for (int i = 0; i < 700; i++)
			stats_record(bench.snicert->stats, &selection);
	}
	ck_assert_int_eq(stats_trace_next(trace, take_event, NULL, &lost, NULL), MAPPING_RECORDS);
	ck_assert_uint_eq(lost, 700 - MAPPING_RECORDS);
	stats_trace_close(trace);
	bench_close(&bench);
}
END_TEST

START_TEST(test_reset)
{
	struct client client = { .name = "nobody.example" };
	struct stats_unknown *unknown;
	struct stats_reader *all;
	struct bench bench;
	size_t count;

	bench_open(&bench, world);
	shake(&bench, &client, 2);
	ck_assert_int_eq(stats_reset(world->stats, STATS_RESET_COUNTERS, NULL), 0);
	ck_assert_uint_eq(totals().handshakes, 0);
	shake(&bench, &client, 1);
	ck_assert_uint_eq(totals().handshakes, 1);
	all = reader();
	ck_assert_int_eq(stats_read_unknown(all, &unknown, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(unknown[0].count, 3);
	free(unknown);
	stats_read_close(all);
	ck_assert_int_eq(stats_reset(world->stats, STATS_RESET_UNKNOWN, NULL), 0);
	all = reader();
	ck_assert_int_eq(stats_read_unknown(all, &unknown, &count), 0);
	ck_assert_uint_eq(count, 0);
	free(unknown);
	stats_read_close(all);
	bench_close(&bench);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tc = tcase_create("stats");
	int result;

	harness_start();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_counted, 0, COUNT(counted));
	tcase_add_test(tc, test_reasons);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_cache_and_latency);
	tcase_add_test(tc, test_exact_totals);
	tcase_add_test(tc, test_exact_handshakes);
	tcase_add_test(tc, test_killed);
	tcase_add_test(tc, test_jail);
	tcase_add_test(tc, test_users);
	tcase_add_test(tc, test_no_directory);
	tcase_add_test(tc, test_forked);
	tcase_add_test(tc, test_process);
	tcase_add_test(tc, test_use);
	tcase_add_test(tc, test_trace);
	tcase_add_test(tc, test_reset);
	suite_add_tcase(suite, tc);
	result = harness_run(suite);
	harness_end();
	return result;
}
