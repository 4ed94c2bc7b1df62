/* SPDX-License-Identifier: ISC */
/*
 * date.h: Unix times as dates in UTC, of the years 0 to 9999.  Certificates have such dates where
 * the library's 32-bit time_t ends in 2038; and OpenSSL's time_t has the size it was compiled with,
 * so ours can't differ.
 */
#ifndef SNICERT_DATE_H
#define SNICERT_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** Sets years, months, days, hours, minutes and seconds of `out`; the rest is 0.  False: out of
 * range. */
bool date_split(int64_t unix_time, struct tm *out);

/** Back, from the same members. */
int64_t date_join(const struct tm *);

/** Like strftime with what date_split sets; "?" if out of range. */
void date_print(char *out, size_t size, const char *format, int64_t unix_time) __attribute__((format(strftime, 3, 0)));

#endif
