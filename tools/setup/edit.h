/* SPDX-License-Identifier: ISC */
/* edit.h: small changes to configuration files, each whole or not at all. */
#ifndef SNICERT_EDIT_H
#define SNICERT_EDIT_H

#include <limits.h>
#include <stdbool.h>

#include "snicert.h"

/**
 * Which file a path is.  A link is followed within its own directory only:
 * elsewhere the file is another program's.  Returns 0, or -1 with *err saying where it leads.
 */
int edit_real(const char *path, char real[PATH_MAX], struct snicert_error *err);

/** A file's text, NULL where there is none; the caller frees it. */
int edit_read(const char *path, char **text, struct snicert_error *err);

/**
 * Put a text in a file's place at once; NULL removes it.  Owner, mode and access
 * list stay; a new file is for all to read, and directories are made for it.
 */
int edit_write(const char *path, const char *text, struct snicert_error *err);

/** `before` (NULL: nothing) with lines at its end or its beginning; the caller frees it. */
char *edit_add(const char *before, const char *lines, bool at_end);

/** `text` without what made `after` of `before`; NULL where that isn't in it exactly once. */
char *edit_without(const char *text, const char *before, const char *after);

/** Whether lines that made `after` of `before` are in `text`. */
bool edit_has(const char *text, const char *before, const char *after);

/** The lines that differ, on standard output. */
void edit_show(const char *path, const char *before, const char *after);

#endif
