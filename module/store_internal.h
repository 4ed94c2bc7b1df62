/* SPDX-License-Identifier: ISC */
/*
 * store_internal.h: the store as its own files see it: store.c keeps the connection, store_rows.c
 * asks it.
 */
#ifndef SNICERT_STORE_INTERNAL_H
#define SNICERT_STORE_INTERNAL_H

#include <pthread.h>

#include <sqlite3.h>

#include "children.h"
#include "held.h"
#include "store.h"

struct store {
	char *path, *wal_path, *shm_path;
	sqlite3 *db;
	sqlite3_stmt *lookup;
	sqlite3_stmt *address;
	sqlite3_stmt *wildcard;
	sqlite3_stmt *keys;
	struct held witness;            /* of what became of SQLite's descriptors */
	uid_t owner;
	bool tried;                     /* to open it, ever */
	bool at_load;                   /* during the first attempt */

	/* What other threads look at. */
	pthread_mutex_t view_lock;
	struct view {
		struct held index, witness;
		uint64_t opened;                 /* counted; 0: not open */
		bool reopening;                  /* it was open; no attempt failed since */
		dev_t device;
		ino_t inode, wal_inode;          /* 0: no WAL yet */
		bool forked;
		uint64_t inheritance;            /* for children; 0: none */
	} view;
	struct children *children;
	uint64_t openings;
};

/** Set *err from SQLite; -1. */
int store_trouble(struct store *, int rc, const char *what, struct snicert_error *err);

/** A statement to keep. */
int store_prepare(struct store *, const char *sql, sqlite3_stmt **statement);
int store_prepare_lookup(struct store *);

/** An open store still serves if its file is gone or replaced by one that can't be trusted. */
bool store_is_at_hand(struct store *, struct snicert_error *err);

/**
 * After an error the next look-up starts with a fresh connection: it recovers what a dead writer
 * left behind (SQLITE_READONLY_RECOVERY).  A process that could not reopen the store, in a chroot,
 * keeps its connection.
 */
void store_give_up(struct store *);

#endif
