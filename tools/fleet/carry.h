/* SPDX-License-Identifier: ISC */
/* carry.h: what a command changes in the store goes to the fleet. */
#ifndef SNICERT_CARRY_H
#define SNICERT_CARRY_H

#include "tool.h"

/**
 * From now on each transaction of this program on a store is carried to the fleet, if the configuration
 * names one.  Nothing is connected before the first.
 */
void carry_to_fleet(const struct tool *);

#endif
