/* SPDX-License-Identifier: ISC */
/* key_match.c: a digest that matches a key to its certificate. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "intake/key_match.h"

/*
 * A digest that matches keys to certificates in big bags: of the modulus, the x coordinate or the
 * raw public key.  The SPKI would do as well, but i2d_PUBKEY costs 100 µs on OpenSSL 3.0, and a
 * point has two encodings.  Callers that need certainty compare the keys themselves.
 */
static void
digest_number(const unsigned char *octets, size_t length, unsigned char out[32])
{
	while (length > 0 && *octets == 0) {
		octets++;
		length--;
	}
	SHA256(octets, length, out);
}

static int
digest_numbers(const EVP_PKEY *key, unsigned char out[32])
{
	bool ec = EVP_PKEY_is_a(key, "EC");
	const char *number = ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_N;
	unsigned char *octets = NULL;
	BIGNUM *bn = NULL;
	size_t length = 0;

	if (EVP_PKEY_get_bn_param(key, number, &bn) == 1) {
		length = (size_t)BN_num_bytes(bn);
		octets = OPENSSL_malloc(length + 1);
		if (octets != NULL)
			BN_bn2bin(bn, octets);
	} else if (!ec && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &length) == 1) {
		octets = OPENSSL_malloc(length + 1);
		if (octets != NULL && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, octets,
		    length, &length) != 1)
			length = 0;
	}
	if (octets != NULL && length > 0)
		digest_number(octets, length, out);
	BN_free(bn);
	OPENSSL_free(octets);
	ERR_clear_error();
	return octets != NULL && length > 0 ? 0 : -1;
}

/* A key in a token may hide its numbers, but has a public key. */
int
key_match(const EVP_PKEY *key, unsigned char out[32])
{
	unsigned char *der = NULL;
	const unsigned char *at;
	EVP_PKEY *public_key;
	int length, status;

	if (digest_numbers(key, out) == 0)
		return 0;
	length = i2d_PUBKEY(key, &der);
	at = der;
	public_key = length > 0 ? d2i_PUBKEY(NULL, &at, length) : NULL;
	status = public_key == NULL ? -1 : digest_numbers(public_key, out);
	EVP_PKEY_free(public_key);
	OPENSSL_free(der);
	ERR_clear_error();
	return status;
}

/* The same as for its key: in every encoding, the point begins with the x coordinate (SEC 1 section
 * 2.3.3); the library would divide to get it. */
void
key_match_cert(const X509 *cert, unsigned char out[32])
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert);
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	size_t field = key == NULL ? 0 : ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;

	if (key == NULL) /* matches none */
		return;
	if (EVP_PKEY_is_a(key, "EC") && (size_t)ASN1_STRING_length(bits) > field)
		digest_number(ASN1_STRING_get0_data(bits) + 1, field, out);
	else
		(void)key_match(key, out);
}
