/* SPDX-License-Identifier: ISC */
/* test_admin.c: the store's write side, on chains that nothing could decode. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "seal.h"
#include "store/admin_log.h"
#include "store/admin_related.h"
#include "store/admin_sql.h"

static struct world *world;
static struct admin *admin;
static struct snicert_error err;

static void
setup(void)
{
	memset(&err, 0, sizeof(err));
	world = world_new();
	admin = world_admin(world);
	ck_assert_int_eq(admin_begin(admin, &err), 0);
}

static void
teardown(void)
{
	admin_close(admin);
	world_free(world);
}

/* Good, or the reason. */
static void
good(int status)
{
	ck_assert_msg(status == 0, "%s", err.text);
}

static int64_t
add(const char *names)
{
	struct fake fake = { .names = names };

	return fake_add(admin, &fake, NULL);
}

static int64_t
bound(const char *key)
{
	int64_t id;

	good(admin_bound(admin, key, "EC", &id, &err));
	return id;
}

/* The ids that an each-function tells, as "1 2 3". */
struct ids {
	char text[200];
};

static int
note_key(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct ids *ids = arg;
	size_t used = strlen(ids->text);

	ck_assert(key[0] != '\0' && key_type[0] != '\0');
	snprintf(ids->text + used, sizeof(ids->text) - used, "%s%" PRId64, used > 0 ? " " : "", chain);
	return 0;
}

static int
note_key_text(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct ids *ids = arg;
	size_t used = strlen(ids->text);

	snprintf(ids->text + used, sizeof(ids->text) - used, "%s%s/%s/%" PRId64, used > 0 ? " " : "", key,
	    key_type, chain);
	return 0;
}

static int
note_chain(void *arg, const struct admin_chain *chain)
{
	return note_key(arg, "x", chain->state, chain->id);
}

static const char *
formers(const char *key)
{
	static struct ids ids;

	ids.text[0] = '\0';
	good(admin_formers(admin, key, note_key, &ids, &err));
	return ids.text;
}

static const char *
bindings(const char *key, int64_t chain)
{
	static struct ids ids;

	ids.text[0] = '\0';
	good(admin_bindings(admin, key, chain, note_key_text, &ids, &err));
	return ids.text;
}

static const char *
chains(int64_t id, const char *state)
{
	static struct ids ids;

	ids.text[0] = '\0';
	good(admin_chains(admin, id, state, note_chain, &ids, &err));
	return ids.text;
}

static int
copy_state(void *arg, const struct admin_chain *chain)
{
	snprintf(arg, 16, "%s", chain->state);
	return 0;
}

static const char *
state(int64_t id)
{
	static char text[16];

	strcpy(text, "gone");
	good(admin_chains(admin, id, NULL, copy_state, text, &err));
	return text;
}

/* --- files ---------------------------------------------------------------- */

static unsigned
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (unsigned)(st.st_mode & 07777) : 0;
}

START_TEST(test_modes)
{
	char path[120];
	struct stat st;

	ck_assert_uint_eq(mode_of(world->store), 0600);
	umask(0);
	snprintf(path, sizeof(path), "%s/group.db", world->dir);
	good(admin_create(path, getegid(), &err));
	ck_assert_uint_eq(mode_of(path), 0640);
	/* SQLite hands the mode on to what the readers need beside it. */
	strcat(path, "-wal");
	ck_assert_uint_eq(mode_of(path), 0640);
	path[strlen(path) - 4] = '\0';
	strcat(path, "-shm");
	if (stat(path, &st) == 0)
		ck_assert_uint_eq(mode_of(path), 0640);
	umask(077);
	snprintf(path, sizeof(path), "%s/umask.db", world->dir);
	good(admin_create(path, getegid(), &err));
	ck_assert_uint_eq(mode_of(path), 0640);
}
END_TEST

START_TEST(test_create_errors)
{
	unsigned char before[32], after[32];
	char path[120];

	good(admin_commit(admin, &err));
	world_digest(world, before);
	ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESTORE);
	ck_assert_msg(strstr(err.text, "exists already: nothing was changed") != NULL, "%s", err.text);
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(admin_create("/nonexistent/store.db", (gid_t)-1, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESYSTEM);
	/* A link is not followed, a dangling one neither. */
	snprintf(path, sizeof(path), "%s/link", world->dir);
	ck_assert_int_eq(symlink("/tmp/snicert-nowhere", path), 0);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(admin_create(path, (gid_t)-1, &err), -1);
	ck_assert_int_ne(access("/tmp/snicert-nowhere", F_OK), 0);
}
END_TEST

/* The WAL of a deleted store is not taken for the new one's. */
START_TEST(test_leftovers)
{
	struct admin_totals totals;

	add("a.example");
	good(admin_commit(admin, &err));
	admin_close(admin);
	ck_assert_int_eq(unlink(world->store), 0);
	good(admin_create(world->store, (gid_t)-1, &err));
	admin = world_admin(world);
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 0);
	ck_assert_int_eq(totals.sequence, 1);
}
END_TEST

static const struct {
	const char *label;
	int how;
	int code;
	const char *text;
} unopened[] = {
	{ "not there", 0, SNICERT_ESTORE, "create one with `snicert init`" },
	{ "a directory", 1, SNICERT_ESTORE, "is not a regular file" },
	{ "garbage", 2, SNICERT_ESTORE, "not a database" },
	{ "empty", 3, SNICERT_ESTORE, "is not a snicert store" },
	{ "another application's", 4, SNICERT_ESTORE, "is not a snicert store" },
	{ "newer schema", 5, SNICERT_ESTORE, "install the newer snicert" },
	{ "others may write", 6, SNICERT_EPERM, "chmod" },
	{ "through a file", 7, SNICERT_ESYSTEM, "" },
};

START_TEST(test_open_errors)
{
	struct admin *opened = NULL;
	char path[120], text[6000];
	struct stat before, after;

	good(admin_commit(admin, &err));
	snprintf(path, sizeof(path), "%s", world->store);
	switch (unopened[_i].how) {
	case 0:
		strcat(path, ".none");
		break;
	case 1:
		snprintf(path, sizeof(path), "%s", world->dir);
		break;
	case 2:
		memset(text, 'g', sizeof(text));
		text[sizeof(text) - 1] = '\0';
		strcat(path, ".garbage");
		write_file(path, text, 0600);
		break;
	case 3:
		strcat(path, ".empty");
		write_file(path, "", 0600);
		break;
	case 4:
		world_sql(world, "PRAGMA application_id = 1");
		break;
	case 5:
		world_sql(world, "PRAGMA user_version = 99");
		break;
	case 6:
		chmod(path, 0606);
		break;
	default:
		strcat(path, "/store");
		break;
	}
	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	stat(path, &before);
	for (int mode = ADMIN_READ; mode <= ADMIN_WRITE; mode++) {
		memset(&err, 0, sizeof(err));
		ck_assert_msg(admin_open(&opened, path, (enum admin_mode)mode, &err) == -1, "%s", unopened[_i].label);
		ck_assert_msg(err.code == unopened[_i].code && strstr(err.text, unopened[_i].text) != NULL,
		    "%s: code %d, %s", unopened[_i].label, err.code, err.text);
	}
	stat(path, &after);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_eq(before.st_mtime, after.st_mtime);
}
END_TEST

START_TEST(test_read_only)
{
	struct admin *reader = NULL;

	add("a.example");
	good(admin_commit(admin, &err));
	good(admin_open(&reader, world->store, ADMIN_READ, &err));
	ck_assert_int_eq(admin_unbind(reader, "a.example", NULL, NULL, &err), 0); /* nothing to do */
	ck_assert_int_eq(admin_bind(reader, "a.example", 1, &err), -1);
	ck_assert_msg(strstr(err.text, "run as the store's owner") != NULL, "%s", err.text);
	admin_close(reader);
	admin_close(NULL);
}
END_TEST

static int
note_waiting(void *arg, const struct admin_pending_key *key)
{
	struct ids *ids = arg;
	size_t used = strlen(ids->text);

	snprintf(ids->text + used, sizeof(ids->text) - used, "%s%d/%s/%.*s/%.*s", used == 0 ? "" : " ",
	    (int)key->id, key->names, (int)key->public_length, (const char *)key->public_key,
	    (int)key->sealed_length, (const char *)key->sealed_key);
	return 0;
}

/* A store of schema 1, as the first release made it. */
static void
make_old(void)
{
	good(admin_commit(admin, &err));
	admin_close(admin);
	world_sql(world, "DROP TABLE fleet; DROP INDEX staged_rolled_back; DROP INDEX chain_staged; ALTER TABLE staged DROP COLUMN since;"
	    "DROP TABLE waiting_name; DROP TABLE waiting;"
	    "DROP INDEX chain_owner; ALTER TABLE chain DROP COLUMN owner;"
	    "DROP INDEX chain_lineage; DROP INDEX chain_subject; DROP INDEX chain_first_name;"
	    "ALTER TABLE chain DROP COLUMN lineage; ALTER TABLE former DROP COLUMN step;"
	    "ALTER TABLE chain DROP COLUMN lifetime;"
	    "DROP INDEX cert_subject_hash; ALTER TABLE cert DROP COLUMN subject_hash;"
	    "CREATE INDEX cert_subject ON cert (subject) WHERE subject IS NOT NULL;"
	    "ALTER TABLE change DROP COLUMN sudo; ALTER TABLE change DROP COLUMN pid; PRAGMA user_version = 1");
}

START_TEST(test_migrate)
{
	int64_t id = add("a.example"), since = 7;
	struct ids none = { "" };
	struct admin *reader = NULL;

	good(admin_stage(admin, "a.example", id, 1000, &err));
	make_old();
	/* Who looks and may write brings it up to date. */
	good(admin_open(&reader, world->store, ADMIN_READ, &err));
	admin_close(reader);
	admin = world_admin(world);
	good(admin_begin(admin, &err));
	good(admin_staged_since(admin, id, &since, &err));
	ck_assert_int_eq(since, 0); /* nobody knows: activated when told only */
	good(admin_pending_keys(admin, 0, note_waiting, &none, &err));
	ck_assert_str_eq(none.text, "");
	ck_assert_str_eq(chains(0, "staged"), "1");
}
END_TEST

START_TEST(test_waiting)
{
	unsigned char one[32] = "one", two[32] = "two", none[32] = "none";
	struct admin_pending_key key = { .key_type = "EC", .identity = one, .spki = one,
		.public_key = (const unsigned char *)"pub", .public_length = 3, .names = "a.example b.example",
		.sealed_key = (const unsigned char *)"sealed", .sealed_length = 6 };
	struct ids ids = { "" };
	int64_t id = 0;
	bool found = false;

	good(admin_add_pending_key(admin, &key, &id, &err));
	ck_assert_int_eq(admin_add_pending_key(admin, &key, &id, &err), -1); /* the same key */
	memset(&err, 0, sizeof(err));
	key.spki = two;
	key.names = "b.example";
	good(admin_add_pending_key(admin, &key, &id, &err));
	good(admin_pending_keys_for(admin, "b.example", note_waiting, &ids, &err));
	ck_assert_str_eq(ids.text, "1/a.example b.example/pub/sealed 2/b.example/pub/sealed");
	ids.text[0] = '\0';
	good(admin_pending_keys_for(admin, "a.example", note_waiting, &ids, &err));
	good(admin_pending_key_of(admin, two, note_waiting, &ids, &err));
	good(admin_pending_key_of(admin, none, note_waiting, &ids, &err));
	good(admin_pending_keys_for(admin, "c.example", note_waiting, &ids, &err));
	ck_assert_str_eq(ids.text, "1/a.example b.example/pub/sealed 2/b.example/pub/sealed");
	good(admin_remove_pending_key(admin, 1, &found, &err));
	ck_assert(found);
	good(admin_remove_pending_key(admin, 1, &found, &err));
	ck_assert(!found);
	ids.text[0] = '\0';
	good(admin_pending_keys(admin, 0, note_waiting, &ids, &err));
	good(admin_pending_keys(admin, 1, note_waiting, &ids, &err));
	ck_assert_str_eq(ids.text, "2/b.example/pub/sealed");
}
END_TEST

/* The WAL stays when the last writer closes: readers without write permission need it. */
START_TEST(test_wal_stays)
{
	char path[120];

	good(admin_commit(admin, &err));
	admin_close(admin);
	snprintf(path, sizeof(path), "%s-wal", world->store);
	ck_assert_int_eq(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s-shm", world->store);
	ck_assert_int_eq(access(path, F_OK), 0);
	admin = world_admin(world);
}
END_TEST

/* The file alone, as cp(1) copies it. */
static int64_t
chains_in_copy(void)
{
	struct admin_totals totals = {0};
	struct admin *copy = NULL;
	char path[120], command[300];

	snprintf(path, sizeof(path), "%s/copied", world->dir);
	snprintf(command, sizeof(command), "cp %s %s", world->store, path);
	ck_assert_int_eq(system(command), 0);
	good(admin_open(&copy, path, ADMIN_READ, &err));
	good(admin_totals(copy, &totals, &err));
	admin_close(copy);
	return totals.chains;
}

/* A server has it open, so that no last one who closes it does that anyway. */
START_TEST(test_file_alone_is_whole)
{
	struct admin *server = NULL;

	add("a.example");
	good(admin_commit(admin, &err));
	good(admin_open(&server, world->store, ADMIN_READ, &err));
	admin_close(admin);
	ck_assert_int_eq(chains_in_copy(), 1);
	admin_close(server);
	admin = world_admin(world);
}
END_TEST

START_TEST(test_wal_removed)
{
	struct admin *server = NULL, *late = NULL;
	struct admin_totals totals;
	char path[120];

	good(admin_commit(admin, &err));
	/* One that reads keeps what is committed now out of the file. */
	good(admin_open(&server, world->store, ADMIN_READ, &err));
	good(admin_snapshot(server, &err));
	good(admin_totals(server, &totals, &err));
	good(admin_begin(admin, &err));
	add("a.example");
	good(admin_commit(admin, &err));
	admin_close(admin);
	snprintf(path, sizeof(path), "%s-wal", world->store);
	ck_assert_int_eq(unlink(path), 0);
	/* Which of its pages are wanted first is SQLite's business. */
	ck_assert(admin_open(&late, world->store, ADMIN_WRITE, &err) != 0 || admin_totals(late, &totals, &err) != 0);
	ck_assert_msg(strstr(err.text, "its -wal was removed") != NULL && strstr(err.text, "snicert verify") != NULL,
	    "%s", err.text);
	memset(&err, 0, sizeof(err));
	admin_close(late);
	admin_close(server);
	/* With nobody there any more it is what the file has. */
	admin = world_admin(world);
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 0);
}
END_TEST

/* --- rows ----------------------------------------------------------------- */

START_TEST(test_add)
{
	struct fake fake = { .names = "a.example", .id = 3, .spki = 3 };
	struct admin_totals totals;
	bool existed = true;
	int64_t id = fake_add(admin, &fake, &existed);

	ck_assert(!existed);
	ck_assert_str_eq(state(id), "staged");
	ck_assert_int_eq(fake_add(admin, &fake, &existed), id);
	ck_assert(existed);
	add("b.example");
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 2);
	ck_assert_int_eq(totals.staged, 2);
	ck_assert_int_eq(totals.certs, 3); /* the intermediate once */
}
END_TEST

START_TEST(test_bind)
{
	int64_t a = add("a.example"), b = add("a.example");
	struct fake rsa = { .key_type = "RSA" };
	int64_t c = fake_add(admin, &rsa, NULL);
	char want[100];
	int count = -1;

	good(admin_bind(admin, "a.example", a, &err));
	ck_assert_str_eq(state(a), "active");
	good(admin_bind(admin, "a.example", a, &err)); /* twice is once */
	ck_assert_str_eq(formers("a.example"), "");
	good(admin_bind(admin, "a.example", c, &err));
	snprintf(want, sizeof(want), "a.example/EC/%d a.example/RSA/%d", (int)a, (int)c);
	ck_assert_str_eq(bindings("a.example", 0), want);
	good(admin_bind(admin, "a.example", b, &err));
	ck_assert_int_eq(bound("a.example"), b);
	ck_assert_str_eq(state(a), "retired");
	ck_assert_str_eq(state(b), "active");
	snprintf(want, sizeof(want), "%d", (int)a);
	ck_assert_str_eq(formers("a.example"), want);
	/* And back: the former one is none of its own formers. */
	good(admin_bind(admin, "a.example", a, &err));
	snprintf(want, sizeof(want), "%d", (int)b);
	ck_assert_str_eq(formers("a.example"), want);
	ck_assert_str_eq(state(b), "retired");
	good(admin_unbind(admin, "a.example", "EC", &count, &err));
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(bound("a.example"), 0);
	ck_assert_str_eq(state(a), "retired");
	ck_assert_str_eq(state(c), "active");
	snprintf(want, sizeof(want), "%d %d", (int)a, (int)b);
	ck_assert_str_eq(formers("a.example"), want);
	good(admin_unbind(admin, "a.example", NULL, &count, &err));
	ck_assert_int_eq(count, 1);
	good(admin_unbind(admin, "a.example", NULL, &count, &err));
	ck_assert_int_eq(count, 0);
	ck_assert_str_eq(bindings(NULL, 0), "");
}
END_TEST

START_TEST(test_two_names)
{
	int64_t a = add("a.example b.example"), b = add("a.example");
	char want[100];

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_bind(admin, "b.example", a, &err));
	good(admin_bind(admin, "@", a, &err));
	good(admin_bind(admin, "a.example", b, &err));
	ck_assert_str_eq(state(a), "active"); /* it still has the other */
	snprintf(want, sizeof(want), "@/EC/%d b.example/EC/%d", (int)a, (int)a);
	ck_assert_str_eq(bindings(NULL, a), want);
	good(admin_unbind(admin, "b.example", NULL, NULL, &err));
	ck_assert_str_eq(state(a), "active");
	good(admin_unbind(admin, "@", NULL, NULL, &err));
	ck_assert_str_eq(state(a), "retired");
}
END_TEST

START_TEST(test_formers_kept)
{
	int64_t ids[ADMIN_FORMER_KEPT + 3];
	char want[100] = "";
	size_t last = COUNT(ids) - 1;

	for (size_t i = 0; i < COUNT(ids); i++) {
		ids[i] = add("a.example");
		good(admin_bind(admin, "a.example", ids[i], &err));
	}
	for (size_t i = 1; i <= ADMIN_FORMER_KEPT; i++)
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s%d", i > 1 ? " " : "",
		    (int)ids[last - i]);
	ck_assert_str_eq(formers("a.example"), want);
	/* Those nobody remembers go, the remembered ones stay. */
	good(admin_prune(admin, &err));
	for (size_t i = 0; i < COUNT(ids); i++)
		ck_assert_msg(strcmp(state(ids[i]), i == last ? "active"
		    : i + ADMIN_FORMER_KEPT >= last ? "retired" : "gone") == 0, "chain %d is %s", (int)i,
		    state(ids[i]));
	good(admin_forget_former(admin, "a.example", ids[last - 1], &err));
	good(admin_prune(admin, &err));
	ck_assert_str_eq(state(ids[last - 1]), "gone");
}
END_TEST

START_TEST(test_prune)
{
	struct admin_totals totals;
	int64_t staged = add("s.example"), a = add("a.example");

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_prune(admin, &err));
	ck_assert_str_eq(state(staged), "staged"); /* staged is not forgotten */
	good(admin_remove(admin, a, &err));
	ck_assert_int_eq(bound("a.example"), 0);
	ck_assert_str_eq(state(a), "gone");
	good(admin_prune(admin, &err));
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 1);
	ck_assert_int_eq(totals.certs, 2); /* the intermediate is still the other's */
	good(admin_remove(admin, staged, &err));
	good(admin_commit(admin, &err)); /* which does it, too */
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.certs, 0);
	ck_assert_int_eq(totals.names, 0);
}
END_TEST

/* Whoever takes a key's last chain need not know that something is left of it. */
START_TEST(test_commit_prunes)
{
	int64_t ids[ADMIN_FORMER_KEPT + 1];
	struct admin_totals totals;

	for (size_t i = 0; i < COUNT(ids); i++) {
		ids[i] = add("a.example");
		good(admin_bind(admin, "a.example", ids[i], &err));
	}
	good(admin_commit(admin, &err));
	ck_assert_str_eq(state(ids[0]), "retired");
	good(admin_begin(admin, &err));
	good(admin_unbind(admin, "a.example", NULL, NULL, &err));
	admin_rollback(admin);
	ck_assert_str_eq(state(ids[0]), "retired");
	good(admin_begin(admin, &err));
	good(admin_unbind(admin, "a.example", NULL, NULL, &err));
	good(admin_commit(admin, &err));
	ck_assert_str_eq(state(ids[0]), "gone");
	ck_assert_str_eq(state(ids[1]), "retired");
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.certs, ADMIN_FORMER_KEPT + 1); /* their leaves, and one intermediate */
	/* What was left before anybody noted it. */
	good(admin_execute(admin, "DELETE FROM former", &err));
	good(admin_execute(admin, "DELETE FROM temp.left_chain", &err));
	good(admin_prune_all(admin, &err));
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 0);
	ck_assert_int_eq(totals.certs, 0);
}
END_TEST

/* Rows that a renewal's statements went through one by one. */
static int
renew(const char *name)
{
	int rows = 0;
	int64_t id;

	for (size_t i = 0; i < ADMIN_STATEMENTS && admin->cache[i].sql != NULL; i++)
		sqlite3_stmt_status(admin->cache[i].statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	good(admin_begin(admin, &err));
	id = add(name);
	good(admin_bind(admin, name, id, &err));
	good(admin_log(admin, "renew", name, id, NULL, &err));
	good(admin_commit(admin, &err));
	for (size_t i = 0; i < ADMIN_STATEMENTS && admin->cache[i].sql != NULL; i++)
		rows += sqlite3_stmt_status(admin->cache[i].statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
	return rows;
}

/* Where there are a million names, a renewal is to take no longer than among a few. */
START_TEST(test_renewal_of_one)
{
	char name[32];
	int few;

	good(admin_commit(admin, &err));
	for (int i = 0; i < ADMIN_FORMER_KEPT + 3; i++)
		renew("a.example");
	few = renew("a.example");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d.example", i % 100);
		renew(name);
	}
	ck_assert_int_eq(renew("a.example"), few);
}
END_TEST

START_TEST(test_remove_former)
{
	int64_t a = add("a.example"), b = add("a.example");

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_bind(admin, "a.example", b, &err));
	good(admin_remove(admin, a, &err));
	ck_assert_str_eq(formers("a.example"), "");
	ck_assert_int_eq(bound("a.example"), b);
}
END_TEST

START_TEST(test_staged)
{
	int64_t id = add("a.example b.example"), since = 0;
	struct ids ids = { "" };
	char want[100];

	good(admin_stage(admin, "b.example", id, 1000, &err));
	good(admin_stage(admin, "a.example", id, 2000, &err));
	good(admin_stage(admin, "a.example", id, 3000, &err));
	good(admin_staged(admin, id, note_key_text, &ids, &err));
	snprintf(want, sizeof(want), "a.example/EC/%d b.example/EC/%d", (int)id, (int)id);
	ck_assert_str_eq(ids.text, want);
	good(admin_staged_since(admin, id, &since, &err));
	ck_assert_int_eq(since, 2000); /* the latest name, as it came first */
	good(admin_stage(admin, "b.example", id, 0, &err));
	good(admin_staged_since(admin, id, &since, &err));
	ck_assert_int_eq(since, 0); /* one that waits for a word is enough */
	good(admin_stage(admin, "b.example", id, 4000, &err));
	good(admin_staged_since(admin, id, &since, &err));
	ck_assert_int_eq(since, 4000);
	good(admin_unstage(admin, id, &err));
	ids.text[0] = '\0';
	good(admin_staged(admin, id, note_key_text, &ids, &err));
	ck_assert_str_eq(ids.text, "");
	good(admin_bind(admin, "a.example", id, &err));
	good(admin_set_state(admin, id, "staged", &err));
	ck_assert_str_eq(state(id), "staged");
	ck_assert_int_eq(admin_set_state(admin, id, "nonsense", &err), -1);
}
END_TEST

START_TEST(test_lists)
{
	struct fake soon = { .names = "a.example", .to = 5 * DAY }, later = { .names = "a.example",
		.to = 9 * DAY }, rsa = { .names = "a.example", .key_type = "RSA", .to = 7 * DAY };
	int64_t a = fake_add(admin, &later, NULL), b = fake_add(admin, &soon, NULL),
		c = fake_add(admin, &rsa, NULL), d = add("a.example");
	const struct admin_related of = { .names = "a.example z.example" };
	struct ids ids = { "" };
	char want[100];

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_bind(admin, "b.example", b, &err));
	good(admin_bind(admin, "a.example", c, &err));
	snprintf(want, sizeof(want), "%d %d %d %d", (int)a, (int)b, (int)c, (int)d);
	ck_assert_str_eq(chains(0, NULL), want);
	snprintf(want, sizeof(want), "%d", (int)d);
	ck_assert_str_eq(chains(0, "staged"), want);
	ck_assert_str_eq(chains(0, "retired"), "");
	snprintf(want, sizeof(want), "%d", (int)c);
	ck_assert_str_eq(chains(c, NULL), want);
	ck_assert_str_eq(chains(4711, NULL), "");
	good(admin_expiring(admin, time(NULL) + 8 * DAY, note_chain, &ids, &err));
	snprintf(want, sizeof(want), "%d %d", (int)b, (int)c); /* the soonest first */
	ck_assert_str_eq(ids.text, want);
	ids.text[0] = '\0';
	good(admin_related(admin, &of, ADMIN_RELATED_NAMES, note_chain, &ids, &err));
	snprintf(want, sizeof(want), "%d %d %d", (int)a, (int)b, (int)c); /* the staged one is none */
	ck_assert_str_eq(ids.text, want);
}
END_TEST

static int
stop_at_once(void *arg, const struct admin_chain *chain)
{
	(void)chain;
	++*(int *)arg;
	return -1;
}

START_TEST(test_callback_ends)
{
	int count = 0;

	add("a.example");
	add("b.example");
	ck_assert_int_eq(admin_chains(admin, 0, NULL, stop_at_once, &count, &err), -1);
	ck_assert_int_eq(count, 1);
}
END_TEST

START_TEST(test_resolve)
{
	/* The digest of a fake leaf starts with its number, lowest octet first. */
	struct fake first = { .id = 0x00efcdab }, twin = { .id = 0x01efcdab }, digits = { .id = 0x78563412 };
	int64_t a = fake_add(admin, &first, NULL), b = fake_add(admin, &twin, NULL),
		c = fake_add(admin, &digits, NULL);
	char text[100];
	const struct {
		const char *text;
		int64_t want;           /* 0: refused, with … */
		const char *why;
	} cases[] = {
		{ "abcdef00", a, NULL }, { "ABCDEF01", b, NULL }, { "abcdef0", 0, "several" },
		{ "abcd", 0, "several" }, { "abc", 0, "there is no chain" }, { "abcdef02", 0, "there is no chain" },
		{ "12345678", c, NULL }, { "1234", c, NULL }, { "123456789", 0, "there is no chain" },
		{ "", 0, "is not a chain" }, { "xyz", 0, "is not a chain" }, { "12 34", 0, "is not a chain" }, { "-1", 0, "is not a chain" },
		{ "4711", 0, "there is no chain" }, { "99999999999999999999", 0, "there is no chain" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t id = -1;
		int status;

		memset(&err, 0, sizeof(err));
		status = admin_resolve(admin, cases[i].text, &id, &err);
		ck_assert_msg(status == (cases[i].want != 0 ? 0 : -1), "%s: got %d, %s", cases[i].text, status,
		    err.text);
		if (cases[i].want != 0)
			ck_assert_msg(id == cases[i].want, "%s: got %d", cases[i].text, (int)id);
		else
			ck_assert_msg(strstr(err.text, cases[i].why) != NULL, "%s: got %s", cases[i].text, err.text);
	}
	snprintf(text, sizeof(text), "%" PRId64, b);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(admin_resolve(admin, text, &a, &err), 0);
	ck_assert_int_eq(a, b);
	memset(text, 'a', 65);
	text[65] = '\0';
	ck_assert_int_eq(admin_resolve(admin, text, &a, &err), -1); /* longer than any digest */
}
END_TEST

/* --- transactions --------------------------------------------------------- */

START_TEST(test_savepoint)
{
	int64_t a = add("a.example"), b;

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_savepoint(admin, &err));
	b = add("b.example");
	good(admin_bind(admin, "a.example", b, &err));
	good(admin_release(admin, false, &err));
	ck_assert_int_eq(bound("a.example"), a);
	ck_assert_str_eq(state(b), "gone");
	good(admin_savepoint(admin, &err));
	b = add("b.example");
	good(admin_release(admin, true, &err));
	good(admin_commit(admin, &err));
	admin_close(admin);
	admin = world_admin(world);
	ck_assert_str_eq(state(b), "staged");
	ck_assert_int_eq(bound("a.example"), a);
}
END_TEST

START_TEST(test_rollback)
{
	unsigned char before[32], after[32];

	good(admin_commit(admin, &err));
	world_digest(world, before);
	for (int i = 0; i < 2; i++) {
		good(admin_begin(admin, &err));
		good(admin_bind(admin, "a.example", add("a.example"), &err));
		if (i == 0) {
			admin_rollback(admin);
		} else { /* closing is a roll-back, too */
			admin_close(admin);
			admin = world_admin(world);
		}
		world_digest(world, after);
		ck_assert_mem_eq(before, after, 32);
	}
	admin_rollback(admin); /* nothing to roll back */
	admin_rollback(NULL);
}
END_TEST

/* Every change is in the log, in order. */
START_TEST(test_sequence)
{
	struct admin_totals totals;
	int64_t a = add("a.example"), before;

	good(admin_totals(admin, &totals, &err));
	before = totals.sequence;
	good(admin_bind(admin, "a.example", a, &err));
	good(admin_bind(admin, "a.example", a, &err)); /* no change */
	good(admin_unbind(admin, "a.example", NULL, NULL, &err));
	good(admin_log(admin, "test", "a.example", a, "detail", &err));
	good(admin_remove(admin, a, &err));
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.sequence, before + 4);
}
END_TEST

static int
count_change(void *arg, const struct admin_change *change)
{
	(void)change;
	++*(int *)arg;
	return 0;
}

static int
changes(void)
{
	const struct admin_log_filter all = {0};
	int count = 0;

	good(admin_changes(admin, &all, count_change, &count, &err));
	return count;
}

/* The last lines go, their numbers don't. */
START_TEST(test_log_is_pruned)
{
	struct admin_totals totals;
	int before = changes();
	int64_t sequence;

	for (int i = 0; i < 3; i++)
		good(admin_log(admin, "test", NULL, 0, NULL, &err));
	good(admin_commit(admin, &err));
	ck_assert_int_eq(changes(), before + 3);
	good(admin_totals(admin, &totals, &err));
	sequence = totals.sequence;
	world_sql(world, "UPDATE change SET at = at - 364 * 86400");
	good(admin_begin(admin, &err));
	good(admin_log(admin, "test", NULL, 0, NULL, &err));
	good(admin_commit(admin, &err));
	ck_assert_int_eq(changes(), before + 4);
	admin_log_days(30);
	good(admin_begin(admin, &err));
	good(admin_log(admin, "test", NULL, 0, NULL, &err));
	good(admin_commit(admin, &err));
	admin_log_days(365);
	ck_assert_int_eq(changes(), 2);
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.sequence, sequence + 2);
}
END_TEST

START_TEST(test_totals)
{
	struct admin_totals totals;
	int64_t a = add("a.example"), b = add("b.example");

	good(admin_bind(admin, "a.example", a, &err));
	good(admin_bind(admin, "v.example", a, &err));
	good(admin_bind(admin, "@", a, &err));
	good(admin_bind(admin, "@192.0.2.1", b, &err));
	good(admin_bind(admin, "c.example", b, &err));
	good(admin_bind(admin, "c.example", a, &err));
	good(admin_unbind(admin, "@192.0.2.1", NULL, NULL, &err));
	add("s.example");
	good(admin_totals(admin, &totals, &err));
	ck_assert_int_eq(totals.chains, 3);
	ck_assert_int_eq(totals.active, 1);
	ck_assert_int_eq(totals.retired, 1);
	ck_assert_int_eq(totals.staged, 1);
	ck_assert_int_eq(totals.names, 3);
	ck_assert_int_eq(totals.fallbacks, 1);
	ck_assert_int_eq(totals.certs, 4);
}
END_TEST

/* --- care of the store ---------------------------------------------------- */

START_TEST(test_load)
{
	struct store_rows rows = {0};
	int64_t id = add("a.example");

	for (int i = 0; i < 2; i++) { /* rows are used again */
		good(admin_load(admin, id, &rows, &err));
		ck_assert_uint_eq(rows.count, 1);
		ck_assert_str_eq(rows.chains[0].key_type, "EC");
		ck_assert_uint_eq(rows.chains[0].cert_count, 2);
		ck_assert_uint_eq(rows.chains[0].certs[0].der.length, 4);
		ck_assert_mem_eq(rows.chains[0].certs[0].der.data, "leaf", 4);
		ck_assert_mem_eq(rows.chains[0].certs[1].der.data, "ca", 2);
		ck_assert_uint_eq(rows.chains[0].sealed_key.length, 6);
		ck_assert_mem_eq(rows.chains[0].sealed_key.data, "sealed", 6);
		ck_assert_ptr_null(rows.chains[0].key_uri);
	}
	ck_assert_int_eq(admin_load(admin, 4711, &rows, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESTORE);
	store_rows_free(&rows);
}
END_TEST

static int
count_issuer(void *arg, const unsigned char *der, size_t length)
{
	ck_assert_uint_eq(length, 2);
	ck_assert_mem_eq(der, "ca", 2);
	++*(int *)arg;
	return 0;
}

START_TEST(test_issuers)
{
	int count = 0;

	add("a.example");
	add("b.example");
	good(admin_issuers(admin, 0xca, count_issuer, &count, &err));
	ck_assert_int_eq(count, 1);
	good(admin_issuers(admin, 0xcb, count_issuer, &count, &err));
	ck_assert_int_eq(count, 1);
}
END_TEST

static int rekey_fails_at;

static const unsigned char fresh_key[SEAL_ID_LENGTH + 1] = "new-key!";

static int
reseal(void *arg, const unsigned char *identity, const unsigned char *sealed, size_t length,
    unsigned char **out, size_t *out_length, struct snicert_error *e)
{
	int *count = arg;

	ck_assert_ptr_nonnull(identity);
	ck_assert_uint_eq(length, 6);
	ck_assert_mem_eq(sealed, "sealed", 6);
	if (++*count == rekey_fails_at) {
		e->code = SNICERT_EKEY;
		return -1;
	}
	*out = OPENSSL_malloc(1 + SEAL_ID_LENGTH);
	(*out)[0] = '1';
	memcpy(*out + 1, fresh_key, SEAL_ID_LENGTH);
	*out_length = 1 + SEAL_ID_LENGTH;
	return 0;
}

START_TEST(test_rekey)
{
	unsigned char before[32] = "", after[32];
	struct store_rows rows = {0};
	struct admin_pending_key waiting = { .key_type = "EC", .identity = before, .spki = before,
		.public_key = before, .public_length = 3, .names = "a.example",
		.sealed_key = (const unsigned char *)"sealed", .sealed_length = 6 };
	struct ids left = { "" };
	int64_t ids[6], count = -1;
	int calls = 0;

	for (int i = 0; i < 5; i++)
		ids[i] = add("a.example");
	good(admin_add_pending_key(admin, &waiting, &ids[5], &err));
	good(admin_commit(admin, &err));
	world_digest(world, before);
	good(admin_begin(admin, &err));
	rekey_fails_at = 6;
	ck_assert_int_eq(admin_rekey(admin, fresh_key, INT64_MAX, reseal, &calls, &count, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EKEY);
	admin_rollback(admin);
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
	memset(&err, 0, sizeof(err));
	rekey_fails_at = calls = 0;
	good(admin_begin(admin, &err));
	good(admin_rekey(admin, fresh_key, 2, reseal, &calls, &count, &err));
	ck_assert_int_eq(count, 2);
	good(admin_rekey(admin, fresh_key, INT64_MAX, reseal, &calls, &count, &err));
	ck_assert_int_eq(count, 4);
	ck_assert_int_eq(calls, 6);
	good(admin_rekey(admin, fresh_key, INT64_MAX, reseal, &calls, &count, &err));
	ck_assert_int_eq(count, 0);
	good(admin_pending_keys(admin, 0, note_waiting, &left, &err));
	ck_assert_msg(strstr(left.text, "/1new-key!") != NULL, "%s", left.text);
	for (int i = 0; i < 5; i++) {
		good(admin_load(admin, ids[i], &rows, &err));
		ck_assert_uint_eq(rows.chains[0].sealed_key.length, 1 + SEAL_ID_LENGTH);
	}
	store_rows_free(&rows);
}
END_TEST

START_TEST(test_backup)
{
	unsigned char before[32], after[32];
	struct admin_totals totals;
	struct admin *copy = NULL;
	char path[120], beside[130];

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	snprintf(path, sizeof(path), "%s/backup", world->dir);
	good(admin_backup(admin, path, &err));
	ck_assert_uint_eq(mode_of(path), 0600);
	snprintf(beside, sizeof(beside), "%s-wal", path);
	ck_assert_msg(access(beside, F_OK) != 0, "the backup does not stand alone");
	good(admin_open(&copy, path, ADMIN_READ, &err));
	good(admin_totals(copy, &totals, &err));
	ck_assert_int_eq(totals.chains, 1);
	admin_close(copy);
	ck_assert_int_eq(admin_backup(admin, path, &err), -1); /* never over a file */
	ck_assert_msg(strstr(err.text, "exists already") != NULL, "%s", err.text);
	/* The same comes out of it again, the log line of the restore aside. */
	world_digest(world, before);
	memset(&err, 0, sizeof(err));
	good(admin_restore(admin, path, NULL, NULL, &err));
	world_sql(world, "DELETE FROM change WHERE what = 'restore'");
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
}
END_TEST

static void
die(void *arg, int done, int all)
{
	(void)arg;
	_exit(done == all ? 42 : 43);
}

static int
dies_in_backup(void *path)
{
	struct admin *own = world_admin(world);

	admin_on_copied(own, die, NULL);
	return admin_backup(own, path, NULL);
}

/* What is there under the backup's name is whole. */
START_TEST(test_backup_interrupted)
{
	char path[120], part[130];

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	snprintf(path, sizeof(path), "%s/backup", world->dir);
	snprintf(part, sizeof(part), "%s.part", path);
	ck_assert_int_eq(in_child(dies_in_backup, path), 42);
	ck_assert_msg(access(path, F_OK) != 0, "half a backup has a backup's name");
	ck_assert_int_eq(access(part, F_OK), 0);
	good(admin_backup(admin, path, &err));
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_msg(access(part, F_OK) != 0, "the part is left over");
}
END_TEST

START_TEST(test_restore)
{
	struct admin_totals totals;
	int64_t sequence;
	char path[120];

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	snprintf(path, sizeof(path), "%s/backup", world->dir);
	good(admin_backup(admin, path, &err));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++)
			good(admin_bind(admin, "b.example", add("b.example"), &err));
		good(admin_totals(admin, &totals, &err));
		sequence = totals.sequence;
		good(admin_restore(admin, path, NULL, NULL, &err));
		good(admin_totals(admin, &totals, &err));
		/* Who follows the log by its sequence must not see it go back. */
		ck_assert_msg(totals.sequence > sequence, "%d after %d", (int)totals.sequence, (int)sequence);
		ck_assert_int_eq(totals.chains, 1);
		ck_assert_int_ne(bound("a.example"), 0);
		ck_assert_int_eq(bound("b.example"), 0);
	}
	/* It is still a store in WAL mode with its WAL kept. */
	admin_close(admin);
	snprintf(path, sizeof(path), "%s-wal", world->store);
	ck_assert_int_eq(access(path, F_OK), 0);
	admin = world_admin(world);
}
END_TEST

static const struct {
	const char *label, *text;
} no_backups[] = {
	{ "not there", NULL },
	{ "empty", "" },
	{ "garbage", "this is longer than the header of an SQLite file, which has a hundred octets, and "
	    "so it can't be taken for an empty one or for one that is just too short to be anything." },
	{ "this very directory", "." },
	{ "newer", "99" },
};

START_TEST(test_restore_errors)
{
	unsigned char before[32], after[32];
	struct world *other = world_new();
	char path[120];

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	world_digest(world, before);
	snprintf(path, sizeof(path), "%s/backup", world->dir);
	if (_i == 4) {
		world_sql(other, "PRAGMA user_version = 99");
		snprintf(path, sizeof(path), "%s", other->store);
	} else if (_i == 3) {
		snprintf(path, sizeof(path), "%s", world->dir);
	} else if (no_backups[_i].text != NULL) {
		write_file(path, no_backups[_i].text, 0600);
	}
	ck_assert_msg(admin_restore(admin, path, NULL, NULL, &err) == -1, "%s", no_backups[_i].label);
	ck_assert_int_ne(err.code, 0);
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
	ck_assert_int_ne(bound("a.example"), 0);
	world_free(other);
}
END_TEST

/* Sound databases that bear our marks, and are no store (any more). */
static const char *const foreign[] = {
	"DROP TABLE binding", "DROP TABLE change", "ALTER TABLE chain DROP COLUMN source",
	"ALTER TABLE chain ADD COLUMN more TEXT NOT NULL DEFAULT ''", "ALTER TABLE cert RENAME TO certs",
	"DROP TABLE staged; CREATE VIEW staged AS SELECT 1 AS chain, 'a' AS name, 2 AS since",
	"CREATE TRIGGER t AFTER INSERT ON change BEGIN DELETE FROM binding; END",
	"PRAGMA user_version = 1", /* with the tables of a later one: can't be brought up to date */
	"PRAGMA user_version = 2; DROP TABLE waiting_name",
};

START_TEST(test_restore_foreign)
{
	unsigned char before[32], after[32];
	struct world *other = world_new();

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	world_digest(world, before);
	world_sql(other, "%s", foreign[_i]);
	ck_assert_msg(admin_restore(admin, other->store, NULL, NULL, &err) == -1, "%s", foreign[_i]);
	ck_assert_msg(strstr(err.text, "nothing was changed") != NULL, "%s: %s", foreign[_i], err.text);
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
	world_free(other);
}
END_TEST

static void
note_fault(void *arg, const char *fault)
{
	ck_assert_str_ne(fault, "");
	++*(int *)arg;
}

START_TEST(test_integrity)
{
	int faults = 0;

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	good(admin_integrity(admin, note_fault, &faults, &err));
	ck_assert_int_eq(faults, 0);
	world_sql(world, "PRAGMA foreign_keys = OFF; DELETE FROM chain");
	good(admin_integrity(admin, note_fault, &faults, &err));
	ck_assert_int_gt(faults, 0);
}
END_TEST

/* The store refuses, by itself, what must not be in it. */
START_TEST(test_constraints)
{
	int64_t a = add("a.example");

	ck_assert_int_eq(admin_bind(admin, "a.example", 4711, &err), -1);
	memset(&err, 0, sizeof(err));
	good(admin_bind(admin, "a.example", a, &err));
	ck_assert_int_eq(admin_set_state(admin, a, "gone", &err), -1);
	ck_assert_int_eq(bound("a.example"), a);
}
END_TEST

/* --- a full disk ---------------------------------------------------------- */

/* Fill until it fails; 0 where it failed as it should. */
static int
fill_up(struct world *on)
{
	struct snicert_error trouble = {0};
	struct admin *writer = NULL;
	int status = 0;

	if (admin_open(&writer, on->store, ADMIN_WRITE, &trouble) != 0)
		return 1;
	if (admin_begin(writer, &trouble) != 0)
		return 2;
	for (int i = 0; i < 200000 && status == 0; i++)
		status = admin_log(writer, "fill", "a.example", 0, "some text that takes up room "
		    "some text that takes up room some text that takes up room", &trouble);
	if (status == 0)
		status = admin_commit(writer, &trouble);
	if (status == 0)
		return 3;
	admin_rollback(writer);
	if (trouble.code != SNICERT_ESTORE) {
		fprintf(stderr, "code %d: %s\n", trouble.code, trouble.text);
		return 4;
	}
	admin_close(writer);
	return 0;
}

static int
fill_limited(void *arg)
{
	struct rlimit limit = { 400000, 400000 };

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 10;
	return fill_up(arg);
}

START_TEST(test_file_too_large)
{
	unsigned char before[32], after[32];
	int faults = 0;

	good(admin_bind(admin, "a.example", add("a.example"), &err));
	good(admin_commit(admin, &err));
	world_digest(world, before);
	ck_assert_int_eq(in_child(fill_limited, world), 0);
	world_digest(world, after);
	ck_assert_mem_eq(before, after, 32);
	good(admin_integrity(admin, note_fault, &faults, &err));
	ck_assert_int_eq(faults, 0);
	good(admin_bind(admin, "b.example", 1, &err)); /* and it can be written again */
}
END_TEST

#define NOT_HERE 77

static void
leave_no_room(const char *directory)
{
	static const char octets[4096];
	char path[120];
	FILE *file;

	snprintf(path, sizeof(path), "%s/filler", directory);
	file = fopen(path, "w");
	while (file != NULL && fwrite(octets, sizeof(octets), 1, file) == 1 && fflush(file) == 0)
		;
	if (file != NULL)
		fclose(file);
}

/* Of a store elsewhere: what is full is where the copy goes. */
static int
back_up_to(const char *directory, const struct world *from)
{
	struct snicert_error trouble = {0};
	struct admin *reader = NULL;
	char path[120];
	int status;

	leave_no_room(directory);
	snprintf(path, sizeof(path), "%s/backup", directory);
	if (admin_open(&reader, from->store, ADMIN_READ, &trouble) != 0)
		return 15;
	status = admin_backup(reader, path, &trouble);
	admin_close(reader);
	if (status == -1 && strstr(trouble.text, path) != NULL && access(path, F_OK) != 0)
		return 0;
	fprintf(stderr, "backup: %s\n", trouble.text);
	return 16;
}

static int
fill_disk(void *arg)
{
	unsigned char before[32], after[32];
	struct world small = { .dir = "" };
	struct snicert_error trouble = {0};
	struct admin *writer = NULL;
	int64_t id;
	int status;

	memcpy(&small, arg, sizeof(small));
	snprintf(small.store, sizeof(small.store), "%.60s/small/store.db", small.dir);
	snprintf(small.config, sizeof(small.config), "%.60s/small", small.dir);
	mkdir(small.config, 0700);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("snicert-test", small.config, "tmpfs", 0, "size=1m") != 0)
		return NOT_HERE;
	if (admin_create(small.store, (gid_t)-1, &trouble) != 0 ||
	    admin_open(&writer, small.store, ADMIN_WRITE, &trouble) != 0)
		return 11;
	if (admin_begin(writer, &trouble) != 0)
		return 12;
	id = fake_add(writer, &(struct fake){ .names = "a.example" }, NULL);
	if (admin_bind(writer, "a.example", id, &trouble) != 0 || admin_commit(writer, &trouble) != 0)
		return 13;
	admin_close(writer);
	world_digest(&small, before);
	status = fill_up(&small);
	if (status != 0)
		return status;
	world_digest(&small, after);
	return memcmp(before, after, 32) != 0 ? 14 : back_up_to(small.config, arg);
}

START_TEST(test_full_disk)
{
	char path[100];
	int status;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_full_disk: needs root\n");
		return;
	}
	status = in_child(fill_disk, world);
	if (status == NOT_HERE)
		fprintf(stderr, "SKIPPED: test_full_disk: needs the right to mount\n");
	else
		ck_assert_int_eq(status, 0);
	snprintf(path, sizeof(path), "%s/small", world->dir);
	rmdir(path);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tc = tcase_create("admin");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_modes);
	tcase_add_test(tc, test_create_errors);
	tcase_add_test(tc, test_leftovers);
	tcase_add_loop_test(tc, test_open_errors, 0, (int)COUNT(unopened));
	tcase_add_test(tc, test_read_only);
	tcase_add_test(tc, test_migrate);
	tcase_add_test(tc, test_waiting);
	tcase_add_test(tc, test_wal_stays);
	tcase_add_test(tc, test_file_alone_is_whole);
	tcase_add_test(tc, test_wal_removed);
	tcase_add_test(tc, test_add);
	tcase_add_test(tc, test_bind);
	tcase_add_test(tc, test_two_names);
	tcase_add_test(tc, test_formers_kept);
	tcase_add_test(tc, test_prune);
	tcase_add_test(tc, test_commit_prunes);
	tcase_add_test(tc, test_renewal_of_one);
	tcase_add_test(tc, test_remove_former);
	tcase_add_test(tc, test_staged);
	tcase_add_test(tc, test_lists);
	tcase_add_test(tc, test_callback_ends);
	tcase_add_test(tc, test_resolve);
	tcase_add_test(tc, test_savepoint);
	tcase_add_test(tc, test_rollback);
	tcase_add_test(tc, test_sequence);
	tcase_add_test(tc, test_log_is_pruned);
	tcase_add_test(tc, test_totals);
	tcase_add_test(tc, test_load);
	tcase_add_test(tc, test_issuers);
	tcase_add_test(tc, test_rekey);
	tcase_add_test(tc, test_backup);
	tcase_add_test(tc, test_backup_interrupted);
	tcase_add_test(tc, test_restore);
	tcase_add_loop_test(tc, test_restore_errors, 0, (int)COUNT(no_backups));
	tcase_add_loop_test(tc, test_restore_foreign, 0, (int)COUNT(foreign));
	tcase_add_test(tc, test_integrity);
	tcase_add_test(tc, test_constraints);
	tcase_add_test(tc, test_file_too_large);
	tcase_add_test(tc, test_full_disk);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
