/* SPDX-License-Identifier: ISC */
/* lineage.h: where renewals of a chain come from: the directory or the group of files that its leaf lay in. */
#ifndef SNICERT_LINEAGE_H
#define SNICERT_LINEAGE_H

#include <stdbool.h>

/** The longest lineage, with its end. */
#define LINEAGE_SIZE 4352

/**
 * The lineage of what was found at `origin` ("path" or "path:line"): its directory where a
 * directory is a chain's own (certbot's live/NAME), else the directory, a slash and the stem
 * of the file's name.  Whole paths, so that it is the same however it is asked for.
 * False for what has no place of its own: standard input, pipes, files in a directory that
 * everybody may write to (/tmp).
 */
bool lineage_of(const char *origin, char out[LINEAGE_SIZE]);

#endif
