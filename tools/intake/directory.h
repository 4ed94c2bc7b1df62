/* SPDX-License-Identifier: ISC */
/* directory.h: which files of a directory belong together. */
#ifndef SNICERT_DIRECTORY_H
#define SNICERT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

/** Called for a group of files; anything but 0 stops the walk. */
typedef int directory_group(void *arg, const char *group, const char *const *files, size_t count);

/**
 * Walk a directory, sorted, and call `each` with the files that belong together,
 * so that a bag filled with one group holds whole chains.
 *
 * Knows the trees of certbot, dehydrated, acme.sh and lego, HAProxy's crt
 * directories, and flat directories (NAME.key with NAME.crt, .cer, .cert or
 * .pem).  Symbolic links to files are followed, those to directories are not.
 * What only its suffix says to be something else (.csr, .ocsp, .json …) is left
 * out, as are account keys, old versions and DH parameters.  `group` is the
 * directory, or the directory, a slash and the files' common stem.
 * Returns 0, what `each` returned if not 0, or -1 with *err set (a directory that
 * can't be read, or that has no candidate at all).
 */
int directory_walk(const char *path, directory_group *each, void *arg, struct snicert_error *err);

/** What is told apart by in a file's name (caller frees), and whether a file of it is its directory's own. */
char *directory_stem(const char *name, bool *own);

/** Called for a folder that is searched too; anything but 0 ends the reading. */
typedef int directory_inner(void *arg, const char *path);

/**
 * One folder by itself, given without a slash at its end: `inner` for each of the
 * folders in it that directory_walk would go into, by name in order, then `each`
 * for its groups, by label in order.  No candidate is no error here.
 */
int directory_read(const char *path, directory_inner *inner, directory_group *each, void *arg,
    struct snicert_error *err);

#endif
