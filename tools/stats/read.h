/* SPDX-License-Identifier: ISC */
/*
 * read.h: the statistics of all servers of a store, for people and programs.
 *
 * There is a file for each user (module/mapping.h).  They are read, never mapped: nobody
 * who may write one can make a reader fail worse than with an error.  What is in
 * there was written by servers; names are text to be escaped as any of a peer's.
 */
#ifndef STATS_READ_H
#define STATS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mapping.h"
#include "snicert.h"

/** What all files said at one moment; it does not change any more. */
struct stats_reader;

/**
 * Read all files of the configured path (NULL: statistics are switched off).  SNICERT_ENOTFOUND in *err where
 * there is none (servers have not run yet), SNICERT_ESYSTEM where none may be read.
 * Files that can't be read, while others can, are left out: stats_read_skipped.
 */
int stats_read_open(struct stats_reader **out, const char *path, struct snicert_error *err);
void stats_read_close(struct stats_reader *);

size_t stats_read_files(const struct stats_reader *);
size_t stats_read_skipped(const struct stats_reader *);
const char *stats_read_store(const struct stats_reader *);     /* its path, as servers have it */

/** Words for the enums, as in JSON and metrics: "exact", "no_name", … */
const char *stats_outcome_word(enum stats_outcome);
const char *stats_reason_word(enum stats_reason);
/** "RSA", "EC", "RSA+EC", …; "none" for 0. */
const char *stats_keys_word(unsigned keys, char text[32]);

/** Sums over all shards and files. */
struct stats_totals {
	int64_t since;                          /* Unix time: counting began, or was reset; the latest of all files */
	uint64_t handshakes;                    /* of all outcomes */
	uint64_t outcomes[STATS_OUTCOMES];
	uint64_t reasons[STATS_REASONS];
	uint64_t both[STATS_OUTCOMES][STATS_REASONS];
	uint64_t keys[STATS_KEY_SETS];
	uint64_t counters[STATS_COUNTERS];
	/* Latency of selections: [i] is below 2^i ns and not below half of that. */
	uint64_t latency[STATS_LATENCIES], latencies, latency_ns;
};
void stats_read_totals(const struct stats_reader *, struct stats_totals *out);

/** The latency, in ns, that `percent` of selections are below; interpolated; 0 without any. */
double stats_percentile(const struct stats_totals *, double percent);

struct stats_process {
	pid_t pid;
	uid_t uid;
	bool alive;                     /* and the same process, as /proc has it */
	char program[32], module[24];
	int64_t opened, served;         /* Unix time; served 0: no handshake yet */
	uint64_t commit;                /* mapping_commit() of the store's state that it last saw; 0: none */
	int64_t commit_seen;
	uint32_t changes, threads;
	int64_t error_at;               /* 0: none */
	char error[MAPPING_ERROR];
};

/** Rows of processes, living ones first; `out` NULL only counts.  Returns how many there are. */
size_t stats_read_processes(const struct stats_reader *, struct stats_process *out, size_t room);

struct stats_unknown {
	char name[MAPPING_NAME];
	char address[MAPPING_ADDRESS];  /* local address of the first request; "" not known */
	uint64_t count, missed;         /* asked for `count` times at least, count + missed at the most */
	int64_t first, last;
	uint32_t windows;               /* of ten minutes in which it was asked for */
};

/** Unknown names, most requests first; *out is the caller's to free().  -1 for want of memory. */
int stats_read_unknown(const struct stats_reader *, struct stats_unknown **out, size_t *count);

enum stats_used {
	STATS_USED,                     /* on `day`; `count` times in all, or up to 15 more for each process */
	STATS_NOT_USED,                 /* not since `since` */
	STATS_USED_BEFORE               /* not after `day`, and it may never have been */
};
struct stats_use {
	enum stats_used used;
	int64_t day;                    /* Unix time of its beginning */
	int64_t since;
	uint64_t count;
};

/** How a name of the store (or a "*.parent"), normalised, was used. */
void stats_read_use(const struct stats_reader *, const char *name, struct stats_use *out);

/** What stats_reset sets to zero. */
enum stats_reset { STATS_RESET_COUNTERS = 1, STATS_RESET_UNKNOWN = 2 };
int stats_reset(const char *path, unsigned what, struct snicert_error *err);

/** --- following selections --------------------------------------------------- */

struct stats_trace;

struct stats_event {
	int64_t at;                     /* ns of Unix time */
	uint32_t ns;                    /* that the selection took */
	pid_t pid;
	enum stats_outcome outcome;
	enum stats_reason reason;
	unsigned keys;
	unsigned char leaf[20];         /* start of the leaf's SHA-256; zero: none */
	char name[MAPPING_NAME];        /* escaped already; "" none */
};

/** Ask servers to write their selections down; this has to be done again (stats_trace_next does). */
int stats_trace_open(struct stats_trace **out, const char *path, struct snicert_error *err);

/**
 * The selections since the last call, oldest first, through `each`; *lost: how many were
 * overwritten before they could be read.  Does not wait.  Returns how many there were, or -1.
 */
int stats_trace_next(struct stats_trace *, void (*each)(void *arg, const struct stats_event *), void *arg,
    uint64_t *lost, struct snicert_error *err);

/** Servers stop writing in five seconds, if nobody else reads. */
void stats_trace_close(struct stats_trace *);

#endif
