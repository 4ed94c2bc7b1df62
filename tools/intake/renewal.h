/* SPDX-License-Identifier: ISC */
/*
 * renewal.h: which names a new chain may take over from the chains that have them.
 *
 * A chain *renews* another of the same key type when it lasts at least as long
 * (or the other has expired) and it is for the same thing: the same public key,
 * the same common name, the same names, or all the names the other is serving.
 * What renews a chain takes over all that the other had: the names both certify, the
 * names bound to it on purpose (vanity names), and the fallback.  Anything else
 * that has a wanted name is in the way, and stays unless forced.
 */
#ifndef SNICERT_RENEWAL_H
#define SNICERT_RENEWAL_H

#include "name.h"
#include "snicert.h"
#include "store/admin.h"

struct renewal {
	bool force;             /* take names from chains that this one does not renew */
	bool inherit;           /* take over vanity names and fallbacks of renewed chains */
	int (*moved)(void *arg, const char *key, int64_t former); /* of each key that comes; former 0: it had none */
	void *moved_arg;        /* moved may be NULL; -1: no memory */
	int added;              /* out: names that were bound to nobody */
	int renewed;            /* out: keys taken over */
	int unchanged;          /* out: keys it had already */
};

/** Bind a chain to names (normalised).  Returns 0, or -1 with *err naming the chain in the way. */
int renewal_bind(struct admin *, int64_t chain, const struct name *names, size_t count,
    struct renewal *, struct snicert_error *err);

/** Whether `fresh` renews `old`. */
int renewal_is(struct admin *, int64_t fresh_id, int64_t old_id, bool *is_renewal,
    struct snicert_error *err);

/** Whether the space-separated list of names covers a key. */
bool renewal_covers(const char *names, const struct name *key);

#endif
