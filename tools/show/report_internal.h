/* SPDX-License-Identifier: ISC */
/* report_internal.h: what the report writer shares with the table layout. */
#ifndef SNICERT_REPORT_INTERNAL_H
#define SNICERT_REPORT_INTERNAL_H

#include "show/report.h"

/* Rows that decide a table's widths. */
#define REPORT_ROWS_HELD 1000
#define REPORT_COLUMNS_MOST 40

struct cell {
	char *data;             /* escaped, NUL-terminated; NULL: nothing yet */
	size_t length;
	size_t size;
};

struct report {
	FILE *out;
	const struct report_column *columns;
	size_t count;
	size_t column;          /* the next value's */
	struct cell *cells;     /* tables: `held` rows, then the current one; JSON: a line */
	size_t *widths;
	bool *hidden;           /* columns */
	bool *below;            /* columns with lines of their own below the row */
	size_t screen;          /* the terminal's width; 0: no terminal, no wrapping */
	size_t held;
	size_t rows;
	char *empty;            /* text for no rows; NULL: nothing */
	int failure;            /* the first errno */
	bool json;
	bool single;
	bool streaming;
};

/** Write octets; nothing after a failure. */
void report_put(struct report *, const char *text, size_t length);

static inline const char *
report_cell_text(const struct cell *cell)
{
	return cell->data == NULL ? "" : cell->data;
}

/** Fix the widths and write the rows held back. */
void report_table_release(struct report *);

/** A row of the table, NULL: the headings. */
void report_table_row(struct report *, const struct cell *cells);

/** The current row, as a record. */
void report_table_record(struct report *);

#endif
