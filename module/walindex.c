/* SPDX-License-Identifier: ISC */
/*
 * walindex.c: SQLite's WAL index, read instead of mapped; see walindex.h.
 *
 * What SQLite does with an index (its "WAL-mode file format", section 2) holds for
 * copies, too.  It reads the header, takes a lock, and after a barrier reads the
 * header once more: had it changed, it starts again.  So each barrier fetches
 * the header, and all else where the header has changed.  The header is fetched
 * first: what it speaks of was in the file by then, and stays as long as the
 * lock that SQLite has taken is held.
 *
 * SQLite is told that it must not write the index.  Where it finds none, or not a
 * whole one, it is told that there is none, and makes its own from the WAL.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "safety.h"
#include "walindex.h"

#define HEADER_SIZE ((size_t)4 * WALINDEX_WORDS)
#define HEAD_SIZE (2 * HEADER_SIZE + 40) /* two headers, and what is said of checkpoints */
#define HEADER_CHECKED 10               /* words, of which the last two are the checksum */
#define LOOKS_MOST 16                   /* at a header that is being written */

/*
 * A file descriptor of an index.  One a file and process: closing any would drop the
 * locks that SQLite holds on that file through its own (fcntl(2), F_SETLK).
 */
struct source {
	struct source *next;
	unsigned refs;
	int fd;
	dev_t device;
	ino_t inode;
};

/* A main database file that was opened through our VFS. */
struct file {
	sqlite3_file base;
	char *shm_path;
	struct source *source;
	unsigned char **copies; /* of the regions that SQLite has asked for */
	int count;
	size_t size;            /* of each */
	bool cut_short;         /* what SQLite has mapped below is longer than the file */
	sqlite3_file *real;
};

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
	pthread_mutex_lock(&sources_lock);
	keep = true;
	pthread_mutex_unlock(&sources_lock);
}

void
walindex_before_fork(void)
{
	pthread_mutex_lock(&sources_lock);
}

void
walindex_after_fork(void)
{
	pthread_mutex_unlock(&sources_lock);
}

/* Under `sources_lock`: the one of that file, or a new one that takes `fd`. */
static struct source *
source_of(const struct stat *st, int fd)
{
	struct source *source;

	for (source = sources; source != NULL; source = source->next)
		if (source->device == st->st_dev && source->inode == st->st_ino)
			return source;
	if (fd < 0 || (source = calloc(1, sizeof(*source))) == NULL)
		return NULL;
	*source = (struct source){ .next = sources, .fd = fd, .device = st->st_dev,
		.inode = st->st_ino };
	return sources = source;
}

/* Under `sources_lock`.  Of a file that is deleted nobody minds the locks. */
static void
close_idle(void)
{
	struct source *source, **at = &sources;
	struct stat st;

	while ((source = *at) != NULL) {
		if (source->refs > 0 || (keep && (fstat(source->fd, &st) != 0 || st.st_nlink > 0))) {
			at = &source->next;
			continue;
		}
		*at = source->next;
		close(source->fd);
		free(source);
	}
}

static struct source *
source_get(const char *path)
{
	struct source *source = NULL;
	struct stat st;
	int fd;

	pthread_mutex_lock(&sources_lock);
	if (stat(path, &st) == 0 && (source = source_of(&st, -1)) == NULL) {
		fd = safety_open(path, &st, NULL);
		/* Should it be known after all, and was swapped in between: `fd` must
		 * not be closed then, and is lost.  */
		if (fd >= 0)
			source = source_of(&st, fd);
	}
	if (source != NULL)
		source->refs++;
	pthread_mutex_unlock(&sources_lock);
	return source;
}

static void
source_put(struct source *source)
{
	if (source == NULL)
		return;
	pthread_mutex_lock(&sources_lock);
	source->refs--;
	close_idle();
	pthread_mutex_unlock(&sources_lock);
}

/* --- the copies ----------------------------------------------------------- */

static bool
read_all(int fd, void *out, size_t size, off_t at)
{
	ssize_t got;

	do
		got = pread(fd, out, size, at);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)size;
}

/* "WAL-mode file format", section 2.1: in the machine's own byte order. */
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

/* While a commit writes it, it is not whole for a moment. */
static bool
read_head(const struct source *source, unsigned char *head)
{
	for (int i = 0; i < LOOKS_MOST; i++)
		if (!read_all(source->fd, head, HEAD_SIZE, 0))
			return false;
		else if (is_whole(head))
			return true;
	return false;
}

static bool
read_region(const struct file *f, int i)
{
	size_t skip = i == 0 ? HEAD_SIZE : 0;

	return read_all(f->source->fd, f->copies[i] + skip, f->size - skip,
	    (off_t)((size_t)i * f->size + skip));
}

/* Fetch what has changed.  Where it can't be had, no header is left, which SQLite understands. */
static bool
refresh(const struct file *f)
{
	unsigned char head[HEAD_SIZE];
	bool good = read_head(f->source, head);

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

/* Room for the copy of a region; it stays where it is, since SQLite keeps the pointer. */
static unsigned char *
make_room(struct file *f, int i, size_t size)
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

	/* SQLite's own are closed: it holds no locks any more. */
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

/* The file below is asked, so that it opens and locks the index; its mapping is not looked at. */
static int
on_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	struct file *f = file_of(file);
	void volatile *mapping = NULL;
	struct stat st;
	unsigned char *copy;
	int rc = f->real->pMethods->xShmMap(f->real, region, size, 0, &mapping);

	(void)extend; /* who must not write does not ask for it */
	*out = NULL;
	if (rc != SQLITE_OK && rc != SQLITE_READONLY)
		return rc;
	if (f->source == NULL && (f->source = source_get(f->shm_path)) == NULL)
		return SQLITE_READONLY_CANTINIT;
	if ((copy = make_room(f, region, (size_t)size)) == NULL)
		return SQLITE_NOMEM;
	f->cut_short = false;
	if (region == 0 && !refresh(f)) {
		f->cut_short = mapping != NULL &&
		    (fstat(f->source->fd, &st) != 0 || st.st_size < (off_t)size);
		return SQLITE_READONLY_CANTINIT;
	}
	if (region > 0 && !read_region(f, region))
		return SQLITE_IOERR_SHORT_READ;
	*out = copy;
	return SQLITE_READONLY;
}

static int
on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void
on_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
	if (has_copies(file_of(file)))
		refresh(file_of(file));
}

static int
on_shm_unmap(sqlite3_file *file, int delete)
{
	int rc = real_of(file)->pMethods->xShmUnmap(real_of(file), delete);

	forget(file_of(file));
	return rc;
}

/* Version 2 is what WAL mode needs; 3 would be mappings of the store itself. */
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

static int
on_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct file *f = file_of(file);
	size_t size;
	int rc;

	(void)self;
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0) /* the WAL */
		return below->xOpen(below, path, file, flags, out);
	memset(f, 0, sizeof(*f));
	f->real = (sqlite3_file *)(f + 1);
	size = strlen(path) + sizeof("-shm");
	if ((f->shm_path = malloc(size)) == NULL)
		return SQLITE_NOMEM;
	snprintf(f->shm_path, size, "%s-shm", path);
	rc = below->xOpen(below, path, f->real, flags, out);
	/* SQLite closes what has methods, be it opened or not. */
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
 * Where others hold the locks that a reader needs, SQLite tries a hundred times, with
 * naps that get longer, ten seconds in all.  A handshake does not wait for them: without
 * naps the hundred are over in less than a millisecond.
 */
static int
on_sleep(sqlite3_vfs *self, int micros)
{
	(void)self;
	return micros;
}

static void
make_vfs(void)
{
	if (sqlite3_initialize() != SQLITE_OK || (below = sqlite3_vfs_find(NULL)) == NULL)
		return;
	vfs = *below;
	/* Another copy of this code in the process has its own. */
	snprintf(vfs_name, sizeof(vfs_name), "snicert-%p", (void *)&vfs);
	vfs.zName = vfs_name;
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.pNext = NULL;
	vfs.xOpen = on_open;
	vfs.xSleep = on_sleep;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		vfs_name[0] = '\0';
	maker = *below;
	snprintf(maker_name, sizeof(maker_name), "snicert-%p", (void *)&maker);
	maker.zName = maker_name;
	maker.pNext = NULL;
	maker.xSleep = on_sleep;
	if (sqlite3_vfs_register(&maker, 0) != SQLITE_OK)
		maker_name[0] = '\0';
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
walindex_find(sqlite3 *db, struct walindex_view *out)
{
	struct file *f = file_of_connection(db);

	*out = (struct walindex_view){ .fd = -1 };
	/* SQLite uses it if it has found it whole. */
	if (f == NULL || !has_copies(f) || !refresh(f))
		return;
	*out = (struct walindex_view){ .fd = f->source->fd, .device = f->source->device,
		.inode = f->source->inode };
}

bool
walindex_may_be_made(sqlite3 *db)
{
	struct file *f = file_of_connection(db);

	return f != NULL && !f->cut_short &&
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
walindex_header(const struct walindex_view *view, uint32_t words[WALINDEX_WORDS])
{
	return view->fd >= 0 && read_all(view->fd, words, HEADER_SIZE, 0);
}
