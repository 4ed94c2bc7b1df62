/* SPDX-License-Identifier: ISC */
/*
 * calls.h: what calls into the library cost a host: processor time, and whether they wait.  With
 * the module and without it, in turns, so that the machine is as busy for the one as for the other.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum calls_side { CALLS_MODULE, CALLS_CONTROL, CALLS_SIDES };

/** Around one call; the end returns its processor time in ns. */
void calls_begin(enum calls_side);
uint64_t calls_end(void);

/** A connection is through, with that for its longest call. */
void calls_add(enum calls_side, uint64_t longest);

/** Writes all to stdout.  Whether the module's are about as long as the control's, and none waited. */
bool calls_report(void);

#endif
