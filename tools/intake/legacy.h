/* SPDX-License-Identifier: ISC */
/* legacy.h: algorithms that OpenSSL has in its legacy provider alone: RC2, DES. */
#ifndef SNICERT_LEGACY_H
#define SNICERT_LEGACY_H

#include <stdbool.h>

#include <openssl/types.h>

/** Whether the thread's last errors say that an algorithm is not there, and not that a passphrase is wrong. */
bool legacy_wanted(void);

/**
 * From here to legacy_leave(), what this thread decrypts it does in a library
 * context that has the legacy provider as well.  It is loaded the first time; no
 * key may be made meanwhile, for it would belong there.  *before is for
 * legacy_leave.  False without the provider: there is nothing to leave.
 */
bool legacy_enter(OSSL_LIB_CTX **before);
void legacy_leave(OSSL_LIB_CTX *before);

#endif
