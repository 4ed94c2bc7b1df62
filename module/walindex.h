/* SPDX-License-Identifier: ISC */
/*
 * walindex.h: SQLite's WAL index, the store's -shm file, read instead of mapped.
 *
 * SQLite maps that file.  Whoever makes it shorter, `truncate -s 0` or a disk that
 * fails will do, thereby kills each process that looks at the mapping (SIGBUS), and
 * a guest installs no signal handler.  So the store is opened through a VFS of
 * our own which takes SQLite's locks on that file itself, and shows SQLite copies of
 * the index that it reads with pread(2): a file cut short is an error then.
 */
#ifndef SNICERT_WALINDEX_H
#define SNICERT_WALINDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "held.h"

#define WALINDEX_WORDS 12 /* of the header, which each commit changes */

struct sqlite3;

/** The name of the VFS, for sqlite3_open_v2 with SQLITE_OPEN_READONLY; NULL for want of memory. */
const char *walindex_vfs(void);

/** Of the VFS with which SQLite makes an index, without a mapping of it either; no fork() meanwhile. */
const char *walindex_maker_vfs(void);

/**
 * Look for the index; as a connection is opened, or finds it has none.  Borrowed: good until that
 * is closed.
 */
void walindex_find(struct sqlite3 *db, struct held *out);

/** Whether SQLite may make the index: this process has the rights. */
bool walindex_may_be_made(struct sqlite3 *db);

/** Before each read: let SQLite see what was committed by now. */
void walindex_refresh(struct sqlite3 *db);

/** The header now: one system call, any thread.  False where the file was cut short. */
bool walindex_header(const struct held *, uint32_t words[WALINDEX_WORDS]);

/** For a process that writes stores, too, without this VFS: closing an index loses its locks. */
void walindex_keep_open(void);

/** Around fork(): nobody is half-way through opening or closing one. */
void walindex_before_fork(void);
void walindex_after_fork(void);

#endif
