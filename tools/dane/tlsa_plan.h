/* SPDX-License-Identifier: ISC */
/*
 * tlsa_plan.h: which keys clients may get for a name: those of the chains that serve it, of the
 * chains that will once activated, and those that wait for their certificates.  All of them need a
 * TLSA record.
 *
 * A client that can't use the name's own chains gets those of its wildcard, and then of the
 * fallbacks: of the program, of the local address, global.  So for each kind of key (its algorithm
 * and curve) it is the first candidate that has one, wherever a client connects; in the module's
 * own order (hook_candidates.h).
 */
#ifndef SNICERT_TLSA_PLAN_H
#define SNICERT_TLSA_PLAN_H

#include "config.h"
#include "hook.h"
#include "name.h"
#include "snicert.h"
#include "store/admin.h"

enum tlsa_plan_state { TLSA_PLAN_ACTIVE, TLSA_PLAN_STAGED, TLSA_PLAN_WAITING };

struct tlsa_plan_item {
	enum tlsa_plan_state state;
	int64_t id;                     /* of the chain, or of the waiting key */
	char key_type[16];
	char kind[48];                  /* clients that can use one key of a kind can use all */
	enum hook_candidate what;       /* for an active chain: how it serves, and by which key */
	struct name served_by;
	int64_t not_after;              /* 0 for a waiting key */
	unsigned char spki[STORE_DIGEST_LENGTH];
	unsigned char *public_key;      /* of a waiting key, else NULL */
	size_t public_length;
};

/** All zero is an empty one. */
struct tlsa_plan {
	struct name served_by;          /* what most clients get: the name, its wildcard, the fallback */
	struct tlsa_plan_item *items;     /* active, staged, waiting */
	size_t count;
};

/** For a name, not a wildcard.  Returns 0, without items if a name has none and no fallback; or -1. */
int tlsa_plan_of(struct admin *, const struct config *, const struct name *, struct tlsa_plan *out,
    struct snicert_error *err);
void tlsa_plan_clear(struct tlsa_plan *);

/** "active", "staged", "waiting" */
const char *tlsa_plan_state_text(enum tlsa_plan_state);

#endif
