/* SPDX-License-Identifier: ISC */
/*
 * hook_candidates.h: the keys to look up in the store for a client, in order of choice: for
 * serving, and for finding out what may be served.
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

/** 1 and 2: the exact name, and its one-label wildcard; none for an invalid name, or NULL. */
void hook_candidates_names(struct hook_candidates *, const struct config *, const char *server_name);

/** 3 to 5: the fallbacks, most specific first: of the local address, of the program (NULL: none),
 * global. */
void hook_candidates_fallbacks(struct hook_candidates *, const char *address, const struct config_program *);

#endif
