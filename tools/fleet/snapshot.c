/* SPDX-License-Identifier: ISC */
/* snapshot.c: a store's file in parts. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "fleet/snapshot.h"

static int
take_snapshot(void *arg, const struct database_row *row)
{
	struct history_snapshot *out = arg;
	const unsigned char *history = database_digest(row, 6), *digest = database_digest(row, 7);
	const unsigned char *mac = database_digest(row, 8), *key;
	size_t length;

	out->seq = database_int(row, 0);
	out->epoch = database_int(row, 1);
	out->at = database_int(row, 2);
	out->schema = database_int(row, 3);
	out->size = database_int(row, 4);
	key = database_octets(row, 5, &length);
	if (length == sizeof(out->key))
		memcpy(out->key, key, length);
	if (history != NULL && digest != NULL && mac != NULL) {
		memcpy(out->history, history, sizeof(out->history));
		memcpy(out->digest, digest, sizeof(out->digest));
		memcpy(out->mac, mac, sizeof(out->mac));
	}
	return 2;
}

int
snapshot_newest(struct fleet *fleet, int64_t seq, struct history_snapshot *out, struct snicert_error *err)
{
	int status;

	*out = (struct history_snapshot){0};
	status = database_run(fleet->database, take_snapshot, out, err,
	    "SELECT seq, epoch, at, schema, size, key, history, digest, mac FROM snicert.snapshot WHERE seq <= $1"
	    " ORDER BY seq DESC LIMIT 1", "i", seq);
	if (status == 2)
		return 0;
	return status == 0 ? 1 : -1;
}

/* --- in ------------------------------------------------------------------------ */

/* A part of a file, of at most HISTORY_PART octets. */
typedef int each_part_fn(void *arg, int64_t part, const unsigned char *octets, size_t length);

static int
each_part(const char *path, each_part_fn *each, void *arg, unsigned char digest[32], int64_t *size,
    struct snicert_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), status = 0;
	unsigned char *buffer = malloc(HISTORY_PART);
	struct history_digest *sum = history_digest_new();
	ssize_t got = 0;

	*size = 0;
	if (fd < 0)
		status = error_system(err, "can't read %s", path);
	else if (buffer == NULL || sum == NULL)
		status = error_set(err, SNICERT_EMEMORY, "no memory");
	for (int64_t part = 0; status == 0 && (got = pread(fd, buffer, HISTORY_PART, (off_t)*size)) > 0; part++) {
		history_digest_add(sum, buffer, (size_t)got);
		*size += got;
		if (each != NULL)
			status = each(arg, part, buffer, (size_t)got);
	}
	if (status == 0 && got < 0)
		status = error_system(err, "can't read %s", path);
	history_digest_end(sum, digest);
	free(buffer);
	if (fd >= 0)
		close(fd);
	return status;
}

int
snapshot_digest(const char *path, unsigned char digest[32], int64_t *size, struct snicert_error *err)
{
	return each_part(path, NULL, NULL, digest, size, err);
}

struct putting {
	struct fleet *fleet;
	int64_t seq;
	struct snicert_error *err;
};

static int
put_part(void *arg, int64_t part, const unsigned char *octets, size_t length)
{
	const struct putting *putting = arg;

	return database_run(putting->fleet->database, NULL, NULL, putting->err,
	    "INSERT INTO snicert.snapshot_part (seq, part, octets) VALUES ($1, $2::integer, $3)", "iib", putting->seq, part, octets,
	    length);
}

int
snapshot_put(struct fleet *fleet, const char *path, struct history_snapshot *snapshot, struct snicert_error *err)
{
	struct putting putting = { fleet, snapshot->seq, err };

	if (each_part(path, put_part, &putting, snapshot->digest, &snapshot->size, err) != 0 ||
	    history_sign_snapshot(fleet->seal, fleet->id, snapshot, err) != 0)
		return -1;
	return database_run(fleet->database, NULL, NULL, err,
	    "INSERT INTO snicert.snapshot (seq, epoch, at, schema, size, key, history, digest, mac)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", "iiiiibbbb",
	    snapshot->seq, snapshot->epoch, snapshot->at, snapshot->schema, snapshot->size, snapshot->key,
	    sizeof(snapshot->key), snapshot->history, sizeof(snapshot->history), snapshot->digest,
	    sizeof(snapshot->digest), snapshot->mac, sizeof(snapshot->mac));
}

/* A copy of the store and where it stands, of one moment. */
static int
copy_at(struct admin *admin, const char *path, struct history_snapshot *snapshot, struct snicert_error *err)
{
	struct admin_position position;
	int status = -1;

	if (admin_snapshot(admin, err) != 0)
		return -1;
	if (admin_position(admin, &position, err) == 0) {
		*snapshot = (struct history_snapshot){ .epoch = position.epoch, .seq = position.seq,
			.at = (int64_t)time(NULL), .schema = admin_schema(admin) };
		memcpy(snapshot->history, position.history, sizeof(snapshot->history));
		status = admin_backup(admin, path, err);
	}
	admin_rollback(admin);
	return status;
}

/* Fifty nodes see at once that one is due. */
static int
take_turn(struct fleet *fleet, enum snapshot_how how, struct snicert_error *err)
{
	int64_t got = 0;

	if (how == SNAPSHOT_ALWAYS)
		return 0;
	if (database_run(fleet->database, database_first_int, &got, err,
	        "SELECT pg_try_advisory_xact_lock(hashtext('snicert snapshot'))", "") != 0)
		return -1;
	return got != 0 ? 0 : 1;
}

static int
put_unless_there(struct fleet *fleet, const char *path, struct history_snapshot *snapshot, struct snicert_error *err)
{
	int64_t there = 0;

	if (database_run(fleet->database, database_first_int, &there, err, "SELECT 1 FROM snicert.snapshot WHERE seq = $1", "i",
	        snapshot->seq) != 0)
		return -1;
	return there > 0 ? 0 : snapshot_put(fleet, path, snapshot, err);
}

int
snapshot_make(struct fleet *fleet, struct admin *admin, enum snapshot_how how, struct history_snapshot *out,
    struct snicert_error *err)
{
	char path[PATH_MAX];
	int status;

	snprintf(path, sizeof(path), "%s.snapshot", fleet->tool->config->store_path);
	admin_unlink(path); /* left by a killed run */
	if (database_execute(fleet->database, "BEGIN", err) != 0)
		return -1;
	status = take_turn(fleet, how, err);
	if (status == 0)
		status = copy_at(admin, path, out, err);
	if (status == 0)
		status = put_unless_there(fleet, path, out, err);
	if (status == 0)
		status = database_execute(fleet->database, "COMMIT", err);
	else
		database_execute(fleet->database, "ROLLBACK", NULL);
	admin_unlink(path);
	return status;
}

/* --- when, and for how long ------------------------------------------------------------ */

#define DUE_OCTETS (16 << 20)   /* of changes, at the least */
#define DUE_CHANGES 50000

bool
snapshot_is_due(struct fleet *fleet, struct snicert_error *err)
{
	int64_t due = 0;

	return database_run(fleet->database, database_first_int, &due, err,
	    "SELECT NOT pg_is_in_recovery() AND (count(*) > $2::bigint OR coalesce(sum(c.size), 0) > greatest($1::bigint,"
	    " (SELECT size FROM snicert.snapshot ORDER BY seq DESC LIMIT 1))) FROM snicert.change c"
	    " WHERE c.seq > (SELECT max(seq) FROM snicert.snapshot)", "ii", (int64_t)DUE_OCTETS, (int64_t)DUE_CHANGES) == 0 &&
	    due != 0;
}

/* The last change stays: it is what the head is judged by. */
int
snapshot_drop_old(struct fleet *fleet, struct snicert_error *err)
{
	if (database_run(fleet->database, NULL, NULL, err,
	        "DELETE FROM snicert.snapshot WHERE seq < (SELECT min(seq) FROM (SELECT seq FROM snicert.snapshot"
	        " ORDER BY seq DESC LIMIT 2) AS newest)", "") != 0)
		return -1;
	return database_run(fleet->database, NULL, NULL, err,
	    "DELETE FROM snicert.change WHERE seq <= (SELECT min(seq) FROM snicert.snapshot)"
	    " AND (SELECT count(*) FROM snicert.snapshot) > 1 AND seq < (SELECT seq FROM snicert.head)"
	    " AND seq <= coalesce((SELECT min(seq) FROM snicert.node WHERE seen > now() - interval '1 day'), 0)", "");
}

/* --- out ------------------------------------------------------------------------- */

struct getting {
	int fd;
	const char *path;
	int64_t next;                   /* part */
	int64_t size;
	struct history_digest *digest;
	struct snicert_error *err;
};

static int
take_part(void *arg, const struct database_row *row)
{
	struct getting *getting = arg;
	size_t length;
	const unsigned char *octets = database_octets(row, 1, &length);

	if (database_int(row, 0) != getting->next++)
		return 1; /* its digest will not be right */
	history_digest_add(getting->digest, octets, length);
	if (pwrite(getting->fd, octets, length, getting->size) != (ssize_t)length) {
		if (errno == 0)
			errno = ENOSPC;
		return error_system(getting->err, "can't write %s", getting->path);
	}
	getting->size += (int64_t)length;
	return 0;
}

static int
get(struct fleet *fleet, const struct history_snapshot *snapshot, const char *path, struct snicert_error *err)
{
	struct getting getting = { .path = path, .err = err, .digest = history_digest_new() };
	unsigned char digest[32];
	int status;

	getting.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (getting.fd < 0) {
		history_digest_end(getting.digest, digest);
		return error_system(err, "can't make %s", path);
	}
	errno = 0;
	status = database_run(fleet->database, take_part, &getting, err,
	    "SELECT part, octets FROM snicert.snapshot_part WHERE seq = $1 ORDER BY part", "i", snapshot->seq);
	history_digest_end(getting.digest, digest);
	close(getting.fd);
	if (status < 0)
		return -1;
	if (getting.size != snapshot->size || memcmp(digest, snapshot->digest, sizeof(digest)) != 0)
		return error_set(err, SNICERT_ESTORE, "snapshot %lld in the database is damaged: it is not what was put there",
		    (long long)snapshot->seq);
	return 0;
}

int
snapshot_fetch(struct fleet *fleet, const struct history_snapshot *snapshot, const char *path, struct snicert_error *err)
{
	if (history_check_snapshot(fleet->seal, fleet->id, snapshot, err) != 0)
		return -1;
	if (snapshot->schema > STORE_SCHEMA)
		return error_set(err, SNICERT_ESTORE, "the fleet's stores are of a newer release: install that");
	return get(fleet, snapshot, path, err);
}
