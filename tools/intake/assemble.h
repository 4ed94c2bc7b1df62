/* SPDX-License-Identifier: ISC */
/* assemble.h: from a bag of keys and certificates to chains ready for the store. */
#ifndef SNICERT_ASSEMBLE_H
#define SNICERT_ASSEMBLE_H

#include <stddef.h>

#include <openssl/x509.h>

#include "intake/bag.h"
#include "intake/candidate.h"
#include "snicert.h"

/**
 * The issuer of `cert` that the caller has elsewhere (the store), or NULL.  The
 * reference is the callee's gift; signature and names are checked here, so the
 * answer may be wrong.
 */
typedef X509 *find_issuer(void *arg, X509 *cert);

/**
 * Make a candidate of every key in the bag.
 *
 * Issuers come from the bag, then from `find` (may be NULL).  A key without leaf,
 * a leaf without key and a chain that doesn't link are errors; leftovers are
 * warnings of the bag.  Of several leaves for one key the newest is taken.
 * Returns 0 with *out and *count set (free with candidate_free_all), or -1 with
 * *err set and nothing to free.
 */
int assemble(struct bag *, find_issuer *find, void *arg, struct candidate **out, size_t *count,
    struct snicert_error *err);

#endif
