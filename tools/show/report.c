/* SPDX-License-Identifier: ISC */
/*
 * report.c: one writer for what commands answer.  Knows columns and text, not
 * what any of it means.  JSON goes out as it comes; a table is held back for
 * its first rows, whose widths then stand for all that follow.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "error.h"
#include "show/paint.h"
#include "show/report.h"
#include "show/text.h"

/* Rows that a table's widths are taken from. */
#define ROWS_HELD 1000
/* Items of a list that a table shows. */
#define LIST_SHOWN 3

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
	size_t held;
	size_t rows;
	char *empty;            /* what is said where there are none; NULL: nothing */
	int failure;            /* the first errno */
	bool json;
	bool single;
	bool streaming;
};

static void
report_fail(struct report *report)
{
	if (report->failure == 0)
		report->failure = errno != 0 ? errno : EIO;
}

static void
put(struct report *report, const char *text, size_t length)
{
	/* After one failure nothing more: half of a line in the middle misleads. */
	if (report->failure != 0)
		return;
	errno = 0;
	if (fwrite(text, 1, length, report->out) != length)
		report_fail(report);
}

static void
cell_append(struct report *report, struct cell *cell, const char *text, size_t length)
{
	if (cell->size - cell->length <= length) {
		size_t size = 2 * cell->length + length + 32;
		char *data = realloc(cell->data, size);

		if (data == NULL) {
			report_fail(report);
			return;
		}
		cell->data = data;
		cell->size = size;
	}
	memcpy(cell->data + cell->length, text, length);
	cell->length += length;
	cell->data[cell->length] = '\0';
}

static void
cell_add(struct report *report, struct cell *cell, const char *text)
{
	cell_append(report, cell, text, strlen(text));
}

/* Text of any origin: a JSON string, or what is safe on a terminal. */
static void
cell_escape(struct report *report, struct cell *cell, const char *text)
{
	bool json = report->json;
	char escape[TEXT_ESCAPE_SIZE];

	cell_add(report, cell, json ? "\"" : "");
	while (*text != '\0') {
		size_t length = text_escape(text, json, escape);

		if (escape[0] != '\0')
			cell_add(report, cell, escape);
		else
			cell_append(report, cell, text, length);
		text += length;
	}
	cell_add(report, cell, json ? "\"" : "");
}

/* Where the next value goes: its cell, or behind its key in the line of JSON. */
static struct cell *
next_cell(struct report *report)
{
	size_t column = report->column++;
	struct cell *line = report->cells;

	assert(column < report->count);
	if (!report->json)
		return &report->cells[report->held * report->count + column];
	cell_add(report, line, column == 0 ? "{" : ", ");
	cell_escape(report, line, report->columns[column].key);
	cell_add(report, line, ": ");
	return line;
}

/* A value that is safe as it is. */
static void
plain(struct report *report, const char *json, const char *table)
{
	cell_add(report, next_cell(report), report->json ? json : table);
}

void
report_text(struct report *report, const char *value)
{
	if (report == NULL)
		return;
	if (value == NULL)
		plain(report, "null", "-");
	else
		cell_escape(report, next_cell(report), value);
}

void
report_number(struct report *report, long long value)
{
	char text[24];

	if (report == NULL)
		return;
	snprintf(text, sizeof(text), "%lld", value);
	plain(report, text, text);
}

void
report_flag(struct report *report, bool value)
{
	if (report != NULL)
		plain(report, value ? "true" : "false", value ? "yes" : "no");
}

void
report_time(struct report *report, long long unix_time)
{
	char json[80], table[64];
	struct tm tm;

	if (report == NULL)
		return;
	if (!date_split(unix_time, &tm)) {
		plain(report, "null", "-");
		return;
	}
	snprintf(table, sizeof(table), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday);
	snprintf(json, sizeof(json), "\"%.10sT%02d:%02d:%02dZ\"", table, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	plain(report, json, table);
}

void
report_list(struct report *report, const char *const *items, size_t count)
{
	bool all;
	struct cell *cell;
	char more[40];

	if (report == NULL)
		return;
	all = report->json || report->single || count <= LIST_SHOWN;
	cell = next_cell(report);
	cell_add(report, cell, report->json ? "[" : count == 0 ? "-" : "");
	for (size_t i = 0; i < (all ? count : LIST_SHOWN); i++) {
		if (i > 0)
			cell_add(report, cell, ", ");
		cell_escape(report, cell, items[i]);
	}
	snprintf(more, sizeof(more), " +%zu more", count - LIST_SHOWN);
	cell_add(report, cell, report->json ? "]" : all ? "" : more);
}

/* A value and where it ends; blanks at its end don't count. */
static size_t
visible_length(const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == ' ')
		length--;
	return length;
}

static void
put_spaces(struct report *report, size_t count)
{
	while (count-- > 0)
		put(report, " ", 1);
}

/* `*owed` are spaces that only what follows them makes worth writing. */
static void
put_cell(struct report *report, size_t column, const char *text, enum paint paint, size_t *owed)
{
	const char *begin = paint_on(report->out, paint), *end = paint_off(report->out, paint);
	bool right = report->columns[column].right;
	size_t width = text_width(text), length = visible_length(text);
	size_t pad = width < report->widths[column] ? report->widths[column] - width : 0;

	if (right)
		*owed += pad;
	if (length > 0) {
		put_spaces(report, *owed);
		put(report, begin, strlen(begin));
		put(report, text, length);
		put(report, end, strlen(end));
		*owed = 0;
	}
	*owed += 2 + (right ? 0 : pad) + strlen(text) - length;
}

static const char *
cell_text(const struct cell *cell)
{
	return cell->data == NULL ? "" : cell->data;
}

/* One line of the table; NULL for its headings. */
static void
put_row(struct report *report, const struct cell *cells)
{
	size_t owed = 0;

	for (size_t i = 0; i < report->count; i++) {
		const char *head = report->columns[i].head, *text = cells == NULL ? head : cell_text(&cells[i]);

		if (head != NULL && !report->hidden[i])
			put_cell(report, i, text, cells == NULL ? PAINT_HEAD : paint_of(text), &owed);
	}
	put(report, "\n", 1);
}

/* On a screen, what is "-" in each row has no column; in a pipe all columns stay, for what counts them. */
static bool
says_nothing(const struct report *report, size_t column)
{
	for (size_t row = 0; row < report->held; row++)
		if (strcmp(cell_text(&report->cells[row * report->count + column]), "-") != 0)
			return false;
	return true;
}

static void
hide_columns(struct report *report)
{
	int fd = fileno(report->out);

	if (fd < 0 || isatty(fd) != 1)
		return;
	/* What is further down than the rows at hand is not known. */
	for (size_t i = 0; i < report->count && report->held < ROWS_HELD; i++)
		report->hidden[i] = says_nothing(report, i);
}

/* Fix the widths and write what was held. */
static void
table_release(struct report *report)
{
	hide_columns(report);
	for (size_t i = 0; i < report->count; i++) {
		size_t widest = 0, width;

		if (report->columns[i].head != NULL)
			widest = text_width(report->columns[i].head);
		for (size_t row = 0; row < report->held; row++) {
			width = text_width(cell_text(&report->cells[row * report->count + i]));
			widest = width > widest ? width : widest;
		}
		report->widths[i] = widest;
	}
	put_row(report, NULL);
	for (size_t row = 0; row < report->held; row++)
		put_row(report, &report->cells[row * report->count]);
	report->streaming = true;
	report->held = 0;
}

static void
put_record(struct report *report)
{
	size_t widest = 0;

	for (size_t i = 0; i < report->count; i++) {
		const char *head = report->columns[i].head;

		if (head != NULL && text_width(head) > widest)
			widest = text_width(head);
	}
	for (size_t i = 0; i < report->count; i++) {
		const char *head = report->columns[i].head, *text = cell_text(&report->cells[i]);
		size_t length = visible_length(text);

		if (head == NULL)
			continue;
		put(report, head, strlen(head));
		put(report, ":", 1);
		if (length > 0) {
			put_spaces(report, widest - text_width(head) + 2);
			put(report, text, length);
		}
		put(report, "\n", 1);
	}
}

static void
put_object(struct report *report)
{
	const struct cell *line = report->cells;

	if (!report->single)
		put(report, report->rows == 0 ? "[\n" : ",\n", 2);
	put(report, cell_text(line), line->length);
	put(report, "}", 1);
}

void
report_row_end(struct report *report)
{
	if (report == NULL)
		return;
	assert(report->column == report->count);
	assert(!report->single || report->rows == 0);
	report->column = 0;
	if (report->json)
		put_object(report);
	else if (report->single)
		put_record(report);
	else if (report->streaming)
		put_row(report, report->cells);
	else if (++report->held == ROWS_HELD)
		table_release(report);
	report->rows++;
	if (report->held == 0) {
		for (size_t i = 0; i < report->count; i++)
			report->cells[i].length = 0;
	}
}

static void
report_free(struct report *report)
{
	size_t cells = report->cells == NULL ? 0 : ROWS_HELD * report->count;

	for (size_t i = 0; i < cells; i++)
		free(report->cells[i].data);
	free(report->cells);
	free(report->widths);
	free(report->hidden);
	free(report->empty);
	free(report);
}

struct report *
report_new(FILE *out, bool json, const struct report_column *columns, size_t count)
{
	struct report *report = calloc(1, sizeof(*report));

	assert(count > 0);
	if (report == NULL)
		return NULL;
	report->out = out;
	report->json = json;
	report->columns = columns;
	report->count = count;
	report->cells = calloc(ROWS_HELD * count, sizeof(*report->cells));
	report->widths = calloc(count, sizeof(*report->widths));
	report->hidden = calloc(count, sizeof(*report->hidden));
	if (report->cells == NULL || report->widths == NULL || report->hidden == NULL) {
		report_free(report);
		return NULL;
	}
	return report;
}

void
report_single(struct report *report)
{
	if (report != NULL)
		report->single = true;
}

void
report_empty(struct report *report, const char *format, ...)
{
	va_list ap;

	if (report == NULL || report->json)
		return;
	free(report->empty);
	va_start(ap, format);
	if (vasprintf(&report->empty, format, ap) < 0) {
		report->empty = NULL;
		report_fail(report);
	}
	va_end(ap);
}

/* What is quoted in it may be anybody's. */
static void
put_empty(struct report *report)
{
	struct cell cell = {0};

	cell_escape(report, &cell, report->empty);
	cell_add(report, &cell, "\n");
	if (cell.data != NULL)
		put(report, cell.data, cell.length);
	free(cell.data);
}

int
report_finish(struct report *report, struct snicert_error *err)
{
	const char *end = "\n]\n";
	int failure;

	if (report == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory for a report");
	assert(report->column == 0);
	if (report->json && report->rows == 0)
		end = report->single ? "null\n" : "[]\n";
	else if (report->json && report->single)
		end = "\n";
	if (report->json)
		put(report, end, strlen(end));
	else if (report->held > 0)
		table_release(report);
	else if (report->rows == 0 && report->empty != NULL)
		put_empty(report);
	errno = 0;
	if (fflush(report->out) != 0 || ferror(report->out))
		report_fail(report);
	failure = report->failure;
	report_free(report);
	if (failure == 0)
		return 0;
	errno = failure;
	return error_system(err, "can't write the output");
}
