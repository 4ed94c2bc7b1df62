/* SPDX-License-Identifier: ISC */
/* report.h: one writer for what commands answer: a table for people, JSON for programs. */
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
 * One call per column follows, in their order, then report_row_end(), for each
 * row.  A table goes out with the widths of its first 1000 rows, so memory
 * stays bounded; its first row may thus appear as late as report_finish().  A
 * report of no rows is `[]`, or what report_empty() says.
 *
 * Borrows all of its arguments until report_finish().  Answers NULL without
 * memory, which every function here takes and report_finish() reports: there
 * is no need to look.
 */
struct report *report_new(FILE *out, bool json, const struct report_column *columns,
    size_t count);

/**
 * Make it a report of one record, before its first value: an object rather
 * than an array (`null` where the record never comes), `Head:  value` lines
 * rather than a table, and lists in full.
 */
void report_single(struct report *);

/**
 * What a table of no rows says instead, to people: a sentence, printf-like.  JSON stays `[]`.
 * Nothing a person asks for is answered by silence.
 */
void report_empty(struct report *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * UTF-8 for people and programs.  NULL is `null` and "-".  What peers or files
 * provided is safe here: control characters, directional overrides and invalid
 * UTF-8 come out escaped.
 */
void report_text(struct report *, const char *value);
/** In a table its first `length` characters, 31 at most: the start of a digest. */
void report_start(struct report *, const char *value, size_t length);
void report_number(struct report *, long long value);
/** Whole days that are left of so many seconds, as age.h counts them; in a table "expired" where that is none any more. */
void report_days_left(struct report *, int64_t seconds);
/** true or false; yes or no in a table. */
void report_flag(struct report *, bool value);
/** Seconds since 1970: RFC 3339 in UTC; in a table the day.  As NULL outside years 0 to 9999. */
void report_time(struct report *, long long unix_time);
/** An array; in a table the first three, then "+N more". */
void report_list(struct report *, const char *const *items, size_t count);

void report_row_end(struct report *);

/**
 * Write what is held back, flush `out`, free the report.
 * Returns 0, or -1 with *err set if any of it didn't arrive (disk full, pipe closed).
 */
int report_finish(struct report *, struct snicert_error *err);

#endif
