/* SPDX-License-Identifier: ISC */
/*
 * candidate.h: a key, its leaf and the intermediates, complete and in order; a "candidate" because
 * the caller still decides, by the findings of candidate_check, whether to store it.
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
	const struct bag_key *from;   /* the same in its bag, which must outlive this */
	STACK_OF(X509) *certs;        /* leaf, then intermediates in order; a root only if kept */
	char *origin;                 /* where the leaf was found */
	char *key_origin;
	unsigned char digest[32];     /* of the leaf */
	unsigned char spki[32];
	bool self_signed;             /* the leaf is, and stands alone */
	bool rooted;                  /* we saw the chain's root */
	X509 *root;                   /* that root, if it issued the last of `certs`; else NULL */
	bool root_left;               /* its root was given, but left out */
	bool known;                   /* leads to a root that this system's clients know */
	int from_store;               /* number of `certs` from path_find */
};

void candidate_free_all(struct candidate *, size_t count);

/**
 * The names a candidate certifies, normalised, each once: the dNSNames of its SAN, or without any
 * its CN, if that is a host name.  Leaves out names that no client can send; *findings (may be
 * NULL) says so.  Returns 0 with *out (free() it) and *count set, which may be 0; or -1.
 */
int candidate_names(const struct candidate *, struct name **out, size_t *count,
    struct findings *, struct snicert_error *err);

#endif
