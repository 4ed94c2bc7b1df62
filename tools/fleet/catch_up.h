/* SPDX-License-Identifier: ISC */
/* catch_up.h: a store follows the fleet's history. */
#ifndef SNICERT_CATCH_UP_H
#define SNICERT_CATCH_UP_H

#include "fleet/fleet.h"

/** What was applied. */
struct catch_up_done {
	int64_t changes;
	int64_t snapshot;               /* whose content the store took; -1: none's */
	char copy[4200];                /* of what the store was, where it was not of this history; "": none */
	char why[512];                  /* it wasn't */
};

/**
 * Bring the store up to fleet->head, as read by fleet_head.  Killed at any moment it is what it was, or
 * whole at a later number.  Where its history is not the fleet's, a copy of it is left beside it, and it
 * becomes what a snapshot with the changes after it is, once it is that.  Leaves its place in *position.
 *
 * Returns 0, or -1 with *err set; what was applied by then stays.
 */
int catch_up(struct fleet *, struct admin *, struct admin_position *position, struct catch_up_done *,
    struct snicert_error *err);

/** The same for a store that is of no fleet: what it has is replaced. */
int catch_up_anew(struct fleet *, struct admin *, struct admin_position *position, struct catch_up_done *,
    struct snicert_error *err);

#endif
