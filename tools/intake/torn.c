/* SPDX-License-Identifier: ISC */
/* torn.c: whether a private key's two halves match. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "intake/torn.h"

/* The library's own check of an RSA key tests for primes: the time of a hundred signatures. */
static bool
signature_fits(EVP_PKEY *key)
{
	static const unsigned char text[] = "Do these halves belong together?";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int size = EVP_PKEY_get_size(key);
	size_t length = size < 0 ? 0 : (size_t)size;
	unsigned char *signature = malloc(length + 1);
	/* No digest: RSA-PSS keys may need one other than SHA-256. */
	bool fits = ctx != NULL && signature != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, signature, &length, text, sizeof(text)) == 1 &&
	    EVP_MD_CTX_reset(ctx) == 1 &&
	    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, signature, length, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(ctx);
	free(signature);
	return fits;
}

static bool
halves_fit(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool fit = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return fit;
}

/* An Ed25519 or Ed448 key's file has only the private half. */
bool
key_is_torn(EVP_PKEY *key)
{
	const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);
	const char *name = provider == NULL ? "" : OSSL_PROVIDER_get0_name(provider);
	bool torn = false;

	if (strcmp(name, "default") != 0 && strcmp(name, "fips") != 0)
		return false;
	ERR_set_mark();
	if (EVP_PKEY_is_a(key, "EC") == 1)
		torn = !halves_fit(key);
	else if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1)
		torn = !signature_fits(key);
	ERR_pop_to_mark();
	return torn;
}
