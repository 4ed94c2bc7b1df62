/* SPDX-License-Identifier: ISC */
/*
 * watch.h: imports what is new in directories, with the code of `import`. follow.c decides where
 * and when to look.
 */
#ifndef SNICERT_WATCH_H
#define SNICERT_WATCH_H

#include <signal.h>

#include "intake/batch.h"
#include "watch/follow.h"

struct watch {
	/* Set by the caller: */
	struct tool *tool;
	struct batch batch;             /* its options */
	struct follow *follow;
	int64_t settle;                 /* milliseconds */
	bool once;                      /* report bad ones at once */
	bool dry_run;
	const volatile sig_atomic_t *stop;

	/* Out: */
	size_t chains, taken, superseded, bad, missing; /* in all passes */

	/* At work: */
	struct directory *directory;
	struct follow_reading reading;
	struct group **at, **others_at; /* in the directory's lists */
	struct pending *pending;        /* of the batch */
	size_t pending_count, pending_room;
	size_t waiting;                 /* groups that this pass left waiting */
	bool final;                     /* once: now report what is bad */
	bool open;                      /* a batch is open */
	bool lost;                      /* the store can't be written */
	char *trouble;                  /* reported of that */
	int64_t retry, retry_after;
	int64_t now;
	struct snicert_error err;
};

/**
 * Look into all directories that are due.  Returns 0, or -1 if the store can't be written (then
 * reported).
 */
int watch_pass(struct watch *);
void watch_free(struct watch *);

#endif
