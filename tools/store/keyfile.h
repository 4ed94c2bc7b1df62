/* SPDX-License-Identifier: ISC */
/* keyfile.h: writing the store key file, whose form seal.h tells. */
#ifndef SNICERT_KEYFILE_H
#define SNICERT_KEYFILE_H

#include <sys/types.h>

#include "seal.h"
#include "snicert.h"

/** Make a new random key in a new file; `group` (gid_t)-1: the owner only. */
int keyfile_create(const char *path, gid_t group, struct snicert_error *err);

/**
 * Write a new random key behind the file's; `seal` is given it too, and seals
 * with it from now on.  *former is the length to cut the file back to, with
 * keyfile_cut, should nothing have been sealed under the new key.
 */
int keyfile_append(const char *path, struct seal *seal, off_t *former, struct snicert_error *err);
void keyfile_cut(const char *path, off_t former);

/** Leave only the key that `seal` seals with in the file. */
int keyfile_settle(const char *path, const struct seal *seal, struct snicert_error *err);

#endif
