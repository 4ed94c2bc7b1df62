/* SPDX-License-Identifier: ISC */
/*
 * input_der.c: a certificate, a key, PKCS#12 or PKCS#7 in DER or BER.  The library's decoders tell
 * which: we try each.
 */
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include "error.h"
#include "intake/input.h"
#include "intake/parse.h"

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

static int
try_pkcs12(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	PKCS12 *p12 = d2i_PKCS12(NULL, &data, (long)length);
	int rc = 0;

	*found = p12 != NULL;
	if (p12 != NULL)
		rc = input_add_pkcs12(in, p12, line);
	PKCS12_free(p12);
	return rc;
}

static int
try_pkcs7(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	PKCS7 *p7 = d2i_PKCS7(NULL, &data, (long)length);
	int rc = 0;

	*found = p7 != NULL;
	if (p7 != NULL)
		rc = input_add_pkcs7(in, p7, line);
	PKCS7_free(p7);
	return rc;
}

/* An encrypted PKCS#8 key, from `openssl pkcs8 -topk8 -outform DER`. */
static int
try_locked(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	const unsigned char *at = data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &at, (long)length);

	X509_SIG_free(sig);
	*found = sig != NULL;
	return sig == NULL ? 0 : input_add_locked_key(in, false, data, length, line);
}

static int
try_cert(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	X509 *cert = d2i_X509(NULL, &data, (long)length);

	*found = cert != NULL;
	return cert == NULL ? 0 : input_add_cert(in, cert, line);
}

static int
try_key(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	EVP_PKEY *key = parse_key("", data, length, NULL);

	*found = key != NULL;
	return key == NULL ? 0 : input_add_key(in, key, line);
}

int
input_add_der(struct input *in, const unsigned char *data, size_t length, size_t line, bool *found)
{
	int (*const tries[])(struct input *, const unsigned char *, size_t, size_t, bool *) = {
		try_cert, try_pkcs12, try_pkcs7, try_locked, try_key };
	int rc = 0;

	*found = false;
	for (size_t i = 0; rc == 0 && !*found && i < sizeof(tries) / sizeof(tries[0]); i++)
		rc = tries[i](in, data, length, line, found);
	ERR_clear_error();
	return rc;
}
