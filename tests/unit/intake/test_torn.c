/* SPDX-License-Identifier: ISC */
/* test_torn.c: keys whose private half is another key's, and whole ones. */
#include <check.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "../harness.h"
#include "intake/torn.h"

static BIGNUM *
number_of(const EVP_PKEY *key, const char *name)
{
	BIGNUM *n = NULL;

	ck_assert_msg(EVP_PKEY_get_bn_param(key, name, &n) == 1, "%s", name);
	return n;
}

static EVP_PKEY *
key_of(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	ck_assert(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	return key;
}

START_TEST(test_whole)
{
	static const enum key_kind kinds[] = { KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		EVP_PKEY *key = key_make(kinds[i]);

		ck_assert_msg(!key_is_torn(key), "kind %zu", i);
		EVP_PKEY_free(key);
	}
}
END_TEST

START_TEST(test_rsa)
{
	EVP_PKEY *one = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048), *torn, *pss;
	BIGNUM *n = number_of(one, OSSL_PKEY_PARAM_RSA_N), *e = number_of(one, OSSL_PKEY_PARAM_RSA_E);
	BIGNUM *d = number_of(other, OSSL_PKEY_PARAM_RSA_D);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d);
	torn = key_of("RSA", build);
	ERR_raise(ERR_LIB_USER, 1);
	ck_assert(key_is_torn(torn));
	ck_assert_msg(ERR_GET_REASON(ERR_peek_last_error()) == 1, "what was in the queue stays, and nothing else");
	ERR_clear_error();
	pss = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)2048);
	if (pss != NULL)
		ck_assert(!key_is_torn(pss));
	EVP_PKEY_free(pss);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	EVP_PKEY_free(torn);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}
END_TEST

START_TEST(test_ec)
{
	EVP_PKEY *one = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *torn;
	BIGNUM *d = number_of(other, OSSL_PKEY_PARAM_PRIV_KEY);
	unsigned char *point = NULL;
	size_t length = EVP_PKEY_get1_encoded_public_key(one, &point);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, length);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d);
	torn = key_of("EC", build);
	ck_assert(key_is_torn(torn));
	ck_assert_uint_eq(ERR_peek_error(), 0);
	BN_free(d);
	OPENSSL_free(point);
	EVP_PKEY_free(torn);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("torn");
	TCase *tc = tcase_create("torn");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_whole);
	tcase_add_test(tc, test_rsa);
	tcase_add_test(tc, test_ec);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
