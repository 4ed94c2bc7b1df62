/* SPDX-License-Identifier: ISC */
/* unserved.h: certificates in a directory that are newer than those served, but aren't in the store. */
#ifndef SNICERT_UNSERVED_H
#define SNICERT_UNSERVED_H

#include <stdint.h>

#include "snicert.h"
#include "store/admin.h"

/** A certificate newer than the store's for `name`. */
struct unserved {
	const char *group;              /* the directory, or the directory, a slash and the files' stem */
	const char *name;               /* the first such, as in the store */
	int64_t issued, served;         /* when it was issued, and the served one: Unix time */
};

struct unserved_calls {
	void (*each)(void *arg, const struct unserved *);
	void (*unread)(void *arg, const char *group, const struct snicert_error *why);
	void *arg;
};

/**
 * Read a directory as import does, and call `each` for a valid certificate that isn't in the store
 * in any state, and one of whose names has only chains issued earlier.  Ignores names that the
 * store lacks.  Calls `unread` for unreadable files.  Only certificates matter: a private key may
 * be absent.  Returns 0, or -1 with *err set.
 */
int unserved_walk(struct admin *, const char *path, int64_t now, const struct unserved_calls *,
    struct snicert_error *err);

#endif
