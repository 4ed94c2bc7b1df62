/* SPDX-License-Identifier: ISC */
/* directory.h: which files of a directory belong together. */
#ifndef SNICERT_DIRECTORY_H
#define SNICERT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

/** Called for a group of files; anything but 0 stops the walk. */
typedef int directory_group(void *arg, const char *group, const char *const *files, size_t count);

/** Called for a directory below that can't be read; anything but 0 stops the walk. */
typedef int directory_unread(void *arg, const char *path, const struct snicert_error *why);

/** Who is called; `others` and `unread` may be NULL. */
struct directory_calls {
	directory_group *each;
	directory_group *others;      /* a file that its name says nothing of, alone, as its own group */
	directory_unread *unread;     /* NULL: that ends the walk */
	void *arg;
};

/**
 * Walk a directory, sorted, and call `each` with the files that belong together by
 * their names, so that a bag filled with one group holds whole chains.
 *
 * Knows the trees of certbot, dehydrated, acme.sh and lego, HAProxy's crt
 * directories, and flat directories (NAME.key with NAME.crt, .cer, .cert or
 * .pem).  Symbolic links are followed, to each directory once.
 * What only its suffix says to be something else (.csr, .ocsp …) is left
 * out, as are account keys, old versions, copies and DH parameters.  `group` is the
 * directory, or the directory, a slash and the files' common stem.  What lies
 * apart under names that don't say so is for halves.h to bring together.
 * Returns 0, what a call returned if not 0, or -1 with *err set (a directory that
 * can't be read, or that has no candidate at all).
 */
int directory_walk(const char *path, directory_group *each, void *arg, struct snicert_error *err);
int directory_walk_all(const char *path, const struct directory_calls *, struct snicert_error *err);

/** What is told apart by in a file's name (caller frees), and whether a file of it is its directory's own. */
char *directory_stem(const char *name, bool *own);

/** Called for a directory that is searched too; anything but 0 ends the reading. */
typedef int directory_inner(void *arg, const char *path);

/**
 * One directory by itself, given without a slash at its end: `inner` for each of the
 * directories in it that directory_walk would go into, links to directories too, by name in order, then `each`
 * for its groups, by label in order, then `others`, by name in order.  No candidate is no
 * error here; `unread` isn't called.
 */
int directory_read(const char *path, directory_inner *inner, const struct directory_calls *,
    struct snicert_error *err);

#endif
