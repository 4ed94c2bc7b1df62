/* SPDX-License-Identifier: ISC */
/*
 * at_fork.h: what the module does around the host's fork(), in a fixed order, whoever registered
 * first: locks are taken from first to last place, and released in reverse.
 */
#ifndef SNICERT_AT_FORK_H
#define SNICERT_AT_FORK_H

#include <stdbool.h>

enum at_fork_place { AT_FORK_CONFIG, AT_FORK_LOOKUP, AT_FORK_LOG, AT_FORK_STATS, AT_FORK_PLACES };

struct at_fork {
	void (*before)(void);           /* NULL: nothing */
	void (*after)(bool in_child);
};

/** From the next fork on, for the rest of the process; may be repeated.  Borrows `what`. */
void at_fork(enum at_fork_place, const struct at_fork *what);

#endif
