/* SPDX-License-Identifier: ISC */
/* report_internal.h: what the writer of reports shares with the layout of tables. */
#ifndef SNICERT_REPORT_INTERNAL_H
#define SNICERT_REPORT_INTERNAL_H

#include "show/report.h"

/* Rows that a table's widths are taken from. */
#define REPORT_ROWS_HELD 1000
#define REPORT_COLUMNS_MOST 40

struct cell {
	char *data;             /* escaped, NUL at the end; NULL: nothing yet */
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
	bool *below;            /* columns that have lines of their own beneath the row */
	size_t screen;          /* the terminal's width; 0: no terminal, nothing is wrapped */
	size_t held;
	size_t rows;
	char *empty;            /* what is said where there are none; NULL: nothing */
	int failure;            /* the first errno */
	bool json;
	bool single;
	bool streaming;
};

/** Octets on their way out; after one failure no more. */
void report_put(struct report *, const char *text, size_t length);

static inline const char *
report_cell_text(const struct cell *cell)
{
	return cell->data == NULL ? "" : cell->data;
}

/** Fix the widths and write the rows that were held. */
void report_table_release(struct report *);

/** A row of the table, NULL: its headings. */
void report_table_row(struct report *, const struct cell *cells);

/** The current row, as a record. */
void report_table_record(struct report *);

#endif
