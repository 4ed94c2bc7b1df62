/* SPDX-License-Identifier: ISC */
/* chain_ids.h: a set of chain ids. */
#ifndef SNICERT_CHAIN_IDS_H
#define SNICERT_CHAIN_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snicert.h"

/** All zero is empty; free() the bits. */
struct chain_ids {
	unsigned char *bits;
	size_t octets;
};

bool chain_ids_have(const struct chain_ids *, int64_t id);
int chain_ids_add(struct chain_ids *, int64_t id, struct snicert_error *err);

#endif
