/* SPDX-License-Identifier: ISC */
/* torn.c: whether a private key's two halves match. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/provider.h>

#include "intake/torn.h"
#include "libctx.h"

#define POINT_MOST 256          /* octets of a point: two field elements, and one */

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
pairwise_fits(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool fit = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return fit;
}

/* SEC 1 section 3.2.1: the public half is the private one times the generator. */
static bool
product_fits(const EC_GROUP *group, const BIGNUM *private, const unsigned char *public, size_t length)
{
	EC_POINT *given = EC_POINT_new(group), *product = EC_POINT_new(group);
	bool fit = given != NULL && product != NULL && BN_cmp(private, EC_GROUP_get0_order(group)) < 0 &&
	    EC_POINT_oct2point(group, given, public, length, NULL) == 1 &&
	    EC_POINT_mul(group, product, private, NULL, NULL, NULL) == 1 && EC_POINT_cmp(group, given, product, NULL) == 0;

	EC_POINT_free(given);
	EC_POINT_clear_free(product);
	return fit;
}

/* Made once: that takes longer than the product. */
static struct curve {
	int nid;
	EC_GROUP *group;
} curves[] = { { NID_X9_62_prime256v1, NULL }, { NID_secp384r1, NULL }, { NID_secp521r1, NULL } };
#define CURVES (sizeof(curves) / sizeof(curves[0]))

static void
curves_free(void)
{
	for (size_t i = 0; i < CURVES; i++)
		EC_GROUP_free(curves[i].group);
}

static void
curves_make(void)
{
	for (size_t i = 0; i < CURVES; i++)
		curves[i].group = EC_GROUP_new_by_curve_name(curves[i].nid);
	atexit(curves_free);
}

/* NULL for those that hardly anybody has. */
static const EC_GROUP *
group_of(const EVP_PKEY *key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char name[64];

	pthread_once(&once, curves_make);
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1)
		for (size_t i = 0; i < CURVES; i++)
			if (curves[i].nid == OBJ_sn2nid(name))
				return curves[i].group;
	return NULL;
}

/* The library's own check multiplies the public half by the curve's order, too, which takes five times as long. */
static bool
point_fits(EVP_PKEY *key)
{
	const EC_GROUP *group = group_of(key);
	unsigned char public[POINT_MOST];
	BIGNUM *private = NULL;
	size_t length = 0;
	bool fit;

	if (group == NULL)
		return pairwise_fits(key);
	fit = EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof(public), &length) == 1 &&
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &private) == 1 &&
	    product_fits(group, private, public, length);
	BN_clear_free(private);
	return fit;
}

/* Not a token's: no key in it is at hand. */
static bool
is_at_hand(const EVP_PKEY *key)
{
	static const char *const providers[] = { "default", "fips", LIBCTX_PROVIDER };
	const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);

	for (size_t i = 0; provider != NULL && i < sizeof(providers) / sizeof(providers[0]); i++)
		if (strcmp(OSSL_PROVIDER_get0_name(provider), providers[i]) == 0)
			return true;
	return false;
}

/* An Ed25519 or Ed448 key's file has only the private half. */
bool
key_is_torn(EVP_PKEY *key)
{
	bool torn = false;

	if (!is_at_hand(key))
		return false;
	ERR_set_mark();
	if (EVP_PKEY_is_a(key, "EC") == 1)
		torn = !point_fits(key);
	else if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1)
		torn = !signature_fits(key);
	ERR_pop_to_mark();
	return torn;
}
