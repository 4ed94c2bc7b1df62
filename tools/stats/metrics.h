/* SPDX-License-Identifier: ISC */
/*
 * metrics.h: statistics and store as metrics, in the text format of Prometheus
 * (version 0.0.4).  snicert(7) lists them.
 */
#ifndef SNICERT_METRICS_H
#define SNICERT_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "snicert.h"

/** The counts of the store, kept while it doesn't change. */
struct metrics;

struct metrics *metrics_new(const struct config *);
void metrics_free(struct metrics *);

/**
 * Write all of them.  If a source is unreadable, a metric says so: no error.  Returns 0, or -1 with
 * *err set if writing to `out` failed.
 */
int metrics_write(struct metrics *, FILE *out, struct snicert_error *err);

/** Write all once, to standard output, or atomically to the file at `path`. */
int metrics_print(const struct config *, const char *path, struct snicert_error *err);

/**
 * Whether a live server process served handshakes from a state of the store that was no longer the
 * latest: `current` is mapping_commit() of that, reached at `changed` (Unix time).
 */
struct stats_process;
bool metrics_is_stale(const struct stats_process *, uint64_t current, int64_t changed);

#endif
