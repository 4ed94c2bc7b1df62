/* SPDX-License-Identifier: ISC */
/* change.h: the next change of the history, by whoever holds its head (fleet_hold_head). */
#ifndef SNICERT_CHANGE_H
#define SNICERT_CHANGE_H

#include "fleet/fleet.h"

/** The one after the head, by this node and user; size and digest are the caller's. */
struct history_change change_next(const struct fleet *, enum history_kind, int64_t schema);

/** Sign it, add it, and make it the head; its parts are the caller's. */
int change_add(struct fleet *, struct history_change *, struct snicert_error *err);

/** Ring for those who follow, once this transaction commits: what they then look at is the database. */
int change_ring(struct fleet *, struct snicert_error *err);

/** The channel of that. */
#define CHANGE_BELL "snicert"

#endif
