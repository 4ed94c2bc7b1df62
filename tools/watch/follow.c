/* SPDX-License-Identifier: ISC */
/*
 * follow.c: follows directories with inotify(7).  A watch is on a directory, not on its name: when
 * a name may now mean another directory (it was moved, deleted or recreated, or events were lost),
 * the directory is stale, and we watch it again before we read it again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "watch/follow_internal.h"

#define EVENTS (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | \
	IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* We also look at a directory that never comes to rest. */
#define SETTLES_MOST 15

int64_t
follow_now(void)
{
	return clock_ms() + 1;
}

struct follow *
follow_new(int64_t settle, struct snicert_error *err)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (follow == NULL) {
		error_set(err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	follow->settle = settle;
	follow->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (follow->fd < 0) {
		error_system(err, "inotify");
		free(follow);
		return NULL;
	}
	return follow;
}

int
follow_fd(const struct follow *follow)
{
	return follow->fd;
}

struct directory *
follow_roots(const struct follow *follow)
{
	return follow->roots;
}

size_t
follow_count(const struct follow *follow)
{
	return follow->count;
}

bool
follow_short(const struct follow *follow)
{
	return follow->short_of_watches;
}

static void
note_due(struct follow *follow, int64_t due)
{
	if (follow->next == 0 || due < follow->next)
		follow->next = due;
}

static void
forget_watch(struct follow *follow, struct directory *directory)
{
	if (directory->watch < 0)
		return;
	follow->by_watch[directory->watch] = NULL;
	inotify_rm_watch(follow->fd, directory->watch);
	directory->watch = -1;
}

static int
keep_watch(struct follow *follow, struct directory *directory, int watch)
{
	if ((size_t)watch >= follow->watch_room) {
		size_t room = (size_t)watch * 2 + 64;
		struct directory **bigger = reallocarray(follow->by_watch, room, sizeof(struct directory *));

		if (bigger == NULL)
			return -1;
		memset(bigger + follow->watch_room, 0, (room - follow->watch_room) * sizeof(struct directory *));
		follow->by_watch = bigger;
		follow->watch_room = room;
	}
	/* It was moved here, and its old place hasn't been read since. */
	if (follow->by_watch[watch] != NULL && follow->by_watch[watch] != directory)
		follow->by_watch[watch]->watch = -1;
	follow->by_watch[watch] = directory;
	directory->watch = watch;
	return 0;
}

/* Returns false if there is no such directory. */
static bool
watch_directory(struct follow *follow, struct directory *directory)
{
	bool through = directory->parent == NULL || directory->link;
	int watch = inotify_add_watch(follow->fd, directory->path, EVENTS | (through ? 0 : IN_DONT_FOLLOW));

	follow_identify(directory);

	/* Its contents may be others as well. */
	for (struct directory *child = watch != directory->watch ? directory->children : NULL; child != NULL; child = child->next)
		child->stale = true;
	if (watch != directory->watch)
		forget_watch(follow, directory);
	directory->stale = false;
	if (watch < 0) {
		follow->short_of_watches |= errno == ENOSPC || errno == ENOMEM;
		return errno != ENOENT && errno != ENOTDIR;
	}
	if (keep_watch(follow, directory, watch) != 0)
		inotify_rm_watch(follow->fd, watch);
	return true;
}

static struct directory *
directory_new(struct follow *follow, struct directory *parent, const char *path)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (directory == NULL || (directory->path = strdup(path)) == NULL) {
		free(directory);
		return NULL;
	}
	directory->name = strrchr(directory->path, '/');
	directory->name = directory->name == NULL ? directory->path : directory->name + 1;
	directory->parent = parent;
	directory->watch = -1;
	directory->stale = true;
	directory->due = AT_ONCE;
	note_due(follow, directory->due);
	follow->count++;
	follow_identify(directory);
	return directory;
}

static void
directory_free(struct follow *follow, struct directory *directory, void (*drop)(void *, struct directory *), void *arg)
{
	while (directory->children != NULL) {
		struct directory *child = directory->children;

		directory->children = child->next;
		directory_free(follow, child, drop, arg);
	}
	drop(arg, directory);
	forget_watch(follow, directory);
	follow->count--;
	follow->links -= directory->link;
	free(directory->path);
	free(directory);
}

void
follow_free(struct follow *follow, void (*drop)(void *, struct directory *), void *arg)
{
	if (follow == NULL)
		return;
	while (follow->roots != NULL) {
		struct directory *root = follow->roots;

		follow->roots = root->next;
		directory_free(follow, root, drop, arg);
	}
	close(follow->fd);
	free(follow->by_watch);
	free(follow);
}

int
follow_add(struct follow *follow, const char *path, struct snicert_error *err)
{
	struct directory **at = &follow->roots;

	while (*at != NULL)
		at = &(*at)->next;
	*at = directory_new(follow, NULL, path);
	return *at != NULL ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

void
follow_again(struct follow *follow, struct directory *directory, int64_t when)
{
	if (directory->due == 0 || when < directory->due)
		directory->due = when;
	note_due(follow, directory->due);
}

/* Something happened: look once it comes to rest. */
static void
stir(struct follow *follow, struct directory *directory, int64_t now)
{
	if (directory->since == 0)
		directory->since = now;
	directory->due = now + follow->settle;
	if (directory->due > directory->since + SETTLES_MOST * follow->settle)
		directory->due = directory->since + SETTLES_MOST * follow->settle;
	note_due(follow, directory->due);
}

static void
all_in(struct directory *directory)
{
	for (; directory != NULL; directory = directory->next) {
		directory->due = AT_ONCE;
		directory->stale = true;
		all_in(directory->children);
	}
}

void
follow_all(struct follow *follow)
{
	follow->short_of_watches = false;
	follow->next = AT_ONCE;
	all_in(follow->roots);
}

/* Returns true if events were lost. */
static bool
take_event(struct follow *follow, const struct inotify_event *event, int64_t now)
{
	struct directory *directory;

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	directory = event->wd < 0 || (size_t)event->wd >= follow->watch_room ? NULL : follow->by_watch[event->wd];
	if (directory == NULL)
		return false;
	if ((event->mask & IN_IGNORED) != 0) { /* the kernel ended the watch */
		follow->by_watch[event->wd] = NULL;
		directory->watch = -1;
	}
	if ((event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
		directory->stale = true;
		stir(follow, directory->parent != NULL ? directory->parent : directory, now);
		return false;
	}
	stir(follow, directory, now);
	return false;
}

bool
follow_read(struct follow *follow)
{
	_Alignas(struct inotify_event) char buffer[65536];
	int64_t now = follow_now();
	bool lost = false;
	ssize_t got;

	while ((got = read(follow->fd, buffer, sizeof(buffer))) > 0) {
		for (const char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

			lost |= take_event(follow, event, now);
			at += sizeof(*event) + event->len;
		}
	}
	if (lost)
		follow_all(follow);
	return lost;
}

static int
look_in(struct follow *follow, struct directory *directory, int64_t now, follow_look *look, void *arg)
{
	int status = 0;

	for (; directory != NULL && status == 0; directory = directory->next) {
		if (directory->due != 0 && directory->due <= now) {
			directory->due = directory->since = 0;
			if ((directory->stale || directory->watch < 0) && !watch_directory(follow, directory) && directory->parent != NULL)
				follow_again(follow, directory->parent, now + follow->settle);
			status = look(arg, directory);
		}
		if (directory->due != 0)
			note_due(follow, directory->due);
		if (status == 0)
			status = look_in(follow, directory->children, now, look, arg);
	}
	return status;
}

int
follow_due(struct follow *follow, int64_t now, follow_look *look, void *arg)
{
	int64_t before = follow->next;
	int status;

	if (before == 0 || before > now)
		return 0;
	follow->next = 0;
	status = look_in(follow, follow->roots, now, look, arg);
	if (status != 0)
		follow->next = before;
	return status;
}

int64_t
follow_wait(const struct follow *follow, int64_t now)
{
	return follow->next == 0 ? -1 : follow->next <= now ? 0 : follow->next - now;
}

void
follow_begin(struct follow_reading *reading)
{
	reading->at = &reading->directory->children;
}

static void
drop_before(struct follow_reading *reading, const char *name)
{
	while (*reading->at != NULL && (name == NULL || strcmp((*reading->at)->name, name) < 0)) {
		struct directory *gone = *reading->at;

		*reading->at = gone->next;
		directory_free(reading->follow, gone, reading->drop, reading->arg);
	}
}

static struct directory *
add_inner(struct follow_reading *reading, const char *path, bool link)
{
	struct directory *child = directory_new(reading->follow, reading->directory, path);

	if (child == NULL)
		return NULL;
	child->next = *reading->at;
	*reading->at = child;
	if (!link)
		follow_replace_link(reading->follow, child);
	return child;
}

int
follow_inner(struct follow_reading *reading, const char *path, struct snicert_error *err)
{
	const char *name = strrchr(path, '/') + 1;
	bool link = follow_by_link(reading->directory, path);
	struct directory *child;

	drop_before(reading, name);
	child = *reading->at;
	if (child != NULL && strcmp(child->name, name) != 0)
		child = NULL;
	/* A link followed before is dropped with the next name. */
	if (link && !follow_leads_on(reading, child, path))
		return 0;
	if (child == NULL && (child = add_inner(reading, path, link)) == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	reading->follow->links += (size_t)link - (size_t)child->link;
	child->link = link;
	if (child->stale)
		follow_again(reading->follow, child, AT_ONCE);
	reading->at = &child->next;
	return 0;
}

void
follow_end(struct follow_reading *reading)
{
	drop_before(reading, NULL);
}
