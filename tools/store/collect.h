/* SPDX-License-Identifier: ISC */
/* collect.h: names and chains collected from the store, to work on afterwards. */
#ifndef SNICERT_COLLECT_H
#define SNICERT_COLLECT_H

#include "name.h"
#include "store/admin.h"
#include "store/admin_related.h"

/** All zero is empty; free() the list. */
struct collect_names {
	struct name *list;
	size_t count;
};

struct collect_chains {
	int64_t *list;
	size_t count;
};

/** The keys that a chain is bound to, or will be when activated. */
int collect_bound(struct admin *, int64_t chain, struct collect_names *, struct snicert_error *err);
int collect_staged(struct admin *, int64_t chain, struct collect_names *, struct snicert_error *err);

/** The keys that left a chain in a step (admin.h) and still have none. */
int collect_left(struct admin *, int64_t chain, int64_t step, struct collect_names *, struct snicert_error *err);

/** The chains staged for any name, by id. */
int collect_staged_chains(struct admin *, struct collect_chains *, struct snicert_error *err);

/** What admin_related() finds; may have one more than once. */
int collect_related(struct admin *, const struct admin_related *, enum admin_related_by, struct collect_chains *,
    struct snicert_error *err);

#endif
