/* SPDX-License-Identifier: ISC */
/*
 * newfolder.h: a folder that is made under another name, and there at once when it
 * is whole: who looks sees all of it, or what was there before.
 */
#ifndef SNICERT_NEWFOLDER_H
#define SNICERT_NEWFOLDER_H

#include <stdbool.h>

#include "snicert.h"

struct newfolder {
	const char *mark;               /* set by the caller: a file in each such folder, and in no other */
	bool force;                     /* set by the caller: one with the mark may be replaced */
	char *final;                    /* its path, from the root */
	char *path;                     /* where it is as long as it is not done */
	bool begun;
};

/** Find out where `path` is, and that nothing is there that has to stay. */
int newfolder_locate(struct newfolder *, const char *path, struct snicert_error *err);

/** Make it, for its owner only. */
int newfolder_begin(struct newfolder *, struct snicert_error *err);

/** Give it its name. */
int newfolder_done(struct newfolder *, struct snicert_error *err);

/** Remove what was not done, or was replaced. */
void newfolder_clear(struct newfolder *);

#endif
