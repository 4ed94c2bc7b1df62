/* SPDX-License-Identifier: ISC */
/* input_pkcs12.c: PKCS#12 (RFC 7292). */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "error.h"
#include "intake/input.h"

static bool
pkcs12_opens(PKCS12 *p12, const char *passphrase)
{
	if (!PKCS12_mac_present(p12)) {
		EVP_PKEY *key = NULL;
		X509 *cert = NULL;
		int ok = PKCS12_parse(p12, passphrase, &key, &cert, NULL);

		EVP_PKEY_free(key);
		X509_free(cert);
		return ok == 1;
	}
	return PKCS12_verify_mac(p12, passphrase, passphrase == NULL ? 0 : -1) == 1;
}

/* The passphrase of a PKCS#12 file: none and "" are two different ones there. */
static int
pkcs12_passphrase(struct input *in, PKCS12 *p12, const char **out)
{
	bool asked = false;

	*out = "";
	if (pkcs12_opens(p12, ""))
		return 0;
	*out = NULL;
	if (pkcs12_opens(p12, NULL))
		return 0;
	if (in->bag->passphrase != NULL && pkcs12_opens(p12, in->bag->passphrase)) {
		*out = in->bag->passphrase;
		return 0;
	}
	asked = input_ask_passphrase(in);
	*out = in->bag->passphrase;
	return asked && pkcs12_opens(p12, *out) ? 0 : input_locked(in, 0, asked);
}

int
input_add_pkcs12(struct input *in, PKCS12 *p12)
{
	const char *passphrase = NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *others = NULL;
	int rc = pkcs12_passphrase(in, p12, &passphrase);

	if (rc == 0 && PKCS12_parse(p12, passphrase, &key, &cert, &others) != 1)
		rc = error_openssl(in->err, SNICERT_EKEY,
		    "%s: can't decode the PKCS#12 file; if it is an old one, convert it with"
		    " \"openssl pkcs12 -legacy -nodes\"", in->origin);
	if (rc == 0 && key != NULL) {
		rc = input_add_key(in, key, 0);
		key = NULL;
	}
	if (rc == 0 && cert != NULL) {
		rc = input_add_cert(in, cert, 0);
		cert = NULL;
	}
	while (rc == 0 && sk_X509_num(others) > 0)
		rc = input_add_cert(in, sk_X509_shift(others), 0);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(others, X509_free);
	ERR_clear_error();
	return rc;
}
