/* SPDX-License-Identifier: ISC */
/*
 * say.h: sentences for people.  What is in them may come from files, certificates and peers: whatever
 * would move a terminal's cursor comes out escaped (text.h).
 */
#ifndef SNICERT_SAY_H
#define SNICERT_SAY_H

#include <stdarg.h>
#include <stdio.h>

/** A line on standard error, "snicert: " in front. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_list(const char *format, va_list) __attribute__((format(printf, 1, 0)));

/** Text on `out`; newlines at the end of the format stay. */
void say_on(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
