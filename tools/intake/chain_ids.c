/* SPDX-License-Identifier: ISC */
/* chain_ids.c: a set of chain ids, one bit each. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "intake/chain_ids.h"

bool
chain_ids_have(const struct chain_ids *ids, int64_t id)
{
	return (uint64_t)id / 8 < ids->octets && (ids->bits[id / 8] >> (id % 8) & 1) != 0;
}

int
chain_ids_add(struct chain_ids *ids, int64_t id, struct snicert_error *err)
{
	if ((uint64_t)id / 8 >= ids->octets) {
		size_t octets = 2 * (size_t)(id / 8) + 64;
		unsigned char *bits = realloc(ids->bits, octets);

		if (bits == NULL)
			return error_set(err, SNICERT_EMEMORY, "no memory");
		memset(bits + ids->octets, 0, octets - ids->octets);
		ids->bits = bits;
		ids->octets = octets;
	}
	ids->bits[id / 8] |= (unsigned char)(1 << (id % 8));
	return 0;
}
