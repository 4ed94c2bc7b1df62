/* SPDX-License-Identifier: ISC */
/* member.h: a store becomes one of a fleet's, and leaves it. */
#ifndef SNICERT_MEMBER_H
#define SNICERT_MEMBER_H

#include "fleet/catch_up.h"

/** Make the tables, if they are missing, and a fleet whose store is this one. */
int member_found(struct fleet *, struct admin *, struct admin_position *, struct snicert_error *err);

/**
 * Make this store one of the fleet's.  What it has is replaced; unless it is empty only with `replace`,
 * and then a copy is left (done->copy).
 */
int member_join(struct fleet *, struct admin *, bool replace, struct admin_position *, struct catch_up_done *,
    struct snicert_error *err);

/** Take it out: from now on it is a store of its own. */
int member_leave(struct admin *, struct snicert_error *err);

#endif
