/* SPDX-License-Identifier: ISC */
/*
 * newdirectory.h: a directory that is made under another name, and there at once when it
 * is whole: who looks sees all of it, or what was there before.
 */
#ifndef SNICERT_NEWDIRECTORY_H
#define SNICERT_NEWDIRECTORY_H

#include <stdbool.h>

#include "snicert.h"

struct newdirectory {
	const char *mark;               /* set by the caller: a file in each such directory, and in no other */
	bool force;                     /* set by the caller: one with the mark may be replaced */
	char *final;                    /* its path, from the root */
	char *path;                     /* where it is as long as it is not done */
	bool begun;
};

/** Find out where `path` is, and that nothing is there that has to stay. */
int newdirectory_locate(struct newdirectory *, const char *path, struct snicert_error *err);

/** Make it, for its owner only. */
int newdirectory_begin(struct newdirectory *, struct snicert_error *err);

/** Give it its name. */
int newdirectory_done(struct newdirectory *, struct snicert_error *err);

/** Remove what was not done, or was replaced. */
void newdirectory_clear(struct newdirectory *);

#endif
