/* SPDX-License-Identifier: ISC */
/* hook_stats.h: hook_choice.c's statistics about a handshake, and the reasons that are counted. */
#ifndef SNICERT_HOOK_STATS_H
#define SNICERT_HOOK_STATS_H

#include "hook_choice.h"

/** A chain's key type, one of enum stats_key. */
unsigned hook_stats_key(const struct chain *);

/** Progress through the candidates. */
struct hook_stats_course {
	struct stats_selection selection;
	enum stats_reason name_reason;
};

/** Start; borrows `peer`. */
void hook_stats_begin(struct hook_stats_course *, const struct hook *, const struct hook_peer *);

/** A candidate was tried; then, after the candidates that are names (of that number), they are
 * done. */
void hook_stats_tried(struct hook_stats_course *, enum lookup_result, enum hook_verdict);
void hook_stats_names_tried(struct hook_stats_course *, size_t names);

/**
 * Finish.  `outcome` with the answer and what of it is presented, if any, and `key`: what they were
 * found under, or the name asked for if it got others; NULL if it is no name.
 */
void hook_stats_end(struct hook_stats_course *, const struct hook *, enum stats_outcome outcome,
    const struct name *key, struct answer *, const struct hook_pick *);

#endif
