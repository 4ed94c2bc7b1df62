/* SPDX-License-Identifier: ISC */
/* ahead.h: a thread reads a directory's bags while its caller works on earlier ones. */
#ifndef SNICERT_AHEAD_H
#define SNICERT_AHEAD_H

#include <stdbool.h>

#include "intake/bag.h"
#include "intake/directory.h"

/**
 * Called for a group of files, in the caller's thread; `bag` is borrowed.  If the files couldn't be
 * read, *why is set, and the bag (NULL without memory, or for an unreadable directory) is
 * incomplete.  `alone`: the other half of its contents is missing.  Anything but 0 stops the walk.
 */
typedef int ahead_take(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why);

/**
 * directory_walk_all(), with bags instead of files: first those complete by their names, one by one
 * and in its order, then what halves.h makes of the rest.  Skips files with neither key nor
 * certificate.  The other thread asks `source`.  Returns what directory_walk does.
 */
int ahead_walk(const char *path, const struct passphrase_source *source, ahead_take *take, void *arg,
    struct snicert_error *err);

#endif
