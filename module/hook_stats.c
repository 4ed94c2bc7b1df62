/* SPDX-License-Identifier: ISC */
/* hook_stats.c: the corridor's statistics. */
#include <string.h>

#include "chain.h"
#include "hook_stats.h"

_Static_assert((int)STATS_EXACT == HOOK_EXACT && (int)STATS_WILDCARD == HOOK_WILDCARD &&
    (int)STATS_ADDRESS == HOOK_ADDRESS && (int)STATS_PROGRAM == HOOK_PROGRAM &&
    (int)STATS_GLOBAL == HOOK_GLOBAL && (int)STATS_OWN == HOOK_CANDIDATES,
    "a candidate's number is that of its outcome");

void
hook_stats_begin(struct hook_stats_course *course, const struct hook *hook, const struct hook_peer *peer)
{
	course->selection = (struct stats_selection){ .server_name = peer->server_name,
		.address = peer->address, .arg = peer->arg };
	course->name_reason = STATS_NONE;
	if (!peer->begun)
		stats_begin(hook->stats);
}

/* Why a candidate failed; the first one counts. */
void
hook_stats_tried(struct hook_stats_course *course, enum lookup_result found, enum hook_verdict verdict)
{
	static const enum stats_reason reasons[] = {
		[HOOK_UNUSABLE] = STATS_UNUSABLE, [HOOK_EXPIRED] = STATS_EXPIRED, [HOOK_REJECTED] = STATS_BROKEN,
		[HOOK_UNREADABLE] = STATS_UNREADABLE,
	};
	struct stats_selection *selection = &course->selection;

	if (verdict == HOOK_SERVED || verdict == HOOK_NOT_BOUND)
		return;
	selection->trouble += verdict == HOOK_UNREADABLE || verdict == HOOK_REJECTED;
	if (selection->reason == STATS_NONE)
		selection->reason = found == LOOKUP_BROKEN ? STATS_BROKEN : found == LOOKUP_MEMORY
		    ? STATS_MEMORY : reasons[verdict];
}

/* Trouble with a fallback is counted separately. */
void
hook_stats_names_tried(struct hook_stats_course *course, size_t names)
{
	struct stats_selection *selection = &course->selection;

	course->name_reason = selection->reason != STATS_NONE ? selection->reason
	    : selection->server_name == NULL ? STATS_NO_NAME : names == 0 ? STATS_MALFORMED : STATS_UNKNOWN;
	selection->reason = STATS_NONE;
}

/* By the letters that differ: no calls in here. */
unsigned
hook_stats_key(const struct chain *chain)
{
	const char *type = chain_key_type(chain);

	return type[0] == 'R' ? STATS_RSA : type[1] == 'C' ? STATS_EC : type[2] == '2' ? STATS_ED25519 : STATS_ED448;
}

static void
count(const struct hook *hook, bool is_expired, enum stats_reason reason)
{
	if (is_expired)
		atomic_fetch_add_explicit(&hook->root->counters.expired, 1, memory_order_relaxed);
	if (reason != STATS_NONE)
		atomic_fetch_add_explicit(&hook->root->counters.reasons[reason], 1, memory_order_relaxed);
}

void
hook_stats_end(struct hook_stats_course *course, const struct hook *hook, enum stats_outcome outcome,
    const struct name *key, struct answer *answer, const struct hook_pick *pick)
{
	struct stats_selection *selection = &course->selection;
	bool nameless = course->name_reason == STATS_NO_NAME || course->name_reason == STATS_MALFORMED;

	/* Without a name to go by, the fallback's trouble is why it got none. */
	if (outcome > STATS_WILDCARD && (outcome != STATS_OWN || !nameless || selection->reason == STATS_NONE))
		selection->reason = course->name_reason;
	count(hook, pick != NULL && answer != NULL && pick->expired, selection->reason);
	if (hook->stats == NULL)
		return;
	selection->outcome = outcome;
	selection->key = key;
	if (answer != NULL && pick != NULL) {
		for (size_t i = 0; i < pick->count; i++)
			selection->keys |= hook_stats_key(pick->chains[i]);
		selection->leaf = chain_digest(pick->chains[0]);
		selection->uses = answer_use(answer, stats_period());
		selection->expired = pick->expired;
	}
	stats_record(hook->stats, selection);
}
