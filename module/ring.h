/* SPDX-License-Identifier: ISC */
/* ring.h: the latest selections, for `snicert trace`; written only while somebody reads. */
#ifndef SNICERT_RING_H
#define SNICERT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "mapping.h"

/** What is recorded of a selection. */
struct ring_entry {
	uint64_t ns;
	enum stats_outcome outcome;
	enum stats_reason reason;
	unsigned keys;
	const unsigned char *leaf;      /* SHA-256, or NULL */
	const char *server_name;        /* as sent, or NULL */
};

void ring_write(const struct mapping *, const struct ring_entry *);

#endif
