/* SPDX-License-Identifier: ISC */
/* parse.h: keys and certificates from DER, as fast as OpenSSL allows. */
#ifndef SNICERT_PARSE_H
#define SNICERT_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/**
 * The certificate at the start of `der`, or NULL; the caller frees it.  Returns the same object for
 * a CA's certificate parsed before: `digest`, the SHA-256 of what holds `der`, tells them apart.
 */
X509 *parse_cert(const unsigned char *der, size_t length, const unsigned char digest[32]);

/**
 * The private key of a PEM block with this label ("" for DER without one), or NULL; the caller
 * frees it.  *storable (may be NULL): whether `der` is a PrivateKeyInfo with all that the library
 * would put into it.
 */
EVP_PKEY *parse_key(const char *label, const unsigned char *der, size_t length, bool *storable);

#endif
