/* SPDX-License-Identifier: ISC */
/* test_report.c: what a report looks like, octet by octet. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "show/age.h"
#include "show/report.h"
#include "show/wrap.h"

static const struct report_column columns[] = {
	{ "name", "Name", false },
	{ "count", "Count", true },
	{ "id", NULL, false },
	{ "note", "Note", false },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void
row(struct report *r, const char *name, long long count, const char *note)
{
	report_text(r, name);
	report_number(r, count);
	report_text(r, "hidden");
	report_text(r, note);
	report_row_end(r);
}

static void
no_rows(struct report *r)
{
	(void)r;
}

static void
two_rows(struct report *r)
{
	row(r, "a", 1, "x");
	row(r, "long.example", 12345678, NULL);
}

static void
empty_end(struct report *r)
{
	row(r, "a", 1, "");
	row(r, "b", -2, "blank  ");
}

static void
hostile(struct report *r)
{
	row(r, "\"q\\\n\x1b[2J", 1, "\x80\xc0\xaf\xed\xa0\x80z");
	row(r, "\xc2\x9b\xe2\x80\xae", 2, "\xf4\x90\x80\x80\xe2\x82");
}

static void
unicode(struct report *r)
{
	row(r, "m\xc3\xbcller", 1, "e");
	row(r, "\xe6\x97\xa5\xe6\x9c\xac", 2, "wide");
	row(r, "e\xcc\x81", 3, "combining");
}

static void
one_row(struct report *r)
{
	row(r, "a.example", 7, "yes\tno");
}

static void
one_bare_row(struct report *r)
{
	row(r, NULL, 0, "");
}

static const struct {
	const char *label;
	bool json, single;
	void (*fill)(struct report *);
	const char *want;
} layouts[] = {
	{ "nothing, table", false, false, no_rows, "" },
	{ "nothing, json", true, false, no_rows, "[]\n" },
	{ "nothing, record", false, true, no_rows, "" },
	{ "nothing, object", true, true, no_rows, "null\n" },
	{ "table", false, false, two_rows,
	    "Name             Count  Note\n"
	    "a                    1  x\n"
	    "long.example  12345678  -\n" },
	{ "json", true, false, two_rows,
	    "[\n{\"name\": \"a\", \"count\": 1, \"id\": \"hidden\", \"note\": \"x\"},\n"
	    "{\"name\": \"long.example\", \"count\": 12345678, \"id\": \"hidden\", "
	    "\"note\": null}\n]\n" },
	{ "no spaces at the end", false, false, empty_end,
	    "Name  Count  Note\n"
	    "a         1\n"
	    "b        -2  blank\n" },
	{ "hostile, table", false, false, hostile,
	    "Name            Count  Note\n"
	    "\"q\\\\x0a\\x1b[2J      1  \\x80\\xc0\\xaf\\xed\\xa0\\x80z\n"
	    "\\u009b\\u202e        2  \\xf4\\x90\\x80\\x80\\xe2\\x82\n" },
	{ "hostile, json", true, false, hostile,
	    "[\n{\"name\": \"\\\"q\\\\\\u000a\\u001b[2J\", \"count\": 1, \"id\": \"hidden\", "
	    "\"note\": \"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffdz\"},\n"
	    "{\"name\": \"\\u009b\\u202e\", \"count\": 2, \"id\": \"hidden\", "
	    "\"note\": \"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"}\n]\n" },
	{ "widths of characters", false, false, unicode,
	    "Name    Count  Note\n"
	    "m\xc3\xbcller      1  e\n"
	    "\xe6\x97\xa5\xe6\x9c\xac        2  wide\n"
	    "e\xcc\x81           3  combining\n" },
	{ "record", false, true, one_row,
	    "Name:   a.example\nCount:  7\nNote:   yes\\x09no\n" },
	{ "bare record", false, true, one_bare_row, "Name:   -\nCount:  0\nNote:\n" },
	{ "object", true, true, one_row,
	    "{\"name\": \"a.example\", \"count\": 7, \"id\": \"hidden\", "
	    "\"note\": \"yes\\u0009no\"}\n" },
};

START_TEST(test_layout)
{
	struct snicert_error err = { 0 };
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);
	struct report *r = report_new(out, layouts[_i].json, columns, COLUMNS);

	if (layouts[_i].single)
		report_single(r);
	layouts[_i].fill(r);
	ck_assert_int_eq(report_finish(r, &err), 0);
	fclose(out);
	ck_assert_msg(strcmp(got, layouts[_i].want) == 0, "%s: got\n%s\nwant\n%s",
	    layouts[_i].label, got, layouts[_i].want);
	free(got);
}
END_TEST

static const char *const items[] = { "a", "b\n", "c", "d", "e" };

static const struct {
	const char *label;
	char kind;              /* t: time, l: list, f: flag */
	long long value;
	const char *json, *table, *single;
} values[] = {
	{ "epoch", 't', 0, "\"1970-01-01T00:00:00Z\"", "1970-01-01", "1970-01-01" },
	{ "before", 't', -1, "\"1969-12-31T23:59:59Z\"", "1969-12-31", "1969-12-31" },
	{ "leap day", 't', 1709251199, "\"2024-02-29T23:59:59Z\"", "2024-02-29", "2024-02-29" },
	{ "last year", 't', 253402300799, "\"9999-12-31T23:59:59Z\"", "9999-12-31",
	    "9999-12-31" },
	{ "year 10000", 't', 253402300800, "null", "-", "-" },
	{ "no year", 't', 0x7fffffffffffffff, "null", "-", "-" },
	{ "no items", 'l', 0, "[]", "-", "-" },
	{ "one item", 'l', 1, "[\"a\"]", "a", "a" },
	{ "three items", 'l', 3, "[\"a\", \"b\\u000a\", \"c\"]", "a, b\\x0a, c", "a, b\\x0a, c" },
	{ "five items", 'l', 5, "[\"a\", \"b\\u000a\", \"c\", \"d\", \"e\"]",
	    "a, b\\x0a, c +2 more", "a, b\\x0a, c, d, e" },
	{ "yes", 'f', 1, "true", "yes", "yes" },
	{ "no", 'f', 0, "false", "no", "no" },
};

static void
check_value(int i, bool json, bool single, const char *format, const char *value)
{
	static const struct report_column column[] = { { "v", "V", false } };
	char *got = NULL, want[200];
	size_t size;
	FILE *out = open_memstream(&got, &size);
	struct report *r = report_new(out, json, column, 1);

	if (single)
		report_single(r);
	if (values[i].kind == 't')
		report_time(r, values[i].value);
	else if (values[i].kind == 'l')
		report_list(r, items, (size_t)values[i].value);
	else
		report_flag(r, values[i].value != 0);
	report_row_end(r);
	ck_assert_int_eq(report_finish(r, NULL), 0);
	fclose(out);
	snprintf(want, sizeof(want), "%s%s%s", format, value, json ? "}\n" : "\n");
	ck_assert_msg(strcmp(got, want) == 0, "%s: got %s want %s", values[i].label, got, want);
	free(got);
}

START_TEST(test_value)
{
	check_value(_i, true, true, "{\"v\": ", values[_i].json);
	check_value(_i, false, true, "V:  ", values[_i].single);
	check_value(_i, false, false, "V\n", values[_i].table);
}
END_TEST

/* A thousand rows set the widths; what follows goes out at once. */
START_TEST(test_stream)
{
	char *got = NULL;
	size_t size, before;
	FILE *out = open_memstream(&got, &size);
	struct report *r = report_new(out, false, columns, COLUMNS);

	for (int i = 0; i < 999; i++)
		row(r, "name", i, "n");
	fflush(out);
	ck_assert_msg(size == 0, "%zu octets written too early", size);
	row(r, "name", 999, "n");
	fflush(out);
	ck_assert_msg(size > 0, "nothing written after 1000 rows");
	before = size;
	row(r, "wider than that", 1, "n");
	fflush(out);
	ck_assert_str_eq(got + before, "wider than that      1  n\n");
	before = size;
	row(r, "x", 1, "");
	ck_assert_int_eq(report_finish(r, NULL), 0);
	ck_assert_str_eq(got + before, "x         1\n");
	fclose(out);
	free(got);
}
END_TEST

/* One row that flushing notices, and more than stdio buffers. */
START_TEST(test_full)
{
	struct snicert_error err = { 0 };
	FILE *out = fopen("/dev/full", "w");
	struct report *r;

	if (out == NULL)
		return;
	r = report_new(out, _i & 1, columns, COLUMNS);
	for (int i = 0; i < (_i < 2 ? 1 : 20000); i++)
		row(r, "name", i, "n");
	ck_assert_int_eq(report_finish(r, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESYSTEM);
	ck_assert_msg(strstr(err.text, "No space left") != NULL, "got: %s", err.text);
	fclose(out);
}
END_TEST

static const struct report_column wide_columns[] = {
	{ "severity", "Severity", false }, { "count", "Count", true }, { "what", "What", false },
	{ "finding", "Finding of it", false }, { "fix", "Fix", false },
};

static void
wide_row(struct report *r, const char *severity, long long count, const char *what, const char *finding, const char *fix)
{
	report_text(r, severity);
	report_number(r, count);
	report_text(r, what);
	report_text(r, finding);
	report_text(r, fix);
	report_row_end(r);
}

static void
wide_rows(struct report *r)
{
	wide_row(r, "warning", 12, "chain 1 (a.example)", "its leaf stands alone: clients may not find the way to its root", "import it again");
	wide_row(r, "note", 1, "store", "none", NULL);
}

static void
long_word(struct report *r)
{
	wide_row(r, "note", 1, "a", "none at all", "a-word-that-is-wider-than-any-screen-here.and-is-never-broken.example and more");
	wide_row(r, "note", 2, "b", "none", "x");
}

static void
single_row(struct report *r)
{
	wide_row(r, "warning", 12, "chain 1 (a.example)", "its leaf stands alone: clients may not find the way to its root", "");
}

static void
narrow_rows(struct report *r)
{
	wide_row(r, "note", 1, "a", "b", "m\xc3\xbcller \xe6\x97\xa5");
}

static const struct {
	const char *label;
	unsigned short width;   /* of the screen; 0: a terminal that doesn't know */
	bool single;
	void (*fill)(struct report *);
	const char *want;
} screens[] = {
	{ "room for all", 120, false, narrow_rows,
	    "Severity  Count  What  Finding of it  Fix\n"
	    "note          1  a     b              m\xc3\xbcller \xe6\x97\xa5\n" },
	{ "just room", 47, false, narrow_rows,
	    "Severity  Count  What  Finding of it  Fix\n"
	    "note          1  a     b              m\xc3\xbcller \xe6\x97\xa5\n" },
	{ "a column too few", 46, false, narrow_rows,
	    "Severity  Count  What  Fix\n"
	    "note          1  a     m\xc3\xbcller \xe6\x97\xa5\n"
	    "    Finding of it: b\n" },
	{ "a column wraps", 100, false, wide_rows,
	    "Severity  Count  What                 Finding of it                                  Fix\n"
	    "warning      12  chain 1 (a.example)  its leaf stands alone: clients may not find    import it again\n"
	    "                                      the way to its root\n"
	    "note          1  store                none                                           -\n" },
	{ "another goes below", 56, false, wide_rows,
	    "Severity  Count  What                 Fix\n"
	    "warning      12  chain 1 (a.example)  import it again\n"
	    "    Finding of it: its leaf stands alone: clients may\n"
	    "                   not find the way to its root\n"
	    "note          1  store                -\n"
	    "    Finding of it: none\n" },
	{ "a terminal of no size has 80 columns", 0, false, wide_rows,
	    "Severity  Count  What                 Finding of it              Fix\n"
	    "warning      12  chain 1 (a.example)  its leaf stands alone:     import it again\n"
	    "                                      clients may not find the\n"
	    "                                      way to its root\n"
	    "note          1  store                none                       -\n" },
	{ "no word is broken", 60, false, long_word,
	    "Severity  Count  What  Finding of it\n"
	    "note          1  a     none at all\n"
	    "    Fix: a-word-that-is-wider-than-any-screen-here.and-is-never-broken.example\n"
	    "         and more\n"
	    "note          2  b     none\n"
	    "    Fix: x\n" },
	{ "a record", 40, true, single_row,
	    "Severity:       warning\n"
	    "Count:          12\n"
	    "What:           chain 1 (a.example)\n"
	    "Finding of it:  its leaf stands alone:\n"
	    "                clients may not find the\n"
	    "                way to its root\n"
	    "Fix:\n" },
};

/* What is seen on a terminal of that width. */
static char *
seen(unsigned short width, bool single, void (*fill)(struct report *))
{
	struct winsize size = { .ws_row = 24, .ws_col = width };
	static char got[8192];
	struct termios modes;
	struct report *r;
	ssize_t length;
	size_t used;
	FILE *out;
	int screen = posix_openpt(O_RDWR | O_NOCTTY), fd;

	ck_assert_int_ge(screen, 0);
	ck_assert_int_eq(grantpt(screen), 0);
	ck_assert_int_eq(unlockpt(screen), 0);
	fd = open(ptsname(screen), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TIOCSWINSZ, &size), 0);
	ck_assert_int_eq(tcgetattr(fd, &modes), 0);
	modes.c_oflag &= ~(tcflag_t)OPOST;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &modes), 0);
	out = fdopen(fd, "w");
	r = report_new(out, false, wide_columns, 5);
	if (single)
		report_single(r);
	fill(r);
	ck_assert_int_eq(report_finish(r, NULL), 0);
	fclose(out);
	for (used = 0; (length = read(screen, got + used, sizeof(got) - 1 - used)) > 0;)
		used += (size_t)length;
	got[used] = '\0';
	close(screen);
	return got;
}

START_TEST(test_screen)
{
	const char *got;

	setenv("NO_COLOR", "1", 1);
	unsetenv("COLUMNS");
	got = seen(screens[_i].width, screens[_i].single, screens[_i].fill);
	ck_assert_msg(strcmp(got, screens[_i].want) == 0, "%s: got\n%s\nwant\n%s", screens[_i].label, got, screens[_i].want);
}
END_TEST

/* The environment's word is the first. */
START_TEST(test_columns)
{
	char wide[4096];

	setenv("NO_COLOR", "1", 1);
	setenv("COLUMNS", "200", 1);
	snprintf(wide, sizeof(wide), "%s", seen(56, false, wide_rows));
	unsetenv("COLUMNS");
	ck_assert_str_eq(wide, seen(200, false, wide_rows));
}
END_TEST

static const struct {
	const char *text;
	size_t width;
	const char *lines;      /* a bar between */
} wraps[] = {
	{ "", 5, "" }, { "a", 1, "a" }, { "ab cd", 5, "ab cd" }, { "ab cd", 4, "ab|cd" }, { "ab cd ef", 5, "ab cd|ef" },
	{ "abcdef g", 3, "abcdef|g" }, { "a  b", 2, "a|b" }, { " a", 5, " a" },
	{ "\xe6\x97\xa5 \xe6\x9c\xac", 5, "\xe6\x97\xa5 \xe6\x9c\xac" }, { "\xe6\x97\xa5 \xe6\x9c\xac", 4, "\xe6\x97\xa5|\xe6\x9c\xac" },
};

START_TEST(test_wrap)
{
	const char *rest = wraps[_i].text;
	char got[100] = "";
	size_t used = 0;

	do {
		const char *line = rest;
		size_t length = wrap_line(&rest, wraps[_i].width);

		used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%.*s", used > 0 ? "|" : "", (int)length, line);
	} while (*rest != '\0');
	ck_assert_str_eq(got, wraps[_i].lines);
}
END_TEST

#define DAY INT64_C(86400)

static const struct {
	int64_t left;           /* seconds */
	long long days;
	const char *text, *table;
} ages[] = {
	{ 30 * DAY, 30, "in 30 days", "30" }, { 30 * DAY - 1, 29, "in 29 days", "29" }, { 2 * DAY - 1, 1, "in 1 day", "1" },
	{ DAY - 1, 0, "in less than a day", "0" }, { 0, 0, "in less than a day", "0" },
	{ -1, 0, "less than a day ago", "expired" }, { -DAY + 1, 0, "less than a day ago", "expired" },
	{ -DAY, -1, "1 day ago", "-1" }, { -2 * DAY + 1, -1, "1 day ago", "-1" }, { -30 * DAY - 1, -30, "30 days ago", "-30" },
};

/* Towards zero, on both sides of it. */
START_TEST(test_age)
{
	static const struct report_column column[] = { { "v", "V", false } };
	char text[AGE_SIZE], want[100], *got = NULL;
	size_t size;

	ck_assert_int_eq(age_days(ages[_i].left), ages[_i].days);
	ck_assert_str_eq(age_text(ages[_i].left, text), ages[_i].text);
	for (int json = 0; json < 2; json++) {
		FILE *out = open_memstream(&got, &size);
		struct report *r = report_new(out, json, column, 1);

		report_days_left(r, ages[_i].left);
		report_row_end(r);
		ck_assert_int_eq(report_finish(r, NULL), 0);
		fclose(out);
		if (json)
			snprintf(want, sizeof(want), "[\n{\"v\": %lld}\n]\n", ages[_i].days);
		else
			snprintf(want, sizeof(want), "V\n%s\n", ages[_i].table);
		ck_assert_str_eq(got, want);
		free(got);
	}
}
END_TEST

/* What stands for no rows, in a table alone. */
START_TEST(test_empty)
{
	static const struct { bool json, row; const char *want; } cases[] = {
		{ false, false, "No name matches \\x1b[1m.\n" }, { true, false, "[]\n" },
		{ false, true, "Name   Number  Note\nx           1  -\n" },
	};
	size_t size = 0;
	char *got = NULL;
	FILE *out = open_memstream(&got, &size);
	struct report *r = report_new(out, cases[_i].json, columns, COLUMNS);

	report_empty(r, "No name matches %s.", "\033[1m");
	if (cases[_i].row)
		row(r, "x", 1, NULL);
	ck_assert_int_eq(report_finish(r, NULL), 0);
	fclose(out);
	if (cases[_i].row)
		ck_assert_ptr_null(strstr(got, "No name"));
	else
		ck_assert_str_eq(got, cases[_i].want);
	free(got);
}
END_TEST

START_TEST(test_no_memory)
{
	struct snicert_error err = { 0 };

	report_single(NULL);
	row(NULL, "name", 1, NULL);
	report_flag(NULL, true);
	report_time(NULL, 0);
	report_list(NULL, items, 2);
	ck_assert_int_eq(report_finish(NULL, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EMEMORY);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("report");
	TCase *tc = tcase_create("report");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_layout, 0, (int)(sizeof(layouts) / sizeof(layouts[0])));
	tcase_add_loop_test(tc, test_value, 0, (int)(sizeof(values) / sizeof(values[0])));
	tcase_add_test(tc, test_stream);
	tcase_add_loop_test(tc, test_full, 0, 4);
	tcase_add_loop_test(tc, test_empty, 0, 3);
	tcase_add_loop_test(tc, test_screen, 0, (int)(sizeof(screens) / sizeof(screens[0])));
	tcase_add_test(tc, test_columns);
	tcase_add_loop_test(tc, test_age, 0, (int)(sizeof(ages) / sizeof(ages[0])));
	tcase_add_loop_test(tc, test_wrap, 0, (int)(sizeof(wraps) / sizeof(wraps[0])));
	tcase_add_test(tc, test_no_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
