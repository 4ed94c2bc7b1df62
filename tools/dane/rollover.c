/* SPDX-License-Identifier: ISC */
/* rollover.c: what a new key means for DANE. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/rollover_internal.h"
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

int
rollover_compare(struct rollover *r, struct snicert_error *err)
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
		used += (size_t)snprintf(text, size, "chain %" PRId64 " has a different key than the former chain of ", r->chain);
	for (size_t i = 0; text != NULL && i < count && i < NAMES_SHOWN; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
		    tool_key_text(names[i], buffer));
	if (text != NULL && count > NAMES_SHOWN)
		used += (size_t)snprintf(text + used, size - used, " and %zu more", count - NAMES_SHOWN);
	if (text != NULL)
		snprintf(text + used, size - used, "%s: if you publish TLSA records, they must include the new key by now "
		    "(see `snicert tlsa`)", r->records == NULL ? "" : ", for which no record was given");
	free(names);
	return text;
}

char *
rollover_take_notes(struct rollover *r)
{
	char *notes = r->notes;

	r->notes = NULL;
	return notes;
}

void
rollover_clear(struct rollover *r)
{
	free(r->moves);
	free(r->notes);
	r->notes = NULL;
	r->moves = NULL;
	r->count = 0;
}
