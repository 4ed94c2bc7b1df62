/* SPDX-License-Identifier: ISC */
/*
 * tls.c: an SSL_CTX as mail servers make it.  Protocol versions, ciphers,
 * session cache and tickets stay as the library and openssl.cnf have them, so
 * that what is measured and tested here is what others will see.
 */
#include <stdio.h>

#include <openssl/err.h>

#include "tls.h"

static void
tls_complain(const char *what)
{
	char reason[256];

	ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
	fprintf(stderr, "sample-mta: %s: %s\n", what, reason);
	ERR_clear_error();
}

/* A key with a passphrase is an error, not a question on the terminal. */
static int
/* NOLINTNEXTLINE(readability-non-const-parameter): pem_password_cb has it so */
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

SSL_CTX *
tls_context_new(void)
{
	static const unsigned char id[] = "sample-mta";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1) {
		tls_complain("TLS context");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	return ctx;
}

int
tls_add_certificate(SSL_CTX *ctx, const char *cert_path, const char *key_path)
{
	const char *blame = cert_path;

	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) == 1) {
		blame = key_path;
		if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1 &&
		    SSL_CTX_check_private_key(ctx) == 1)
			return 0;
	}
	tls_complain(blame);
	return -1;
}
