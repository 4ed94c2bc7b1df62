/* SPDX-License-Identifier: ISC */
/* trust.c: how far clients can verify a chain, by this system's roots. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "intake/trust.h"
#include "x509/path.h"

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

enum trust
trust_of(const struct store_chain *chain)
{
	STACK_OF(X509) *certs = decode(chain);
	enum trust trust = TRUST_UNREADABLE;

	ERR_set_mark();
	if (certs != NULL && sk_X509_num(certs) > 0) {
		X509 *leaf = sk_X509_value(certs, 0);

		if (path_is_known(certs))
			trust = TRUST_ROOT;
		else
			trust = X509_self_signed(leaf, 0) == 1 ? TRUST_SELF : TRUST_UNKNOWN;
	}
	ERR_pop_to_mark();
	sk_X509_pop_free(certs, X509_free);
	return trust;
}
