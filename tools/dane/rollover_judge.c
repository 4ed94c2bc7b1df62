/* SPDX-License-Identifier: ISC */
/* rollover_judge.c: whether the published records have a chain's key, name by name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/published.h"
#include "dane/rollover_internal.h"
#include "dane/tlsa_plan.h"
#include "error.h"

#define NOTES_SIZE 1000

struct judging {
	struct rollover *r;
	const struct store_chain *chain;        /* the new one */
	const char *key_type;
	bool any;                               /* some name has it published */
	char useless[160];                      /* of the first name without others */
	char *owner;                            /* the first one's place for a record; NULL: none so far */
	struct snicert_error *err;
};

static bool
is_name(const struct name *key)
{
	return key->text[0] != '*' && key->text[0] != '@';
}

/* The missing record, and its place. */
static int
not_published(const struct judging *j, const char *name, const char *owner, const char *why)
{
	struct tlsa tlsa = {0};
	char *hex = tlsa_of_chain((struct tlsa_kind){ 3, 1, 1 }, j->chain, &tlsa, j->err) == 0 ? tlsa_hex(&tlsa) : NULL;

	error_set(j->err, SNICERT_ENOTFOUND, "chain %" PRId64 " stays staged: none of the TLSA records given for %s has its %s key; "
	    "publish %s%s3 1 1 %s and wait until the old records have expired from caches%s%s%s", j->r->chain, name, j->key_type, owner,
	    *owner == '\0' ? "" : ". IN TLSA ", hex == NULL ? "" : hex, *why == '\0' ? "" : " (", why, *why == '\0' ? "" : ")");
	free(hex);
	tlsa_clear(&tlsa);
	return -1;
}

static void
add_note(struct rollover *r, const char *text)
{
	size_t used = r->notes == NULL ? 0 : strlen(r->notes);

	if (r->notes == NULL)
		r->notes = calloc(1, NOTES_SIZE);
	else if (strstr(r->notes, text) != NULL)
		return;
	if (r->notes != NULL)
		snprintf(r->notes + used, NOTES_SIZE - used, "%s%s", used > 0 ? "; " : "", text);
}

static int
matches_chain(const struct judging *j, const struct tlsa_entry *entry, int64_t id, bool *matches)
{
	struct store_rows rows = {0};
	int status = *matches || id == 0 ? 0 : admin_load(j->r->admin, id, &rows, j->err);

	if (status == 0 && rows.count > 0)
		*matches = *matches || tlsa_entry_matches(entry, &rows.chains[0]);
	store_rows_free(&rows);
	return status;
}

static bool
matches_key(const struct tlsa_entry *entry, const struct tlsa_plan_item *item)
{
	struct tlsa tlsa = {0};
	struct snicert_error ignored = {0};
	bool same = entry->tlsa.kind.selector == 1 && entry->tlsa.kind.matching <= 2 &&
	    tlsa_of_octets(entry->tlsa.kind, item->public_key, item->public_length, &tlsa, &ignored) == 0 &&
	    tlsa_equal(&tlsa, &entry->tlsa);

	tlsa_clear(&tlsa);
	return same;
}

static int
matches_plan(struct judging *j, const struct tlsa_entry *entry, const struct tlsa_plan *plan, bool *matches)
{
	for (size_t i = 0; i < plan->count && !*matches; i++)
		if (plan->items[i].state == TLSA_PLAN_WAITING)
			*matches = matches_key(entry, &plan->items[i]);
		else if (matches_chain(j, entry, plan->items[i].id, matches) != 0)
			return -1;
	return 0;
}

/* Whether a record is for something that is served, was until now, or will be. */
static int
is_of_use(struct judging *j, const struct name *name, const struct tlsa_entry *entry, bool *is)
{
	struct tlsa_plan plan = {0};
	int status = 0;

	*is = tlsa_entry_useless(entry) != NULL || tlsa_entry_matches(entry, j->chain);
	for (size_t i = 0; i < j->r->count && !*is && status == 0; i++)
		status = matches_chain(j, entry, j->r->moves[i].former, is);
	if (*is || status != 0)
		return status;
	/* Few get here: it means reading everything staged. */
	status = tlsa_plan_of(j->r->admin, j->r->config, name, &plan, j->err) == 0 ? matches_plan(j, entry, &plan, is) : -1;
	tlsa_plan_clear(&plan);
	return status;
}

static int
note_strays(struct judging *j, const struct name *name, const struct tlsa_found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		bool is;
		char text[600];

		if (is_of_use(j, name, found->list[i], &is) != 0)
			return -1;
		if (is)
			continue;
		snprintf(text, sizeof(text), "%s: a TLSA record of %s matches nothing that is served or staged",
		    found->list[i]->where, name->text);
		add_note(j->r, text);
	}
	return 0;
}

/* A key of the store is satisfied if any of its names is. */
static void
mark(struct judging *j, const struct name *name, const struct name *key)
{
	j->any = true;
	for (size_t i = 0; i < j->r->count; i++)
		if (name_equal(&j->r->moves[i].key, name) || name_equal(&j->r->moves[i].key, key))
			j->r->moves[i].published = true;
}

/* `served_by`: the key of the store that serves the name's clients. */
static int
judge_name(struct judging *j, const struct name *name, const struct name *served_by)
{
	struct published published = {0};
	int status = published_of(j->r->records, name, j->r->port, j->chain, &published, j->err);

	if (status == 0 && published.state == PUBLISHED_NOT)
		status = not_published(j, name->text, published.found.owner, published.useless);
	if (status == 0 && published.state == PUBLISHED) {
		mark(j, name, served_by);
		status = note_strays(j, name, &published.found);
	}
	if (status == 0 && j->owner == NULL) {
		j->owner = published.found.owner;
		published.found.owner = NULL;
	}
	if (status == 0 && published.useless[0] != '\0') {
		add_note(j->r, published.useless);
		if (published.state == PUBLISHED_NONE && j->useless[0] == '\0')
			snprintf(j->useless, sizeof(j->useless), "%s", published.useless);
	}
	published_clear(&published);
	return status;
}

/* The fallback's names may be anybody's: ours are those with published records for the former chain. */
static int
was_served(struct judging *j, const struct name *name, bool *was)
{
	struct tlsa_found found = {0};
	int status = tlsa_find(j->r->records, name, j->r->port, &found, j->err);

	*was = false;
	for (size_t i = 0; i < found.count && status == 0; i++) {
		*was = *was || (found.list[i]->owner[0] != '\0' && tlsa_entry_matches(found.list[i], j->chain));
		for (size_t k = 0; k < j->r->count && status == 0 && found.list[i]->owner[0] != '\0'; k++)
			status = matches_chain(j, found.list[i], j->r->moves[k].former, was);
	}
	tlsa_found_clear(&found);
	return status;
}

/* A name served by a wildcard or a fallback, if that has the chain now. */
static int
consider(struct judging *j, const struct name *name)
{
	struct tlsa_plan plan = {0};
	const struct tlsa_plan_item *item = NULL;
	int status = tlsa_plan_of(j->r->admin, j->r->config, name, &plan, j->err);
	bool ours = true;

	for (size_t i = 0; i < plan.count && status == 0; i++)
		if (plan.items[i].state == TLSA_PLAN_ACTIVE && plan.items[i].id == j->r->chain)
			item = &plan.items[i];
	if (item != NULL && item->what >= HOOK_ADDRESS)
		status = was_served(j, name, &ours);
	if (status == 0 && item != NULL && ours)
		status = judge_name(j, name, &item->served_by);
	tlsa_plan_clear(&plan);
	return status;
}

static bool
is_moved(const struct rollover *r, const struct name *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (name_equal(&r->moves[i].key, name))
			return true;
	return false;
}

/* Names of the records that are bound to nothing that changed. */
static int
consider_others(struct judging *j)
{
	struct name name, before = {0};

	for (size_t i = 0; i < j->r->records->count; i++) {
		if (!tlsa_entry_name(&j->r->records->list[i], j->r->port, &name) || !is_name(&name) ||
		    name_equal(&name, &before) || is_moved(j->r, &name))
			continue;
		before = name;
		if (consider(j, &name) != 0)
			return -1;
	}
	return 0;
}

/* dig +short doesn't show the records' owner: a wildcard, or a fallback. */
static void
consider_alone(struct judging *j, struct rollover_move *move)
{
	for (size_t i = 0; i < j->r->records->count; i++) {
		const struct tlsa_entry *entry = &j->r->records->list[i];

		if (entry->owner[0] != '\0' || tlsa_entry_useless(entry) != NULL || !tlsa_entry_matches(entry, j->chain))
			continue;
		move->published = true;
		j->any = true;
	}
}

static int
judge_moves(struct judging *j)
{
	const struct rollover_move *first = NULL;
	char buffer[NAME_TEXT_SIZE];
	bool others = false;

	for (size_t i = 0; i < j->r->count; i++) {
		struct rollover_move *move = &j->r->moves[i];

		if (move->same_key)
			continue;
		if (first == NULL || (!is_name(&first->key) && is_name(&move->key)))
			first = move;
		others = others || !is_name(&move->key);
		if (!is_name(&move->key))
			consider_alone(j, move);
		else if (judge_name(j, &move->key, &move->key) != 0)
			return -1;
	}
	if (others && consider_others(j) != 0)
		return -1;
	if (first == NULL || j->any)
		return 0;
	return not_published(j, name_describe(&first->key, buffer),
	    is_name(&first->key) && j->owner != NULL ? j->owner : "", j->useless[0] != '\0' ? j->useless
	    : j->r->records->records == 0 ? "the input has no TLSA record" : "");
}

static int
take_key_type(void *arg, const struct admin_chain *chain)
{
	snprintf(arg, 16, "%s", chain->key_type);
	return 0;
}

int
rollover_judge(struct rollover *r, struct snicert_error *err)
{
	struct store_rows rows = {0};
	char key_type[16] = "";
	struct judging j = { .r = r, .key_type = key_type, .err = err };
	int status = rollover_compare(r, err);

	if (status != 0 || r->records == NULL)
		return status;
	if (admin_chains(r->admin, r->chain, NULL, take_key_type, key_type, err) != 0 ||
	    admin_load(r->admin, r->chain, &rows, err) != 0)
		return -1;
	j.chain = &rows.chains[0];
	status = judge_moves(&j);
	free(j.owner);
	store_rows_free(&rows);
	return status;
}
