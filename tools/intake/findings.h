/* SPDX-License-Identifier: ISC */
/* findings.h: a list of what is wrong, or worth knowing. */
#ifndef SNICERT_FINDINGS_H
#define SNICERT_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum finding_level { FINDING_WARN, FINDING_ERROR };

/** `code` is a stable word for programs, `text` a sentence that ends with the fix. */
struct finding {
	enum finding_level level;
	bool forcible;                /* a person may override it (--force) */
	const char *code;
	char text[500];
};

/** All zero is an empty list. */
struct findings {
	struct finding *list;
	size_t count;
};

/** Adds one, unless it has an equal one.  Lost without memory, but see `errors`. */
void findings_add(struct findings *, enum finding_level, bool forcible, const char *code,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
void findings_free(struct findings *);

#endif
