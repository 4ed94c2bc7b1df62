/* SPDX-License-Identifier: ISC */
/*
 * following.h: what `snicert follow` last found, in a file beside the store: for those who ask how the node
 * is without asking the database.
 */
#ifndef SNICERT_FOLLOWING_H
#define SNICERT_FOLLOWING_H

#include <stdbool.h>
#include <stdint.h>

/** After so many seconds without a look at the fleet's head, or behind it, something is wrong. */
#define FOLLOWING_LATE 300
#define FOLLOWING_LOST 3600

struct following {
	int64_t at;                     /* when it last was at the head: Unix time */
	int64_t head;                   /* the last change that it knows of */
	char trouble[512];              /* what is wrong now; "": nothing */
};

/** Replace it.  Best effort: whoever reads it sees how old it is. */
void following_write(const char *store, const struct following *);

/** False where nobody has followed yet. */
bool following_read(const char *store, struct following *out);

/**
 * What is to be said about a store of a fleet that is at change `seq`: the seconds for which it may be late
 * (0: it is not), with a sentence.  Without a file the seconds are FOLLOWING_LATE.
 */
int64_t following_judge(const char *store, int64_t seq, int64_t now, char *text, unsigned long size);

#endif
