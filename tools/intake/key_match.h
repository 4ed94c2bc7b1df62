/* SPDX-License-Identifier: ISC */
/* key_match.h: a digest by which a key and its certificate find each other. */
#ifndef SNICERT_KEY_MATCH_H
#define SNICERT_KEY_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/** -1: it has no public half, or is of no type that TLS uses. */
int key_match(const EVP_PKEY *, unsigned char out[32]);

/** Of a certificate's key; `out` stays as it is where it can't be read, and matches none. */
void key_match_cert(const X509 *, unsigned char out[32]);

#endif
