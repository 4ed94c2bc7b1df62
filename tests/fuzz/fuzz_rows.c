/* SPDX-License-Identifier: ISC */
/*
 * fuzz_rows.c: a sound database whose rows hold what they should not: certificates,
 * keys, digests, types and dates that are damaged as the input says, keys that
 * are damaged before they are sealed included.
 *
 * Property: a client gets its handshake done, whatever chain it gets.  But for a key whose
 * private half was damaged before it was sealed, which import does not let in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sqlite3.h>

#include "shop.h"

#define CHAINS_MOST 12

static struct world *w;
static sqlite3 *store, *pristine;
static struct bench bench;
static struct seal *seal;

static void
copy(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");

	if (backup == NULL || sqlite3_backup_step(backup, -1) != SQLITE_DONE ||
	    sqlite3_backup_finish(backup) != SQLITE_OK)
		fuzz_die("can't copy the store: %s", sqlite3_errmsg(to));
}

static void
close_world(void)
{
	world_free(w);
}

static void
start(void)
{
	struct snicert_error err = {0};

	harness_start();
	w = shop_world(true);
	atexit(close_world);
	world_sql(w, "PRAGMA wal_checkpoint(TRUNCATE)");
	if (sqlite3_open(w->store, &store) != SQLITE_OK || sqlite3_open(":memory:", &pristine) != SQLITE_OK)
		fuzz_die("can't open the store");
	sqlite3_exec(store, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
	copy(pristine, store);
	seal = seal_new(&err);
	if (seal == NULL || seal_read(seal, w->key, (uid_t)-1, &err) != 0)
		fuzz_die("%s", err.text);
	bench_open(&bench, w);
}

/* A value that is there: a copy to be damaged. */
static uint8_t *
value_of(const char *sql, int64_t id, size_t *length)
{
	sqlite3_stmt *statement = NULL;
	uint8_t *out = NULL;

	*length = 0;
	sqlite3_prepare_v2(pristine, sql, -1, &statement, NULL);
	sqlite3_bind_int64(statement, 1, id);
	if (sqlite3_step(statement) == SQLITE_ROW) {
		*length = (size_t)sqlite3_column_bytes(statement, 0);
		out = malloc(*length + 256);
		if (*length > 0)
			memcpy(out, sqlite3_column_blob(statement, 0), *length);
	}
	sqlite3_finalize(statement);
	return out;
}

/* What a constraint forbids stays as it was. */
static void
put(const char *sql, int64_t id, const void *value, size_t length, bool text)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(store, sql, -1, &statement, NULL) != SQLITE_OK)
		fuzz_die("%s: %s", sql, sqlite3_errmsg(store));
	sqlite3_bind_int64(statement, 1, id);
	if (text)
		sqlite3_bind_text(statement, 2, value, (int)length, SQLITE_STATIC);
	else
		sqlite3_bind_blob(statement, 2, value == NULL ? "" : value, (int)length, SQLITE_STATIC);
	sqlite3_step(statement);
	sqlite3_finalize(statement);
}

static const struct column {
	const char *get, *set;
	bool text;
} columns[] = {
	{ "SELECT der FROM cert WHERE id = ?1", "UPDATE cert SET der = ?2 WHERE id = ?1", false },
	{ "SELECT sha256 FROM cert WHERE id = ?1", "UPDATE cert SET sha256 = ?2 WHERE id = ?1", false },
	{ "SELECT sealed_key FROM chain WHERE id = ?1", "UPDATE chain SET sealed_key = ?2 WHERE id = ?1", false },
	{ "SELECT identity FROM chain WHERE id = ?1", "UPDATE chain SET identity = ?2 WHERE id = ?1", false },
	{ "SELECT key_type FROM chain WHERE id = ?1", "UPDATE chain SET key_type = ?2 WHERE id = ?1", true },
	{ "SELECT key_type FROM chain WHERE id = ?1",
	    "UPDATE chain SET sealed_key = NULL, key_uri = 'file:/nonexistent/' || ?2 WHERE id = ?1", true },
	{ "SELECT key_type FROM chain WHERE id = ?1", "UPDATE chain SET not_after = ?2 + 0 WHERE id = ?1", true },
	{ "SELECT names FROM chain WHERE id = ?1", "UPDATE binding SET name = ?2 WHERE chain = ?1", true },
	{ "SELECT names FROM chain WHERE id = ?1",
	    "UPDATE chain_cert SET cert = length(?2) WHERE chain = ?1", true },
};

static void
damage_column(const struct column *column, int64_t id, struct fuzz_input *in)
{
	size_t length, more;
	uint8_t *value = value_of(column->get, id, &length);
	const uint8_t *piece;

	if (value == NULL)
		return;
	/* In its place, cut, or in the place of all of it. */
	switch (fuzz_octet(in) % 4) {
	case 0:
		length = length * fuzz_octet(in) / 255;
		break;
	case 1:
		piece = fuzz_piece(in, &more);
		if (more > 0)
			memcpy(value, piece, more);
		length = more;
		break;
	default:
		fuzz_edit(in, value, length);
		break;
	}
	put(column->set, id, value, length, column->text);
	free(value);
}

/* A key whose halves differ is what import refuses, for nobody sees it at a glance. */
static bool
is_torn(const uint8_t *der, size_t length)
{
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &der, (long)length);
	EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
	bool torn = ctx != NULL && EVP_PKEY_pairwise_check(ctx) != 1;

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return torn;
}

/* The key in the clear damaged, and sealed again. */
static void
damage_key(int64_t id, struct fuzz_input *in)
{
	size_t length, identity_length, plain_length = 0;
	uint8_t *sealed = value_of(columns[2].get, id, &length), *plain = NULL, *out = NULL;
	uint8_t *identity = value_of(columns[3].get, id, &identity_length);

	if (sealed != NULL && identity != NULL && seal_open(seal, sealed, length, identity, identity_length,
	        &plain, &plain_length, NULL) == 0) {
		fuzz_edit(in, plain, plain_length);
		if (!is_torn(plain, plain_length) && seal_close(seal, plain, plain_length, identity, identity_length, &out, &length, NULL) == 0)
			put(columns[2].set, id, out, length, false);
		OPENSSL_free(out);
		OPENSSL_clear_free(plain, plain_length);
	}
	free(sealed);
	free(identity);
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned how = fuzz_octet(&in);
	struct client c = { .name = shop_names[(how >> 1) % 9], .version = (how & 1) != 0 ? TLS1_2_VERSION : 0 };
	struct outcome outcome;

	copy(store, pristine);
	sqlite3_exec(store, "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; BEGIN", NULL, NULL, NULL);
	for (int i = 0; i < 6 && in.size > 0; i++) {
		unsigned what = fuzz_octet(&in) % (COUNT(columns) + 1);
		int64_t id = 1 + fuzz_octet(&in) % CHAINS_MOST;

		if (what < COUNT(columns))
			damage_column(&columns[what], id, &in);
		else
			damage_key(id, &in);
	}
	sqlite3_exec(store, "COMMIT", NULL, NULL, NULL);
	bench.lines.used = 0;
	handshake(bench.ctx, &c, &outcome);
	if (!outcome.done)
		fuzz_die("%s: alert %d", c.name, outcome.alert);
	outcome_clear(&outcome);
	ERR_clear_error();
}

static void
seed(void)
{
	/* which name | what, which row, how, … */
	fuzz_seed("none", "\0", 1);
	fuzz_seed("leaf", "\0\0\1\2\0\0\50\4abcd", 12);
	fuzz_seed("leaf-replaced", "\1\0\2\1\4abcd", 9);
	fuzz_seed("sealed", "\0\2\1\2\0\0\11\1x", 9);
	fuzz_seed("key", "\6\11\4\0\0\30\2xy", 9);
	fuzz_seed("key-type", "\0\4\1\1\3RSA\4\2\1\2EC", 15);
	fuzz_seed("uri", "\0\5\1\1\7key.pem", 12);
	fuzz_seed("expired", "\4\6\1\1\1" "1", 6);
	fuzz_seed("binding", "\0\7\5\1\14mx.a.example", 17);
	fuzz_seed("intermediates", "\0\10\1\1\2ab", 7);
}

const struct fuzz_target fuzz_rows = { .name = "rows", .start = start, .one = one, .seed = seed,
	.most = 300 };
