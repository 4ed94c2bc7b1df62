/* SPDX-License-Identifier: ISC */
/* legacy.h: algorithms only in OpenSSL's legacy provider: RC2, DES. */
#ifndef SNICERT_LEGACY_H
#define SNICERT_LEGACY_H

#include <stdbool.h>

#include <openssl/types.h>

/** Whether the thread's last errors say that an algorithm is missing, not that a passphrase is wrong. */
bool legacy_wanted(void);

/**
 * Until legacy_leave(), this thread decrypts in a library context that also has the legacy
 * provider.  The first call loads it; make no keys meanwhile: they would belong to it.  *before is
 * for legacy_leave.  False without the provider: there is nothing to leave.
 */
bool legacy_enter(OSSL_LIB_CTX **before);
void legacy_leave(OSSL_LIB_CTX *before);

#endif
