/* SPDX-License-Identifier: ISC */
/*
 * test_certsigs.c: clients that list the signatures they take on certificates get a chain
 * whose leaf bears one of those, or the server's own certificate, and never an alert that
 * the server would not have sent without the module.
 */
#include <check.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "certsigs.h"
#include "../harness.h"
#include "hellos.h"
#include "hook.h"
#include "instance.h"

static struct world *world;
static struct snicert *snicert;
static EVP_PKEY *rsa_key, *ec_key;
static X509 *rsa_cert;                  /* the server's own: an RSA signature with SHA-256 */

static void
setup(void)
{
	struct spec ec = { .cn = "ec.example", .self_signed = true };   /* ECDSA with SHA-256 */
	struct spec rsa = { .cn = "own", .kind = KEY_RSA, .self_signed = true };
	struct spec both = { .cn = "both.example", .self_signed = true };
	struct snicert_error err = {0};

	world = world_new();
	world_add(world, &ec);
	world_add(world, &both);
	both.kind = KEY_RSA;
	world_add(world, &both);
	rsa_key = key_make(KEY_RSA);
	ec_key = key_make(KEY_P256);
	rsa_cert = cert_make(&rsa, rsa_key);
	ck_assert_msg(snicert_open(&snicert, world->config, &err) == 0, "%s", err.text);
}

static void
teardown(void)
{
	snicert_close(snicert);
	X509_free(rsa_cert);
	EVP_PKEY_free(rsa_key);
	EVP_PKEY_free(ec_key);
	world_free(world);
}

enum way { WITHOUT, ATTACHED, LATE, OVERRIDDEN, WAYS };
static const char *const way_names[] = { "without", "attached", "late", "overridden" };

static SSL_CTX *
server(enum way way)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_use_certificate(ctx, rsa_cert);
	SSL_CTX_use_PrivateKey(ctx, rsa_key);
	switch (way) {
	case WITHOUT:
		break;
	case LATE:
		hook_attach_late(&snicert->hook, ctx);
		break;
	default:
		hook_attach(&snicert->hook, ctx, NULL);
		break;
	}
	if (way == OVERRIDDEN)
		SSL_CTX_set_client_hello_cb(ctx, host_client_hello, NULL);
	return ctx;
}

/* What OpenSSL's client sends, with the list, of which it has none itself. */
static size_t
make_hello(const char *name, int version, const char *list, size_t size, unsigned char out[HELLO_SIZE])
{
	SSL_CTX *client = hello_client(version);
	size_t length = hello_make(client, name, out, HELLO_SIZE);
	unsigned char body[64] = { 0, (unsigned char)size };

	SSL_CTX_free(client);
	if (list == NULL)
		return length;
	memcpy(body + 2, list, size);
	return hello_add(out, length, TLSEXT_TYPE_signature_algorithms_cert, body, 2 + size);
}

/* The common name of what the server presents; "" where it refuses the ClientHello. */
static void
presented(SSL_CTX *ctx, const unsigned char *hello, size_t length, char *out, size_t size)
{
	SSL *ssl = SSL_new(ctx);
	unsigned char octet = 0;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(ssl);
	BIO_write(SSL_get_rbio(ssl), hello, (int)length);
	SSL_do_handshake(ssl);
	BIO_read(SSL_get_wbio(ssl), &octet, 1);
	out[0] = '\0';
	if (octet == SSL3_RT_HANDSHAKE)
		cert_cn(SSL_get_certificate(ssl), out, size);
	SSL_free(ssl);
	ERR_clear_error();
}

#define RSA_SHA256 "\4\1"
#define ECDSA_SHA256 "\4\3"
#define ECDSA_SHA384 "\5\3"
#define PSS_SHA256 "\10\4"
#define SHA1_BOTH "\2\1\2\3"

static const struct {
	const char *name, *list;
	size_t size;
	const char *want;
} cases[] = {
	{ "ec.example", NULL, 0, "ec.example" },
	{ "ec.example", ECDSA_SHA256, 2, "ec.example" },
	{ "ec.example", RSA_SHA256 ECDSA_SHA256, 4, "ec.example" },
	{ "ec.example", RSA_SHA256, 2, "own" },
	{ "ec.example", ECDSA_SHA384 RSA_SHA256 PSS_SHA256, 6, "own" },
	{ "ec.example", SHA1_BOTH, 4, "" },
	/* Numbers that stand for nothing. */
	{ "ec.example", RSA_SHA256 "\0\0\1\1", 6, "own" },
	{ "both.example", RSA_SHA256, 2, "both.example" },
	{ "both.example", ECDSA_SHA256, 2, "both.example" },
	{ "both.example", "\376\376", 2, "" },
	/* Lists that the library refuses, whoever reads them: an octet too many, and an empty one. */
	{ "ec.example", RSA_SHA256 "\4", 3, "" },
	{ "ec.example", "", 0, "" },
};

START_TEST(test_lists)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	unsigned char hello[HELLO_SIZE];
	char got[64], plain[64];

	for (int way = WITHOUT; way < WAYS; way++) {
		SSL_CTX *ctx = server((enum way)way), *without = server(WITHOUT);

		for (size_t i = 0; i < COUNT(cases); i++)
			for (size_t v = 0; v < COUNT(versions); v++) {
				size_t length = make_hello(cases[i].name, versions[v], cases[i].list, cases[i].size, hello);
				const char *want = cases[i].want;

				presented(without, hello, length, plain, sizeof(plain));
				presented(ctx, hello, length, got, sizeof(got));
				if (way == WITHOUT)
					continue;
				ck_assert_msg(plain[0] == '\0' || got[0] != '\0', "%s, case %zu, TLS %x: a broken handshake",
				    way_names[way], i, versions[v]);
				ck_assert_msg(strcmp(got, want) == 0, "%s, case %zu, TLS %x: got \"%s\", want \"%s\"",
				    way_names[way], i, versions[v], got, want);
			}
		SSL_CTX_free(ctx);
		SSL_CTX_free(without);
	}
}
END_TEST

/* What is said in one ClientHello is not kept for the next on the connection. */
START_TEST(test_forgotten)
{
	unsigned char hello[HELLO_SIZE];
	SSL_CTX *ctx = server(ATTACHED);
	SSL *ssl = SSL_new(ctx);
	size_t length = make_hello("ec.example", TLS1_3_VERSION, RSA_SHA256, 2, hello);

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(ssl);
	BIO_write(SSL_get_rbio(ssl), hello, (int)length);
	SSL_do_handshake(ssl);
	ck_assert(!certsigs_taken(ssl, rsa_cert, rsa_key, 0));
	ck_assert(certsigs_taken(ssl, rsa_cert, rsa_key, certsigs_of(rsa_cert)));
	SSL_clear(ssl);
	SSL_set_accept_state(ssl);
	length = make_hello("ec.example", TLS1_3_VERSION, NULL, 0, hello);
	(void)BIO_reset(SSL_get_rbio(ssl));
	BIO_write(SSL_get_rbio(ssl), hello, (int)length);
	SSL_do_handshake(ssl);
	ck_assert(certsigs_taken(ssl, rsa_cert, rsa_key, 0));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(test_signatures)
{
	static const enum key_kind kinds[] = { KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };
	unsigned seen = 0;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		EVP_PKEY *key = key_make(kinds[i]);
		struct spec spec = { .cn = "x", .kind = kinds[i], .self_signed = true };
		X509 *cert = cert_make(&spec, key);
		unsigned signature = certsigs_of(cert);

		ck_assert_msg(signature != 0 && (signature & (signature - 1)) == 0, "kind %zu: %x", i, signature);
		if (kinds[i] != KEY_P384) /* signed with SHA-256 as well */
			ck_assert_msg((seen & signature) == 0, "kind %zu: %x again", i, signature);
		seen |= signature;
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("certsigs");
	TCase *tc = tcase_create("certsigs");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lists);
	tcase_add_test(tc, test_forgotten);
	tcase_add_test(tc, test_signatures);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
