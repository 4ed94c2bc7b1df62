/* SPDX-License-Identifier: ISC */
/*
 * intake.h: from a bag of keys and certificates into the store: assembled,
 * checked, sealed, bound.  The caller has the transaction.
 */
#ifndef SNICERT_INTAKE_H
#define SNICERT_INTAKE_H

#include <stdbool.h>

#include "admin.h"
#include "assemble.h"
#include "name.h"
#include "pem.h"
#include "seal.h"
#include "waiting.h"

enum intake_result { INTAKE_ADDED, INTAKE_RENEWED, INTAKE_UNCHANGED, INTAKE_STAGED };

/** One chain that was taken in. */
struct intake_chain {
	int64_t id;
	enum intake_result result;
	int64_t same_key_as;            /* a chain that was active with this public key; 0: none */
	char *source;
	char **warnings;
	size_t warning_count;
};

struct intake {
	/* Set by the caller, borrowed: */
	struct admin *admin;
	const struct seal *seal;
	const struct name *names;       /* --name: in place of the certificates' own */
	size_t name_count;
	bool bind;                      /* false: --no-bind */
	bool stage;
	bool force;
	const char *owner;              /* --owner, or NULL */
	const char *key_uri;            /* where the one private key is, instead of in the bag */

	/* Out: */
	struct intake_chain *chains;
	size_t chain_count;
	struct waiting_supplies supplies; /* of the bag at hand */
	int added, renewed, unchanged;  /* keys bound */
};

/** Take in what is in a bag.  Returns 0, or -1 with *err set and nothing added to `chains`. */
int intake_bag(struct intake *, struct bag *, struct snicert_error *err);

void intake_free(struct intake *);

/** "added", "renewed", "unchanged", "staged" */
const char *intake_result_text(enum intake_result);

#endif
