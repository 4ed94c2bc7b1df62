/* SPDX-License-Identifier: ISC */
/* published.h: whether clients of a name that does DANE take a chain, by the records that are published. */
#ifndef SNICERT_PUBLISHED_H
#define SNICERT_PUBLISHED_H

#include "dane/tlsa_file.h"
#include "name.h"
#include "snicert.h"
#include "store.h"

enum published_state {
	PUBLISHED_NONE,                 /* no record that clients go by: the name does no DANE, as far as is known */
	PUBLISHED_NOT,                  /* records, and none has the chain: clients refuse it */
	PUBLISHED                       /* one has it */
};

struct published {
	enum published_state state;
	struct tlsa_found found;
	char useless[160];              /* "FILE:LINE: why": a record that clients don't go by; "": all are fine */
};

/** published_clear() in any case. */
int published_of(const struct tlsa_file *, const struct name *, long port, const struct store_chain *,
    struct published *out, struct snicert_error *err);
void published_clear(struct published *);

/** Whether clients of a name go by a record and take the chain: with usage 2 it has to be for the name. */
bool published_takes(const struct tlsa_entry *, const struct name *, const struct store_chain *);

#endif
