/* SPDX-License-Identifier: ISC */
/* test_parse.c: what is parsed twice is parsed once, and what is stored is what is read. */
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "../harness.h"
#include "intake/parse.h"

static EVP_PKEY *
key_new(enum key_kind kind)
{
	switch (kind) {
	case KEY_P256:
		return EVP_EC_gen("P-256");
	case KEY_P384:
		return EVP_EC_gen("P-384");
	case KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	default:
		return EVP_RSA_gen(2048);
	}
}

static unsigned char *
info_of(EVP_PKEY *key, size_t *length)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	ck_assert_int_gt(size, 0);
	PKCS8_PRIV_KEY_INFO_free(info);
	*length = (size_t)size;
	return der;
}

START_TEST(test_keys)
{
	static const struct {
		const char *what;
		enum key_kind kind;
		bool storable;
	} cases[] = {
		{ "P-256", KEY_P256, true }, { "P-384", KEY_P384, true }, { "RSA", KEY_RSA, true },
		{ "Ed25519", KEY_ED25519, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *key = key_new(cases[i].kind), *back;
		bool storable = !cases[i].storable;
		size_t length;
		unsigned char *der = info_of(key, &length);

		for (int turn = 0; turn < 2; turn++) { /* a decoder's second turn too */
			back = parse_key("PRIVATE KEY", der, length, &storable);
			ck_assert_msg(back != NULL && EVP_PKEY_eq(back, key) == 1, "%s is read", cases[i].what);
			ck_assert_msg(storable == cases[i].storable, "%s: storable is %d", cases[i].what, storable);
			EVP_PKEY_free(back);
		}
		ck_assert_ptr_null(parse_key("PRIVATE KEY", der, length - 1, &storable));
		ck_assert(!storable);
		OPENSSL_free(der);
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
}
END_TEST

START_TEST(test_keys_of_their_own_form)
{
	static const enum key_kind kinds[] = { KEY_P256, KEY_RSA };
	static const char *const labels[] = { "EC PRIVATE KEY", "RSA PRIVATE KEY" };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		EVP_PKEY *key = key_new(kinds[i]), *back;
		unsigned char *der = NULL;
		size_t length = (size_t)i2d_PrivateKey(key, &der);
		bool storable = true;

		back = parse_key(labels[i], der, length, &storable);
		ck_assert_msg(back != NULL && EVP_PKEY_eq(back, key) == 1, "%s is read", labels[i]);
		ck_assert_msg(!storable, "%s is no PrivateKeyInfo", labels[i]);
		EVP_PKEY_free(back);
		back = parse_key("", der, length, NULL);
		ck_assert_msg(back != NULL && EVP_PKEY_eq(back, key) == 1, "%s is read without label", labels[i]);
		EVP_PKEY_free(back);
		OPENSSL_free(der);
		EVP_PKEY_free(key);
	}
}
END_TEST

/* As some programs write EC keys; the point would have to be computed at each look-up. */
START_TEST(test_key_without_point)
{
	static const enum key_kind kinds[] = { KEY_P256, KEY_P384 };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		EVP_PKEY *key = key_new(kinds[i]), *back;
		bool storable = true;
		unsigned char *der;
		size_t length;

		ck_assert_int_eq(EVP_PKEY_set_int_param(key, OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, 0), 1);
		der = info_of(key, &length);
		back = parse_key("PRIVATE KEY", der, length, &storable);
		ck_assert(back != NULL && EVP_PKEY_eq(back, key) == 1);
		ck_assert(!storable);
		EVP_PKEY_free(back);
		OPENSSL_free(der);
		EVP_PKEY_free(key);
	}
}
END_TEST

static X509 *
cert_new(const char *cn, bool ca)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	if (ca) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

		X509_add_ext(cert, extension, -1);
		X509_EXTENSION_free(extension);
	}
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	EVP_PKEY_free(key);
	return cert;
}

START_TEST(test_certs)
{
	for (int ca = 0; ca < 2; ca++) {
		X509 *made = cert_new("example", ca == 1), *first, *second;
		unsigned char *der = NULL, digest[32];
		size_t length = (size_t)i2d_X509(made, &der);

		SHA256(der, length, digest);
		first = parse_cert(der, length, digest);
		second = parse_cert(der, length, digest);
		ck_assert_int_eq(X509_cmp(first, made), 0);
		ck_assert_int_eq(X509_cmp(second, made), 0);
		ck_assert_msg((first == second) == (ca == 1), "a CA's certificate is kept, a leaf is not");
		X509_free(first);
		X509_free(second);
		OPENSSL_free(der);
		X509_free(made);
	}
}
END_TEST

/* More than are kept: each is what it is, all the same. */
START_TEST(test_many_issuers)
{
	enum { MANY = 200 };
	static unsigned char *ders[MANY], digests[MANY][32];
	static size_t lengths[MANY];

	for (int i = 0; i < MANY; i++) {
		char cn[16];
		X509 *cert;

		snprintf(cn, sizeof(cn), "CA %d", i);
		cert = cert_new(cn, true);
		lengths[i] = (size_t)i2d_X509(cert, &ders[i]);
		SHA256(ders[i], lengths[i], digests[i]);
		X509_free(cert);
	}
	for (int i = 0; i < 2 * MANY; i++) {
		X509 *cert = parse_cert(ders[i % MANY], lengths[i % MANY], digests[i % MANY]);
		char cn[16], got[64];

		snprintf(cn, sizeof(cn), "CA %d", i % MANY);
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, got, sizeof(got));
		ck_assert_str_eq(got, cn);
		X509_free(cert);
	}
	for (int i = 0; i < MANY; i++)
		OPENSSL_free(ders[i]);
}
END_TEST

static unsigned char *shared_der;
static size_t shared_length;

static void *
parse_often(void *arg)
{
	const EVP_PKEY *key = arg;

	for (int i = 0; i < 200; i++) {
		EVP_PKEY *back = parse_key("PRIVATE KEY", shared_der, shared_length, NULL);
		bool good = back != NULL && EVP_PKEY_eq(back, key) == 1;

		EVP_PKEY_free(back);
		if (!good)
			return NULL;
	}
	return arg;
}

START_TEST(test_threads)
{
	EVP_PKEY *key = key_new(KEY_P256);
	pthread_t threads[4];
	void *good;

	shared_der = info_of(key, &shared_length);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, parse_often, key), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &good);
		ck_assert_ptr_eq(good, key);
	}
	OPENSSL_free(shared_der);
	EVP_PKEY_free(key);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tcase = tcase_create("parse");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_keys);
	tcase_add_test(tcase, test_keys_of_their_own_form);
	tcase_add_test(tcase, test_key_without_point);
	tcase_add_test(tcase, test_certs);
	tcase_add_test(tcase, test_many_issuers);
	tcase_add_test(tcase, test_threads);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
