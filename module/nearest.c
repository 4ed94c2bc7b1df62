/* SPDX-License-Identifier: ISC */
/*
 * nearest.c: suggestions for mistyped input.  For words, options and names alike: compares letters,
 * not meanings.
 */
#include <string.h>

#include "nearest.h"

#define WORD_MOST 40            /* nobody types longer words */

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* For texts whose first and last letters differ: rows of Damerau and Levenshtein's table. */
static unsigned
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][WORD_MOST + 1];

	for (size_t k = 0; k <= b_length; k++)
		rows[0][k] = (unsigned)k;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b_length; k++) {
			row[k] = least(above[k - 1] + (a[i - 1] != b[k - 1]), least(above[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				row[k] = least(row[k], two_above[k - 2] + 1);
		}
	}
	return least(rows[a_length % 3][b_length], NEAREST_FAR);
}

unsigned
nearest_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	while (a_length > 0 && b_length > 0 && *a == *b)
		a++, b++, a_length--, b_length--;
	while (a_length > 0 && b_length > 0 && a[a_length - 1] == b[b_length - 1])
		a_length--, b_length--;
	if (a_length + NEAREST_FAR <= b_length || b_length + NEAREST_FAR <= a_length || a_length > WORD_MOST ||
	    b_length > WORD_MOST)
		return NEAREST_FAR;
	return distance(a, a_length, b, b_length);
}

/* Short words are near too many others. */
static unsigned
most_apart(size_t length)
{
	return length < 3 ? 0 : length < 5 ? 1 : 2;
}

void
nearest_offer(const char *text, const char *candidate, const char **best)
{
	size_t length = strlen(text), other = strlen(candidate);
	unsigned now = nearest_distance(text, length, candidate, other);

	if (now > most_apart(length < other ? length : other))
		return;
	if (*best == NULL || now < nearest_distance(text, length, *best, strlen(*best)))
		*best = candidate;
}
