/* SPDX-License-Identifier: ISC */
/*
 * hook_choice.c: which chains, of the candidates for a server name.
 *
 *   server name → candidates → look-up → the chains that this client can use
 *
 * On any trouble the next candidate is tried, and the last is the host's own certificate.
 */
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "chain.h"
#include "hook_candidates.h"
#include "hook_choice.h"
#include "hook_log.h"
#include "hook_stats.h"

static void
add_fallbacks(struct hook_candidates *list, const struct hook *hook, const struct hook_peer *peer)
{
	char text[INET6_ADDRSTRLEN];
	const char *address = NULL;

	if (lookup_has_address_fallback(hook->lookup) && peer->address(peer->arg, text, sizeof(text)))
		address = text;
	hook_candidates_fallbacks(list, address, hook->program);
}

/* An ongoing choice. */
struct course {
	struct hook *hook;
	const struct hook_peer *peer;
	struct hook_candidates list;
	size_t names;                   /* in the list, before the fallbacks */
	enum hook_verdict verdicts[HOOK_CANDIDATES];
	bool out_of_reach;              /* the store could not be asked for the name */
	struct hook_stats_course stats;
	struct answer *answer;          /* served, and which chains */
	struct hook_pick pick;
};

static void
count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool
is_expired(const struct chain *chain)
{
	return chain_not_after(chain) < (int64_t)time(NULL);
}

/* Whether the context's policy lets it serve such a chain. */
static bool
is_allowed(const struct hook *hook, const struct chain *chain)
{
	return hook->policy.key_types == 0 || (hook->policy.key_types & hook_stats_key(chain)) != 0;
}

static void
add_usable(const struct course *course, struct hook_pick *pick, const struct answer *answer, bool expired)
{
	const struct hook_peer *peer = course->peer;

	for (size_t i = 0; i < answer_count(answer); i++) {
		struct chain *chain = answer_chains(answer)[i];

		if (is_expired(chain) == expired && is_allowed(course->hook, chain) &&
		    (peer->usable == NULL || peer->usable(peer->arg, chain)))
			pick->chains[pick->count++] = chain;
	}
}

static bool
all_expired(const struct answer *answer)
{
	for (size_t i = 0; i < answer_count(answer); i++)
		if (!is_expired(answer_chains(answer)[i]))
			return false;
	return true;
}

/*
 * Those that this client can use, so that the library can't choose a cipher to suit another.  Each
 * is judged separately: an expired one is for a client that can use no other, or whose abilities
 * are unknown.
 */
static enum hook_verdict
pick_chains(const struct course *course, const struct answer *answer, struct hook_pick *pick)
{
	const struct hook_peer *peer = course->peer;
	bool serve = course->hook->config->expired == CONFIG_EXPIRED_SERVE;
	size_t valid;

	*pick = (struct hook_pick){0};
	add_usable(course, pick, answer, false);
	valid = pick->count;
	if (serve && (valid == 0 || peer->usable == NULL))
		add_usable(course, pick, answer, true);
	pick->expired = pick->count > valid;
	if (pick->count > 0)
		return HOOK_SERVED;
	return !serve && all_expired(answer) ? HOOK_EXPIRED : HOOK_UNUSABLE;
}

/* Present what was found under a key, if this client can use it. */
static enum hook_verdict
present(const struct course *course, const struct name *key, const struct answer *answer,
    struct hook_pick *pick)
{
	enum hook_verdict verdict = pick_chains(course, answer, pick);
	const struct hook_peer *peer = course->peer;
	struct snicert_error err = {0};

	if (verdict != HOOK_SERVED || peer->install == NULL)
		return verdict;
	if (peer->install(peer->arg, pick->chains, pick->count, &err) != 0) {
		hook_log_rejected(course->hook, peer, key, pick, err.text);
		return HOOK_REJECTED;
	}
	if (err.code != SNICERT_OK)
		hook_log_left_out(course->hook, peer, key, err.text);
	if (pick->expired)
		hook_log_expired(course->hook, peer, key, pick);
	return HOOK_SERVED;
}

/* Leaves what is served in the course. */
static enum hook_verdict
try_candidate(struct course *course, enum hook_candidate what, const struct name *key)
{
	struct hook *hook = course->hook;
	enum hook_verdict verdict = HOOK_UNREADABLE;
	struct answer *answer = NULL;
	enum lookup_result found = lookup_find(hook->lookup, key, &answer);

	if (found == LOOKUP_FOUND)
		verdict = present(course, key, answer, &course->pick);
	else if (found == LOOKUP_NONE)
		verdict = HOOK_NOT_BOUND;
	course->out_of_reach = course->out_of_reach || (what < HOOK_ADDRESS && found == LOOKUP_ERROR);
	hook_stats_tried(&course->stats, found, verdict);
	if (verdict == HOOK_SERVED)
		course->answer = answer;
	else
		answer_unref(answer);
	return verdict;
}

/* Whether a client whose name got nothing gets a fallback instead of the host's own. */
static bool
falls_back(const struct course *course)
{
	const struct hook_peer *peer = course->peer;
	const struct config_program *program = course->hook->program;

	if (course->hook->policy.has_no_fallback || (program != NULL && program->unknown == CONFIG_UNKNOWN_OWN))
		return false;
	/* The name may have chains: the host's own may match it, a fallback does not. */
	return !course->out_of_reach || peer->has_own == NULL || !peer->has_own(peer->arg);
}

static void
note(const struct course *course, const struct name *key, enum hook_verdict verdict)
{
	struct hook *hook = course->hook;

	switch (verdict) {
	case HOOK_UNUSABLE:
		count(&hook->root->counters.unusable);
		hook_log_unusable(hook, course->peer, key);
		break;
	case HOOK_UNREADABLE:
	case HOOK_REJECTED:
		count(&hook->root->counters.trouble);
		break;
	default:
		break;
	}
}

/* Try the candidates in turn.  Returns the index of the one served, or HOOK_CANDIDATES. */
static size_t
choose(struct course *course, bool say)
{
	struct hook_candidates *list = &course->list;

	hook_stats_begin(&course->stats, course->hook, course->peer);
	lookup_refresh(course->hook->lookup);
	hook_candidates_names(list, course->hook->config, course->peer->server_name);
	course->names = list->count;
	for (size_t i = 0;; i++) {
		if (i == course->names) {
			hook_stats_names_tried(&course->stats, course->names);
			if (falls_back(course))
				add_fallbacks(list, course->hook, course->peer);
		}
		if (i == list->count)
			return HOOK_CANDIDATES;
		course->verdicts[i] = try_candidate(course, list->each[i].what, &list->each[i].key);
		if (course->verdicts[i] == HOOK_SERVED)
			return i;
		if (say)
			note(course, &list->each[i].key, course->verdicts[i]);
	}
}

/* Why a name did not get its own chains: the first reason among the candidates that are names. */
static const char *
why(const struct course *course)
{
	static const char *const words[] = { [HOOK_UNREADABLE] = "trouble", [HOOK_UNUSABLE] = "unusable",
		[HOOK_EXPIRED] = "expired", [HOOK_REJECTED] = "rejected" };

	if (course->names == 0)
		return "malformed";
	for (size_t i = 0; i < course->names; i++)
		if (course->verdicts[i] != HOOK_NOT_BOUND)
			return words[course->verdicts[i]];
	return "unknown";
}

/* Count and log the end of a choice. */
static void
conclude(struct course *course, size_t served)
{
	struct hook *hook = course->hook;
	bool is_served = served < HOOK_CANDIDATES, by_name = served < course->names;
	enum hook_candidate what = is_served ? course->list.each[served].what : HOOK_CANDIDATES;
	const struct name *key = is_served ? &course->list.each[served].key : NULL;
	const struct name *asked = course->names > 0 ? &course->list.each[0].key : NULL;

	count(is_served ? &hook->root->counters.served[what] : &hook->root->counters.own);
	hook_stats_end(&course->stats, hook, (enum stats_outcome)what, by_name ? key : asked, course->answer,
	    &course->pick);
	hook_log_choice(hook, course->peer, what, key, is_served ? &course->pick : NULL,
	    by_name ? NULL : why(course));
}

void
hook_outcome_clear(struct hook_outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++)
		chain_unref(outcome->chains[i]);
	outcome->count = outcome->tried = 0;
	outcome->is_chosen = false;
}

static void
leave_outcome(const struct course *course, size_t served, struct hook_outcome *out)
{
	hook_outcome_clear(out);
	out->is_chosen = true;
	out->what = HOOK_CANDIDATES;
	out->expired = false;
	out->tried = served == HOOK_CANDIDATES ? course->list.count : served + 1;
	memcpy(out->verdicts, course->verdicts, sizeof(out->verdicts));
	if (served == HOOK_CANDIDATES)
		return;
	out->what = course->list.each[served].what;
	out->key = course->list.each[served].key;
	out->expired = course->pick.expired;
	for (; out->count < course->pick.count; out->count++)
		out->chains[out->count] = chain_ref(course->pick.chains[out->count]);
}

bool
hook_serve(struct hook *hook, const struct hook_peer *peer)
{
	struct course course = { .hook = hook, .peer = peer };
	size_t served = choose(&course, !peer->again);

	if (peer->outcome != NULL)
		leave_outcome(&course, served, peer->outcome);
	if (!peer->again)
		conclude(&course, served);
	answer_unref(course.answer);
	return served < HOOK_CANDIDATES;
}

bool
hook_answers(struct hook *hook, const struct hook_peer *peer)
{
	struct hook_peer asker = *peer;
	struct course course = { .hook = hook, .peer = &asker };
	bool answers;

	asker.install = NULL;
	answers = choose(&course, false) < HOOK_CANDIDATES;
	answer_unref(course.answer);
	return answers;
}

void
hook_choice_retrace(struct hook *hook, const struct hook_peer *peer, const struct hook_outcome *outcome,
    hook_tell_fn *tell, void *arg)
{
	struct hook_candidates list = {0};

	hook_candidates_names(&list, hook->config, peer->server_name);
	if (list.count < outcome->tried)
		add_fallbacks(&list, hook, peer);
	for (size_t i = 0; i < outcome->tried && i < list.count; i++) {
		enum hook_verdict verdict = outcome->verdicts[i];
		struct answer *answer = NULL;

		if (verdict != HOOK_NOT_BOUND && verdict != HOOK_UNREADABLE)
			lookup_find(hook->lookup, &list.each[i].key, &answer);
		tell(arg, list.each[i].what, &list.each[i].key, verdict, answer);
		answer_unref(answer);
	}
}

/* Every key that a name may be bound under was looked up. */
static bool
is_bound_nowhere(const struct course *course)
{
	for (size_t i = 0; i < course->names; i++)
		if (course->verdicts[i] != HOOK_NOT_BOUND)
			return false;
	return true;
}

bool
hook_look(struct hook *hook, const struct hook_peer *peer, bool *is_refused)
{
	struct hook_peer asker = *peer;
	struct course course = { .hook = hook, .peer = &asker };
	size_t served;

	asker.install = NULL;
	asker.begun = true;
	served = choose(&course, false);
	leave_outcome(&course, served, peer->outcome);
	*is_refused = hook_may_refuse(hook) && peer->server_name != NULL && is_bound_nowhere(&course);
	answer_unref(course.answer);
	return !course.out_of_reach;
}

/* Whether the name is certainly unknown: our own trouble is no reason to refuse. */
static bool
is_unknown(struct hook *hook, const struct hook_candidates *list)
{
	lookup_refresh(hook->lookup);
	for (size_t i = 0; i < list->count; i++) {
		struct answer *answer = NULL;
		enum lookup_result result = lookup_find(hook->lookup, &list->each[i].key, &answer);

		answer_unref(answer);
		if (result != LOOKUP_NONE)
			return false;
	}
	return true;
}

bool
hook_may_refuse(const struct hook *hook)
{
	return hook->program != NULL && hook->program->unknown == CONFIG_UNKNOWN_REFUSE;
}

bool
hook_refuses(struct hook *hook, const struct hook_peer *peer)
{
	struct hook_candidates list = {0};
	struct hook_stats_course stats;

	if (!hook_may_refuse(hook) || peer->server_name == NULL)
		return false;
	hook_stats_begin(&stats, hook, peer);
	hook_candidates_names(&list, hook->config, peer->server_name);
	if (!is_unknown(hook, &list))
		return false;
	count(&hook->root->counters.refused);
	hook_stats_names_tried(&stats, list.count);
	hook_stats_end(&stats, hook, STATS_REFUSED, list.count > 0 ? &list.each[0].key : NULL, NULL, NULL);
	hook_log_refused(hook, peer);
	return true;
}
