/* SPDX-License-Identifier: ISC */
/* keyfile.h: writing the store key file; its form is in seal.h. */
#ifndef SNICERT_KEYFILE_H
#define SNICERT_KEYFILE_H

#include <sys/types.h>

#include "seal.h"
#include "snicert.h"

/** Write a new random key to a new file; `group` (gid_t)-1: owner only. */
int keyfile_create(const char *path, gid_t group, struct snicert_error *err);

/**
 * Append a new random key to the file; `seal` gets it too, and seals with it from now on.  If
 * nothing gets sealed under it, truncate the file to *former with keyfile_cut.
 */
int keyfile_append(const char *path, struct seal *seal, off_t *former, struct snicert_error *err);
void keyfile_cut(const char *path, off_t former);

/**
 * Add a new random key that does not seal yet: before the last, which goes on sealing.  The file has one
 * key.
 */
int keyfile_add(const char *path, struct seal *seal, struct snicert_error *err);

/**
 * Seal from now on with another key of the file, by id; `seal` does, too.  If nothing gets sealed under it,
 * truncate the file to *former with keyfile_cut.
 */
int keyfile_prefer(const char *path, struct seal *seal, const unsigned char *id, off_t *former,
    struct snicert_error *err);

/** Leave only the key that `seal` seals with in the file. */
int keyfile_settle(const char *path, const struct seal *seal, struct snicert_error *err);

#endif
