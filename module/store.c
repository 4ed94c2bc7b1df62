/* SPDX-License-Identifier: ISC */
/*
 * store.c: the store, read side: the connection, and detecting changes.
 *
 * The connection is read-only, has no busy handler and never waits.  The store is in WAL mode,
 * where a reader never blocks and is never blocked, and whose index starts with a header that every
 * commit changes (SQLite's "WAL-mode file format", section 2.2): comparing it shows that nothing
 * has changed, with one system call and no lock.  While no process that may write the store has it
 * open, that index is missing: SQLite lets a reader rely on it only while it is locked by a process
 * that could have made it.  Servers that never were root see this.  Then the WAL file, which each
 * commit writes, shows it: see look_at_wal.  If that is out of reach too (a chroot), the store
 * itself is asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "lock.h"
#include "safety.h"
#include "store_internal.h"
#include "walindex.h"

#define SETTLED 2               /* seconds: more than the clock ticks of any file system */
#define NAPS_AT_LOAD 500        /* of a millisecond each, at load */
#define TRIES_LATER 8           /* immediate ones */

static char *
with_tail(const char *path, const char *tail)
{
	size_t size = strlen(path) + strlen(tail) + 1;
	char *text = malloc(size);

	if (text != NULL)
		snprintf(text, size, "%s%s", path, tail);
	return text;
}

static void
free_paths(struct store *store)
{
	free(store->path);
	free(store->wal_path);
	free(store->shm_path);
}

struct store *
store_new(const char *path)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->path = strdup(path);
	store->wal_path = with_tail(path, "-wal");
	store->shm_path = with_tail(path, "-shm");
	if (store->path == NULL || store->wal_path == NULL || store->shm_path == NULL) {
		free_paths(store);
		free(store);
		return NULL;
	}
	store->owner = (uid_t)-1;
	store->witness = (struct held)HELD_NONE;
	store->view.index = store->view.witness = (struct held)HELD_NONE;
	pthread_mutex_init(&store->view_lock, NULL);
	return store;
}

/*
 * SQLite does not reveal its descriptors.  So we open one right before them, only as a witness: a
 * host that has closed this one, when it became a daemon, has closed those.
 */
static void
post_witness(struct store *store)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		store->witness = held_take(fd, &st);
}

static bool
is_lost(const struct view *view)
{
	return (view->witness.fd >= 0 && !held_is_ours(&view->witness)) ||
	    (view->index.fd >= 0 && !held_is_ours(&view->index));
}

static void
close_connection(struct store *store)
{
	bool lost = store->view.opened != 0 && is_lost(&store->view);

	/* Before the index is closed: nobody uses it any more. */
	lock_take(&store->view_lock, LOCK_VIEW);
	if (store->view.opened != 0 && !store->view.forked)
		children_end(store->children);
	store->view = (struct view){ .index = HELD_NONE, .witness = HELD_NONE, .forked = store->view.forked,
		.reopening = store->view.opened != 0 || store->view.reopening };
	lock_give(&store->view_lock, LOCK_VIEW);
	sqlite3_finalize(store->lookup);
	sqlite3_finalize(store->address);
	sqlite3_finalize(store->wildcard);
	sqlite3_finalize(store->keys);
	/* Read-only, with no transaction open and no checkpoint at close: in a child after fork
	 * this frees memory and its own copies of the fds, and leaves the parent's locks alone
	 * (POSIX locks are not inherited).  If the host now owns those numbers, SQLite would close
	 * and unlock the host's files: then leak the connection. */
	if (!lost)
		sqlite3_close(store->db);
	held_close(&store->witness);
	store->lookup = store->address = store->wildcard = store->keys = NULL;
	store->db = NULL;
	store->owner = (uid_t)-1;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	close_connection(store);
	pthread_mutex_destroy(&store->view_lock);
	free_paths(store);
	free(store);
}

int
store_trouble(struct store *store, int rc, const char *what, struct snicert_error *err)
{
	/* A malformed row is our verdict, not SQLite's. */
	bool of_sqlite = store->db != NULL && (sqlite3_errcode(store->db) & 0xff) == (rc & 0xff);

	return error_set(err, rc == SQLITE_NOMEM ? SNICERT_EMEMORY : SNICERT_ESTORE, "store %s: %s: %s%s",
	    store->path, what, of_sqlite ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc), store_fix(store->path, rc));
}

/* SQLite can't read a store in WAL mode by its file alone, nor make the others on a read-only
 * medium. */
const char *
store_fix(const char *path, int rc)
{
	char *index = (rc & 0xff) == SQLITE_CANTOPEN ? with_tail(path, "-shm") : NULL;
	bool alone = index != NULL && access(path, R_OK) == 0 && access(index, F_OK) != 0 && errno == ENOENT;

	free(index);
	return alone ? "; its -wal and -shm are not beside it and can't be made there, as on a read-only medium: copy "
	    "all three files there" : "";
}

static int
pragma_number(struct store *store, const char *pragma, long long *out)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(store->db, pragma, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int
store_prepare(struct store *store, const char *sql, sqlite3_stmt **statement)
{
	return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static int
check_identity(struct store *store, struct snicert_error *err)
{
	long long application = 0, schema = 0;
	int rc = pragma_number(store, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = pragma_number(store, "PRAGMA user_version", &schema);
	if (rc != SQLITE_OK)
		return store_trouble(store, rc, "can't be read", err);
	if (application != STORE_APPLICATION_ID)
		return error_set(err, SNICERT_ESTORE, "%s is not a snicert store", store->path);
	if (schema < STORE_SCHEMA_OLDEST || schema > STORE_SCHEMA)
		return error_set(err, SNICERT_ESTORE,
		    "store %s has schema %lld, this program reads %d: %s", store->path, schema,
		    STORE_SCHEMA,
		    schema > STORE_SCHEMA ? "install the newer snicert"
		                          : "run `snicert verify` once, which brings it up to date");
	return 0;
}

/* Whether to retry after another process made it fail.  Waits only while the host loads us. */
static bool
try_again(const struct store *store, unsigned tries)
{
	static const struct timespec nap = { .tv_nsec = 1000000 };
	int rc = sqlite3_errcode(store->db);

	if (rc != SQLITE_BUSY && rc != SQLITE_READONLY && rc != SQLITE_PROTOCOL)
		return false;
	if (store->at_load && tries < NAPS_AT_LOAD)
		nanosleep(&nap, NULL);
	return tries < (store->at_load ? NAPS_AT_LOAD : TRIES_LATER);
}

/*
 * Read the first page, open the WAL and its index.  When several processes open a store that nobody
 * has open, as a server's do at start, one reads the WAL and the others find it busy; so they do
 * briefly while a writer closes, and while one restarts the WAL SQLite thinks that the index must
 * be made (SQLITE_READONLY).  This may be the only chance for a process in a chroot, so the first
 * time is patient.  A handshake is not: it is answered without the store, and the next one tries
 * again.
 */
static int
first_read(struct store *store, struct snicert_error *err)
{
	for (unsigned tries = 0;; tries++) {
		struct snicert_error why = {0};

		if (check_identity(store, &why) == 0)
			return 0;
		if (!try_again(store, tries))
			return error_set(err, (enum snicert_code)why.code, "%s", why.text);
	}
}

static void
publish(struct store *store, const struct stat *st)
{
	struct view view = { .opened = ++store->openings, .device = st->st_dev, .inode = st->st_ino,
		.witness = store->witness };
	struct stat wal;

	if (stat(store->wal_path, &wal) == 0)
		view.wal_inode = wal.st_ino;
	walindex_find(store->db, &view.index);
	lock_take(&store->view_lock, LOCK_VIEW);
	store->view = view;
	lock_give(&store->view_lock, LOCK_VIEW);
}

/*
 * SQLite makes the index if it is missing, as after a reboot, or cut short.  Our connection may
 * not, so another one does, and holds it meanwhile.  If this process lacks the rights, the next
 * writer makes it; until then SQLite searches the WAL instead.
 */
static void
fix_index(struct store *store)
{
	struct held index;
	sqlite3 *db = NULL;

	walindex_find(store->db, &index);
	if (index.fd >= 0 || !walindex_may_be_made(store->db))
		return;
	if (sqlite3_open_v2(store->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE, walindex_maker_vfs()) == SQLITE_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_exec(db, "PRAGMA mmap_size=0; PRAGMA user_version", NULL, NULL, NULL);
	}
	check_identity(store, NULL); /* finds it, while the other uses it */
	sqlite3_close(db);
}

static int
open_connection(struct store *store, const struct stat *st, struct snicert_error *err)
{
	unsigned occupied = safety_fds_occupy();
	sqlite3_int64 no_mapping = 0;
	int rc;

	post_witness(store);
	rc = sqlite3_open_v2(store->path, &store->db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, walindex_vfs());
	if (rc != SQLITE_OK) {
		store_trouble(store, rc, "can't be opened", err);
		goto out;
	}
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_file_control(store->db, "main", SQLITE_FCNTL_MMAP_SIZE, &no_mapping);
	if ((rc = first_read(store, err)) != 0)
		goto out;
	fix_index(store);
	for (unsigned tries = 0;; tries++) {
		rc = store_prepare_lookup(store);
		if (rc == SQLITE_OK || !try_again(store, tries))
			break;
	}
	if (rc != SQLITE_OK) {
		store_trouble(store, rc, "its tables don't fit", err);
		goto out;
	}
	store->owner = st->st_uid;
	publish(store, st);
out:
	safety_fds_release(occupied);
	if (rc == 0)
		return 0;
	close_connection(store);
	return -1;
}

void
store_share(struct store *store, struct children *children)
{
	lock_take(&store->view_lock, LOCK_VIEW);
	store->children = children;
	if (store->view.opened != 0 && !store->view.forked)
		store->view.inheritance = children_own(children);
	lock_give(&store->view_lock, LOCK_VIEW);
}

/*
 * While the parent has the store open, it also holds the lock that keeps others from making a new
 * WAL index in place of the one open here: the descriptor is inherited, locks and connections are
 * not.
 */
static bool
inherited(const struct store *store, const struct view *view)
{
	return view->inheritance != 0 && view->index.fd >= 0 &&
	    children_inherits(store->children, view->inheritance);
}

/* A companion is gone or replaced: ours won't show the next writer's changes. */
static bool
is_another(const char *path, ino_t inode)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino != inode : errno == ENOENT;
}

bool
store_moved(struct store *store)
{
	struct stat st;
	struct view view;
	bool lost;

	/* What the view has is closed after it has left the view. */
	lock_take(&store->view_lock, LOCK_VIEW);
	view = store->view;
	lost = is_lost(&view);
	lock_give(&store->view_lock, LOCK_VIEW);
	if (view.opened == 0 || lost || (view.forked && view.index.fd >= 0 && !inherited(store, &view)))
		return true;
	/* If the path is gone (a chroot, or the file was deleted) the open connection still serves. */
	if (stat(store->path, &st) != 0)
		return false;
	if (st.st_ino != view.inode || st.st_dev != view.device)
		return true;
	return (view.index.fd >= 0 && is_another(store->shm_path, view.index.inode)) ||
	    (view.wal_inode != 0 && is_another(store->wal_path, view.wal_inode));
}

static int
try_to_open(struct store *store, struct snicert_error *err)
{
	struct stat st;
	uid_t keeper;

	if (!store_is_forked(store) && !store_moved(store))
		return 0;
	/* Even if there is no file yet: then a handshake finds it. */
	store->at_load = !store->tried;
	store->tried = true;
	store_drop_inherited(store);
	if (store->view.opened != 0 && is_lost(&store->view))
		close_connection(store);
	/* stat, never open: closing any fd of the file would drop SQLite's locks. */
	if (stat(store->path, &st) != 0)
		return error_system(err, "store %s", store->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, SNICERT_ESTORE, "store %s is not a regular file", store->path);
	/* The directory's owner may keep a store there. */
	if (safety_directories(store->path, &keeper, err) != 0 ||
	    safety_check(store->path, &st, SAFETY_STORE, keeper, err) != 0)
		return -1;
	close_connection(store);
	return open_connection(store, &st, err);
}

int
store_open(struct store *store, struct snicert_error *err)
{
	int status = try_to_open(store, err);

	if (status != 0) {
		lock_take(&store->view_lock, LOCK_VIEW);
		store->view.reopening = false;
		lock_give(&store->view_lock, LOCK_VIEW);
	}
	return status;
}

bool
store_is_at_hand(struct store *store, struct snicert_error *err)
{
	struct snicert_error why = {0};

	if (store_open(store, &why) == 0 || store->db != NULL)
		return true;
	error_set(err, (enum snicert_code)why.code, "%s", why.text);
	return false;
}

uid_t
store_owner(const struct store *store)
{
	return store->owner;
}

bool
store_is_open(struct store *store)
{
	bool is_open;

	lock_take(&store->view_lock, LOCK_VIEW);
	is_open = store->view.opened != 0 || store->view.reopening;
	lock_give(&store->view_lock, LOCK_VIEW);
	return is_open;
}

/*
 * The WAL file's inode, size and change time (ctime, which nobody can set back).  A commit writes
 * it, and so moves the time, unless within the same tick of the clock: only a file at rest for
 * longer than a tick gives certainty.  Read the time before the store, never after.
 */
static bool
look_at_wal(const struct store *store, struct store_version *out)
{
	struct timespec now;
	struct stat st;

	if (stat(store->wal_path, &st) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
		return false;
	out->words[0] = (uint32_t)st.st_ino;
	out->words[1] = (uint32_t)((uint64_t)st.st_ino >> 32);
	out->words[2] = (uint32_t)st.st_size;
	out->words[3] = (uint32_t)((uint64_t)st.st_size >> 32);
	out->words[4] = (uint32_t)st.st_ctim.tv_sec;
	out->words[5] = (uint32_t)((uint64_t)st.st_ctim.tv_sec >> 32);
	out->words[6] = (uint32_t)st.st_ctim.tv_nsec;
	out->words[7] = (uint32_t)st.st_dev;
	return now.tv_sec - st.st_ctim.tv_sec > SETTLED;
}

void
store_version(struct store *store, struct store_version *out)
{
	const struct view *view = &store->view;

	memset(out, 0, sizeof(*out));
	lock_take(&store->view_lock, LOCK_VIEW);
	out->opened = view->opened;
	/* A copy torn by a commit matches no header at rest (it has a checksum), so it costs at
	 * most a needless look-up. */
	if (view->opened != 0 && walindex_header(&view->index, out->words)) {
		/* After the read: so it was the parent's then. */
		out->certain = !view->forked || inherited(store, view);
	}
	out->indexed = view->opened != 0 && view->index.fd >= 0;
	lock_give(&store->view_lock, LOCK_VIEW);
	if (out->opened != 0 && !out->indexed)
		out->certain = look_at_wal(store, out);
}

bool
store_version_equal(const struct store_version *a, const struct store_version *b)
{
	return a->certain && b->certain && a->opened == b->opened &&
	    memcmp(a->words, b->words, sizeof(a->words)) == 0;
}

void
store_give_up(struct store *store)
{
	struct stat st;

	if (stat(store->path, &st) == 0)
		close_connection(store);
}

/* A child that must ask for itself frees the parent connection's memory, and so would copy each
 * page of it first. */
void
store_before_fork(struct store *store)
{
	if (store->children != NULL && store->db != NULL && !store_is_forked(store))
		sqlite3_db_release_memory(store->db);
	lock_take(&store->view_lock, LOCK_VIEW);
}

void
store_after_fork(struct store *store, bool in_child)
{
	if (in_child)
		store->view.forked = store->view.opened != 0;
	lock_give(&store->view_lock, LOCK_VIEW);
}

bool
store_is_forked(struct store *store)
{
	bool forked;

	lock_take(&store->view_lock, LOCK_VIEW);
	forked = store->view.forked;
	lock_give(&store->view_lock, LOCK_VIEW);
	return forked;
}

void
store_drop_inherited(struct store *store)
{
	if (!store_is_forked(store))
		return;
	close_connection(store);
	lock_take(&store->view_lock, LOCK_VIEW);
	store->view.forked = false;
	lock_give(&store->view_lock, LOCK_VIEW);
}
