/* SPDX-License-Identifier: ISC */
/* unserved.h: certificates in a directory that came after those that are served, and did not get into the store. */
#ifndef SNICERT_UNSERVED_H
#define SNICERT_UNSERVED_H

#include <stdint.h>

#include "snicert.h"
#include "store/admin.h"

/** A certificate that is newer than what the store has for `name`. */
struct unserved {
	const char *group;              /* the directory, or the directory, a slash and the files' stem */
	const char *name;               /* the first such, as the store has it */
	int64_t issued, served;         /* when it was issued, and what is served: Unix time */
};

struct unserved_calls {
	void (*each)(void *arg, const struct unserved *);
	void (*unread)(void *arg, const char *group, const struct snicert_error *why);
	void *arg;
};

/**
 * Read a directory as import does, and call `each` for a certificate that is valid
 * and in the store in no state, and one of whose names has only chains that were
 * issued earlier.  A name that the store lacks is none of its business.  `unread` is
 * called for files that can't be read.  Only certificates matter: a private key may be absent.
 * Returns 0, or -1 with *err set.
 */
int unserved_walk(struct admin *, const char *path, int64_t now, const struct unserved_calls *,
    struct snicert_error *err);

#endif
