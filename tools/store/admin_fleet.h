/* SPDX-License-Identifier: ISC */
/*
 * admin_fleet.h: the store as one of a fleet's: where it stands in the fleet's history, and its
 * transactions as changes that other stores apply (SQLite's session extension).
 */
#ifndef SNICERT_ADMIN_FLEET_H
#define SNICERT_ADMIN_FLEET_H

#include "store/admin.h"

#define ADMIN_ID_LENGTH 32      /* hexadecimal digits of a fleet's or node's id */
#define ADMIN_MAC_LENGTH 32     /* HMAC-SHA-256 */

/** Where the store stands.  All members but `is_member` are of a member's. */
struct admin_position {
	bool is_member;
	char fleet[ADMIN_ID_LENGTH + 1];
	char node[ADMIN_ID_LENGTH + 1];         /* this store's own */
	int64_t epoch, seq;                     /* of the last change that it has */
	unsigned char history[ADMIN_MAC_LENGTH];/* that change's MAC, which covers all before it */
};

int admin_position(struct admin *, struct admin_position *out, struct snicert_error *err);
/** Within a transaction; not a member: the store leaves its fleet. */
int admin_set_position(struct admin *, const struct admin_position *, struct snicert_error *err);

/**
 * Who carries this program's transactions to the fleet.  admin_begin, admin_commit, admin_rollback and
 * admin_restore call these; `arg` is for them.
 */
struct admin_carrier {
	/** Before the store is locked: bring it to the head of the history, and hold that. */
	int (*begin)(void *arg, struct admin *, struct snicert_error *err);
	/** The transaction is complete: make it the next change, for good.  Fills *next, unless it changed nothing. */
	int (*commit)(void *arg, struct admin *, struct admin_position *next, struct snicert_error *err);
	/** The same for a whole store, at `path`. */
	int (*replace)(void *arg, struct admin *, const char *path, struct admin_position *next,
	    struct snicert_error *err);
	/** Let the head go, after admin_begin: `kept` if this store has the change. */
	void (*end)(void *arg, struct admin *, bool kept);
};

/** For all stores that this program opens; NULL: nobody.  Without one, a member of a fleet can't be changed. */
void admin_carry_by(const struct admin_carrier *, void *arg);

/**
 * A transaction of what comes from the fleet, or concerns this store alone: it is not carried, and the
 * change log stays as it is.  admin_apply_commit leaves the store at *position.
 */
int admin_apply_begin(struct admin *, struct snicert_error *err);
int admin_apply_commit(struct admin *, const struct admin_position *position, struct snicert_error *err);
void admin_apply_rollback(struct admin *);

/** What this transaction has changed, in parts, for admin_apply; *empty: nothing.  `put` returns 0 or -1. */
typedef int admin_put_fn(void *arg, const void *octets, size_t length);
int admin_changes_so_far(struct admin *, admin_put_fn *put, void *arg, bool *empty, struct snicert_error *err);

/**
 * Apply such a change, within admin_apply_begin.  `get` gives its octets from `at` on, as often as
 * it is asked: at most *length, which it sets to their number, 0 at the end; it returns 0, or -1.  Returns 0; 1
 * with *err set if this store is not what the change was made from (then roll back); or -1.
 */
typedef int admin_get_fn(void *arg, int64_t at, void *octets, size_t *length);
int admin_apply(struct admin *, admin_get_fn *get, void *arg, struct snicert_error *err);

/** The schema of this store, and whether a store's file has one that this release knows. */
int64_t admin_schema(struct admin *);

/** Remove a store's file with what SQLite left beside it: a journal would be played into the next of that name. */
void admin_unlink(const char *path);

/**
 * Put a store's file, made by admin_backup, into this store, with a new position.  Changes the file.
 * Jailed readers follow.
 */
int admin_replace(struct admin *, const char *path, const struct admin_position *, struct snicert_error *err);

#endif
