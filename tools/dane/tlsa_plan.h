/* SPDX-License-Identifier: ISC */
/*
 * tlsa_plan.h: which keys clients may meet under a name: those of the chains that
 * serve it, of the chains that will once they are activated, and those that
 * wait for their certificates.  All of them want a TLSA record.
 */
#ifndef SNICERT_TLSA_PLAN_H
#define SNICERT_TLSA_PLAN_H

#include "name.h"
#include "snicert.h"
#include "store/admin.h"

enum tlsa_plan_state { TLSA_PLAN_ACTIVE, TLSA_PLAN_STAGED, TLSA_PLAN_WAITING };

struct tlsa_plan_item {
	enum tlsa_plan_state state;
	int64_t id;                     /* of the chain; of the key that waits */
	char key_type[16];
	int64_t not_after;              /* 0 for a key that waits */
	unsigned char spki[STORE_DIGEST_LENGTH];
	unsigned char *public_key;      /* of a key that waits, else NULL */
	size_t public_length;
};

/** All zero is an empty one. */
struct tlsa_plan {
	struct name served_by;          /* what has the active chains: the name, its wildcard, the fallback */
	struct tlsa_plan_item *items;     /* active, staged, waiting */
	size_t count;
};

/** Of a name, not of a wildcard.  Returns 0, with no items for a name that has none and no fallback; or -1. */
int tlsa_plan_of(struct admin *, const struct name *, struct tlsa_plan *out, struct snicert_error *err);
void tlsa_plan_clear(struct tlsa_plan *);

/** "active", "staged", "waiting" */
const char *tlsa_plan_state_text(enum tlsa_plan_state);

#endif
