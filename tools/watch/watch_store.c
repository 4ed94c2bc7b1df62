/* SPDX-License-Identifier: ISC */
/* watch_store.c: importing groups of files, many per transaction. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "store/admin_owner.h"
#include "watch/watch_internal.h"

/* Groups per transaction: an open one keeps other writers out. */
#define BATCH_MOST 500
/* Settling times for files to become a chain. */
#define PATIENCE 5
#define RETRY_FIRST 5000
#define RETRY_MOST 300000

struct pending {
	struct group *group;            /* NULL: gone */
	size_t first, count;            /* in the batch's chains */
};

/* No file is to blame: retry the whole batch later. */
void
watch_lost(struct watch *watch)
{
	for (size_t i = 0; i < watch->pending_count; i++) {
		struct group *group = watch->pending[i].group;

		if (group == NULL)
			continue;
		group->pending = false;
		follow_again(watch->follow, group->directory, watch->now);
	}
	watch->pending_count = 0;
	if (watch->trouble == NULL || strcmp(watch->trouble, watch->err.text) != 0) {
		watch_complain(watch, "store", NULL, watch->err.text);
		free(watch->trouble);
		watch->trouble = strdup(watch->err.text);
	}
	watch->retry_after = watch->retry_after == 0 ? RETRY_FIRST : 2 * watch->retry_after;
	if (watch->retry_after > RETRY_MOST)
		watch->retry_after = RETRY_MOST;
	watch->retry = follow_now() + watch->retry_after;
	watch->lost = true;
	error_clear(&watch->err);
}

static void
store_found(struct watch *watch)
{
	if (watch->trouble != NULL)
		batch_say(watch->tool, "store", NULL, "the store can be written again");
	free(watch->trouble);
	watch->trouble = NULL;
	watch->retry = watch->retry_after = 0;
}

static int
batch_open(struct watch *watch)
{
	if (watch->open)
		return 0;
	if (batch_begin(&watch->batch, &watch->err) != 0) {
		/* Whatever it is, it isn't about a file. */
		watch_lost(watch);
		return -1;
	}
	admin_take(watch->batch.in.admin, watch->batch.take);
	watch->batch.in.news_only = watch->batch.in.yield = true;
	watch->open = true;
	return 0;
}

static void
batch_shut(struct watch *watch)
{
	watch->pending_count = 0;
	watch->open = false;
	batch_close(&watch->batch);
}

static void
tell(struct watch *watch, const struct pending *pending)
{
	for (size_t i = 0; i < pending->count; i++) {
		const struct intake_chain *chain = &watch->batch.in.chains[pending->first + i];

		watch->chains++;
		if (chain->result == INTAKE_UNCHANGED)
			continue;
		if (chain->result == INTAKE_SUPERSEDED)
			watch->superseded++;
		else
			watch->taken++;
		batch_tell(&watch->batch, chain, pending->group->label);
	}
}

static void
settle(struct watch *watch, const struct pending *pending)
{
	struct group *group = pending->group;

	if (group == NULL)
		return;
	tell(watch, pending);
	group->pending = false;
	if (group->failed)
		return;
	group->state = GROUP_TAKEN;
	group->print = group->met;
}

int
watch_flush(struct watch *watch)
{
	bool done;

	/* A dry run reports at its end, while its chains are there. */
	if (!watch->open || (watch->dry_run && watch->once && !watch->final))
		return 0;
	done = watch->dry_run || batch_end(&watch->batch, true, &watch->err) == 0;
	if (done)
		store_found(watch);
	else
		watch_lost(watch);
	for (size_t i = 0; i < watch->pending_count; i++)
		settle(watch, &watch->pending[i]);
	if (watch->dry_run)
		batch_end(&watch->batch, false, NULL);
	batch_shut(watch);
	return done ? 0 : -1;
}

void
watch_failed(struct watch *watch, struct group *group)
{
	if (watch->once ? !watch->final : !group->last) {
		group->state = GROUP_WAITING;
		group->patience = watch->once ? watch->now : watch->now + PATIENCE * watch->settle;
		follow_again(watch->follow, group->directory, group->patience);
		watch->waiting++;
	} else {
		watch_complain(watch, "bad", group->label, watch->err.text);
		group->state = GROUP_BAD;
		watch->bad++;
	}
	group->failed = true;
	group->print = group->met;
	error_clear(&watch->err);
}

static int
keep_pending(struct watch *watch, struct group *group, size_t first)
{
	if (watch->pending_count == watch->pending_room) {
		size_t room = watch->pending_room == 0 ? BATCH_MOST : 2 * watch->pending_room;
		struct pending *bigger = reallocarray(watch->pending, room, sizeof(*bigger));

		if (bigger == NULL)
			return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
		watch->pending = bigger;
		watch->pending_room = room;
	}
	watch->pending[watch->pending_count++] = (struct pending){ group, first, watch->batch.in.chain_count - first };
	group->pending = true;
	return 0;
}

static int
give_up(struct watch *watch)
{
	watch_lost(watch);
	batch_end(&watch->batch, false, NULL);
	batch_shut(watch);
	return -1;
}

int
watch_take(struct watch *watch, struct group *group, struct bag *bag)
{
	size_t first;
	bool lost;

	if (watch->pending_count >= BATCH_MOST && watch_flush(watch) != 0)
		return -1;
	if (batch_open(watch) != 0)
		return -1;
	first = watch->batch.in.chain_count;
	if (batch_add_bag(&watch->batch, bag, &lost, &watch->err) == 0)
		return keep_pending(watch, group, first) == 0 ? 0 : give_up(watch);
	if (lost)
		return give_up(watch);
	if (group->other && bag_keys(bag) * bag_certs(bag) == 0) { /* somebody else's */
		error_clear(&watch->err);
		return 0;
	}
	watch_failed(watch, group);
	return 0;
}

void
watch_forget(struct watch *watch, const struct group *group)
{
	for (size_t i = 0; group->pending && i < watch->pending_count; i++)
		if (watch->pending[i].group == group)
			watch->pending[i].group = NULL;
}
