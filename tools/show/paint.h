/* SPDX-License-Identifier: ISC */
/* paint.h: colour, only on a terminal, and never against the user's wish (NO_COLOR). */
#ifndef SNICERT_PAINT_H
#define SNICERT_PAINT_H

#include <stdio.h>

/** What a word means.  The word always says so, too. */
enum paint { PAINT_NONE, PAINT_HEAD, PAINT_GOOD, PAINT_WARNING, PAINT_BAD };

/** What starts and ends such a word on `out`: "" without colour. */
const char *paint_on(FILE *out, enum paint);
const char *paint_off(FILE *out, enum paint);

/** The meaning of a word in a command's answer: "error", "warning", "expired" … */
enum paint paint_of(const char *word);

#endif
