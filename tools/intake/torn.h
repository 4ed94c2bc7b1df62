/* SPDX-License-Identifier: ISC */
/* torn.h: whether a private key's two halves match. */
#ifndef SNICERT_TORN_H
#define SNICERT_TORN_H

#include <stdbool.h>

#include <openssl/types.h>

/**
 * Whether the public half fails to verify the key's signature.  A key file has both, and the
 * private one can be damaged alone, which the public one doesn't show.  Doesn't try keys in tokens.
 */
bool key_is_torn(EVP_PKEY *);

#endif
