/* SPDX-License-Identifier: ISC */
/* test_date.c: the calendar, on both sides of what 32 bits of time_t hold. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "date.h"

static const struct {
	int64_t unix_time;
	const char *want;
} dates[] = {
	{ 0, "1970-01-01 00:00:00" },
	{ -1, "1969-12-31 23:59:59" },
	{ 951782399, "2000-02-28 23:59:59" },
	{ 951782400, "2000-02-29 00:00:00" },
	{ 951868800, "2000-03-01 00:00:00" },
	{ 2147483647, "2038-01-19 03:14:07" },
	{ 2147483648, "2038-01-19 03:14:08" },
	{ -2147483649, "1901-12-13 20:45:51" },
	{ 2524607999, "2049-12-31 23:59:59" }, /* the last UTCTime of a certificate */
	{ 2524608000, "2050-01-01 00:00:00" }, /* the first GeneralizedTime */
	{ 4107542399, "2100-02-28 23:59:59" },
	{ 4107542400, "2100-03-01 00:00:00" },
	{ 4294967296, "2106-02-07 06:28:16" },
	{ 253402300799, "9999-12-31 23:59:59" },
	{ 253402300800, NULL },
	{ INT64_MAX, NULL },
	{ -2208988801, "1899-12-31 23:59:59" },
	{ -62135596800, "1-01-01 00:00:00" },
	{ -62162121601, "0-02-28 23:59:59" },
	{ -62162121600, "0-02-29 00:00:00" },
	{ -62167219200, "0-01-01 00:00:00" },
	{ -62167219201, NULL },
	{ INT64_MIN, NULL },
};

START_TEST(test_known)
{
	const char *want = dates[_i].want;
	char got[40];
	struct tm tm;

	ck_assert_int_eq(date_split(dates[_i].unix_time, &tm), want != NULL);
	date_print(got, sizeof(got), "%Y-%m-%d %H:%M:%S", dates[_i].unix_time);
	ck_assert_msg(strcmp(got, want == NULL ? "?" : want) == 0, "%lld: got %s, want %s",
	    (long long)dates[_i].unix_time, got, want == NULL ? "?" : want);
	if (want != NULL)
		ck_assert_int_eq(date_join(&tm), dates[_i].unix_time);
}
END_TEST

/* Each day there is follows the one before, by the rules of school. */
START_TEST(test_each_day)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t at = -62167219200 + 86399;
	struct tm tm;

	for (int year = 0; year <= 9999; year++) {
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

		for (int month = 0; month < 12; month++)
			for (int day = 1; day <= days[month] + (leap && month == 1 ? 1 : 0); day++, at += 86400)
				if (!date_split(at, &tm) || tm.tm_year != year - 1900 || tm.tm_mon != month ||
				    tm.tm_mday != day || tm.tm_hour != 23 || tm.tm_min != 59 || tm.tm_sec != 59 ||
				    date_join(&tm) != at)
					ck_abort_msg("%lld: got %d-%d-%d %d:%d:%d, want %d-%d-%d 23:59:59", (long long)at,
					    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
					    tm.tm_sec, year, month + 1, day);
	}
	ck_assert_int_eq(at, 253402300799 + 86400);
}
END_TEST

START_TEST(test_no_room)
{
	char got[8] = "";

	date_print(got, sizeof(got), "%Y-%m-%d", 0);
	ck_assert_str_eq(got, "?");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("date");
	TCase *tc = tcase_create("date");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_known, 0, (int)(sizeof(dates) / sizeof(dates[0])));
	tcase_add_test(tc, test_each_day);
	tcase_add_test(tc, test_no_room);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
