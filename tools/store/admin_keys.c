/* SPDX-License-Identifier: ISC */
/* admin_keys.c: keys in the store that wait for their certificates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "store/admin.h"
#include "store/admin_sql.h"

struct each_waiting {
	admin_each_pending_key_fn *each;
	void *arg;
};

static int
waiting_row(void *arg, sqlite3_stmt *row)
{
	const struct each_waiting *to = arg;
	struct admin_pending_key key = {
		.id = sqlite3_column_int64(row, 0),
		.key_type = (const char *)sqlite3_column_text(row, 1),
		.identity = sqlite3_column_blob(row, 2),
		.spki = sqlite3_column_blob(row, 3),
		.public_key = sqlite3_column_blob(row, 4),
		.public_length = (size_t)sqlite3_column_bytes(row, 4),
		.names = (const char *)sqlite3_column_text(row, 5),
		.created = sqlite3_column_int64(row, 6),
		.sealed_key = sqlite3_column_blob(row, 7),
		.sealed_length = (size_t)sqlite3_column_bytes(row, 7),
		.key_uri = (const char *)sqlite3_column_text(row, 8),
	};

	/* The schema forbids it, but the file may have been altered. */
	if (key.key_type == NULL || key.identity == NULL || key.spki == NULL || key.public_key == NULL ||
	    key.names == NULL || (key.sealed_key == NULL) == (key.key_uri == NULL) ||
	    sqlite3_column_bytes(row, 2) != STORE_DIGEST_LENGTH ||
	    sqlite3_column_bytes(row, 3) != STORE_DIGEST_LENGTH)
		return 0;
	return to->each(to->arg, &key);
}

#define WAITING_COLUMNS \
	"SELECT id, key_type, identity, spki, public_key, names, created, sealed_key, key_uri FROM waiting "

int
admin_pending_keys(struct admin *admin, int64_t id, admin_each_pending_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_waiting to = { each, arg };

	if (id != 0)
		return admin_run(admin, waiting_row, &to, err, WAITING_COLUMNS "WHERE id = ?1", "i", id);
	return admin_run(admin, waiting_row, &to, err, WAITING_COLUMNS "ORDER BY id", "");
}

int
admin_pending_keys_for(struct admin *admin, const char *name, admin_each_pending_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_waiting to = { each, arg };

	return admin_run(admin, waiting_row, &to, err,
	    WAITING_COLUMNS "WHERE id IN (SELECT waiting FROM waiting_name WHERE name = ?1) ORDER BY id",
	    "t", name);
}

int
admin_pending_key_of(struct admin *admin, const unsigned char *spki, admin_each_pending_key_fn *each,
    void *arg, struct snicert_error *err)
{
	struct each_waiting to = { each, arg };

	return admin_run(admin, waiting_row, &to, err, WAITING_COLUMNS "WHERE spki = ?1", "b", spki,
	    (size_t)STORE_DIGEST_LENGTH);
}

static int
add_name(struct admin *admin, const char *name, int64_t id, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "INSERT OR IGNORE INTO waiting_name (name, waiting) VALUES (?1, ?2)", "ti", name, id);
}

int
admin_add_pending_key(struct admin *admin, const struct admin_pending_key *key, int64_t *id,
    struct snicert_error *err)
{
	char *copy = strdup(key->names), *save = NULL;
	int status = copy == NULL ? error_set(err, SNICERT_EMEMORY, "no memory")
	    : admin_run(admin, NULL, NULL, err,
	          "INSERT INTO waiting (identity, key_type, spki, public_key, names, created, sealed_key,"
	          " key_uri) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", "btbbtibt", key->identity,
	          (size_t)STORE_DIGEST_LENGTH, key->key_type, key->spki, (size_t)STORE_DIGEST_LENGTH,
	          key->public_key, key->public_length, key->names, (int64_t)time(NULL), key->sealed_key,
	          key->sealed_length, key->key_uri);

	if (status == 0)
		*id = sqlite3_last_insert_rowid(admin->db);
	for (char *name = status == 0 ? strtok_r(copy, " ", &save) : NULL; name != NULL && status == 0;
	     name = strtok_r(NULL, " ", &save))
		status = add_name(admin, name, *id, err);
	free(copy);
	return status;
}

int
admin_remove_pending_key(struct admin *admin, int64_t id, bool *found, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err, "DELETE FROM waiting WHERE id = ?1", "i", id) != 0)
		return -1;
	*found = sqlite3_changes(admin->db) > 0;
	return 0;
}

int
admin_chain_of_key(struct admin *admin, const unsigned char *spki, int64_t *chain,
    struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT id FROM chain WHERE spki = ?1 ORDER BY id DESC LIMIT 1", "b", spki,
	    (size_t)STORE_DIGEST_LENGTH);
}

int
admin_active_of_key(struct admin *admin, const unsigned char *spki, int64_t *chain,
    struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT id FROM chain WHERE spki = ?1 AND state = 'active' ORDER BY id DESC LIMIT 1", "b", spki,
	    (size_t)STORE_DIGEST_LENGTH);
}
