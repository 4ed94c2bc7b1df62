/* SPDX-License-Identifier: ISC */
/* walindex_internal.h: shared by walindex.c (reads the index) and walindex_make.c (makes one). */
#ifndef SNICERT_WALINDEX_INTERNAL_H
#define SNICERT_WALINDEX_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "held.h"
#include "walindex.h"

#define WALINDEX_LOCKS_AT 120   /* one byte each: SQLite's "WAL-mode file format", section 2.3 */
#define WALINDEX_HEADERS ((size_t)4 * WALINDEX_WORDS * 2) /* octets of both copies of the header */
#define WALINDEX_IN_USE_AT 128  /* locked by all users of the index; alone by who restarts it */

/*
 * The descriptor of an index.  One per file and process, counting who has locked what: the kernel's
 * locks (fcntl(2), F_OFD_SETLK) are the open file's, whether taken once or twice.
 */
struct source {
	struct source *next;
	unsigned refs;
	unsigned shared[SQLITE_SHM_NLOCK];
	bool joined;            /* among its users */
	bool makes;             /* for walindex_make.c: of one connection, and open for writing */
	struct held held;
};

/* A main database file opened through one of our VFSs. */
struct file {
	sqlite3_file base;
	char *shm_path;
	struct source *source;
	unsigned char **copies; /* of the regions that SQLite has asked for */
	int count;
	size_t size;            /* of each */
	bool makes;             /* an index, if there is none */
	bool writing;           /* a maker: holds the writers' lock */
	unsigned char found[WALINDEX_HEADERS]; /* a maker: in the file, when last read */
	sqlite3_file *real;
};

/** Room for the copy of a region; it never moves, since SQLite keeps the pointer. */
unsigned char *walindex_room(struct file *, int i, size_t size);

/** Borrow the descriptor of the index until the copies are forgotten; NULL: none available. */
struct source *walindex_source(const char *path, bool makes);

/** pread(2) that goes on after a signal. */
ssize_t walindex_read(int fd, void *out, size_t size, off_t at);

/** Take or drop `count` locks from the byte `at`, of the open file; an SQLite code. */
int walindex_set_lock(int fd, short type, off_t at, int count);

/** Whether others use the index; false if the kernel does not say. */
bool walindex_used(int fd, bool *used);

/** sqlite3_io_methods's xShmMap and xShmLock, for makers. */
int walindex_make_map(struct file *, int region, size_t size, bool extend, void volatile **out);
int walindex_make_lock(struct file *, int offset, int count, int flags);

/** Open the index for writing, create it if missing; a descriptor and what fstat(2) says, or -1. */
int walindex_make_open(const char *path, struct stat *st);

#endif
