/* SPDX-License-Identifier: ISC */
/* paint.c: colour.  Uses the terminal's own sixteen, so that its theme decides how they look. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "show/paint.h"

/* https://no-color.org: set and not empty.  A memory stream has no descriptor. */
static bool
wanted(FILE *out)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	int fd = fileno(out);

	return (none == NULL || none[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0 && fd >= 0 &&
	    isatty(fd) == 1;
}

const char *
paint_on(FILE *out, enum paint paint)
{
	static const char *const begin[] = { "", "\033[1m", "\033[32m", "\033[33m", "\033[1;31m" };

	return paint == PAINT_NONE || !wanted(out) ? "" : begin[paint];
}

const char *
paint_off(FILE *out, enum paint paint)
{
	return paint == PAINT_NONE || !wanted(out) ? "" : "\033[0m";
}

enum paint
paint_of(const char *word)
{
	static const struct {
		const char *word;
		enum paint paint;
	} known[] = {
		{ "error", PAINT_BAD }, { "wrong", PAINT_BAD }, { "different", PAINT_BAD }, { "expired", PAINT_BAD },
		{ "warning", PAINT_WARNING }, { "warn", PAINT_WARNING }, { "not in store", PAINT_WARNING },
		{ "ok", PAINT_GOOD }, { "same", PAINT_GOOD }, { "served", PAINT_GOOD },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(word, known[i].word) == 0)
			return known[i].paint;
	return PAINT_NONE;
}
