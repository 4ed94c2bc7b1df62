/* SPDX-License-Identifier: ISC */
/*
 * follow.h: directories and all that is in them, followed with inotify(7): which of
 * them something happened in.  It knows names of directories, not what is in files.
 */
#ifndef SNICERT_FOLLOW_H
#define SNICERT_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snicert.h"

/** A directory that is followed.  The tree of them is by name. */
struct directory {
	char *path;
	const char *name;               /* its last part */
	struct directory *parent;          /* NULL: one that was asked for */
	struct directory *children, *next; /* sorted by name */
	int watch;                      /* inotify's; -1: none */
	bool link;                      /* reached through one: itself or further up */
	dev_t device;                   /* which it was when it was last watched, … */
	ino_t inode;                    /* … 0: none */
	bool stale;                     /* another directory may be in its place by now */
	bool missing;                   /* the user's: it is not there, and that was said */
	bool unreadable;                /* the user's: it can't be read, and that was said */
	int64_t due;                    /* when to look (milliseconds); 0: nothing happened */
	int64_t since;                  /* of the first event that nobody has looked at */
	void *groups, *others;          /* the user's */
	void *rest;                     /* the user's, of one that was asked for */
};

struct follow;

/** NULL with *err set where there is no inotify to be had. */
struct follow *follow_new(int64_t settle, struct snicert_error *err);
void follow_free(struct follow *, void (*drop)(void *arg, struct directory *), void *arg);

/** Monotonic milliseconds. */
int64_t follow_now(void);

/** A file descriptor that is readable as there are events. */
int follow_fd(const struct follow *);

/** One more to follow, with what is in it. */
int follow_add(struct follow *, const char *path, struct snicert_error *err);

/** Read the events there are.  Returns true where some were lost: all is due then. */
bool follow_read(struct follow *);

/** All is due, now. */
void follow_all(struct follow *);

/** Look again at a directory at that time, or sooner. */
void follow_again(struct follow *, struct directory *, int64_t when);

/**
 * Call `look` for each directory that is due by `now`, parents first.  Each is watched
 * from then on, so what happens while it is read makes it due again.  `look` may
 * change what is in its directory (follow_begin); not 0 ends this, and is returned.
 */
typedef int follow_look(void *arg, struct directory *);
int follow_due(struct follow *, int64_t now, follow_look *look, void *arg);

/** Milliseconds until one is due; -1: not before an event. */
int64_t follow_wait(const struct follow *, int64_t now);

/**
 * While a directory is read: the directories in it, by name in order, then the end.  A link is gone through
 * where nothing else leads to its directory: no circle, and no directory twice.
 */
struct follow_reading {
	struct follow *follow;
	struct directory *directory;
	struct directory **at;
	void (*drop)(void *arg, struct directory *);
	void *arg;
};
void follow_begin(struct follow_reading *);
int follow_inner(struct follow_reading *, const char *path, struct snicert_error *err);
void follow_end(struct follow_reading *);

/** The first that was asked for; `next` are the others. */
struct directory *follow_roots(const struct follow *);

/** How many there are; whether inotify had no room for some. */
size_t follow_count(const struct follow *);
bool follow_short(const struct follow *);

#endif
