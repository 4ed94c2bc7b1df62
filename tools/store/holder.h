/* SPDX-License-Identifier: ISC */
/* holder.h: which process is writing a store. */
#ifndef SNICERT_HOLDER_H
#define SNICERT_HOLDER_H

#include <stddef.h>

/** "process 123 of root: snicert import live (running for 41 s)", or "another process" where it can't be seen.  Returns buffer. */
const char *holder_describe(const char *store, char *buffer, size_t size);

#endif
