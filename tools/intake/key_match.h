/* SPDX-License-Identifier: ISC */
/* key_match.h: a digest that matches a key to its certificate. */
#ifndef SNICERT_KEY_MATCH_H
#define SNICERT_KEY_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/** -1: no public half, or not a type that TLS uses. */
int key_match(const EVP_PKEY *, unsigned char out[32]);

/** For a certificate's key; if unreadable, `out` doesn't change, and matches none. */
void key_match_cert(const X509 *, unsigned char out[32]);

#endif
