/* SPDX-License-Identifier: ISC */
/* watch_internal.h: what the files of watch.h share: groups of files, and how they come into the store. */
#ifndef SNICERT_WATCH_INTERNAL_H
#define SNICERT_WATCH_INTERNAL_H

#include "intake/bag.h"
#include "intake/halves.h"
#include "watch/watch.h"

enum state {
	GROUP_NEW,
	GROUP_TAKEN,
	GROUP_WAITING,                  /* for what may be missing */
	GROUP_BAD,                      /* that was said */
	GROUP_NONE                      /* nothing came of it, and nothing has to */
};

struct group {
	char *label;
	struct group *next;             /* by label, in order */
	struct directory *directory;
	char **files;
	size_t count;
	size_t number;                  /* among all of its tree, from 1, another each time it is read; 0: none */
	uint64_t met;                   /* its print when it was last read */
	uint64_t print;                 /* that of what it was when this state came */
	enum state state;
	int64_t patience;               /* waiting: until then */
	bool other;                     /* its name says nothing */
	bool half;                      /* what is in it may belong to what lies elsewhere: watch_rest.c */
	bool fresh;                     /* half: and was not looked at yet */
	bool last;                      /* it has waited; now it is said */
	bool pending;                   /* in the batch */
	bool failed, paired;            /* of a look at the rest */
};

/* A tree's groups that their names don't hold together. */
struct rest {
	struct halves *halves;
	struct group **groups;          /* all of the tree, by number; NULL: gone */
	size_t count;
	bool due;
	int64_t next;                   /* but not before */
};

/* watch.c */
void watch_complain(struct watch *, const char *event, const char *path, const char *text);
/** What is in its files.  Frees nothing; -1 with watch->err set. */
int watch_read(struct watch *, const struct group *, struct bag *);

/* watch_store.c */
/** Into the batch, or it is bad.  -1: the store can't be written. */
int watch_take(struct watch *, struct group *, struct bag *);
void watch_failed(struct watch *, struct group *);
/** Commit what is in the batch, and tell of it. */
int watch_flush(struct watch *);
void watch_lost(struct watch *);
/** It is freed: nothing is to be said of it. */
void watch_forget(struct watch *, const struct group *);

/* watch_rest.c */
/** That of the tree a directory is in.  NULL without memory. */
struct rest *rest_of(struct directory *);
/** It was read; it is gone, or is read again. */
int rest_add(struct rest *, struct group *);
void rest_remove(struct group *);
void rest_free(struct directory *root);
/** Bring together what lies apart, if anything changed. */
void rest_look(struct watch *, struct directory *root);

#endif
