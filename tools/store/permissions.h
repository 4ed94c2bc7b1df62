/* SPDX-License-Identifier: ISC */
/* permissions.h: owners and modes of the files that belong to the store. */
#ifndef SNICERT_PERMISSIONS_H
#define SNICERT_PERMISSIONS_H

#include "snicert.h"

struct tool;

/**
 * Told of a file that others could change; err->text ends in the fix, behind
 * the last colon, and may be changed.
 */
typedef void permissions_fn(void *arg, const char *what, struct snicert_error *err);

/** Judge the files beside the store and its directory.  (admin_open judges the store itself.) */
void permissions_files(const char *store, permissions_fn *, void *arg);

/** The store key: fine, not (*err says why), or not for this user to see. */
enum permissions_key { PERMISSIONS_KEY_FINE, PERMISSIONS_KEY_WRONG, PERMISSIONS_KEY_UNSEEN };
enum permissions_key permissions_key(struct tool *, struct snicert_error *err);

/** Cut the fix off err->text; NULL: it has none. */
const char *permissions_fix(struct snicert_error *err);

#endif
