/* SPDX-License-Identifier: ISC */
/* input_pkcs7.c: the certificates of PKCS#7 signed data (.p7b, .p7c); ignores signatures. */
#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "error.h"
#include "intake/input.h"

static STACK_OF(X509) *
certs_of(PKCS7 *p7)
{
	if (PKCS7_type_is_signed(p7) && p7->d.sign != NULL)
		return p7->d.sign->cert;
	if (PKCS7_type_is_signedAndEnveloped(p7) && p7->d.signed_and_enveloped != NULL)
		return p7->d.signed_and_enveloped->cert;
	return NULL;
}

int
input_add_pkcs7(struct input *in, PKCS7 *p7, size_t line)
{
	STACK_OF(X509) *certs = certs_of(p7);
	int rc = 0;

	if (sk_X509_num(certs) <= 0)
		return error_set(in->err, SNICERT_EINPUT,
		    "no certificate and no private key in %s: it is PKCS#7 without certificates", in->origin);
	for (int i = 0; rc == 0 && i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		X509_up_ref(cert);
		rc = input_add_cert(in, cert, line);
	}
	return rc;
}
