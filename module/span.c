/* SPDX-License-Identifier: ISC */
/* span.c: where a loaded object is in memory; see span.h. */
#include <dlfcn.h>
#include <stddef.h>

#include "span.h"

struct search {
	const void *address;
	struct span found;
};

static int
note_span(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	struct span span = { .base = info->dlpi_addr, .begin = UINTPTR_MAX };

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_DYNAMIC)
			span.dynamic = (const void *)begin;
		if (segment->p_type != PT_LOAD)
			continue;
		span.begin = begin < span.begin ? begin : span.begin;
		span.end = begin + segment->p_memsz > span.end ? begin + segment->p_memsz : span.end;
	}
	if (!span_has(&span, search->address))
		return 0;
	search->found = span;
	return 1;
}

bool
span_find(struct span *out, const void *address)
{
	struct search search = { .address = address };
	bool is_found = address != NULL && dl_iterate_phdr(note_span, &search) == 1;

	*out = search.found;
	return is_found;
}

bool
span_has(const struct span *span, const void *address)
{
	return (uintptr_t)address >= span->begin && (uintptr_t)address < span->end;
}

const char *
span_file(const void *address, const char *otherwise)
{
	Dl_info info;

	return dladdr(address, &info) == 0 ? otherwise : info.dli_fname;
}
