/* SPDX-License-Identifier: ISC */
/*
 * trial.h: what the trials that are programs share: chance by TORTURE_SEED, time,
 * memory, and rows for the table in doc/trials.md.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One of 0 … below-1, by splitmix64; each thread has a state of its own. */
uint64_t trial_draw_from(uint64_t *state, uint64_t below);
uint64_t trial_draw(uint64_t below);            /* the process's, which begins with TORTURE_SEED (1) */
void trial_seed(void);

/** A number of the environment; whether this is the short run. */
unsigned long trial_number(const char *name, unsigned long otherwise);
bool trial_is_quick(void);

double trial_now(void);         /* seconds, monotonic */
size_t trial_heap(void);        /* octets of the heap in use */

/** Sorts, and returns the one at `part` of 1. */
double trial_percentile(double *took, size_t count, double part);

/** To stdout and, if it is set, the file $TORTURE_RESULTS. */
void trial_row(const char *trial, const char *what, const char *often, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
