/* SPDX-License-Identifier: ISC */
/* tlsa.h: the data of TLSA records (RFC 6698 section 2.1), from keys and certificates. */
#ifndef SNICERT_TLSA_H
#define SNICERT_TLSA_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "snicert.h"
#include "store.h"

/** The three numbers before a record's data. */
struct tlsa_kind {
	int usage;              /* 2 DANE-TA, 3 DANE-EE */
	int selector;           /* 0 the whole certificate, 1 its public key */
	int matching;           /* 0 as it is, 1 SHA-256, 2 SHA-512 */
};

/** A record's data; `data` is OPENSSL_malloc's. */
struct tlsa {
	struct tlsa_kind kind;
	unsigned char *data;
	size_t length;
};

/** For octets that the selector picks. */
int tlsa_of_octets(struct tlsa_kind, const unsigned char *octets, size_t length, struct tlsa *out,
    struct snicert_error *err);
int tlsa_of_cert(struct tlsa_kind, const X509 *, struct tlsa *out, struct snicert_error *err);

/**
 * For a chain of the store: its leaf with usage 3, and with usage 2 its last certificate, the
 * anchor; SNICERT_EINPUT without an intermediate.
 */
int tlsa_of_chain(struct tlsa_kind, const struct store_chain *, struct tlsa *out,
    struct snicert_error *err);

bool tlsa_equal(const struct tlsa *, const struct tlsa *);
void tlsa_clear(struct tlsa *);

/** The data in lower-case hexadecimal; free() it.  NULL without memory. */
char *tlsa_hex(const struct tlsa *);

#endif
