/* SPDX-License-Identifier: ISC */
/* permissions.h: owners and modes of the store's files. */
#ifndef SNICERT_PERMISSIONS_H
#define SNICERT_PERMISSIONS_H

#include "snicert.h"

struct tool;

/**
 * Called for a file that others could change; err->text ends in the fix, after the last
 * colon, and may change.
 */
typedef void permissions_fn(void *arg, const char *what, struct snicert_error *err);

/** Judge the files beside the store and its directory.  (admin_open judges the store.) */
void permissions_files(const char *store, permissions_fn *, void *arg);

/** The store key: fine, wrong (*err says why), or this user can't see it. */
enum permissions_key { PERMISSIONS_KEY_FINE, PERMISSIONS_KEY_WRONG, PERMISSIONS_KEY_UNSEEN };
enum permissions_key permissions_key(struct tool *, struct snicert_error *err);

/** Cut the fix off err->text; NULL: it has none. */
const char *permissions_fix(struct snicert_error *err);

#endif
