/* SPDX-License-Identifier: ISC */
/* lineage.h: where a chain's renewals come from: the directory or group of files of its leaf. */
#ifndef SNICERT_LINEAGE_H
#define SNICERT_LINEAGE_H

#include <stdbool.h>

/** The longest lineage, with its end. */
#define LINEAGE_SIZE 4352

/**
 * The lineage of what was found at `origin` ("path" or "path:line"): its directory if it is for one
 * chain (certbot's live/NAME), else the directory, a slash and the stem of the file's name.  Full
 * paths: `out` as it was named, maybe through a link that leads elsewhere with each renewal;
 * `resolved` with links followed, mostly the same.  False without a place of its own: standard
 * input, pipes, files in a world-writable directory (/tmp).
 */
bool lineage_of(const char *origin, char out[LINEAGE_SIZE], char resolved[LINEAGE_SIZE]);

/** How many twins are looked for: a lineage and NAME-0001 to NAME-0009. */
#define LINEAGE_TWINS 10

/**
 * certbot has live/NAME-0001 beside live/NAME where the names changed: the i-th of such twins, or
 * false if it isn't certbot's.
 */
bool lineage_twin(const char *lineage, int i, char out[LINEAGE_SIZE]);

/** Whether two lineages are such twins. */
bool lineage_are_twins(const char *a, const char *b);

#endif
