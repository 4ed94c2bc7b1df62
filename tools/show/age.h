/* SPDX-License-Identifier: ISC */
/* age.h: how long ago or until, in days as people count them. */
#ifndef SNICERT_AGE_H
#define SNICERT_AGE_H

#include <stdint.h>

#define AGE_SIZE 40

/** Whole days, rounded towards zero: 29 with 29 days and 23 hours left, 0 within a day either way. */
int64_t age_days(int64_t seconds);

/**
 * "in 29 days", "in less than a day", "less than a day ago", "1 day ago"; `left` is negative for
 * the past.
 */
const char *age_text(int64_t left, char buffer[AGE_SIZE]);

#endif
