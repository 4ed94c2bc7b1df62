/* SPDX-License-Identifier: ISC */
/* library_calls.c: where our calls go, as the dynamic linker has bound them; see library.h. */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "error.h"
#include "library.h"
#include "span.h"

#define LIBRARIES 2             /* libssl and libcrypto */
#define INTERPOSED 8u           /* calls that somebody may stand before, a tool that logs keys for example */

/* Our own object, what the dynamic linker says of it, and the libraries that it names. */
struct calls {
	struct span self, libraries[LIBRARIES];
	const char *strings;
	const ElfW(Sym) *symbols;
	uintptr_t slots;        /* the relocations of the functions that we call */
	size_t slots_size, slot_size;
	unsigned here, elsewhere;
	const void *other;      /* one that goes elsewhere */
};

/* An address that the dynamic section has: some dynamic linkers have added the base to it. */
static uintptr_t
placed(const struct span *self, uintptr_t value)
{
	return value >= self->base ? value : self->base + value;
}

static void
read_dynamic(struct calls *calls)
{
	for (const ElfW(Dyn) *entry = calls->self.dynamic; entry->d_tag != DT_NULL; entry++) {
		uintptr_t value = entry->d_un.d_ptr;

		switch (entry->d_tag) {
		case DT_STRTAB:
			calls->strings = (const char *)placed(&calls->self, value);
			break;
		case DT_SYMTAB:
			calls->symbols = (const ElfW(Sym) *)placed(&calls->self, value);
			break;
		case DT_JMPREL:
			calls->slots = placed(&calls->self, value);
			break;
		case DT_PLTRELSZ:
			calls->slots_size = value;
			break;
		case DT_PLTREL:
			calls->slot_size = value == DT_RELA ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
			break;
		default:
			break;
		}
	}
}

/* The loaded library that we name so; the names of its functions are looked up in it and what it needs. */
static void *
named_library(const struct calls *calls, const char *beginning)
{
	for (const ElfW(Dyn) *entry = calls->self.dynamic; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_NEEDED && strncmp(calls->strings + entry->d_un.d_val, beginning, strlen(beginning)) == 0)
			return dlopen(calls->strings + entry->d_un.d_val, RTLD_LAZY | RTLD_NOLOAD);
	return NULL;
}

/* Follow one call; `slot` is a relocation, ElfW(Rela) begins as ElfW(Rel) does. */
static void
follow(struct calls *calls, void *libssl, const ElfW(Rel) *slot)
{
#if UINTPTR_MAX > 0xffffffffu
	const ElfW(Sym) *symbol = &calls->symbols[ELF64_R_SYM(slot->r_info)];
#else
	const ElfW(Sym) *symbol = &calls->symbols[ELF32_R_SYM(slot->r_info)];
#endif
	const void *goes = *(const void *const *)(calls->self.base + slot->r_offset), *would;

	/* One that is not bound yet leads back to us. */
	if (symbol->st_shndx != SHN_UNDEF || span_has(&calls->self, goes))
		return;
	would = dlsym(libssl, calls->strings + symbol->st_name);
	if (would == NULL || (!span_has(&calls->libraries[0], would) && !span_has(&calls->libraries[1], would)))
		return;
	if (goes == would) {
		calls->here++;
	} else {
		calls->elsewhere++;
		calls->other = goes;
	}
}

static void
follow_all(struct calls *calls)
{
	void *libssl = named_library(calls, "libssl."), *libcrypto = named_library(calls, "libcrypto.");

	if (libssl != NULL && libcrypto != NULL && span_find(&calls->libraries[0], dlsym(libssl, "TLS_server_method")) &&
	    span_find(&calls->libraries[1], dlsym(libcrypto, "OpenSSL_version")))
		for (size_t at = 0; at + calls->slot_size <= calls->slots_size; at += calls->slot_size)
			follow(calls, libssl, (const ElfW(Rel) *)(calls->slots + at));
	if (libssl != NULL)
		dlclose(libssl);
	if (libcrypto != NULL)
		dlclose(libcrypto);
}

/*
 * A program may export functions of its own library, linked statically or with the names of OpenSSL,
 * and the dynamic linker prefers them to those of the library that we name.  All of them are one
 * library, as Node's are; but some of one and some of another can't share their objects.
 */
int
library_check_calls(struct snicert_error *err)
{
	static const char self = 0;
	struct calls calls = {0};

	if (!span_find(&calls.self, &self) || calls.self.dynamic == NULL)
		return 0;
	read_dynamic(&calls);
	if (calls.strings == NULL || calls.symbols == NULL || calls.slots == 0 || calls.slot_size == 0)
		return 0;
	follow_all(&calls);
	if (calls.here == 0 || calls.elsewhere <= INTERPOSED)
		return 0;
	return error_set(err, SNICERT_EUSAGE, "%u of the functions that snicert calls are in %s, and %u in %s: "
	    "link the program with that one, or don't let it export its own", calls.elsewhere,
	    span_file(calls.other, "another library"), calls.here,
	    span_file((const void *)calls.libraries[1].begin, "libcrypto"));
}
