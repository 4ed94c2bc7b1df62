/* SPDX-License-Identifier: ISC */
/* wrap.h: fits text to a screen's width. */
#ifndef SNICERT_WRAP_H
#define SNICERT_WRAP_H

#include <stdio.h>

/** The width of help and pages. */
#define WRAP_WIDTH 79

/**
 * Break `text` at spaces, within `width` columns and below column `indent`; the cursor is at
 * `column`.  Ends the line.
 */
void wrap_put(FILE *out, const char *text, size_t column, size_t indent, size_t width);

/**
 * The next line of `*text` within `width` columns, broken at spaces: its octets.  `*text` moves
 * past it.  A wider word gets its own line, unbroken.
 */
size_t wrap_line(const char **text, size_t width);

/** Help text from the code: long lines continue below where their text starts. */
void wrap_help(FILE *out, const char *help);

#endif
