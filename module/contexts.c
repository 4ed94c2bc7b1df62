/* SPDX-License-Identifier: ISC */
/*
 * contexts.c: attaching to the TLS contexts of a program that does not hand them
 * to us.  OpenSSL tells of each object that is made where somebody has asked for
 * "extra data" with it:
 *
 *   SSL_CTX   a new context: all callbacks, which the program may still replace;
 *   SSL       a new connection.  Where its context is older than we are, that
 *             one is set up already and gets the ClientHello callback alone;
 *   BIO       from OpenSSL 3.2 on a connection that is being made does not know
 *             its context yet.  It does when the same thread makes the next BIO.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>

#include "contexts.h"

#define WAITING_MOST 32

static _Atomic(struct hook *) watching;
static int context_index = -1;
static int status = -1;

/* Connections that do not know their context yet, one a thread.  A program may
 * hand a connection to another thread, which frees it: hence not thread-local.
 * A connection that finds no room here is one that attaches nothing. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint waiting_count;
static struct waiting {
	pthread_t thread;
	SSL *ssl;
} waiting[WAITING_MOST];

/* While this thread forks, it has the lock and makes no connections of a host's. */
static _Thread_local bool forking;

static void
lock_take(void)
{
	pthread_mutex_lock(&lock);
}

static void
lock_give(void)
{
	pthread_mutex_unlock(&lock);
}

static void
before_fork(void)
{
	lock_take();
	forking = true;
}

static void
after_fork(void)
{
	forking = false;
	lock_give();
}

static bool
for_servers(const SSL_CTX *ctx)
{
	return SSL_CTX_get_ssl_method(ctx) != TLS_client_method();
}

/* `ad` is the context's own; what is set here tells contexts of ours from older
 * ones, whose data other threads may be reading. */
static void
context_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	SSL_CTX *ctx = parent;

	(void)ptr;
	(void)argl;
	(void)argp;
	if (ctx == NULL)
		return;
	CRYPTO_set_ex_data(ad, idx, &waiting);
	if (for_servers(ctx))
		hook_attach_unasked(watching, ctx);
}

/* The same two words each time: as often as you like, and beside other threads. */
static void
attach(SSL_CTX *ctx)
{
	if (SSL_CTX_get_ex_data(ctx, context_index) == NULL && for_servers(ctx))
		hook_attach_late(watching, ctx);
}

/* Under the lock: the place of this thread, or a free one. */
static struct waiting *
place(void)
{
	struct waiting *free_one = NULL;

	for (size_t i = 0; i < WAITING_MOST; i++) {
		if (waiting[i].ssl == NULL)
			free_one = &waiting[i];
		else if (pthread_equal(waiting[i].thread, pthread_self()))
			return &waiting[i];
	}
	return free_one;
}

static void
leave(struct waiting *from)
{
	from->ssl = NULL;
	waiting_count--;
}

static void
connection_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	SSL_CTX *ctx = parent == NULL ? NULL : SSL_get_SSL_CTX(parent);
	struct waiting *at;

	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (ctx != NULL)
		attach(ctx);
	if (ctx != NULL || parent == NULL)
		return;
	lock_take();
	at = place();
	if (at != NULL) {
		waiting_count += at->ssl == NULL;
		*at = (struct waiting){ .thread = pthread_self(), .ssl = parent };
	}
	lock_give();
}

static void
connection_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (waiting_count == 0 || forking)
		return;
	lock_take();
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (waiting[i].ssl != NULL && waiting[i].ssl == parent)
			leave(&waiting[i]);
	lock_give();
}

static void
bio_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct waiting *at;
	SSL_CTX *ctx;

	(void)parent;
	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (waiting_count == 0 || forking)
		return;
	lock_take();
	at = place();
	if (at != NULL && at->ssl != NULL && (ctx = SSL_get_SSL_CTX(at->ssl)) != NULL) {
		attach(ctx);
		leave(at);
	}
	lock_give();
}

static void
start(void)
{
	context_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, context_made,
	    NULL, NULL);
	if (context_index >= 0 &&
	    pthread_atfork(before_fork, after_fork, after_fork) == 0 &&
	    CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, connection_made, NULL,
	        connection_freed) >= 0 &&
	    CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_BIO, 0, NULL, bio_made, NULL, NULL) >= 0)
		status = 0;
}

int
contexts_watch(struct hook *hook)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	watching = hook;
	pthread_once(&once, start);
	return status;
}
