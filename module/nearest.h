/* SPDX-License-Identifier: ISC */
/* nearest.h: suggests what was meant. */
#ifndef SNICERT_NEAREST_H
#define SNICERT_NEAREST_H

#include <stddef.h>

/** More than any distance that counts. */
#define NEAREST_FAR 3u

/**
 * How many edits apart two texts are: add, remove or change a letter, or swap two neighbours;
 * NEAREST_FAR if that many or more.
 */
unsigned nearest_distance(const char *a, size_t a_length, const char *b, size_t b_length);

/** Keep in *best whichever of it (NULL: none yet) and `candidate` is nearer to `text`, if near
 * enough. */
void nearest_offer(const char *text, const char *candidate, const char **best);

#endif
