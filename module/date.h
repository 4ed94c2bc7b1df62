/* SPDX-License-Identifier: ISC */
/*
 * date.h: Unix times as dates in UTC, of the years 0 to 9999.  Certificates have
 * such dates where the library's time_t, of 32 bits, ends in 2038; and what
 * OpenSSL takes as a time_t is of the size that it was compiled with, so that
 * ours can't be made another one.
 */
#ifndef SNICERT_DATE_H
#define SNICERT_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** Years, months, days, hours, minutes and seconds of `out` are set; the rest is 0.  False: a year beyond. */
bool date_split(int64_t unix_time, struct tm *out);

/** Back again, from the same members. */
int64_t date_join(const struct tm *);

/** As strftime with what date_split sets; "?" for a year beyond. */
void date_print(char *out, size_t size, const char *format, int64_t unix_time) __attribute__((format(strftime, 3, 0)));

#endif
