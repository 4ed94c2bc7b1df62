/* SPDX-License-Identifier: ISC */
/* cert.h: what a certificate says, and whether it issued another. */
#ifndef SNICERT_CERT_H
#define SNICERT_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "name.h"

/** "RSA", "RSA-PSS", "EC", "ED25519", "ED448", or NULL if TLS servers can't use it. */
const char *key_type_name(const EVP_PKEY *);

/** A certificate's name in texts: its CN, else the whole subject, else a SAN. */
void cert_label(const X509 *, char *out, size_t size);

/** The same for its issuer. */
void cert_issuer_label(const X509 *, char *out, size_t size);

/** Whether the space-separated names of a certificate cover a name. */
bool cert_names_cover(const char *names, const struct name *key);

/** When a certificate begins or expires: Unix time, however far; 0: no date. */
int64_t cert_time(const ASN1_TIME *);

/** SHA-256 of a certificate, and of its SubjectPublicKeyInfo. */
int cert_digest(const X509 *cert, unsigned char out[32]);
int spki_digest(X509 *cert, unsigned char out[32]);

/** Whether `issuer` really issued `cert`: names, key usage and signature. */
bool cert_issued(X509 *issuer, X509 *cert);

/** Equal for names equal by RFC 5280 section 7.1, and few others; never negative. */
int64_t cert_name_hash(const X509_NAME *);

/** Whether its own key signed it. */
bool cert_is_self_signed(X509 *);

/** Whether it has begun and hasn't expired. */
bool cert_is_valid(const X509 *, time_t now);

#endif
