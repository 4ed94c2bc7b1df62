/* SPDX-License-Identifier: ISC */
/* watch.h: live statistics, redrawn. */
#ifndef SNICERT_STATS_WATCH_H
#define SNICERT_STATS_WATCH_H

#include "tool.h"

/**
 * Draw a page every so many seconds until interrupted; `pages` of them (0: no end).  `seconds` 0:
 * only one.
 */
int stats_watch(struct tool *, unsigned seconds, unsigned pages);

#endif
