/* SPDX-License-Identifier: ISC */
/*
 * walindex.h: SQLite's WAL index, the store's -shm file, read instead of mapped.
 *
 * SQLite maps that file.  Anything that shortens it (`truncate -s 0`, or a failing disk) thereby
 * kills each process that reads the mapping (SIGBUS), and a guest installs no signal handler.  So
 * we open the store through our own VFS, which takes SQLite's locks on that file itself, and shows
 * SQLite copies of the index read with pread(2): a file cut short is then an error.
 */
#ifndef SNICERT_WALINDEX_H
#define SNICERT_WALINDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "held.h"

#define WALINDEX_WORDS 12 /* of the header, which each commit changes */

struct sqlite3;

/** The name of the VFS, for sqlite3_open_v2 with SQLITE_OPEN_READONLY; NULL if out of memory. */
const char *walindex_vfs(void);

/** The name of the VFS with which SQLite makes an index, unmapped too; no fork() meanwhile. */
const char *walindex_maker_vfs(void);

/**
 * Look for the index; when a connection is opened, or finds that it has none.  Borrowed until it is
 * closed.
 */
void walindex_find(struct sqlite3 *db, struct held *out);

/** Whether SQLite may make the index: this process has the rights. */
bool walindex_may_be_made(struct sqlite3 *db);

/** Before each read: let SQLite see all commits so far. */
void walindex_refresh(struct sqlite3 *db);

/** The header now: one system call, any thread.  False if the file was cut short. */
bool walindex_header(const struct held *, uint32_t words[WALINDEX_WORDS]);

/** For a process that also writes stores, without this VFS: closing an index loses its locks. */
void walindex_keep_open(void);

/** Around fork(): no thread is half-way through open or close. */
void walindex_before_fork(void);
void walindex_after_fork(void);

#endif
