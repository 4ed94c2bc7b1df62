/* SPDX-License-Identifier: ISC */
/* test_halves.c: keys, certificates and issuers that lie apart: who finds whom, and how often. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "../harness.h"
#include "intake/halves.h"

/* k, l: keys; c, d: certificates of k; e: one of l; i: their issuer. */
static const char items[] = "klcdei";
static char *texts[sizeof(items) - 1];

static X509 *
make_cert(EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer, long serial)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *limits = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
	    issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)(issuer == NULL ? "issuer" : "leaf"), -1, -1, 0);
	if (issuer != NULL)
		X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	else /* its own issuer is elsewhere */
		X509_NAME_add_entry_by_txt(X509_get_issuer_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"root", -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_add_ext(cert, limits, -1);
	X509_EXTENSION_free(limits);
	ck_assert_int_gt(X509_sign(cert, signer, EVP_sha256()), 0);
	return cert;
}

static void
put(char item, EVP_PKEY *key, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = calloc(1, 4096);

	if (cert != NULL)
		PEM_write_bio_X509(bio, cert);
	else
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	ck_assert_int_gt(BIO_read(bio, text, 4095), 0);
	texts[strchr(items, item) - items] = text;
	BIO_free(bio);
}

static void
setup(void)
{
	EVP_PKEY *k = EVP_EC_gen("P-256"), *l = EVP_EC_gen("P-256"), *ca = EVP_EC_gen("P-256");
	X509 *issuer = make_cert(ca, NULL, ca, 1), *c = make_cert(k, issuer, ca, 2), *d = make_cert(k, issuer, ca, 3);
	X509 *e = make_cert(l, issuer, ca, 4);

	put('k', k, NULL);
	put('l', l, NULL);
	put('c', NULL, c);
	put('d', NULL, d);
	put('e', NULL, e);
	put('i', NULL, issuer);
	X509_free(issuer);
	X509_free(c);
	X509_free(d);
	X509_free(e);
	EVP_PKEY_free(k);
	EVP_PKEY_free(l);
	EVP_PKEY_free(ca);
}

static void
teardown(void)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		free(texts[i]);
}

static struct bag *
bag_of(const char *what)
{
	struct bag *bag = bag_new();

	for (; *what != '\0'; what++) {
		const char *text = texts[strchr(items, *what) - items];
		struct snicert_error err = {0};

		ck_assert_msg(bag_add_mem(bag, "x", (const unsigned char *)text, strlen(text), NULL, &err) == 0, "%s", err.text);
	}
	return bag;
}

/* What was found: "GROUP:KEYS+CERTS", in the order it came, "?" behind what is alone. */
static int
note(void *arg, const struct halves_found *found)
{
	char *said = arg;
	size_t used = strlen(said);

	snprintf(said + used, 200 - used, "%s%s:%zu+%zu%s", used == 0 ? "" : " ", found->group, bag_keys(found->bag),
	    bag_certs(found->bag), found->alone ? "?" : "");
	return 0;
}

/* Kept groups are called A, B … in their order; seen ones have the numbers 1, 2 … */
static const struct {
	const char *seen, *kept, *want, *why;
} cases[] = {
	{ "", "k c", "A:1+1", "a key and its certificate" },
	{ "", "c k", "B:1+1", "in whatever order" },
	{ "", "k c i", "A:1+2", "with the issuer" },
	{ "lei", "k c", "A:1+2", "that of what is whole" },
	{ "", "k l e c", "A:1+1 B:1+1", "two pairs" },
	{ "", "k k c", "A:1+1", "a key that lies twice is paired once" },
	{ "", "k c c", "A:1+1", "and a certificate" },
	{ "", "k c d", "A:1+1 A:1+1", "a key with two certificates" },
	{ "", "kc", "A:1+1", "what lacks but an issuer" },
	{ "", "kc i", "A:1+2", "and gets it" },
	{ "", "k e", "A:1+0? B:0+1?", "strangers" },
	{ "", "ke", "A:1+1", "strangers of one name: a fault" },
	{ "", "i", "", "an issuer alone is nothing to tell of" },
	{ "kci", "c", "", "a copy of a certificate" },
	{ "kci", "k", "", "a copy of a key" },
	{ "kci", "d", "A:1+2", "a certificate whose key has gone its way" },
	{ "kci", "d c", "A:1+2", "and a copy of that one's" },
	{ "lei kci", "d", "A:1+2", "of two" },
	{ "kci", "e", "A:0+2?", "none of it" },
};

static void
each_word(const char *words, void (*each)(struct halves *, const char *word, size_t number), struct halves *halves)
{
	char copy[64], *rest = copy;
	size_t number = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;)
		each(halves, word, ++number);
}

static void
see(struct halves *halves, const char *word, size_t number)
{
	struct bag *bag = bag_of(word);

	ck_assert(halves_whole(bag));
	ck_assert_int_eq(halves_seen(halves, bag, number), 0);
	bag_free(bag);
}

static void
keep(struct halves *halves, const char *word, size_t number)
{
	const char group[] = { (char)('A' + (char)number - 1), '\0' };
	struct bag *bag = bag_of(word);

	ck_assert(!halves_whole(bag));
	ck_assert_int_eq(halves_keep(halves, group, bag), 0);
}

static void
bring(struct halves *halves, const char *word, size_t number)
{
	if (halves_wants(halves, number))
		ck_assert_int_eq(halves_bring(halves, "again", bag_of(word)), 0);
}

START_TEST(test_pairs)
{
	struct halves *halves = halves_new();
	char said[200] = "";

	each_word(cases[_i].seen, see, halves);
	each_word(cases[_i].kept, keep, halves);
	if (halves_want(halves) > 0)
		each_word(cases[_i].seen, bring, halves);
	ck_assert_int_eq(halves_pair(halves, note, said), 0);
	ck_assert_msg(strcmp(said, cases[_i].want) == 0, "%s: got %s, want %s", cases[_i].why, said, cases[_i].want);
	halves_free(halves);
}
END_TEST

/* As files are watched: what is gone is nobody's other half, what was kept is kept once. */
START_TEST(test_again)
{
	struct halves *halves = halves_new();
	char said[200] = "";

	see(halves, "kci", 1);
	keep(halves, "c", 1);
	ck_assert_int_eq(halves_pair(halves, note, said), 0);
	ck_assert_str_eq(said, "");
	halves_forget(halves);
	ck_assert_int_eq(halves_pair(halves, note, said), 0);
	ck_assert_int_eq(halves_drop(halves, 1), 0);
	keep(halves, "c", 1);
	ck_assert_int_eq(halves_want(halves), 0);
	ck_assert_int_eq(halves_pair(halves, note, said), 0);
	ck_assert_str_eq(said, "A:0+2?");
	halves_forget(halves);
	keep(halves, "k", 1);
	halves_forget(halves);
	keep(halves, "c", 1);
	said[0] = '\0';
	ck_assert_int_eq(halves_pair(halves, note, said), 0);
	ck_assert_str_eq(said, "A:0+2?");
	halves_free(halves);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("halves");
	TCase *tcase = tcase_create("halves");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_pairs, 0, COUNT(cases));
	tcase_add_test(tcase, test_again);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
