/* SPDX-License-Identifier: ISC */
/*
 * follow.c: folders, followed with inotify(7).  A watch is on a folder and not on
 * its name: whenever a name may mean another folder by now (it was moved, deleted,
 * made anew, or events were lost) the folder is stale and is watched anew before
 * it is read again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "watch/follow.h"

#define EVENTS (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | \
	IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* A folder in which something happens all the time is looked at all the same. */
#define SETTLES_MOST 15
/* Due in the pass that is under way, whenever that began. */
#define AT_ONCE 1

struct follow {
	int fd;
	int64_t settle;
	struct folder *roots;
	struct folder **by_watch;
	size_t watch_room;
	size_t count;
	int64_t next;                   /* nothing is due before; 0: nothing at all */
	bool short_of_watches;
};

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

struct folder *
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
forget_watch(struct follow *follow, struct folder *folder)
{
	if (folder->watch < 0)
		return;
	follow->by_watch[folder->watch] = NULL;
	inotify_rm_watch(follow->fd, folder->watch);
	folder->watch = -1;
}

static int
keep_watch(struct follow *follow, struct folder *folder, int watch)
{
	if ((size_t)watch >= follow->watch_room) {
		size_t room = (size_t)watch * 2 + 64;
		struct folder **bigger = reallocarray(follow->by_watch, room, sizeof(struct folder *));

		if (bigger == NULL)
			return -1;
		memset(bigger + follow->watch_room, 0, (room - follow->watch_room) * sizeof(struct folder *));
		follow->by_watch = bigger;
		follow->watch_room = room;
	}
	/* It was moved here, and its former place has not been read since. */
	if (follow->by_watch[watch] != NULL && follow->by_watch[watch] != folder)
		follow->by_watch[watch]->watch = -1;
	follow->by_watch[watch] = folder;
	folder->watch = watch;
	return 0;
}

/* Returns false where there is no such folder. */
static bool
watch_folder(struct follow *follow, struct folder *folder)
{
	int watch = inotify_add_watch(follow->fd, folder->path, EVENTS | (folder->parent == NULL ? 0 : IN_DONT_FOLLOW));

	/* What is in it may be others' as well. */
	for (struct folder *child = watch != folder->watch ? folder->children : NULL; child != NULL; child = child->next)
		child->stale = true;
	if (watch != folder->watch)
		forget_watch(follow, folder);
	folder->stale = false;
	if (watch < 0) {
		follow->short_of_watches |= errno == ENOSPC || errno == ENOMEM;
		return errno != ENOENT && errno != ENOTDIR;
	}
	if (keep_watch(follow, folder, watch) != 0)
		inotify_rm_watch(follow->fd, watch);
	return true;
}

static struct folder *
folder_new(struct follow *follow, struct folder *parent, const char *path)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (folder == NULL || (folder->path = strdup(path)) == NULL) {
		free(folder);
		return NULL;
	}
	folder->name = strrchr(folder->path, '/');
	folder->name = folder->name == NULL ? folder->path : folder->name + 1;
	folder->parent = parent;
	folder->watch = -1;
	folder->stale = true;
	folder->due = AT_ONCE;
	note_due(follow, folder->due);
	follow->count++;
	return folder;
}

static void
folder_free(struct follow *follow, struct folder *folder, void (*drop)(void *, struct folder *), void *arg)
{
	while (folder->children != NULL) {
		struct folder *child = folder->children;

		folder->children = child->next;
		folder_free(follow, child, drop, arg);
	}
	drop(arg, folder);
	forget_watch(follow, folder);
	follow->count--;
	free(folder->path);
	free(folder);
}

void
follow_free(struct follow *follow, void (*drop)(void *, struct folder *), void *arg)
{
	if (follow == NULL)
		return;
	while (follow->roots != NULL) {
		struct folder *root = follow->roots;

		follow->roots = root->next;
		folder_free(follow, root, drop, arg);
	}
	close(follow->fd);
	free(follow->by_watch);
	free(follow);
}

int
follow_add(struct follow *follow, const char *path, struct snicert_error *err)
{
	struct folder **at = &follow->roots;

	while (*at != NULL)
		at = &(*at)->next;
	*at = folder_new(follow, NULL, path);
	return *at != NULL ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

void
follow_again(struct follow *follow, struct folder *folder, int64_t when)
{
	if (folder->due == 0 || when < folder->due)
		folder->due = when;
	note_due(follow, folder->due);
}

/* Something happened: it is looked at once that has come to rest. */
static void
stir(struct follow *follow, struct folder *folder, int64_t now)
{
	if (folder->since == 0)
		folder->since = now;
	folder->due = now + follow->settle;
	if (folder->due > folder->since + SETTLES_MOST * follow->settle)
		folder->due = folder->since + SETTLES_MOST * follow->settle;
	note_due(follow, folder->due);
}

static void
all_in(struct folder *folder)
{
	for (; folder != NULL; folder = folder->next) {
		folder->due = AT_ONCE;
		folder->stale = true;
		all_in(folder->children);
	}
}

void
follow_all(struct follow *follow)
{
	follow->short_of_watches = false;
	follow->next = AT_ONCE;
	all_in(follow->roots);
}

/* Returns true where events were lost. */
static bool
take_event(struct follow *follow, const struct inotify_event *event, int64_t now)
{
	struct folder *folder;

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	folder = event->wd < 0 || (size_t)event->wd >= follow->watch_room ? NULL : follow->by_watch[event->wd];
	if (folder == NULL)
		return false;
	if ((event->mask & IN_IGNORED) != 0) { /* the kernel has ended the watch */
		follow->by_watch[event->wd] = NULL;
		folder->watch = -1;
	}
	if ((event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
		folder->stale = true;
		stir(follow, folder->parent != NULL ? folder->parent : folder, now);
		return false;
	}
	stir(follow, folder, now);
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
look_in(struct follow *follow, struct folder *folder, int64_t now, follow_look *look, void *arg)
{
	int status = 0;

	for (; folder != NULL && status == 0; folder = folder->next) {
		if (folder->due != 0 && folder->due <= now) {
			folder->due = folder->since = 0;
			if ((folder->stale || folder->watch < 0) && !watch_folder(follow, folder) && folder->parent != NULL)
				follow_again(follow, folder->parent, now + follow->settle);
			status = look(arg, folder);
		}
		if (folder->due != 0)
			note_due(follow, folder->due);
		if (status == 0)
			status = look_in(follow, folder->children, now, look, arg);
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
	reading->at = &reading->folder->children;
}

static void
drop_before(struct follow_reading *reading, const char *name)
{
	while (*reading->at != NULL && (name == NULL || strcmp((*reading->at)->name, name) < 0)) {
		struct folder *gone = *reading->at;

		*reading->at = gone->next;
		folder_free(reading->follow, gone, reading->drop, reading->arg);
	}
}

int
follow_inner(struct follow_reading *reading, const char *path, struct snicert_error *err)
{
	const char *name = strrchr(path, '/') + 1;
	struct folder *child;

	drop_before(reading, name);
	child = *reading->at;
	if (child == NULL || strcmp(child->name, name) != 0) {
		child = folder_new(reading->follow, reading->folder, path);
		if (child == NULL)
			return error_set(err, SNICERT_EMEMORY, "no memory");
		child->next = *reading->at;
		*reading->at = child;
	} else if (child->stale) {
		follow_again(reading->follow, child, AT_ONCE);
	}
	reading->at = &child->next;
	return 0;
}

void
follow_end(struct follow_reading *reading)
{
	drop_before(reading, NULL);
}
