/* SPDX-License-Identifier: ISC */
/* assemble.h: from a bag of keys and certificates to chains ready for the store. */
#ifndef SNICERT_ASSEMBLE_H
#define SNICERT_ASSEMBLE_H

#include <stddef.h>

#include <openssl/x509.h>

#include "intake/bag.h"
#include "intake/candidate.h"
#include "snicert.h"
#include "x509/path.h"

/**
 * Make a candidate for every key in the bag.
 *
 * Issuers come from the bag and from `find` (may be NULL), as in path.h; drops the root unless
 * `keep_root`.  A key without a leaf, a leaf without a key and a chain that doesn't link are
 * errors; leftovers are warnings of the bag.  Of several leaves for one key, takes the newest.
 * Returns 0 with *out and *count set (free with candidate_free_all), or -1 with *err set and
 * nothing to free.
 */
int assemble(struct bag *, path_find *find, void *arg, bool keep_root, struct candidate **out,
    size_t *count, struct snicert_error *err);

#endif
