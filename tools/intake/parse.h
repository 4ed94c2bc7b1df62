/* SPDX-License-Identifier: ISC */
/* parse.h: keys and certificates from DER, as fast as OpenSSL can be made to. */
#ifndef SNICERT_PARSE_H
#define SNICERT_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/**
 * The certificate at the start of `der`, or NULL; the caller frees it.  Of a
 * CA's certificate that was parsed before the same object is had again: `digest` is
 * SHA-256 of what `der` is of, and tells them apart.
 */
X509 *parse_cert(const unsigned char *der, size_t length, const unsigned char digest[32]);

/**
 * The private key of a PEM block with this label ("" for DER without one), or
 * NULL; the caller frees it.  *storable (may be NULL): whether `der` is a
 * PrivateKeyInfo with all that the library would put into one of this key.
 */
EVP_PKEY *parse_key(const char *label, const unsigned char *der, size_t length, bool *storable);

#endif
