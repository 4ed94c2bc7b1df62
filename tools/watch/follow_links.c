/* SPDX-License-Identifier: ISC */
/*
 * follow_links.c: links to directories.  inotify(7) has one watch per directory, whatever its name,
 * so we follow each once; a path without links goes first.
 */
#include <sys/stat.h>

#include "watch/follow_internal.h"

/* How deep a link may be: what is below one lies in a tree that nobody asked for by name. */
#define LINKS_MOST 16

void
follow_identify(struct directory *directory)
{
	struct stat st;

	directory->inode = 0;
	if (stat(directory->path, &st) != 0)
		return;
	directory->device = st.st_dev;
	directory->inode = st.st_ino;
}

/* Among these and their contents, the one that is now that directory, except `other`. */
static struct directory *
find_same(struct directory *directory, const struct directory *other, dev_t device, ino_t inode, bool links)
{
	struct directory *found = NULL;

	for (; directory != NULL && found == NULL; directory = directory->next) {
		if (directory != other && (directory->link || !links) && directory->inode == inode && directory->device == device)
			return directory;
		found = find_same(directory->children, other, device, inode, links);
	}
	return found;
}

bool
follow_by_link(const struct directory *directory, const char *path)
{
	struct stat st;

	return directory->link || (lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
}

/* Whether another followed one is now that directory: it may have been moved or replaced since it
 * was read. */
static bool
is_followed(struct follow *follow, const struct directory *known, const struct stat *st)
{
	struct directory *same;

	while ((same = find_same(follow->roots, known, st->st_dev, st->st_ino, false)) != NULL) {
		follow_identify(same);
		if (same->inode == st->st_ino && same->device == st->st_dev)
			return true;
	}
	return false;
}

/* If it leads elsewhere than before, watch it again. */
bool
follow_leads_on(const struct follow_reading *reading, struct directory *known, const char *path)
{
	struct stat st;
	int depth = 0;

	for (const struct directory *up = reading->directory; up != NULL; up = up->parent)
		depth++;
	if (depth > LINKS_MOST || stat(path, &st) != 0 || is_followed(reading->follow, known, &st))
		return false;
	if (known != NULL && (known->device != st.st_dev || known->inode != st.st_ino))
		known->stale = true;
	return true;
}

void
follow_replace_link(struct follow *follow, const struct directory *child)
{
	struct directory *same = follow->links == 0 ? NULL : find_same(follow->roots, child, child->device, child->inode, true);

	if (same != NULL && same->parent != NULL)
		follow_again(follow, same->parent, AT_ONCE);
}
