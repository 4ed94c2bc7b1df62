/* SPDX-License-Identifier: ISC */
/* keyuri.h: keys that are elsewhere (file:, pkcs11:), by the host's providers. */
#ifndef SNICERT_KEYURI_H
#define SNICERT_KEYURI_H

#include <openssl/evp.h>

/** The private key at a URI, with no PIN prompt; NULL leaves OpenSSL's reason in its queue. */
EVP_PKEY *keyuri_open(const char *uri);

#endif
