/* SPDX-License-Identifier: ISC */
/* edit.h: small changes to configuration files, each whole or not at all. */
#ifndef SNICERT_EDIT_H
#define SNICERT_EDIT_H

#include <limits.h>
#include <stdbool.h>

#include "snicert.h"

/**
 * The real file of a path.  Follows a link only within its own directory: elsewhere the file is
 * another program's.  Returns 0, or -1 with *err saying where it leads.
 */
int edit_real(const char *path, char real[PATH_MAX], struct snicert_error *err);

/** A file's text, NULL if none; the caller frees it. */
int edit_read(const char *path, char **text, struct snicert_error *err);

/**
 * Replace a file's text atomically; NULL removes the file.  Keeps owner, mode and access list;
 * makes a new file world-readable, and its directories.
 */
int edit_write(const char *path, const char *text, struct snicert_error *err);

/** `before` (NULL: nothing) with lines added at its end or start; the caller frees it. */
char *edit_add(const char *before, const char *lines, bool at_end);

/** `text` without what `after` adds to `before`; NULL unless it is there exactly once. */
char *edit_without(const char *text, const char *before, const char *after);

/** Whether `text` has what `after` adds to `before`. */
bool edit_has(const char *text, const char *before, const char *after);

/** Print the differing lines. */
void edit_show(const char *path, const char *before, const char *after);

#endif
