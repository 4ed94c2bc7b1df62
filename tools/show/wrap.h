/* SPDX-License-Identifier: ISC */
/* wrap.h: text within the width of a screen. */
#ifndef SNICERT_WRAP_H
#define SNICERT_WRAP_H

#include <stdio.h>

/** What help and pages keep within. */
#define WRAP_WIDTH 79

/**
 * Break `text` at blanks, within `width` columns and below column `indent`; `column` is where
 * the cursor is.  Ends the line.
 */
void wrap_put(FILE *out, const char *text, size_t column, size_t indent, size_t width);

/**
 * The next line of `*text` within `width` columns, broken at blanks: its octets.  `*text` moves to
 * what follows.  A word that is wider has a line of its own, whole.
 */
size_t wrap_line(const char **text, size_t width);

/** Help as it stands in the code: a line that is too long goes on below where its text begins. */
void wrap_help(FILE *out, const char *help);

#endif
