/* SPDX-License-Identifier: ISC */
/* admin_rekey.c: resealing all keys. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "error.h"
#include "seal.h"
#include "store/admin_sql.h"

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

/* What to do with each. */
struct resealing {
	const unsigned char *id;        /* of the store key that they get */
	int64_t most;
	admin_reseal_fn *reseal;
	void *arg;
};

/* A table's keys. */
static int
rekey_table(struct admin *admin, const char *select, const char *update, const struct resealing *to,
    int64_t *count, struct snicert_error *err)
{
	struct rekeying next = {0};

	while (*count < to->most) {
		unsigned char *out = NULL;
		size_t out_length = 0;
		int64_t last = next.id;
		int status = admin_run(admin, rekeying_row, &next, err, select, "ib", last, to->id, (size_t)SEAL_ID_LENGTH);

		if (status <= 0)
			return status;
		status = status == 2 ? error_set(err, SNICERT_EMEMORY, "no memory")
		                     : to->reseal(to->arg, next.identity, next.sealed, next.length, &out,
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
	return 0;
}

int
admin_rekey(struct admin *admin, const unsigned char *id, int64_t most, admin_reseal_fn *reseal, void *arg,
    int64_t *count, struct snicert_error *err)
{
	const struct resealing to = { id, most, reseal, arg };

	*count = 0;
	if (rekey_table(admin,
	    "SELECT id, identity, sealed_key FROM chain"
	    " WHERE id > ?1 AND sealed_key IS NOT NULL AND substr(sealed_key, 2, 8) <> ?2 ORDER BY id LIMIT 1",
	    "UPDATE chain SET sealed_key = ?2 WHERE id = ?1", &to, count, err) != 0)
		return -1;
	return rekey_table(admin,
	    "SELECT id, identity, sealed_key FROM waiting"
	    " WHERE id > ?1 AND sealed_key IS NOT NULL AND substr(sealed_key, 2, 8) <> ?2 ORDER BY id LIMIT 1",
	    "UPDATE waiting SET sealed_key = ?2 WHERE id = ?1", &to, count, err);
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

/* Grouped by the store key's id; seal.h says where it is. */
int
admin_sealed(struct admin *admin, admin_each_sealed_fn *each, void *arg, struct snicert_error *err)
{
	struct each_sealed to = { each, arg };
	int64_t waiting = 0;
	int status = admin_run(admin, sealed_row, &to, err,
	    "SELECT sealed_key FROM chain WHERE id IN (SELECT min(id) FROM chain WHERE sealed_key IS NOT NULL"
	    " GROUP BY substr(sealed_key, 2, 8))", "");

	/* A backup of the first release lacks this table. */
	if (status == 0)
		status = admin_number(admin, &waiting, err, "SELECT 1 FROM sqlite_schema WHERE name = 'waiting'", "");
	if (status != 0 || waiting == 0)
		return status;
	return admin_run(admin, sealed_row, &to, err,
	    "SELECT sealed_key FROM waiting WHERE id IN (SELECT min(id) FROM waiting WHERE sealed_key IS NOT NULL"
	    " GROUP BY substr(sealed_key, 2, 8))", "");
}
