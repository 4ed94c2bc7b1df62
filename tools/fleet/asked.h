/* SPDX-License-Identifier: ISC */
/* asked.h: what clients ask the nodes for, in one place: how many handshakes, and which names nobody has bound. */
#ifndef SNICERT_ASKED_H
#define SNICERT_ASKED_H

#include "fleet/fleet.h"
#include "stats/read.h"

/**
 * Tell what this node's servers have counted: names asked for since `since` (Unix time).  Does nothing where
 * there are no statistics.
 */
int asked_tell(struct fleet *, int64_t since, struct snicert_error *err);

/** Unknown names of all nodes, most wanted first: counts summed, the latest time.  The caller frees *out. */
int asked_unknown(struct fleet *, struct stats_unknown **out, size_t *count, struct snicert_error *err);

#endif
