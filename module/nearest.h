/* SPDX-License-Identifier: ISC */
/* nearest.h: what somebody meant who mistyped. */
#ifndef SNICERT_NEAREST_H
#define SNICERT_NEAREST_H

#include <stddef.h>

/** More than any distance that counts. */
#define NEAREST_FAR 3u

/**
 * How many letters two texts are apart: more, less, another, or two neighbours exchanged; NEAREST_FAR
 * where it is that or more.
 */
unsigned nearest_distance(const char *a, size_t a_length, const char *b, size_t b_length);

/** Keep in *best whichever of it (NULL: none yet) and `candidate` is nearer to `text` and near enough. */
void nearest_offer(const char *text, const char *candidate, const char **best);

#endif
