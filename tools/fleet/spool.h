/* SPDX-License-Identifier: ISC */
/* spool.h: octets between the database and the store: in memory, or where they are many in a file without a name. */
#ifndef SNICERT_SPOOL_H
#define SNICERT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "snicert.h"

struct spool {
	const char *directory;          /* of such a file; borrowed */
	unsigned char *octets;
	size_t size;                    /* of that memory */
	int fd;                         /* -1: none */
	int64_t length;
};

#define SPOOL_EMPTY(path) { .directory = (path), .fd = -1 }

int spool_add(struct spool *, const void *octets, size_t length, struct snicert_error *err);

/** For admin_apply: octets from `at` on, at most *length, which is then set to their number; 0 at the end. */
int spool_get(void *spool, int64_t at, void *octets, size_t *length);

/** Empty it, for the next; free what it has. */
void spool_reset(struct spool *);
void spool_free(struct spool *);

#endif
