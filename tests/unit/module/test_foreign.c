/* SPDX-License-Identifier: ISC */
/*
 * test_foreign.c: code of others that is called for a look-up, the host's log and a token's.  It
 * forks, and waits for another thread's handshake: it would do so for ever with a lock of ours held.
 */
#include <pthread.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/store.h>

#include "../harness.h"
#include "chain.h"
#include "log.h"
#include "lookup.h"

static struct world *world;
static struct config *config;
static struct log *log_;
static struct lookup *lookup;
static struct lines lines;
static int64_t first;                   /* the chain of a.example */
static unsigned visits;                 /* of code of others */
static bool served_meanwhile, forked_meanwhile;
static _Thread_local bool inside;

static enum lookup_result
find(const char *text, struct answer **answer)
{
	struct name key;

	*answer = NULL;
	name_normalise(&key, text, strlen(text));
	lookup_refresh(lookup);
	return lookup_find(lookup, &key, answer);
}

static enum lookup_result
find_fallback(struct answer **answer)
{
	struct name key;

	*answer = NULL;
	name_fallback(&key, NULL);
	lookup_refresh(lookup);
	return lookup_find(lookup, &key, answer);
}

static void *
handshake_of_another(void *arg)
{
	struct answer *answer;

	(void)arg;
	inside = true;
	served_meanwhile = find("b.example", &answer) == LOOKUP_FOUND;
	answer_unref(answer);
	return NULL;
}

static int
seven(void *arg)
{
	(void)arg;
	return 7;
}

static void
visit(void)
{
	pthread_t thread;

	if (inside)
		return;
	inside = true;
	visits++;
	forked_meanwhile = in_child(seven, NULL) == 7;
	if (pthread_create(&thread, NULL, handshake_of_another, NULL) == 0)
		pthread_join(thread, NULL);
	inside = false;
}

OSSL_STORE_CTX *__real_OSSL_STORE_open(const char *, const UI_METHOD *, void *, OSSL_STORE_post_process_info_fn, void *);
OSSL_STORE_CTX *__wrap_OSSL_STORE_open(const char *, const UI_METHOD *, void *, OSSL_STORE_post_process_info_fn, void *);

OSSL_STORE_CTX *
__wrap_OSSL_STORE_open(const char *uri, const UI_METHOD *method, void *data, OSSL_STORE_post_process_info_fn post,
    void *post_data)
{
	visit();
	return __real_OSSL_STORE_open(uri, method, data, post, post_data);
}

static void
sink(void *arg, int priority, const char *text)
{
	lines_sink(arg, priority, text);
	visit();
}

static void
open_lookup(bool with_sink)
{
	ck_assert_int_eq(config_read(&config, world->config, CONFIG_STRICT, NULL), 0);
	log_ = log_new(LOG_TARGET_NONE, 0, LOG_DEBUG);
	log_set_sink(log_, with_sink ? sink : lines_sink, &lines);
	lookup = lookup_new(config, log_);
	visits = 0;
	served_meanwhile = forked_meanwhile = false;
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
	struct spec a = { .cn = "a.example" }, b = { .cn = "b.example" };

	world = world_new();
	first = world_add(world, &a);
	world_add(world, &b);
}

static void
teardown(void)
{
	close_lookup();
	world_free(world);
}

/* That the store was opened, that its key can't be read, that a chain is skipped. */
START_TEST(test_log)
{
	struct answer *answer;

	open_lookup(true);
	lookup_prepare(lookup);
	ck_assert_uint_eq(visits, 1);
	world_sql(world, "UPDATE chain SET sealed_key = x'0102' WHERE subject = 'a.example'");
	ck_assert_int_eq(find("a.example", &answer), LOOKUP_BROKEN);
	ck_assert_msg(strstr(lines.text, "skipped") != NULL, "log: %s", lines.text);
	ck_assert_uint_ge(visits, 2);
	ck_assert(served_meanwhile && forked_meanwhile);
}
END_TEST

/* The key of a.example where another program would keep it. */
static void
move_key(void)
{
	struct answer *answer;
	char path[100];
	BIO *out;

	snprintf(path, sizeof(path), "%s/moved.key", world->dir);
	ck_assert_int_eq(find("a.example", &answer), LOOKUP_FOUND);
	out = BIO_new_file(path, "w");
	ck_assert_int_eq(PEM_write_bio_PrivateKey(out, chain_key(answer_chains(answer)[0]), NULL, NULL, 0, NULL, NULL), 1);
	BIO_free(out);
	answer_unref(answer);
	world_sql(world, "UPDATE chain SET sealed_key = NULL, key_uri = 'file:%s' WHERE subject = 'a.example'", path);
}

static uint64_t
decodes(void)
{
	uint64_t hits, count;

	lookup_counts(lookup, &hits, &count);
	return count;
}

START_TEST(test_key_uri)
{
	struct answer *answer;

	open_lookup(false);
	move_key();
	close_lookup();
	open_lookup(false);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(find("a.example", &answer), LOOKUP_FOUND);
		ck_assert_ptr_nonnull(chain_key(answer_chains(answer)[0]));
		answer_unref(answer);
	}
	ck_assert_uint_eq(visits, 1);
	ck_assert_uint_eq(decodes(), 2);
	ck_assert(served_meanwhile && forked_meanwhile);
}
END_TEST

START_TEST(test_key_uri_in_vain)
{
	struct answer *answer;

	open_lookup(false);
	world_sql(world, "UPDATE chain SET sealed_key = NULL, key_uri = 'file:/nowhere' WHERE subject = 'a.example'");
	ck_assert_int_eq(find("a.example", &answer), LOOKUP_BROKEN);
	ck_assert_msg(strstr(lines.text, "skipped: no private key") != NULL, "log: %s", lines.text);
	ck_assert_uint_eq(visits, 1);
	ck_assert(served_meanwhile && forked_meanwhile);
}
END_TEST

/* The fallback's, at the first look-up and no sooner: at load its provider may still be to come. */
START_TEST(test_prepare)
{
	int64_t sealed = world_add(world, &(struct spec){ .cn = "c.example", .kind = KEY_RSA });
	struct answer *answer;

	world_bind(world, "@", sealed);
	world_bind(world, "@", first);
	open_lookup(false);
	move_key();
	close_lookup();
	open_lookup(false);
	lookup_prepare(lookup);
	ck_assert_uint_eq(visits, 0);
	ck_assert_uint_eq(decodes(), 2);
	ck_assert_int_eq(find_fallback(&answer), LOOKUP_FOUND);
	ck_assert_uint_eq(answer_count(answer), 2);
	answer_unref(answer);
	ck_assert_uint_eq(visits, 1);
	ck_assert_uint_eq(decodes(), 4); /* with that of another thread */
}
END_TEST

static int
find_without_store(void *arg)
{
	struct answer *answer;
	int result;

	(void)arg;
	world_remove_store(world);
	world_tick();
	result = find_fallback(&answer) == LOOKUP_FOUND && answer_count(answer) == 1 && visits == 0 ? 7 : 1;
	answer_unref(answer);
	return result;
}

/* A child that can't reach the store any more has what was at hand. */
START_TEST(test_prepare_for_child)
{
	int64_t sealed = world_add(world, &(struct spec){ .cn = "c.example", .kind = KEY_RSA });

	world_bind(world, "@", sealed);
	world_bind(world, "@", first);
	world_sql(world, "UPDATE chain SET sealed_key = NULL, key_uri = 'file:/nowhere' WHERE subject = 'a.example'");
	open_lookup(false);
	lookup_prepare(lookup);
	ck_assert_int_eq(in_child(find_without_store, NULL), 7);
}
END_TEST

static int
find_in_child(void *arg)
{
	struct answer *answer;
	bool good;

	(void)arg;
	world_tick();
	inside = true;
	good = find("a.example", &answer) == LOOKUP_FOUND;
	answer_unref(answer);
	return good ? 7 : 1;
}

/* What its children look up, a process does not open keys for, nor log, within the host's fork(). */
START_TEST(test_fork)
{
	open_lookup(false);
	move_key();
	close_lookup();
	open_lookup(true);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(in_child(find_in_child, NULL), 7);
	ck_assert_uint_eq(visits, 0);
	ck_assert_uint_eq(decodes(), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("foreign");
	TCase *tests = tcase_create("foreign");
	int failed;

	harness_start();
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_log);
	tcase_add_test(tests, test_key_uri);
	tcase_add_test(tests, test_key_uri_in_vain);
	tcase_add_test(tests, test_prepare);
	tcase_add_test(tests, test_prepare_for_child);
	tcase_add_test(tests, test_fork);
	suite_add_tcase(suite, tests);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
