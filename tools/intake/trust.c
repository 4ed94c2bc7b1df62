/* SPDX-License-Identifier: ISC */
/* trust.c: how far clients can verify a chain, by this system's roots. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "intake/trust.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static X509_STORE *roots;

static void
free_roots(void)
{
	X509_STORE_free(roots);
}

static void
load_roots(void)
{
	if ((roots = X509_STORE_new()) == NULL)
		return;
	X509_STORE_set_default_paths(roots);
	/* What has expired was worth as much before. */
	X509_STORE_set_flags(roots, X509_V_FLAG_NO_CHECK_TIME);
	OPENSSL_atexit(free_roots);
}

static STACK_OF(X509) *
decode(const struct store_chain *chain)
{
	STACK_OF(X509) *certs = sk_X509_new_null();

	for (size_t i = 0; certs != NULL && i < chain->cert_count; i++) {
		const unsigned char *der = chain->certs[i].der.data;
		X509 *cert = d2i_X509(NULL, &der, (long)chain->certs[i].der.length);

		if (cert == NULL || sk_X509_push(certs, cert) <= 0) {
			X509_free(cert);
			sk_X509_pop_free(certs, X509_free);
			certs = NULL;
		}
	}
	return certs;
}

static bool
leads_to_root(X509 *leaf, STACK_OF(X509) *certs)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = roots != NULL && ctx != NULL && X509_STORE_CTX_init(ctx, roots, leaf, certs) == 1 &&
	    X509_verify_cert(ctx) == 1;

	X509_STORE_CTX_free(ctx);
	return good;
}

enum trust
trust_of(const struct store_chain *chain)
{
	STACK_OF(X509) *certs = decode(chain);
	enum trust trust = TRUST_UNREADABLE;

	ERR_set_mark();
	if (certs != NULL && sk_X509_num(certs) > 0 && CRYPTO_THREAD_run_once(&once, load_roots) == 1) {
		X509 *leaf = sk_X509_value(certs, 0);

		if (leads_to_root(leaf, certs))
			trust = TRUST_ROOT;
		else
			trust = X509_self_signed(leaf, 0) == 1 ? TRUST_SELF : TRUST_UNKNOWN;
	}
	ERR_pop_to_mark();
	sk_X509_pop_free(certs, X509_free);
	return trust;
}
