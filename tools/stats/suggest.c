/* SPDX-License-Identifier: ISC */
/*
 * suggest.c: what would serve names that nobody has bound.
 *
 * We look bindings up by their index, a few for each name.  Certificates' names and near misses
 * need a pass over the store, which compares each of its names with all of ours at once: two names
 * are one letter apart only if they are equal once each has lost one letter, or one of them has.
 * So ours are in a table with each letter left out in turn, by a hash computed in one step from
 * those of the letters before and after; a bit per hash rules out nearly all of the store's names
 * at once.
 */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "nearest.h"
#include "stats/suggest.h"
#include "store/admin_names.h"

#define MULTIPLIER 0x9e3779b97f4a7c15u  /* odd: of a hash modulo 2^64 */
#define FORMS_MOST (NAME_MAX_LENGTH + 1)

struct entry {
	uint32_t next;          /* + 1; 0: the last */
	uint32_t item;          /* in the list */
	uint64_t hash;
};

/* Hashes of texts, and their owners. */
struct table {
	uint32_t *heads;        /* + 1 */
	unsigned char *bits;
	struct entry *entries;
	size_t count, room, size;
};

struct work {
	struct suggestion *list;
	size_t count;
	struct table exact;     /* names, and the wildcards that would cover them */
	struct table forms;     /* the same with at most one letter left out */
};

static int
table_new(struct table *table, size_t room)
{
	size_t size = 1024;

	while (size < room)
		size *= 2;
	table->heads = calloc(size, sizeof(*table->heads));
	table->bits = calloc(size, 2); /* 16 bits each */
	table->entries = calloc(room + 1, sizeof(*table->entries));
	table->room = room;
	table->size = size;
	return table->heads != NULL && table->bits != NULL && table->entries != NULL ? 0 : -1;
}

static void
table_free(struct table *table)
{
	free(table->heads);
	free(table->bits);
	free(table->entries);
}

/* The plain low bits aren't random enough. */
static uint64_t
mixed(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

static void
table_put(struct table *table, uint64_t hash, size_t item)
{
	uint64_t at = mixed(hash);
	uint32_t *head = &table->heads[at & (table->size - 1)];

	if (table->count == table->room)
		return;
	table->bits[at >> 8 & (2 * table->size - 1)] |= (unsigned char)(1u << (at & 7));
	table->entries[table->count] = (struct entry){ *head, (uint32_t)item, hash };
	*head = (uint32_t)++table->count;
}

/* The first entry of a hash, or the one after `entry`; NULL: no more. */
static const struct entry *
table_find(const struct table *table, uint64_t hash, const struct entry *entry)
{
	uint64_t at = mixed(hash);
	uint32_t next = entry != NULL ? entry->next : table->heads[at & (table->size - 1)];

	if (entry == NULL && (table->bits[at >> 8 & (2 * table->size - 1)] & 1u << (at & 7)) == 0)
		return NULL;
	for (; next != 0; next = table->entries[next - 1].next)
		if (table->entries[next - 1].hash == hash)
			return &table->entries[next - 1];
	return NULL;
}

static uint64_t
hash_of(const char *text, size_t length)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < length; i++)
		hash = hash * MULTIPLIER + (unsigned char)text[i];
	return hash;
}

/* The hashes of a text, and without each of its letters from `from` on; their number. */
static size_t
forms_of(const char *text, size_t length, size_t from, uint64_t out[FORMS_MOST])
{
	uint64_t whole = hash_of(text, length), behind = 0, power = 1;
	uint64_t before[FORMS_MOST];
	size_t count = 0;

	out[count++] = whole;
	before[0] = 0;
	for (size_t i = 0; i < length; i++)
		before[i + 1] = before[i] * MULTIPLIER + (unsigned char)text[i];
	for (size_t i = length; i-- > from;) {
		out[count++] = before[i] * power + behind;
		behind += (unsigned char)text[i] * power;
		power *= MULTIPLIER;
	}
	return count;
}

/* The wildcard that covers a name, if any. */
static bool
wildcard_of(const char *text, struct name *out)
{
	struct name name;

	return name_normalise(&name, text, strlen(text)) && name_wildcard(out, &name);
}

/* --- bindings --------------------------------------------------------------- */

static int
is_bound(struct admin *admin, struct suggestion *s, const char *key, enum suggest_kind kind, bool *found,
    struct snicert_error *err)
{
	int64_t chain;

	*found = false;
	if (admin_chain_of_name(admin, key, &chain, err) != 0)
		return -1;
	if (chain != 0) {
		s->kind = kind;
		s->chain = chain;
		snprintf(s->near, sizeof(s->near), "%s", key);
		*found = true;
	}
	return 0;
}

/* Bound now; or a wildcard one label off. */
static int
look_up(struct admin *admin, struct suggestion *s, struct snicert_error *err)
{
	struct name wildcard, above;
	char of_name[NAME_MAX_LENGTH + 3];
	bool has_wildcard = wildcard_of(s->name, &wildcard), found;

	s->kind = SUGGEST_NOTHING;
	s->chain = 0;
	s->near[0] = '\0';
	if (is_bound(admin, s, s->name, SUGGEST_BOUND, &found, err) != 0)
		return -1;
	if (!found && has_wildcard &&
	    is_bound(admin, s, wildcard.text, SUGGEST_BOUND, &found, err) != 0)
		return -1;
	if (!found && has_wildcard && wildcard_of(wildcard.text + 2, &above) &&
	    is_bound(admin, s, above.text, SUGGEST_ONE_LABEL, &found, err) != 0)
		return -1;
	snprintf(of_name, sizeof(of_name), "*.%s", s->name);
	return found ? 0 : is_bound(admin, s, of_name, SUGGEST_ONE_LABEL, &found, err);
}

/* --- certificates ------------------------------------------------------------- */

/* Prefer an active chain to a staged one, then the longest-lasting. */
static bool
is_better(const struct suggestion *s, const struct admin_certificate *certificate)
{
	if (s->kind == SUGGEST_BOUND)
		return false;
	if (s->kind != SUGGEST_COVERED && s->kind != SUGGEST_STAGED)
		return true;
	if ((s->kind == SUGGEST_STAGED) != certificate->staged)
		return !certificate->staged;
	return certificate->not_after > s->not_after;
}

static void
offer(struct suggestion *s, const char *pattern, size_t length, const struct admin_certificate *certificate)
{
	struct name name, wildcard;
	bool covers = strlen(s->name) == length && memcmp(s->name, pattern, length) == 0;

	if (!covers && name_normalise(&name, s->name, strlen(s->name)) && name_wildcard(&wildcard, &name))
		covers = wildcard.length == length && memcmp(wildcard.text, pattern, length) == 0;
	if (!covers || !is_better(s, certificate))
		return;
	s->kind = certificate->staged ? SUGGEST_STAGED : SUGGEST_COVERED;
	s->chain = certificate->chain;
	s->not_after = certificate->not_after;
	memcpy(s->leaf, certificate->leaf, sizeof(s->leaf));
	snprintf(s->near, sizeof(s->near), "%.*s", (int)length, pattern);
}

static int
compare_certificate(void *arg, const struct admin_certificate *certificate)
{
	struct work *work = arg;

	for (const char *at = certificate->names; *at != '\0';) {
		size_t length = strcspn(at, " ");
		uint64_t hash = hash_of(at, length);
		const struct entry *entry = NULL;

		while ((entry = table_find(&work->exact, hash, entry)) != NULL)
			offer(&work->list[entry->item], at, length, certificate);
		at += length;
		at += *at == ' ';
	}
	return 0;
}

/* --- near misses ---------------------------------------------------------------- */

static void
compare_one(struct suggestion *s, const char *name, size_t length, int64_t chain)
{
	struct name wildcard;
	const char *ours = s->name;

	/* A name tells more than a wildcard. */
	if (s->kind != SUGGEST_NOTHING && (s->kind != SUGGEST_TYPO || s->near[0] != '*' || name[0] == '*'))
		return;
	if (name[0] == '*') {
		if (!wildcard_of(s->name, &wildcard))
			return;
		ours = wildcard.text;
	}
	if (nearest_distance(ours, strlen(ours), name, length) != 1)
		return;
	s->kind = SUGGEST_TYPO;
	s->chain = chain;
	snprintf(s->near, sizeof(s->near), "%s", name);
}

static int
compare_name(void *arg, const char *name, int64_t chain)
{
	struct work *work = arg;
	size_t length = strlen(name), count;
	uint64_t forms[FORMS_MOST];

	if (length > NAME_MAX_LENGTH)
		return 0;
	count = forms_of(name, length, name[0] == '*' ? 2 : 0, forms);
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = NULL;

		while ((entry = table_find(&work->forms, forms[i], entry)) != NULL)
			compare_one(&work->list[entry->item], name, length, chain);
	}
	return 0;
}

/* --- */

/* All hashes that find them; with `counting`, only their number. */
static size_t
enter(struct work *work, bool counting)
{
	uint64_t forms[FORMS_MOST];
	size_t total = 0;

	for (size_t i = 0; i < work->count; i++) {
		const char *name = work->list[i].name;
		struct name wildcard;
		bool has_wildcard = wildcard_of(name, &wildcard);
		size_t length = strlen(name);

		if (length > NAME_MAX_LENGTH)
			continue;
		total += length + 1 + (has_wildcard ? wildcard.length + 1 : 0);
		if (counting)
			continue;
		table_put(&work->exact, hash_of(name, length), i);
		for (size_t k = 0, n = forms_of(name, length, 0, forms); k < n; k++)
			table_put(&work->forms, forms[k], i);
		if (!has_wildcard)
			continue;
		table_put(&work->exact, hash_of(wildcard.text, wildcard.length), i);
		for (size_t k = 0, n = forms_of(wildcard.text, wildcard.length, 2, forms); k < n; k++)
			table_put(&work->forms, forms[k], i);
	}
	return total;
}

static int
take_note(void *arg, const char *key, const char *key_type, int64_t chain)
{
	(void)key;
	(void)key_type;
	(void)chain;
	*(bool *)arg = true;
	return 0;
}

/* One that is staged, but for no name, waits for a bind like an active one. */
static int
look_at_staged(struct admin *admin, struct suggestion *s, struct snicert_error *err)
{
	bool for_names = false;

	if (s->kind != SUGGEST_STAGED)
		return 0;
	if (admin_staged(admin, s->chain, take_note, &for_names, err) != 0)
		return -1;
	if (!for_names)
		s->kind = SUGGEST_COVERED;
	return 0;
}

int
suggest(struct admin *admin, struct suggestion *list, size_t count, struct snicert_error *err)
{
	struct work work = { .list = list, .count = count };
	int status = 0;

	if (count == 0)
		return 0;
	if (table_new(&work.exact, 2 * count) != 0 || table_new(&work.forms, enter(&work, true)) != 0)
		status = error_set(err, SNICERT_EMEMORY, "no memory");
	for (size_t i = 0; status == 0 && i < count; i++)
		status = look_up(admin, &list[i], err);
	if (status == 0) {
		enter(&work, false);
		status = admin_each_certificate(admin, compare_certificate, &work, err);
	}
	for (size_t i = 0; status == 0 && i < count; i++)
		status = look_at_staged(admin, &list[i], err);
	if (status == 0)
		status = admin_each_name(admin, compare_name, &work, err);
	table_free(&work.exact);
	table_free(&work.forms);
	return status;
}

int
suggest_bound(struct admin *admin, const char *name, bool *bound, struct snicert_error *err)
{
	struct suggestion s = { .name = name };

	if (look_up(admin, &s, err) != 0)
		return -1;
	*bound = s.kind == SUGGEST_BOUND;
	return 0;
}

const char *
suggest_word(enum suggest_kind kind)
{
	static const char *const words[SUGGEST_KINDS] = { "nothing", "bound", "covered", "staged", "one-label", "typo" };

	return words[kind];
}
