/* SPDX-License-Identifier: ISC */
/* stats.c: what a server did, written where the tool reads it. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "at_fork.h"
#include "error.h"
#include "program.h"
#include "ring.h"
#include "roster.h"
#include "sketch.h"
#include "stats.h"

/* Keep it away from what each handshake runs through. */
#define COLD __attribute__((cold, noinline))

#define MEASURED 16             /* one of so many handshakes from the cache */

struct stats {
	/* What each handshake needs, together. */
	_Alignas(64) struct mapping_shard *shards;
	_Atomic(struct mapping_process *) row;  /* this process's, or its forking parent's; NULL: none */
	atomic_uint forks;              /* as of `row` */
	atomic_uint handshakes;         /* of a child without its own row */
	atomic_bool joining;

	struct mapping mapping;
	_Atomic uint64_t commit;
};

/* This thread's current handshake. */
static _Thread_local struct {
	unsigned turn;
	bool slow;                      /* needed the store */
	uint64_t start;                 /* ns; 0: not measured */
	/* Where, and when last, this thread was seen working. */
	const struct stats *counted;
	unsigned forks;
	int64_t now;                    /* Unix time */
} current;

/* How often this process's line was forked: tells a child from its parent without a system call. */
static atomic_uint forks;

static void
after_fork(bool in_child)
{
	if (in_child)
		atomic_fetch_add(&forks, 1);
}

static const struct at_fork around_forks = { NULL, after_fork };

static void
join(struct stats *stats)
{
	struct mapping_process *row = roster_join(&stats->mapping, program_name(), SNICERT_VERSION);

	if (row == NULL) {
		stats_count(stats, STATS_PROCESSES_MISSED);
	} else {
		atomic_store(&row->commit, atomic_load(&stats->commit));
		atomic_store(&row->commit_seen, (int64_t)time(NULL));
	}
	atomic_store(&stats->row, row);
	atomic_store(&stats->forks, atomic_load(&forks));
}

static void
tell(struct log *log, const char *path, const struct snicert_error *err)
{
	struct log_line line;

	if (!log_begin(&line, log, err->code == SNICERT_ENOTFOUND ? LOG_EVENT_UNCOUNTED : LOG_EVENT_STATISTICS))
		return;
	log_word(&line, "file", path);
	log_sentence(&line, "%s", err->text);
	log_end(&line);
}

struct stats *
stats_new(const struct config *config, struct log *log)
{
	struct mapping_geometry geometry = { config->stats_unknown, config->stats_names };
	struct snicert_error err = {0};
	struct stats *stats;

	if (config->stats_path == NULL)
		return NULL;
	stats = aligned_alloc(64, sizeof(*stats));
	if (stats != NULL)
		memset(stats, 0, sizeof(*stats));
	if (stats == NULL || mapping_open(&stats->mapping, config->stats_path, &geometry,
	        config->store_path, &err) != 0) {
		if (stats == NULL)
			error_set(&err, SNICERT_EMEMORY, "no statistics: no memory");
		tell(log, config->stats_path, &err);
		free(stats);
		return NULL;
	}
	stats->shards = stats->mapping.shards;
	at_fork(AT_FORK_STATS, &around_forks);
	join(stats);
	return stats;
}

void
stats_free(struct stats *stats)
{
	if (stats == NULL)
		return;
	roster_leave(atomic_load(&stats->row));
	mapping_close(&stats->mapping);
	free(stats);
}

static uint64_t
now_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
add(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* The processor's, which others use at other times. */
static struct mapping_shard *
shard(struct stats *stats)
{
	int cpu = sched_getcpu();

	return &stats->shards[cpu < 0 ? 0 : (unsigned)cpu % MAPPING_SHARDS];
}

/* Whether somebody follows: one comparison if nobody ever did. */
static bool
is_followed(const struct mapping_shard *at)
{
	int64_t until = atomic_load_explicit(&at->trace_until, memory_order_relaxed);

	return until != 0 && until > (int64_t)time(NULL);
}

uint64_t
stats_period(void)
{
	return (uint64_t)atomic_load_explicit(&forks, memory_order_relaxed) << 32 |
	    (uint32_t)(1 + time(NULL) / 3600);
}

void
stats_count(struct stats *stats, enum stats_counter counter)
{
	if (stats == NULL)
		return;
	if (counter == STATS_CACHE_HITS)
		add(&shard(stats)->cache_hits, 1);
	else
		add(&shard(stats)->counters[counter], 1);
}

void
stats_begin(struct stats *stats)
{
	if (stats == NULL)
		return;
	current.slow = false;
	current.start = current.turn++ % MEASURED == 0 || is_followed(shard(stats)) ? now_ns() : 0;
}

void
stats_reach(struct stats *stats)
{
	if (stats == NULL)
		return;
	current.slow = true;
	if (current.start == 0)
		current.start = now_ns();
}

static unsigned
bucket_of(uint64_t ns)
{
	unsigned bits = ns == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ns);

	return bits < STATS_LATENCIES ? bits : STATS_LATENCIES - 1;
}

/* All slow ones are measured; each other one stands for those that were not. */
COLD static uint64_t
record_latency(struct mapping_shard *to)
{
	uint64_t ns = now_ns() - current.start, weight = current.slow ? 1 : MEASURED;

	/* Those measured only for the ring count one in so many, too. */
	if (current.slow || (current.turn - 1) % MEASURED == 0) {
		add(&to->latency[bucket_of(ns)], weight);
		add(&to->latency_ns, ns * weight);
	}
	return ns;
}

/*
 * A child that serves more than one connection is a separate server, and gets a row; one forked for
 * a connection counts with its parent.
 */
COLD static void
appear(struct stats *stats, unsigned here, int64_t now)
{
	struct mapping_process *row;
	bool other;

	if (atomic_load(&stats->forks) != here && atomic_fetch_add(&stats->handshakes, 1) > 0 &&
	    !atomic_exchange(&stats->joining, true)) {
		join(stats);
		atomic_store(&stats->joining, false);
	}
	other = current.counted != stats || current.forks != atomic_load(&stats->forks);
	current.counted = stats;
	current.forks = atomic_load(&stats->forks);
	current.now = now;
	row = atomic_load(&stats->row);
	if (row == NULL)
		return;
	if (atomic_load_explicit(&row->served, memory_order_relaxed) != now)
		atomic_store_explicit(&row->served, now, memory_order_relaxed);
	if (other)
		atomic_fetch_add_explicit(&row->threads, 1, memory_order_relaxed);
}

/* Once a second per thread; in a child without its own row each time. */
static void
record_process(struct stats *stats, int64_t now)
{
	unsigned here = atomic_load_explicit(&forks, memory_order_relaxed);

	if (current.now != now || current.counted != stats || current.forks != here)
		appear(stats, here, now);
}

/* What is counted by name: served names of the store, and unknown ones. */
static void
record_name(struct stats *stats, const struct stats_selection *selection, int64_t now)
{
	const struct name *key = selection->key;
	struct sketch_address address = { selection->address, selection->arg };

	if (key == NULL)
		return;
	if (selection->outcome <= STATS_WILDCARD) {
		if (selection->uses > 0 &&
		    !sketch_use(&stats->mapping, sketch_hash(stats->mapping.key, key->text, key->length),
		        (uint32_t)(now / 86400), selection->uses))
			stats_count(stats, STATS_NAMES_EVICTED);
	} else if (selection->reason == STATS_UNKNOWN) {
		if (!sketch_unknown(&stats->mapping, key, now, &address))
			stats_count(stats, STATS_UNKNOWN_MISSED);
	}
}

COLD static void
record_event(struct stats *stats, struct mapping_shard *to, const struct stats_selection *selection, uint64_t ns)
{
	struct ring_entry entry = { .ns = ns, .outcome = selection->outcome, .reason = selection->reason,
		.keys = selection->keys, .leaf = selection->leaf, .server_name = selection->server_name };

	ring_write(&stats->mapping, &entry);
	add(&to->counters[STATS_TRACED], 1);
}

COLD static void
record_trouble(struct mapping_shard *to, const struct stats_selection *selection)
{
	if (selection->expired)
		add(&to->counters[STATS_SERVED_EXPIRED], 1);
	if (selection->trouble > 0)
		add(&to->counters[STATS_TROUBLE], selection->trouble);
}

void
stats_record(struct stats *stats, const struct stats_selection *selection)
{
	struct mapping_shard *to;
	int64_t now;
	uint64_t ns = 0;

	if (stats == NULL)
		return;
	now = (int64_t)time(NULL);
	to = shard(stats);
	if (current.start != 0)
		ns = record_latency(to);
	if (selection->outcome == STATS_EXACT && selection->reason == STATS_NONE)
		add(&to->exact, 1);
	else
		add(&to->handshakes[selection->outcome][selection->reason], 1);
	if (selection->keys != 0)
		add(&to->keys[selection->keys % STATS_KEY_SETS], 1);
	if (selection->expired || selection->trouble > 0)
		record_trouble(to, selection);
	record_process(stats, now);
	record_name(stats, selection, now);
	if (is_followed(to))
		record_event(stats, to, selection, ns);
}

void
stats_moved(struct stats *stats, const uint32_t *words, size_t count)
{
	uint64_t commit = count == 0 ? 0 : mapping_commit(words, count); /* 0: others call it otherwise */
	struct mapping_process *row;

	if (stats == NULL)
		return;
	atomic_store(&stats->commit, commit);
	row = atomic_load(&stats->row);
	if (row == NULL)
		return;
	atomic_store(&row->commit, commit);
	atomic_store(&row->commit_seen, (int64_t)time(NULL));
	atomic_fetch_add(&row->changes, 1);
}

void
stats_error(struct stats *stats, const char *text)
{
	struct mapping_process *row = stats == NULL ? NULL : atomic_load(&stats->row);

	if (row != NULL)
		roster_error(row, text);
}
