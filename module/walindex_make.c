/* SPDX-License-Identifier: ISC */
/*
 * walindex_make.c: SQLite's WAL index, made without mapping it; see walindex.h.
 *
 * SQLite makes the index in memory, in copies of the file's regions.  It holds the writers' lock
 * and all others, and before it releases the first of those we write the copies, the header last:
 * readers meanwhile find no header, and wait or do without.  We write nothing else: the locks of
 * readers' marks, which SQLite takes exclusively to move one, are refused as busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acl.h"
#include "walindex_internal.h"

#define WRITER_LOCK 0
#define NOTHING_YET 3 /* bytes of a restarted file, as SQLite leaves it */

/* Join its users; the first one restarts it, because its contents can't be trusted. */
static int
join(struct source *source)
{
	int fd = source->held.fd, rc = SQLITE_OK;
	bool used;

	if (source->joined)
		return SQLITE_OK;
	if (!walindex_used(fd, &used))
		return SQLITE_IOERR_SHMLOCK;
	if (!used) {
		rc = walindex_set_lock(fd, F_WRLCK, WALINDEX_IN_USE_AT, 1);
		if (rc == SQLITE_OK && ftruncate(fd, NOTHING_YET) != 0)
			rc = SQLITE_IOERR_SHMOPEN;
	}
	if (rc == SQLITE_OK)
		rc = walindex_set_lock(fd, F_RDLCK, WALINDEX_IN_USE_AT, 1);
	source->joined = rc == SQLITE_OK;
	return rc;
}

/* A new index gets the store's owner and permissions. */
static bool
give(int fd, const struct stat *made, const char *path, const struct stat *store)
{
	if (made->st_size > 0)
		return true;
	if (geteuid() == 0 && fchown(fd, store->st_uid, store->st_gid) != 0)
		return false;
	return made->st_uid != geteuid() || acl_take_over(fd, path, store->st_mode & 0777) == 0;
}

static int
open_for(const char *store_path, const char *path, struct stat *st)
{
	struct stat store;
	int fd;

	if (stat(store_path, &store) != 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, store.st_mode & 0777);
	/* Through a second link somebody could have another file written. */
	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) || st->st_nlink != 1 || !give(fd, st, store_path, &store))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int
walindex_make_open(const char *path, struct stat *st)
{
	char *store = strdup(path);
	int fd = -1;

	if (store != NULL) {
		*strrchr(store, '-') = '\0';
		fd = open_for(store, path, st);
	}
	free(store);
	return fd;
}

/* What the file lacks is zero, which tells SQLite to make it. */
static void
read_region(struct file *f, int region)
{
	ssize_t got = walindex_read(f->source->held.fd, f->copies[region], f->size, (off_t)((size_t)region * f->size));

	if (got < 0)
		got = 0;
	memset(f->copies[region] + got, 0, f->size - (size_t)got);
	if (region == 0)
		memcpy(f->found, f->copies[0], sizeof(f->found));
}

static bool
write_all(const struct file *f, int region, size_t from, size_t to)
{
	off_t at = (off_t)((size_t)region * f->size);

	while (from < to) {
		ssize_t put = pwrite(f->source->held.fd, f->copies[region] + from, to - from, at + (off_t)from);

		if (put < 0 && errno != EINTR)
			return false;
		if (put > 0)
			from += (size_t)put;
	}
	return true;
}

/* Unless SQLite made a header the file keeps what it has: readers may have set their marks since. */
static bool
is_made(const struct file *f)
{
	return f->count > 0 && f->copies[0] != NULL && memcmp(f->copies[0], f->found, sizeof(f->found)) != 0;
}

/* Without space there is no index: one without a header is none. */
static void
write_regions(const struct file *f)
{
	bool good = true;

	for (int i = 0; good && i < f->count; i++)
		good = f->copies[i] == NULL || write_all(f, i, i == 0 ? WALINDEX_HEADERS : 0, f->size);
	if (!good || !write_all(f, 0, 0, WALINDEX_HEADERS))
		(void)!ftruncate(f->source->held.fd, NOTHING_YET);
}

int
walindex_make_map(struct file *f, int region, size_t size, bool extend, void volatile **out)
{
	struct stat st;
	int rc;

	*out = NULL;
	if (f->source == NULL && (f->source = walindex_source(f->shm_path, true)) == NULL)
		return SQLITE_CANTOPEN;
	if ((rc = join(f->source)) != SQLITE_OK)
		return rc;
	if (fstat(f->source->held.fd, &st) != 0)
		return SQLITE_IOERR_SHMSIZE;
	if (!extend && (size_t)st.st_size < ((size_t)region + 1) * size)
		return SQLITE_OK;
	if (walindex_room(f, region, size) == NULL)
		return SQLITE_NOMEM;
	read_region(f, region);
	*out = f->copies[region];
	return SQLITE_OK;
}

static int
lock_alone(struct file *f, int offset, int count)
{
	int rc;

	if (!f->writing && offset != WRITER_LOCK)
		return SQLITE_BUSY;
	rc = walindex_set_lock(f->source->held.fd, F_WRLCK, WALINDEX_LOCKS_AT + offset, count);
	if (rc != SQLITE_OK || offset != WRITER_LOCK)
		return rc;
	/* Another may have just made it. */
	f->writing = true;
	for (int i = 0; i < f->count; i++)
		if (f->copies[i] != NULL)
			read_region(f, i);
	return SQLITE_OK;
}

int
walindex_make_lock(struct file *f, int offset, int count, int flags)
{
	bool alone = (flags & SQLITE_SHM_EXCLUSIVE) != 0;

	if (f->source == NULL)
		return SQLITE_IOERR_SHMLOCK;
	if ((flags & SQLITE_SHM_UNLOCK) == 0)
		return alone ? lock_alone(f, offset, count)
		             : walindex_set_lock(f->source->held.fd, F_RDLCK, WALINDEX_LOCKS_AT + offset, count);
	if (alone && f->writing && is_made(f))
		write_regions(f);
	if (alone && offset == WRITER_LOCK)
		f->writing = false;
	return walindex_set_lock(f->source->held.fd, F_UNLCK, WALINDEX_LOCKS_AT + offset, count);
}
