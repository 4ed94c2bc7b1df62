/* SPDX-License-Identifier: ISC */
/* trust.h: how far clients can verify a chain, by the roots that this system knows today. */
#ifndef SNICERT_TRUST_H
#define SNICERT_TRUST_H

#include <stddef.h>

#include "store.h"

/** In order: a renewing chain has at least as much. */
enum trust {
	TRUST_SELF,             /* self-signed */
	TRUST_UNKNOWN,          /* issued by one that this system doesn't know */
	TRUST_ROOT,             /* leads to a root that this system knows */
	TRUST_UNREADABLE        /* no certificates at all: no verdict */
};

enum trust trust_of(const struct store_chain *);

#endif
