/* SPDX-License-Identifier: ISC */
/*
 * certsigs.h: which certificate signatures a client accepts, if it says so
 * (signature_algorithms_cert, RFC 8446 section 4.2.3).
 */
#ifndef SNICERT_CERTSIGS_H
#define SNICERT_CERTSIGS_H

#include <stdbool.h>

#include <openssl/ssl.h>

/** The signature on a certificate, as one bit of a set; 0 if unknown here. */
unsigned certsigs_of(X509 *);

/**
 * Record what the ClientHello says.  Call it for each ClientHello: from the ClientHello callback,
 * where the list can be read, or the servername callback, which sees only that there is one.
 */
void certsigs_note(SSL *);

/**
 * Whether the client accepts a leaf with such a signature: always, if it did not say which it
 * accepts.  For TLS 1.2 and later; before, the extension has no meaning.
 */
bool certsigs_taken(SSL *, X509 *leaf, EVP_PKEY *key, unsigned signature);

#endif
