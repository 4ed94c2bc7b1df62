/* SPDX-License-Identifier: ISC */
/*
 * outlook.h: which keys clients may meet under a name: those of the chains that
 * serve it, of the chains that will once they are activated, and those that
 * wait for their certificates.  All of them want a TLSA record.
 */
#ifndef SNICERT_OUTLOOK_H
#define SNICERT_OUTLOOK_H

#include "name.h"
#include "snicert.h"
#include "store/admin.h"

enum outlook_state { OUTLOOK_ACTIVE, OUTLOOK_STAGED, OUTLOOK_WAITING };

struct outlook_item {
	enum outlook_state state;
	int64_t id;                     /* of the chain; of the key that waits */
	char key_type[16];
	int64_t not_after;              /* 0 for a key that waits */
	unsigned char spki[STORE_DIGEST_LENGTH];
	unsigned char *public_key;      /* of a key that waits, else NULL */
	size_t public_length;
};

/** All zero is an empty one. */
struct outlook {
	struct name served_by;          /* what has the active chains: the name, its wildcard, the fallback */
	struct outlook_item *items;     /* active, staged, waiting */
	size_t count;
};

/** Of a name, not of a wildcard.  Returns 0, with no items for a name that has none and no fallback; or -1. */
int outlook_of(struct admin *, const struct name *, struct outlook *out, struct snicert_error *err);
void outlook_clear(struct outlook *);

/** "active", "staged", "waiting" */
const char *outlook_state_text(enum outlook_state);

#endif
