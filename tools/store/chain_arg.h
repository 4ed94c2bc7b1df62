/* SPDX-License-Identifier: ISC */
/* chain_arg.h: what a command-line argument means: NAME or CHAIN. */
#ifndef SNICERT_CHAIN_ARG_H
#define SNICERT_CHAIN_ARG_H

#include "name.h"
#include "snicert.h"
#include "store/admin.h"

#define CHAIN_ARG_MOST STORE_CHAINS_MOST

/** The chains. */
struct chain_arg {
	bool is_name;                   /* `key` is set, else a chain */
	struct name key;
	int64_t chains[CHAIN_ARG_MOST];
	size_t count;                   /* 0: a name without a binding */
};

/** A bound name, or a chain by id or fingerprint.  -1 with *err set if it is neither. */
int chain_arg_find(struct admin *, const char *text, struct chain_arg *out, struct snicert_error *err);

/** The chains bound to a key. */
int chain_arg_of_key(struct admin *, const struct name *key, struct chain_arg *out,
    struct snicert_error *err);

#endif
