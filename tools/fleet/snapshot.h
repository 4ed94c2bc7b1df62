/* SPDX-License-Identifier: ISC */
/* snapshot.h: whole stores, into the database and out of it. */
#ifndef SNICERT_SNAPSHOT_H
#define SNICERT_SNAPSHOT_H

#include "fleet/fleet.h"

/** The newest snapshot that is not after `seq`.  1: there is none. */
int snapshot_newest(struct fleet *, int64_t seq, struct history_snapshot *out, struct snicert_error *err);

/**
 * Put a store's file into the database, in a transaction of the caller's.  Fills size, digest, key and mac;
 * the rest is the caller's.
 */
int snapshot_put(struct fleet *, const char *path, struct history_snapshot *, struct snicert_error *err);

/** The digest and size of a store's file. */
int snapshot_digest(const char *path, unsigned char digest[32], int64_t *size, struct snicert_error *err);

/**
 * Make one of this store, in a transaction of its own; does nothing if there is one of its position.  1: another
 * node is making one, and that will do.
 */
enum snapshot_how { SNAPSHOT_ALWAYS, SNAPSHOT_UNLESS_ANOTHER };
int snapshot_make(struct fleet *, struct admin *, enum snapshot_how, struct history_snapshot *out,
    struct snicert_error *err);

/** Whether the changes since the newest have outgrown it, and this database takes one. */
bool snapshot_is_due(struct fleet *, struct snicert_error *err);

/** Delete all but the two newest, and changes before those which all nodes that were seen lately have. */
int snapshot_drop_old(struct fleet *, struct snicert_error *err);

/** A genuine snapshot's store, in a new file. */
int snapshot_fetch(struct fleet *, const struct history_snapshot *, const char *path, struct snicert_error *err);

#endif
