/* SPDX-License-Identifier: ISC */
/* target.h: what people point at on the command line: NAME or CHAIN. */
#ifndef SNICERT_TARGET_H
#define SNICERT_TARGET_H

#include "name.h"
#include "snicert.h"
#include "store/admin.h"

#define TARGET_CHAINS_MOST STORE_CHAINS_MOST

/** The chains meant. */
struct target {
	bool is_name;                   /* `key` was given, else a chain */
	struct name key;
	int64_t chains[TARGET_CHAINS_MOST];
	size_t count;                   /* 0: a name that nothing is bound to */
};

/** A name that is bound, else a chain by id or fingerprint.  -1 with *err set where it is neither. */
int target_find(struct admin *, const char *text, struct target *out, struct snicert_error *err);

/** The chains bound to a key. */
int target_of_key(struct admin *, const struct name *key, struct target *out,
    struct snicert_error *err);

#endif
