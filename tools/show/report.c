/* SPDX-License-Identifier: ISC */
/*
 * report.c: one writer for all commands' answers.  Knows columns and text, not their meaning.
 * Writes JSON at once; holds a table back for its first rows, whose widths then apply to all that
 * follow.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "error.h"
#include "show/age.h"
#include "show/report.h"
#include "show/report_internal.h"
#include "show/text.h"

/* Items of a list in a table. */
#define LIST_SHOWN 3

static void
report_fail(struct report *report)
{
	if (report->failure == 0)
		report->failure = errno != 0 ? errno : EIO;
}

void
report_put(struct report *report, const char *text, size_t length)
{
	/* Nothing after a failure: half a line in the middle misleads. */
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

/* Text of any origin: as a JSON string, or safe for a terminal. */
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

/* Where the next value goes: its cell, or after its key in the JSON line. */
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
report_start(struct report *report, const char *value, size_t length)
{
	char start[32];

	if (report == NULL)
		return;
	snprintf(start, sizeof(start), "%.*s", (int)length, value);
	report_text(report, report->json ? value : start);
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
report_days_left(struct report *report, int64_t seconds)
{
	char days[24];

	if (report == NULL)
		return;
	snprintf(days, sizeof(days), "%lld", (long long)age_days(seconds));
	plain(report, days, seconds < 0 && age_days(seconds) == 0 ? "expired" : days);
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

static void
put_object(struct report *report)
{
	const struct cell *line = report->cells;

	if (!report->single)
		report_put(report, report->rows == 0 ? "[\n" : ",\n", 2);
	report_put(report, report_cell_text(line), line->length);
	report_put(report, "}", 1);
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
		report_table_record(report);
	else if (report->streaming)
		report_table_row(report, report->cells);
	else if (++report->held == REPORT_ROWS_HELD)
		report_table_release(report);
	report->rows++;
	if (report->held == 0) {
		for (size_t i = 0; i < report->count; i++)
			report->cells[i].length = 0;
	}
}

static void
report_free(struct report *report)
{
	size_t cells = report->cells == NULL ? 0 : REPORT_ROWS_HELD * report->count;

	for (size_t i = 0; i < cells; i++)
		free(report->cells[i].data);
	free(report->cells);
	free(report->widths);
	free(report->hidden);
	free(report->below);
	free(report->empty);
	free(report);
}

struct report *
report_new(FILE *out, bool json, const struct report_column *columns, size_t count)
{
	struct report *report = calloc(1, sizeof(*report));

	assert(count > 0 && count <= REPORT_COLUMNS_MOST);
	if (report == NULL)
		return NULL;
	report->out = out;
	report->json = json;
	report->columns = columns;
	report->count = count;
	report->cells = calloc(REPORT_ROWS_HELD * count, sizeof(*report->cells));
	report->widths = calloc(count, sizeof(*report->widths));
	report->hidden = calloc(count, sizeof(*report->hidden));
	report->below = calloc(count, sizeof(*report->below));
	if (report->cells == NULL || report->widths == NULL || report->hidden == NULL || report->below == NULL) {
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

/* It may quote anybody's text. */
static void
put_empty(struct report *report)
{
	struct cell cell = {0};

	cell_escape(report, &cell, report->empty);
	cell_add(report, &cell, "\n");
	if (cell.data != NULL)
		report_put(report, cell.data, cell.length);
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
		report_put(report, end, strlen(end));
	else if (report->held > 0)
		report_table_release(report);
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
