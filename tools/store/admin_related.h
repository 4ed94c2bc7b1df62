/* SPDX-License-Identifier: ISC */
/* admin_related.h: which chains a new one may be related to. */
#ifndef SNICERT_ADMIN_RELATED_H
#define SNICERT_ADMIN_RELATED_H

#include "store/admin.h"

/** What to look for.  All borrowed. */
struct admin_related {
	const char *lineage;            /* NULL: it has none */
	const unsigned char *spki;
	const char *names;              /* struct admin_new_chain's form */
	const char *subject;
};

/** By what; in order of precedence. */
enum admin_related_by { ADMIN_RELATED_LINEAGE, ADMIN_RELATED_KEY, ADMIN_RELATED_NAMES, ADMIN_RELATED_SUBJECT };

/**
 * The active chains with the lineage, the public key (at most two: with more it tells
 * nothing) or the common name of a new one, or whose names may all be among its own; one may
 * appear more than once.  A callback's -1 ends it.
 */
int admin_related(struct admin *, const struct admin_related *, enum admin_related_by, admin_each_chain_fn *, void *arg,
    struct snicert_error *err);

/** Give a chain without a lineage one; `force`: any chain. */
int admin_set_lineage(struct admin *, int64_t chain, const char *lineage, bool force, struct snicert_error *err);

/** Whether a key has left a chain, by any command: then only a command brings it back. */
int admin_has_left(struct admin *, const char *key, int64_t chain, bool *left, struct snicert_error *err);

/** The chains that a key is bound to, of all key types. */
int admin_serving(struct admin *, const char *key, admin_each_chain_fn *, void *arg, struct snicert_error *err);

/** The longest-lived chain of a key type that a roll-back took a key from; 0: none. */
int admin_rolled_back(struct admin *, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err);

/** The chain of a key type that a key left last; 0: none remembered. */
int admin_last_former(struct admin *, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err);

/** The highest id that a chain has had. */
int admin_last_chain(struct admin *, int64_t *id, struct snicert_error *err);

#endif
