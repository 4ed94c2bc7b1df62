/* SPDX-License-Identifier: ISC */
/* ends.c: handshakes in memory; see ends.h. */
#include <time.h>

#include <openssl/err.h>

#include "ends.h"

#define STEPS_MOST 200

/* To look at a certificate's dates takes a lock of libc's that no fork minds. */
static int
accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store, (void)arg;
	return 1;
}

SSL_CTX *
ends_client(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx != NULL) {
		SSL_CTX_set_max_proto_version(ctx, version);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	}
	return ctx;
}

/* 1: done, 0: goes on, -1: it is over. */
static int
step(SSL *ssl)
{
	int rc = SSL_do_handshake(ssl);

	if (rc == 1)
		return 1;
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return 0;
	default: return -1;
	}
}

static bool
shake(SSL *client, SSL *server)
{
	int at_client = 0, at_server = 0;

	for (int i = 0; i < STEPS_MOST && (at_client == 0 || at_server == 0); i++) {
		if (at_client == 0)
			at_client = step(client);
		if (at_server == 0)
			at_server = step(server);
		if (at_client < 0 || at_server < 0)
			break;
	}
	return at_client == 1 && at_server == 1;
}

bool
ends_shake(SSL_CTX *server_ctx, SSL_CTX *client_ctx, const char *name, char leaf[LEAF_SIZE])
{
	SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
	BIO *a = NULL, *b = NULL;
	bool done = false;

	leaf[0] = '\0';
	if (client != NULL && server != NULL && BIO_new_bio_pair(&a, 65536, &b, 65536) == 1) {
		SSL_set_bio(client, a, a);
		SSL_set_bio(server, b, b);
		SSL_set_connect_state(client);
		SSL_set_accept_state(server);
		if (name != NULL)
			SSL_set_tlsext_host_name(client, name);
		done = shake(client, server) &&
		    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client)),
		        NID_commonName, leaf, LEAF_SIZE) > 0;
	}
	SSL_free(client);
	SSL_free(server);
	ERR_clear_error();
	return done;
}

void
ends_nap(unsigned milliseconds)
{
	struct timespec ts = { .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}
