/* SPDX-License-Identifier: ISC */
/*
 * candidate.h: a key, its leaf and the intermediates, completed and in order;
 * "candidate" because the caller still decides, by the findings of
 * candidate_check, whether it goes into the store.
 */
#ifndef SNICERT_CANDIDATE_H
#define SNICERT_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "intake/bag.h"
#include "intake/findings.h"
#include "name.h"
#include "snicert.h"

/** The longest chain, leaf included. */
#define CANDIDATE_CHAIN_MAX 10

struct candidate {
	EVP_PKEY *key;
	const struct bag_key *from;   /* the same in its bag, which has to outlive this */
	STACK_OF(X509) *certs;        /* leaf, then intermediates in order; a root only if it is kept */
	char *origin;                 /* where the leaf was found */
	char *key_origin;
	unsigned char digest[32];     /* of the leaf */
	unsigned char spki[32];
	bool self_signed;             /* the leaf itself; then it is alone */
	bool rooted;                  /* the chain's root was seen */
	X509 *root;                   /* that root, where it issued the last of `certs`; else NULL */
	bool root_left;               /* a root of it was given, and is left out */
	bool known;                   /* it leads to a root that this system's clients know */
	int from_store;               /* how many of `certs` path_find supplied */
};

void candidate_free_all(struct candidate *, size_t count);

/**
 * The names a candidate certifies, normalised, each once: the dNSNames of its SAN,
 * or its CN where there are none and the CN is a host name.  Names that no client
 * can send are left out; *findings (may be NULL) says so.
 * Returns 0 with *out (free() it) and *count set, which may be 0; or -1.
 */
int candidate_names(const struct candidate *, struct name **out, size_t *count,
    struct findings *, struct snicert_error *err);

#endif
