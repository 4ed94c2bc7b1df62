/* SPDX-License-Identifier: ISC */
/*
 * chain_internal.h: a chain as its own files see it: chain.c decodes, chain_pair.c makes its keys
 * cheap to use, chain_offer.c checks whether a client takes it, chain_install.c puts it on a
 * connection.
 */
#ifndef SNICERT_CHAIN_INTERNAL_H
#define SNICERT_CHAIN_INTERNAL_H

#include <stdatomic.h>

#include "chain.h"

enum chain_kind { KIND_RSA, KIND_RSA_PSS, KIND_EC, KIND_ED25519, KIND_ED448, KIND_COUNT };

struct chain_kind_facts {
	const char *key_type;           /* as the store and OpenSSL name it */
	int auth_nid;                   /* authentication of TLS 1.2 ciphers (RFC 8422 section 5.10) */
};
extern const struct chain_kind_facts chain_kinds[KIND_COUNT];

#define CHAIN_INTERN_BUCKETS 256
struct chain_interned;

struct chain_codec {
	OSSL_DECODER_CTX *decoders[KIND_COUNT];
	EVP_PKEY *decoded;              /* where the decoders leave their result */
	EVP_PKEY_CTX *makers[KIND_COUNT];       /* of pairs */
	struct chain_interned *interned[CHAIN_INTERN_BUCKETS];
	size_t interned_memory, interned_limit, interned_count;
};

struct chain {
	atomic_uint refs;
	enum chain_kind kind;
	unsigned ec_scheme;             /* the TLS 1.3 signature scheme of an EC key's curve */
	unsigned signature;             /* on the leaf, as certsigs.h has it */
	unsigned char identity[STORE_DIGEST_LENGTH];
	_Atomic int64_t number;
	char label[CHAIN_LABEL_SIZE];
	unsigned char digest[STORE_DIGEST_LENGTH];      /* of the leaf */
	bool may_sign;                  /* by the leaf's keyUsage */
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) *intermediates;  /* never NULL: an empty one keeps others out */
	int64_t not_after;
	size_t memory;
	atomic_bool is_settled;         /* a pair, or one is not to be had */
};

/** The NID of the curve that a certificate names; undefined if it spells its parameters out. */
int chain_named_curve(X509 *leaf);

/**
 * RFC 8446 section 4.2.3: in TLS 1.3 an ECDSA scheme names the curve too; 0: none for this one.
 * `leaf` is the key's, or NULL.
 */
unsigned chain_ec_scheme(X509 *leaf, EVP_PKEY *key);

#endif
