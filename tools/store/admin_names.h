/* SPDX-License-Identifier: ISC */
/* admin_names.h: one pass over the store, for comparing it with names from elsewhere. */
#ifndef SNICERT_ADMIN_NAMES_H
#define SNICERT_ADMIN_NAMES_H

#include "store/admin.h"

/** Each bound name (or "*.parent"), in order, with one of its chains.  A callback's -1 ends it. */
int admin_each_name(struct admin *, int (*each)(void *arg, const char *name, int64_t chain), void *arg,
    struct snicert_error *err);

/** An active or staged chain: the names of its certificate, space-separated. */
struct admin_certificate {
	int64_t chain;
	bool staged;
	int64_t not_after;
	const unsigned char *leaf;      /* SHA-256 */
	const char *names;
};

/** Each of them.  A callback's -1 ends it. */
int admin_each_certificate(struct admin *, int (*each)(void *arg, const struct admin_certificate *), void *arg,
    struct snicert_error *err);

/** The chain that a key is bound to, of any key type; 0: none. */
int admin_chain_of_name(struct admin *, const char *key, int64_t *chain, struct snicert_error *err);

#endif
