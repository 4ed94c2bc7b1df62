/* SPDX-License-Identifier: ISC */
/* admin_related.h: which chains a new one may have to do with. */
#ifndef SNICERT_ADMIN_RELATED_H
#define SNICERT_ADMIN_RELATED_H

#include "store/admin.h"

/** What a chain is looked for by.  All borrowed. */
struct admin_related {
	const char *lineage;            /* NULL: it has none */
	const unsigned char *spki;
	const char *names;              /* struct admin_new_chain's form */
	const char *subject;
};

/** By what; in the order in which it counts. */
enum admin_related_by { ADMIN_RELATED_LINEAGE, ADMIN_RELATED_KEY, ADMIN_RELATED_NAMES, ADMIN_RELATED_SUBJECT };

/**
 * The active chains with the lineage, the public key (two at most: where there are more it
 * tells nothing) or the common name of a new one, or whose names may all be among its own;
 * one may come more than once.  A callback's -1 ends it.
 */
int admin_related(struct admin *, const struct admin_related *, enum admin_related_by, admin_each_chain_fn *, void *arg,
    struct snicert_error *err);

/** Give a chain that came from nowhere a lineage; `force`: any chain. */
int admin_set_lineage(struct admin *, int64_t chain, const char *lineage, bool force, struct snicert_error *err);

/** Whether a key has left a chain, by whatever command: then it comes back by a word alone. */
int admin_has_left(struct admin *, const char *key, int64_t chain, bool *left, struct snicert_error *err);

/** The chains that a key is bound to, of all key types. */
int admin_serving(struct admin *, const char *key, admin_each_chain_fn *, void *arg, struct snicert_error *err);

/** The longest-lived chain that a roll-back took a key from, of a key type; 0: none. */
int admin_rolled_back(struct admin *, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err);

/** The chain that a key has left last, of a key type; 0: none is remembered. */
int admin_last_former(struct admin *, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err);

/** The highest id that a chain ever had. */
int admin_last_chain(struct admin *, int64_t *id, struct snicert_error *err);

#endif
