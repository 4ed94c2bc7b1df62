/* SPDX-License-Identifier: ISC */
/* roster.h: the rows of the statistics file for each process. */
#ifndef SNICERT_ROSTER_H
#define SNICERT_ROSTER_H

#include "mapping.h"

/**
 * Take a row for this process: its former one, a free one, or a dead process's.  NULL if all are in
 * use.
 */
struct mapping_process *roster_join(const struct mapping *, const char *program, const char *version);

/** Release it, if it is this process's. */
void roster_leave(struct mapping_process *);

/** The last error; skipped while another thread writes one. */
void roster_error(struct mapping_process *, const char *text);

/** Clock ticks from boot to a process's start, from /proc; 0 if unreadable. */
uint64_t roster_start_of(pid_t pid);

#endif
