/* SPDX-License-Identifier: ISC */
/* directory.h: which files of a directory belong together. */
#ifndef SNICERT_DIRECTORY_H
#define SNICERT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

/** Called for a group of files; anything but 0 stops the walk. */
typedef int directory_group(void *arg, const char *group, const char *const *files, size_t count);

/** Called for an unreadable directory below; anything but 0 stops the walk. */
typedef int directory_unread(void *arg, const char *path, const struct snicert_error *why);

/** The callbacks; `others` and `unread` may be NULL. */
struct directory_calls {
	directory_group *each;
	directory_group *others;      /* a file whose name tells nothing, as its own group */
	directory_unread *unread;     /* NULL: stop the walk */
	void *arg;
};

/**
 * Walk a directory, sorted, and call `each` with the files that belong together by their names, so
 * that a bag filled with one group holds whole chains.
 *
 * Knows the trees of certbot, dehydrated, acme.sh and lego, HAProxy's crt directories, and flat
 * directories (NAME.key with NAME.crt, .cer, .cert or .pem).  Follows symbolic links, to each
 * directory once.  Skips files that are something else by their suffix alone (.csr, .ocsp …),
 * account keys, old versions, copies and DH parameters.  `group` is the directory, or the
 * directory, a slash and the files' common stem.  halves.h brings together files whose names don't
 * show that they belong together.  Returns 0, what a call returned if not 0, or -1 with *err set (an
 * unreadable directory, or one without any candidate).
 */
int directory_walk(const char *path, directory_group *each, void *arg, struct snicert_error *err);
int directory_walk_all(const char *path, const struct directory_calls *, struct snicert_error *err);

/** What tells groups apart in a file's name (caller frees), and whether it is the directory's own. */
char *directory_stem(const char *name, bool *own);

/** Called for a directory to search too; anything but 0 stops. */
typedef int directory_inner(void *arg, const char *path);

/**
 * One directory alone, given without a final slash: `inner` for each directory in it that
 * directory_walk would enter, including links to directories, by name in order, then `each` for its
 * groups, by label in order, then `others`, by name in order.  No candidate is not an error here;
 * never calls `unread`.
 */
int directory_read(const char *path, directory_inner *inner, const struct directory_calls *,
    struct snicert_error *err);

#endif
