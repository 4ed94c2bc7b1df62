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

static const char *const curves[] = { "P-256", "P-384", "P-521", "brainpoolP256r1", "secp256k1", "sect233r1" };

START_TEST(test_ec)
{
	EVP_PKEY *one = EVP_EC_gen(curves[_i]), *other = EVP_EC_gen(curves[_i]), *torn;
	BIGNUM *d = number_of(other, OSSL_PKEY_PARAM_PRIV_KEY);
	unsigned char *point = NULL;
	size_t length = EVP_PKEY_get1_encoded_public_key(one, &point);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curves[_i], 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, length);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d);
	torn = key_of("EC", build);
	ck_assert_msg(key_is_torn(torn), "%s", curves[_i]);
	ck_assert_msg(!key_is_torn(one) && !key_is_torn(other), "%s", curves[_i]);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	BN_free(d);
	OPENSSL_free(point);
	EVP_PKEY_free(torn);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}
END_TEST

/* In the private half of an EC key's PrivateKeyInfo. */
static int
tear(void *arg, const unsigned char *identity, const unsigned char *sealed, size_t length, unsigned char **out,
    size_t *out_length, struct snicert_error *err)
{
	unsigned char *plain = NULL;
	size_t plain_length = 0;

	ck_assert_int_eq(seal_open(arg, sealed, length, identity, STORE_DIGEST_LENGTH, &plain, &plain_length, err), 0);
	plain[50] ^= 0x15;
	ck_assert_int_eq(seal_close(arg, plain, plain_length, identity, STORE_DIGEST_LENGTH, out, out_length, err), 0);
	OPENSSL_clear_free(plain, plain_length);
	return 0;
}

/* A release that imported such a key has left it in the store, and its public half is whole. */
START_TEST(test_verify)
{
	static const unsigned char no_key[SEAL_ID_LENGTH];
	struct spec spec = { .cn = "a", .names = "a.example" };
	struct world *world = world_new();
	struct snicert_error err = {0};
	struct seal *seal;
	struct admin *admin;
	char line[300], said[4096];
	int64_t count;

	world_add(world, &spec);
	seal = world_seal(world);
	admin = world_admin(world);
	for (int torn = 0; torn <= 1; torn++) {
		FILE *verify;

		snprintf(line, sizeof(line), "%s/snicert -c %s verify 2>&1", getenv("SNICERT_BUILDDIR") != NULL
		    ? getenv("SNICERT_BUILDDIR") : ".", world->config);
		ck_assert_ptr_nonnull(verify = popen(line, "r"));
		said[fread(said, 1, sizeof(said) - 1, verify)] = '\0';
		pclose(verify);
		ck_assert_msg((strstr(said, "can't sign for it") != NULL) == (torn == 1), "torn: %d: %s", torn, said);
		ck_assert_int_eq(admin_begin(admin, &err), 0);
		ck_assert_int_eq(admin_rekey(admin, no_key, INT64_MAX, tear, seal, &count, &err), 0);
		ck_assert_int_eq(count, 1);
		ck_assert_int_eq(admin_commit(admin, &err), 0);
	}
	admin_close(admin);
	seal_free(seal);
	world_free(world);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("torn");
	TCase *tc = tcase_create("torn");
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_whole);
	tcase_add_test(tc, test_rsa);
	tcase_add_loop_test(tc, test_ec, 0, COUNT(curves));
	tcase_add_test(tc, test_verify);
	suite_add_tcase(suite, tc);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
