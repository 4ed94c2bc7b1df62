/* SPDX-License-Identifier: ISC */
/* places.h: the directories that a walk has visited. */
#ifndef SNICERT_PLACES_H
#define SNICERT_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Begins as {0}. */
struct places {
	struct place *slots;
	size_t count, room;             /* room: a power of two, at least twice the count */
};

/** Whether it is new, then no longer; *memory is set only to false: no memory. */
bool places_add(struct places *, dev_t device, ino_t inode, bool *memory);
void places_free(struct places *);

#endif
