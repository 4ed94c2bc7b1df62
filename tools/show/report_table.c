/* SPDX-License-Identifier: ISC */
/*
 * report_table.c: rows for people.  In a pipe, a row is one line, however long, for programs that
 * read lines.  On a terminal, columns shrink and wrap at spaces; if that isn't enough, the widest
 * go below the row, on lines of their own.  We never break a word: people copy names.
 */
#include <stdint.h>
#include <string.h>

#include "show/paint.h"
#include "show/report_internal.h"
#include "show/screen.h"
#include "show/text.h"
#include "show/wrap.h"

#define GAP 2           /* between columns */
#define BELOW 4         /* where lines below a row start */
#define NARROWEST 24    /* minimum for a column that wraps, lest it become a tower of words */

static void
put_spaces(struct report *report, size_t count)
{
	while (count-- > 0)
		report_put(report, " ", 1);
}

static bool
shown(const struct report *report, size_t column)
{
	return report->columns[column].head != NULL && !report->hidden[column];
}

/* A value's end, without trailing spaces. */
static size_t
visible_length(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return length;
}

/* `*owed` are spaces that we write only if something follows. */
static void
put_cell(struct report *report, size_t column, const char *text, size_t octets, enum paint paint, size_t *owed)
{
	const char *begin = paint_on(report->out, paint), *end = paint_off(report->out, paint);
	bool right = report->columns[column].right;
	size_t width = text_width_of(text, octets), length = visible_length(text, octets);
	size_t pad = width < report->widths[column] ? report->widths[column] - width : 0;

	if (right)
		*owed += pad;
	if (length > 0) {
		put_spaces(report, *owed);
		report_put(report, begin, strlen(begin));
		report_put(report, text, length);
		report_put(report, end, strlen(end));
		*owed = 0;
	}
	*owed += GAP + (right ? 0 : pad) + octets - length;
}

static const char *
text_of(const struct report *report, const struct cell *cells, size_t column)
{
	return cells == NULL ? report->columns[column].head : report_cell_text(&cells[column]);
}

static enum paint
paint_for(const struct cell *cells, const char *text)
{
	return cells == NULL ? PAINT_HEAD : paint_of(text);
}

/* One line, from 0, of the columns side by side.  Whether there are more. */
static bool
put_line(struct report *report, const struct cell *cells, size_t line)
{
	size_t owed = 0;
	bool more = false;

	for (size_t i = 0; i < report->count; i++) {
		const char *whole, *at, *rest;
		size_t length;

		if (!shown(report, i) || report->below[i])
			continue;
		whole = at = rest = text_of(report, cells, i);
		length = report->screen == 0 ? strlen(at) : wrap_line(&rest, report->widths[i]);
		for (size_t passed = 0; passed < line; passed++) {
			at = rest;
			length = wrap_line(&rest, report->widths[i]);
		}
		more = more || (report->screen != 0 && rest[0] != '\0');
		put_cell(report, i, at, length, paint_for(cells, whole), &owed);
	}
	report_put(report, "\n", 1);
	return more;
}

/* "Head:  value" from `indent` on, the value at `column`; long values continue below their start. */
static void
put_value(struct report *report, const char *head, const char *text, size_t indent, size_t column)
{
	size_t room = report->screen > column ? report->screen - column : 1, length;
	const char *at = text;

	put_spaces(report, indent);
	report_put(report, head, strlen(head));
	report_put(report, ":", 1);
	for (size_t pad = column - indent - text_width(head) - 1;; pad = column) {
		text = at;
		length = report->screen == 0 ? strlen(text) : wrap_line(&at, room);
		at = report->screen == 0 ? text + length : at;
		length = visible_length(text, length);
		if (length > 0) {
			put_spaces(report, pad);
			report_put(report, text, length);
		}
		report_put(report, "\n", 1);
		if (*at == '\0')
			break;
	}
}

static void
put_below(struct report *report, const struct cell *cells)
{
	for (size_t i = 0; i < report->count; i++) {
		const char *text = report_cell_text(&cells[i]), *head = report->columns[i].head;

		if (shown(report, i) && report->below[i] && text[0] != '\0' && strcmp(text, "-") != 0)
			put_value(report, head, text, BELOW, BELOW + text_width(head) + 2);
	}
}

void
report_table_row(struct report *report, const struct cell *cells)
{
	for (size_t line = 0; put_line(report, cells, line); line++)
		;
	if (cells != NULL)
		put_below(report, cells);
}

/* On a screen, hide a column with "-" in each row; pipes get all columns, for programs that count them. */
static bool
says_nothing(const struct report *report, size_t column)
{
	for (size_t row = 0; row < report->held; row++)
		if (strcmp(report_cell_text(&report->cells[row * report->count + column]), "-") != 0)
			return false;
	return true;
}

static size_t
widest_word(const char *text)
{
	size_t widest = 0;

	while (*text != '\0') {
		size_t length = strcspn(text, " "), width = text_width_of(text, length);

		widest = width > widest ? width : widest;
		text += length;
		text += strspn(text, " ");
	}
	return widest;
}

/* A column's widths: all of it, and the minimum. */
static void
measure(const struct report *report, size_t column, size_t *wide, size_t *least)
{
	const char *text = report->columns[column].head == NULL ? "" : report->columns[column].head;

	*wide = text_width(text);
	*least = widest_word(text);
	for (size_t row = 0; row < report->held; row++) {
		size_t width, word;

		text = report_cell_text(&report->cells[row * report->count + column]);
		width = text_width(text);
		word = widest_word(text);
		*wide = width > *wide ? width : *wide;
		*least = word > *least ? word : *least;
	}
	if (report->columns[column].right)
		*least = *wide;
	if (*least < NARROWEST)
		*least = *wide < NARROWEST ? *wide : NARROWEST;
}

static size_t
sum_of(const struct report *report, const size_t *widths)
{
	size_t sum = 0;

	for (size_t i = 0; i < report->count; i++)
		if (shown(report, i) && !report->below[i])
			sum += widths[i] + (sum > 0 ? GAP : 0);
	return sum;
}

/* The widest column of a row that exceeds its `floor`; NULL: any but the first. */
static bool
greediest(const struct report *report, const size_t *widths, const size_t *floor, size_t *out)
{
	bool first = floor == NULL, found = false;

	for (size_t i = 0; i < report->count; i++) {
		if (!shown(report, i) || report->below[i])
			continue;
		if (!first && (floor == NULL || widths[i] > floor[i]) && (!found || widths[i] >= widths[*out])) {
			*out = i;
			found = true;
		}
		first = false;
	}
	return found;
}

static void
fit(struct report *report, size_t *least)
{
	size_t i;

	while (sum_of(report, least) > report->screen && greediest(report, least, NULL, &i))
		report->below[i] = true;
	for (i = 0; i < report->count; i++)
		if (report->widths[i] > report->screen && report->widths[i] > least[i])
			report->widths[i] = least[i] > report->screen ? least[i] : report->screen;
	while (sum_of(report, report->widths) > report->screen && greediest(report, report->widths, least, &i))
		report->widths[i]--;
}

void
report_table_release(struct report *report)
{
	size_t least[REPORT_COLUMNS_MOST] = {0};

	report->screen = screen_width(report->out);
	for (size_t i = 0; i < report->count; i++) {
		/* We don't know the rows after those held. */
		report->hidden[i] = report->screen > 0 && report->held < REPORT_ROWS_HELD && says_nothing(report, i);
		measure(report, i, &report->widths[i], &least[i]);
	}
	if (report->screen > 0 && sum_of(report, report->widths) > report->screen)
		fit(report, least);
	report_table_row(report, NULL);
	for (size_t row = 0; row < report->held; row++)
		report_table_row(report, &report->cells[row * report->count]);
	report->streaming = true;
	report->held = 0;
}

void
report_table_record(struct report *report)
{
	size_t widest = 0;

	report->screen = screen_width(report->out);
	for (size_t i = 0; i < report->count; i++) {
		const char *head = report->columns[i].head;

		if (head != NULL && text_width(head) > widest)
			widest = text_width(head);
	}
	for (size_t i = 0; i < report->count; i++)
		if (report->columns[i].head != NULL)
			put_value(report, report->columns[i].head, report_cell_text(&report->cells[i]), 0, widest + 3);
}
