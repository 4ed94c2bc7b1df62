/* SPDX-License-Identifier: ISC */
/* holder.h: which process is writing a store. */
#ifndef SNICERT_HOLDER_H
#define SNICERT_HOLDER_H

#include <stddef.h>

/**
 * "process 123 of root: snicert import live (running for 41 s)", or "another process" if we can't
 * see it.  Returns buffer.
 */
const char *holder_describe(const char *store, char *buffer, size_t size);

#endif
