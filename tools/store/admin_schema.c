/* SPDX-License-Identifier: ISC */
/* admin_schema.c: the tables, and upgrades from former releases. */
#include <stdio.h>

#include "error.h"
#include "store/admin_sql.h"

/* Schema 1.  Later versions are steps after it, never changes to it. */
static const char *const migrations[] = {
	"CREATE TABLE cert ("
	" id INTEGER PRIMARY KEY,"
	" sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),"
	" der BLOB NOT NULL,"
	" subject BLOB" /* of intermediates: completes chains */
	") STRICT;"
	"CREATE INDEX cert_subject ON cert (subject) WHERE subject IS NOT NULL;"

	"CREATE TABLE chain ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" identity BLOB NOT NULL UNIQUE CHECK (length(identity) = 32),"
	" state TEXT NOT NULL CHECK (state IN ('staged', 'active', 'retired')),"
	" key_type TEXT NOT NULL,"
	" spki BLOB NOT NULL CHECK (length(spki) = 32),"
	" leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	" not_before INTEGER NOT NULL,"
	" not_after INTEGER NOT NULL,"
	" names TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" created INTEGER NOT NULL,"
	" sealed_key BLOB,"
	" key_uri TEXT,"
	" CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))"
	") STRICT;"
	"CREATE INDEX chain_leaf ON chain (leaf);"
	"CREATE INDEX chain_spki ON chain (spki);"
	"CREATE INDEX chain_names ON chain (names) WHERE state = 'active';"
	"CREATE INDEX chain_expiry ON chain (not_after) WHERE state = 'active';"
	"CREATE INDEX chain_retired ON chain (id) WHERE state = 'retired';"

	"CREATE TABLE chain_cert ("
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" position INTEGER NOT NULL,"
	" cert INTEGER NOT NULL REFERENCES cert,"
	" PRIMARY KEY (chain, position)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX chain_cert_cert ON chain_cert (cert);"

	"CREATE TABLE binding ("
	" name TEXT NOT NULL,"
	" key_type TEXT NOT NULL,"
	" chain INTEGER NOT NULL REFERENCES chain,"
	" PRIMARY KEY (name, key_type)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX binding_chain ON binding (chain);"

	"CREATE TABLE staged ("
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" PRIMARY KEY (chain, name)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE former ("
	" name TEXT NOT NULL,"
	" key_type TEXT NOT NULL,"
	" sequence INTEGER NOT NULL,"
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" PRIMARY KEY (name, key_type, sequence)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX former_chain ON former (chain);"

	"CREATE TABLE change ("
	" sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at INTEGER NOT NULL,"
	" who TEXT NOT NULL,"
	" what TEXT NOT NULL,"
	" name TEXT,"
	" chain INTEGER,"
	" detail TEXT"
	") STRICT;",

	/* Keys made before their certificates; since when a chain waits to be bound. */
	"CREATE TABLE waiting ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" identity BLOB NOT NULL CHECK (length(identity) = 32),"
	" key_type TEXT NOT NULL,"
	" spki BLOB NOT NULL UNIQUE CHECK (length(spki) = 32),"
	" public_key BLOB NOT NULL,"
	" names TEXT NOT NULL,"
	" created INTEGER NOT NULL,"
	" sealed_key BLOB,"
	" key_uri TEXT,"
	" CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))"
	") STRICT;"
	"CREATE TABLE waiting_name ("
	" name TEXT NOT NULL,"
	" waiting INTEGER NOT NULL REFERENCES waiting ON DELETE CASCADE,"
	" PRIMARY KEY (name, waiting)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX waiting_name_waiting ON waiting_name (waiting);"
	"ALTER TABLE staged ADD COLUMN since INTEGER;"
	"CREATE INDEX chain_staged ON chain (id) WHERE state = 'staged';",

	/* A chain's owner; who changed what, by sudo and in which process. */
	"ALTER TABLE chain ADD COLUMN owner TEXT;"
	"CREATE INDEX chain_owner ON chain (owner) WHERE owner IS NOT NULL;"
	"ALTER TABLE change ADD COLUMN sudo TEXT;"
	"ALTER TABLE change ADD COLUMN pid INTEGER;"
	"UPDATE change SET who = substr(who, 1, instr(who, ' (sudo ') - 1),"
	" sudo = rtrim(substr(who, instr(who, ' (sudo ') + 7), ')') WHERE who LIKE '% (sudo %)';",

	/* What left its chain together; where a chain comes from; finding those it renews. */
	"ALTER TABLE former ADD COLUMN step INTEGER;"
	"ALTER TABLE chain ADD COLUMN lineage TEXT;"
	"CREATE INDEX chain_lineage ON chain (lineage) WHERE lineage IS NOT NULL;"
	"CREATE INDEX chain_subject ON chain (subject) WHERE state = 'active';"
	"CREATE INDEX chain_first_name ON chain (substr(names, 1, instr(names || ' ', ' ') - 1)) WHERE state = 'active';",

	/* Issuers by name in any encoding; a chain expires when the first of its certificates
	 * expires.  admin_date_chains() does the rest, which SQL can't express. */
	"ALTER TABLE chain ADD COLUMN lifetime INTEGER;"
	"DROP INDEX cert_subject;"
	"ALTER TABLE cert ADD COLUMN subject_hash INTEGER;"
	"CREATE INDEX cert_subject_hash ON cert (subject_hash) WHERE subject_hash IS NOT NULL;"
	/* Each import asks this per name. */
	"CREATE INDEX staged_rolled_back ON staged (name) WHERE since IS NULL;",

	/* Where the store stands in the history of its fleet; empty if it is in none. */
	"CREATE TABLE fleet ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" fleet TEXT NOT NULL,"
	" node TEXT NOT NULL,"
	" epoch INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" history BLOB NOT NULL CHECK (length(history) = 32)"
	") STRICT;",
};

#define SCHEMA_DATED 5 /* after that step */

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == STORE_SCHEMA,
    "store.h says which schema the module reads");

int
admin_migrate(struct admin *admin, struct snicert_error *err)
{
	int64_t from = 0;
	char sql[64];
	int rc;

	if (admin_execute(admin, "BEGIN IMMEDIATE", err) != 0)
		return -1;
	/* Only now: another process may have done it while we waited. */
	rc = admin_pragma(admin, "PRAGMA user_version", &from);
	if (rc != SQLITE_OK || from >= STORE_SCHEMA) {
		admin_rollback(admin);
		if (rc == SQLITE_OK && from > STORE_SCHEMA)
			return error_set(err, SNICERT_ESTORE, "store %s belongs to a newer release: install that", admin->path);
		return rc == SQLITE_OK ? 0 : admin_trouble(admin, rc, "can't be read", err);
	}
	for (int64_t i = from; i < STORE_SCHEMA; i++) {
		if (admin_execute(admin, migrations[i], err) != 0 ||
		    (i + 1 == SCHEMA_DATED && admin_date_chains(admin, err) != 0)) {
			admin_rollback(admin);
			return -1;
		}
	}
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", STORE_SCHEMA);
	/* Earlier releases left some of it behind. */
	if (admin_execute(admin, sql, err) != 0 || admin_prune_all(admin, err) != 0 || admin_prune_begin(admin, err) != 0) {
		admin_rollback(admin);
		return -1;
	}
	return admin_commit(admin, err);
}

int
admin_check_schema(struct admin *admin, enum admin_mode mode, struct snicert_error *err)
{
	int64_t application = 0, schema = 0;
	int rc = admin_pragma(admin, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = admin_pragma(admin, "PRAGMA user_version", &schema);
	if (rc != SQLITE_OK)
		return admin_trouble(admin, rc, "can't be read", err);
	if (application != STORE_APPLICATION_ID)
		return error_set(err, SNICERT_ESTORE,
		    "%s is not a snicert store: give the right path",
		    admin->path);
	if (schema > STORE_SCHEMA)
		return error_set(err, SNICERT_ESTORE,
		    "store %s has schema %lld, this release knows %d: install the newer snicert",
		    admin->path, (long long)schema, STORE_SCHEMA);
	if (schema < STORE_SCHEMA && mode == ADMIN_WRITE)
		return admin_migrate(admin, err);
	if (schema < STORE_SCHEMA)
		return error_set(err, SNICERT_ESTORE,
		    "store %s has the older schema %lld: run a command that writes, such as "
		    "`snicert verify`, as its owner", admin->path, (long long)schema);
	return 0;
}
