/* SPDX-License-Identifier: ISC */
/* published.h: whether a name's DANE clients accept a chain, by the published records. */
#ifndef SNICERT_PUBLISHED_H
#define SNICERT_PUBLISHED_H

#include "dane/tlsa_file.h"
#include "name.h"
#include "snicert.h"
#include "store.h"

enum published_state {
	PUBLISHED_NONE,                 /* no usable record: the name doesn't do DANE, as far as we know */
	PUBLISHED_NOT,                  /* records, but none for the chain: clients refuse it */
	PUBLISHED                       /* one has it */
};

struct published {
	enum published_state state;
	struct tlsa_found found;
	char useless[160];              /* "FILE:LINE: why": a record that clients ignore; "": none */
};

/** Always call published_clear(). */
int published_of(const struct tlsa_file *, const struct name *, long port, const struct store_chain *,
    struct published *out, struct snicert_error *err);
void published_clear(struct published *);

/** Whether clients of a name use a record and accept the chain: usage 2 also needs the name. */
bool published_takes(const struct tlsa_entry *, const struct name *, const struct store_chain *);

#endif
