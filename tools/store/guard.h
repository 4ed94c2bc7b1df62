/* SPDX-License-Identifier: ISC */
/* guard.h: owners and modes of the files that belong to the store. */
#ifndef SNICERT_GUARD_H
#define SNICERT_GUARD_H

#include "snicert.h"

struct tool;

/**
 * Told of a file that others could change; err->text ends in the mend, behind
 * the last colon, and may be changed.
 */
typedef void guard_fn(void *arg, const char *what, struct snicert_error *err);

/** Judge the files beside the store and its folder.  (admin_open judges the store itself.) */
void guard_files(const char *store, guard_fn *, void *arg);

/** The store key: fine, not (*err says why), or not for this user to see. */
enum guard_key { GUARD_KEY_FINE, GUARD_KEY_WRONG, GUARD_KEY_UNSEEN };
enum guard_key guard_key(struct tool *, struct snicert_error *err);

/** Cut the mend off err->text; NULL: it has none. */
const char *guard_mend(struct snicert_error *err);

#endif
