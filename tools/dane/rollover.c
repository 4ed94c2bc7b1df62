/* SPDX-License-Identifier: ISC */
/* rollover.c: what a new key means for DANE. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/rollover.h"
#include "error.h"
#include "tool.h"

#define NAMES_SHOWN 3

int
rollover_note(void *rollover, const char *key, int64_t former)
{
	struct rollover *r = rollover;
	struct rollover_move *moves = realloc(r->moves, (r->count + 1) * sizeof(*moves));

	if (moves == NULL)
		return -1;
	r->moves = moves;
	moves += r->count++;
	*moves = (struct rollover_move){ .former = former, .key.length = strlen(key) };
	snprintf(moves->key.text, sizeof(moves->key.text), "%s", key);
	return 0;
}

static int
take_spki(void *arg, const struct admin_chain *chain)
{
	memcpy(arg, chain->spki, STORE_DIGEST_LENGTH);
	return 0;
}

static int
compare_keys(struct rollover *r, struct snicert_error *err)
{
	unsigned char spki[STORE_DIGEST_LENGTH] = {0}, former[STORE_DIGEST_LENGTH] = {0};

	if (admin_chains(r->admin, r->chain, NULL, take_spki, spki, err) != 0)
		return -1;
	for (size_t i = 0; i < r->count; i++) {
		/* Most come from one chain. */
		if (r->moves[i].former != 0 && (i == 0 || r->moves[i].former != r->moves[i - 1].former) &&
		    admin_chains(r->admin, r->moves[i].former, NULL, take_spki, former, err) != 0)
			return -1;
		r->moves[i].same_key = r->moves[i].former != 0 && memcmp(spki, former, sizeof(spki)) == 0;
	}
	return 0;
}

static int
count_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	(void)key;
	(void)key_type;
	(void)chain;
	++*(int *)arg;
	return 0;
}

/* Whether clients of `name` come to what is bound to `key`. */
static int
comes_to(struct rollover *r, const struct name *key, const struct name *name, bool *comes,
    struct snicert_error *err)
{
	int bound = 0;

	*comes = name_equal(key, name);
	if (*comes || !name_covers(key, name))
		return 0;
	if (admin_bindings(r->admin, name->text, 0, count_binding, &bound, err) != 0)
		return -1;
	*comes = bound == 0;
	return 0;
}

static int
not_published(const struct rollover *r, const char *name, const struct store_chain *chain,
    struct snicert_error *err)
{
	struct tlsa tlsa = {0};
	char *hex = tlsa_of_chain((struct tlsa_kind){ 3, 1, 1 }, chain, &tlsa, err) == 0 ? tlsa_hex(&tlsa) : NULL;

	error_set(err, SNICERT_EINPUT, "chain %" PRId64 " stays staged: its key is in none of the TLSA records given"
	    "%s%s; publish 3 1 1 %s and wait until the records of before have run out", r->chain,
	    name == NULL ? "" : " of ", name == NULL ? "" : name, hex == NULL ? "" : hex);
	free(hex);
	tlsa_clear(&tlsa);
	return -1;
}

/* All entries that are of one name, `first` being the first of them: does one match? */
static bool
name_is_served(const struct rollover *r, const struct name *name, const bool *matches)
{
	struct name other;

	for (size_t i = 0; i < r->records->count; i++)
		if (matches[i] && tlsa_entry_name(&r->records->list[i], r->port, &other) && name_equal(name, &other))
			return true;
	return false;
}

/* The records of a move's names; *matched where there are any, all of them matching. */
static int
judge_move(struct rollover *r, struct rollover_move *move, const bool *matches,
    const struct store_chain *chain, struct snicert_error *err)
{
	for (size_t i = 0; i < r->records->count; i++) {
		const struct tlsa_entry *entry = &r->records->list[i];
		struct name name;
		bool comes = false;

		if (entry->owner[0] == '\0') {
			move->published = move->published || matches[i];
			continue;
		}
		if (!tlsa_entry_name(entry, r->port, &name))
			continue;
		if (comes_to(r, &move->key, &name, &comes, err) != 0)
			return -1;
		if (comes && !name_is_served(r, &name, matches))
			return not_published(r, name.text, chain, err);
		move->published = move->published || comes;
	}
	return 0;
}

static int
judge_records(struct rollover *r, const bool *matches, const struct store_chain *chain,
    struct snicert_error *err)
{
	bool wanted = false, any = false;

	for (size_t i = 0; i < r->records->count; i++)
		any = any || matches[i];
	for (size_t i = 0; i < r->count; i++) {
		if (r->moves[i].same_key)
			continue;
		wanted = true;
		if (judge_move(r, &r->moves[i], matches, chain, err) != 0)
			return -1;
	}
	return wanted && !any ? not_published(r, NULL, chain, err) : 0;
}

int
rollover_judge(struct rollover *r, struct snicert_error *err)
{
	struct store_rows rows = {0};
	bool *matches = NULL;
	int status = compare_keys(r, err);

	if (status != 0 || r->records == NULL)
		return status;
	matches = calloc(r->records->count + 1, sizeof(*matches));
	if (matches == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	status = admin_load(r->admin, r->chain, &rows, err);
	for (size_t i = 0; status == 0 && i < r->records->count; i++)
		matches[i] = tlsa_entry_matches(&r->records->list[i], &rows.chains[0]);
	if (status == 0)
		status = judge_records(r, matches, &rows.chains[0], err);
	store_rows_free(&rows);
	free(matches);
	return status;
}

const char *
rollover_key(const struct rollover *r)
{
	bool same = false;

	for (size_t i = 0; i < r->count; i++) {
		if (r->moves[i].former != 0 && !r->moves[i].same_key)
			return "changed";
		same = same || r->moves[i].same_key;
	}
	return r->count == 0 ? NULL : same ? "same" : "new";
}

const char **
rollover_names(const struct rollover *r, size_t *count)
{
	const char **list = calloc(r->count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list != NULL && i < r->count; i++)
		if (r->moves[i].former != 0 && !r->moves[i].same_key && !r->moves[i].published)
			list[(*count)++] = r->moves[i].key.text;
	return list;
}

char *
rollover_warning(const struct rollover *r)
{
	size_t count, used = 0, size = NAMES_SHOWN * (NAME_TEXT_SIZE + 2) + 400;
	const char **names = rollover_names(r, &count);
	char *text = names != NULL && count > 0 ? malloc(size) : NULL, buffer[NAME_TEXT_SIZE];

	if (text != NULL)
		used += (size_t)snprintf(text, size, "chain %" PRId64 " has another key than was served for ", r->chain);
	for (size_t i = 0; text != NULL && i < count && i < NAMES_SHOWN; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
		    tool_key_text(names[i], buffer));
	if (text != NULL && count > NAMES_SHOWN)
		used += (size_t)snprintf(text + used, size - used, " and %zu more", count - NAMES_SHOWN);
	if (text != NULL)
		snprintf(text + used, size - used, "%s: where there are TLSA records, they must have it by now "
		    "(see `snicert tlsa`)", r->records == NULL ? "" : ", of which no record was given");
	free(names);
	return text;
}

void
rollover_clear(struct rollover *r)
{
	free(r->moves);
	r->moves = NULL;
	r->count = 0;
}
