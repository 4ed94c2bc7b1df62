/* SPDX-License-Identifier: ISC */
/* torn.h: whether the two halves of a private key belong together. */
#ifndef SNICERT_TORN_H
#define SNICERT_TORN_H

#include <stdbool.h>

#include <openssl/types.h>

/**
 * Whether what the key signs is not verified by its public half.  A key file has both, and the
 * private one can be damaged by itself, which no look at the public one shows.  Keys in
 * tokens are not tried.
 */
bool key_is_torn(EVP_PKEY *);

#endif
