/* SPDX-License-Identifier: ISC */
/* watch_internal.h: what the files of watch.h share: groups of files, and importing them. */
#ifndef SNICERT_WATCH_INTERNAL_H
#define SNICERT_WATCH_INTERNAL_H

#include "intake/bag.h"
#include "intake/halves.h"
#include "watch/watch.h"

enum state {
	GROUP_NEW,
	GROUP_TAKEN,
	GROUP_WAITING,                  /* for a missing part */
	GROUP_BAD,                      /* and reported */
	GROUP_NONE                      /* nothing came of it, nor must it */
};

struct group {
	char *label;
	struct group *next;             /* in order of label */
	struct directory *directory;
	char **files;
	size_t count;
	size_t number;                  /* in its tree, from 1, new at each reading; 0: none */
	uint64_t met;                   /* its print when last read */
	uint64_t print;                 /* its print when it entered this state */
	enum state state;
	int64_t patience;               /* waiting: end */
	bool other;                     /* name tells nothing */
	bool half;                      /* may belong to files elsewhere: watch_rest.c */
	bool fresh;                     /* half: not yet looked at */
	bool last;                      /* it has waited; now report it */
	bool pending;                   /* in the batch */
	bool failed, paired;            /* in a look at the rest */
};

/* A tree's groups that names didn't match. */
struct rest {
	struct halves *halves;
	struct group **groups;          /* the whole tree, by number; NULL: gone */
	size_t count;
	bool due;
	int64_t next;                   /* but not before */
};

/* watch.c */
void watch_complain(struct watch *, const char *event, const char *path, const char *text);
/** Read its files.  Frees nothing; -1 with watch->err set. */
int watch_read(struct watch *, const struct group *, struct bag *);

/* watch_store.c */
/** Batch it, or mark it bad.  -1: the store can't be written. */
int watch_take(struct watch *, struct group *, struct bag *);
void watch_failed(struct watch *, struct group *);
/** Commit the batch, and report on it. */
int watch_flush(struct watch *);
void watch_lost(struct watch *);
/** It is being freed: report nothing on it. */
void watch_forget(struct watch *, const struct group *);

/* watch_rest.c */
/** The rest of a directory's tree.  NULL without memory. */
struct rest *rest_of(struct directory *);
/** It was read; it is gone, or read again. */
int rest_add(struct rest *, struct group *);
void rest_remove(struct group *);
void rest_free(struct directory *root);
/** Match separate files, if anything changed. */
void rest_look(struct watch *, struct directory *root);

#endif
