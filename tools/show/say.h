/* SPDX-License-Identifier: ISC */
/*
 * say.h: sentences for people.  Text in them may come from files, certificates and peers: we escape
 * what would move a terminal's cursor (text.h).
 */
#ifndef SNICERT_SAY_H
#define SNICERT_SAY_H

#include <stdarg.h>
#include <stdio.h>

/** A line on standard error, after "snicert: ". */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_list(const char *format, va_list) __attribute__((format(printf, 1, 0)));

/** Text on `out`, with newlines at the end of the format. */
void say_on(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
