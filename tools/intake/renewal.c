/* SPDX-License-Identifier: ISC */
/* renewal.c: which names a new chain may take over from the chains that have them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "intake/renewal.h"
#include "store/admin_owner.h"

/* What is compared of a chain. */
struct summary {
	int64_t id, not_after;
	unsigned char spki[STORE_DIGEST_LENGTH];
	char key_type[16];
	char *names, *subject;
};

struct keys {
	struct name *list;
	size_t count;
	bool no_memory;
};

/* Chains renewed by the new one. */
struct renewed {
	struct summary *list;
	size_t count;
};

static int
take_summary(void *arg, const struct admin_chain *chain)
{
	struct summary *out = arg;

	out->id = chain->id;
	out->not_after = chain->not_after;
	memcpy(out->spki, chain->spki, sizeof(out->spki));
	snprintf(out->key_type, sizeof(out->key_type), "%s", chain->key_type);
	out->names = strdup(chain->names);
	out->subject = strdup(chain->subject);
	return 0;
}

static int
summary_load(struct admin *admin, int64_t id, struct summary *out, struct snicert_error *err)
{
	memset(out, 0, sizeof(*out));
	if (admin_chains(admin, id, NULL, take_summary, out, err) != 0)
		return -1;
	if (out->id == 0)
		return error_set(err, SNICERT_ESTORE, "chain %" PRId64 " is gone", id);
	if (out->names == NULL || out->subject == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	return 0;
}

static void
summary_free(struct summary *summary)
{
	free(summary->names);
	free(summary->subject);
	memset(summary, 0, sizeof(*summary));
}

static int
take_key(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct keys *keys = arg;
	struct name *list = realloc(keys->list, (keys->count + 1) * sizeof(*list));

	(void)key_type;
	(void)chain;
	if (list == NULL) {
		keys->no_memory = true;
		return 0;
	}
	keys->list = list;
	list[keys->count].length = strlen(key);
	snprintf(list[keys->count++].text, sizeof(list[0].text), "%s", key);
	return 0;
}

static int
keys_of(struct admin *admin, int64_t chain, struct keys *keys, struct snicert_error *err)
{
	memset(keys, 0, sizeof(*keys));
	if (admin_bindings(admin, NULL, chain, take_key, keys, err) == 0 && !keys->no_memory)
		return 0;
	free(keys->list);
	keys->list = NULL;
	return error_set(err, SNICERT_EMEMORY, "no memory");
}

bool
renewal_covers(const char *names, const struct name *key)
{
	struct name pattern;

	while (*names != '\0') {
		size_t length = strcspn(names, " ");

		if (name_normalise_pattern(&pattern, names, length) && name_covers(&pattern, key))
			return true;
		names += length;
		names += strspn(names, " ");
	}
	return false;
}

/* Whether `fresh` certifies all that `old` certifies among what it is bound to. */
static bool
covers_all(const struct summary *fresh, const struct summary *old, const struct keys *bound)
{
	bool any = false;

	for (size_t i = 0; i < bound->count; i++) {
		if (!renewal_covers(old->names, &bound->list[i]))
			continue;
		any = true;
		if (!renewal_covers(fresh->names, &bound->list[i]))
			return false;
	}
	return any;
}

static bool
renews(const struct summary *fresh, const struct summary *old, const struct keys *bound)
{
	if (fresh->not_after < old->not_after && old->not_after > (int64_t)time(NULL))
		return false;
	return memcmp(fresh->spki, old->spki, sizeof(fresh->spki)) == 0 ||
	    (fresh->subject[0] != '\0' && strcmp(fresh->subject, old->subject) == 0) ||
	    strcmp(fresh->names, old->names) == 0 || covers_all(fresh, old, bound);
}

static int
in_the_way(const struct summary *fresh, const struct summary *old, const struct name *name,
    struct snicert_error *err)
{
	char key[300];
	bool older = fresh->not_after < old->not_after;

	snprintf(key, sizeof(key), "%s", name->text[0] == '@' ? "the fallback" : name->text);
	return error_set(err, SNICERT_EINPUT,
	    "%s is served by chain %" PRId64 " (%s), which %s: leave the name out with --name, "
	    "or take it with --force",
	    key, old->id, old->subject[0] != '\0' ? old->subject : old->names,
	    older ? "lasts longer than this one" : "this one does not renew");
}

/* Note a renewed chain once; takes *old over. */
static int
renewed_add(struct renewed *renewed, struct summary *old, struct snicert_error *err)
{
	struct summary *list;

	for (size_t i = 0; i < renewed->count; i++) {
		if (renewed->list[i].id == old->id) {
			summary_free(old);
			return 0;
		}
	}
	list = realloc(renewed->list, (renewed->count + 1) * sizeof(*list));
	if (list == NULL) {
		summary_free(old);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	renewed->list = list;
	list[renewed->count++] = *old;
	return 0;
}

static int
consider(struct admin *admin, const struct summary *fresh, int64_t old_id,
    const struct name *name, bool force, struct renewed *renewed, struct snicert_error *err)
{
	struct summary old;
	struct keys bound = {0};
	bool is_renewal, refused, strangers = false;

	if (summary_load(admin, old_id, &old, err) != 0 || keys_of(admin, old_id, &bound, err) != 0) {
		summary_free(&old);
		return -1;
	}
	is_renewal = renews(fresh, &old, &bound);
	free(bound.list);
	if (is_renewal && admin_inherit_owner(admin, fresh->id, old_id, &strangers, err) != 0) {
		summary_free(&old);
		return -1;
	}
	is_renewal = is_renewal && !strangers;
	if (is_renewal)
		return renewed_add(renewed, &old, err);
	/* Another owner's name is not a matter of --force. */
	refused = name != NULL && (admin_may_bind(admin, name->text, fresh->id, err) != 0 ||
	    (!force && in_the_way(fresh, &old, name, err) != 0));
	summary_free(&old);
	return refused ? -1 : 0;
}

static int
move(struct admin *admin, const struct name *key, int64_t chain, int64_t former,
    const struct renewal *how, struct snicert_error *err)
{
	if (admin_bind(admin, key->text, chain, err) != 0)
		return -1;
	return how->moved == NULL || how->moved(how->moved_arg, key->text, former) == 0
	    ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

static int
bind_name(struct admin *admin, const struct summary *fresh, const struct name *name, bool *later,
    struct renewal *how, struct renewed *renewed, struct snicert_error *err)
{
	int64_t old;

	if (admin_bound(admin, name->text, fresh->key_type, &old, err) != 0)
		return -1;
	if (old == fresh->id) {
		how->unchanged++;
		return 0;
	}
	if (old == 0 && later != NULL) {
		*later = true;
		return 0;
	}
	if (old != 0 && consider(admin, fresh, old, name, how->force, renewed, err) != 0)
		return -1;
	if (move(admin, name, fresh->id, old, how, err) != 0)
		return -1;
	if (old == 0)
		how->added++;
	else
		how->renewed++;
	return 0;
}

/* First what it may renew: that can make it the owner's who has the rest by a wildcard. */
static int
bind_names(struct admin *admin, const struct summary *fresh, const struct name *names, size_t count,
    struct renewal *how, struct renewed *renewed, struct snicert_error *err)
{
	bool *later = calloc(count + 1, sizeof(*later));
	int status = later != NULL ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");

	for (size_t i = 0; i < count && status == 0; i++)
		status = bind_name(admin, fresh, &names[i], &later[i], how, renewed, err);
	for (size_t i = 0; i < count && status == 0; i++)
		if (later[i]) /* NOLINT(clang-analyzer-core.NullDereference): status tells */
			status = bind_name(admin, fresh, &names[i], NULL, how, renewed, err);
	free(later);
	return status;
}

/* What a renewed chain still has and did not certify, or the new one certifies too, moves. */
static int
inherit_from(struct admin *admin, const struct summary *fresh, const struct summary *old,
    bool names_too, struct renewal *how, struct snicert_error *err)
{
	struct keys bound;

	if (keys_of(admin, old->id, &bound, err) != 0)
		return -1;
	for (size_t i = 0; i < bound.count; i++) {
		bool certified = renewal_covers(old->names, &bound.list[i]);

		if (certified && !(names_too && renewal_covers(fresh->names, &bound.list[i])))
			continue;
		if (move(admin, &bound.list[i], fresh->id, old->id, how, err) != 0) {
			free(bound.list);
			return -1;
		}
		how->renewed++;
	}
	free(bound.list);
	return 0;
}

int
renewal_is(struct admin *admin, int64_t fresh_id, int64_t old_id, bool *is_renewal,
    struct snicert_error *err)
{
	struct summary fresh, old = {0};
	struct keys bound = {0};
	int status = -1;

	if (summary_load(admin, fresh_id, &fresh, err) == 0 &&
	    summary_load(admin, old_id, &old, err) == 0 && keys_of(admin, old_id, &bound, err) == 0) {
		*is_renewal = strcmp(fresh.key_type, old.key_type) == 0 && renews(&fresh, &old, &bound);
		status = 0;
	}
	free(bound.list);
	summary_free(&old);
	summary_free(&fresh);
	return status;
}

struct namesakes {
	int64_t ids[64];
	size_t count;
};

static int
take_namesake(void *arg, const struct admin_chain *chain)
{
	struct namesakes *list = arg;

	if (list->count < sizeof(list->ids) / sizeof(list->ids[0]))
		list->ids[list->count++] = chain->id;
	return 0;
}

/* A chain that has nothing but the fallback, or vanity names, is renewed by its namesake. */
static int
consider_namesakes(struct admin *admin, const struct summary *fresh, struct renewed *renewed,
    struct snicert_error *err)
{
	struct namesakes list = {0};

	if (fresh->names[0] == '\0')
		return 0;
	if (admin_namesakes(admin, fresh->names, fresh->key_type, take_namesake, &list, err) != 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (list.ids[i] != fresh->id &&
		    consider(admin, fresh, list.ids[i], NULL, false, renewed, err) != 0)
			return -1;
	return 0;
}

int
renewal_bind(struct admin *admin, int64_t chain, const struct name *names, size_t count,
    struct renewal *how, struct snicert_error *err)
{
	struct summary fresh;
	struct renewed renewed = {0};
	int status = -1;

	if (summary_load(admin, chain, &fresh, err) != 0)
		goto out;
	if (how->inherit && consider_namesakes(admin, &fresh, &renewed, err) != 0)
		goto out;
	if (bind_names(admin, &fresh, names, count, how, &renewed, err) != 0)
		goto out;
	for (size_t i = 0; how->inherit && i < renewed.count; i++)
		if (inherit_from(admin, &fresh, &renewed.list[i], count > 0, how, err) != 0)
			goto out;
	status = 0;
out:
	for (size_t i = 0; i < renewed.count; i++)
		summary_free(&renewed.list[i]);
	free(renewed.list);
	summary_free(&fresh);
	return status;
}
