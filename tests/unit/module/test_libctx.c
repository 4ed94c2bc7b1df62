/* SPDX-License-Identifier: ISC */
/*
 * test_libctx.c: the context of our own, in which certificates are parsed fast, whatever the
 * version of the library at hand; and where it can't be had.
 */
#include <string.h>

#include "../harness.h"
#include "libctx.h"
#include "seal.h"

/* --- between the module and the library: by the linker's --wrap -------------------- */

static unsigned major_played = 3, minor_played;

/* What fails: the `fails`-th of these calls. */
enum call { NOTHING, CTX_NEW, LOAD, ADD_BUILTIN, QUERY };
static enum call victim;
static int fails, calls;
static int contexts;                    /* made and not freed */
static int parsed_within, parsed_wide, parsed_by_default;

static bool
denied(enum call call)
{
	return call == victim && ++calls == fails;
}

unsigned __wrap_OPENSSL_version_major(void);
unsigned __wrap_OPENSSL_version_minor(void);
OSSL_LIB_CTX *__real_OSSL_LIB_CTX_new(void);
OSSL_LIB_CTX *__wrap_OSSL_LIB_CTX_new(void);
void __real_OSSL_LIB_CTX_free(OSSL_LIB_CTX *);
void __wrap_OSSL_LIB_CTX_free(OSSL_LIB_CTX *);
OSSL_PROVIDER *__real_OSSL_PROVIDER_load(OSSL_LIB_CTX *, const char *);
OSSL_PROVIDER *__wrap_OSSL_PROVIDER_load(OSSL_LIB_CTX *, const char *);
int __real_OSSL_PROVIDER_add_builtin(OSSL_LIB_CTX *, const char *, OSSL_provider_init_fn *);
int __wrap_OSSL_PROVIDER_add_builtin(OSSL_LIB_CTX *, const char *, OSSL_provider_init_fn *);
const OSSL_ALGORITHM *__real_OSSL_PROVIDER_query_operation(const OSSL_PROVIDER *, int, int *);
const OSSL_ALGORITHM *__wrap_OSSL_PROVIDER_query_operation(const OSSL_PROVIDER *, int, int *);
X509 *__real_X509_new_ex(OSSL_LIB_CTX *, const char *);
X509 *__wrap_X509_new_ex(OSSL_LIB_CTX *, const char *);

unsigned
__wrap_OPENSSL_version_major(void)
{
	return major_played;
}

unsigned
__wrap_OPENSSL_version_minor(void)
{
	return minor_played;
}

OSSL_LIB_CTX *
__wrap_OSSL_LIB_CTX_new(void)
{
	OSSL_LIB_CTX *ctx = denied(CTX_NEW) ? NULL : __real_OSSL_LIB_CTX_new();

	contexts += ctx != NULL;
	return ctx;
}

void
__wrap_OSSL_LIB_CTX_free(OSSL_LIB_CTX *ctx)
{
	contexts -= ctx != NULL;
	__real_OSSL_LIB_CTX_free(ctx);
}

OSSL_PROVIDER *
__wrap_OSSL_PROVIDER_load(OSSL_LIB_CTX *ctx, const char *name)
{
	return denied(LOAD) ? NULL : __real_OSSL_PROVIDER_load(ctx, name);
}

int
__wrap_OSSL_PROVIDER_add_builtin(OSSL_LIB_CTX *ctx, const char *name, OSSL_provider_init_fn *init)
{
	return denied(ADD_BUILTIN) ? 0 : __real_OSSL_PROVIDER_add_builtin(ctx, name, init);
}

const OSSL_ALGORITHM *
__wrap_OSSL_PROVIDER_query_operation(const OSSL_PROVIDER *provider, int operation, int *no_cache)
{
	return denied(QUERY) ? NULL : __real_OSSL_PROVIDER_query_operation(provider, operation, no_cache);
}

X509 *
__wrap_X509_new_ex(OSSL_LIB_CTX *ctx, const char *properties)
{
	if (ctx == NULL)
		parsed_by_default++;
	else if (ctx == libctx_get())
		parsed_within++;
	else
		parsed_wide++;
	return __real_X509_new_ex(ctx, properties);
}

/* --- what is parsed ------------------------------------------------------------------- */

static EVP_PKEY *
key_of(const char *type, const char *curve)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
	if (curve != NULL)
		ck_assert_int_eq(EVP_PKEY_CTX_set_group_name(ctx, curve), 1);
	ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* A certificate with a key of this type (and curve), parsed; how often, and where, is counted. */
static X509 *
parsed(const char *type, const char *curve)
{
	struct spec spec = { .cn = "a.example" };
	EVP_PKEY *key = key_of(type, curve);
	unsigned char *der = NULL, *again = NULL;
	const unsigned char *at;
	X509 *cert;
	int length;

	cert = cert_make(&spec, key);
	length = i2d_X509(cert, &der);
	X509_free(cert);
	at = der;
	parsed_within = parsed_wide = parsed_by_default = 0;
	cert = libctx_parse(&at, (size_t)length);
	ck_assert_msg(cert != NULL, "%s: not parsed", type);
	ck_assert_int_eq(parsed_by_default, 0);
	ck_assert_ptr_eq(at, der + length);
	ck_assert_int_eq(i2d_X509(cert, &again), length);
	ck_assert_mem_eq(again, der, (size_t)length);
	ck_assert_msg(EVP_PKEY_is_a(X509_get0_pubkey(cert), type) == 1, "%s: the key is of another type", type);
	ck_assert_int_eq(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), EVP_PKEY_get_bits(key));
	OPENSSL_free(der);
	OPENSSL_free(again);
	EVP_PKEY_free(key);
	return cert;
}

static const struct {
	unsigned major, minor;
	bool narrow;
} versions[] = {
	{ 3, 0, true }, { 3, 1, true }, { 3, 2, false }, { 3, 5, false }, { 4, 0, false },
};

START_TEST(test_versions)
{
	major_played = versions[_i].major;
	minor_played = versions[_i].minor;
	for (int i = 0; i < 2; i++) {
		X509_free(parsed("EC", "P-256"));
		ck_assert_msg(parsed_within == 1 && parsed_wide == 0, "%u.%u: parsed %d times in ours, %d beside it",
		    major_played, minor_played, parsed_within, parsed_wide);
	}
	ck_assert_int_eq(contexts, versions[_i].narrow ? 2 : 1);
}
END_TEST

/* Those that chains have, and one that is left to all of the default provider. */
static const struct {
	const char *type, *curve;
	bool narrow;
} keys[] = {
	{ "RSA", NULL, true }, { "RSA-PSS", NULL, true }, { "EC", "P-256", true }, { "EC", "P-384", true },
	{ "EC", "P-521", true }, { "ED25519", NULL, true }, { "ED448", NULL, true }, { "X25519", NULL, false },
};

START_TEST(test_keys)
{
	X509_free(parsed(keys[_i].type, keys[_i].curve));
	ck_assert_int_eq(parsed_within, 1);
	ck_assert_msg(parsed_wide == !keys[_i].narrow, "%s: parsed %d times beside ours", keys[_i].type, parsed_wide);
}
END_TEST

START_TEST(test_no_certificate)
{
	static const unsigned char noise[] = { 0x30, 0x03, 0x02, 0x01, 0x00 };

	for (size_t length = 0; length <= sizeof(noise); length++) {
		const unsigned char *at = noise;

		ck_assert_ptr_null(libctx_parse(&at, length));
	}
}
END_TEST

/* --- where it can't be had ------------------------------------------------------------ */

static const struct {
	const char *label;
	enum call victim;
	int which;
} failures[] = {
	{ "no key types", QUERY, 1 },
	{ "no decoders of public keys", QUERY, 2 },
	{ "no decoders of private keys", QUERY, 3 },
	{ "no second context", CTX_NEW, 2 },
	{ "no provider of that name", ADD_BUILTIN, 1 },
	{ "no provider of our own", LOAD, 2 },
};

START_TEST(test_slower)
{
	victim = failures[_i].victim;
	fails = failures[_i].which;
	ck_assert_msg(libctx_get() != NULL, "%s: no context", failures[_i].label);
	ck_assert_msg(calls == fails, "%s: %d calls", failures[_i].label, calls);
	ck_assert_msg(contexts == 1, "%s: %d contexts are left", failures[_i].label, contexts);
	X509_free(parsed("EC", "P-256"));
	ck_assert_int_eq(parsed_within, 1);
	ck_assert_int_eq(parsed_wide, 0);
}
END_TEST

/* The host's own is no way out. */
START_TEST(test_none)
{
	static const unsigned char noise[] = { 0x30, 0x00 };
	static const enum call victims[] = { CTX_NEW, LOAD };
	const unsigned char *at = noise;

	victim = victims[_i];
	fails = 1;
	ck_assert_ptr_null(libctx_get());
	ck_assert_int_eq(contexts, 0);
	ck_assert_ptr_null(libctx_parse(&at, sizeof(noise)));
	ck_assert_int_eq(parsed_by_default, 0);
	ck_assert_ptr_null(seal_new(NULL));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("libctx");
	TCase *tests = tcase_create("libctx");
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, test_versions, 0, COUNT(versions));
	tcase_add_loop_test(tests, test_keys, 0, COUNT(keys));
	tcase_add_test(tests, test_no_certificate);
	tcase_add_loop_test(tests, test_slower, 0, COUNT(failures));
	tcase_add_loop_test(tests, test_none, 0, 2);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
