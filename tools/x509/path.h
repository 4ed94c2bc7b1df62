/* SPDX-License-Identifier: ISC */
/*
 * path.h: the path from a leaf to a root: which certificates a server sends, and when they expire.
 * Only this decides either.
 */
#ifndef SNICERT_PATH_H
#define SNICERT_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

/**
 * Certificates from elsewhere (the store) that may have issued `cert`; NULL: none.  The caller
 * frees the list.  We check names, key identifiers and signatures, so the answer may be wrong.
 */
typedef STACK_OF(X509) *path_find(void *arg, X509 *cert);

struct path_sources {
	STACK_OF(X509) *given;        /* what came with the leaf, in any order, whatever it is */
	path_find *find;              /* asked if that leads to no root that clients know; may be NULL */
	void *arg;
	bool keep_root;               /* also send a root that was given */
	int most;                     /* the longest path, leaf included */
};

struct path {
	STACK_OF(X509) *certs;        /* leaf first, each issued by the next; each holds a reference */
	bool self_signed;             /* the leaf is, and stands alone */
	bool rooted;                  /* the root was among the sources */
	X509 *root;                   /* that root, if it issued the last; holds a reference */
	bool known;                   /* leads to a root that this system's clients know */
	int from_store;               /* how many from `find` */
};

/**
 * The best path: valid now before expired, then one that leads to a root that this system's clients
 * know, then the one with more of the given certificates (cross-certificates serve clients with
 * older roots), then the one whose issuers' names are spelled alike, then the one that expires
 * later.  Returns 0 with *out set, whose certificates and root the caller frees, 1 if each is
 * longer than `most`, -1 without memory.
 */
int path_build(X509 *leaf, const struct path_sources *, struct path *out);

/** When a chain expires, and the lifetime of the certificate that sets it. */
struct path_end {
	int64_t at;                   /* Unix time */
	int64_t lifetime;             /* seconds */
	int which;                    /* its index: 0 is the leaf */
};

/**
 * A chain expires when its first certificate expires, counting up to one that a root known to
 * clients has issued: the rest is for other clients.
 */
void path_end(const STACK_OF(X509) *certs, struct path_end *out);

/** Whether a root that clients know issued one. */
bool path_is_known(const STACK_OF(X509) *certs);

#endif
