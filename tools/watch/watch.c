/* SPDX-License-Identifier: ISC */
/*
 * watch.c: what is new in folders comes into the store.
 *
 * A group of files that belong together is remembered by what stat(2) says of
 * them, and taken in when that changes.  One that doesn't fit may be half there:
 * it is left in peace for a while, then reported, once.  What the store has
 * already, in whatever state, is left alone: somebody may have decided that.
 * Nothing is ever unbound.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "intake/directory.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "watch/watch.h"

/* Groups in a transaction: it keeps other writers out while it is open. */
#define BATCH_MOST 500
/* Settling times that files have to become a chain. */
#define PATIENCE 5
#define RETRY_FIRST 5000
#define RETRY_MOST 300000

enum state { GROUP_NEW, GROUP_TAKEN, GROUP_WAITING, GROUP_BAD };

struct group {
	char *label;
	struct group *next;             /* by label, in order */
	uint64_t print;                 /* of what it was when this state came */
	enum state state;
	int64_t patience;               /* waiting: until then */
};

struct pending {
	struct folder *folder;
	struct group *group;
	uint64_t print;
	size_t first, count;            /* of the batch's chains */
};

static uint64_t
mix(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

/* What changes where a file does, its rights included. */
static uint64_t
print_of(const char *const *files, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < count; i++) {
		struct stat st;

		hash = mix(hash, files[i], strlen(files[i]) + 1);
		if (stat(files[i], &st) != 0)
			continue;
		hash = mix(hash, &st.st_dev, sizeof(st.st_dev));
		hash = mix(hash, &st.st_ino, sizeof(st.st_ino));
		hash = mix(hash, &st.st_size, sizeof(st.st_size));
		hash = mix(hash, &st.st_mtim, sizeof(st.st_mtim));
		hash = mix(hash, &st.st_ctim, sizeof(st.st_ctim));
	}
	return hash;
}

static void
complain(struct watch *watch, const char *event, const char *path, const char *text)
{
	if (watch->tool->json)
		batch_say(watch->tool, event, path, text);
	else if (path == NULL || strstr(text, path) != NULL)
		say("%s", text);
	else
		say("%s: %s", path, text);
}

/* --- the store ------------------------------------------------------------------ */

/* Nobody's file is to blame: all of the batch is tried again later. */
static void
store_lost(struct watch *watch)
{
	for (size_t i = 0; i < watch->pending_count; i++)
		follow_again(watch->follow, watch->pending[i].folder, watch->now);
	if (watch->trouble == NULL || strcmp(watch->trouble, watch->err.text) != 0) {
		complain(watch, "store", NULL, watch->err.text);
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
		/* Whatever it is, it is not about a file. */
		store_lost(watch);
		return -1;
	}
	admin_take(watch->batch.in.admin, watch->batch.take);
	watch->batch.in.news_only = watch->batch.in.yield = true;
	watch->open = true;
	return 0;
}

static void
tell(struct watch *watch, const struct pending *pending)
{
	for (size_t i = 0; i < pending->count; i++) {
		const struct intake_chain *chain = &watch->batch.in.chains[pending->first + i];

		watch->chains++;
		if (chain->result == INTAKE_UNCHANGED)
			continue;
		watch->taken++;
		batch_tell(&watch->batch, chain, pending->group->label);
	}
}

/* Commit what is in the batch, and tell of it. */
static int
batch_flush(struct watch *watch)
{
	bool done;

	if (!watch->open)
		return 0;
	/* A trial is told of while its chains are there. */
	done = watch->dry_run || batch_end(&watch->batch, true, &watch->err) == 0;
	if (done)
		store_found(watch);
	else
		store_lost(watch);
	for (size_t i = 0; done && i < watch->pending_count; i++) {
		tell(watch, &watch->pending[i]);
		watch->pending[i].group->state = GROUP_TAKEN;
		watch->pending[i].group->print = watch->pending[i].print;
	}
	if (watch->dry_run)
		batch_end(&watch->batch, false, NULL);
	watch->pending_count = 0;
	watch->open = false;
	batch_close(&watch->batch);
	return done ? 0 : -1;
}

static void
batch_give_up(struct watch *watch)
{
	store_lost(watch);
	batch_end(&watch->batch, false, NULL);
	watch->pending_count = 0;
	watch->open = false;
	batch_close(&watch->batch);
}

/* --- groups --------------------------------------------------------------------- */

static void
group_free(struct group *group)
{
	free(group->label);
	free(group);
}

/* Those that were and are no more, up to `label` (NULL: all). */
static void
groups_gone(struct watch *watch, const char *label)
{
	while (*watch->at != NULL && (label == NULL || strcmp((*watch->at)->label, label) < 0)) {
		struct group *gone = *watch->at;

		if (gone->state == GROUP_TAKEN)
			batch_say(watch->tool, "gone", gone->label, "the files are gone; what the store has of them stays");
		*watch->at = gone->next;
		group_free(gone);
	}
}

static struct group *
group_of(struct watch *watch, const char *label)
{
	struct group *group;

	groups_gone(watch, label);
	group = *watch->at;
	if (group == NULL || strcmp(group->label, label) != 0) {
		group = calloc(1, sizeof(*group));
		if (group == NULL || (group->label = strdup(label)) == NULL) {
			free(group);
			return NULL;
		}
		group->next = *watch->at;
		*watch->at = group;
	}
	watch->at = &group->next;
	return group;
}

static void
group_failed(struct watch *watch, struct group *group, uint64_t print)
{
	if (!watch->once && (group->state != GROUP_WAITING || group->print != print)) {
		group->state = GROUP_WAITING;
		group->patience = watch->now + PATIENCE * watch->settle;
		follow_again(watch->follow, watch->folder, group->patience);
	} else {
		complain(watch, "bad", group->label, watch->err.text);
		group->state = GROUP_BAD;
		watch->bad++;
	}
	group->print = print;
	error_clear(&watch->err);
}

static int
group_take(struct watch *watch, struct group *group, uint64_t print, const char *const *files, size_t count)
{
	size_t first;
	bool lost;

	if (batch_open(watch) != 0)
		return -1;
	if (watch->pending_count == BATCH_MOST && (batch_flush(watch) != 0 || batch_open(watch) != 0))
		return -1;
	first = watch->batch.in.chain_count;
	if (batch_add(&watch->batch, files, count, &lost, &watch->err) != 0) {
		if (lost)
			batch_give_up(watch);
		else
			group_failed(watch, group, print);
		return lost ? -1 : 0;
	}
	watch->pending[watch->pending_count++] = (struct pending){ watch->folder, group, print, first,
		watch->batch.in.chain_count - first };
	return 0;
}

static int
each_group(void *arg, const char *label, const char *const *files, size_t count)
{
	struct watch *watch = arg;
	uint64_t print = print_of(files, count);
	struct group *group = group_of(watch, label);

	if (group == NULL)
		return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
	if (*watch->stop != 0)
		return 1;
	if (group->state != GROUP_NEW && group->print == print) {
		if (group->state != GROUP_WAITING)
			return 0;
		if (watch->now < group->patience) {
			follow_again(watch->follow, watch->folder, group->patience);
			return 0;
		}
	}
	return group_take(watch, group, print, files, count);
}

/* --- folders -------------------------------------------------------------------- */

/* Everything that was in it is gone with it: one line. */
static void
drop_folder(void *arg, struct folder *folder)
{
	struct watch *watch = arg;
	struct group *group = folder->groups, *next;
	size_t taken = 0;

	for (; group != NULL; group = next) {
		next = group->next;
		taken += group->state == GROUP_TAKEN;
		group_free(group);
	}
	folder->groups = NULL;
	if (taken > 0 && watch != NULL)
		batch_say(watch->tool, "gone", folder->path, "the folder is gone; what the store has of it stays");
}

static int
each_inner(void *arg, const char *path)
{
	struct watch *watch = arg;

	return follow_inner(&watch->reading, path, &watch->err);
}

static void
look_failed(struct watch *watch, struct folder *folder)
{
	if (access(folder->path, F_OK) != 0 && errno == ENOENT) {
		/* Of those below the folders asked for the parent tells. */
		if (folder->parent != NULL)
			return;
		follow_again(watch->follow, folder, watch->now + (watch->settle > 1000 ? watch->settle : 1000));
		watch->missing++;
		if (!folder->missing)
			complain(watch, "missing", folder->path, watch->once ? "there is no such folder"
			    : "the folder is not there: waiting for it; what the store has stays");
		folder->missing = true;
		return;
	}
	if (!folder->unreadable)
		complain(watch, "bad", folder->path, watch->err.text);
	folder->unreadable = true;
	watch->bad++;
}

static int
look(void *arg, struct folder *folder)
{
	struct watch *watch = arg;
	int status;

	watch->folder = folder;
	watch->at = (struct group **)&folder->groups;
	watch->reading = (struct follow_reading){ .follow = watch->follow, .folder = folder, .drop = drop_folder, .arg = watch };
	follow_begin(&watch->reading);
	status = directory_read(folder->path, each_inner, each_group, watch, &watch->err);
	if (status == 0) {
		follow_end(&watch->reading);
		groups_gone(watch, NULL);
		if (folder->missing)
			batch_say(watch->tool, "back", folder->path, "the folder is back");
		folder->missing = folder->unreadable = false;
		return 0;
	}
	if (watch->lost || status > 0) { /* to be gone on with */
		follow_again(watch->follow, folder, watch->now);
		return -1;
	}
	look_failed(watch, folder);
	error_clear(&watch->err);
	return 0;
}

int
watch_pass(struct watch *watch)
{
	watch->now = follow_now();
	watch->lost = false;
	if (watch->pending == NULL && (watch->pending = calloc(BATCH_MOST, sizeof(*watch->pending))) == NULL) {
		error_set(&watch->err, SNICERT_EMEMORY, "no memory");
		store_lost(watch);
		return -1;
	}
	follow_due(watch->follow, watch->now, look, watch);
	if (batch_flush(watch) != 0)
		watch->lost = true;
	return watch->lost ? -1 : 0;
}

void
watch_free(struct watch *watch)
{
	follow_free(watch->follow, drop_folder, NULL);
	batch_free(&watch->batch);
	free(watch->pending);
	free(watch->trouble);
}
