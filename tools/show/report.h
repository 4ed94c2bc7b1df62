/* SPDX-License-Identifier: ISC */
/* report.h: one writer for commands' answers: a table for people, JSON for programs. */
#ifndef SNICERT_REPORT_H
#define SNICERT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "snicert.h"

/** A column of the table, a member of the JSON objects. */
struct report_column {
	const char *key;        /* JSON member */
	const char *head;       /* heading of the table's column; NULL: JSON only */
	bool right;             /* numbers: aligned to the right */
};

struct report;

/**
 * Begin a report on `out`.
 *
 * For each row, call one function per column, in order, then report_row_end().  A table uses the
 * widths of its first 1000 rows, so memory stays bounded; its first row may appear as late as
 * report_finish().  A report without rows is `[]`, or what report_empty() says.
 *
 * Borrows all arguments until report_finish().  Returns NULL without memory; all functions here
 * accept that and report_finish() reports it, so callers needn't check.
 */
struct report *report_new(FILE *out, bool json, const struct report_column *columns,
    size_t count);

/**
 * Make it a report of one record, before its first value: an object instead of an array (`null` if
 * there is no record), `Head:  value` lines instead of a table, and complete lists.
 */
void report_single(struct report *);

/**
 * What a table without rows says instead: a sentence, printf-like.  JSON stays `[]`.  Never answer
 * a person with silence.
 */
void report_empty(struct report *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * UTF-8 for people and programs.  NULL is `null` and "-".  Safe for text from peers or files:
 * escapes control characters, directional overrides and invalid UTF-8.
 */
void report_text(struct report *, const char *value);
/** In a table only the first `length` characters, up to 31: start of a digest. */
void report_start(struct report *, const char *value, size_t length);
void report_number(struct report *, long long value);
/** The whole days left of so many seconds, as in age.h; in a table "expired" if none are left. */
void report_days_left(struct report *, int64_t seconds);
/** true or false; yes or no in a table. */
void report_flag(struct report *, bool value);
/** Seconds since 1970: RFC 3339 in UTC; in a table the day.  Outside years 0 to 9999: NULL. */
void report_time(struct report *, long long unix_time);
/** An array; in a table the first three, then "+N more". */
void report_list(struct report *, const char *const *items, size_t count);

void report_row_end(struct report *);

/**
 * Write what is held back, flush `out`, free the report.  Returns 0, or -1 with *err set if not all
 * was written (disk full, pipe closed).
 */
int report_finish(struct report *, struct snicert_error *err);

#endif
