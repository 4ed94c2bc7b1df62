/* SPDX-License-Identifier: ISC */
/* renewal.c: which names a new chain may take over from others. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "intake/lineage.h"
#include "intake/relation.h"
#include "intake/renewal.h"
#include "store/admin_owner.h"
#include "x509/cert.h"

/* A chain that is taking names. */
struct taking {
	struct admin *admin;
	struct summary fresh;
	struct renewal *how;
	bool settled;                   /* was active before, so takes over nothing more */
	struct snicert_error *err;
};

const char *
renewal_why_text(enum renewal_why why)
{
	static const char *const texts[] = { "no renewal", "same lineage", "same key", "same names", "same common name",
		"all the names it serves", "certbot's twin, with a name in common" };

	return texts[why];
}

void
renewal_clear(struct renewal *how)
{
	free(how->renews);
	how->renews = NULL;
	how->renews_count = 0;
}

/* Name the chain by its number if that outlives a roll-back, and always by what does. */
static void
describe(const struct renewal *how, const struct summary *old, char *out, size_t size)
{
	const char *label = old->subject[0] != '\0' ? old->subject : old->names;
	char number[32] = "a chain";

	if (how->kept == 0 || old->id <= how->kept)
		snprintf(number, sizeof(number), "chain %" PRId64, old->id);
	snprintf(out, size, "%s (%.100s%sfrom %.150s, leaf %02x%02x%02x%02x)", number, label, label[0] != '\0' ? ", " : "",
	    old->source, old->leaf[0], old->leaf[1], old->leaf[2], old->leaf[3]);
}

static int
in_the_way(const struct taking *t, const struct summary *old, const struct name *name, enum relation relation)
{
	static const char *const why[] = {
		[RELATION_NONE] = "this one does not renew: leave the name out with --name, or take it with --force",
		[RELATION_OLDER] = "lasts longer than this one: leave the name out with --name, or take it with --force",
		[RELATION_WEAKER] = "clients can verify better than this one: get one from a CA, or take it with --force",
	};
	const char *origin = t->how->origin == NULL ? "" : t->how->origin;
	char text[400];

	t->how->blocked = true;
	describe(t->how, old, text, sizeof(text));
	if (name == NULL)
		return error_set(t->err, SNICERT_EINPUT, "%s%sit comes in place of %s, which %s", origin,
		    *origin != '\0' ? ": " : "", text, why[relation]);
	return error_set(t->err, SNICERT_EINPUT, "%s%s%s is served by %s, which %s", origin, *origin != '\0' ? ": " : "",
	    name->text[0] == '@' ? "the fallback" : name->text, text, why[relation]);
}

/* Note a renewed chain once. */
static int
note_renewed(struct taking *t, int64_t chain, enum renewal_why why)
{
	struct renewal *how = t->how;
	struct renewal_of *list;

	for (size_t i = 0; i < how->renews_count; i++)
		if (how->renews[i].chain == chain)
			return 0;
	list = realloc(how->renews, (how->renews_count + 1) * sizeof(*list));
	if (list == NULL)
		return error_set(t->err, SNICERT_EMEMORY, "no memory");
	how->renews = list;
	list[how->renews_count++] = (struct renewal_of){ chain, why };
	return 0;
}

/* One extra name mustn't keep all others on an expiring chain. */
static bool
goes_on(const struct renewal *how)
{
	for (size_t i = 0; i < how->renews_count; i++)
		if (how->renews[i].why == RENEWAL_LINEAGE)
			return true;
	return false;
}

/* A key may have many uses: if only it matches, count only chains whose names the new one has, or
 * that serve none. */
static bool
shares_key_only(const struct taking *t, const struct summary *old, const struct collect_names *bound, enum renewal_why why)
{
	if (why != RENEWAL_KEY || (old->subject[0] != '\0' && strcmp(old->subject, t->fresh.subject) == 0))
		return false;
	for (size_t i = 0; i < bound->count; i++)
		if (cert_names_cover(old->names, &bound->list[i]) && !cert_names_cover(t->fresh.names, &bound->list[i]))
			return true;
	return false;
}

enum answer { ANSWER_ERROR = -1, ANSWER_TAKE, ANSWER_LEAVE };

/* For a chain of the same key type; `name`, or NULL if it is only related. */
static enum answer
judge(struct taking *t, struct summary *old, const struct collect_names *bound, const struct name *name)
{
	const struct renewal *how = t->how;
	enum relation relation;
	enum renewal_why why;
	bool strangers = false;

	if (relation_of(t->admin, &t->fresh, old, bound, &relation, &why, t->err) != 0)
		return ANSWER_ERROR;
	if (name == NULL && shares_key_only(t, old, bound, why))
		return ANSWER_LEAVE;
	if (relation == RELATION_WEAKER && how->force)
		relation = RELATION_RENEWS;
	if (relation == RELATION_RENEWS) {
		if (admin_inherit_owner(t->admin, t->fresh.id, old->id, &strangers, t->err) != 0)
			return ANSWER_ERROR;
		if (!strangers)
			return note_renewed(t, old->id, why) == 0 ? ANSWER_TAKE : ANSWER_ERROR;
	}
	if (relation == RELATION_WEAKER)
		return in_the_way(t, old, name, relation);
	if (relation == RELATION_OLDER && !how->force &&
	    (name == NULL || how->yield || (how->seen != NULL && chain_ids_have(how->seen, old->id)))) {
		t->how->superseded_by = old->id;
		return ANSWER_LEAVE;
	}
	if (name == NULL)
		return ANSWER_LEAVE;
	if (relation == RELATION_NONE && !how->force && how->lenient && goes_on(how)) {
		struct snicert_error reason = {0};
		struct taking quiet = { .how = t->how, .err = &reason };

		in_the_way(&quiet, old, name, relation);
		snprintf(t->how->contested, sizeof(t->how->contested), "%s", reason.text);
		return ANSWER_LEAVE;
	}
	/* --force doesn't give you another owner's name. */
	if (admin_may_bind(t->admin, name->text, t->fresh.id, t->err) != 0 ||
	    (!how->force && in_the_way(t, old, name, relation) != 0))
		return ANSWER_ERROR;
	return ANSWER_TAKE;
}

static enum answer
consider(struct taking *t, int64_t old_id, const struct name *name)
{
	struct summary old;
	struct collect_names bound = {0};
	enum answer answer = ANSWER_ERROR;

	if (summary_load(t->admin, old_id, &old, t->err) == 0 &&
	    collect_bound(t->admin, old_id, &bound, t->err) == 0)
		answer = judge(t, &old, &bound, name);
	free(bound.list);
	summary_free(&old);
	return answer;
}

static int
move(struct taking *t, const struct name *key, int64_t former)
{
	struct renewal *how = t->how;

	if (admin_bind(t->admin, key->text, t->fresh.id, t->err) != 0)
		return -1;
	if (former == 0)
		how->added++;
	else
		how->renewed++;
	return how->moved == NULL || how->moved(how->moved_arg, key->text, former) == 0
	    ? 0 : error_set(t->err, SNICERT_EMEMORY, "no memory");
}

static int
note_newer(struct taking *t, int64_t id)
{
	struct summary old;
	int status = summary_load(t->admin, id, &old, t->err);

	if (status == 0 && old.not_after >= t->fresh.not_after)
		t->how->superseded_by = id;
	summary_free(&old);
	return status;
}

/* A name was taken from a chain by hand: whether that chain is at least as new. */
static int
is_older_than(struct taking *t, int64_t id, bool *older)
{
	struct summary other;
	int status = summary_load(t->admin, id, &other, t->err);

	*older = status == 0 && t->fresh.not_after <= other.not_after && t->fresh.not_before <= other.not_before;
	summary_free(&other);
	return status;
}

/*
 * A name that was unbound or rolled back: it goes to no chain that was there at the time, and to
 * none that the chain it was taken from supersedes.
 */
static int
stays_as_put(struct taking *t, const struct name *name, int64_t now, bool *stays)
{
	const char *key_type = t->fresh.key_type;
	int64_t unbound = 0, rolled_back;

	*stays = false;
	if (t->how->force || !t->how->inherit)
		return 0;
	if (admin_rolled_back(t->admin, name->text, key_type, &rolled_back, t->err) != 0 ||
	    (now == 0 && admin_last_former(t->admin, name->text, key_type, &unbound, t->err) != 0))
		return -1;
	*stays = unbound != 0 && t->settled;
	if (!*stays && unbound != 0 && is_older_than(t, unbound, stays) != 0)
		return -1;
	if (!*stays && rolled_back != 0 && rolled_back != t->fresh.id) {
		if (is_older_than(t, rolled_back, stays) != 0)
			return -1;
		t->how->superseded_by = *stays ? rolled_back : t->how->superseded_by;
	}
	t->how->left += *stays;
	return 0;
}

/* What a command took from an existing chain, importing it again doesn't give back. */
static int
stays_away(struct taking *t, const struct name *name, int64_t old, bool *stays)
{
	*stays = false;
	if (stays_as_put(t, name, old, stays) != 0 || *stays)
		return *stays ? 0 : -1;
	if (!t->how->existed || t->how->force)
		return 0;
	if (admin_has_left(t->admin, name->text, t->fresh.id, stays, t->err) != 0)
		return -1;
	*stays = *stays || (t->settled && old != 0 && t->how->inherit);
	if (!*stays)
		return 0;
	t->how->left++;
	return old == 0 ? 0 : note_newer(t, old);
}

static int
bind_name(struct taking *t, const struct name *name, bool *later)
{
	struct renewal *how = t->how;
	enum answer answer = ANSWER_TAKE;
	int64_t old;
	bool stays;

	if (admin_bound(t->admin, name->text, t->fresh.key_type, &old, t->err) != 0)
		return -1;
	if (old == t->fresh.id) {
		how->unchanged++;
		return 0;
	}
	if (old == 0 && later != NULL) {
		*later = true;
		return 0;
	}
	if (stays_away(t, name, old, &stays) != 0 || (old != 0 && !stays && (answer = consider(t, old, name)) == ANSWER_ERROR))
		return -1;
	return stays || answer == ANSWER_LEAVE ? 0 : move(t, name, old);
}

/* First what it may renew: that can give it the owner who has the rest by a wildcard. */
static int
bind_names(struct taking *t, const struct name *names, size_t count)
{
	bool *later = calloc(count + 1, sizeof(*later));
	int status = later != NULL ? 0 : error_set(t->err, SNICERT_EMEMORY, "no memory");

	for (size_t i = 0; i < count && status == 0; i++)
		status = bind_name(t, &names[i], &later[i]);
	for (size_t i = 0; i < count && status == 0; i++)
		if (later[i]) /* NOLINT(clang-analyzer-core.NullDereference): status tells */
			status = bind_name(t, &names[i], NULL);
	free(later);
	return status;
}

/* A key of a renewed chain moves if the old one didn't certify it, or the new one also does. */
static int
inherit_key(struct taking *t, const struct summary *old, const struct name *key, bool names_too)
{
	int64_t now;
	bool stays;

	if (cert_names_cover(old->names, key) && !(names_too && cert_names_cover(t->fresh.names, key)))
		return 0;
	if (admin_bound(t->admin, key->text, t->fresh.key_type, &now, t->err) != 0 ||
	    stays_away(t, key, now, &stays) != 0)
		return -1;
	/* With another key type it joins what is there, and replaces nothing. */
	if (stays || (now != old->id && now != 0))
		return 0;
	return move(t, key, now);
}

static int
inherit_from(struct taking *t, int64_t old_id, bool names_too)
{
	struct summary old;
	struct collect_names bound = {0};
	int status = -1;

	if (summary_load(t->admin, old_id, &old, t->err) == 0 && collect_bound(t->admin, old_id, &bound, t->err) == 0)
		status = 0;
	for (size_t i = 0; i < bound.count && status == 0; i++)
		status = inherit_key(t, &old, &bound.list[i], names_too);
	free(bound.list);
	summary_free(&old);
	return status;
}

/* A lineage that changed key types: the new chain joins the old one everywhere. */
static int
consider_other_type(struct taking *t, const struct summary *old)
{
	bool strangers = false;

	if (!t->how->alone || !summary_is_of_lineage(&t->fresh, old) || t->fresh.not_before < old->not_before)
		return 0;
	if (admin_inherit_owner(t->admin, t->fresh.id, old->id, &strangers, t->err) != 0)
		return -1;
	return strangers ? 0 : note_renewed(t, old->id, RENEWAL_LINEAGE);
}

/* *found: it is related and of the same key type, so weaker relations don't count. */
static int
consider_related_one(struct taking *t, int64_t id, bool *found)
{
	struct summary old;
	enum answer answer;
	int status;

	if (id == t->fresh.id)
		return 0;
	status = summary_load(t->admin, id, &old, t->err);
	if (status == 0 && strcmp(old.key_type, t->fresh.key_type) != 0) {
		status = consider_other_type(t, &old);
	} else if (status == 0) {
		answer = consider(t, id, NULL);
		status = answer == ANSWER_ERROR ? -1 : 0;
		*found = *found || answer == ANSWER_TAKE || t->how->superseded_by == id;
	}
	summary_free(&old);
	return status;
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, two = *(const int64_t *)b;

	return (one > two) - (one < two);
}

static int
consider_related_by(struct taking *t, enum admin_related_by by, const char *lineage, bool *found)
{
	const struct summary *fresh = &t->fresh;
	const struct admin_related of = { lineage[0] == '\0' ? NULL : lineage, fresh->spki, fresh->names, fresh->subject };
	struct collect_chains chains = {0};
	int status = collect_related(t->admin, &of, by, &chains, t->err);

	if (chains.count > 1)
		qsort(chains.list, chains.count, sizeof(*chains.list), compare_ids);
	/* A key with several uses doesn't tell them apart. */
	if (by == ADMIN_RELATED_KEY && chains.count > 1)
		chains.count = 0;
	for (size_t i = 0; i < chains.count && status == 0; i++)
		if (i == 0 || chains.list[i] != chains.list[i - 1])
			status = consider_related_one(t, chains.list[i], found);
	free(chains.list);
	return status;
}

/* Finds those with only the fallback or vanity names, which no wanted name finds. */
static int
consider_related(struct taking *t)
{
	char twin[LINEAGE_SIZE];
	bool found = false;

	if (consider_related_by(t, ADMIN_RELATED_LINEAGE, t->fresh.lineage, &found) != 0 ||
	    (!found && t->fresh.place != NULL && consider_related_by(t, ADMIN_RELATED_LINEAGE, t->fresh.place, &found) != 0))
		return -1;
	for (int by = ADMIN_RELATED_LINEAGE + 1; by <= ADMIN_RELATED_SUBJECT && !found; by++)
		if (consider_related_by(t, (enum admin_related_by)by, t->fresh.lineage, &found) != 0)
			return -1;
	for (int i = 0; i < LINEAGE_TWINS && !found && lineage_twin(t->fresh.lineage, i, twin); i++)
		if (strcmp(twin, t->fresh.lineage) != 0 &&
		    consider_related_by(t, ADMIN_RELATED_LINEAGE, twin, &found) != 0)
			return -1;
	return 0;
}

int
renewal_is(struct admin *admin, int64_t fresh_id, int64_t old_id, bool *is_renewal,
    struct snicert_error *err)
{
	struct summary fresh, old = {0};
	struct collect_names bound = {0};
	enum relation relation = RELATION_NONE;
	enum renewal_why why;
	int status = -1;

	if (summary_load(admin, fresh_id, &fresh, err) == 0 &&
	    summary_load(admin, old_id, &old, err) == 0 && collect_bound(admin, old_id, &bound, err) == 0)
		status = strcmp(fresh.key_type, old.key_type) != 0 ? 0
		    : relation_of(admin, &fresh, &old, &bound, &relation, &why, err);
	*is_renewal = relation == RELATION_RENEWS;
	free(bound.list);
	summary_free(&old);
	summary_free(&fresh);
	return status;
}

struct serving {
	int64_t not, id;
};

static int
take_valid(void *arg, const struct admin_chain *chain)
{
	struct serving *serving = arg;
	int64_t now = (int64_t)time(NULL);

	if (chain->id != serving->not && chain->not_before <= now && chain->not_after > now)
		serving->id = chain->id;
	return 0;
}

int
renewal_superseded(struct admin *admin, int64_t chain, const struct name *names, size_t count, int64_t *by,
    struct snicert_error *err)
{
	*by = 0;
	for (size_t i = 0; i < count; i++) {
		struct serving serving = { .not = chain };

		if (admin_serving(admin, names[i].text, take_valid, &serving, err) != 0)
			return -1;
		if (serving.id == 0) {
			*by = 0;
			return 0;
		}
		*by = serving.id;
	}
	return 0;
}

static int
has_one(void *arg, const char *key, const char *key_type, int64_t chain)
{
	(void)arg;
	(void)key;
	(void)key_type;
	(void)chain;
	return 1;
}

/* Somebody wants it there if it serves, or a roll-back staged it. */
static int
settle(struct taking *t)
{
	int64_t since = 0;
	int rolled_back = 0;

	if (!t->how->existed)
		return 0;
	if (!t->fresh.was_active && ((rolled_back = admin_staged(t->admin, t->fresh.id, has_one, NULL, t->err)) < 0 ||
	    admin_staged_since(t->admin, t->fresh.id, &since, t->err) != 0))
		return -1;
	t->settled = t->fresh.was_active || (rolled_back > 0 && since == 0);
	return 0;
}

int
renewal_bind(struct admin *admin, int64_t chain, const struct name *names, size_t count,
    struct renewal *how, struct snicert_error *err)
{
	struct taking t = { .admin = admin, .how = how, .err = err };
	int status = -1;

	renewal_clear(how);
	if (summary_load(admin, chain, &t.fresh, err) != 0)
		goto out;
	t.fresh.place = how->place;
	if (settle(&t) != 0)
		goto out;
	if (how->inherit && !t.settled && consider_related(&t) != 0)
		goto out;
	if (bind_names(&t, names, count) != 0)
		goto out;
	for (size_t i = 0; how->inherit && !t.settled && i < how->renews_count; i++)
		if (inherit_from(&t, how->renews[i].chain, count > 0) != 0)
			goto out;
	status = 0;
out:
	summary_free(&t.fresh);
	return status;
}
