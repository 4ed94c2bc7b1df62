/* SPDX-License-Identifier: ISC */
/*
 * admin_rows.c: chains, bindings and what was bound formerly.
 *
 * A chain is staged when it comes, active while any key is bound to it, and
 * retired once the last one left it.  A key's former chains are remembered, the
 * latest few, for roll-back; a retired chain nobody remembers is deleted.
 */
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

/* A digest of a row, of which a store that somebody tampered with may have too little. */
static const unsigned char *
digest(sqlite3_stmt *row, int column)
{
	static const unsigned char none[STORE_DIGEST_LENGTH];
	const void *octets = sqlite3_column_blob(row, column);

	return octets != NULL && sqlite3_column_bytes(row, column) == STORE_DIGEST_LENGTH ? octets : none;
}

/* The same for text. */
static const char *
text(sqlite3_stmt *row, int column)
{
	const unsigned char *octets = sqlite3_column_text(row, column);

	return octets != NULL ? (const char *)octets : "";
}

int
admin_chain_row(void *arg, sqlite3_stmt *row)
{
	const struct admin_each_chain *to = arg;
	struct admin_chain chain = {
		.id = sqlite3_column_int64(row, 0),
		.identity = digest(row, 1),
		.spki = digest(row, 2),
		.leaf = digest(row, 3),
		.state = text(row, 4),
		.key_type = text(row, 5),
		.not_before = sqlite3_column_int64(row, 6),
		.not_after = sqlite3_column_int64(row, 7),
		.created = sqlite3_column_int64(row, 8),
		.names = text(row, 9),
		.subject = text(row, 10),
		.source = text(row, 11),
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

struct each_key {
	admin_each_key_fn *each;
	void *arg;
};

static int
key_row(void *arg, sqlite3_stmt *row)
{
	const struct each_key *to = arg;

	return to->each(to->arg, text(row, 0), text(row, 1), sqlite3_column_int64(row, 2));
}

int
admin_bindings(struct admin *admin, const char *key, int64_t chain, admin_each_key_fn *each,
    void *arg, struct snicert_error *err)
{
	struct each_key to = { each, arg };

	if (key != NULL)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM binding WHERE name = ?1 ORDER BY key_type", "t", key);
	if (chain != 0)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM binding WHERE chain = ?1 ORDER BY name", "i", chain);
	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain FROM binding ORDER BY name, key_type", "");
}

int
admin_staged(struct admin *admin, int64_t chain, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT s.name, c.key_type, s.chain FROM staged s JOIN chain c ON c.id = s.chain"
	    " WHERE s.chain = ?1 ORDER BY s.name", "i", chain);
}

int
admin_formers(struct admin *admin, const char *key, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain FROM former WHERE name = ?1 ORDER BY ifnull(step, 0) DESC, sequence DESC", "t", key);
}

int
admin_last_step(struct admin *admin, const char *key, const char *key_type, int64_t *step,
    struct snicert_error *err)
{
	*step = -1;
	return admin_number(admin, step, err,
	    "SELECT ifnull(max(ifnull(step, 0)), -1) FROM former WHERE name = ?1 AND (?2 IS NULL OR key_type = ?2)",
	    "tt", key, key_type);
}

int
admin_formers_at(struct admin *admin, const char *key, int64_t step, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	/* Of older schemas nobody knows: the latest, by its number. */
	if (step == 0)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM former WHERE name = ?1 AND step IS NULL"
		    " ORDER BY sequence DESC LIMIT 1", "t", key);
	/* Columns beside min() are of its row. */
	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain, min(sequence) FROM former WHERE name = ?1 AND step = ?2"
	    " GROUP BY key_type ORDER BY key_type", "ti", key, step);
}

int
admin_left_at(struct admin *admin, int64_t chain, int64_t step, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT f.name, f.key_type, f.chain FROM former f WHERE f.chain = ?1 AND f.step = ?2 AND NOT EXISTS"
	    " (SELECT 1 FROM binding b WHERE b.name = f.name AND b.key_type = f.key_type) ORDER BY f.name", "ii",
	    chain, step);
}

int
admin_forget_step(struct admin *admin, const char *key, const char *key_type, int64_t step,
    struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND step = ?3", "tti", key, key_type, step);
}

int
admin_bound(struct admin *admin, const char *key, const char *key_type, int64_t *chain,
    struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT chain FROM binding WHERE name = ?1 AND key_type = ?2", "tt", key, key_type);
}

struct since {
	int64_t at;
	bool found;
};

static int
since_row(void *arg, sqlite3_stmt *row)
{
	struct since *since = arg;

	since->at = sqlite3_column_int64(row, 0);
	since->found = sqlite3_column_type(row, 0) != SQLITE_NULL;
	return 1;
}

int
admin_staged_since(struct admin *admin, int64_t chain, int64_t *since, struct snicert_error *err)
{
	struct since found = {0};

	/* One name without a time is enough for the chain to have none. */
	if (admin_run(admin, since_row, &found, err,
	    "SELECT since FROM staged WHERE chain = ?1 ORDER BY since IS NOT NULL, since DESC", "i",
	    chain) < 0)
		return -1;
	*since = found.found ? found.at : 0;
	return 0;
}

int
admin_staged_chains(struct admin *admin, admin_each_chain_fn *each, void *arg,
    struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE state = 'staged' AND EXISTS (SELECT 1 FROM staged WHERE staged.chain = chain.id)"
	    " ORDER BY id", "");
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

/* The leaf's digests between `prefix`00… and `prefix`ff… */
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
		    "%s is neither a chain's id nor the beginning of its fingerprint: see `snicert list`",
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

/* After a key came to it or left it. */
static int
settle(struct admin *admin, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "UPDATE chain SET state = CASE WHEN EXISTS (SELECT 1 FROM binding WHERE chain = ?1)"
	    " THEN 'active' ELSE 'retired' END"
	    " WHERE id = ?1 AND (state <> 'staged' OR EXISTS (SELECT 1 FROM binding WHERE chain = ?1))",
	    "i", chain);
}

/* One mark for all that leaves its chain in a transaction, greater than those before. */
static int
take_step(struct admin *admin, struct snicert_error *err)
{
	if (admin->step != 0)
		return 0;
	admin->step = 1;
	return admin_number(admin, &admin->step, err, "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'change'", "");
}

static int
remember(struct admin *admin, const char *key, const char *key_type, int64_t chain,
    struct snicert_error *err)
{
	if (take_step(admin, err) != 0 ||
	    admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND chain = ?3", "tti", key, key_type,
	    chain) != 0 ||
	    admin_run(admin, NULL, NULL, err,
	        "INSERT INTO former (name, key_type, sequence, chain, step)"
	        " SELECT ?1, ?2, 1 + ifnull(max(sequence), 0), ?3, ?4 FROM former"
	        " WHERE name = ?1 AND key_type = ?2", "ttii", key, key_type, chain, admin->step) != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND sequence <="
	    " (SELECT sequence FROM former WHERE name = ?1 AND key_type = ?2"
	    "  ORDER BY sequence DESC LIMIT 1 OFFSET ?3)",
	    "tti", key, key_type, (int64_t)ADMIN_FORMER_KEPT);
}

static int
key_type_row(void *arg, sqlite3_stmt *row)
{
	snprintf(arg, 16, "%s", (const char *)sqlite3_column_text(row, 0));
	return 1;
}

int
admin_bind(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	char key_type[16] = "";
	int64_t former;

	if (admin_run(admin, key_type_row, key_type, err, "SELECT key_type FROM chain WHERE id = ?1",
	    "i", chain) < 0 ||
	    admin_bound(admin, key, key_type, &former, err) != 0)
		return -1;
	if (former == chain)
		return settle(admin, chain, err);
	if (admin_may_bind(admin, key, chain, err) != 0)
		return -1;
	if (admin_run(admin, NULL, NULL, err,
	    "INSERT INTO binding (name, key_type, chain) VALUES (?1, ?2, ?3)"
	    " ON CONFLICT (name, key_type) DO UPDATE SET chain = excluded.chain",
	    "tti", key, key_type, chain) != 0 ||
	    settle(admin, chain, err) != 0 ||
	    admin_forget_former(admin, key, chain, err) != 0)
		return -1;
	if (admin_run(admin, NULL, NULL, err, "DELETE FROM staged WHERE chain = ?1 AND name = ?2", "it",
	    chain, key) != 0)
		return -1;
	if (former != 0 && (remember(admin, key, key_type, former, err) != 0 ||
	    settle(admin, former, err) != 0))
		return -1;
	return admin_log(admin, "bind", key, chain, NULL, err);
}

struct unbinding {
	struct {
		char key_type[16];
		int64_t chain;
	} each[STORE_CHAINS_MOST];
	int count;
	const char *key_type;
};

static int
unbinding_row(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct unbinding *list = arg;

	(void)key;
	if (list->count == STORE_CHAINS_MOST ||
	    (list->key_type != NULL && strcmp(list->key_type, key_type) != 0))
		return 0;
	snprintf(list->each[list->count].key_type, sizeof(list->each[0].key_type), "%s", key_type);
	list->each[list->count++].chain = chain;
	return 0;
}

int
admin_unbind(struct admin *admin, const char *key, const char *key_type, int *count,
    struct snicert_error *err)
{
	struct unbinding list = { .key_type = key_type };

	if (admin_bindings(admin, key, 0, unbinding_row, &list, err) != 0)
		return -1;
	for (int i = 0; i < list.count; i++) {
		if (admin_run(admin, NULL, NULL, err,
		    "DELETE FROM binding WHERE name = ?1 AND key_type = ?2", "tt", key,
		    list.each[i].key_type) != 0 ||
		    remember(admin, key, list.each[i].key_type, list.each[i].chain, err) != 0 ||
		    settle(admin, list.each[i].chain, err) != 0 ||
		    admin_log(admin, "unbind", key, list.each[i].chain, NULL, err) != 0)
			return -1;
	}
	if (count != NULL)
		*count = list.count;
	return 0;
}

int
admin_stage(struct admin *admin, const char *key, int64_t chain, int64_t since,
    struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "INSERT INTO staged (chain, name, since) VALUES (?1, ?2, nullif(?3, 0))"
	    " ON CONFLICT DO UPDATE SET since = excluded.since WHERE since IS NULL OR excluded.since IS NULL",
	    "iti", chain, key, since);
}

int
admin_unstage(struct admin *admin, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err, "DELETE FROM staged WHERE chain = ?1", "i", chain);
}

int
admin_forget_former(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err, "DELETE FROM former WHERE name = ?1 AND chain = ?2",
	    "ti", key, chain);
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
	return admin_prune(admin, err);
}

int
admin_prune(struct admin *admin, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err,
	    "DELETE FROM chain WHERE state = 'retired'"
	    " AND NOT EXISTS (SELECT 1 FROM former WHERE former.chain = chain.id)", "") != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM cert WHERE NOT EXISTS (SELECT 1 FROM chain_cert cc WHERE cc.cert = cert.id)", "");
}

struct loading {
	struct store_rows *rows;
	size_t at[STORE_CERTS_MOST + 1];
};

static int
keep(struct store_rows *rows, const void *data, size_t length, size_t *at)
{
	if (rows->used + length + 1 > rows->size) {
		size_t size = 2 * (rows->used + length + 1);
		unsigned char *arena = realloc(rows->arena, size);

		if (arena == NULL)
			return -1;
		rows->arena = arena;
		rows->size = size;
	}
	if (length > 0)
		memcpy(rows->arena + rows->used, data, length);
	rows->arena[rows->used + length] = '\0';
	*at = rows->used;
	rows->used += length + 1;
	return 0;
}

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
	chain->key_uri = column == 5 ? "" : NULL; /* its place is known, the text is put there below */
	loading->rows->count = 1;
	return keep(loading->rows, sqlite3_column_blob(row, column),
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
	return keep(loading->rows, sqlite3_column_blob(row, 1), cert->der.length,
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

struct rekeying {
	int64_t id;
	unsigned char identity[STORE_DIGEST_LENGTH];
	unsigned char *sealed;
	size_t length;
};

static int
rekeying_row(void *arg, sqlite3_stmt *row)
{
	struct rekeying *next = arg;
	const void *identity = sqlite3_column_blob(row, 1), *sealed = sqlite3_column_blob(row, 2);

	next->id = sqlite3_column_int64(row, 0);
	next->length = (size_t)sqlite3_column_bytes(row, 2);
	next->sealed = malloc(next->length + 1);
	if (next->sealed == NULL || identity == NULL || sealed == NULL)
		return 2;
	memcpy(next->identity, identity, STORE_DIGEST_LENGTH);
	memcpy(next->sealed, sealed, next->length);
	return 1;
}

/* One table's keys. */
static int
rekey_table(struct admin *admin, const char *select, const char *update, admin_reseal_fn *reseal,
    void *arg, int64_t *count, struct snicert_error *err)
{
	struct rekeying next = {0};

	for (;;) {
		unsigned char *out = NULL;
		size_t out_length = 0;
		int64_t last = next.id;
		int status = admin_run(admin, rekeying_row, &next, err, select, "i", last);

		if (status <= 0)
			return status;
		status = status == 2 ? error_set(err, SNICERT_EMEMORY, "no memory")
		                     : reseal(arg, next.identity, next.sealed, next.length, &out,
		                           &out_length, err);
		free(next.sealed);
		next.sealed = NULL;
		if (status == 0)
			status = admin_run(admin, NULL, NULL, err, update, "ib", next.id, out, out_length);
		OPENSSL_free(out);
		if (status != 0)
			return -1;
		++*count;
	}
}

int
admin_rekey(struct admin *admin, admin_reseal_fn *reseal, void *arg, int64_t *count,
    struct snicert_error *err)
{
	*count = 0;
	if (rekey_table(admin,
	    "SELECT id, identity, sealed_key FROM chain"
	    " WHERE id > ?1 AND sealed_key IS NOT NULL ORDER BY id LIMIT 1",
	    "UPDATE chain SET sealed_key = ?2 WHERE id = ?1", reseal, arg, count, err) != 0)
		return -1;
	return rekey_table(admin,
	    "SELECT id, identity, sealed_key FROM waiting"
	    " WHERE id > ?1 AND sealed_key IS NOT NULL ORDER BY id LIMIT 1",
	    "UPDATE waiting SET sealed_key = ?2 WHERE id = ?1", reseal, arg, count, err);
}

struct each_sealed {
	admin_each_sealed_fn *each;
	void *arg;
};

static int
sealed_row(void *arg, sqlite3_stmt *row)
{
	const struct each_sealed *to = arg;

	return to->each(to->arg, sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
}

/* By the store key's id, which seal.h says where to find. */
int
admin_sealed(struct admin *admin, admin_each_sealed_fn *each, void *arg, struct snicert_error *err)
{
	struct each_sealed to = { each, arg };
	int64_t waiting = 0;
	int status = admin_run(admin, sealed_row, &to, err,
	    "SELECT sealed_key FROM chain WHERE id IN (SELECT min(id) FROM chain WHERE sealed_key IS NOT NULL"
	    " GROUP BY substr(sealed_key, 2, 8))", "");

	/* A backup of the first release has no such table. */
	if (status == 0)
		status = admin_number(admin, &waiting, err, "SELECT 1 FROM sqlite_schema WHERE name = 'waiting'", "");
	if (status != 0 || waiting == 0)
		return status;
	return admin_run(admin, sealed_row, &to, err,
	    "SELECT sealed_key FROM waiting WHERE id IN (SELECT min(id) FROM waiting WHERE sealed_key IS NOT NULL"
	    " GROUP BY substr(sealed_key, 2, 8))", "");
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
