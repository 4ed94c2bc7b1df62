/* SPDX-License-Identifier: ISC */
/*
 * fuzz_restore.c: backups to restore: damaged files, and sound databases that are
 * no store, or not one of ours any more.
 *
 * Property: a backup that is refused leaves the store as it was; one that is
 * taken leaves a store that is sound and can be worked with.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "store/admin_sql.h"

#include "shop.h"

static struct world *w;
static uint8_t base[1 << 19], changed[1 << 19];
static size_t length;
static char backup[200], original[200];

static void
close_world(void)
{
	world_free(w);
}

static void
start(void)
{
	struct snicert_error err = {0};
	struct spec chains[] = { { .cn = "a.example" }, { .cn = "*.b.example" } };
	struct admin *admin;
	FILE *file;

	harness_start();
	w = world_new();
	atexit(close_world);
	for (size_t i = 0; i < COUNT(chains); i++)
		world_add(w, &chains[i]);
	fuzz_path(backup, "backup.db");
	admin = world_admin(w);
	if (admin_backup(admin, fuzz_path(original, "original.db"), &err) != 0)
		fuzz_die("%s", err.text);
	admin_close(admin);
	file = fopen(original, "r");
	length = fread(base, 1, sizeof(base), file);
	fclose(file);
}

static const char *const changes[] = {
	"DROP TABLE binding", "DROP TABLE change", "DROP TABLE former", "DROP INDEX chain_expiry",
	"DROP TABLE waiting_name", "DELETE FROM chain", "DELETE FROM cert", "PRAGMA user_version = 2",
	"PRAGMA user_version = 1", "PRAGMA user_version = 0", "PRAGMA application_id = 1",
	"ALTER TABLE chain DROP COLUMN owner", "ALTER TABLE cert RENAME TO certs",
	"CREATE TRIGGER t AFTER INSERT ON change BEGIN DELETE FROM binding; END",
	"CREATE VIEW v AS SELECT * FROM binding",
	"DROP TABLE binding; CREATE VIEW binding AS SELECT 'a' name, 'EC' key_type, 1 chain",
	"UPDATE binding SET name = 'A..B'", "CREATE TABLE more (a)", "DELETE FROM sqlite_sequence",
	"PRAGMA encoding = 'UTF-16'", "PRAGMA journal_mode = WAL", "UPDATE chain SET sealed_key = x''",
};

static void
change(struct fuzz_input *in)
{
	sqlite3 *db = NULL;

	sqlite3_open(backup, &db);
	for (int i = 0; i < 4 && in->size > 0; i++)
		sqlite3_exec(db, changes[fuzz_octet(in) % COUNT(changes)], NULL, NULL, NULL);
	sqlite3_close(db);
}

static void
complain(void *arg, const char *fault)
{
	(void)arg;
	fuzz_die("the store after a restore: %s", fault);
}

/* All that the tool would do next. */
static void
work_with(struct admin *admin)
{
	struct snicert_error err = {0};
	struct admin_totals totals;

	if (admin_integrity(admin, complain, NULL, &err) != 0 || admin_totals(admin, &totals, &err) != 0 ||
	    admin_begin(admin, &err) != 0)
		fuzz_die("the store after a restore: %s", err.text);
	fake_add(admin, &(struct fake){ .names = "new.example" }, NULL);
	if (admin_unbind(admin, "a.example", NULL, &(int){0}, &err) != 0 || admin_prune(admin, &err) != 0)
		fuzz_die("the store after a restore: %s", err.text);
	admin_rollback(admin);
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned how = fuzz_octet(&in);
	struct snicert_error err = {0};
	unsigned char before[32], after[32];
	struct admin *admin;

	memcpy(changed, base, length);
	for (unsigned i = how & 7; i > 0 && in.size > 0; i--)
		fuzz_edit(&in, changed, length);
	fuzz_write(backup, changed, length);
	if ((how & 8) != 0)
		change(&in);
	world_digest(w, before);
	admin = world_admin(w);
	if (admin_restore(admin, backup, NULL, NULL, &err) != 0) {
		world_digest(w, after);
		if (err.code == SNICERT_OK || memcmp(before, after, sizeof(before)) != 0)
			fuzz_die("refused (%s), and the store is another", err.text);
		admin_close(admin);
	} else {
		work_with(admin);
		err.code = SNICERT_OK;
		if (admin_restore(admin, original, NULL, NULL, &err) != 0)
			fuzz_die("the store takes no sound backup any more: %s", err.text);
		admin_close(admin);
	}
	ERR_clear_error();
}

static void
seed(void)
{
	char text[2] = { 8, 0 };

	for (size_t i = 0; i < COUNT(changes); i++) {
		char name[16];

		text[1] = (char)i;
		snprintf(name, sizeof(name), "change-%zu", i);
		fuzz_seed(name, text, sizeof(text));
	}
	fuzz_seed("whole", "\0", 1);
	fuzz_seed("page", "\1\0\20\0\1\2", 6);
}

const struct fuzz_target fuzz_restore = { .name = "restore", .start = start, .one = one,
	.seed = seed, .most = 128 };
