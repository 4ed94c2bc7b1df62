/* SPDX-License-Identifier: ISC */
/*
 * read.h: the statistics of all servers of a store, for people and programs.
 *
 * There is a file per user (module/mapping.h).  We read it, never map it: whoever may write one can
 * at worst make a reader fail with an error.  Servers write the contents; escape names like any
 * text from peers.
 */
#ifndef STATS_READ_H
#define STATS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mapping.h"
#include "snicert.h"

/** What all files said at one moment; never changes. */
struct stats_reader;

/**
 * Read all files of the configured path (NULL: statistics are off).  SNICERT_ENOTFOUND in *err if
 * there are none (no server has run yet), SNICERT_ESYSTEM if we may read none.  Skips unreadable
 * files while others are readable: stats_read_skipped.
 */
int stats_read_open(struct stats_reader **out, const char *path, struct snicert_error *err);
void stats_read_close(struct stats_reader *);

size_t stats_read_files(const struct stats_reader *);
size_t stats_read_skipped(const struct stats_reader *);
const char *stats_read_store(const struct stats_reader *);     /* its path, as in servers */

/** Words for the enums, as in JSON and metrics: "exact", "no_name", … */
const char *stats_outcome_word(enum stats_outcome);
const char *stats_reason_word(enum stats_reason);
/** "RSA", "EC", "RSA+EC", …; "none" for 0. */
const char *stats_keys_word(unsigned keys, char text[32]);

/** Sums over all shards and files. */
struct stats_totals {
	int64_t since;                          /* Unix time of the start or reset; the latest of all files */
	uint64_t handshakes;                    /* of all outcomes */
	uint64_t outcomes[STATS_OUTCOMES];
	uint64_t reasons[STATS_REASONS];
	uint64_t both[STATS_OUTCOMES][STATS_REASONS];
	uint64_t keys[STATS_KEY_SETS];
	uint64_t counters[STATS_COUNTERS];
	/* Latency of selections: [i] is below 2^i ns, and at least half of that. */
	uint64_t latency[STATS_LATENCIES], latencies, latency_ns;
};
void stats_read_totals(const struct stats_reader *, struct stats_totals *out);

/** The latency, in ns, that `percent` of selections are below; interpolated; 0 without any. */
double stats_percentile(const struct stats_totals *, double percent);

struct stats_process {
	pid_t pid;
	uid_t uid;
	bool alive;                     /* and is the same process, by /proc */
	char program[32], module[24];
	int64_t opened, served;         /* Unix time; served 0: no handshake yet */
	uint64_t commit;                /* mapping_commit() of the store's state it last saw; 0: none */
	int64_t commit_seen;
	uint32_t changes, threads;
	int64_t error_at;               /* 0: none */
	char error[MAPPING_ERROR];
};

/** Rows of processes, live ones first; `out` NULL only counts.  Returns the number. */
size_t stats_read_processes(const struct stats_reader *, struct stats_process *out, size_t room);

struct stats_unknown {
	char name[MAPPING_NAME];
	char address[MAPPING_ADDRESS];  /* local address of the first request; "": unknown */
	uint64_t count, missed;         /* requested at least `count` times, at most count + missed */
	int64_t first, last;
	uint32_t windows;               /* of ten minutes in which it was requested */
};

/** Unknown names, most requests first; the caller frees *out.  -1 without memory. */
int stats_read_unknown(const struct stats_reader *, struct stats_unknown **out, size_t *count);

enum stats_used {
	STATS_USED,                     /* on `day`; `count` times in all, or up to 15 more per process */
	STATS_NOT_USED,                 /* not since `since` */
	STATS_USED_BEFORE               /* not after `day`, and maybe never */
};
struct stats_use {
	enum stats_used used;
	int64_t day;                    /* Unix time of its start */
	int64_t since;
	uint64_t count;
};

/** How a normalised name of the store (or a "*.parent") was used. */
void stats_read_use(const struct stats_reader *, const char *name, struct stats_use *out);

/** What stats_reset sets to zero. */
enum stats_reset { STATS_RESET_COUNTERS = 1, STATS_RESET_UNKNOWN = 2 };
int stats_reset(const char *path, unsigned what, struct snicert_error *err);

/** --- following selections --------------------------------------------------- */

struct stats_trace;

struct stats_event {
	int64_t at;                     /* Unix time in ns */
	uint32_t ns;                    /* time the selection took */
	pid_t pid;
	enum stats_outcome outcome;
	enum stats_reason reason;
	unsigned keys;
	unsigned char leaf[20];         /* start of the leaf's SHA-256; zero: none */
	char name[MAPPING_NAME];        /* escaped already; "" none */
};

/** Ask servers to record their selections; needs repeating (stats_trace_next does it). */
int stats_trace_open(struct stats_trace **out, const char *path, struct snicert_error *err);

/**
 * Pass the selections since the last call to `each`, oldest first; *lost: how many were overwritten
 * before we read them.  Doesn't wait.  Returns the number, or -1.
 */
int stats_trace_next(struct stats_trace *, void (*each)(void *arg, const struct stats_event *), void *arg,
    uint64_t *lost, struct snicert_error *err);

/** Servers stop recording in five seconds, unless others read. */
void stats_trace_close(struct stats_trace *);

#endif
