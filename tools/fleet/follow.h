/* SPDX-License-Identifier: ISC */
/* follow.h: the service that keeps a store at the head of the fleet's history. */
#ifndef SNICERT_FLEET_FOLLOW_H
#define SNICERT_FLEET_FOLLOW_H

#include <signal.h>

#include "tool.h"

/** Until *stop; returns at once where there is nothing to follow, with *err set. */
int fleet_follow(const struct tool *, const volatile sig_atomic_t *stop, struct snicert_error *err);

#endif
