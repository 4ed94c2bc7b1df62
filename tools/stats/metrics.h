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

/** What was counted in the store, kept as long as that is as it was. */
struct metrics;

struct metrics *metrics_new(const struct config *);
void metrics_free(struct metrics *);

/**
 * Write all of them.  What can't be read makes a metric that says so, and is no
 * error.  Returns 0, or -1 with *err set where `out` took it not.
 */
int metrics_write(struct metrics *, FILE *out, struct snicert_error *err);

/** All of them once, to standard output, or in place of the file at `path`, in one step. */
int metrics_print(const struct config *, const char *path, struct snicert_error *err);

/**
 * Whether a living server's process served handshakes from a state of the store
 * that was not the latest any more: `current` is mapping_commit() of that, reached
 * at `changed` (Unix time).
 */
struct stats_process;
bool metrics_is_stale(const struct stats_process *, uint64_t current, int64_t changed);

#endif
