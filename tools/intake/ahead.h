/* SPDX-License-Identifier: ISC */
/* ahead.h: a directory's bags, read by a thread while its caller works on those before. */
#ifndef SNICERT_AHEAD_H
#define SNICERT_AHEAD_H

#include <stdbool.h>

#include "intake/bag.h"
#include "intake/directory.h"

/**
 * Called for a group of files, in the thread of the caller; `bag` is borrowed.  Where
 * the files could not be read *why is set, and the bag (NULL without memory, or for a
 * directory that can't be read) holds a part.  `alone`: of what it holds, the other
 * half isn't there.  Anything but 0 stops the walk.
 */
typedef int ahead_take(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why);

/**
 * directory_walk_all(), with bags in place of files: first those that are whole by their
 * names, one by one and in its order, then what halves.h makes of the rest.  What has
 * neither key nor certificate is passed over.  `source` is asked by the other thread.
 * Returns what directory_walk does.
 */
int ahead_walk(const char *path, const struct passphrase_source *source, ahead_take *take, void *arg,
    struct snicert_error *err);

#endif
