/* SPDX-License-Identifier: ISC */
/*
 * master.h: the records of a master file (RFC 1035 section 5), as words: parentheses, comments,
 * quotes, escapes, $ORIGIN, $TTL, $INCLUDE, omitted owners.  What dig, host and nsupdate print or
 * read is such a file too, or nearly.
 *
 * A library (libldns) would read only the first of these, without $INCLUDE.
 */
#ifndef SNICERT_MASTER_H
#define SNICERT_MASTER_H

#include <stddef.h>

#include "snicert.h"

struct master_record {
	const char *path;
	unsigned line;                  /* where it begins */
	const char *owner;              /* normalised; NULL: none so far */
	const char *origin;             /* of relative names; NULL: unknown */
	char **words;                   /* including the owner, if given */
	size_t count, at;               /* at: after the owner */
};

typedef int master_record_fn(void *arg, struct master_record *, struct snicert_error *err);

/** Each record of a file ("-": standard input) and its includes.  -1 stops. */
int master_read(const char *path, master_record_fn *, void *arg, struct snicert_error *err);

/** A normalised name: absolute, lower case, no final dot; free() it.  NULL without memory. */
char *master_absolute(const char *word, const char *origin);

#endif
