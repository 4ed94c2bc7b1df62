/* SPDX-License-Identifier: ISC */
/* input_der.c: one certificate, key or PKCS#12 file in DER. */
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "error.h"
#include "intake/input.h"
#include "intake/parse.h"

/* The whole length of the DER element at `data`, or 0: not even a header. */
size_t
input_der_length(const unsigned char *data, size_t length)
{
	size_t octets, value = 0;

	if (length < 2 || data[0] != 0x30 || data[1] == 0x80)
		return 0;
	if (data[1] < 0x80)
		return 2 + (size_t)data[1];
	octets = data[1] & 0x7fu;
	if (octets > 4 || length < 2 + octets)
		return 0;
	for (size_t i = 0; i < octets; i++)
		value = value << 8 | data[2 + i];
	return value + 2 + octets;
}

/* An encrypted PKCS#8 key, as `openssl pkcs8 -topk8 -outform DER` makes. */
static int
add_der_locked(struct input *in, const unsigned char *data, size_t length, bool *found)
{
	const unsigned char *at = data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &at, (long)length);

	X509_SIG_free(sig);
	*found = sig != NULL;
	return sig == NULL ? 0 : input_add_locked_key(in, input_open_der, data, length, 0);
}

int
input_add_der(struct input *in, const unsigned char *data, size_t length)
{
	const unsigned char *at = data;
	X509 *cert = d2i_X509(NULL, &at, (long)length);
	PKCS12 *p12;
	EVP_PKEY *key;
	bool found = false;
	int rc;

	if (cert != NULL)
		return input_add_cert(in, cert, 0);
	at = data;
	if ((p12 = d2i_PKCS12(NULL, &at, (long)length)) != NULL) {
		rc = input_add_pkcs12(in, p12);
		PKCS12_free(p12);
		return rc;
	}
	if ((rc = add_der_locked(in, data, length, &found)) != 0 || found)
		return rc;
	if ((key = parse_key("", data, length, NULL)) != NULL)
		return input_add_key(in, key, 0);
	ERR_clear_error();
	return error_set(in->err, SNICERT_EINPUT,
	    "%s: it is neither a certificate, a private key nor PKCS#12; convert it to PEM", in->origin);
}
