/* SPDX-License-Identifier: ISC */
/* admin_chains.c: chains and their certificates. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "error.h"
#include "store/admin.h"
#include "store/admin_owner.h"
#include "store/admin_sql.h"

static int
add_cert(struct admin *admin, const struct admin_new_cert *cert, int64_t *id,
    struct snicert_error *err)
{
	*id = 0;
	if (admin_number(admin, id, err, "SELECT id FROM cert WHERE sha256 = ?1", "b", cert->digest,
	    (size_t)STORE_DIGEST_LENGTH) != 0)
		return -1;
	if (*id != 0)
		return 0;
	if (admin_run(admin, NULL, NULL, err,
	    "INSERT INTO cert (sha256, der, subject_hash) VALUES (?1, ?2, iif(?3, ?4, NULL))", "bbii",
	    cert->digest, (size_t)STORE_DIGEST_LENGTH, cert->der, cert->length, (int64_t)cert->issuer,
	    cert->subject_hash) != 0)
		return -1;
	*id = sqlite3_last_insert_rowid(admin->db);
	return 0;
}

static int
insert_chain(struct admin *admin, const struct admin_new_chain *chain, int64_t *id,
    struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err,
	    "INSERT INTO chain (identity, state, key_type, spki, leaf, not_before, not_after, names,"
	    " subject, source, created, sealed_key, key_uri, lineage, lifetime)"
	    " VALUES (?1, 'staged', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, nullif(?14, 0))",
	    "btbbiitttibtti", chain->identity, (size_t)STORE_DIGEST_LENGTH, chain->key_type,
	    chain->spki, (size_t)STORE_DIGEST_LENGTH, chain->certs[0].digest,
	    (size_t)STORE_DIGEST_LENGTH, chain->not_before, chain->not_after, chain->names,
	    chain->subject, chain->source, (int64_t)time(NULL), chain->sealed_key,
	    chain->sealed_length, chain->key_uri, chain->lineage, chain->lifetime) != 0)
		return -1;
	*id = sqlite3_last_insert_rowid(admin->db);
	return 0;
}

int
admin_add(struct admin *admin, const struct admin_new_chain *chain, int64_t *id, bool *existed,
    struct snicert_error *err)
{
	int64_t cert;

	*id = 0;
	if (admin_number(admin, id, err, "SELECT id FROM chain WHERE identity = ?1", "b",
	    chain->identity, (size_t)STORE_DIGEST_LENGTH) != 0)
		return -1;
	*existed = *id != 0;
	if (*existed)
		return 0;
	if (insert_chain(admin, chain, id, err) != 0)
		return -1;
	for (size_t i = 0; i < chain->cert_count; i++) {
		if (add_cert(admin, &chain->certs[i], &cert, err) != 0 ||
		    admin_run(admin, NULL, NULL, err,
		        "INSERT INTO chain_cert (chain, position, cert) VALUES (?1, ?2, ?3)", "iii",
		        *id, (int64_t)i, cert) != 0)
			return -1;
	}
	return 0;
}

int
admin_chain_row(void *arg, sqlite3_stmt *row)
{
	const struct admin_each_chain *to = arg;
	struct admin_chain chain = {
		.id = sqlite3_column_int64(row, 0),
		.identity = admin_digest(row, 1),
		.spki = admin_digest(row, 2),
		.leaf = admin_digest(row, 3),
		.state = admin_text(row, 4),
		.key_type = admin_text(row, 5),
		.not_before = sqlite3_column_int64(row, 6),
		.not_after = sqlite3_column_int64(row, 7),
		.created = sqlite3_column_int64(row, 8),
		.names = admin_text(row, 9),
		.subject = admin_text(row, 10),
		.source = admin_text(row, 11),
		.key_uri = (const char *)sqlite3_column_text(row, 12),
		.bindings = sqlite3_column_int64(row, 13),
		.owner = (const char *)sqlite3_column_text(row, 14),
		.lineage = (const char *)sqlite3_column_text(row, 15),
		.lifetime = sqlite3_column_int64(row, 16),
	};

	return to->each(to->arg, &chain);
}

int
admin_chains(struct admin *admin, int64_t id, const char *state, admin_each_chain_fn *each,
    void *arg, struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	if (id != 0)
		return admin_run(admin, admin_chain_row, &to, err, ADMIN_CHAIN_COLUMNS "WHERE id = ?1", "i", id);
	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE ?1 IS NULL OR state = ?1 ORDER BY id", "t", state);
}

int
admin_chains_of(struct admin *admin, const char *owner, const char *state, admin_each_chain_fn *each,
    void *arg, struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE owner = ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id", "tt", owner, state);
}

int
admin_expiring(struct admin *admin, int64_t before, admin_each_chain_fn *each, void *arg,
    struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE state = 'active' AND not_after <= ?1 ORDER BY not_after", "i", before);
}

struct resolved {
	int64_t id;
	int count;
};

static int
resolved_row(void *arg, sqlite3_stmt *row)
{
	struct resolved *found = arg;

	found->id = sqlite3_column_int64(row, 0);
	found->count++;
	return 0;
}

/* The leaf's digests from `prefix`00… to `prefix`ff… */
static int
resolve_prefix(struct admin *admin, const char *text, struct resolved *found,
    struct snicert_error *err)
{
	unsigned char low[STORE_DIGEST_LENGTH], high[STORE_DIGEST_LENGTH];
	size_t length = strlen(text);

	memset(low, 0, sizeof(low));
	memset(high, 0xff, sizeof(high));
	for (size_t i = 0; i < length; i++) {
		int c = tolower((unsigned char)text[i]);
		unsigned digit = (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		int shift = i % 2 == 0 ? 4 : 0;

		low[i / 2] = (unsigned char)((low[i / 2] & ~(0xf << shift)) | digit << shift);
		high[i / 2] = (unsigned char)((high[i / 2] & ~(0xf << shift)) | digit << shift);
	}
	return admin_run(admin, resolved_row, found, err,
	    "SELECT id FROM chain WHERE leaf BETWEEN ?1 AND ?2 LIMIT 2", "bb", low, sizeof(low), high,
	    sizeof(high));
}

int
admin_resolve(struct admin *admin, const char *text, int64_t *id, struct snicert_error *err)
{
	size_t length = strlen(text), digits = strspn(text, "0123456789abcdefABCDEF");
	struct resolved found = {0};

	*id = 0;
	if (digits != length || length == 0 || length > 2 * STORE_DIGEST_LENGTH)
		return error_set(err, SNICERT_EINPUT,
		    "%s is not a chain's number or the beginning of its SHA-256 fingerprint: see `snicert list --chains`",
		    text);
	if (strspn(text, "0123456789") == length && length < 16) {
		if (admin_number(admin, id, err, "SELECT id FROM chain WHERE id = ?1", "i",
		    (int64_t)strtoll(text, NULL, 10)) != 0)
			return -1;
		if (*id != 0)
			return 0;
	}
	if (length < 4)
		return error_set(err, SNICERT_ENOTFOUND, "there is no chain %s: see `snicert list`", text);
	if (resolve_prefix(admin, text, &found, err) != 0)
		return -1;
	if (found.count > 1)
		return error_set(err, SNICERT_EINPUT, "%s means several chains: give more digits", text);
	if (found.count == 0)
		return error_set(err, SNICERT_ENOTFOUND, "there is no chain %s: see `snicert list`", text);
	*id = found.id;
	return 0;
}

int
admin_set_state(struct admin *admin, int64_t chain, const char *state, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err, "UPDATE chain SET state = ?2 WHERE id = ?1", "it",
	    chain, state);
}

int
admin_remove(struct admin *admin, int64_t chain, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err, "DELETE FROM binding WHERE chain = ?1", "i", chain) != 0 ||
	    admin_run(admin, NULL, NULL, err, "DELETE FROM chain WHERE id = ?1", "i", chain) != 0 ||
	    admin_log(admin, "remove", NULL, chain, NULL, err) != 0)
		return -1;
	return 0;
}

struct loading {
	struct store_rows *rows;
	size_t at[STORE_CERTS_MOST + 1];
};

static int
load_chain_row(void *arg, sqlite3_stmt *row)
{
	struct loading *loading = arg;
	struct store_chain *chain = &loading->rows->chains[0];
	const void *identity = sqlite3_column_blob(row, 0);
	int column = sqlite3_column_type(row, 5) != SQLITE_NULL ? 5 : 4;

	if (identity == NULL || sqlite3_column_bytes(row, 0) != STORE_DIGEST_LENGTH)
		return 0;
	memcpy(chain->identity, identity, STORE_DIGEST_LENGTH);
	snprintf(chain->key_type, sizeof(chain->key_type), "%s",
	    (const char *)sqlite3_column_text(row, 1));
	chain->not_before = sqlite3_column_int64(row, 2);
	chain->not_after = sqlite3_column_int64(row, 3);
	chain->sealed_key.length = column == 4 ? (size_t)sqlite3_column_bytes(row, 4) : 0;
	chain->key_uri = column == 5 ? "" : NULL; /* reserves the place; the text follows below */
	loading->rows->count = 1;
	return store_rows_keep(loading->rows, sqlite3_column_blob(row, column),
	    (size_t)sqlite3_column_bytes(row, column), &loading->at[STORE_CERTS_MOST]);
}

static int
load_cert_row(void *arg, sqlite3_stmt *row)
{
	struct loading *loading = arg;
	struct store_chain *chain = &loading->rows->chains[0];
	struct store_cert *cert = &chain->certs[chain->cert_count];
	const void *digest = sqlite3_column_blob(row, 0);

	if (chain->cert_count == STORE_CERTS_MOST || digest == NULL ||
	    sqlite3_column_bytes(row, 0) != STORE_DIGEST_LENGTH)
		return 0;
	memcpy(cert->digest, digest, STORE_DIGEST_LENGTH);
	cert->der.length = (size_t)sqlite3_column_bytes(row, 1);
	return store_rows_keep(loading->rows, sqlite3_column_blob(row, 1), cert->der.length,
	    &loading->at[chain->cert_count++]);
}

int
admin_load(struct admin *admin, int64_t id, struct store_rows *rows, struct snicert_error *err)
{
	struct loading loading = { .rows = rows };
	struct store_chain *chain = &rows->chains[0];
	const unsigned char *key;

	memset(chain, 0, sizeof(*chain));
	rows->count = 0;
	rows->used = 0;
	if (admin_run(admin, load_chain_row, &loading, err,
	    "SELECT identity, key_type, not_before, not_after, sealed_key, key_uri FROM chain"
	    " WHERE id = ?1", "i", id) != 0 ||
	    admin_run(admin, load_cert_row, &loading, err,
	        "SELECT x.sha256, x.der FROM chain_cert cc JOIN cert x ON x.id = cc.cert"
	        " WHERE cc.chain = ?1 ORDER BY cc.position", "i", id) != 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (rows->count == 0)
		return error_set(err, SNICERT_ESTORE, "chain %" PRId64 " is gone or damaged", id);
	key = rows->arena + loading.at[STORE_CERTS_MOST];
	if (chain->key_uri != NULL)
		chain->key_uri = (const char *)key;
	else
		chain->sealed_key.data = key;
	for (size_t i = 0; i < chain->cert_count; i++)
		chain->certs[i].der.data = rows->arena + loading.at[i];
	return 0;
}

struct each_issuer {
	int (*each)(void *arg, const unsigned char *der, size_t length);
	void *arg;
};

static int
issuer_row(void *arg, sqlite3_stmt *row)
{
	const struct each_issuer *to = arg;

	return to->each(to->arg, sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
}

int
admin_issuers(struct admin *admin, int64_t subject_hash,
    int (*each)(void *arg, const unsigned char *der, size_t length), void *arg,
    struct snicert_error *err)
{
	struct each_issuer to = { each, arg };

	return admin_run(admin, issuer_row, &to, err, "SELECT der FROM cert WHERE subject_hash = ?1", "i",
	    subject_hash);
}

static int
totals_row(void *arg, sqlite3_stmt *row)
{
	struct admin_totals *out = arg;
	int64_t *const into[] = { &out->chains, &out->staged, &out->active, &out->retired, &out->names,
		&out->fallbacks, &out->certs, &out->sequence };

	for (int i = 0; i < 8; i++)
		*into[i] = sqlite3_column_int64(row, i);
	return 0;
}

int
admin_totals(struct admin *admin, struct admin_totals *out, struct snicert_error *err)
{
	return admin_run(admin, totals_row, out, err,
	    "SELECT (SELECT count(*) FROM chain),"
	    " (SELECT count(*) FROM chain WHERE state = 'staged'),"
	    " (SELECT count(*) FROM chain WHERE state = 'active'),"
	    " (SELECT count(*) FROM chain WHERE state = 'retired'),"
	    " (SELECT count(DISTINCT name) FROM binding WHERE name NOT LIKE '@%'),"
	    " (SELECT count(DISTINCT name) FROM binding WHERE name LIKE '@%'),"
	    " (SELECT count(*) FROM cert), (SELECT ifnull(max(sequence), 0) FROM change)", "");
}
