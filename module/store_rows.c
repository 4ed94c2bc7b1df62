/* SPDX-License-Identifier: ISC */
/* store_rows.c: what handshakes ask of the store, as their own rows. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lock.h"
#include "store_internal.h"
#include "walindex.h"

static const char lookup_sql[] =
    "SELECT c.id, c.identity, c.key_type, c.not_before, c.not_after, c.sealed_key, c.key_uri,"
    " x.sha256, x.der"
    " FROM binding b"
    " JOIN chain c ON c.id = b.chain"
    " JOIN chain_cert cc ON cc.chain = c.id"
    " JOIN cert x ON x.id = cc.cert"
    " WHERE b.name = ?1"
    " ORDER BY b.key_type, cc.position";

/* '@' starts the fallbacks; '@' alone is the global one, 'A' follows '@'. */
static const char address_sql[] =
    "SELECT 1 FROM binding WHERE name > '@' AND name < 'A' LIMIT 1";

/* '/' follows '.' */
static const char wildcard_sql[] =
    "SELECT 1 FROM binding WHERE name >= '*.' AND name < '*/' LIMIT 1";

static const char sequence_sql[] = "SELECT ifnull(max(sequence), 0) FROM change";

static const char keys_sql[] =
    "SELECT DISTINCT name FROM binding WHERE name > ?1 ORDER BY name LIMIT ?2";

int
store_prepare_lookup(struct store *store)
{
	return store_prepare(store, lookup_sql, &store->lookup);
}

int
store_rows_keep(struct store_rows *rows, const void *data, size_t length, size_t *offset)
{
	size_t need = rows->used + length + 1;

	if (need > rows->size) {
		size_t size = need < 8192 ? 8192 : 2 * need;
		unsigned char *arena = realloc(rows->arena, size);

		if (arena == NULL)
			return -1;
		rows->arena = arena;
		rows->size = size;
	}
	if (length > 0)
		memcpy(rows->arena + rows->used, data, length);
	rows->arena[rows->used + length] = '\0';
	*offset = rows->used;
	rows->used = need;
	return 0;
}

static int
keep_column(struct store_rows *rows, sqlite3_stmt *statement, int column, struct store_bytes *out)
{
	const void *data = sqlite3_column_blob(statement, column);
	size_t length = (size_t)sqlite3_column_bytes(statement, column), offset;

	if (data == NULL && length == 0) {
		out->data = NULL;
		out->length = 0;
		/* NULL is an empty value, or out of memory. */
		return sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM ? -1 : 0;
	}
	if (store_rows_keep(rows, data, length, &offset) != 0)
		return -1;
	out->data = (const unsigned char *)(uintptr_t)(offset + 1); /* see settle() */
	out->length = length;
	return 0;
}

/* Turn the offsets from keep_column into pointers, now that the arena stays put. */
static void
settle(struct store_rows *rows, struct store_bytes *bytes)
{
	if (bytes->data != NULL)
		bytes->data = rows->arena + ((uintptr_t)bytes->data - 1);
}

static int
digest_column(sqlite3_stmt *statement, int column, unsigned char *out)
{
	const void *data = sqlite3_column_blob(statement, column);

	if (data == NULL || sqlite3_column_bytes(statement, column) != STORE_DIGEST_LENGTH)
		return -1;
	memcpy(out, data, STORE_DIGEST_LENGTH);
	return 0;
}

/* The first of a chain's rows: what all of them repeat.  0, or an SQLite code. */
static int
take_chain(struct store_rows *rows, sqlite3_stmt *statement, struct store_bytes *uri)
{
	struct store_chain *chain = &rows->chains[rows->count];
	const char *key_type = (const char *)sqlite3_column_text(statement, 2);

	memset(chain, 0, sizeof(*chain));
	if (digest_column(statement, 1, chain->identity) != 0 || key_type == NULL)
		return SQLITE_CORRUPT;
	chain->number = sqlite3_column_int64(statement, 0);
	snprintf(chain->key_type, sizeof(chain->key_type), "%s", key_type);
	chain->not_before = sqlite3_column_int64(statement, 3);
	chain->not_after = sqlite3_column_int64(statement, 4);
	if (keep_column(rows, statement, 5, &chain->sealed_key) != 0 ||
	    keep_column(rows, statement, 6, uri) != 0)
		return SQLITE_NOMEM;
	rows->count++;
	return SQLITE_OK;
}

static int
take_cert(struct store_rows *rows, sqlite3_stmt *statement)
{
	struct store_chain *chain = &rows->chains[rows->count - 1];
	struct store_cert *cert = &chain->certs[chain->cert_count];

	if (chain->cert_count == STORE_CERTS_MOST || digest_column(statement, 7, cert->digest) != 0)
		return SQLITE_CORRUPT;
	if (keep_column(rows, statement, 8, &cert->der) != 0)
		return SQLITE_NOMEM;
	chain->cert_count++;
	return SQLITE_OK;
}

static int
take_rows(sqlite3_stmt *statement, struct store_rows *rows)
{
	struct store_bytes uris[STORE_CHAINS_MOST] = {0};
	sqlite3_int64 id = -1;
	int rc;

	rows->count = 0;
	rows->used = 0;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (sqlite3_column_int64(statement, 0) != id) {
			if (rows->count == STORE_CHAINS_MOST)
				break;
			if ((rc = take_chain(rows, statement, &uris[rows->count])) != SQLITE_OK)
				return rc;
			id = sqlite3_column_int64(statement, 0);
		}
		if ((rc = take_cert(rows, statement)) != SQLITE_OK)
			return rc;
	}
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		return rc;
	for (size_t i = 0; i < rows->count; i++) {
		struct store_chain *chain = &rows->chains[i];

		settle(rows, &chain->sealed_key);
		settle(rows, &uris[i]);
		chain->key_uri = (const char *)uris[i].data;
		for (size_t j = 0; j < chain->cert_count; j++)
			settle(rows, &chain->certs[j].der);
	}
	return SQLITE_OK;
}

/* Opened while the index was missing: there may be one now. */
static void
look_for_index(struct store *store)
{
	struct held index;

	walindex_find(store->db, &index);
	lock_take(&store->view_lock, LOCK_VIEW);
	store->view.index = index;
	lock_give(&store->view_lock, LOCK_VIEW);
}

static enum store_result
lookup_once(struct store *store, const struct name *key, struct store_rows *rows,
    struct snicert_error *err)
{
	int rc;

	rows->count = 0; /* of the last look-up */
	if (!store_is_at_hand(store, err))
		return STORE_ERROR;
	walindex_refresh(store->db);
	rc = sqlite3_bind_text(store->lookup, 1, key->text, (int)key->length, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = take_rows(store->lookup, rows);
	if (rc != SQLITE_OK)
		store_trouble(store, rc, "look-up failed", err);
	if (rc == SQLITE_OK && store->view.index.fd < 0)
		look_for_index(store);
	sqlite3_reset(store->lookup);
	sqlite3_clear_bindings(store->lookup);
	if (rc == SQLITE_OK)
		return rows->count > 0 ? STORE_FOUND : STORE_NONE;
	rows->count = 0;
	store_give_up(store);
	return STORE_ERROR;
}

enum store_result
store_lookup(struct store *store, const struct name *key, struct store_rows *rows,
    struct snicert_error *err)
{
	struct snicert_error first = {0};
	enum store_result result = lookup_once(store, key, rows, &first);

	if (result != STORE_ERROR)
		return result;
	if (store->db == NULL)
		result = lookup_once(store, key, rows, err);
	else
		error_set(err, (enum snicert_code)first.code, "%s", first.text);
	return result;
}

/* Not every child that opens the store queries it: prepare on demand. */
static enum store_result
has_any(struct store *store, const char *sql, sqlite3_stmt **statement, struct snicert_error *err)
{
	int rc = SQLITE_OK;

	if (!store_is_at_hand(store, err))
		return STORE_ERROR;
	if (*statement == NULL)
		rc = store_prepare(store, sql, statement);
	walindex_refresh(store->db);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*statement);
	sqlite3_reset(*statement);
	if (rc == SQLITE_ROW)
		return STORE_FOUND;
	if (rc == SQLITE_DONE)
		return STORE_NONE;
	store_trouble(store, rc, "look-up failed", err);
	store_give_up(store);
	return STORE_ERROR;
}

enum store_result
store_has_address_fallback(struct store *store, struct snicert_error *err)
{
	return has_any(store, address_sql, &store->address, err);
}

enum store_result
store_has_wildcard(struct store *store, struct snicert_error *err)
{
	return has_any(store, wildcard_sql, &store->wildcard, err);
}

/* Asked now and then, by people: don't keep the statement, and leave errors to the next look-up. */
enum store_result
store_sequence(struct store *store, uint64_t *out, struct snicert_error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc;

	*out = 0;
	if (!store_is_at_hand(store, err))
		return STORE_ERROR;
	walindex_refresh(store->db);
	rc = sqlite3_prepare_v2(store->db, sequence_sql, -1, &statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*out = (uint64_t)sqlite3_column_int64(statement, 0);
	else
		store_trouble(store, rc, "look-up failed", err);
	sqlite3_finalize(statement);
	if (rc == SQLITE_ROW)
		return *out > 0 ? STORE_FOUND : STORE_NONE;
	return STORE_ERROR;
}

static int
take_keys(sqlite3_stmt *statement, struct name *keys, size_t most, size_t *count)
{
	int rc;

	for (*count = 0; (rc = sqlite3_step(statement)) == SQLITE_ROW && *count < most; ++*count) {
		const unsigned char *text = sqlite3_column_text(statement, 0);
		size_t length = (size_t)sqlite3_column_bytes(statement, 0);

		if (text == NULL)
			return SQLITE_NOMEM;
		if (length > NAME_MAX_LENGTH || strlen((const char *)text) != length)
			return SQLITE_CORRUPT;
		keys[*count].length = length;
		memcpy(keys[*count].text, text, length + 1);
	}
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

enum store_result
store_keys(struct store *store, const char *after, struct name *keys, size_t *count, struct snicert_error *err)
{
	size_t most = *count;
	int rc = SQLITE_OK;

	*count = 0;
	if (!store_is_at_hand(store, err))
		return STORE_ERROR;
	if (store->keys == NULL)
		rc = store_prepare(store, keys_sql, &store->keys);
	walindex_refresh(store->db);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(store->keys, 1, after, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(store->keys, 2, (sqlite3_int64)most);
	if (rc == SQLITE_OK)
		rc = take_keys(store->keys, keys, most, count);
	if (rc != SQLITE_OK)
		store_trouble(store, rc, "look-up failed", err);
	sqlite3_reset(store->keys);
	sqlite3_clear_bindings(store->keys);
	if (rc == SQLITE_OK)
		return *count > 0 ? STORE_FOUND : STORE_NONE;
	store_give_up(store);
	return STORE_ERROR;
}

void
store_rows_free(struct store_rows *rows)
{
	free(rows->arena);
	memset(rows, 0, sizeof(*rows));
}
