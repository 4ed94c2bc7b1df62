/* SPDX-License-Identifier: ISC */
/*
 * test_store.c: reading the store while others write it, replace it, break it
 * and die over it.  The store knows no X509, so any octets are certificates here.
 */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/admin.h"
#include "store.h"
#include "walindex.h"

#define NOBODY 65534
#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static char root[] = "/tmp/snicert-store.XXXXXX";
static char dir[sizeof(root) + 8], path[sizeof(dir) + 16], other[sizeof(dir) + 16];

static int
remove_one(const char *victim, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(victim);
}

static void
setup_root(void)
{
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(chmod(root, 0755), 0);
}

static void
teardown_root(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Naps, in front of libc's and SQLite's: who opens the store as it is loaded takes one where it has to wait. */
static struct {
	int count;
	void (*during)(void);   /* once */
} naps;

int
nanosleep(const struct timespec *span, struct timespec *left)
{
	void (*during)(void) = naps.during;

	naps.count++;
	naps.during = NULL;
	if (during != NULL)
		during();
	return clock_nanosleep(CLOCK_MONOTONIC, 0, span, left) == 0 ? 0 : -1;
}

static int
on_sleep(sqlite3_vfs *self, int micros)
{
	const struct timespec span = { micros / 1000000, micros % 1000000 * 1000 };

	(void)self;
	nanosleep(&span, NULL);
	return micros;
}

/* Each test has an empty directory, which others may read. */
static void
setup(void)
{
	memset(&naps, 0, sizeof(naps));
	sqlite3_initialize();
	sqlite3_vfs_find(NULL)->xSleep = on_sleep;
	snprintf(dir, sizeof(dir), "%s/t", root);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/store.db", dir);
	snprintf(other, sizeof(other), "%s/other.db", dir);
}

static void
create(const char *where, gid_t group)
{
	struct snicert_error err = {0};

	ck_assert_msg(admin_create(where, group, &err) == 0, "%s", err.text);
}

static struct admin *
writer(const char *where)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;

	ck_assert_msg(admin_open(&admin, where, ADMIN_WRITE, &err) == 0, "%s", err.text);
	return admin;
}

static struct store_bytes
octets(const char *form, int number)
{
	static char texts[32][64];
	static int next;
	char *text = texts[next++ % COUNT(texts)];
	struct store_bytes bytes = { (unsigned char *)text, 0 };

	bytes.length = (size_t)snprintf(text, sizeof(texts[0]), form, number);
	return bytes;
}

/* Chain `number`: "leaf N", the intermediates "shared 1", "shared 2" …, the key "key N". */
static int64_t
add(struct admin *admin, int number, const char *key_type, size_t intermediates, const char *uri)
{
	struct admin_new_chain chain = { .key_type = key_type, .not_before = 1000 + number,
		.not_after = 2000 + number, .names = "", .subject = "", .source = "test", .key_uri = uri,
		.cert_count = 1 + intermediates };
	struct store_bytes key = octets("key %d", number), cert;
	struct snicert_error err = {0};
	int64_t id = 0;
	bool existed;

	memcpy(chain.identity, &number, sizeof(number));
	memcpy(chain.spki, &number, sizeof(number));
	if (uri == NULL) {
		chain.sealed_key = key.data;
		chain.sealed_length = key.length;
	}
	for (size_t i = 0; i <= intermediates; i++) {
		cert = i == 0 ? octets("leaf %d", number) : octets("shared %d", (int)i);
		chain.certs[i].digest[0] = (unsigned char)(i == 0 ? 'L' : 'S');
		memcpy(chain.certs[i].digest + 1, i == 0 ? &number : &(int){ (int)i }, sizeof(int));
		chain.certs[i].der = cert.data;
		chain.certs[i].length = cert.length;
		chain.certs[i].issuer = i > 0;
	}
	ck_assert_msg(admin_add(admin, &chain, &id, &existed, &err) == 0, "%s", err.text);
	return id;
}

static void
begin(struct admin *admin)
{
	struct snicert_error err = {0};

	ck_assert_msg(admin_begin(admin, &err) == 0, "%s", err.text);
}

static void
commit(struct admin *admin)
{
	struct snicert_error err = {0};

	ck_assert_msg(admin_commit(admin, &err) == 0, "%s", err.text);
}

static void
bind_key(struct admin *admin, const char *key, int64_t chain)
{
	struct snicert_error err = {0};

	ck_assert_msg(admin_bind(admin, key, chain, &err) == 0, "%s", err.text);
}

/* One commit by a writer of its own: `key` to chain `number`. */
static void
change(const char *where, const char *key, int number, const char *key_type)
{
	struct admin *admin = writer(where);

	begin(admin);
	bind_key(admin, key, add(admin, number, key_type, 2, NULL));
	commit(admin);
	admin_close(admin);
}

static void
run_sql(const char *where, const char *sql)
{
	sqlite3 *db = NULL;
	int persist = 1;
	char *message = NULL;

	ck_assert_int_eq(sqlite3_open(where, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", sql, message);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static struct name
key_of(const char *text)
{
	struct name name = { .length = strlen(text) };

	memcpy(name.text, text, name.length + 1);
	return name;
}

/* What a look-up answers: "EC:3 RSA:4", "none" or "error". */
static const char *
look(struct store *store, const char *key, struct snicert_error *err)
{
	static char text[512];
	static struct store_rows rows;
	struct name name = key_of(key);
	char *at = text;

	switch (store_lookup(store, &name, &rows, err)) {
	case STORE_NONE:
		strcpy(text, "none");
		break;
	case STORE_ERROR:
		strcpy(text, "error");
		break;
	case STORE_FOUND:
		for (size_t i = 0; i < rows.count; i++) {
			int number;

			memcpy(&number, rows.chains[i].identity, sizeof(number));
			at += sprintf(at, "%s%s:%d", i == 0 ? "" : " ", rows.chains[i].key_type, number);
		}
		break;
	}
	store_rows_free(&rows);
	return text;
}

static void
check_look(const char *label, struct store *store, const char *key, const char *want)
{
	struct snicert_error err = {0};
	const char *got = look(store, key, &err);

	ck_assert_msg(strcmp(got, want) == 0, "%s: %s: got \"%s\", want \"%s\" (%s)", label, key, got,
	    want, err.text);
	ck_assert_msg((err.code != SNICERT_OK) == (strcmp(want, "error") == 0), "%s: %s: error \"%s\"",
	    label, key, err.text);
}

static const struct {
	const char *key, *want;
} answers[] = {
	{ "mx.example", "EC:1" }, { "*.example", "RSA:2" }, { "@", "EC:1 RSA:2" },
	{ "@192.0.2.1", "EC:3" }, { "both.example", "EC:3 ED25519:4 RSA:2" }, { "none.example", "none" },
	{ "example", "none" }, { "mx.exampl", "none" }, { "mx.example.", "none" }, { "*", "none" },
	{ "%", "none" }, { "mx_example", "none" }, { "MX.EXAMPLE", "none" }, { "", "none" },
	{ "' OR '1'='1", "none" }, { "mx.example'; DROP TABLE chain; --", "none" }, { "?1", "none" },
	{ "@192.0.2.2", "none" }, { "\xff\x80", "none" },
};

static void
fill(const char *where)
{
	struct admin *admin = writer(where);
	int64_t ec, rsa;

	begin(admin);
	ec = add(admin, 1, "EC", 2, NULL);
	rsa = add(admin, 2, "RSA", 1, NULL);
	bind_key(admin, "mx.example", ec);
	bind_key(admin, "*.example", rsa);
	bind_key(admin, "@", rsa);
	bind_key(admin, "@", ec);
	ec = add(admin, 3, "EC", 0, NULL);
	bind_key(admin, "both.example", rsa);
	bind_key(admin, "both.example", add(admin, 4, "ED25519", 1, NULL));
	bind_key(admin, "both.example", ec);
	bind_key(admin, "@192.0.2.1", ec);
	add(admin, 5, "RSA", 0, NULL); /* staged, bound to nothing */
	commit(admin);
	admin_close(admin);
}

START_TEST(test_lookup)
{
	struct store *store;

	create(path, (gid_t)-1);
	fill(path);
	store = store_new(path);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < COUNT(answers); i++)
			check_look("filled", store, answers[i].key, answers[i].want);
	ck_assert_uint_eq(store_owner(store), geteuid());
	store_free(store);
	store_free(NULL);
}
END_TEST

START_TEST(test_address_fallback)
{
	static const char *const keys[] = { "mx.example", "*.example", "@", "a", "A", "?" };
	struct store *store = store_new(path);
	struct snicert_error err = {0};
	struct admin *admin;

	ck_assert_int_eq(store_has_address_fallback(store, &err), STORE_ERROR);
	ck_assert_int_ne(err.code, SNICERT_OK);
	create(path, (gid_t)-1);
	for (int i = 0; i < COUNT(keys); i++) {
		change(path, keys[i], i, "EC");
		ck_assert_msg(store_has_address_fallback(store, NULL) == STORE_NONE, "with \"%s\": got some",
		    keys[i]);
	}
	change(path, "@192.0.2.1", 9, "EC");
	ck_assert_int_eq(store_has_address_fallback(store, NULL), STORE_FOUND);
	admin = writer(path);
	begin(admin);
	ck_assert_int_eq(admin_unbind(admin, "@192.0.2.1", NULL, NULL, &err), 0);
	commit(admin);
	admin_close(admin);
	ck_assert_int_eq(store_has_address_fallback(store, NULL), STORE_NONE);
	store_free(store);
}
END_TEST

START_TEST(test_wildcard)
{
	static const char *const keys[] = { "mx.example", "@", "@*.x", "a", "*", "*-x", "*/x", "+.x", ")" };
	struct store *store = store_new(path);
	struct snicert_error err = {0};
	struct admin *admin;

	ck_assert_int_eq(store_has_wildcard(store, &err), STORE_ERROR);
	ck_assert_int_ne(err.code, SNICERT_OK);
	create(path, (gid_t)-1);
	for (int i = 0; i < COUNT(keys); i++) {
		change(path, keys[i], i, "EC");
		ck_assert_msg(store_has_wildcard(store, NULL) == STORE_NONE, "with \"%s\": got one", keys[i]);
	}
	change(path, "*.z", 20, "EC");
	ck_assert_int_eq(store_has_wildcard(store, NULL), STORE_FOUND);
	admin = writer(path);
	begin(admin);
	ck_assert_int_eq(admin_unbind(admin, "*.z", NULL, NULL, &err), 0);
	commit(admin);
	admin_close(admin);
	ck_assert_int_eq(store_has_wildcard(store, NULL), STORE_NONE);
	store_free(store);
}
END_TEST

static void
check_bytes(const char *label, struct store_bytes got, struct store_bytes want)
{
	ck_assert_msg(got.length == want.length && memcmp(got.data, want.data, want.length) == 0,
	    "%s: got \"%.*s\", want \"%.*s\"", label, (int)got.length, (const char *)got.data,
	    (int)want.length, (const char *)want.data);
}

static void
check_chain(const struct store_chain *chain, int number, size_t intermediates, const char *uri)
{
	ck_assert_msg(memcmp(chain->identity, &number, sizeof(number)) == 0, "chain %d: another", number);
	ck_assert_int_eq(chain->not_before, 1000 + number);
	ck_assert_int_eq(chain->not_after, 2000 + number);
	ck_assert_uint_eq(chain->cert_count, 1 + intermediates);
	check_bytes("leaf", chain->certs[0].der, octets("leaf %d", number));
	ck_assert_int_eq(chain->certs[0].digest[0], 'L');
	for (size_t i = 1; i <= intermediates; i++) {
		check_bytes("intermediate", chain->certs[i].der, octets("shared %d", (int)i));
		ck_assert_int_eq(chain->certs[i].digest[0], 'S');
		ck_assert_int_eq(chain->certs[i].digest[1], (int)i);
	}
	if (uri != NULL) {
		ck_assert_str_eq(chain->key_uri, uri);
		ck_assert_ptr_null(chain->sealed_key.data);
		ck_assert_uint_eq(chain->sealed_key.length, 0);
	} else {
		ck_assert_ptr_null(chain->key_uri);
		check_bytes("key", chain->sealed_key, octets("key %d", number));
	}
}

/* Types in the order of their text, each with all of its certificates in order. */
START_TEST(test_rows)
{
	static const struct {
		const char *key_type;
		size_t intermediates;
		const char *uri;
	} chains[] = {
		{ "EC", 2, NULL }, { "ED25519", 0, NULL }, { "ED448", 10, NULL }, { "ML-DSA-44", 1, NULL },
		{ "ML-DSA-65", 2, "pkcs11:object=x" }, { "ML-DSA-87", 3, NULL }, { "RSA", 5, "file:/k" },
		{ "RSA-PSS", 9, NULL }, { "SLH-DSA", 1, NULL },
	};
	struct store_rows rows = {0};
	struct store *store = store_new(path);
	struct name key = key_of("mx.example"), one = key_of("one.example");
	struct admin *admin;

	create(path, (gid_t)-1);
	admin = writer(path);
	begin(admin);
	for (int i = COUNT(chains) - 1; i >= 0; i--)
		bind_key(admin, key.text, add(admin, i, chains[i].key_type, chains[i].intermediates,
		    chains[i].uri));
	bind_key(admin, one.text, add(admin, 100, "EC", 1, NULL));
	commit(admin);
	admin_close(admin);
	/* Rows are used again, the arena having grown once. */
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(store_lookup(store, &key, &rows, NULL), STORE_FOUND);
		ck_assert_msg(rows.count == STORE_CHAINS_MOST, "chains: got %zu, want %d", rows.count,
		    STORE_CHAINS_MOST);
		for (size_t i = 0; i < rows.count; i++) {
			ck_assert_str_eq(rows.chains[i].key_type, chains[i].key_type);
			check_chain(&rows.chains[i], (int)i, chains[i].intermediates, chains[i].uri);
		}
		ck_assert_int_eq(store_lookup(store, &one, &rows, NULL), STORE_FOUND);
		ck_assert_uint_eq(rows.count, 1);
		check_chain(&rows.chains[0], 100, 1, NULL);
	}
	store_rows_free(&rows);
	ck_assert_ptr_null(rows.arena);
	store_rows_free(&rows);
	store_free(store);
}
END_TEST

/* Certificates and keys larger than the arena's first size. */
START_TEST(test_large)
{
	struct store *store = store_new(path);
	struct store_rows rows = {0};
	struct name key = key_of("mx.example");

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	run_sql(path, "UPDATE cert SET der = CAST(replace(hex(zeroblob(50000)), '00', 'x') AS BLOB)"
	    " WHERE der = CAST('leaf 1' AS BLOB);"
	    "UPDATE chain SET sealed_key = CAST(replace(hex(zeroblob(20000)), '00', 'k') AS BLOB)");
	ck_assert_int_eq(store_lookup(store, &key, &rows, NULL), STORE_FOUND);
	ck_assert_uint_eq(rows.chains[0].certs[0].der.length, 50000);
	ck_assert_int_eq(rows.chains[0].certs[0].der.data[49999], 'x');
	ck_assert_uint_eq(rows.chains[0].sealed_key.length, 20000);
	ck_assert_int_eq(rows.chains[0].sealed_key.data[0], 'k');
	check_bytes("behind", rows.chains[0].certs[2].der, octets("shared %d", 2));
	store_rows_free(&rows);
	store_free(store);
}
END_TEST

/* Rows that no admin writes: told as such, and nothing written beyond what there is room for. */
static const struct {
	const char *label, *sql, *want;
} oddities[] = {
	{ "too many certificates", "INSERT INTO chain_cert (chain, position, cert)"
	    " WITH RECURSIVE n(i) AS (VALUES (3) UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
	    " SELECT 1, i, 1 FROM n", "error" },
	{ "a short identity", "PRAGMA ignore_check_constraints = 1;"
	    "UPDATE chain SET identity = x'00'", "error" },
	{ "a short digest", "PRAGMA ignore_check_constraints = 1; UPDATE cert SET sha256 = x'00'"
	    " WHERE id = 1", "error" },
	{ "no certificates", "DELETE FROM chain_cert", "none" },
	{ "a chain that is gone", "PRAGMA foreign_keys = 0; DELETE FROM chain", "none" },
	{ "an empty certificate", "UPDATE cert SET der = x''", "EC:1" },
	{ "an empty key", "UPDATE chain SET sealed_key = x''", "EC:1" },
	{ "a long key type", "UPDATE chain SET key_type = 'A-KEY-TYPE-OF-MANY-LETTERS'",
	    "A-KEY-TYPE-OF-M:1" },
};

START_TEST(test_odd_rows)
{
	struct store *store = store_new(path);
	struct snicert_error err = {0};

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("before", store, "mx.example", "EC:1");
	run_sql(path, oddities[_i].sql);
	for (int round = 0; round < 2; round++)
		check_look(oddities[_i].label, store, "mx.example", oddities[_i].want);
	if (strcmp(oddities[_i].want, "error") == 0) {
		look(store, "mx.example", &err);
		ck_assert_msg(strstr(err.text, path) != NULL && strstr(err.text, "malformed") != NULL,
		    "%s: got \"%s\", want path and \"malformed\" in it", oddities[_i].label, err.text);
	}
	check_look(oddities[_i].label, store, "another.example", "none");
	store_free(store);
}
END_TEST

static void
check_version(const char *label, struct store *store, struct store_version *last, bool want_equal)
{
	struct store_version now;
	bool got;

	store_version(store, &now);
	got = store_version_equal(&now, last);
	ck_assert_msg(now.certain, "%s: not certain", label);
	ck_assert_msg(got == want_equal, "%s: equal: got %d, want %d", label, got, want_equal);
	*last = now;
}

static const struct {
	const char *label, *sql;
} commits[] = {
	{ "an update", "UPDATE chain SET sealed_key = x'00112233'" },
	{ "an update to the same", "UPDATE chain SET not_after = not_after" },
	{ "a checkpoint and an update",
	    "PRAGMA wal_checkpoint(TRUNCATE); UPDATE chain SET sealed_key = x'01'" },
	{ "a checkpoint of all and an update",
	    "PRAGMA wal_checkpoint(RESTART); UPDATE chain SET sealed_key = x'02'" },
	{ "an update and a checkpoint",
	    "UPDATE chain SET sealed_key = x'03'; PRAGMA wal_checkpoint(TRUNCATE)" },
	{ "vacuum", "VACUUM" },
	{ "update and vacuum", "UPDATE chain SET sealed_key = x'04'; VACUUM" },
	{ "deletion", "DELETE FROM binding" },
};

START_TEST(test_version)
{
	struct store *store = store_new(path);
	struct store_version last, now;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	store_version(store, &now);
	ck_assert_msg(!now.certain && !store_version_equal(&now, &now), "certain before it is open");
	check_look("open", store, "mx.example", "EC:1");
	store_version(store, &last);
	check_version("nothing done", store, &last, true);
	/* Looking, others' looking and others' coming and going are no change. */
	for (int i = 0; i < 10; i++) {
		struct store *reader = store_new(path);

		check_look("quiet", store, i % 2 == 0 ? "mx.example" : "none.example",
		    i % 2 == 0 ? "EC:1" : "none");
		check_look("quiet", reader, "mx.example", "EC:1");
		store_free(reader);
		check_version("quiet", store, &last, true);
	}
	for (int i = 0; i < COUNT(commits); i++) {
		run_sql(path, commits[i].sql);
		if (strstr(commits[i].sql, "UPDATE") != NULL || strstr(commits[i].sql, "DELETE") != NULL)
			check_version(commits[i].label, store, &last, false);
		/* Asked or not, it rests afterwards. */
		look(store, "mx.example", NULL);
		store_version(store, &last);
		check_version(commits[i].label, store, &last, true);
	}
	store_free(store);
}
END_TEST

#define MANY 300

/* None of many commits brings back a version that was there before. */
START_TEST(test_versions_differ)
{
	static struct store_version seen[MANY];
	struct store *store = store_new(path);
	struct admin *admin;

	create(path, (gid_t)-1);
	change(path, "mx.example", 0, "EC");
	check_look("open", store, "mx.example", "EC:0");
	admin = writer(path);
	for (int i = 0; i < MANY; i++) {
		char want[16];

		begin(admin);
		bind_key(admin, "mx.example", add(admin, i + 1, "EC", 2, NULL));
		commit(admin);
		if (i % 50 == 49) /* with another writer's checkpoint in between */
			run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
		store_version(store, &seen[i]);
		ck_assert(seen[i].certain);
		for (int j = 0; j < i; j++)
			ck_assert_msg(!store_version_equal(&seen[i], &seen[j]), "commits %d and %d are equal", j, i);
		snprintf(want, sizeof(want), "EC:%d", i + 1);
		check_look("commit", store, "mx.example", want);
	}
	admin_close(admin);
	store_free(store);
}
END_TEST

/* What is rolled back is never seen, and a savepoint's part neither. */
START_TEST(test_open_transaction)
{
	struct store *store = store_new(path), *late;
	struct admin *admin;
	struct snicert_error err = {0};

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("before", store, "mx.example", "EC:1");
	admin = writer(path);
	begin(admin);
	bind_key(admin, "mx.example", add(admin, 2, "EC", 2, NULL));
	naps.count = 0;
	check_look("uncommitted", store, "mx.example", "EC:1");
	late = store_new(path); /* opened while the writer holds its lock */
	check_look("uncommitted, new reader", late, "mx.example", "EC:1");
	ck_assert_msg(naps.count == 0, "two look-ups waited for a writer: %d naps", naps.count);
	admin_rollback(admin);
	check_look("rolled back", store, "mx.example", "EC:1");
	begin(admin);
	bind_key(admin, "mx.example", add(admin, 3, "EC", 2, NULL));
	ck_assert_int_eq(admin_savepoint(admin, &err), 0);
	bind_key(admin, "mx.example", add(admin, 4, "EC", 2, NULL));
	ck_assert_int_eq(admin_release(admin, false, &err), 0);
	check_look("uncommitted", store, "mx.example", "EC:1");
	commit(admin);
	check_look("committed", store, "mx.example", "EC:3");
	check_look("committed, new reader", late, "mx.example", "EC:3");
	admin_close(admin);
	store_free(late);
	store_free(store);
}
END_TEST

static int
take_first(void *arg, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	*(int *)arg = atoi(values[0]);
	return 0;
}

/* A reader between look-ups holds up no checkpoint: the WAL would grow without end. */
START_TEST(test_checkpoint)
{
	struct store *store = store_new(path);
	sqlite3 *db = NULL;
	int busy = -1;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("open", store, "mx.example", "EC:1");
	check_look("open", store, "none.example", "none");
	store_has_address_fallback(store, NULL);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", take_first, &busy, NULL);
	ck_assert_msg(busy == 0, "checkpoint busy: got %d, want 0", busy);
	sqlite3_close(db);
	check_look("checkpointed", store, "mx.example", "EC:1");
	store_free(store);
}
END_TEST

/* Whoever cuts a mapped file short kills who looks at it: nothing of the store's is mapped. */
START_TEST(test_nothing_mapped)
{
	struct store *store = store_new(path);
	char line[4096];
	FILE *maps;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("open", store, "mx.example", "EC:1");
	maps = fopen("/proc/self/maps", "r");
	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		ck_assert_msg(strstr(line, dir) == NULL, "mapped: %s", line);
	fclose(maps);
	store_free(store);
}
END_TEST

/* Whoever cuts the index short, over and over, while this process makes one: nobody dies of it. */
START_TEST(test_cut_while_made)
{
	struct store *store = store_new(path);
	char index[sizeof(path) + 8];
	int status = 0;
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	snprintf(index, sizeof(index), "%s-shm", path);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 2000; i++) {
			struct store *other_store = store_new(path);

			store_open(other_store, NULL);
			store_free(other_store);
		}
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		ck_assert_int_eq(truncate(index, 0), 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with status %#x", (unsigned)status);
	check_look("cut short", store, "mx.example", "EC:1");
	change(path, "mx.example", 2, "EC");
	check_look("changed", store, "mx.example", "EC:2");
	store_free(store);
}
END_TEST

#define MARKS_AT 100    /* of readers, behind the headers: "WAL-mode file format", section 2.2 */
#define HEADER_AT 8     /* a word of the header that each commit changes */

/*
 * Who takes the writers' lock and finds a good index after all writes nothing: a reader may have set
 * its mark since, and without that mark a checkpoint overtakes it.  What was made is written.
 */
START_TEST(test_index_found_good)
{
	struct store *store = store_new(path); /* registers the VFS */
	struct admin *admin;
	sqlite3_vfs *vfs;
	sqlite3_file *file;
	void volatile *region = NULL;
	unsigned char mark[4] = { 1, 2, 3, 4 }, got[4] = {0};
	char index[sizeof(path) + 8];
	int fd, flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("open", store, "mx.example", "EC:1");
	admin = writer(path); /* uses the index, so that it is worth something */
	snprintf(index, sizeof(index), "%s-shm", path);
	fd = open(index, O_RDWR | O_CLOEXEC);
	vfs = sqlite3_vfs_find(walindex_maker_vfs());
	ck_assert_ptr_nonnull(vfs);
	file = calloc(1, (size_t)vfs->szOsFile);
	ck_assert_int_eq(vfs->xOpen(vfs, path, file, flags, NULL), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xShmMap(file, 0, 32768, 1, &region), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	ck_assert_int_eq(pwrite(fd, mark, sizeof(mark), MARKS_AT + 8), sizeof(mark));
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	ck_assert_int_eq(pread(fd, got, sizeof(got), MARKS_AT + 8), sizeof(got));
	ck_assert_msg(memcmp(got, mark, sizeof(mark)) == 0, "a reader's mark is lost");
	/* And one that was made. */
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	((unsigned char volatile *)region)[HEADER_AT] ^= 1;
	((unsigned char volatile *)region)[MARKS_AT + 8] = 9;
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	ck_assert_int_eq(pread(fd, got, sizeof(got), MARKS_AT + 8), sizeof(got));
	ck_assert_int_eq(got[0], 9);
	file->pMethods->xShmUnmap(file, 0);
	file->pMethods->xClose(file);
	free(file);
	admin_close(admin);
	store_free(store);
}
END_TEST

START_TEST(test_replaced)
{
	struct store *store = store_new(path);
	struct store_version before, after;
	char tail[sizeof(other) + 8];

	ck_assert(store_moved(store));
	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("first", store, "mx.example", "EC:1");
	ck_assert(!store_moved(store));
	store_version(store, &before);
	/* Another file under the same name. */
	create(other, (gid_t)-1);
	change(other, "mx.example", 2, "RSA");
	ck_assert(!store_moved(store));
	run_sql(other, "PRAGMA wal_checkpoint(TRUNCATE)");
	for (int i = 0; i < 2; i++) {
		snprintf(tail, sizeof(tail), "%s%s", path, i == 0 ? "-wal" : "-shm");
		unlink(tail);
	}
	ck_assert_int_eq(rename(other, path), 0);
	ck_assert_msg(store_moved(store), "a replaced file went unnoticed");
	ck_assert_int_eq(store_open(store, NULL), 0);
	ck_assert(!store_moved(store));
	store_version(store, &after);
	ck_assert_msg(!store_version_equal(&before, &after), "another file has an equal version");
	check_look("replaced", store, "mx.example", "RSA:2");
	change(path, "mx.example", 3, "RSA");
	check_look("replaced and changed", store, "mx.example", "RSA:3");
	/* Gone: the open one still serves. */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_msg(!store_moved(store), "a deleted file counts as moved");
	check_look("deleted", store, "mx.example", "RSA:3");
	ck_assert_int_eq(store_open(store, NULL), 0);
	/* And made anew, by the tool. */
	create(path, (gid_t)-1);
	ck_assert_msg(store_moved(store), "a file made anew went unnoticed");
	check_look("made anew", store, "mx.example", "none");
	change(path, "mx.example", 4, "EC");
	check_look("made anew and filled", store, "mx.example", "EC:4");
	store_free(store);
}
END_TEST

/* A file that can't be trusted in the store's place: the good one is not given up for it. */
START_TEST(test_replaced_by_unsafe)
{
	struct store *store = store_new(path);

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	change(path, "only.example", 1, "EC");
	check_look("first", store, "mx.example", "EC:1");
	create(other, (gid_t)-1);
	change(other, "mx.example", 2, "RSA");
	ck_assert_int_eq(chmod(other, 0666), 0);
	ck_assert_int_eq(rename(other, path), 0);
	ck_assert_int_eq(store_open(store, NULL), -1);
	ck_assert(store_is_open(store));
	check_look("unsafe", store, "mx.example", "EC:1");
	check_look("unsafe", store, "only.example", "EC:1");
	run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
	ck_assert_int_eq(chmod(path, 0600), 0);
	check_look("fixed", store, "mx.example", "RSA:2");
	store_free(store);
}
END_TEST

/* Removed, by hand or by a copy: who writes next makes others, which ours is not to miss. */
START_TEST(test_companions_removed)
{
	struct store *store = store_new(path);
	char tail[sizeof(path) + 8];

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("first", store, "mx.example", "EC:1");
	run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(tail, sizeof(tail), "%s%s", path, _i == 0 ? "-wal" : "-shm");
	ck_assert_int_eq(unlink(tail), 0);
	ck_assert_msg(store_moved(store), "%s is gone, unnoticed", tail);
	check_look("removed", store, "mx.example", "EC:1");
	ck_assert_msg(!store_moved(store), "opened again and again");
	change(path, "mx.example", 2, "EC");
	check_look("changed", store, "mx.example", "EC:2");
	store_free(store);
}
END_TEST

/* What may lie at the path, and what the error tells of it. */
enum wrong {
	MISSING, NO_DIRECTORY, EMPTY, GARBAGE, FOREIGN, NEWER, OLDER, NO_TABLES, CUT_HEADER, DIRECTORY,
	FIFO, UNSAFE, LOOP, WRONGS
};

static const struct {
	const char *label, *want;
} wrongs[WRONGS] = {
	[MISSING] = { "missing", "No such file" },
	[NO_DIRECTORY] = { "no directory", "Not a directory" },
	[EMPTY] = { "empty", "is not a snicert store" },
	[GARBAGE] = { "garbage", "not a database" },
	[FOREIGN] = { "another application's", "is not a snicert store" },
	[NEWER] = { "of a newer schema", "newer snicert" },
	[OLDER] = { "of an older schema", "snicert verify" },
	[NO_TABLES] = { "without tables", "tables" },
	[CUT_HEADER] = { "cut within the header", "" },
	[DIRECTORY] = { "a directory", "not a regular file" },
	[FIFO] = { "a FIFO", "not a regular file" },
	[UNSAFE] = { "of unsafe mode", "chmod o-w" },
	[LOOP] = { "a loop of links", "symbolic links" },
};

static void
make_wrong(enum wrong what)
{
	FILE *out;

	switch (what) {
	case MISSING:
	case WRONGS:
		break;
	case NO_DIRECTORY:
		snprintf(path, sizeof(path), "%s/file/x.db", dir);
		snprintf(other, sizeof(other), "%s/file", dir);
		out = fopen(other, "w");
		fclose(out);
		break;
	case EMPTY:
	case GARBAGE:
		out = fopen(path, "w");
		for (int i = 0; i < 20000 && what == GARBAGE; i++)
			fputc('a' + i % 26, out);
		fclose(out);
		chmod(path, 0600);
		break;
	case FOREIGN:
		run_sql(path, "PRAGMA journal_mode = WAL; PRAGMA application_id = 1; PRAGMA user_version = 1;"
		    "CREATE TABLE binding (x)");
		chmod(path, 0600);
		break;
	case NEWER:
	case OLDER:
		create(path, (gid_t)-1);
		run_sql(path, what == NEWER ? "PRAGMA user_version = 99" : "PRAGMA user_version = 0");
		break;
	case NO_TABLES:
		create(path, (gid_t)-1);
		run_sql(path, "PRAGMA foreign_keys = 0; DROP TABLE binding");
		break;
	case CUT_HEADER:
		create(path, (gid_t)-1);
		run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
		ck_assert_int_eq(truncate(path, 60), 0);
		break;
	case DIRECTORY:
		ck_assert_int_eq(mkdir(path, 0755), 0);
		break;
	case FIFO:
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	case UNSAFE:
		create(path, (gid_t)-1);
		chmod(path, 0606);
		break;
	case LOOP:
		ck_assert_int_eq(symlink(path, path), 0);
		break;
	}
}

static int
count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(test_wrong)
{
	struct store *store;
	struct snicert_error err = {0};
	struct store_version version;
	const char *label = wrongs[_i].label;
	int before;

	make_wrong((enum wrong)_i);
	store = store_new(path);
	before = count_fds();
	alarm(20);
	for (int round = 0; round < 3; round++)
		check_look(label, store, "mx.example", "error");
	alarm(0);
	ck_assert_int_eq(store_open(store, &err), -1);
	ck_assert_msg(strstr(err.text, path) != NULL && strstr(err.text, wrongs[_i].want) != NULL,
	    "%s: got \"%s\", want path and \"%s\" in it", label, err.text, wrongs[_i].want);
	ck_assert_msg(err.code == SNICERT_ESTORE || err.code == SNICERT_ESYSTEM ||
	        err.code == SNICERT_EPERM, "%s: code: got %d", label, err.code);
	ck_assert_int_eq(store_has_address_fallback(store, NULL), STORE_ERROR);
	ck_assert(store_moved(store));
	ck_assert_uint_eq(store_owner(store), (uid_t)-1);
	store_version(store, &version);
	ck_assert(!version.certain);
	ck_assert_msg(count_fds() == before, "%s: fds: got %d, want %d", label, count_fds(), before);
	/* Once a good one is there, it serves. */
	if (_i != NO_DIRECTORY) {
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		ck_assert_int_eq(mkdir(dir, 0755), 0);
		create(path, (gid_t)-1);
		change(path, "mx.example", 1, "EC");
		check_look("fixed", store, "mx.example", "EC:1");
	}
	store_free(store);
}
END_TEST

/* A store that the tool has not yet brought up to date is served as it is. */
START_TEST(test_former_schemas)
{
	struct store *store;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	store = store_new(path);
	for (int schema = STORE_SCHEMA_OLDEST; schema <= STORE_SCHEMA; schema++) {
		char sql[60];

		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", schema);
		run_sql(path, sql);
		check_look(sql, store, "mx.example", "EC:1");
		store_free(store);
		store = store_new(path);
	}
	store_free(store);
}
END_TEST

#define NAMES 300

static void
fill_many(const char *where)
{
	struct admin *admin = writer(where);

	begin(admin);
	for (int i = 0; i < NAMES; i++) {
		char key[32];

		snprintf(key, sizeof(key), "mx%d.example", i);
		bind_key(admin, key, add(admin, i, "EC", 2, NULL));
	}
	commit(admin);
	admin_close(admin);
	run_sql(where, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Right or an error, for each name; returns how many errors. */
static int
look_at_all(const char *label, struct store *store)
{
	int errors = 0;

	for (int i = 0; i < NAMES; i++) {
		char key[32], want[32];
		struct snicert_error err = {0};
		const char *got;

		snprintf(key, sizeof(key), "mx%d.example", i);
		snprintf(want, sizeof(want), "EC:%d", i);
		got = look(store, key, &err);
		if (strcmp(got, "error") != 0)
			ck_assert_msg(strcmp(got, want) == 0, "%s: %s: got \"%s\", want \"%s\"", label, key, got,
			    want);
		else
			ck_assert_msg(err.code != SNICERT_OK && strstr(err.text, path) != NULL, "%s: got \"%s\"",
			    label, err.text);
		errors += strcmp(got, "error") == 0;
	}
	return errors;
}

START_TEST(test_cut)
{
	struct store *store = store_new(path);
	struct stat st;

	create(path, (gid_t)-1);
	fill_many(path);
	ck_assert_int_eq(look_at_all("whole", store), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	store_free(store);
	for (int part = 15; part >= 0; part -= 3) {
		char label[32];

		snprintf(label, sizeof(label), "%d/16 left", part);
		ck_assert_int_eq(truncate(path, st.st_size / 16 * part), 0);
		store = store_new(path);
		ck_assert_msg(look_at_all(label, store) > 0, "%s: not one error", label);
		store_free(store);
	}
}
END_TEST

/* Octets changed at random: any answer, but one that keeps to the bounds, and no crash. */
START_TEST(test_damaged)
{
	unsigned seed = 42;
	unsigned char *whole;
	struct stat st;
	FILE *file;

	create(path, (gid_t)-1);
	fill_many(path);
	ck_assert_int_eq(stat(path, &st), 0);
	whole = malloc((size_t)st.st_size);
	file = fopen(path, "r");
	ck_assert_uint_eq(fread(whole, 1, (size_t)st.st_size, file), (size_t)st.st_size);
	fclose(file);
	for (int round = 0; round < 60; round++) {
		struct store *store = store_new(path);
		struct store_rows rows = {0};

		file = fopen(path, "r+");
		fwrite(whole, 1, (size_t)st.st_size, file);
		for (int i = 0; i < 40; i++) {
			fseek(file, (i < 2 ? rand_r(&seed) % 4096 : rand_r(&seed)) % st.st_size, SEEK_SET);
			fputc(rand_r(&seed) & 0xff, file);
		}
		fclose(file);
		for (int i = 0; i < NAMES; i += 7) {
			char text[32];
			struct name key;

			snprintf(text, sizeof(text), "mx%d.example", i);
			key = key_of(text);
			if (store_lookup(store, &key, &rows, NULL) != STORE_FOUND)
				continue;
			ck_assert_uint_le(rows.count, STORE_CHAINS_MOST);
			for (size_t j = 0; j < rows.count; j++)
				ck_assert_uint_le(rows.chains[j].cert_count, STORE_CERTS_MOST);
		}
		store_rows_free(&rows);
		store_free(store);
	}
	free(whole);
}
END_TEST

/* A child's verdict: 0, or the step that failed. */
static void
check_child(const char *label, pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: step %d of the child failed%s",
	    label, WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? " (signal)" : "");
}

static void
ask(int fd)
{
	char go = 'g';

	ck_assert_int_eq(write(fd, &go, 1), 1);
}

static bool
told(int fd)
{
	char go;

	return read(fd, &go, 1) == 1;
}

/* Both ends of two pipes: to the child, and back. */
struct line {
	int to[2], back[2];
};

static void
line_open(struct line *line)
{
	ck_assert_int_eq(pipe(line->to), 0);
	ck_assert_int_eq(pipe(line->back), 0);
}

/* In a child: what the handlers of a fork tell it. */
static void
forked(struct store *store)
{
	store_before_fork(store);
	store_after_fork(store, true);
}

static int
forked_child(struct store *store, const struct line *line)
{
	struct store_version version;

	forked(store);
	store_version(store, &version);
	if (version.certain || !store_moved(store))
		return 1;
	if (strcmp(look(store, "mx.example", NULL), "EC:1") != 0)
		return 2;
	store_version(store, &version);
	if (!version.certain || store_moved(store))
		return 3;
	if (write(line->back[1], "x", 1) != 1 || !told(line->to[0]))
		return 4;
	if (strcmp(look(store, "mx.example", NULL), "EC:2") != 0)
		return 5;
	store_free(store);
	if (write(line->back[1], "x", 1) != 1 || !told(line->to[0]))
		return 6;
	return 0;
}

START_TEST(test_fork)
{
	struct store *store = store_new(path);
	struct line line;
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	if (_i == 1) /* or before its first use */
		check_look("before", store, "mx.example", "EC:1");
	line_open(&line);
	child = fork();
	if (child == 0)
		_exit(forked_child(store, &line));
	ck_assert(told(line.back[0]));
	check_look("parent", store, "mx.example", "EC:1");
	change(path, "mx.example", 2, "EC");
	check_look("parent", store, "mx.example", "EC:2");
	ask(line.to[1]);
	ck_assert(told(line.back[0]));
	/* The child has closed its own: the parent's locks are in place, its header is true. */
	change(path, "mx.example", 3, "EC");
	check_look("parent after the child's close", store, "mx.example", "EC:3");
	run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
	change(path, "mx.example", 4, "EC");
	check_look("parent after a checkpoint", store, "mx.example", "EC:4");
	ask(line.to[1]);
	check_child("fork", child);
	check_look("parent alone", store, "mx.example", "EC:4");
	store_free(store);
}
END_TEST

/*
 * What a process that writes or closes holds for microseconds, or for as long as it has to
 * wait for a core: here until it is told to let go.
 */
static const struct lock {
	const char *label, *tail;
	int64_t start, length;
} locks[] = {
	{ "the file, while another closes it", "", 0x40000000, 1 },
	{ "the index, while another makes it", "-shm", 120, 8 },
	{ "the marks of readers", "-shm", 123, 5 },
};

struct locker {
	struct line line;
	pid_t pid;
};

static void
hold(const struct lock *what, const struct line *line)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = what->start, .l_len = what->length };
	char file[sizeof(path) + 8];
	int fd;

	snprintf(file, sizeof(file), "%s%s", path, what->tail);
	fd = open(file, O_RDWR | O_CLOEXEC);
	for (; fcntl(fd, F_SETLK, &lock) == 0; lock.l_type = F_UNLCK)
		if (write(line->back[1], "x", 1) != 1 || !told(line->to[0]))
			break;
	_exit(1);
}

static void
locker_start(struct locker *locker, const struct lock *what)
{
	line_open(&locker->line);
	locker->pid = fork();
	if (locker->pid == 0)
		hold(what, &locker->line);
	ck_assert_msg(told(locker->line.back[0]), "can't lock %s", what->label);
}

static void
locker_lets_go(const struct locker *locker)
{
	if (write(locker->line.to[1], "x", 1) != 1 || !told(locker->line.back[0]))
		_exit(3);
}

static void
locker_stop(const struct locker *locker)
{
	ck_assert_int_eq(kill(locker->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(locker->pid, NULL, 0), locker->pid);
}

static struct locker closing;

static void
let_go(void)
{
	locker_lets_go(&closing);
}

/* The first time is as the host is loaded, which may be the one chance of a process in a chroot. */
START_TEST(test_loaded_while_another_closes)
{
	struct store *store = store_new(path);

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	locker_start(&closing, &locks[0]);
	naps.during = let_go;
	check_look("loaded while another closes", store, "mx.example", "EC:1");
	ck_assert_int_gt(naps.count, 0);
	locker_stop(&closing);
	store_free(store);
}
END_TEST

/* 0, or the step that failed: a handshake is told at once that there is no store, and the next has it. */
static int
look_past(struct store *store, const struct locker *locker)
{
	naps.count = 0;
	if (strcmp(look(store, "mx.example", NULL), "error") != 0)
		return 1;
	if (naps.count != 0)
		return 2;
	locker_lets_go(locker);
	return strcmp(look(store, "mx.example", NULL), "EC:1") != 0 ? 4 : 0;
}

/* The store comes after the server, or is opened again by a child. */
START_TEST(test_no_nap_when_opened_later)
{
	struct store *store = store_new(path), *other_process = store_new(path);
	struct locker locker;
	pid_t child;

	if (_i % 2 == 0)
		check_look("loaded without a store", store, "mx.example", "error");
	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	if (_i % 2 == 1)
		check_look("loaded", store, "mx.example", "EC:1");
	check_look("somebody has it open", other_process, "mx.example", "EC:1");
	locker_start(&locker, &locks[_i / 2]);
	child = fork();
	if (child == 0) {
		forked(other_process);
		store_drop_inherited(other_process);
		forked(store);
		_exit(look_past(store, &locker));
	}
	check_child(locks[_i / 2].label, child);
	locker_stop(&locker);
	store_free(other_process);
	store_free(store);
}
END_TEST

/* Nor where it is open, has moved on, and cannot be read just now. */
START_TEST(test_no_nap_when_open)
{
	struct store *store = store_new(path);
	struct locker locker;
	int step;

	create(path, (gid_t)-1);
	check_look("loaded", store, "mx.example", "none");
	change(path, "mx.example", 1, "EC");
	locker_start(&locker, &locks[2]);
	step = look_past(store, &locker);
	ck_assert_msg(step == 0, "step %d failed", step);
	locker_stop(&locker);
	store_free(store);
}
END_TEST

/* An index that is not to be made: nothing is, and SQLite is told so. */
static sqlite3_file *
maker_opens(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(walindex_maker_vfs());
	sqlite3_file *file = vfs == NULL ? NULL : calloc(1, (size_t)vfs->szOsFile);

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(vfs->xOpen(vfs, path, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, NULL), SQLITE_OK);
	return file;
}

static void
maker_refused(const char *label)
{
	sqlite3_file *file = maker_opens();
	void volatile *region = NULL;
	int rc = file->pMethods->xShmMap(file, 0, 32768, 1, &region);

	ck_assert_msg(rc == SQLITE_CANTOPEN && region == NULL, "%s: %d", label, rc);
	rc = file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
	ck_assert_msg(rc == SQLITE_IOERR_SHMLOCK, "%s: a lock: %d", label, rc);
	file->pMethods->xClose(file);
	free(file);
}

START_TEST(test_index_not_made)
{
	struct store *store = store_new(path); /* registers the VFS */
	char index[sizeof(path) + 8], away[sizeof(path) + 8], another[sizeof(path) + 8];
	void volatile *region = NULL;
	struct locker locker;
	sqlite3_file *file;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("open", store, "mx.example", "EC:1");
	store_free(store);
	snprintf(index, sizeof(index), "%s-shm", path);
	snprintf(away, sizeof(away), "%s-away", path);
	snprintf(another, sizeof(another), "%s-another", path);
	ck_assert_int_eq(rename(index, away), 0);
	ck_assert_int_eq(close(open(another, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	ck_assert_int_eq(link(another, index), 0);
	maker_refused("another name of a file");
	unlink(index);
	ck_assert_int_eq(symlink(another, index), 0);
	maker_refused("a link");
	unlink(index);
	ck_assert_int_eq(mkdir(index, 0700), 0);
	maker_refused("a directory");
	rmdir(index);
	unlink(another);
	ck_assert_int_eq(rename(away, index), 0);
	/* Readers' marks are not moved, and who makes it is alone. */
	file = maker_opens();
	ck_assert_int_eq(file->pMethods->xShmMap(file, 0, 32768, 1, &region), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xShmLock(file, 4, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_BUSY);
	locker_start(&locker, &locks[1]);
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_BUSY);
	locker_stop(&locker);
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE), SQLITE_OK);
	file->pMethods->xShmUnmap(file, 0);
	file->pMethods->xClose(file);
	free(file);
	/* Without the store's file nobody knows whose it would be. */
	ck_assert_int_eq(unlink(index), 0);
	file = maker_opens();
	ck_assert_int_eq(rename(path, away), 0);
	ck_assert_int_eq(file->pMethods->xShmMap(file, 0, 32768, 1, &region), SQLITE_CANTOPEN);
	ck_assert_int_ne(access(index, F_OK), 0);
	ck_assert_int_eq(rename(away, path), 0);
	file->pMethods->xClose(file);
	free(file);
}
END_TEST

/* A child that never says so, as it makes no look-up, must not harm the parent by ending. */
START_TEST(test_fork_and_exit)
{
	struct store *store = store_new(path);
	struct store_version last;

	create(path, (gid_t)-1);
	change(path, "mx.example", 0, "EC");
	check_look("before", store, "mx.example", "EC:0");
	for (int i = 1; i <= 20; i++) {
		pid_t child = fork();
		char want[16];

		if (child == 0) {
			if (i % 2 == 0) {
				forked(store);
				store_free(store);
			}
			_exit(0);
		}
		check_child("exit", child);
		store_version(store, &last);
		change(path, "mx.example", i, "EC");
		check_version("after a child", store, &last, false);
		snprintf(want, sizeof(want), "EC:%d", i);
		check_look("after a child", store, "mx.example", want);
	}
	store_free(store);
}
END_TEST

/* With the file gone a child has nothing to open: it must not use the parent's connection. */
static int
orphan(struct store *store)
{
	struct snicert_error err = {0};

	forked(store);
	for (int i = 0; i < 3; i++)
		if (strcmp(look(store, "mx.example", &err), "error") != 0)
			return 1;
	if (strstr(err.text, path) == NULL)
		return 2;
	store_free(store);
	return 0;
}

START_TEST(test_fork_without_file)
{
	struct store *store = store_new(path);
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("before", store, "mx.example", "EC:1");
	ck_assert_int_eq(unlink(path), 0);
	child = fork();
	if (child == 0)
		_exit(orphan(store));
	check_child("orphan", child);
	check_look("parent", store, "mx.example", "EC:1");
	store_free(store);
}
END_TEST

static bool
become_nobody(void)
{
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

static int
stranger(struct store *store, const struct line *line, bool open_first)
{
	struct store_version last, now;

	if (open_first && store_open(store, NULL) != 0)
		return 1;
	if (!become_nobody())
		return 2;
	if (access(path, W_OK) == 0 || access(dir, W_OK) == 0)
		return 4;
	store_version(store, &last);
	/* Only now may the first commit come. */
	if (write(line->back[1], "x", 1) != 1)
		return 3;
	for (int i = 1; i <= 20; i++) {
		char want[16];

		if (!told(line->to[0]))
			return 5;
		store_version(store, &now);
		if (now.certain && last.certain && store_version_equal(&now, &last))
			return 6;
		snprintf(want, sizeof(want), "EC:%d", i);
		if (strcmp(look(store, "mx.example", NULL), want) != 0)
			return 10 + i;
		/* Who could never write has no index to trust while no writer is there. */
		store_version(store, &last);
		if (open_first && !last.certain)
			return 7;
		if (write(line->back[1], "x", 1) != 1)
			return 8;
	}
	return 0;
}

/* A reader of another user, with no write permission on file or directory, sees each commit. */
START_TEST(test_other_user)
{
	struct store *store = store_new(path);
	struct line line;
	pid_t child;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_other_user: needs root\n");
		store_free(store);
		return;
	}
	create(path, NOBODY);
	change(path, "mx.example", 0, "EC");
	line_open(&line);
	child = fork();
	if (child == 0) {
		close(line.to[1]);
		close(line.back[0]);
		_exit(stranger(store, &line, _i == 1));
	}
	close(line.to[0]);
	close(line.back[1]);
	signal(SIGPIPE, SIG_IGN);
	if (!told(line.back[0]))
		check_child("before the first commit", child);
	for (int i = 1; i <= 20; i++) {
		change(path, "mx.example", i, "EC");
		if (i % 5 == 0)
			run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
		if (i % 7 == 0)
			run_sql(path, "VACUUM");
		if (write(line.to[1], "g", 1) != 1 || !told(line.back[0]))
			break;
	}
	check_child(_i == 1 ? "opened as root" : "opened as nobody", child);
	store_free(store);
}
END_TEST

/* What the reader and the writers of test_killed_writer have done so far. */
static struct done {
	atomic_ulong looks, good, commits;
} *done;

/* All in one transaction: EC and RSA always of the same round. */
static void
write_for_ever(void)
{
	struct admin *admin = NULL;
	int64_t ids[2][2];

	if (admin_open(&admin, path, ADMIN_WRITE, NULL) != 0)
		_exit(1);
	begin(admin);
	for (int i = 0; i < 2; i++) {
		ids[i][0] = add(admin, 1 + i, "EC", 2, NULL);
		ids[i][1] = add(admin, 11 + i, "RSA", 3, NULL);
	}
	commit(admin);
	for (int i = 0;; i++) {
		begin(admin);
		admin_bind(admin, "mx.example", ids[i % 2][0], NULL);
		for (int j = 0; j < 20; j++)
			admin_log(admin, "filler", "mx.example", 0, "a line that makes the transaction longer", NULL);
		admin_bind(admin, "mx.example", ids[i % 2][1], NULL);
		commit(admin);
		atomic_fetch_add(&done->commits, 1);
	}
}

/*
 * Look until told to stop.  What went wrong: 0 nothing, 1 half a transaction,
 * 2 an equal version of other content.  An error is none: whoever holds a lock may
 * have to wait for a core, and nobody waits for it here.
 */
static int
look_while_killed(int stop)
{
	struct store *store = store_new(path);
	struct store_version cached = {0}, before, after;
	char byte, content[64] = "";
	int status = 0;

	fcntl(stop, F_SETFL, fcntl(stop, F_GETFL) | O_NONBLOCK);
	while (status == 0 && read(stop, &byte, 1) < 0) {
		const char *got;

		store_version(store, &before);
		got = look(store, "mx.example", NULL);
		store_version(store, &after);
		atomic_fetch_add(&done->looks, 1);
		if (strcmp(got, "error") == 0)
			continue;
		if (strcmp(got, "EC:1 RSA:11") != 0 && strcmp(got, "EC:2 RSA:12") != 0)
			status = 1;
		atomic_fetch_add(&done->good, 1);
		if (!store_version_equal(&before, &after))
			continue;
		/* What a cache would have answered. */
		if (store_version_equal(&before, &cached) && strcmp(got, content) != 0)
			status = 2;
		cached = before;
		snprintf(content, sizeof(content), "%s", got);
	}
	store_free(store);
	return status;
}

/* False where it takes a minute. */
static bool
await(atomic_ulong *count, unsigned long least)
{
	const struct timespec moment = { .tv_nsec = 300000 };

	for (int i = 0; i < 200000 && atomic_load(count) < least; i++)
		nanosleep(&moment, NULL);
	return atomic_load(count) >= least;
}

/* Each is killed somewhere after some commits, and while somebody has looked. */
static void
kill_writers(int rounds)
{
	bool good = true;

	for (int i = 0; i < rounds && good; i++) {
		unsigned long before = atomic_load(&done->commits), looks = atomic_load(&done->looks);
		pid_t child = fork();

		if (child == 0)
			write_for_ever();
		good = await(&done->commits, before + 1 + (unsigned long)i % 4) && await(&done->looks, looks + 10);
		kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		/* The dead hold no locks: of what is looked for from now on, all is found. */
		good = good && await(&done->good, atomic_load(&done->good) + 2);
	}
	ck_assert_msg(good, "%lu commits and %lu looks, %lu of them good, and no more", atomic_load(&done->commits),
	    atomic_load(&done->looks), atomic_load(&done->good));
}

START_TEST(test_killed_writer)
{
	int stop[2];
	struct admin *admin;
	pid_t reader;

	if (_i == 1 && geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_killed_writer as another user: needs root\n");
		return;
	}
	done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(done != MAP_FAILED);
	create(path, _i == 1 ? NOBODY : (gid_t)-1);
	admin = writer(path);
	begin(admin);
	bind_key(admin, "mx.example", add(admin, 1, "EC", 2, NULL));
	bind_key(admin, "mx.example", add(admin, 11, "RSA", 3, NULL));
	commit(admin);
	admin_close(admin);
	ck_assert_int_eq(pipe(stop), 0);
	reader = fork();
	if (reader == 0) {
		close(stop[1]);
		if (_i == 1 && !become_nobody())
			_exit(9);
		_exit(look_while_killed(stop[0]));
	}
	kill_writers(20);
	ask(stop[1]);
	check_child(_i == 1 ? "another user's reader" : "reader", reader);
	munmap(done, sizeof(*done));
}
END_TEST

/* With each of fds 0-2 closed: they stay so, and no database is on them. */
static int
low_fds(int closed)
{
	struct store *store = store_new(path);

	for (int low = 0; low <= 2; low++)
		if ((closed & (1 << low)) != 0)
			close(low);
	if (strcmp(look(store, "mx.example", NULL), "EC:1") != 0)
		return 1;
	for (int low = 0; low <= 2; low++)
		if ((fcntl(low, F_GETFD) >= 0) != ((closed & (1 << low)) == 0))
			return 2;
	store_free(store);
	return 0;
}

START_TEST(test_low_fds)
{
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	child = fork();
	if (child == 0)
		_exit(low_fds(_i));
	check_child("low fds", child);
}
END_TEST

#define HOST_FDS 64

/* As a host that becomes a daemon: all that it did not open is closed, and the numbers are its own. */
static void
become_daemon(void)
{
	int pair[2];

	for (int fd = 3; fd < HOST_FDS; fd++)
		close(fd);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

/* How many of the host's sockets are still there. */
static int
host_sockets(void)
{
	struct stat st;
	int count = 0;

	for (int fd = 3; fd < 35; fd++)
		count += fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	return count;
}

static int
daemon_child(struct store *store, bool forks)
{
	struct store_version version;

	if (forks)
		forked(store);
	become_daemon();
	if (!store_moved(store))
		return 1;
	store_version(store, &version);
	if (version.certain)
		return 2;
	for (int i = 2; i < 5; i++) {
		char want[16];

		snprintf(want, sizeof(want), "EC:%d", i);
		change(path, "mx.example", i, "EC");
		if (strcmp(look(store, "mx.example", NULL), want) != 0)
			return 10 + i;
	}
	store_version(store, &version);
	if (!version.certain || store_moved(store))
		return 3;
	store_free(store);
	return host_sockets() == 32 ? 0 : 4;
}

START_TEST(test_host_closes_all)
{
	struct store *store = store_new(path);
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("loaded", store, "mx.example", "EC:1");
	child = fork();
	if (child == 0)
		_exit(daemon_child(store, _i == 1));
	check_child("a host that closes all", child);
	store_free(store);
}
END_TEST

/* In a chroot there is nothing to open again: nobody asks the host's sockets for pages of the store. */
START_TEST(test_host_closes_all_without_path)
{
	struct store *store = store_new(path);
	pid_t child;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	check_look("loaded", store, "mx.example", "EC:1");
	child = fork();
	if (child == 0) {
		become_daemon();
		ck_assert_int_eq(unlink(path), 0);
		if (strcmp(look(store, "mx.example", NULL), "error") != 0)
			_exit(1);
		store_free(store);
		_exit(host_sockets() == 32 ? 0 : 2);
	}
	check_child("a host that closes all", child);
	store_free(store);
}
END_TEST

/* backup and restore go through, and are seen by who looks all the time. */
START_TEST(test_restore)
{
	struct store *store = store_new(path);
	struct store_version last;
	struct snicert_error err = {0};
	struct admin *admin;

	create(path, (gid_t)-1);
	change(path, "mx.example", 1, "EC");
	admin = writer(path);
	ck_assert_msg(admin_backup(admin, other, &err) == 0, "%s", err.text);
	admin_close(admin);
	change(path, "mx.example", 2, "EC");
	check_look("after the backup", store, "mx.example", "EC:2");
	store_version(store, &last);
	admin = writer(path);
	ck_assert_msg(admin_restore(admin, other, NULL, NULL, &err) == 0, "%s", err.text);
	admin_close(admin);
	check_version("restored", store, &last, false);
	check_look("restored", store, "mx.example", "EC:1");
	ck_assert(!store_moved(store));
	change(path, "mx.example", 3, "EC");
	check_look("restored and changed", store, "mx.example", "EC:3");
	store_free(store);
}
END_TEST

/* A backup in the store's place is not in WAL mode: it serves, its changes are seen,
 * and no WAL index is opened beside it, which would stay open for ever. */
START_TEST(test_backup_in_place)
{
	struct store *store = store_new(path);
	struct store_version version;
	struct snicert_error err = {0};
	struct admin *admin;
	char index[sizeof(path) + 8];
	int before = count_fds();

	create(other, (gid_t)-1);
	change(other, "mx.example", 1, "EC");
	admin = writer(other);
	ck_assert_msg(admin_backup(admin, path, &err) == 0, "%s", err.text);
	admin_close(admin);
	snprintf(index, sizeof(index), "%s-shm", path);
	for (int i = 1; i < 4; i++) {
		char sql[128], want[16];

		snprintf(want, sizeof(want), "EC:%d", i);
		check_look("a backup", store, "mx.example", want);
		store_version(store, &version);
		ck_assert_msg(!version.certain, "nothing tells of its changes");
		ck_assert_int_eq(access(index, F_OK), -1);
		snprintf(sql, sizeof(sql), "UPDATE chain SET identity = x'%02x%062d'", (unsigned)i + 1, 0);
		run_sql(path, sql);
	}
	store_free(store);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, setup_root, teardown_root);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_lookup);
	tcase_add_test(tc, test_address_fallback);
	tcase_add_test(tc, test_wildcard);
	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_large);
	tcase_add_loop_test(tc, test_odd_rows, 0, COUNT(oddities));
	tcase_add_test(tc, test_version);
	tcase_add_test(tc, test_versions_differ);
	tcase_add_test(tc, test_open_transaction);
	tcase_add_test(tc, test_checkpoint);
	tcase_add_test(tc, test_nothing_mapped);
	tcase_add_test(tc, test_cut_while_made);
	tcase_add_test(tc, test_index_found_good);
	tcase_add_test(tc, test_index_not_made);
	tcase_add_test(tc, test_replaced);
	tcase_add_test(tc, test_replaced_by_unsafe);
	tcase_add_loop_test(tc, test_companions_removed, 0, 2);
	tcase_add_loop_test(tc, test_wrong, 0, WRONGS);
	tcase_add_test(tc, test_former_schemas);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_damaged);
	tcase_add_loop_test(tc, test_fork, 0, 2);
	tcase_add_test(tc, test_loaded_while_another_closes);
	tcase_add_loop_test(tc, test_no_nap_when_opened_later, 0, 2 * COUNT(locks));
	tcase_add_test(tc, test_no_nap_when_open);
	tcase_add_test(tc, test_fork_and_exit);
	tcase_add_test(tc, test_fork_without_file);
	tcase_add_loop_test(tc, test_other_user, 0, 2);
	tcase_add_loop_test(tc, test_killed_writer, 0, 2);
	tcase_add_loop_test(tc, test_low_fds, 0, 8);
	tcase_add_loop_test(tc, test_host_closes_all, 0, 2);
	tcase_add_test(tc, test_host_closes_all_without_path);
	tcase_add_test(tc, test_restore);
	tcase_add_test(tc, test_backup_in_place);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
