/* SPDX-License-Identifier: ISC */
/* test_lookup.c: what is bound to a key, while the store moves on. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "../harness.h"
#include "chain_internal.h"
#include "lookup_internal.h"
#include "store/keyfile.h"
#include "store.h"

/*
 * The test's own clock, in front of libc's, which is asked all the same.  The coarse one, which
 * the module goes by, stands still once it is told to, and goes on when the test says so; the one
 * that a file's age is told by runs ahead.
 */
static struct {
	bool still;
	struct timespec at;
	time_t ahead;
} coarse;
static time_t files_are_older;  /* seconds */

/* The clock that a fork's work is measured by: nanoseconds that go by between two looks at it. */
static int64_t fork_step;

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	static int (*libc)(clockid_t, struct timespec *);
	static int64_t fork_time;
	int status;

	if (libc == NULL)
		*(void **)&libc = dlsym(RTLD_NEXT, "clock_gettime");
	status = libc(clock, out);
	if (clock == CLOCK_MONOTONIC_COARSE && coarse.still)
		*out = coarse.at;
	if (clock == CLOCK_MONOTONIC_COARSE)
		out->tv_sec += coarse.ahead;
	if (clock == CLOCK_MONOTONIC) {
		fork_time += fork_step;
		*out = (struct timespec){ .tv_sec = fork_time / 1000000000, .tv_nsec = fork_time % 1000000000 };
	}
	if (clock == CLOCK_REALTIME)
		out->tv_sec += files_are_older;
	return status;
}

static void
stop_clock(void)
{
	clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse.at);
	coarse.still = true;
}

static struct world *world;
static struct config *config;
static struct log *log_;
static struct lookup *lookup;
static struct lines lines;

static void
open_lookup(void)
{
	struct snicert_error err = {0};

	ck_assert_int_eq(config_read(&config, world->config, CONFIG_STRICT, &err), 0);
	log_ = log_new(LOG_TARGET_NONE, 0, LOG_DEBUG);
	memset(&lines, 0, sizeof(lines));
	log_set_sink(log_, lines_sink, &lines);
	lookup = lookup_new(config, log_);
	ck_assert_ptr_nonnull(lookup);
}

static void
close_lookup(void)
{
	lookup_free(lookup);
	log_free(log_);
	config_free(config);
}

static void
setup(void)
{
	world = world_new();
	open_lookup();
}

static void
teardown(void)
{
	close_lookup();
	world_free(world);
}

static uint64_t
decodes(void)
{
	uint64_t hits, count;

	lookup_counts(lookup, &hits, &count);
	return count;
}

static uint64_t
hits(void)
{
	uint64_t count, other;

	lookup_counts(lookup, &count, &other);
	return count;
}

static int64_t
add(const char *cn)
{
	struct spec spec = { .cn = cn };

	return world_add(world, &spec);
}

/* As one handshake does.  The common name of the first chain, "none", or "error". */
static const char *
find(const char *text)
{
	static _Thread_local char cn[64];
	struct answer *answer = NULL;
	struct name key;

	if (text[0] == '@')
		name_fallback(&key, text[1] == '\0' ? NULL : text + 1);
	else
		ck_assert(name_normalise_pattern(&key, text, strlen(text)));
	lookup_refresh(lookup);
	switch (lookup_find(lookup, &key, &answer)) {
	case LOOKUP_FOUND:
		cert_cn(chain_leaf(answer_chains(answer)[0]), cn, sizeof(cn));
		answer_unref(answer);
		return cn;
	case LOOKUP_NONE:
		ck_assert_ptr_null(answer);
		return "none";
	default:
		ck_assert_ptr_null(answer);
		return "error";
	}
}

START_TEST(test_outcomes)
{
	struct spec both = { .cn = "a.example", .kind = KEY_RSA };
	struct answer *answer = NULL;
	struct name key;

	add("a.example");
	world_add(world, &both);
	add("*.b.example");
	world_bind(world, "@", add("fallback.example"));
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("*.b.example"), "*.b.example");
	ck_assert_str_eq(find("x.b.example"), "none"); /* candidates are the hook's affair */
	ck_assert_str_eq(find("@"), "fallback.example");
	ck_assert_str_eq(find("@127.0.0.1"), "none");
	name_normalise(&key, "a.example", 9);
	ck_assert_int_eq(lookup_find(lookup, &key, &answer), LOOKUP_FOUND);
	ck_assert_uint_eq(answer_count(answer), 2);
	answer_unref(answer);
}
END_TEST

/* A commit on one name costs the others nothing but a look at the store. */
START_TEST(test_commit_keeps_the_others)
{
	char name[64];
	uint64_t before;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		add(name);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		ck_assert_str_eq(find(name), name);
	}
	before = decodes();
	ck_assert_uint_eq(before, 20);
	for (int round = 0; round < 5; round++) {
		world_bind(world, "other.example", add("other.example"));
		for (int i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "n%d.example", i);
			ck_assert_str_eq(find(name), name);
		}
	}
	ck_assert_uint_eq(decodes(), before);
	/* A chain under a second name is not decoded again, either. */
	world_sql(world, "INSERT INTO binding SELECT 'second.example', key_type, chain FROM binding"
	    " WHERE name = 'n3.example'");
	ck_assert_str_eq(find("second.example"), "n3.example");
	ck_assert_uint_eq(decodes(), before);
}
END_TEST

START_TEST(test_hits)
{
	uint64_t before;

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("nobody.example"), "none");
	before = hits();
	for (int i = 0; i < 100; i++) {
		ck_assert_str_eq(find("a.example"), "a.example");
		ck_assert_str_eq(find("nobody.example"), "none");
	}
	ck_assert_uint_eq(hits(), before + 200);
	ck_assert_uint_eq(decodes(), 1);
}
END_TEST

/* In the same process. */
START_TEST(test_next_find)
{
	const char *names[2] = { "even.example", "odd.example" };
	struct snicert_error err = {0};
	int64_t ids[2] = { add(names[0]), add(names[1]) };
	struct admin *admin = world_admin(world);

	for (int i = 0; i < 2; i++) /* held under these names, however often it flips */
		ck_assert_str_eq(find(names[i]), names[i]);
	for (int i = 0; i < 1000; i++) {
		int status = admin_begin(admin, &err);

		if (i % 5 == 4)
			status |= admin_unbind(admin, "flip.example", NULL, NULL, &err);
		else
			status |= admin_bind(admin, "flip.example", ids[i % 2], &err);
		ck_assert_msg((status | admin_commit(admin, &err)) == 0, "%s", err.text);
		ck_assert_msg(strcmp(find("flip.example"), i % 5 == 4 ? "none" : names[i % 2]) == 0,
		    "stale after commit %d: got %s", i, find("flip.example"));
	}
	ck_assert_uint_eq(decodes(), 2);
	admin_close(admin);
}
END_TEST

/* Sent by one, answered by the other: nothing is seen before nor missed after. */
struct ping {
	int to_child[2], to_parent[2];
	int64_t ids[2];
};

static int
commit_on_request(struct ping *ping, const struct world *w)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	char which;

	if (admin_open(&admin, w->store, ADMIN_WRITE, &err) != 0)
		return 1;
	while (read(ping->to_child[0], &which, 1) == 1 && which != 'q') {
		if (admin_begin(admin, &err) != 0 ||
		    admin_bind(admin, "flip.example", ping->ids[(int)which], &err) != 0 ||
		    admin_commit(admin, &err) != 0 || write(ping->to_parent[1], "k", 1) != 1)
			return 2;
	}
	admin_close(admin);
	return 0;
}

START_TEST(test_next_find_another_process)
{
	const char *names[2] = { "even.example", "odd.example" };
	struct ping ping = { .ids = { add(names[0]), add(names[1]) } };
	int status = 0;
	pid_t child;
	char octet;

	ck_assert(pipe(ping.to_child) == 0 && pipe(ping.to_parent) == 0);
	ck_assert_str_eq(find("flip.example"), "none");
	for (int i = 0; i < 2; i++)
		ck_assert_str_eq(find(names[i]), names[i]);
	child = fork();
	if (child == 0)
		_exit(commit_on_request(&ping, world));
	for (int i = 0; i < 1000; i++) {
		octet = (char)(i % 2);
		ck_assert_int_eq(write(ping.to_child[1], &octet, 1), 1);
		ck_assert_int_eq(read(ping.to_parent[0], &octet, 1), 1);
		ck_assert_msg(strcmp(find("flip.example"), names[i % 2]) == 0, "stale after commit %d: got %s",
		    i, find("flip.example"));
	}
	ck_assert_int_eq(write(ping.to_child[1], "q", 1), 1);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(decodes(), 2);
}
END_TEST

/* Invented names push no chain out, and no more of them are kept than fit. */
START_TEST(test_unknown_bounded)
{
	char name[64];
	uint64_t before;

	close_lookup();
	world_configure(world, "cache { memory = 1M }");
	open_lookup();
	add("a.example");
	find("a.example");
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "invented-%d.example", i);
		ck_assert_str_eq(find(name), "none");
	}
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_uint_eq(decodes(), 1);
	before = hits();
	ck_assert_str_eq(find("invented-19999.example"), "none"); /* the latest is remembered */
	ck_assert_uint_eq(hits(), before + 1);
	ck_assert_str_eq(find("invented-0.example"), "none");     /* the first no more */
	ck_assert_uint_eq(hits(), before + 1);
}
END_TEST

/* A chain that the cache has no room for is decoded again, and served. */
START_TEST(test_chains_bounded)
{
	char name[64];

	close_lookup();
	world_configure(world, "cache { memory = 1M }");
	open_lookup();
	for (int i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		add(name);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 120; i++) {
			snprintf(name, sizeof(name), "n%d.example", i);
			ck_assert_str_eq(find(name), name);
		}
	ck_assert_uint_gt(decodes(), 120);
	ck_assert_uint_le(decodes(), 240);
}
END_TEST

START_TEST(test_store_recreated)
{
	struct snicert_error err = {0};

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	world_remove_store(world);
	ck_assert_str_eq(find("a.example"), "a.example"); /* what is open serves on */
	ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), 0);
	world_tick();
	ck_assert_str_eq(find("a.example"), "none");
	add("b.example");
	ck_assert_str_eq(find("b.example"), "b.example");
	for (int i = 0; i < 20; i++) {
		world_remove_store(world);
		ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), 0);
		world_tick();
		ck_assert_str_eq(find("a.example"), "none");
		add("a.example");
		ck_assert_str_eq(find("a.example"), "a.example");
	}
}
END_TEST

/* The tool may run before the module's first look, or long after. */
START_TEST(test_store_comes_late)
{
	struct snicert_error err = {0};

	close_lookup();
	world_remove_store(world);
	open_lookup();
	ck_assert_str_eq(find("a.example"), "error");
	ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), 0);
	ck_assert_str_eq(find("a.example"), "none");
	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
}
END_TEST

START_TEST(test_rekey)
{
	char name[64];

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	for (int i = 0; i < 6; i++) {
		world_rekey(world);
		ck_assert_str_eq(find("a.example"), "a.example");
		/* Sealed under the new key, and not in the cache. */
		snprintf(name, sizeof(name), "n%d.example", i);
		add(name);
		ck_assert_str_eq(find(name), name);
	}
	ck_assert_int_eq(lines.count > 0 && strstr(lines.text, "skipped") != NULL, 0);
}
END_TEST

/* A look-up between two steps of a rekey. */
START_TEST(test_rekey_half_way)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(&err);

	add("a.example");
	add("b.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_int_eq(seal_read(seal, world->key, (uid_t)-1, &err), 0);
	ck_assert_int_eq(keyfile_append(world->key, seal, &(off_t){0}, &err), 0);
	ck_assert_str_eq(find("b.example"), "b.example"); /* still under the old one */
	seal_free(seal);
}
END_TEST

START_TEST(test_restore)
{
	struct snicert_error err = {0};
	struct admin *admin;
	char backup[100];

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	snprintf(backup, sizeof(backup), "%s/backup", world->dir);
	admin = world_admin(world);
	ck_assert_msg(admin_backup(admin, backup, &err) == 0, "%s", err.text);
	add("b.example");
	world_unbind(world, "a.example");
	ck_assert_str_eq(find("a.example"), "none");
	ck_assert_str_eq(find("b.example"), "b.example");
	ck_assert_msg(admin_restore(admin, backup, NULL, NULL, &err) == 0, "%s", err.text);
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("b.example"), "none");
	admin_close(admin);
	ck_assert_str_eq(find("a.example"), "a.example");
	add("c.example");
	ck_assert_str_eq(find("c.example"), "c.example");
}
END_TEST

/* --- many threads --------------------------------------------------------- */

static pthread_barrier_t barrier;
static _Atomic int wrong;

static void *
find_one(void *arg)
{
	pthread_barrier_wait(&barrier);
	if (strcmp(find(arg), arg) != 0)
		wrong++;
	return NULL;
}

START_TEST(test_decoded_once)
{
	static char names[20][32];
	pthread_t threads[8];

	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d.example", i);
		add(names[i]);
	}
	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 8; j++)
			ck_assert_int_eq(pthread_create(&threads[j], NULL, find_one, names[i]), 0);
		for (int j = 0; j < 8; j++)
			pthread_join(threads[j], NULL);
		ck_assert_uint_eq(decodes(), (unsigned)i + 1);
	}
	ck_assert_int_eq(wrong, 0);
	pthread_barrier_destroy(&barrier);
}
END_TEST

static _Atomic bool stop;

static void *
find_all(void *arg)
{
	char name[32];

	for (unsigned i = (unsigned)(uintptr_t)arg; !stop; i++) {
		snprintf(name, sizeof(name), "n%u.example", i % 12);
		if (strcmp(find(name), i % 12 < 10 ? name : "none") != 0)
			wrong++;
		lookup_has_address_fallback(lookup);
	}
	return NULL;
}

/* Threads look up while the store is changed, rekeyed and replaced under them. */
START_TEST(test_threads_and_changes)
{
	pthread_t threads[8];
	char name[32];

	close_lookup();
	world_configure(world, "cache { memory = 1M }");
	open_lookup();
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		add(name);
	}
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, find_all, (void *)(uintptr_t)i);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "o%d.example", i);
		add(name);
		if (i % 10 == 0)
			world_rekey(world);
	}
	stop = true;
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	ck_assert_msg(wrong == 0, "%d wrong answers; log: %s", wrong, lines.text);
	ck_assert_msg(strstr(lines.text, "skipped") == NULL, "log: %s", lines.text);
}
END_TEST

/* --- trouble -------------------------------------------------------------- */

START_TEST(test_retried_after_repair)
{
	add("a.example");
	add("b.example");
	world_sql(world, "CREATE TABLE aside AS SELECT id, sealed_key FROM chain;"
	    "UPDATE chain SET sealed_key = x'0102' WHERE subject = 'a.example'");
	ck_assert_str_eq(find("a.example"), "error");
	ck_assert_str_eq(find("b.example"), "b.example");
	/* A commit that fixes it is seen at once. */
	world_sql(world, "UPDATE chain SET sealed_key = (SELECT sealed_key FROM aside WHERE aside.id ="
	    " chain.id) WHERE subject = 'a.example'");
	ck_assert_str_eq(find("a.example"), "a.example");
	/* What is fixed outside of the store is seen as the next second begins. */
	close_lookup();
	ck_assert_int_eq(chmod(world->key, 0644), 0);
	open_lookup();
	stop_clock();
	ck_assert_str_eq(find("a.example"), "error");
	ck_assert_msg(strstr(lines.text, "unsafe mode") != NULL, "log: %s", lines.text);
	ck_assert_int_eq(chmod(world->key, 0600), 0);
	ck_assert_str_eq(find("a.example"), "error");
	coarse.ahead++;
	ck_assert_str_eq(find("a.example"), "a.example");
}
END_TEST

/* A broken chain costs a decode per second, not one per handshake. */
START_TEST(test_not_retried_at_once)
{
	add("a.example");
	world_sql(world, "UPDATE chain SET sealed_key = x'0102'");
	stop_clock();
	for (unsigned second = 1; second <= 3; second++, coarse.ahead++) {
		for (int i = 0; i < 100; i++)
			ck_assert_str_eq(find("a.example"), "error");
		ck_assert_uint_eq(decodes(), second);
	}
}
END_TEST

static void
spoil(int how)
{
	char text[6000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (how == 0) { /* another file in its place */
		world_remove_store(world);
		write_file(world->store, text, 0600);
	} else if (how == 1) { /* a store of another kind */
		world_sql(world, "PRAGMA application_id = 1");
	} else if (how == 2) {
		chmod(world->store, 0666);
	} else {
		world_remove_store(world);
		mkdir(world->store, 0700);
	}
}

START_TEST(test_stale_is_served)
{
	add("a.example");
	world_bind(world, "@", add("fallback.example"));
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("@"), "fallback.example");
	ck_assert_str_eq(find("nobody.example"), "none");
	spoil(_i);
	world_tick();
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(find("a.example"), "a.example");
		ck_assert_str_eq(find("@"), "fallback.example");
	}
	if (_i == 3) {
		/* A directory is no store: the one that is open serves. */
		ck_assert_str_eq(find("never-asked.example"), "none");
		ck_assert_int_gt(lines.count, 0);
	}
	if (_i == 0) {
		/* What was not known is not known now. */
		ck_assert_str_eq(find("never-asked.example"), "error");
		/* And "nobody has it" is not said without the store. */
		ck_assert_str_eq(find("nobody.example"), "error");
		ck_assert_int_gt(lines.count, 0);
	}
	world_remove_store(world);
	rmdir(world->store);
}
END_TEST

/* What an unknown name gets while another file is being opened: this runs in front of SQLite's. */
static enum lookup_result meanwhile = LOOKUP_FOUND;
static bool ask_meanwhile;

int
sqlite3_close(sqlite3 *db)
{
	static int (*real)(sqlite3 *);
	struct answer *answer = NULL;
	struct name key;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "sqlite3_close");
	if (ask_meanwhile && db != NULL) {
		ask_meanwhile = false;
		name_normalise(&key, "b.example", 9);
		meanwhile = lookup_find(lookup, &key, &answer);
	}
	return real(db);
}

/* "Nobody has that name" stays the answer from one connection to the next: it is no trouble. */
START_TEST(test_unknown_while_opened_again)
{
	char other[120], command[300];

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("b.example"), "none");
	snprintf(other, sizeof(other), "%s.other", world->store);
	snprintf(command, sizeof(command), "cp '%s' '%s'", world->store, other);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(rename(other, world->store), 0);
	ask_meanwhile = true;
	world_tick();
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_msg(!ask_meanwhile, "nothing was closed");
	ck_assert_msg(meanwhile == LOOKUP_NONE, "meanwhile: got %d, want %d", meanwhile, LOOKUP_NONE);
}
END_TEST

/* The whole way: gone, spoilt, and back again. */
START_TEST(test_recovers)
{
	char aside[120];

	add("a.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(aside, sizeof(aside), "%s.aside", world->store);
	ck_assert_int_eq(rename(world->store, aside), 0);
	write_file(world->store, "garbage", 0600);
	world_tick();
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("b.example"), "error");
	ck_assert_int_eq(rename(aside, world->store), 0);
	world_tick();
	ck_assert_str_eq(find("a.example"), "a.example");
	ck_assert_str_eq(find("b.example"), "none");
	add("b.example");
	ck_assert_str_eq(find("b.example"), "b.example");
}
END_TEST

static void
spoil_index(const char *path, int how)
{
	char noise[32768];
	int fd;

	switch (how) {
	case 0:
		ck_assert_int_eq(truncate(path, 0), 0);
		break;
	case 1: /* within the header */
		ck_assert_int_eq(truncate(path, 20), 0);
		break;
	case 2: /* as long as before, and zero */
		ck_assert_int_eq(truncate(path, 0), 0);
		ck_assert_int_eq(truncate(path, sizeof(noise)), 0);
		break;
	case 3:
		memset(noise, 0xa5, sizeof(noise));
		fd = open(path, O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(write(fd, noise, sizeof(noise)), sizeof(noise));
		close(fd);
		break;
	default:
		unlink(path);
	}
}

/* SQLite maps its WAL index: whoever cut it short killed us (SIGBUS). */
START_TEST(test_index_spoilt)
{
	char path[120];

	snprintf(path, sizeof(path), "%s-shm", world->store);
	add("a.example");
	add("b.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	for (int i = 0; i < 3; i++) {
		spoil_index(path, _i);
		ck_assert_str_eq(find("a.example"), "a.example");
		ck_assert_str_eq(find("b.example"), "b.example");
		ck_assert_str_eq(find("c.example"), i == 0 ? "none" : "c.example");
		world_tick();
		ck_assert_str_eq(find("d.example"), "none");
		ck_assert_str_eq(find("b.example"), "b.example");
		if (i == 0)
			add("c.example");
		ck_assert_str_eq(find("c.example"), "c.example");
	}
	ck_assert_str_eq(find("e.example"), "none");
}
END_TEST

START_TEST(test_address_fallback_known)
{
	int64_t id = add("a.example");

	lookup_refresh(lookup);
	ck_assert(!lookup_has_address_fallback(lookup));
	world_bind(world, "@", id);
	lookup_refresh(lookup);
	ck_assert(!lookup_has_address_fallback(lookup)); /* the global one is none */
	world_bind(world, "@2001:db8::1", id);
	lookup_refresh(lookup);
	ck_assert(lookup_has_address_fallback(lookup));
	world_unbind(world, "@2001:db8::1");
	lookup_refresh(lookup);
	ck_assert(!lookup_has_address_fallback(lookup));
}
END_TEST

/* That there is none at all is remembered instead of each that is asked for. */
START_TEST(test_wildcards_come_and_go)
{
	int64_t id = add("a.example");
	uint64_t before;

	ck_assert_str_eq(find("*.x.example"), "none");
	before = hits();
	for (int i = 0; i < 10; i++) {
		char text[32];

		snprintf(text, sizeof(text), "*.y%d.example", i);
		ck_assert_str_eq(find(text), "none");
	}
	ck_assert_uint_eq(hits() - before, 10);
	world_bind(world, "*.y1.example", id);
	ck_assert_str_eq(find("*.y1.example"), "a.example");
	ck_assert_str_eq(find("*.y2.example"), "none");
	world_bind(world, "*.y2.example", id);
	ck_assert_str_eq(find("*.y2.example"), "a.example");
	world_unbind(world, "*.y1.example");
	ck_assert_str_eq(find("*.y1.example"), "none");
	ck_assert_str_eq(find("*.y2.example"), "a.example");
	world_unbind(world, "*.y2.example");
	ck_assert_str_eq(find("*.y2.example"), "none");
	/* And without the store nobody says so. */
	world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE)");
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	ck_assert_str_eq(find("*.y3.example"), "error");
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Within a tick of the clock, what is in the cache is found with no system call:
 * the child is killed at the first. */
static int
find_under_seccomp(void *arg)
{
	struct answer *answer;
	struct name known, unknown;

	(void)arg;
	name_normalise(&known, "a.example", 9);
	name_normalise(&unknown, "b.example", 9);
	find("a.example");
	find("b.example");
	world_tick();
	find("a.example");
	stop_clock(); /* or a tick would fall into it now and then */
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	for (int i = 0; i < 10; i++) {
		lookup_refresh(lookup);
		lookup_find(lookup, i % 2 == 0 ? &known : &unknown, &answer);
		answer_unref(answer);
	}
	syscall(SYS_exit, 0);
	return 1;
}

START_TEST(test_no_system_call)
{
	add("a.example");
	ck_assert_int_eq(in_child(find_under_seccomp, NULL), 0);
}
END_TEST
#endif

static int
find_in_child(void *arg)
{
	(void)arg;
	return strcmp(find("a.example"), "a.example") != 0 || strcmp(find("b.example"), "b.example") != 0 ||
	    decodes() != 2;
}

START_TEST(test_forked)
{
	add("a.example");
	add("b.example");
	ck_assert_str_eq(find("a.example"), "a.example");
	/* What was parsed is inherited: one more to decode, in the first of them. */
	ck_assert_int_eq(in_child(find_in_child, NULL), 0);
	ck_assert_uint_eq(decodes(), 1);
	ck_assert_int_eq(in_child(find_in_child, NULL), 0);
	ck_assert_uint_eq(decodes(), 1);
	ck_assert_str_eq(find("b.example"), "b.example");
	ck_assert_int_eq(in_child(find_in_child, NULL), 0);
	ck_assert_uint_eq(decodes(), 2);
}
END_TEST

/* How many chains a child decodes that looks for a name; 100 more if it opened the store. */
static int
work_for(const char *name, const char *cn)
{
	uint64_t before = decodes();

	memset(&lines, 0, sizeof(lines));
	world_tick(); /* within its parent's it would not look */
	if (strcmp(find(name), cn) != 0)
		return 255;
	return (int)(decodes() - before) + (strstr(lines.text, " opened") == NULL ? 0 : 100);
}

static int
child_work(void *cn)
{
	return work_for("a.example", cn == NULL ? "a.example" : cn);
}

static int
child_work_for(void *name)
{
	return work_for(name, name);
}

/* After one has asked, children find the rows, parsed by each, once the parent has come to them. */
static int
shelved_by(int (*work)(void *), void *arg)
{
	int status = -1;

	for (int i = 0; i < 100 && status != 1; i++) {
		status = in_child(work, arg);
		if (status % 100 != 1)
			return status;
	}
	return status == 1 ? 0 : -1;
}

static int
shelved(void *cn)
{
	return shelved_by(child_work, cn);
}

START_TEST(test_children_inherit)
{
	char other[] = "c.example";

	add("a.example");
	lookup_refresh(lookup);
	ck_assert_int_eq(in_child(child_work, NULL), 101);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(in_child(child_work, NULL), 1);

	/* A commit is live in the next child, and is then inherited again. */
	add("b.example");
	ck_assert_int_eq(in_child(child_work, NULL) % 100, 1);
	ck_assert_int_eq(shelved(NULL), 0);
	world_bind(world, "a.example", add("c.example"));
	ck_assert_int_eq(in_child(child_work, other) % 100, 1);
	ck_assert_int_eq(shelved(other), 0);
	ck_assert_uint_eq(decodes(), 0); /* never for others */
}
END_TEST

/* A fork puts a few rows on the shelf, or as many as its time is enough for, and one at the least. */
START_TEST(test_fork_is_bounded)
{
	char first[] = "n0.example", second[] = "n1.example", last[] = "n9.example";

	world_add_numbered(world, "n", 10);
	lookup_refresh(lookup);
	fork_step = _i == 0 ? 0 : 2000000;
	ck_assert_int_eq(in_child(child_work_for, first), 101);
	ck_assert_int_eq(in_child(child_work_for, first), 1);
	if (_i == 0) {
		ck_assert_int_eq(in_child(child_work_for, last), 1);
		return;
	}
	ck_assert_int_eq(in_child(child_work_for, second), 1);
	ck_assert_int_eq(in_child(child_work_for, last), 101);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(in_child(child_work_for, last), 101);
	ck_assert_int_eq(in_child(child_work_for, last), 1);
}
END_TEST

/* When all that is bound is on the shelf, a child opens the store for no name at all. */
static int
all_without_opening(void *count)
{
	int bad = 0;

	memset(&lines, 0, sizeof(lines));
	world_tick();
	for (int i = 0; i < *(int *)count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "n%d.example", i);
		bad += strcmp(find(text), text) != 0;
	}
	bad += strcmp(find("unknown.example"), "none") != 0 || strcmp(find("*.example"), "any.example") != 0 ||
	    strcmp(find("*.unknown.example"), "none") != 0;
	return bad != 0 ? 2 : strstr(lines.text, " opened") != NULL;
}

static int
opens(void *count)
{
	int result = 1;

	for (int i = 0; i < 100 && result == 1; i++)
		result = in_child(all_without_opening, count);
	return result;
}

START_TEST(test_children_know_all)
{
	int count = 100;

	world_add_numbered(world, "n", count);
	world_bind(world, "*.example", add("any.example"));
	lookup_refresh(lookup);
	ck_assert_int_eq(in_child(all_without_opening, &count), 1);
	ck_assert_int_eq(opens(&count), 0);
	ck_assert_uint_eq(decodes(), 0);
	/* Not in the state that follows, until all of that is there. */
	add("unknown.example");
	ck_assert_int_eq(in_child(all_without_opening, &count), 2);
	world_unbind(world, "unknown.example");
	ck_assert_int_eq(opens(&count), 0);
}
END_TEST

/* The parent finds out how a chain of each key type is decoded, and parses the intermediates that
 * they share, so that not each child does; with the store key that it has, and despite a chain
 * that is damaged. */
START_TEST(test_parent_is_ready)
{
	struct spec rsa = { .cn = "n5.example", .kind = KEY_RSA };
	char first[] = "n0.example";

	world_add_numbered(world, "n", 10);
	world_sql(world, "UPDATE chain SET sealed_key = x'' WHERE id = (SELECT min(id) FROM chain)");
	if (_i == 0)
		lookup_prepare(lookup);
	lookup_refresh(lookup);
	for (int i = 0; i < 3; i++)
		in_child(child_work_for, first);
	ck_assert_int_eq(lookup->codec->decoders[KIND_EC] != NULL, _i == 0);
	ck_assert_ptr_null(lookup->codec->decoders[KIND_RSA]);
	ck_assert_uint_eq(lookup->codec->interned_count, 1);
	world_add(world, &rsa);
	for (int i = 0; i < 3; i++)
		in_child(child_work_for, first);
	ck_assert_int_eq(lookup->codec->decoders[KIND_RSA] != NULL, _i == 0);
	ck_assert_uint_eq(lookup->codec->interned_count, 1);
	ck_assert_uint_eq(decodes(), 0);
}
END_TEST

/* Where there is no room for all, some are there, and the others are served all the same. */
START_TEST(test_children_know_some)
{
	int count = 1200; /* of 1,000 octets and more each */
	char first[] = "n0.example", last[] = "n999.example"; /* in the order of the sweep */

	close_lookup();
	world_configure(world, "cache { memory = 1M }");
	open_lookup();
	world_add_numbered(world, "n", count);
	world_bind(world, "*.example", add("any.example"));
	lookup_refresh(lookup);
	for (int i = 0; i < 120; i++)
		ck_assert_int_ne(in_child(child_work_for, first), 255);
	ck_assert_int_eq(in_child(child_work_for, first), 1);
	ck_assert_int_eq(in_child(all_without_opening, &count), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(in_child(child_work_for, last), 101);
}
END_TEST

/* Children ask for names while all are being put on the shelf, more than there is room for: that no room
 * is made then, or the first of them would be missing from what is taken for complete. */
static int
ask_for_last(void *last)
{
	char text[32];

	for (int i = 0; i < 2 + *(int *)last % 3; i++) {
		snprintf(text, sizeof(text), "n%d.example", *(int *)last - i);
		if (strcmp(find(text), text) != 0)
			return 1;
	}
	return 0;
}

static int
all_known(void *count)
{
	char text[32];

	for (int i = 0; i < *(int *)count; i++) {
		snprintf(text, sizeof(text), "n%d.example", i);
		if (strcmp(find(text), text) != 0)
			return 1;
	}
	return 0;
}

START_TEST(test_children_ask_meanwhile)
{
	int count = 820 + 30 * _i, last = count - 1;

	close_lookup();
	world_configure(world, "cache { memory = 1M }");
	open_lookup();
	world_add_numbered(world, "n", count);
	lookup_refresh(lookup);
	for (int i = 0; i < 70; i++, last -= 4)
		ck_assert_int_eq(in_child(ask_for_last, &last), 0);
	ck_assert_int_eq(in_child(all_known, &count), 0);
}
END_TEST

/* A commit while the child is there. */
START_TEST(test_children_follow)
{
	struct spec renewed = { .cn = "renewed.example", .names = "a.example renewed.example" };
	int ready[2], go[2], status;
	char octet;
	pid_t pid;

	add("a.example");
	for (int i = 0; i < 2; i++)
		in_child(child_work, NULL);
	ck_assert_int_eq(shelved(NULL), 0);
	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		if (child_work(NULL) != 1 || write(ready[1], "r", 1) != 1 || read(go[0], &octet, 1) != 1)
			_exit(1);
		_exit(strcmp(find("a.example"), "renewed.example") == 0 ? 0 : 2);
	}
	ck_assert_int_eq(read(ready[0], &octet, 1), 1);
	world_add(world, &renewed);
	ck_assert_int_eq(write(go[1], "g", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(find("a.example"), "renewed.example");
}
END_TEST

/* Replaced, gone or closed in the parent: the inheritance is void, and made anew. */
START_TEST(test_children_of_another_store)
{
	struct snicert_error err = {0};

	add("a.example");
	for (int i = 0; i < 2; i++)
		in_child(child_work, NULL);
	ck_assert_int_eq(shelved(NULL), 0);
	world_remove_store(world);
	ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), 0);
	add("a.example");
	world_tick();
	ck_assert_int_eq(in_child(child_work, NULL), 101);
	ck_assert_int_eq(shelved(NULL), 0);
}
END_TEST

/* A daemon opens, forks itself away and then forks for each connection.  What it looks up for its
 * children it does not ask its own parent for, who would never answer. */
static int
daemon_work(void *arg)
{
	(void)arg;
	if (in_child(child_work, NULL) != 101)
		return 1;
	for (int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example", i);
		if (in_child(child_work_for, name) > 101 || shelved_by(child_work_for, name) != 0)
			return 2;
	}
	return shelved(NULL) != 0 ? 3 : 0;
}

START_TEST(test_children_of_a_daemon)
{
	add("a.example");
	world_add_numbered(world, "n", 30);
	lookup_refresh(lookup);
	ck_assert_int_eq(in_child(daemon_work, NULL), 0);
}
END_TEST

/*
 * A server that never was root, and nobody else has the store open: SQLite's index is
 * not to be had, and the WAL file tells.
 */
#define GROUP 61234

static int
unprivileged(void)
{
	return setgroups(0, NULL) == 0 && setgid(GROUP) == 0 && setuid(61235) == 0 ? 0 : -1;
}

#define AT_REST 4 /* seconds, for which the file has to have been as it is */

/* Within a tick of the clock a second commit would leave the file as it seems to be. */
static bool
is_certain(struct store *store)
{
	struct store_version now;

	store_version(store, &now);
	return now.certain;
}

static int
rest(void *arg)
{
	struct store *store = store_new(world->store);
	uint64_t before;

	(void)arg;
	if (unprivileged() != 0)
		return 1;
	if (store_open(store, NULL) != 0 || is_certain(store))
		return 7;
	open_lookup();
	if (strcmp(find("a.example"), "a.example") != 0)
		return 2;
	files_are_older = AT_REST;
	world_tick();
	if (!is_certain(store))
		return 8;
	store_free(store);
	if (strcmp(find("a.example"), "a.example") != 0)
		return 3;
	before = hits();
	for (int i = 0; i < 5; i++)
		if (strcmp(find("a.example"), "a.example") != 0 || strcmp(find("b.example"), "none") != 0)
			return 4;
	if (hits() - before != 9) /* b.example was new once */
		return 5;
	return in_child(child_work, NULL) == 0 ? 0 : 6;
}

struct pace {
	int go[2], done[2];
};

static bool
is_remembered(const char *name)
{
	uint64_t before;

	world_tick();
	find(name);
	before = hits();
	world_tick();
	find(name);
	return hits() == before + 1;
}

/* Each commit is there as soon as it is made, however fast they follow each other, and after a rest. */
static int
follow(void *arg)
{
	const struct pace *pace = arg;
	char octet;

	if (unprivileged() != 0)
		return 1;
	open_lookup();
	find("flip.example");
	if (write(pace->done[1], "r", 1) != 1)
		return 3;
	for (int i = 0; read(pace->go[0], &octet, 1) == 1 && octet != 'e'; i++) {
		bool good = strcmp(find("flip.example"), i % 2 == 0 ? "a.example" : "b.example") == 0;

		/* What is found after the hundredth is taken for certain until the next is there. */
		files_are_older = i == 99 ? AT_REST : 0;
		good = good && (i != 99 || is_remembered("flip.example"));
		if (write(pace->done[1], good ? "y" : "n", 1) != 1 || !good)
			return 2;
	}
	return 0;
}

START_TEST(test_unprivileged)
{
	struct pace pace;
	char octet = '?';
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_unprivileged: needs root\n");
		return;
	}
	close_lookup();
	world_free(world);
	world = world_new_for(GROUP);
	add("a.example");
	add("b.example");
	world_sql(world, "DELETE FROM binding WHERE name = 'b.example'");
	ck_assert_int_eq(in_child(rest, NULL), 0);

	ck_assert_int_eq(pipe(pace.go), 0);
	ck_assert_int_eq(pipe(pace.done), 0);
	pid = fork();
	if (pid == 0)
		_exit(follow(&pace));
	/* It opens the store while no writer is there. */
	ck_assert_int_eq(read(pace.done[0], &octet, 1), 1);
	for (int i = 0; i < 300; i++) {
		world_bind(world, "flip.example", i % 2 == 0 ? 1 : 2);
		ck_assert_int_eq(write(pace.go[1], "g", 1), 1);
		ck_assert_int_eq(read(pace.done[0], &octet, 1), 1);
		ck_assert_msg(octet == 'y', "commit %d was not seen", i);
	}
	ck_assert_int_eq(write(pace.go[1], "e", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	open_lookup();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lookup");
	TCase *tc = tcase_create("lookup");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_outcomes);
	tcase_add_test(tc, test_commit_keeps_the_others);
	tcase_add_test(tc, test_hits);
	tcase_add_test(tc, test_next_find);
	tcase_add_test(tc, test_next_find_another_process);
	tcase_add_test(tc, test_unknown_bounded);
	tcase_add_test(tc, test_chains_bounded);
	tcase_add_test(tc, test_store_recreated);
	tcase_add_test(tc, test_store_comes_late);
	tcase_add_test(tc, test_rekey);
	tcase_add_test(tc, test_rekey_half_way);
	tcase_add_test(tc, test_restore);
	tcase_add_test(tc, test_decoded_once);
	tcase_add_test(tc, test_threads_and_changes);
	tcase_add_test(tc, test_retried_after_repair);
	tcase_add_test(tc, test_not_retried_at_once);
	tcase_add_loop_test(tc, test_stale_is_served, 0, 4);
	tcase_add_test(tc, test_unknown_while_opened_again);
	tcase_add_test(tc, test_recovers);
	tcase_add_loop_test(tc, test_index_spoilt, 0, 5);
	tcase_add_test(tc, test_address_fallback_known);
	tcase_add_test(tc, test_wildcards_come_and_go);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, test_no_system_call);
#endif
	tcase_add_test(tc, test_forked);
	tcase_add_test(tc, test_children_inherit);
	tcase_add_loop_test(tc, test_fork_is_bounded, 0, 2);
	tcase_add_test(tc, test_children_know_all);
	tcase_add_loop_test(tc, test_parent_is_ready, 0, 2);
	tcase_add_test(tc, test_children_know_some);
	tcase_add_loop_test(tc, test_children_ask_meanwhile, 0, 6);
	tcase_add_test(tc, test_children_follow);
	tcase_add_test(tc, test_children_of_another_store);
	tcase_add_test(tc, test_children_of_a_daemon);
	tcase_add_test(tc, test_unprivileged);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
