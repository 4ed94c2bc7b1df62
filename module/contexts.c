/* SPDX-License-Identifier: ISC */
/*
 * contexts.c: attaching to the TLS contexts of a program that does not hand them to us.  OpenSSL
 * reports each new object to whoever has asked for "extra data" with it:
 *
 *   SSL_CTX   a new context: all callbacks, which the program may still replace;
 *   SSL       a new connection.  If its context is older than we are, that one is
 *             already set up and gets only the ClientHello callback;
 *   BIO       from OpenSSL 3.2 on a connection being made does not know its
 *             context yet.  It does when the same thread makes the next BIO.
 *
 * There is no lock, and so nothing to do around a fork: OpenSSL calls this holding its own locks,
 * and, for objects that we make, ours.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>

#include "contexts.h"

static _Atomic(struct hook *) watching;
static int context_index = -1;
static bool sees_connections;

/* The connection that does not know its context yet.  Only this thread frees it, as
 * contexts_watch_older wants only one. */
static _Thread_local SSL *pending;

static bool
for_servers(const SSL_CTX *ctx)
{
	return SSL_CTX_get_ssl_method(ctx) != TLS_client_method();
}

/* `ad` is the context's own; the value set here tells new contexts from older ones, whose data
 * other threads may be reading. */
static void
context_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	SSL_CTX *ctx = parent;

	(void)ptr;
	(void)argl;
	(void)argp;
	if (ctx == NULL)
		return;
	CRYPTO_set_ex_data(ad, idx, &watching);
	if (for_servers(ctx))
		hook_attach(watching, ctx, NULL);
}

/* The same two words each time: may be repeated. */
static void
attach(SSL_CTX *ctx)
{
	if (SSL_CTX_get_ex_data(ctx, context_index) == NULL && for_servers(ctx))
		hook_attach_late(watching, ctx);
}

static void
connection_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	SSL_CTX *ctx = parent == NULL ? NULL : SSL_get_SSL_CTX(parent);

	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (ctx != NULL)
		attach(ctx);
	else
		pending = parent;
}

static void
connection_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (pending == parent)
		pending = NULL;
}

static void
bio_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	SSL_CTX *ctx = pending == NULL ? NULL : SSL_get_SSL_CTX(pending);

	(void)parent;
	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (ctx == NULL)
		return;
	pending = NULL;
	attach(ctx);
}

static void
see_contexts(void)
{
	context_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, context_made, NULL, NULL);
}

static void
see_connections(void)
{
	sees_connections = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, connection_made, NULL,
	        connection_freed) >= 0 &&
	    CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_BIO, 0, NULL, bio_made, NULL, NULL) >= 0;
}

int
contexts_watch_new(struct hook *hook)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	watching = hook;
	pthread_once(&once, see_contexts);
	return context_index >= 0 ? 0 : -1;
}

int
contexts_watch_older(struct hook *hook)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (contexts_watch_new(hook) != 0)
		return -1;
	pthread_once(&once, see_connections);
	return sees_connections ? 0 : -1;
}
