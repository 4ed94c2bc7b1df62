/* SPDX-License-Identifier: ISC */
/*
 * newdirectory.h: makes a directory under another name, and renames it when complete: readers see
 * all of it, or what was there before.
 */
#ifndef SNICERT_NEWDIRECTORY_H
#define SNICERT_NEWDIRECTORY_H

#include <stdbool.h>

#include "snicert.h"

struct newdirectory {
	const char *mark;               /* set by the caller: a file in each such directory, and no other */
	bool force;                     /* set by the caller: may replace one with the mark */
	char *final;                    /* its absolute path */
	char *path;                     /* where it is until done */
	bool begun;
};

/** Locate `path`, and make sure that nothing there must stay. */
int newdirectory_locate(struct newdirectory *, const char *path, struct snicert_error *err);

/** Make it, for its owner only. */
int newdirectory_begin(struct newdirectory *, struct snicert_error *err);

/** Give it its name. */
int newdirectory_done(struct newdirectory *, struct snicert_error *err);

/** Remove it if unfinished or replaced. */
void newdirectory_clear(struct newdirectory *);

#endif
