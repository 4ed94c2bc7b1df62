/* SPDX-License-Identifier: ISC */
/*
 * test_contexts.c: contexts of a program that does not hand them to us: older ones
 * and new ones.  All of it twice: with connections that know their context as they
 * are made (OpenSSL up to 3.1), and with those that learn it later (from 3.2 on),
 * whatever the library at hand does.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <openssl/err.h>

#include "contexts.h"
#include "../harness.h"

static struct world *world;
static struct snicert *snicert;
static SSL_CTX *old;

/* --- between the module and the library: by the linker's --wrap -------------------- */

static bool late;                       /* play OpenSSL 3.2 */
static _Thread_local bool hidden;       /* no connection knows its context */
static atomic_uint attached;            /* how often a context was, late */

SSL *__real_SSL_new(SSL_CTX *);
SSL *__wrap_SSL_new(SSL_CTX *);
SSL_CTX *__real_SSL_get_SSL_CTX(const SSL *);
SSL_CTX *__wrap_SSL_get_SSL_CTX(const SSL *);
void __real_hook_attach_late(struct hook *, SSL_CTX *);
void __wrap_hook_attach_late(struct hook *, SSL_CTX *);
int __real_CRYPTO_get_ex_new_index(int, long, void *, CRYPTO_EX_new *, CRYPTO_EX_dup *, CRYPTO_EX_free *);
int __wrap_CRYPTO_get_ex_new_index(int, long, void *, CRYPTO_EX_new *, CRYPTO_EX_dup *, CRYPTO_EX_free *);
int __real_pthread_atfork(void (*)(void), void (*)(void), void (*)(void));
int __wrap_pthread_atfork(void (*)(void), void (*)(void), void (*)(void));

static unsigned seen[CRYPTO_EX_INDEX__COUNT];   /* kinds of objects that callbacks were asked for */
static unsigned fork_handlers;

static SSL *
connection_without_context(SSL_CTX *ctx)
{
	SSL *ssl;

	hidden = true;
	ssl = __real_SSL_new(ctx);
	hidden = false;
	return ssl;
}

static void
make_bio(void)
{
	BIO_free(BIO_new(BIO_s_mem()));
}

/* From 3.2 on a BIO is made in there, once the context is known. */
SSL *
__wrap_SSL_new(SSL_CTX *ctx)
{
	SSL *ssl;

	if (!late)
		return __real_SSL_new(ctx);
	ssl = connection_without_context(ctx);
	make_bio();
	return ssl;
}

SSL_CTX *
__wrap_SSL_get_SSL_CTX(const SSL *ssl)
{
	return hidden ? NULL : __real_SSL_get_SSL_CTX(ssl);
}

void
__wrap_hook_attach_late(struct hook *hook, SSL_CTX *ctx)
{
	attached++;
	__real_hook_attach_late(hook, ctx);
}

int
__wrap_CRYPTO_get_ex_new_index(int class_index, long argl, void *argp, CRYPTO_EX_new *made, CRYPTO_EX_dup *copied,
    CRYPTO_EX_free *freed)
{
	seen[class_index] += made != NULL || copied != NULL || freed != NULL;
	return __real_CRYPTO_get_ex_new_index(class_index, argl, argp, made, copied, freed);
}

int
__wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	fork_handlers++;
	return __real_pthread_atfork(prepare, parent, child);
}

/* ------------------------------------------------------------------------------------ */

static void
setup_unwatched(void)
{
	struct spec a = { .cn = "a.example" }, fallback = { .cn = "fallback.example" };
	struct snicert_error err = {0};

	world = world_new();
	world_add(world, &a);
	world_bind(world, "@", world_add(world, &fallback));
	old = server_ctx();
	ck_assert_str_eq(served(old, "a.example"), "own-ec");
	ck_assert_int_eq(snicert_open(&snicert, world->config, &err), 0);
}

static void
setup(void)
{
	setup_unwatched();
	ck_assert_int_eq(contexts_watch_older(&snicert->hook), 0);
}

static void
setup_late(void)
{
	late = true;
	setup();
}

static void
teardown(void)
{
	SSL_CTX_free(old);
	snicert_close(snicert);
	world_free(world);
}

START_TEST(test_old_and_new)
{
	SSL_CTX *made = server_ctx();

	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(served(old, "a.example"), "a.example");
		ck_assert_str_eq(served(made, "a.example"), "a.example");
		ck_assert_str_eq(served(old, NULL), "fallback.example");
		ck_assert_str_eq(served(made, "nobody.example"), "fallback.example");
	}
	SSL_CTX_free(made);
}
END_TEST

static int
note_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	++*(int *)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* What Exim does: its servername callback is on the context, or comes later. */
START_TEST(test_the_servername_callback_stays)
{
	SSL_CTX *made = server_ctx();
	int calls = 0;

	SSL_CTX_set_tlsext_servername_callback(old, note_name);
	SSL_CTX_set_tlsext_servername_arg(old, &calls);
	ck_assert_str_eq(served(old, "a.example"), "a.example");
	ck_assert_int_eq(calls, 1);
	SSL_CTX_set_tlsext_servername_callback(made, note_name);
	SSL_CTX_set_tlsext_servername_arg(made, &calls);
	ck_assert_str_eq(served(made, "a.example"), "a.example");
	ck_assert_int_eq(calls, 2);
	SSL_CTX_free(made);
}
END_TEST

static int
switch_context(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	SSL_CTX *other = server_ctx();

	SSL_set_SSL_CTX(ssl, other);
	SSL_CTX_free(other);
	return SSL_TLSEXT_ERR_OK;
}

/* What Exim does with an SNI-dependent tls_certificate. */
START_TEST(test_a_context_made_in_the_handshake)
{
	SSL_CTX_set_tlsext_servername_callback(old, switch_context);
	ck_assert_str_eq(served(old, "a.example"), "a.example");
	ck_assert_str_eq(served(old, "nobody.example"), "fallback.example");
}
END_TEST

static int
own_hello(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	++*(int *)arg;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* What a program sets on a context after it has made it is its own business. */
START_TEST(test_a_new_context_is_attached_once)
{
	SSL_CTX *made = server_ctx();
	int calls = 0;

	SSL_CTX_set_client_hello_cb(made, own_hello, &calls);
	served(made, "a.example");
	served(made, "a.example");
	ck_assert_int_eq(calls, 2);
	SSL_CTX_free(made);
}
END_TEST

static int client_asked;

static int
client_certificate(SSL *ssl, void *arg)
{
	(void)ssl;
	(void)arg;
	client_asked++;
	return 1;
}

/* Contexts that are clients, also those that might be servers. */
START_TEST(test_clients_are_left_alone)
{
	const SSL_METHOD *methods[] = { TLS_client_method(), TLS_method() };

	for (size_t i = 0; i < COUNT(methods); i++) {
		SSL_CTX *ctx = SSL_CTX_new(methods[i]);
		struct client c = { .name = "a.example", .ctx = ctx };
		struct outcome out;

		/* One that can't be a server has nothing of ours. */
		ck_assert_int_eq(SSL_CTX_get_security_callback(ctx) == hook_security, i == 1);
		SSL_CTX_set_cert_cb(ctx, client_certificate, NULL);
		SSL_CTX_set_verify(old, SSL_VERIFY_PEER, NULL);
		client_asked = 0;
		handshake(old, &c, &out);
		ck_assert(out.done);
		ck_assert_str_eq(out.leaf, "a.example");
		ck_assert_int_eq(client_asked, 1);
		outcome_clear(&out);
		SSL_CTX_free(ctx);
	}
}
END_TEST

/* Connections that are never used, contexts that are gone. */
START_TEST(test_made_and_freed)
{
	for (int i = 0; i < 200; i++) {
		SSL *one = SSL_new(old), *two = SSL_new(old);
		SSL_CTX *made = SSL_CTX_new(TLS_server_method());
		SSL *three = SSL_new(made);

		ck_assert(one != NULL && two != NULL && three != NULL);
		SSL_CTX_free(made);
		SSL_free(one);
		SSL_free(SSL_new(old));
		BIO_free(BIO_new(BIO_s_mem()));
		SSL_free(three);
		SSL_free(two);
	}
	ck_assert_str_eq(served(old, "a.example"), "a.example");
}
END_TEST

static atomic_uint good;

static void *
serve_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		SSL_CTX *made = i % 4 == 0 ? server_ctx() : NULL;

		good += strcmp(served(old, "a.example"), "a.example") == 0;
		good += strcmp(served(made == NULL ? old : made, NULL), "fallback.example") == 0;
		SSL_CTX_free(made);
	}
	return NULL;
}

START_TEST(test_threads)
{
	pthread_t threads[6];

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, serve_many, NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(good, 6 * 40);
}
END_TEST

static int
serve_one(void *arg)
{
	(void)arg;
	return strcmp(served(old, "a.example"), "a.example") == 0 ? 7 : 1;
}

/* Exim: the context is the daemon's, the connection its child's. */
START_TEST(test_a_child)
{
	ck_assert_int_eq(in_child(serve_one, NULL), 7);
	ck_assert_int_eq(in_child(serve_one, NULL), 7);
}
END_TEST

START_TEST(test_watched_again)
{
	struct world *second = world_new();
	struct spec a = { .cn = "second.example", .names = "a.example" };
	struct snicert *other;

	world_add(second, &a);
	ck_assert_int_eq(snicert_open(&other, second->config, NULL), 0);
	ck_assert_int_eq(contexts_watch_older(&other->hook), 0);
	ck_assert_str_eq(served(old, "a.example"), "second.example");
	ck_assert_int_eq(contexts_watch_older(&snicert->hook), 0);
	ck_assert_str_eq(served(old, "a.example"), "a.example");
	snicert_close(other);
	world_free(second);
}
END_TEST

START_TEST(test_the_error_queue)
{
	ERR_put_error(ERR_LIB_USER, 0, 42, "here", 1);
	SSL_free(SSL_new(old));
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), 42);
	ERR_clear_error();
}
END_TEST

/* --- connections that wait for their context ---------------------------------------- */

static void *
make_bio_there(void *arg)
{
	make_bio();
	return arg;
}

static void
in_thread(void *(*work)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, work, arg), 0);
	pthread_join(thread, NULL);
}

/* The next BIO of the same thread, and no other, has it attached; once. */
START_TEST(test_waiting)
{
	SSL *ssl = connection_without_context(old);

	in_thread(make_bio_there, NULL);
	ck_assert_uint_eq(attached, 0);
	make_bio();
	ck_assert_uint_eq(attached, 1);
	make_bio();
	ck_assert_uint_eq(attached, 1);
	SSL_free(ssl);
}
END_TEST

/* A connection that is gone waits no more; nor one with another behind it. */
START_TEST(test_waiting_in_vain)
{
	SSL_CTX *made = server_ctx();
	SSL *first, *second;

	SSL_free(connection_without_context(old));
	make_bio();
	ck_assert_uint_eq(attached, 0);
	first = connection_without_context(old);
	second = connection_without_context(made);
	in_thread(make_bio_there, NULL);
	make_bio(); /* a new context has all it needs */
	ck_assert_uint_eq(attached, 0);
	SSL_free(first);
	SSL_free(second);
	SSL_CTX_free(made);
}
END_TEST

static int
make_bio_in_child(void *arg)
{
	(void)arg;
	make_bio();
	return (int)attached;
}

START_TEST(test_waiting_over_a_fork)
{
	SSL *ssl = connection_without_context(old);

	ck_assert_int_eq(in_child(make_bio_in_child, NULL), 1);
	ck_assert_uint_eq(attached, 0);
	make_bio();
	ck_assert_uint_eq(attached, 1);
	SSL_free(ssl);
}
END_TEST

/* --- as openssl.cnf has us loaded --------------------------------------------------- */

/* What is made and freed beside other threads, with locks held, is no business of ours. */
START_TEST(test_new_alone)
{
	unsigned handlers = fork_handlers;
	SSL_CTX *made;

	memset(seen, 0, sizeof(seen));
	ck_assert_int_eq(contexts_watch_new(&snicert->hook), 0);
	ck_assert_int_eq(contexts_watch_new(&snicert->hook), 0);
	for (int i = 0; i < CRYPTO_EX_INDEX__COUNT; i++)
		ck_assert_msg(seen[i] == (i == CRYPTO_EX_INDEX_SSL_CTX), "class %d: %u", i, seen[i]);
	ck_assert_uint_eq(fork_handlers, handlers);
	made = server_ctx();
	ck_assert_str_eq(served(made, "a.example"), "a.example");
	ck_assert_str_eq(served(old, "a.example"), "own-ec");
	SSL_CTX_free(made);
}
END_TEST

/* For one thread: no lock, and nothing to do when it forks. */
START_TEST(test_older_without_fork_handlers)
{
	unsigned handlers = fork_handlers;

	ck_assert_int_eq(contexts_watch_older(&snicert->hook), 0);
	ck_assert_uint_eq(fork_handlers, handlers);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name, void (*prepare)(void))
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, prepare, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_old_and_new);
	tcase_add_test(tests, test_the_servername_callback_stays);
	tcase_add_test(tests, test_a_context_made_in_the_handshake);
	tcase_add_test(tests, test_a_new_context_is_attached_once);
	tcase_add_test(tests, test_clients_are_left_alone);
	tcase_add_test(tests, test_made_and_freed);
	tcase_add_test(tests, test_threads);
	tcase_add_test(tests, test_a_child);
	tcase_add_test(tests, test_watched_again);
	tcase_add_test(tests, test_the_error_queue);
	suite_add_tcase(suite, tests);
	return tests;
}

int
main(void)
{
	TCase *waiting, *alone = tcase_create("new contexts alone");
	Suite *suite = suite_create("contexts");
	int failed;

	add_case(suite, "older contexts, too", setup);
	waiting = add_case(suite, "contexts learnt late", setup_late);
	tcase_add_test(waiting, test_waiting);
	tcase_add_test(waiting, test_waiting_in_vain);
	tcase_add_test(waiting, test_waiting_over_a_fork);
	tcase_add_checked_fixture(alone, setup_unwatched, teardown);
	tcase_add_test(alone, test_new_alone);
	tcase_add_test(alone, test_older_without_fork_handlers);
	suite_add_tcase(suite, alone);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
