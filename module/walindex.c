/* SPDX-License-Identifier: ISC */
/*
 * walindex.c: SQLite's WAL index, read instead of mapped; see walindex.h.
 *
 * SQLite's rules for an index (its "WAL-mode file format", section 2) hold for copies, too.  It
 * reads the header, takes a lock, and after a barrier reads the header again: if it has changed,
 * SQLite starts over.  So each barrier fetches the header, and the rest if the header has changed.
 * The header comes first: what it describes was in the file already, and stays as long as SQLite
 * holds its lock.
 *
 * We tell SQLite that it must not write the index.  If the index is missing or incomplete, we tell
 * it that there is none, and it makes its own from the WAL.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "held.h"
#include "lock.h"
#include "safety.h"
#include "walindex_internal.h"

#define HEADER_SIZE ((size_t)4 * WALINDEX_WORDS)
#define HEAD_SIZE (2 * HEADER_SIZE + 40) /* two headers, and the checkpoint information */
#define HEADER_CHECKED 10               /* words, of which the last two are the checksum */
#define LOOKS_MOST 16                   /* at a header that is being written */
#define REOPENED_MOST 4

static pthread_mutex_t sources_lock = PTHREAD_MUTEX_INITIALIZER;
static struct source *sources;
static bool keep;

static sqlite3_vfs *below;
static sqlite3_vfs vfs, maker;
static char vfs_name[40], maker_name[40];
static pthread_once_t once = PTHREAD_ONCE_INIT;

void
walindex_keep_open(void)
{
	lock_take(&sources_lock, LOCK_INDEXES);
	keep = true;
	lock_give(&sources_lock, LOCK_INDEXES);
}

void
walindex_before_fork(void)
{
	lock_take(&sources_lock, LOCK_INDEXES);
}

void
walindex_after_fork(void)
{
	lock_give(&sources_lock, LOCK_INDEXES);
}

int
walindex_set_lock(int fd, short type, off_t at, int count)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = count };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return SQLITE_OK;
	return errno == EAGAIN || errno == EACCES ? SQLITE_BUSY : SQLITE_IOERR_SHMLOCK;
}

bool
walindex_used(int fd, bool *used)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WALINDEX_IN_USE_AT, .l_len = 1 };
	int rc = fcntl(fd, F_OFD_GETLK, &lock);

	*used = lock.l_type != F_UNLCK;
	return rc == 0;
}

/*
 * Under `sources_lock`.  A process that has locked it could have made it; an index that nobody uses
 * can't be trusted.
 */
static int
join(struct source *source)
{
	bool used;
	int rc;

	if (source->joined)
		return SQLITE_OK;
	if (!held_is_ours(&source->held) || !walindex_used(source->held.fd, &used))
		return SQLITE_IOERR_SHMLOCK;
	if (!used)
		return SQLITE_READONLY_CANTINIT;
	rc = walindex_set_lock(source->held.fd, F_RDLCK, WALINDEX_IN_USE_AT, 1);
	source->joined = rc == SQLITE_OK;
	return rc;
}

/* Under `sources_lock`.  Readers share one; a maker of an index has its own. */
static struct source *
source_known(const struct stat *st, bool makes)
{
	struct source *source;

	for (source = sources; source != NULL; source = source->next)
		if (source->makes == makes && !(makes && source->refs > 0) && source->held.device == st->st_dev &&
		    source->held.inode == st->st_ino && held_is_ours(&source->held))
			return source;
	return NULL;
}

/* Under `sources_lock`.  Locks on a deleted file matter to nobody. */
static void
close_idle(void)
{
	struct source *source, **at = &sources;
	struct stat st;

	while ((source = *at) != NULL) {
		if (source->refs > 0 || (keep && held_is_ours(&source->held) &&
		    fstat(source->held.fd, &st) == 0 && st.st_nlink > 0)) {
			at = &source->next;
			continue;
		}
		*at = source->next;
		held_close(&source->held);
		free(source);
	}
}

/* Under `sources_lock`. */
static struct source *
source_add(int fd, const struct stat *st, bool makes)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return NULL;
	source->next = sources;
	source->makes = makes;
	source->held = held_take(fd, st);
	sources = source;
	return source;
}

/*
 * Under `sources_lock`.  A descriptor that proves needless, or can't be recorded, is leaked:
 * closing it would drop the locks of a process that writes stores, too (walindex_keep_open).
 */
static struct source *
source_open(const char *path, bool makes)
{
	struct source *source;
	struct stat st = {0};
	int fd;

	if (stat(path, &st) != 0 && !(makes && errno == ENOENT))
		return NULL;
	if ((source = source_known(&st, makes)) != NULL)
		return source;
	fd = makes ? walindex_make_open(path, &st) : safety_open(path, &st, NULL);
	if (fd < 0)
		return NULL;
	/* Known after all, if it was swapped meanwhile. */
	source = source_known(&st, makes);
	return source != NULL ? source : source_add(fd, &st, makes);
}

struct source *
walindex_source(const char *path, bool makes)
{
	struct source *source;

	lock_take(&sources_lock, LOCK_INDEXES);
	source = source_open(path, makes);
	if (source != NULL)
		source->refs++;
	lock_give(&sources_lock, LOCK_INDEXES);
	return source;
}

static int
source_join(struct source *source)
{
	int rc;

	lock_take(&sources_lock, LOCK_INDEXES);
	rc = join(source);
	lock_give(&sources_lock, LOCK_INDEXES);
	return rc;
}

static void
source_put(struct source *source)
{
	if (source == NULL)
		return;
	lock_take(&sources_lock, LOCK_INDEXES);
	source->refs--;
	close_idle();
	lock_give(&sources_lock, LOCK_INDEXES);
}

static int
source_lock(struct source *source, int slot)
{
	int rc = SQLITE_OK;

	lock_take(&sources_lock, LOCK_INDEXES);
	if (!held_is_ours(&source->held))
		rc = SQLITE_IOERR_SHMLOCK;
	else if (source->shared[slot] == 0)
		rc = walindex_set_lock(source->held.fd, F_RDLCK, WALINDEX_LOCKS_AT + slot, 1);
	if (rc == SQLITE_OK)
		source->shared[slot]++;
	lock_give(&sources_lock, LOCK_INDEXES);
	return rc;
}

static void
source_unlock(struct source *source, int slot)
{
	lock_take(&sources_lock, LOCK_INDEXES);
	if (source->shared[slot] > 0 && --source->shared[slot] == 0 && held_is_ours(&source->held))
		walindex_set_lock(source->held.fd, F_UNLCK, WALINDEX_LOCKS_AT + slot, 1);
	lock_give(&sources_lock, LOCK_INDEXES);
}

/* --- the copies ----------------------------------------------------------- */

ssize_t
walindex_read(int fd, void *out, size_t size, off_t at)
{
	ssize_t got;

	do
		got = pread(fd, out, size, at);
	while (got < 0 && errno == EINTR);
	return got;
}

static bool
read_all(int fd, void *out, size_t size, off_t at)
{
	return walindex_read(fd, out, size, at) == (ssize_t)size;
}

/* "WAL-mode file format", section 2.1: in the machine's byte order. */
static bool
is_whole(const unsigned char *head)
{
	uint32_t words[WALINDEX_WORDS], sum[2] = {0};

	memcpy(words, head, sizeof(words));
	for (size_t i = 0; i < HEADER_CHECKED; i += 2) {
		sum[0] += words[i] + sum[1];
		sum[1] += words[i + 1] + sum[0];
	}
	return words[0] != 0 && memcmp(head, head + HEADER_SIZE, HEADER_SIZE) == 0 &&
	    memcmp(sum, words + HEADER_CHECKED, sizeof(sum)) == 0;
}

/* While a commit writes it, it is briefly inconsistent. */
static bool
read_head(const struct source *source, unsigned char *head)
{
	for (int i = 0; i < LOOKS_MOST; i++)
		if (!read_all(source->held.fd, head, HEAD_SIZE, 0))
			return false;
		else if (is_whole(head))
			return true;
	return false;
}

static bool
read_region(const struct file *f, int i)
{
	size_t skip = i == 0 ? HEAD_SIZE : 0;

	return read_all(f->source->held.fd, f->copies[i] + skip, f->size - skip,
	    (off_t)((size_t)i * f->size + skip));
}

/* Fetch what has changed.  On failure leave no header, which SQLite understands. */
static bool
refresh(const struct file *f)
{
	unsigned char head[HEAD_SIZE];
	bool good = held_is_ours(&f->source->held) && read_head(f->source, head);

	if (good && memcmp(head, f->copies[0], HEADER_SIZE) != 0)
		for (int i = 0; good && i < f->count; i++)
			good = f->copies[i] == NULL || read_region(f, i);
	if (!good)
		memset(head, 0, sizeof(head));
	memcpy(f->copies[0], head, sizeof(head));
	return good;
}

static bool
has_copies(const struct file *f)
{
	return f->source != NULL && f->count > 0 && f->copies[0] != NULL;
}

static void
forget(struct file *f)
{
	for (int i = 0; i < f->count; i++)
		free(f->copies[i]);
	free(f->copies);
	f->copies = NULL;
	f->count = 0;
	source_put(f->source);
	f->source = NULL;
}

unsigned char *
walindex_room(struct file *f, int i, size_t size)
{
	if (i >= f->count) {
		unsigned char **copies = realloc(f->copies, ((size_t)i + 1) * sizeof(*copies));

		if (copies == NULL)
			return NULL;
		while (f->count <= i)
			copies[f->count++] = NULL;
		f->copies = copies;
	}
	f->size = size;
	if (f->copies[i] == NULL)
		f->copies[i] = calloc(1, size);
	return f->copies[i];
}

/* --- the VFS -------------------------------------------------------------- */

static struct file *
file_of(sqlite3_file *file)
{
	return (struct file *)file;
}

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return file_of(file)->real;
}

static int
on_close(sqlite3_file *file)
{
	struct file *f = file_of(file);
	int rc = f->real->pMethods->xClose(f->real);

	forget(f);
	free(f->shm_path);
	f->shm_path = NULL;
	return rc;
}

static int
on_read(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), out, size, at);
}

static int
on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xWrite(real_of(file), data, size, at);
}

static int
on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
on_sync(sqlite3_file *file, int flags)
{
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int
on_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int
on_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
on_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
on_check_lock(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int
on_control(sqlite3_file *file, int what, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), what, arg);
}

static int
on_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
on_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Don't ask the file below: it would map the index. */
static int
on_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	struct file *f = file_of(file);
	unsigned char *copy;
	int rc;

	if (f->makes)
		return walindex_make_map(f, region, (size_t)size, extend != 0, out);
	*out = NULL;
	if (f->source == NULL && (f->source = walindex_source(f->shm_path, false)) == NULL)
		return SQLITE_READONLY_CANTINIT;
	if ((rc = source_join(f->source)) != SQLITE_OK)
		return rc;
	if ((copy = walindex_room(f, region, (size_t)size)) == NULL)
		return SQLITE_NOMEM;
	if (region == 0 && !refresh(f))
		return SQLITE_READONLY_CANTINIT;
	if (region > 0 && !read_region(f, region))
		return SQLITE_IOERR_SHORT_READ;
	*out = copy;
	return SQLITE_READONLY;
}

/*
 * Readers share; exclusive locks are for writers.  SQLite also takes one before it reads past an
 * index that nobody uses; if there is no file, there is nobody to exclude.
 */
static int
on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	struct source *source = file_of(file)->source;

	if (file_of(file)->makes)
		return walindex_make_lock(file_of(file), offset, count, flags);
	if (count != 1 || (flags & SQLITE_SHM_SHARED) == 0)
		return SQLITE_BUSY;
	if (source == NULL)
		return SQLITE_OK;
	if ((flags & SQLITE_SHM_LOCK) != 0)
		return source_lock(source, offset);
	source_unlock(source, offset);
	return SQLITE_OK;
}

static void
on_shm_barrier(sqlite3_file *file)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!file_of(file)->makes && has_copies(file_of(file)))
		refresh(file_of(file));
}

static int
on_shm_unmap(sqlite3_file *file, int delete)
{
	(void)delete;
	forget(file_of(file));
	return SQLITE_OK;
}

/* WAL mode needs version 2; 3 would map the store itself. */
static const struct sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_traits,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* Twice, because somebody may be writing it. */
static bool
is_file(sqlite3_file *real, const char *path)
{
	for (int i = 0; i < 2; i++) {
		sqlite3_int64 size;
		struct stat st;

		if (stat(path, &st) == 0 && real->pMethods->xFileSize(real, &size) == SQLITE_OK &&
		    (size == st.st_size || st.st_size == 1)) /* which SQLite says is none */
			return true;
	}
	return false;
}

/*
 * If SQLite can't close a descriptor because of another connection's locks, it keeps it for the
 * next open of the file.  If the host has closed it since, the number is the host's: leave it
 * alone, and ask for the next.
 */
static int
open_below(const char *path, sqlite3_file *real, int flags, int *out)
{
	int rc = SQLITE_CANTOPEN;

	for (int i = 0; i < REOPENED_MOST; i++) {
		rc = below->xOpen(below, path, real, flags, out);
		if (rc != SQLITE_OK || is_file(real, path))
			return rc;
		memset(real, 0, (size_t)below->szOsFile);
	}
	return SQLITE_CANTOPEN;
}

static int
on_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct file *f = file_of(file);
	size_t size;
	int rc;

	if ((flags & SQLITE_OPEN_MAIN_DB) == 0) /* the WAL */
		return below->xOpen(below, path, file, flags, out);
	memset(f, 0, sizeof(*f));
	f->makes = self == &maker;
	f->real = (sqlite3_file *)(f + 1);
	size = strlen(path) + sizeof("-shm");
	if ((f->shm_path = malloc(size)) == NULL)
		return SQLITE_NOMEM;
	snprintf(f->shm_path, size, "%s-shm", path);
	rc = open_below(path, f->real, flags, out);
	/* SQLite closes whatever has methods, opened or not. */
	if (f->real->pMethods != NULL && f->real->pMethods->iVersion >= methods.iVersion) {
		f->base.pMethods = &methods;
		return rc;
	}
	if (f->real->pMethods != NULL)
		f->real->pMethods->xClose(f->real);
	free(f->shm_path);
	return rc == SQLITE_OK ? SQLITE_CANTOPEN : rc;
}

/*
 * Where others hold the locks that a reader needs, SQLite tries a hundred times, with growing naps,
 * ten seconds in all.  A handshake must not wait that long: without naps the hundred take less than
 * a millisecond.
 */
static int
on_sleep(sqlite3_vfs *self, int micros)
{
	(void)self;
	return micros;
}

/* Another copy of this code in the process has its own. */
static void
register_vfs(sqlite3_vfs *own, char *name, size_t size)
{
	*own = *below;
	snprintf(name, size, "snicert-%p", (void *)own);
	own->zName = name;
	own->szOsFile = (int)sizeof(struct file) + below->szOsFile;
	own->pNext = NULL;
	own->xOpen = on_open;
	own->xSleep = on_sleep;
	if (sqlite3_vfs_register(own, 0) != SQLITE_OK)
		name[0] = '\0';
}

static void
make_vfs(void)
{
	if (sqlite3_initialize() != SQLITE_OK || (below = sqlite3_vfs_find(NULL)) == NULL)
		return;
	register_vfs(&vfs, vfs_name, sizeof(vfs_name));
	register_vfs(&maker, maker_name, sizeof(maker_name));
}

const char *
walindex_vfs(void)
{
	pthread_once(&once, make_vfs);
	return vfs_name[0] == '\0' ? NULL : vfs_name;
}

const char *
walindex_maker_vfs(void)
{
	pthread_once(&once, make_vfs);
	return maker_name[0] == '\0' ? NULL : maker_name;
}

/* --- for the store -------------------------------------------------------- */

static struct file *
file_of_connection(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	    file == NULL || file->pMethods != &methods)
		return NULL;
	return file_of(file);
}

void
walindex_find(sqlite3 *db, struct held *out)
{
	struct file *f = file_of_connection(db);

	*out = (struct held)HELD_NONE;
	/* SQLite uses it if it found it complete. */
	if (f == NULL || !has_copies(f) || !refresh(f))
		return;
	*out = f->source->held;
}

bool
walindex_may_be_made(sqlite3 *db)
{
	struct file *f = file_of_connection(db);

	return f != NULL &&
	    (faccessat(AT_FDCWD, f->shm_path, R_OK | W_OK, AT_EACCESS) == 0 || errno == ENOENT);
}

void
walindex_refresh(sqlite3 *db)
{
	struct file *f = file_of_connection(db);

	if (f != NULL && has_copies(f))
		refresh(f);
}

bool
walindex_header(const struct held *view, uint32_t words[WALINDEX_WORDS])
{
	return held_is_ours(view) && read_all(view->fd, words, HEADER_SIZE, 0);
}
