/* SPDX-License-Identifier: ISC */
/* span.h: where a loaded object, a program or a library, is in memory. */
#ifndef SNICERT_SPAN_H
#define SNICERT_SPAN_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct span {
	uintptr_t base, begin, end;
	const ElfW(Dyn) *dynamic;       /* what the dynamic linker says of it; NULL: nothing */
};

/** Find the object that an address is in; false, and *out is empty: none. */
bool span_find(struct span *out, const void *address);

/** Whether an address is in it: two comparisons. */
bool span_has(const struct span *span, const void *address);

/** The file of the object that an address is in; `otherwise` if there is none. */
const char *span_file(const void *address, const char *otherwise);

#endif
