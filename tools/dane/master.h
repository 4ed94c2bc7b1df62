/* SPDX-License-Identifier: ISC */
/*
 * master.h: the records of a master file (RFC 1035 section 5), as words: parentheses,
 * comments, quotes, escapes, $ORIGIN, $TTL, $INCLUDE, owners left out.  What dig, host and
 * nsupdate print or read is such a file too, or near enough.
 *
 * A library (libldns) would read the first of these alone, and no $INCLUDE.
 */
#ifndef SNICERT_MASTER_H
#define SNICERT_MASTER_H

#include <stddef.h>

#include "snicert.h"

struct master_record {
	const char *path;
	unsigned line;                  /* where it begins */
	const char *owner;              /* as it is compared; NULL: there was none yet */
	const char *origin;             /* of relative names; NULL: unknown */
	char **words;                   /* the owner's included, where it is said */
	size_t count, at;               /* at: after the owner */
};

typedef int master_record_fn(void *arg, struct master_record *, struct snicert_error *err);

/** Each record of a file ("-": the standard input) and of those that it includes.  -1 ends it. */
int master_read(const char *path, master_record_fn *, void *arg, struct snicert_error *err);

/** A name as it is compared: absolute, lower case, without the last dot; free() it.  NULL without memory. */
char *master_absolute(const char *word, const char *origin);

#endif
