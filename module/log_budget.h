/* SPDX-License-Identifier: ISC */
/*
 * log_budget.h: how many lines of each event may be written, by a process and all its forks
 * together: otherwise a server that forks for each connection would have a budget for each.
 */
#ifndef SNICERT_LOG_BUDGET_H
#define SNICERT_LOG_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/** Lines of one kind allowed per LOG_PERIOD; the rest is counted. */
#define LOG_BURST 10
#define LOG_PERIOD 60 /* seconds */

struct log_budget;

/** One for each of `count` kinds; NULL if out of memory. */
struct log_budget *log_budget_new(unsigned count);
void log_budget_free(struct log_budget *);

/**
 * Whether a line of a kind may be written at `now`, in seconds; *suppressed is how many were held
 * back before it.  Any thread and process, any time: never waits.
 */
bool log_budget_take(struct log_budget *, unsigned kind, uint32_t now, unsigned long *suppressed);

#endif
