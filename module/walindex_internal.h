/* SPDX-License-Identifier: ISC */
/* walindex_internal.h: what walindex.c (it reads the index) and walindex_make.c (it makes one) share. */
#ifndef SNICERT_WALINDEX_INTERNAL_H
#define SNICERT_WALINDEX_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "held.h"
#include "walindex.h"

#define WALINDEX_LOCKS_AT 120   /* a byte a lock: SQLite's "WAL-mode file format", section 2.3 */
#define WALINDEX_IN_USE_AT 128  /* locked by all who use the index; alone by who starts it anew */

/*
 * The descriptor of an index.  One a file and process, which counts who has locked what: the
 * kernel's locks (fcntl(2), F_OFD_SETLK) are the open file's, be they taken once or twice.
 */
struct source {
	struct source *next;
	unsigned refs;
	unsigned shared[SQLITE_SHM_NLOCK];
	bool joined;            /* among those who use it */
	bool makes;             /* for walindex_make.c: of one connection, and open for writing */
	struct held held;
};

/* A main database file that was opened through one of our VFS. */
struct file {
	sqlite3_file base;
	char *shm_path;
	struct source *source;
	unsigned char **copies; /* of the regions that SQLite has asked for */
	int count;
	size_t size;            /* of each */
	bool makes;             /* an index, where there is none */
	bool writing;           /* who makes: the lock of writers is held */
	sqlite3_file *real;
};

/** Room for the copy of a region; it stays where it is, since SQLite keeps the pointer. */
unsigned char *walindex_room(struct file *, int region, size_t size);

/** Borrow the descriptor of the index, until the copies are forgotten; NULL: none to be had. */
struct source *walindex_source(const char *path, bool makes);

/** pread(2) that goes on after a signal. */
ssize_t walindex_read(int fd, void *out, size_t size, off_t at);

/** Take or drop `count` locks from the byte `at`, of the open file; a code of SQLite's. */
int walindex_set_lock(int fd, short type, off_t at, int count);

/** Whether others use the index; false where the kernel does not say. */
bool walindex_used(int fd, bool *used);

/** sqlite3_io_methods's xShmMap and xShmLock, for who makes. */
int walindex_make_map(struct file *, int region, size_t size, bool extend, void volatile **out);
int walindex_make_lock(struct file *, int offset, int count, int flags);

/** Open the index for writing, make it if there is none; a descriptor and what fstat(2) says, or -1. */
int walindex_make_open(const char *path, struct stat *st);

#endif
