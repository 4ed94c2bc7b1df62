/* SPDX-License-Identifier: ISC */
/* roster.h: the rows of the statistics file that tell of each process. */
#ifndef SNICERT_ROSTER_H
#define SNICERT_ROSTER_H

#include "mapping.h"

/**
 * Take a row for this process: its own of before, a free one, or a dead
 * process's.  NULL where all are in use.
 */
struct mapping_process *roster_join(const struct mapping *, const char *program, const char *version);

/** Give it back, if it is this process's. */
void roster_leave(struct mapping_process *);

/** The last error; skipped where another thread is writing one. */
void roster_error(struct mapping_process *, const char *text);

/** Clock ticks from boot to the start of a process, by /proc; 0 where that can't be read. */
uint64_t roster_start_of(pid_t pid);

#endif
