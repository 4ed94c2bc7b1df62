/* SPDX-License-Identifier: ISC */
/*
 * test_faults.c: each call that SQLite makes of the system fails once in turn, the
 * first, the second, the third …, while handshakes look for names and while the
 * tool commits.  Each handshake ends with a chain or goes on to the next
 * candidate; a commit that fails has changed nothing, one that succeeds is whole.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "../harness.h"
#include "instance.h"

/* --- a VFS that fails at the n-th call ---------------------------------------- */

struct file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs *below;
static sqlite3_vfs vfs;

static struct {
	int n;          /* the call that fails; 0: none */
	bool on;        /* and all after it */
	bool writes;    /* of those that take room on a disk only */
	int code;       /* with this, or with what is usual for the call */
	int calls;
	int slept;      /* microseconds that SQLite wanted to, which it needn't here */
} fault;

/* SQLITE_OK, or what this call has to fail with. */
static int
fails(int usual)
{
	int call = fault.writes && usual != SQLITE_FULL ? 0 : ++fault.calls;

	if (call == 0)
		return SQLITE_OK;
	if (fault.n == 0 || (call != fault.n && !(fault.on && call > fault.n)))
		return SQLITE_OK;
	return fault.code != SQLITE_OK ? fault.code : usual;
}

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

static int
on_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int
on_read(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
	int rc = fails(SQLITE_IOERR_READ);

	return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), out, size, at);
}

static int
on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	int rc = fails(SQLITE_FULL);

	/* Half of it is written, as on a full disk. */
	if (rc != SQLITE_OK) {
		real_of(file)->pMethods->xWrite(real_of(file), data, size / 2, at);
		return rc;
	}
	return real_of(file)->pMethods->xWrite(real_of(file), data, size, at);
}

static int
on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc = fails(SQLITE_IOERR_TRUNCATE);

	return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
on_sync(sqlite3_file *file, int flags)
{
	int rc = fails(SQLITE_IOERR_FSYNC);

	return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int
on_size(sqlite3_file *file, sqlite3_int64 *out)
{
	int rc = fails(SQLITE_IOERR_FSTAT);

	return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int
on_lock(sqlite3_file *file, int level)
{
	int rc = fails(SQLITE_BUSY);

	return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xLock(real_of(file), level);
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

static int
on_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	int rc = fails(SQLITE_IOERR_SHMMAP);

	*out = NULL;
	return rc != SQLITE_OK ? rc
	    : real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, out);
}

static int
on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	int rc = (flags & SQLITE_SHM_LOCK) != 0 ? fails(SQLITE_BUSY) : SQLITE_OK;

	return rc != SQLITE_OK ? rc
	    : real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void
on_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
on_shm_unmap(sqlite3_file *file, int delete)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const struct sqlite3_io_methods methods = {
	.iVersion = 2, .xClose = on_close, .xRead = on_read, .xWrite = on_write,
	.xTruncate = on_truncate, .xSync = on_sync, .xFileSize = on_size, .xLock = on_lock,
	.xUnlock = on_unlock, .xCheckReservedLock = on_check_lock, .xFileControl = on_control,
	.xSectorSize = on_sector_size, .xDeviceCharacteristics = on_traits, .xShmMap = on_shm_map,
	.xShmLock = on_shm_lock, .xShmBarrier = on_shm_barrier, .xShmUnmap = on_shm_unmap,
};

static int
on_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct file *f = (struct file *)file;
	int rc = fails(SQLITE_CANTOPEN);

	(void)self;
	memset(f, 0, sizeof(*f));
	if (rc != SQLITE_OK)
		return rc;
	f->real = (sqlite3_file *)(f + 1);
	rc = below->xOpen(below, path, f->real, flags, out);
	if (f->real->pMethods != NULL)
		f->base.pMethods = &methods;
	return rc;
}

static int
on_sleep(sqlite3_vfs *self, int micros)
{
	(void)self;
	fault.slept += micros;
	return micros;
}

static void
make_vfs(void)
{
	sqlite3_initialize();
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "faults";
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.pNext = NULL;
	vfs.xOpen = on_open;
	vfs.xSleep = on_sleep;
	sqlite3_vfs_register(&vfs, 1);
}

/* --- the tests ------------------------------------------------------------------ */

/* What fails with what: once and from then on. */
static const struct {
	const char *what;
	bool on, writes;
	int code;
} ways[] = {
	{ "once", false, false, SQLITE_OK },
	{ "from then on", true, false, SQLITE_OK },
	{ "for want of memory", false, false, SQLITE_NOMEM },
	{ "as if the file were damaged", true, false, SQLITE_CORRUPT },
	{ "as if the disk were full", true, true, SQLITE_FULL },
};
#define READ_WAYS 4 /* who reads takes no room */

/* The Nth call fails in that way, and all is well with 0. */
static void
let_fail(int n, int way)
{
	fault.n = n;
	fault.on = ways[way].on;
	fault.writes = ways[way].writes;
	fault.code = ways[way].code;
	fault.calls = fault.slept = 0;
	/* For a lock that never comes. */
	admin_wait(ways[way].on ? 0 : 30);
}

static struct world *world;

/* All calls with SNICERT_EVERY_CALL=1 (make torture); else all in the first way, some in the others. */
static int
step(int way)
{
	return way == 0 || getenv("SNICERT_EVERY_CALL") != NULL ? 1 : 7;
}

/* Of those that are many. */
static int
long_step(void)
{
	return getenv("SNICERT_EVERY_CALL") != NULL ? 1 : 11;
}

static void
setup(void)
{
	world = world_new();
}

static void
teardown(void)
{
	memset(&fault, 0, sizeof(fault));
	world_free(world);
}

static int64_t
add(const char *cn)
{
	struct spec spec = { .cn = cn };

	return world_add(world, &spec);
}

static int64_t
world_number(const struct world *w, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t number;
	int persist = 1;

	ck_assert_int_eq(sqlite3_open(w->store, &db), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static bool
is_one_of(const char *got, const char *a, const char *b)
{
	return strcmp(got, a) == 0 || strcmp(got, b) == 0 || strncmp(got, "own-", 4) == 0;
}

/* For the table in doc/trials.md. */
static void
row(const char *side, int tried, const char *happened, int way)
{
	const char *path = getenv("TORTURE_RESULTS");
	FILE *file = path == NULL ? NULL : fopen(path, "a");

	printf("%s: %d calls failed %s: %s\n", side, tried, ways[way].what, happened);
	if (file == NULL)
		return;
	fprintf(file, "I/O errors\tSQLite's calls in the %s fail %s\t%d calls\t%s\n", side, ways[way].what,
	    tried, happened);
	fclose(file);
}

/* On the module's side: as a process opens the store, looks for names, and follows a commit. */
START_TEST(test_read_side)
{
	int n = 0, reached, tried = 0;

	world_bind(world, "@", add("fallback.example"));
	add("a.example");
	add("b.example");
	do {
		struct snicert_error err = {0};
		struct snicert *snicert = NULL;
		SSL_CTX *ctx = server_ctx();

		n += tried++ == 0 ? 1 : step(_i);
		let_fail(n, _i);
		ck_assert_int_eq(snicert_open(&snicert, world->config, &err), 0);
		ck_assert_int_eq(snicert_attach(snicert, ctx, &err), 0);
		for (int i = 0; i < 2; i++) {
			const char *got = served(ctx, "a.example");

			ck_assert_msg(is_one_of(got, "a.example", "fallback.example"),
			    "call %d fails %s: a.example got %s", n, ways[_i].what, got);
			got = served(ctx, "unknown.example");
			ck_assert_msg(is_one_of(got, "fallback.example", "fallback.example"),
			    "call %d fails %s: an unknown name got %s", n, ways[_i].what, got);
			world_tick();
		}
		reached = fault.calls;
		/* Also where they met locks that nobody gives back. */
		ck_assert_msg(fault.slept == 0, "call %d fails %s: waited for %d us", n, ways[_i].what, fault.slept);
		fault.n = 0; /* all is well again */
		world_tick();
		ck_assert_msg(strcmp(served(ctx, "b.example"), "b.example") == 0,
		    "call %d had failed %s: b.example gets %s", n, ways[_i].what, served(ctx, "b.example"));
		ck_assert_str_eq(served(ctx, "unknown.example"), "fallback.example");
		SSL_CTX_free(ctx);
		snicert_close(snicert);
	} while (reached >= n);
	row("module", tried - 1, "each handshake had its own chain or the fallback, and afterwards its own", _i);
	ck_assert_int_gt(n, 10);
}
END_TEST

static void
count_faults(void *arg, const char *text)
{
	(void)text;
	++*(int *)arg;
}

/* On the tool's side: a change of two names, whole or not at all. */
START_TEST(test_write_side)
{
	int64_t one = add("one.example"), two = add("two.example");
	int n = 0, reached, tried = 0, kept = 0, made = 0;
	char sum[100];

	do {
		int64_t from = tried % 2 == 0 ? two : one, to = tried % 2 == 0 ? one : two;
		struct snicert_error err = {0};
		struct admin *admin = NULL;
		int faults = 0, status;
		char sql[200];

		fault.n = 0;
		world_bind(world, "x.example", from);
		world_bind(world, "y.example", from);
		n += tried++ == 0 ? 1 : step(_i);
		let_fail(n, _i);
		status = admin_open(&admin, world->store, ADMIN_WRITE, &err);
		if (status == 0)
			status = admin_begin(admin, &err) == 0 &&
			    admin_bind(admin, "x.example", to, &err) == 0 &&
			    admin_bind(admin, "y.example", to, &err) == 0 &&
			    admin_commit(admin, &err) == 0 ? 0 : -1;
		if (status != 0)
			ck_assert_msg(err.text[0] != '\0', "call %d fails %s: without a reason", n, ways[_i].what);
		admin_close(admin);
		reached = fault.calls;
		fault.n = 0;
		admin = world_admin(world);
		memset(&err, 0, sizeof(err));
		ck_assert_msg(admin_integrity(admin, count_faults, &faults, &err) == 0 && faults == 0,
		    "call %d failed %s: %d faults, %s", n, ways[_i].what, faults, err.text);
		admin_close(admin);
		snprintf(sql, sizeof(sql), "SELECT chain FROM binding WHERE name = 'x.example'");
		ck_assert_msg(world_number(world, sql) ==
		    world_number(world, "SELECT chain FROM binding WHERE name = 'y.example'"),
		    "call %d failed %s: one name of two was changed", n, ways[_i].what);
		if (status == 0)
			ck_assert_msg(world_number(world, sql) == to, "call %d failed %s: it said it was done", n,
			    ways[_i].what);
		made += world_number(world, sql) == to;
		kept += world_number(world, sql) != to;
	} while (reached >= n);
	snprintf(sum, sizeof(sum), "the store sound, %d times as before and %d as after", kept, made);
	row("tool", tried - 1, sum, _i);
	ck_assert_int_gt(kept, 0);
	ck_assert_int_gt(made, 0);
}
END_TEST

/* A restore: as before, or all that was in the backup, the log's line included. */
START_TEST(test_restore)
{
	int64_t one = add("one.example"), two = add("two.example"), bound, before, after;
	int n = 0, reached, tried = 0, kept = 0, made = 0;
	struct snicert_error err = {0};
	struct admin *admin;
	char path[120], sum[100];

	snprintf(path, sizeof(path), "%s/backup", world->dir);
	world_bind(world, "x.example", one);
	admin = world_admin(world);
	ck_assert_msg(admin_backup(admin, path, &err) == 0, "%s", err.text);
	admin_close(admin);
	do {
		int faults = 0, status;

		memset(&err, 0, sizeof(err));
		world_bind(world, "x.example", two);
		before = world_number(world, "SELECT max(sequence) FROM change");
		n += tried++ == 0 ? 1 : long_step();
		let_fail(n, _i);
		status = admin_open(&admin, world->store, ADMIN_WRITE, &err);
		if (status == 0) {
			status = admin_restore(admin, path, NULL, NULL, &err);
			admin_close(admin);
		}
		if (status != 0)
			ck_assert_msg(err.text[0] != '\0', "call %d fails %s: without a reason", n, ways[_i].what);
		reached = fault.calls;
		fault.n = 0;
		admin = world_admin(world);
		memset(&err, 0, sizeof(err));
		ck_assert_msg(admin_integrity(admin, count_faults, &faults, &err) == 0 && faults == 0,
		    "call %d failed %s: %d faults, %s", n, ways[_i].what, faults, err.text);
		admin_close(admin);
		bound = world_number(world, "SELECT chain FROM binding WHERE name = 'x.example'");
		after = world_number(world, "SELECT max(sequence) FROM change");
		ck_assert_msg(bound == two ? after == before && status != 0 : bound == one && after == before + 1,
		    "call %d failed %s: %s, chain %d of %d and %d, change %d after %d", n, ways[_i].what,
		    status == 0 ? "done" : err.text, (int)bound, (int)one, (int)two, (int)after, (int)before);
		if (bound == one)
			ck_assert_int_eq(world_number(world, "SELECT count(*) FROM change WHERE what = 'restore'"), 1);
		made += bound == one;
		kept += bound == two;
	} while (reached >= n);
	snprintf(sum, sizeof(sum), "the store sound, %d times as before and %d as after", kept, made);
	row("tool as it restores", tried - 1, sum, _i);
	ck_assert_int_gt(kept, 0);
	ck_assert_int_gt(made, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tc = tcase_create("faults");
	int failed;

	make_vfs();
	harness_start();
	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_read_side, 0, READ_WAYS);
	tcase_add_loop_test(tc, test_write_side, 0, COUNT(ways));
	tcase_add_loop_test(tc, test_restore, 0, COUNT(ways));
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
