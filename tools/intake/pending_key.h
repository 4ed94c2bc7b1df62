/* SPDX-License-Identifier: ISC */
/*
 * pending_key.h: keys made before their certificates.  They wait in the store, sealed, until their
 * certificate is imported; so you can publish their TLSA records first.  Also private keys in the
 * store, for certificates that come without.
 */
#ifndef SNICERT_PENDING_KEY_H
#define SNICERT_PENDING_KEY_H

#include <openssl/evp.h>

#include "intake/bag.h"
#include "seal.h"
#include "snicert.h"
#include "store/admin.h"

/** Make a key: ec (P-256), ec:P-384, ec:P-521, rsa (2048), rsa:BITS, ed25519. */
int pending_key_make(const char *type, EVP_PKEY **out, struct snicert_error *err);

/** Open the key at a URI, through OSSL_STORE. */
int pending_key_at_uri(const char *uri, EVP_PKEY **out, struct snicert_error *err);

/**
 * Put a key into the store, for space-separated names; sealed, unless `uri` (may be NULL) says
 * where it is.
 */
int pending_key_add(struct admin *, const struct seal *, EVP_PKEY *key, const char *uri,
    const char *names, int64_t *id, struct snicert_error *err);

/** A certificate request (PKCS#10, PEM) for space-separated names, signed by the key; free() it. */
char *pending_key_request(EVP_PKEY *key, const char *names, struct snicert_error *err);

/** The private key of a waiting one. */
int pending_key_open(const struct admin_pending_key *, const struct seal *, EVP_PKEY **out,
    struct snicert_error *err);

/** SHA-256 of a key's SubjectPublicKeyInfo. */
int pending_key_spki(EVP_PKEY *key, unsigned char out[STORE_DIGEST_LENGTH], struct snicert_error *err);

/** Supplied keys that are elsewhere.  All zero is none. */
struct pending_key_supplies {
	struct {
		const EVP_PKEY *key;    /* the bag's */
		char *uri;
	} *list;
	size_t count;
};

/**
 * Give the certificates of a bag without their keys the keys that the store has for them: waiting,
 * or a chain's.  Leaves others alone.
 */
int pending_key_supply(struct admin *, const struct seal *, struct bag *, struct pending_key_supplies *out,
    struct snicert_error *err);

/** Where a key of the bag is, if supplied from a URI; else NULL. */
const char *pending_key_supplies_uri(const struct pending_key_supplies *, const EVP_PKEY *);
void pending_key_supplies_free(struct pending_key_supplies *);

/** The key stops waiting: its certificate came. */
int pending_key_done(struct admin *, const unsigned char *spki, struct snicert_error *err);

#endif
