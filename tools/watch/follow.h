/* SPDX-License-Identifier: ISC */
/*
 * follow.h: follows directories and their contents with inotify(7): where something happened.  It
 * knows names of directories, not the contents of files.
 */
#ifndef SNICERT_FOLLOW_H
#define SNICERT_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snicert.h"

/** A followed directory.  Their tree is by name. */
struct directory {
	char *path;
	const char *name;               /* its last part */
	struct directory *parent;          /* NULL: a requested one */
	struct directory *children, *next; /* sorted by name */
	int watch;                      /* inotify's; -1: none */
	bool link;                      /* reached by a link: itself or a parent */
	dev_t device;                   /* its identity when last watched, … */
	ino_t inode;                    /* … 0: none */
	bool stale;                     /* another directory may have replaced it */
	bool missing;                   /* for the user: not there, and reported */
	bool unreadable;                /* for the user: unreadable, and reported */
	int64_t due;                    /* when to look (milliseconds); 0: nothing happened */
	int64_t since;                  /* time of the first event not looked at */
	void *groups, *others;          /* the user's */
	void *rest;                     /* for the user, of a requested one */
};

struct follow;

/** NULL with *err set without inotify. */
struct follow *follow_new(int64_t settle, struct snicert_error *err);
void follow_free(struct follow *, void (*drop)(void *arg, struct directory *), void *arg);

/** Monotonic milliseconds. */
int64_t follow_now(void);

/** A file descriptor, readable when there are events. */
int follow_fd(const struct follow *);

/** Follow one more, with its contents. */
int follow_add(struct follow *, const char *path, struct snicert_error *err);

/** Read pending events.  Returns true if some were lost: then all is due. */
bool follow_read(struct follow *);

/** All due, now. */
void follow_all(struct follow *);

/** Look at a directory again at that time, or sooner. */
void follow_again(struct follow *, struct directory *, int64_t when);

/**
 * Call `look` for each directory due by `now`, parents first.  Watches each before, so what happens
 * while it is read makes it due again.  `look` may change the contents of its directory
 * (follow_begin); anything but 0 stops, and is returned.
 */
typedef int follow_look(void *arg, struct directory *);
int follow_due(struct follow *, int64_t now, follow_look *look, void *arg);

/** Milliseconds until one is due; -1: only after an event. */
int64_t follow_wait(const struct follow *, int64_t now);

/**
 * While a directory is read: the directories in it, by name in order, then the end.  Follows a link
 * if nothing else leads to its directory: no circles, and no directory twice.
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

/** The first requested one; `next` are the others. */
struct directory *follow_roots(const struct follow *);

/** Their number; whether inotify had no room for some. */
size_t follow_count(const struct follow *);
bool follow_short(const struct follow *);

#endif
