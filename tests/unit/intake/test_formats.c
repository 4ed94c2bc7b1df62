/* SPDX-License-Identifier: ISC */
/* test_formats.c: PKCS#12, PKCS#7, old encryption and PEM as other programs write them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>

#include "intake/bag.h"

static struct bag *ec, *rsa;            /* a key with leaf and issuer each */
static const char *passphrase;          /* what is answered, or NULL */
static int asked;

static char *
tell(void *arg, const char *what)
{
	(void)arg;
	(void)what;
	asked++;
	return passphrase == NULL ? NULL : strdup(passphrase);
}

static const struct passphrase_source source = { tell, NULL };

static struct bag *
fixture(const char *name)
{
	char path[4096];
	struct snicert_error err = {0};
	struct bag *bag = bag_new();

	snprintf(path, sizeof(path), "%s/%s", getenv("SNICERT_FIXTURES"), name);
	ck_assert_msg(bag_add_file(bag, path, NULL, &err) == 0, "%s", err.text);
	return bag;
}

static void
setup(void)
{
	ec = fixture("good-ec.pem");
	rsa = fixture("good-rsa.pem");
	passphrase = "secret";
	asked = 0;
}

static void
teardown(void)
{
	bag_free(ec);
	bag_free(rsa);
}

/* --- what is made -------------------------------------------------------- */

struct data {
	unsigned char octets[65536];
	size_t length;
};

static void
put(struct data *out, const void *octets, size_t length)
{
	ck_assert_uint_le(out->length + length, sizeof(out->octets));
	if (length > 0)
		memcpy(out->octets + out->length, octets, length);
	out->length += length;
}

static void
put_text(struct data *out, const char *text)
{
	put(out, text, strlen(text));
}

/* What openssl's own tool makes of a key and its chain. */
static PKCS12 *
make_p12(int key_pbe, int cert_pbe, const char *word, int mac)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	PKCS12 *p12;

	sk_X509_push(others, bag_cert(ec, 1)->cert);
	p12 = PKCS12_create(word, "name", bag_key(ec, 0)->key, bag_cert(ec, 0)->cert, others, key_pbe, cert_pbe, 0, mac, 0);
	sk_X509_free(others);
	ck_assert_ptr_nonnull(p12);
	return p12;
}

static void
put_p12(struct data *out, PKCS12 *p12)
{
	unsigned char *der = NULL;
	int length = i2d_PKCS12(p12, &der);

	put(out, der, (size_t)length);
	OPENSSL_free(der);
	PKCS12_free(p12);
}

/* Two entries, as a keystore has them. */
static PKCS12 *
two_keys(void)
{
	STACK_OF(PKCS7) *safes = NULL;
	STACK_OF(PKCS12_SAFEBAG) *certs = NULL, *keys = NULL;
	struct bag *const each[] = { ec, rsa };
	PKCS12 *p12;

	for (int i = 0; i < 2; i++) {
		PKCS12_add_cert(&certs, bag_cert(each[i], 0)->cert);
		PKCS12_add_cert(&certs, bag_cert(each[i], 1)->cert);
		PKCS12_add_key(&keys, bag_key(each[i], 0)->key, 0, 2048, i == 0 ? NID_aes_256_cbc : -1, "secret");
	}
	PKCS12_add_safe(&safes, certs, NID_aes_256_cbc, 2048, "secret");
	PKCS12_add_safe(&safes, keys, -1, 0, NULL);
	p12 = PKCS12_add_safes(safes, 0);
	PKCS12_set_mac(p12, "secret", -1, NULL, 0, 2048, NULL);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	sk_PKCS12_SAFEBAG_pop_free(certs, PKCS12_SAFEBAG_free);
	sk_PKCS12_SAFEBAG_pop_free(keys, PKCS12_SAFEBAG_free);
	return p12;
}

static size_t
put_indefinite(struct data *out, const unsigned char *der, int depth)
{
	size_t head = 2, length = der[1], used = 0;

	if (der[1] & 0x80) {
		length = 0;
		for (int i = 0; i < (der[1] & 0x7f); i++)
			length = length << 8 | der[head++];
	}
	if ((der[0] & 0x20) == 0 || depth == 0) {
		put(out, der, head + length);
		return head + length;
	}
	put(out, (unsigned char[]){ der[0], 0x80 }, 2);
	while (used < length)
		used += put_indefinite(out, der + head + used, depth - 1);
	put(out, "\0", 2);
	return head + length;
}

static void
put_p7(struct data *out, bool with_signature)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	unsigned char *der = NULL;
	BIO *content = BIO_new_mem_buf("text", 4);
	PKCS7 *p7;
	int length;

	sk_X509_push(others, bag_cert(ec, 1)->cert);
	if (with_signature) {
		p7 = PKCS7_sign(bag_cert(ec, 0)->cert, bag_key(ec, 0)->key, others, content, PKCS7_BINARY);
	} else {
		p7 = PKCS7_new();
		PKCS7_set_type(p7, NID_pkcs7_signed);
		PKCS7_content_new(p7, NID_pkcs7_data);
		PKCS7_add_certificate(p7, bag_cert(ec, 0)->cert);
		PKCS7_add_certificate(p7, bag_cert(ec, 1)->cert);
	}
	ck_assert_ptr_nonnull(p7);
	length = i2d_PKCS7(p7, &der);
	put(out, der, (size_t)length);
	OPENSSL_free(der);
	PKCS7_free(p7);
	BIO_free(content);
	sk_X509_free(others);
}

static void
put_pem(struct data *out, const char *label, const struct data *in)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long length;

	PEM_write_bio(bio, label, "", in->octets, (long)in->length);
	length = BIO_get_mem_data(bio, &text);
	put(out, text, (size_t)length);
	BIO_free(bio);
}

/* --- what is read -------------------------------------------------------- */

static struct snicert_error why;

static struct bag *
read_data(const struct data *in, int status)
{
	struct bag *bag = bag_new();
	int got;

	why = (struct snicert_error){0};
	got = bag_add_mem(bag, "x", in->octets, in->length, &source, &why);
	ck_assert_msg(got == status, "got %d want %d: %s", got, status, why.text);
	return bag;
}

static void
holds(const struct data *in, size_t keys, size_t certs, size_t warnings)
{
	struct bag *bag = read_data(in, 0);

	ck_assert_uint_eq(bag_keys(bag), keys);
	ck_assert_uint_eq(bag_certs(bag), certs);
	ck_assert_msg(bag_warnings(bag) == warnings, "%zu warnings", bag_warnings(bag));
	for (size_t i = 0; i < keys && i < certs; i++)
		ck_assert_int_eq(EVP_PKEY_eq(bag_key(bag, i)->key, X509_get0_pubkey(bag_cert(bag, 2 * i)->cert)), 1);
	bag_free(bag);
}

static void
is_refused(const struct data *in, const char *text)
{
	bag_free(read_data(in, -1));
	ck_assert_msg(strstr(why.text, text) != NULL, "got \"%s\" want \"…%s…\"", why.text, text);
}

START_TEST(pkcs12_indefinite)
{
	struct data der = {0}, ber = {0}, pem = {0};

	put_p12(&der, make_p12(0, 0, "secret", 0));
	put_indefinite(&ber, der.octets, _i);
	holds(&ber, 1, 2, 0);
	put_pem(&pem, "PKCS12", &ber);
	holds(&pem, 1, 2, 0);
	passphrase = "wrong";
	is_refused(&ber, "x: the passphrase doesn't open it");
	is_refused(&pem, "x:1: the passphrase doesn't open it");
	ber.length -= 3;
	is_refused(&ber, "no certificate and no private key in x");
}
END_TEST

START_TEST(pkcs12_two_keys)
{
	struct data in = {0};

	put_p12(&in, two_keys());
	holds(&in, 2, 4, 0);
	ck_assert_int_eq(asked, 1);
}
END_TEST

START_TEST(pkcs12_without_mac)
{
	struct data in = {0}, plain = {0};

	put_p12(&in, make_p12(0, 0, "secret", -1));
	holds(&in, 1, 2, 0);
	passphrase = "wrong";
	is_refused(&in, "the passphrase doesn't open it");
	asked = 0;
	put_p12(&plain, make_p12(-1, -1, "secret", -1));
	holds(&plain, 1, 2, 0);
	ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(trailing_octets)
{
	struct data p12 = {0}, cert = {0};
	unsigned char *der = NULL;
	int length = i2d_X509(bag_cert(ec, 0)->cert, &der);

	put_p12(&p12, make_p12(0, 0, "secret", 0));
	put_text(&p12, "\r\n");
	holds(&p12, 1, 2, 0);
	put_text(&p12, "more");
	holds(&p12, 1, 2, 1);
	put(&cert, der, (size_t)length);
	put(&cert, "\0\0\0", 3);
	holds(&cert, 0, 1, 0);
	OPENSSL_free(der);
}
END_TEST

START_TEST(pkcs7)
{
	static const char *const labels[] = { "PKCS7", "CERTIFICATE", "CMS", "PKCS #7 SIGNED DATA" };
	struct data der = {0}, ber = {0};

	put_p7(&der, _i != 0);
	holds(&der, 0, 2, 0);
	put_indefinite(&ber, der.octets, 5);
	holds(&ber, 0, 2, 0);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		struct data pem = {0};

		put_pem(&pem, labels[i], i % 2 == 0 ? &der : &ber);
		holds(&pem, 0, 2, 0);
	}
}
END_TEST

/* --- encryption that is in the legacy provider alone --------------------- */

static void
put_pkcs8_des(BIO *bio, EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	X509_SIG *locked = PKCS8_encrypt(-1, EVP_des_cbc(), "secret", 6, NULL, 0, 2048, info);

	ck_assert_int_eq(PEM_write_bio_PKCS8(bio, locked), 1);
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static bool
put_legacy(struct data *out, int which)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new(), *before;
	OSSL_PROVIDER *usual = OSSL_PROVIDER_load(context, "default"), *old = OSSL_PROVIDER_load(context, "legacy");
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *key = bag_key(ec, 0)->key;
	char *text;
	long length;

	before = OSSL_LIB_CTX_set0_default(context);
	if (old == NULL)
		;
	else if (which == 0)
		put_p12(out, make_p12(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And40BitRC2_CBC, "secret", 0));
	else if (which == 1)
		PEM_write_bio_PKCS8PrivateKey_nid(bio, key, NID_pbeWithMD5AndDES_CBC, "secret", 6, NULL, NULL);
	else if (which == 2)
		put_pkcs8_des(bio, key);
	else
		PEM_write_bio_PrivateKey_traditional(bio, key, EVP_des_cbc(), (unsigned char *)"secret", 6, NULL, NULL);
	length = BIO_get_mem_data(bio, &text);
	put(out, text, (size_t)length);
	BIO_free(bio);
	OSSL_LIB_CTX_set0_default(before);
	OSSL_PROVIDER_unload(usual);
	ck_assert(old == NULL || out->length > 0);
	if (old != NULL)
		OSSL_PROVIDER_unload(old);
	OSSL_LIB_CTX_free(context);
	return old != NULL;
}

START_TEST(legacy)
{
	struct data in = {0};
	EVP_CIPHER *cipher;

	if (!put_legacy(&in, _i))
		return; /* this system has no legacy provider */
	holds(&in, 1, _i == 0 ? 2 : 0, 0);
	passphrase = "wrong";
	is_refused(&in, "the passphrase doesn't open it");
	/* Nothing but the file saw it. */
	cipher = EVP_CIPHER_fetch(NULL, "DES-CBC", NULL);
	ck_assert_ptr_null(cipher);
	ERR_clear_error();
}
END_TEST

/* Where there is no such provider, it isn't the passphrase that is to blame. */
START_TEST(unsupported)
{
	struct data in = {0};

	if (!put_legacy(&in, _i))
		return;
	setenv("OPENSSL_MODULES", "/nonexistent", 1);
	is_refused(&in, "an algorithm that this OpenSSL doesn't support");
	ck_assert_ptr_null(strstr(why.text, "passphrase"));
}
END_TEST

/* --- PEM ----------------------------------------------------------------- */

static void
put_bag(struct data *out, bool locked)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long length;

	PEM_write_bio_PrivateKey_traditional(bio, bag_key(ec, 0)->key, locked ? EVP_aes_128_cbc() : NULL,
	    locked ? (unsigned char *)"secret" : NULL, locked ? 6 : 0, NULL, NULL);
	PEM_write_bio_X509(bio, bag_cert(ec, 0)->cert);
	PEM_write_bio_X509(bio, bag_cert(ec, 1)->cert);
	length = BIO_get_mem_data(bio, &text);
	put(out, text, (size_t)length);
	BIO_free(bio);
}

/* Each line of PEM between `before` and `after`; inner ends go where `after` is for marks alone. */
static void
put_lines(struct data *out, const struct data *pem, const char *before, const char *after, bool marks)
{
	const char *at = (const char *)pem->octets, *end = at + pem->length;
	bool mark = false;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		bool was = mark;

		mark = *at == '-';
		if (marks && mark && !was && out->length > 0 && strstr(at, "-----END") == at)
			put_text(out, after);
		put_text(out, before);
		put(out, at, (size_t)(stop - at));
		if (!marks || mark)
			put_text(out, after);
		at = stop + 1;
	}
}

static const struct lines_case {
	const char *what, *before, *after;
	bool marks;                     /* base64 has no line ends */
	size_t warnings;
} lines[] = {
	{ "as it is", "", "\n", false, 0 },
	{ "CRLF", "", "\r\n", false, 0 },
	{ "CR CRLF", "", "\r\r\n", false, 0 },
	{ "CR", "", "\r", false, 0 },
	{ "blanks", "", " ", false, 0 },
	{ "indented", "\t    ", "\n", false, 0 },
	{ "blanks behind", "", "  \t\n", false, 0 },
	{ "blank lines", "", "\n\n", false, 0 },
	{ "one long line", "", "\n", true, 0 },
	{ "literal \\n", "", "\\n", false, 1 },
	{ "literal \\r\\n", "", "\\r\\n", false, 1 },
	{ "twice escaped", "", "\\\\n", false, 1 },
	{ "literal, of one long line", "", "\\n", true, 1 },
};

START_TEST(line_ends)
{
	for (int locked = 0; locked < 2; locked++) {
		struct data pem = {0}, in = {0};

		/* Where the base64 is one line, headers would be too. */
		if (locked != 0 && lines[_i].marks)
			continue;
		put_bag(&pem, locked != 0);
		put_lines(&in, &pem, lines[_i].before, lines[_i].after, lines[_i].marks);
		holds(&in, 1, 2, lines[_i].warnings);
	}
}
END_TEST

START_TEST(no_line_ends)
{
	struct data pem = {0}, in = {0}, json = {0};

	put_bag(&pem, false);
	put_lines(&in, &pem, "", "", false);
	holds(&in, 1, 2, 0);
	/* PHP writes slashes so. */
	for (size_t i = 0; i < pem.length; i++)
		if (pem.octets[i] == '/')
			put_text(&json, "\\/");
		else
			put(&json, pem.octets + i, 1);
	if (memchr(pem.octets, '/', pem.length) != NULL)
		holds(&json, 1, 2, 1);
}
END_TEST

START_TEST(byte_order_marks)
{
	struct data pem = {0}, in = {0};

	put_bag(&pem, false);
	for (int i = 0; i < 2; i++) {
		put_text(&in, "\357\273\277some text\n");
		put(&in, pem.octets, pem.length);
	}
	holds(&in, 1, 2, 0);
}
END_TEST

START_TEST(utf16)
{
	struct data pem = {0}, in = {0};
	bool big = _i % 2 != 0;
	struct bag *bag;

	put_bag(&pem, false);
	if (_i >= 2)
		put(&in, big ? "\376\377" : "\377\376", 2);
	for (size_t i = 0; i < pem.length; i++)
		put(&in, big ? (unsigned char[]){ 0, pem.octets[i] } : (unsigned char[]){ pem.octets[i], 0 }, 2);
	holds(&in, 1, 2, 1);
	bag = read_data(&in, 0);
	ck_assert_ptr_nonnull(strstr(bag_warning(bag, 0), "iconv -f UTF-16"));
	bag_free(bag);
	in.length -= 60;
	is_refused(&in, "the block that begins here has no end");
}
END_TEST

/* As Traefik's acme.json has them. */
START_TEST(base64_in_json)
{
	struct data pem = {0}, in = {0};
	static unsigned char text[2 * sizeof(pem.octets)];
	struct bag *bag;

	put_bag(&pem, false);
	EVP_EncodeBlock(text, pem.octets, (int)pem.length);
	for (int i = 0; i < 2; i++) {
		put_text(&in, "{\n \"key\": \"");
		put_text(&in, (char *)text);
		put_text(&in, "\"}\n");
	}
	holds(&in, 1, 2, 0);
	bag = read_data(&in, 0);
	ck_assert_str_eq(bag_key(bag, 0)->origin, "x:2");
	ck_assert_str_eq(bag_cert(bag, 1)->origin, "x:2");
	bag_free(bag);
	text[200] = '\0';
	in.length = 0;
	put_text(&in, (char *)text);
	is_refused(&in, "the block that begins here has no end");
}
END_TEST

static const struct mangled_case {
	const char *find, *put, *want;
} mangled[] = {
	{ "\nMI", "\n<br>MI", "HTML" },
	{ "\nMI", "\n&nbsp;MI", "HTML" },
	{ "\nMI", "=\nMI", "quoted-printable" },
	{ "\nMI", "\n=3DMI", "quoted-printable" },
	{ "\nMI", "\n?MI", "can't be decoded, get the file again" },
};

START_TEST(says_what_mangled)
{
	struct data pem = {0}, in = {0};
	const char *text, *at;

	put_bag(&pem, false);
	put(&pem, "", 1);
	text = (const char *)pem.octets;
	at = strstr(strstr(text, "BEGIN CERT"), mangled[_i].find);
	ck_assert_ptr_nonnull(at);
	put(&in, text, (size_t)(at - text));
	put_text(&in, mangled[_i].put);
	put_text(&in, at + strlen(mangled[_i].find));
	is_refused(&in, mangled[_i].want);
}
END_TEST

START_TEST(lines_are_counted)
{
	struct data pem = {0}, in = {0};
	struct bag *bag;

	put_bag(&pem, false);
	put_text(&in, "\r");
	put_lines(&in, &pem, "", "\r", false);
	bag = read_data(&in, 0);
	ck_assert_str_eq(bag_key(bag, 0)->origin, "x:2");
	bag_free(bag);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	TCase *tc = tcase_create("formats");
	Suite *suite = suite_create("formats");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, pkcs12_indefinite, 1, 7);
	tcase_add_test(tc, pkcs12_two_keys);
	tcase_add_test(tc, pkcs12_without_mac);
	tcase_add_test(tc, trailing_octets);
	tcase_add_loop_test(tc, pkcs7, 0, 2);
	tcase_add_loop_test(tc, legacy, 0, 4);
	tcase_add_loop_test(tc, unsupported, 0, 4);
	tcase_add_loop_test(tc, line_ends, 0, COUNT(lines));
	tcase_add_test(tc, no_line_ends);
	tcase_add_test(tc, byte_order_marks);
	tcase_add_loop_test(tc, utf16, 0, 4);
	tcase_add_loop_test(tc, says_what_mangled, 0, COUNT(mangled));
	tcase_add_test(tc, base64_in_json);
	tcase_add_test(tc, lines_are_counted);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
