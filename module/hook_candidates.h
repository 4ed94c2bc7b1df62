/* SPDX-License-Identifier: ISC */
/*
 * hook_candidates.h: the keys of the store to look under for a client, in order of
 * choice: by whoever serves, and by whoever has to know what may be served.
 */
#ifndef SNICERT_HOOK_CANDIDATES_H
#define SNICERT_HOOK_CANDIDATES_H

#include "config.h"
#include "hook.h"
#include "name.h"

/** All zero is empty. */
struct hook_candidates {
	size_t count;
	struct {
		enum hook_candidate what;
		struct name key;
	} each[HOOK_CANDIDATES];
};

/** 1 and 2: the exact name, and the wildcard of one label; none for a name that is none, or NULL. */
void hook_candidates_names(struct hook_candidates *, const struct config *, const char *server_name);

/** 3 to 5: the fallbacks, the more specific first: of the local address, of the program (NULL: none), of all. */
void hook_candidates_fallbacks(struct hook_candidates *, const char *address, const struct config_program *);

#endif
