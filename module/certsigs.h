/* SPDX-License-Identifier: ISC */
/*
 * certsigs.h: which signatures a client takes on certificates, where it says so
 * (signature_algorithms_cert, RFC 8446 section 4.2.3).
 */
#ifndef SNICERT_CERTSIGS_H
#define SNICERT_CERTSIGS_H

#include <stdbool.h>

#include <openssl/ssl.h>

/** What signed a certificate, as one bit of a set; 0 for what is not known here. */
unsigned certsigs_of(X509 *);

/**
 * Keep what the ClientHello says.  Called for each ClientHello: from the ClientHello
 * callback, where the list can be read, or from the servername callback, which sees no more
 * than that there is one.
 */
void certsigs_note(SSL *);

/**
 * Whether the client takes a leaf that bears such a signature: always, where it did not
 * say which it takes.  For TLS 1.2 and later; before, the extension has no meaning.
 */
bool certsigs_taken(SSL *, X509 *leaf, EVP_PKEY *key, unsigned signature);

#endif
