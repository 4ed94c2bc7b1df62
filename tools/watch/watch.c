/* SPDX-License-Identifier: ISC */
/*
 * watch.c: imports what is new in directories.
 *
 * We remember a group of files that belong together by their stat(2) data, and import it when that
 * changes.  One that doesn't fit may be incomplete: we leave it alone for a while, then report it,
 * once.  What the store already has, in any state, we leave alone: somebody may have decided that.
 * We never unbind anything.  watch_rest.c matches separate files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "intake/directory.h"
#include "show/say.h"
#include "watch/watch_internal.h"

static uint64_t
mix(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

/* What changes when a file or its permissions do. */
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

void
watch_complain(struct watch *watch, const char *event, const char *path, const char *text)
{
	if (watch->tool->json)
		batch_say(watch->tool, event, path, text);
	else if (path == NULL || strstr(text, path) != NULL)
		say("%s", text);
	else
		say("%s: %s", path, text);
}

/* --- groups --------------------------------------------------------------------- */

static void
files_free(struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		free(group->files[i]);
	free(group->files);
	group->files = NULL;
	group->count = 0;
}

static void
group_free(struct group *group)
{
	rest_remove(group);
	files_free(group);
	free(group->label);
	free(group);
}

/* Drop those that are gone, up to `label` (NULL: all). */
static void
groups_gone(struct watch *watch, struct group ***at, const char *label)
{
	while (**at != NULL && (label == NULL || strcmp((**at)->label, label) < 0)) {
		struct group *gone = **at;

		if (gone->state == GROUP_TAKEN)
			batch_say(watch->tool, "gone", gone->label, "the files were removed; their chains stay in the store");
		**at = gone->next;
		watch_forget(watch, gone);
		group_free(gone);
	}
}

static struct group *
group_of(struct watch *watch, struct group ***at, const char *label)
{
	struct group *group;

	groups_gone(watch, at, label);
	group = **at;
	if (group == NULL || strcmp(group->label, label) != 0) {
		group = calloc(1, sizeof(*group));
		if (group == NULL || (group->label = strdup(label)) == NULL) {
			free(group);
			return NULL;
		}
		group->directory = watch->directory;
		group->next = **at;
		**at = group;
	}
	*at = &group->next;
	return group;
}

static int
keep_files(struct group *group, const char *const *files, size_t count)
{
	files_free(group);
	group->files = calloc(count, sizeof(*group->files));
	for (; group->files != NULL && group->count < count; group->count++)
		if ((group->files[group->count] = strdup(files[group->count])) == NULL)
			return -1;
	return group->files != NULL ? 0 : -1;
}

int
watch_read(struct watch *watch, const struct group *group, struct bag *bag)
{
	if (bag_add_group(bag, (const char *const *)group->files, group->count, NULL, &watch->err) != 0)
		return -1;
	/* If it is empty, report that: its name promises something. */
	return bag_keys(bag) + bag_certs(bag) > 0 || group->other ? 0
	    : bag_add_file(bag, group->files[0], NULL, &watch->err);
}

/* A complete one goes into the store; the others wait for the rest. */
static int
group_sort(struct watch *watch, struct group *group, struct bag *bag)
{
	struct rest *rest = rest_of(watch->directory);

	if (rest == NULL || rest_add(rest, group) != 0)
		return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
	group->half = group->fresh = !halves_whole(bag);
	rest->due = rest->due || group->half;
	if (group->half)
		return 0;
	if (halves_seen(rest->halves, bag, group->number) != 0)
		return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
	return watch_take(watch, group, bag);
}

static int
group_meet(struct watch *watch, struct group *group)
{
	struct bag *bag = bag_new();
	int status = 0;

	if (bag == NULL)
		return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
	rest_remove(group);
	group->failed = group->half = group->fresh = false;
	if (watch_read(watch, group, bag) != 0 && !group->other) {
		watch_failed(watch, group);
	} else if (watch->err.code == SNICERT_OK && bag_keys(bag) + bag_certs(bag) > 0) {
		status = group_sort(watch, group, bag);
	} else {
		error_clear(&watch->err);
		group->state = GROUP_NONE;
		group->print = group->met;
	}
	bag_free(bag);
	return status;
}

/* Whether it was already judged as it is, or must still wait. */
static bool
group_rests(struct watch *watch, struct group *group, uint64_t print)
{
	bool same = group->state != GROUP_NEW && group->print == print;

	if (group->pending && group->met == print)
		return true;
	group->last = same && group->state == GROUP_WAITING && watch->now >= group->patience;
	if (!same || group->fresh || group->last)
		return false;
	if (group->state == GROUP_WAITING)
		follow_again(watch->follow, watch->directory, group->patience);
	return true;
}

static int
each(struct watch *watch, struct group ***at, bool other, const char *label, const char *const *files, size_t count)
{
	uint64_t print = print_of(files, count);
	struct group *group = group_of(watch, at, label);

	if (group == NULL)
		return error_set(&watch->err, SNICERT_EMEMORY, "no memory");
	if (*watch->stop != 0)
		return 1;
	if (group_rests(watch, group, print))
		return 0;
	group->met = print;
	group->other = other;
	return keep_files(group, files, count) == 0 ? group_meet(watch, group)
	    : error_set(&watch->err, SNICERT_EMEMORY, "no memory");
}

static int
each_group(void *arg, const char *label, const char *const *files, size_t count)
{
	struct watch *watch = arg;

	return each(watch, &watch->at, false, label, files, count);
}

static int
each_other(void *arg, const char *label, const char *const *files, size_t count)
{
	struct watch *watch = arg;

	return each(watch, &watch->others_at, true, label, files, count);
}

/* --- directories -------------------------------------------------------------------- */

static size_t
free_groups(struct watch *watch, void **list)
{
	struct group *group = *list, *next;
	size_t taken = 0;

	for (; group != NULL; group = next) {
		next = group->next;
		taken += group->state == GROUP_TAKEN;
		if (watch != NULL)
			watch_forget(watch, group);
		group_free(group);
	}
	*list = NULL;
	return taken;
}

/* All its contents are gone with it: one line. */
static void
drop_directory(void *arg, struct directory *directory)
{
	struct watch *watch = arg;
	size_t taken = free_groups(watch, &directory->groups) + free_groups(watch, &directory->others);

	if (directory->parent == NULL)
		rest_free(directory);
	if (taken > 0 && watch != NULL)
		batch_say(watch->tool, "gone", directory->path, "the directory was removed; its chains stay in the store");
}

static int
each_inner(void *arg, const char *path)
{
	struct watch *watch = arg;

	return follow_inner(&watch->reading, path, &watch->err);
}

static void
look_failed(struct watch *watch, struct directory *directory)
{
	if (access(directory->path, F_OK) != 0 && errno == ENOENT) {
		/* For those below the requested ones, the parent reports it. */
		if (directory->parent != NULL)
			return;
		follow_again(watch->follow, directory, watch->now + (watch->settle > 1000 ? watch->settle : 1000));
		watch->missing++;
		if (!directory->missing)
			watch_complain(watch, "missing", directory->path, watch->once ? "there is no such directory"
			    : "the directory does not exist: waiting for it");
		directory->missing = true;
		return;
	}
	if (!directory->unreadable)
		watch_complain(watch, "bad", directory->path, watch->err.text);
	directory->unreadable = true;
	watch->bad++;
}

static int
look(void *arg, struct directory *directory)
{
	struct watch *watch = arg;
	const struct directory_calls calls = { .each = each_group, .others = each_other, .arg = watch };
	int status;

	watch->directory = directory;
	watch->at = (struct group **)&directory->groups;
	watch->others_at = (struct group **)&directory->others;
	watch->reading = (struct follow_reading){ .follow = watch->follow, .directory = directory, .drop = drop_directory, .arg = watch };
	follow_begin(&watch->reading);
	status = directory_read(directory->path, each_inner, &calls, &watch->err);
	if (status == 0) {
		follow_end(&watch->reading);
		groups_gone(watch, &watch->at, NULL);
		groups_gone(watch, &watch->others_at, NULL);
		if (directory->missing)
			batch_say(watch->tool, "back", directory->path, "the directory is back");
		directory->missing = directory->unreadable = false;
		return 0;
	}
	if (watch->lost || status > 0) { /* to be continued */
		follow_again(watch->follow, directory, watch->now);
		return -1;
	}
	look_failed(watch, directory);
	error_clear(&watch->err);
	return 0;
}

static int
pass(struct watch *watch)
{
	watch->now = follow_now();
	watch->lost = false;
	watch->waiting = 0;
	follow_due(watch->follow, watch->now, look, watch);
	if (!watch->lost && watch_flush(watch) != 0)
		watch->lost = true;
	for (struct directory *root = follow_roots(watch->follow); root != NULL && !watch->lost; root = root->next)
		rest_look(watch, root);
	return watch->lost ? -1 : 0;
}

int
watch_pass(struct watch *watch)
{
	size_t before;
	int status;

	if (!watch->once)
		return pass(watch);
	/* While some come in, they may supersede the bad ones. */
	do {
		before = watch->waiting;
		status = pass(watch);
	} while (status == 0 && *watch->stop == 0 && watch->waiting > 0 && (before == 0 || watch->waiting < before));
	watch->final = true;
	return status == 0 ? pass(watch) : status;
}

void
watch_free(struct watch *watch)
{
	follow_free(watch->follow, drop_directory, NULL);
	batch_free(&watch->batch);
	free(watch->pending);
	free(watch->trouble);
}
