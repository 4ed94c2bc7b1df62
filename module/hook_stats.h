/* SPDX-License-Identifier: ISC */
/* hook_stats.h: what hook_choice.c has to say of a handshake, for the statistics and the reasons that are counted. */
#ifndef SNICERT_HOOK_STATS_H
#define SNICERT_HOOK_STATS_H

#include "hook_choice.h"

/** The kind of a chain's key, one of enum stats_key. */
unsigned hook_stats_key(const struct chain *);

/** A handshake's way past its candidates. */
struct hook_stats_course {
	struct stats_selection selection;
	enum stats_reason name_reason;
};

/** Its beginning; borrows `peer`. */
void hook_stats_begin(struct hook_stats_course *, const struct hook *, const struct hook_peer *);

/** A candidate was tried; then, after those that are names (there were so many), they are done with. */
void hook_stats_tried(struct hook_stats_course *, enum lookup_result, enum hook_verdict);
void hook_stats_names_tried(struct hook_stats_course *, size_t names);

/**
 * Its end.  `outcome` with the answer and what of it is presented, if any, and `key`: under which they were
 * found, or the name asked for where it got others; NULL where it is no name.
 */
void hook_stats_end(struct hook_stats_course *, const struct hook *, enum stats_outcome outcome,
    const struct name *key, struct answer *, const struct hook_pick *);

#endif
