/* SPDX-License-Identifier: ISC */
/* paint.h: colour, on a terminal only, and never against the user's wish (NO_COLOR). */
#ifndef SNICERT_PAINT_H
#define SNICERT_PAINT_H

#include <stdio.h>

/** What a word means.  The word itself always says so too. */
enum paint { PAINT_NONE, PAINT_HEAD, PAINT_GOOD, PAINT_WARNING, PAINT_BAD };

/** What begins and ends such a word on `out`: "" where there is to be no colour. */
const char *paint_on(FILE *out, enum paint);
const char *paint_off(FILE *out, enum paint);

/** What a word that commands answer with means: "error", "warning", "expired" … */
enum paint paint_of(const char *word);

#endif
