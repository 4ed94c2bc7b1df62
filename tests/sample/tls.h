/* SPDX-License-Identifier: ISC */
/* tls.h: the server's SSL_CTX and its own certificates. */
#ifndef SAMPLE_TLS_H
#define SAMPLE_TLS_H

#include <openssl/ssl.h>

/** A context for server connections with no certificate yet; NULL with the reason on stderr. */
SSL_CTX *tls_context_new(void);

/**
 * Add a chain (PEM, leaf first) and its key, one per key type.
 * Returns 0, or -1 with the reason on stderr.
 */
int tls_add_certificate(SSL_CTX *, const char *cert_path, const char *key_path);

#endif
