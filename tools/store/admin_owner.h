/* SPDX-License-Identifier: ISC */
/* admin_owner.h: who owns chains and names: labels on chains. */
#ifndef SNICERT_ADMIN_OWNER_H
#define SNICERT_ADMIN_OWNER_H

#include "store/admin.h"

#define ADMIN_OWNER_MOST 64     /* octets in a label */

/** Whether a label is valid: letters, digits, ._-@+:/, not "none". */
bool admin_owner_valid(const char *label);
/** The same, with an error: -1 with *err set if invalid. */
int admin_owner_check(const char *label, struct snicert_error *err);

/** --take: from now on names and chains may change owners. */
void admin_take(struct admin *, bool take);

/**
 * Whether a chain may have a name: not if another owner's chain serves it, exactly or by a
 * wildcard.  Names of chains without an owner are free.  Returns 0, or -1 with *err naming the
 * owner.  (admin_bind asks this too.)
 */
int admin_may_bind(struct admin *, const char *key, int64_t chain, struct snicert_error *err);

/** "" if it has none. */
int admin_owner_of(struct admin *, int64_t chain, char owner[ADMIN_OWNER_MOST + 1],
    struct snicert_error *err);

/** Label a chain (NULL: no owner); -1 if it has another owner, without --take. */
int admin_set_owner(struct admin *, int64_t chain, const char *owner, struct snicert_error *err);

/**
 * A chain renews another: without a label it gets the other's.  *strangers: it has a
 * different label and can't renew it.
 */
int admin_inherit_owner(struct admin *, int64_t fresh, int64_t old, bool *strangers,
    struct snicert_error *err);

typedef int admin_each_owner_fn(void *arg, const char *owner, int64_t chains, int64_t names);
int admin_owners(struct admin *, admin_each_owner_fn *, void *arg, struct snicert_error *err);

/** The bindings of an owner's chains, by name; the chains, by id. */
int admin_bindings_of(struct admin *, const char *owner, admin_each_key_fn *, void *arg,
    struct snicert_error *err);
int admin_chains_of(struct admin *, const char *owner, const char *state, admin_each_chain_fn *,
    void *arg, struct snicert_error *err);

#endif
