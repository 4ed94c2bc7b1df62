/* SPDX-License-Identifier: ISC */
/*
 * path.h: the path from a leaf to a root: which certificates a server sends, and
 * when what it sends ends.  The one place that decides either.
 */
#ifndef SNICERT_PATH_H
#define SNICERT_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

/**
 * Certificates that the caller has elsewhere (the store) and that may have issued
 * `cert`; NULL: none.  The list is the callee's gift.  Names, key identifiers and
 * signatures are checked here, so the answer may be wrong.
 */
typedef STACK_OF(X509) *path_find(void *arg, X509 *cert);

struct path_sources {
	STACK_OF(X509) *given;        /* what came with the leaf, in any order; may hold anything */
	path_find *find;              /* asked where that leads to no root that clients know; may be NULL */
	void *arg;
	bool keep_root;               /* a root that was given is sent, too */
	int most;                     /* the longest path, leaf included */
};

struct path {
	STACK_OF(X509) *certs;        /* leaf first, each issued by the next; each holds a reference */
	bool self_signed;             /* the leaf itself; then it is alone */
	bool rooted;                  /* the root was among the sources */
	X509 *root;                   /* that one, where it issued the last; holds a reference */
	bool known;                   /* leads to a root that this system's clients know */
	int from_store;               /* how many `find` supplied */
};

/**
 * The best path: valid now before expired, then one that leads to a root that
 * this system's clients know, then the one with more of the given certificates
 * (cross-certificates serve clients with older roots), then the one whose issuers'
 * names are spelled alike, then the one that ends later.  Returns 0 with *out set, whose
 * certificates and root are the caller's to free, 1 if each is longer than
 * `most`, -1 without memory.
 */
int path_build(X509 *leaf, const struct path_sources *, struct path *out);

/** When a chain ends, and how long the certificate lives in all that ends then. */
struct path_end {
	int64_t at;                   /* Unix time */
	int64_t lifetime;             /* seconds */
	int which;                    /* its place in the chain: 0 is the leaf */
};

/**
 * A chain ends with the first of its certificates that ends, up to one that a
 * root which clients know has issued: what follows that is for other clients.
 */
void path_end(const STACK_OF(X509) *certs, struct path_end *out);

/** Whether a root that clients know issued one of them. */
bool path_is_known(const STACK_OF(X509) *certs);

#endif
