/* SPDX-License-Identifier: ISC */
/*
 * watch_rest.c: matches groups by their contents where names don't help, like `import` of a
 * directory.  A key, its certificate and issuers may be in any directories of a tree, so when
 * anything changes, we read all leftovers there again; of complete groups we remember only digests.
 */
#include <stdlib.h>

#include "error.h"
#include "watch/watch_internal.h"

/* A tree takes at most a tenth of the time. */
#define REST_SHARE 10

struct look {
	struct watch *watch;
	struct rest *rest;
	struct group **kept;            /* as halves.h counts them */
	size_t count;
	bool issuers;                   /* some are new */
};

struct rest *
rest_of(struct directory *directory)
{
	struct rest *rest;

	while (directory->parent != NULL)
		directory = directory->parent;
	if (directory->rest != NULL)
		return directory->rest;
	rest = calloc(1, sizeof(*rest));
	if (rest != NULL && (rest->halves = halves_new()) == NULL) {
		free(rest);
		rest = NULL;
	}
	directory->rest = rest;
	return rest;
}

void
rest_free(struct directory *root)
{
	struct rest *rest = root->rest;

	if (rest == NULL)
		return;
	halves_free(rest->halves);
	free(rest->groups);
	free(rest);
	root->rest = NULL;
}

int
rest_add(struct rest *rest, struct group *group)
{
	struct group **bigger;

	bigger = reallocarray(rest->groups, rest->count + 1, sizeof(struct group *));
	if (bigger == NULL)
		return -1;
	rest->groups = bigger;
	bigger[rest->count++] = group;
	group->number = rest->count;
	return 0;
}

void
rest_remove(struct group *group)
{
	struct rest *rest = group->number == 0 ? NULL : rest_of(group->directory);

	if (rest == NULL || rest->groups == NULL)
		return;
	rest->groups[group->number - 1] = NULL;
	/* Without memory, a key may seem to be still there, nothing worse. */
	if (!group->half)
		(void)!halves_drop(rest->halves, group->number);
	group->number = 0;
}

static int
look_keep(struct look *look, struct group *group, struct bag *bag, bool brought)
{
	int status = brought ? halves_bring(look->rest->halves, group->label, bag)
	    : halves_keep(look->rest->halves, group->label, bag);

	if (status == 0)
		look->kept[look->count++] = group;
	return status;
}

/* If unreadable, it is going or changing: an event will tell. */
static int
look_read(struct look *look, struct group *group, bool brought)
{
	struct bag *bag = bag_new();

	if (bag == NULL)
		return -1;
	if (watch_read(look->watch, group, bag) != 0) {
		error_clear(&look->watch->err);
		bag_free(bag);
		return 0;
	}
	look->issuers = look->issuers || (group->fresh && halves_issue(bag));
	return look_keep(look, group, bag, brought);
}

static int
gather(struct look *look)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < look->rest->count; i++) {
		struct group *group = look->rest->groups[i];

		if (group == NULL || !group->half)
			continue;
		group->failed = group->paired = false;
		status = look_read(look, group, false);
	}
	if (status == 0 && (status = halves_want(look->rest->halves)) <= 0)
		return status;
	for (size_t i = 0; status >= 0 && i < look->rest->count; i++) {
		struct group *group = look->rest->groups[i];

		if (group != NULL && !group->half && halves_wants(look->rest->halves, group->number))
			status = look_read(look, group, true);
	}
	return status < 0 ? -1 : 0;
}

/* An unchanged one was judged: don't import or report it again. */
static bool
is_news(const struct look *look, const struct group *key, const struct group *cert)
{
	return key->fresh || cert->fresh || (look->issuers && (key->state == GROUP_TAKEN || cert->state == GROUP_TAKEN));
}

static int
each_found(void *arg, const struct halves_found *found)
{
	struct look *look = arg;
	struct group *key = look->kept[found->key], *cert = look->kept[found->cert];
	struct group *group = key->half ? key : cert;

	if (!is_news(look, key, cert))
		return 0;
	if (*look->watch->stop != 0 || watch_take(look->watch, group, found->bag) != 0)
		return 1;
	if (group->pending)
		key->paired = cert->paired = true;
	return 0;
}

static void
finish(struct look *look)
{
	for (size_t i = 0; i < look->count; i++) {
		struct group *group = look->kept[i];

		if (group->fresh && !group->failed && !group->pending) {
			group->state = group->paired ? GROUP_TAKEN : GROUP_NONE;
			group->print = group->met;
		}
		group->fresh = group->last = false;
	}
}

static void
look_at(struct look *look, struct directory *root)
{
	int status = gather(look);

	if (status == 0)
		status = halves_pair(look->rest->halves, each_found, look);
	if (status < 0) {
		error_set(&look->watch->err, SNICERT_EMEMORY, "no memory");
		watch_lost(look->watch);
	}
	halves_forget(look->rest->halves);
	if (status == 0 && watch_flush(look->watch) == 0)
		finish(look);
	look->rest->due = look->watch->lost || status != 0;
	if (look->rest->due)
		follow_again(look->watch->follow, root, look->watch->now);
}

void
rest_look(struct watch *watch, struct directory *root)
{
	struct look look = { .watch = watch, .rest = root->rest };
	int64_t begun = follow_now();

	if (look.rest == NULL || !look.rest->due)
		return;
	if (!watch->once && begun < look.rest->next) {
		follow_again(watch->follow, root, look.rest->next);
		return;
	}
	look.kept = calloc(look.rest->count + 1, sizeof(struct group *));
	if (look.kept == NULL) {
		error_set(&watch->err, SNICERT_EMEMORY, "no memory");
		watch_lost(watch);
		return;
	}
	look_at(&look, root);
	look.rest->next = follow_now() + REST_SHARE * (follow_now() - begun);
	free(look.kept);
}
