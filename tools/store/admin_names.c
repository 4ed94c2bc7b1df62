/* SPDX-License-Identifier: ISC */
/* admin_names.c: one pass over names or certificates; holds nothing. */
#include "store/admin_names.h"
#include "store/admin_sql.h"

struct pass {
	int (*name)(void *arg, const char *name, int64_t chain);
	int (*certificate)(void *arg, const struct admin_certificate *);
	void *arg;
};

static const char *
text(sqlite3_stmt *row, int column)
{
	const unsigned char *octets = sqlite3_column_text(row, column);

	return octets != NULL ? (const char *)octets : "";
}

static int
name_row(void *arg, sqlite3_stmt *row)
{
	const struct pass *pass = arg;

	return pass->name(pass->arg, text(row, 0), sqlite3_column_int64(row, 1));
}

int
admin_each_name(struct admin *admin, int (*each)(void *arg, const char *name, int64_t chain), void *arg,
    struct snicert_error *err)
{
	struct pass pass = { .name = each, .arg = arg };

	/* In the table's order: no sort.  '@' starts the fallbacks: see admin_status.c. */
	return admin_run(admin, name_row, &pass, err,
	    "SELECT name, max(chain) FROM binding WHERE name NOT BETWEEN '@' AND 'A' GROUP BY name", "");
}

static int
certificate_row(void *arg, sqlite3_stmt *row)
{
	const struct pass *pass = arg;
	struct admin_certificate certificate = {
		.chain = sqlite3_column_int64(row, 0),
		.staged = sqlite3_column_int64(row, 1) != 0,
		.not_after = sqlite3_column_int64(row, 2),
		.leaf = sqlite3_column_blob(row, 3),
		.names = text(row, 4),
	};

	return pass->certificate(pass->arg, &certificate);
}

int
admin_each_certificate(struct admin *admin, int (*each)(void *arg, const struct admin_certificate *), void *arg,
    struct snicert_error *err)
{
	struct pass pass = { .certificate = each, .arg = arg };

	return admin_run(admin, certificate_row, &pass, err,
	    "SELECT id, state = 'staged', not_after, leaf, names FROM chain WHERE state <> 'retired'", "");
}

int
admin_chain_of_name(struct admin *admin, const char *key, int64_t *chain, struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err, "SELECT max(chain) FROM binding WHERE name = ?1", "t", key);
}
