/* SPDX-License-Identifier: ISC */
/* test_assemble.c: which chains are made of a bag, their names, and the verdicts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "intake/assemble.h"
#include "intake/check.h"
#include "intake/directory.h"
#include "x509/cert.h"

static const char *
fixture(const char *name)
{
	static char path[4096];
	const char *root = getenv("SNICERT_FIXTURES");

	ck_assert_msg(root != NULL, "SNICERT_FIXTURES isn't set");
	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static char *
tell(void *arg, const char *what)
{
	(void)arg;
	(void)what;
	return strdup("secret");
}

static const struct passphrase_source secret = { tell, NULL };

static void
put(struct bag *bag, const char *name)
{
	struct snicert_error err = { 0 };
	int rc = bag_add_file(bag, fixture(name), &secret, &err);

	ck_assert_msg(rc == 0, "%s: %s", name, err.text);
}

/* A bag of up to 5 files, separated by blanks. */
static struct bag *
bag_of(const char *names)
{
	struct bag *bag = bag_new();
	char *list = strdup(names);

	for (char *at = strtok(list, " "); at != NULL; at = strtok(NULL, " "))
		put(bag, at);
	free(list);
	return bag;
}

/* Codes of the findings, in order: '!' before an error, '?' before a forcible one. */
static void
codes(const struct findings *f, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < f->count; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s%s", i > 0 ? " " : "",
		    f->list[i].level == FINDING_WARN ? "" : f->list[i].forcible ? "?" : "!",
		    f->list[i].code);
}

static const struct verdict_case {
	const char *files;
	const char *error;            /* in assemble's error, or NULL */
	size_t candidates;
	int certs;                    /* of the first */
	const char *codes, *names;    /* of the first */
	size_t warnings;
} verdicts[] = {
	{ "good-ec.pem", NULL, 1, 2, "", "good-ec.example", 0 },
	{ "good-rsa.pem", NULL, 1, 2, "", "good-rsa.example", 0 },
	{ "good-ed25519.pem", NULL, 1, 2, "", "good-ed25519.example", 0 },
	{ "good-wildcard.pem", NULL, 1, 2, "", "*.good-wildcard.example good-wildcard.example", 0 },
	{ "good-two-keys.pem", NULL, 2, 2, "", "good-two-keys.example", 0 },
	{ "good-encrypted.pem", NULL, 1, 2, "", "good-encrypted.example", 0 },
	{ "good-traditional-encrypted.pem", NULL, 1, 2, "", "good-traditional-encrypted.example", 0 },
	{ "good.p12", NULL, 1, 2, "", "good-p12.example", 0 },
	{ "good-ec.pem good-rsa.pem good-ed25519.pem", NULL, 3, 2, "", "good-ec.example", 0 },
	{ "ca/root.crt ca/ec.crt parts/good-ec.crt parts/good-ec.key", NULL, 1, 2, "", "good-ec.example", 1 },
	{ "warn-self-signed.pem", NULL, 1, 1, "self-signed", "warn-self-signed.example", 0 },
	{ "warn-ca-leaf.pem", NULL, 1, 2, "ca-leaf", "warn-ca-leaf.example", 0 },
	{ "warn-cn-only.pem", NULL, 1, 2, "cn-only", "warn-cn-only.example", 0 },
	{ "warn-no-intermediate.pem", NULL, 1, 1, "no-intermediate", "warn-no-intermediate.example", 0 },
	{ "warn-short-life.pem", NULL, 1, 2, "short-life", "warn-short-life.example", 0 },
	{ "bad-expired.pem", NULL, 1, 2, "?expired", "bad-expired.example", 0 },
	{ "bad-future.pem", NULL, 1, 2, "?not-yet-valid", "bad-future.example", 0 },
	{ "bad-weak-rsa1024.pem", NULL, 1, 2, "!weak-key", "bad-weak-rsa1024.example", 0 },
	{ "bad-mismatch.pem", "key and leaf don't match: the private key at ", 0, 0, NULL, NULL, 0 },
	{ "parts/good-ec.key parts/warn-self-signed.crt", "key and leaf don't match", 0, 0, NULL, NULL, 0 },
	{ "bad-no-key.pem", "no private key for CN=bad-no-key.example at ", 0, 0, NULL, NULL, 0 },
	{ "good-ec.pem bad-no-key.pem", "no private key for CN=bad-no-key.example at ", 0, 0, NULL, NULL, 0 },
	{ "ca/root.crt", "no private key beside the certificate at ", 0, 0, NULL, NULL, 0 },
	{ "bad-no-cert.pem", "no certificate for this private key", 0, 0, NULL, NULL, 0 },
	{ "good-ec.pem bad-no-cert.pem", "no certificate for this private key", 0, 0, NULL, NULL, 0 },
	{ "bad-not-linked.pem", "the chain doesn't link: the leaf at ", 0, 0, NULL, NULL, 0 },
	{ "parts/good-ec.key parts/good-ec.crt ca/root.crt", "the chain doesn't link", 0, 0, NULL, NULL, 0 },
	/* Leftovers beside a chain that does link, or beside several leaves, are warnings. */
	{ "good-ec.pem ca/rsa.crt", NULL, 1, 2, "", "good-ec.example", 1 },
	{ "bad-not-linked.pem warn-self-signed.pem", NULL, 2, 1, "no-intermediate", "bad-not-linked.example", 1 },
	{ "warn-self-signed.pem ca/rsa.crt", NULL, 1, 1, "self-signed", "warn-self-signed.example", 1 },
	/* A CA's own key is no chain of a server. */
	{ "good-ec.pem ca/ec.key", NULL, 1, 2, "", "good-ec.example", 1 },
};

static void
check_verdict(const struct verdict_case *want, const struct candidate *c)
{
	struct check_options options = { 0 };
	struct findings findings = { 0 };
	struct name *names = NULL;
	size_t count = 0;
	char got[1024] = "";

	ck_assert_int_eq(candidate_check(c, &options, &findings), 0);
	codes(&findings, got, sizeof(got));
	ck_assert_msg(strcmp(got, want->codes) == 0, "%s: got \"%s\" want \"%s\"%s%s", want->files, got,
	    want->codes, findings.count > 0 ? ": " : "", findings.count > 0 ? findings.list[0].text : "");
	ck_assert_int_eq(candidate_names(c, &names, &count, &findings, NULL), 0);
	got[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i > 0 ? " " : "", names[i].text);
	ck_assert_msg(strcmp(got, want->names) == 0, "%s: got %s want %s", want->files, got, want->names);
	ck_assert_int_eq(sk_X509_num(c->certs), want->certs);
	ck_assert_int_eq(c->self_signed, strstr(want->codes, "self-signed") != NULL);
	free(names);
	findings_free(&findings);
}

START_TEST(verdict)
{
	const struct verdict_case *want = &verdicts[_i];
	struct bag *bag = bag_of(want->files);
	struct snicert_error err = { 0 };
	struct candidate *list = NULL;
	size_t count = 0;
	int rc = assemble(bag, NULL, NULL, false, &list, &count, &err);

	ck_assert_msg(rc == (want->error == NULL ? 0 : -1), "%s: got %d: %s", want->files, rc, err.text);
	ck_assert_uint_eq(count, want->candidates);
	if (want->error != NULL)
		ck_assert_msg(strstr(err.text, want->error) != NULL && strchr(err.text, ';') != NULL,
		    "%s: got \"%s\" want \"…%s…; fix\"", want->files, err.text, want->error);
	else
		check_verdict(want, &list[0]);
	ck_assert_msg(bag_warnings(bag) == want->warnings, "%s: %zu warnings, want %zu: %s", want->files,
	    bag_warnings(bag), want->warnings, bag_warnings(bag) > 0 ? bag_warning(bag, 0) : "");
	ck_assert_uint_eq(ERR_peek_error(), 0);
	candidate_free_all(list, count);
	bag_free(bag);
}
END_TEST

/* Each key has found its own leaf and its own issuer. */
START_TEST(two_keys_are_told_apart)
{
	struct bag *bag = bag_of("good-two-keys.pem");
	struct candidate *list;
	size_t count;

	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
	ck_assert_uint_eq(count, 2);
	bag_free(bag);                /* candidates live on */
	ck_assert_str_eq(key_type_name(list[0].key), "EC");
	ck_assert_str_eq(key_type_name(list[1].key), "RSA");
	for (size_t i = 0; i < count; i++) {
		X509 *leaf = sk_X509_value(list[i].certs, 0);
		unsigned char digest[32];

		ck_assert_int_eq(X509_check_private_key(leaf, list[i].key), 1);
		ck_assert_int_eq(X509_verify(leaf, X509_get0_pubkey(sk_X509_value(list[i].certs, 1))), 1);
		ck_assert_int_eq(cert_digest(leaf, digest), 0);
		ck_assert_mem_eq(digest, list[i].digest, 32);
		ck_assert_int_eq(spki_digest(leaf, digest), 0);
		ck_assert_mem_eq(digest, list[i].spki, 32);
	}
	candidate_free_all(list, count);
}
END_TEST

/* A store that has the certificates of a bag, and answers wrongly where told to. */
struct elsewhere {
	struct bag *bag;
	int asked;
	X509 *always;
};

static STACK_OF(X509) *
find(void *arg, X509 *cert)
{
	STACK_OF(X509) *found = sk_X509_new_null();
	struct elsewhere *e = arg;

	e->asked++;
	if (e->always != NULL)
		X509_add_cert(found, e->always, X509_ADD_FLAG_UP_REF);
	for (size_t i = 0; e->always == NULL && i < bag_certs(e->bag); i++)
		if (X509_check_issued(bag_cert(e->bag, i)->cert, cert) == X509_V_OK)
			X509_add_cert(found, bag_cert(e->bag, i)->cert, X509_ADD_FLAG_UP_REF);
	return found;
}

START_TEST(completes_from_the_store)
{
	struct elsewhere e = { bag_of("ca/ec.crt ca/root.crt"), 0, NULL };
	struct bag *bag = bag_of("warn-no-intermediate.pem");
	struct findings findings = { 0 };
	struct candidate *list;
	size_t count;

	ck_assert_int_eq(assemble(bag, find, &e, false, &list, &count, NULL), 0);
	ck_assert_int_eq(sk_X509_num(list[0].certs), 2);
	ck_assert_int_eq(list[0].from_store, 1);
	ck_assert(list[0].rooted);
	ck_assert_int_eq(candidate_check(&list[0], NULL, &findings), 0);
	ck_assert_uint_eq(findings.count, 0);
	candidate_free_all(list, count);
	findings_free(&findings);
	bag_free(bag);

	/* What doesn't link as given is refused whatever the store has. */
	bag = bag_of("bad-not-linked.pem");
	ck_assert_int_eq(assemble(bag, find, &e, false, &list, &count, NULL), -1);
	bag_free(bag);
	bag_free(e.bag);
}
END_TEST

START_TEST(believes_no_wrong_issuer)
{
	struct elsewhere e = { bag_of("ca/rsa.crt parts/good-ec.crt"), 0, NULL };
	struct bag *bag = bag_of("warn-no-intermediate.pem");
	struct candidate *list;
	size_t count;

	for (size_t i = 0; i < bag_certs(e.bag); i++) {
		e.always = bag_cert(e.bag, i)->cert;
		ck_assert_int_eq(assemble(bag, find, &e, false, &list, &count, NULL), 0);
		ck_assert_int_eq(sk_X509_num(list[0].certs), 1);
		candidate_free_all(list, count);
	}
	ck_assert_int_eq(e.asked, 2);
	bag_free(bag);
	bag_free(e.bag);
}
END_TEST

/* --- certificates made here, for what the openssl command doesn't make ---- */

struct recipe {
	const char *cn, *san, *eku, *usage;
	X509 *issuer;                 /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	bool ca;
	long from, to;                /* seconds from now */
	const EVP_MD *digest;
	const unsigned char *dns;     /* a raw dNSName */
	int dns_length;
};

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = value == NULL ? NULL : X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (value != NULL)
		ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static void
extend_raw(X509 *cert, const struct recipe *r)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	ASN1_STRING_set(text, r->dns, r->dns_length);
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	sk_GENERAL_NAME_push(list, name);
	ck_assert_int_eq(X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0), 1);
	GENERAL_NAMES_free(list);
}

static X509 *
bake(EVP_PKEY *key, const struct recipe *r)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_set_version(cert, X509_VERSION_3);
	if (r->cn != NULL)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)r->cn, -1, -1, 0);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert, r->issuer == NULL ? name : X509_get_subject_name(r->issuer));
	X509_gmtime_adj(X509_getm_notBefore(cert), r->from);
	X509_gmtime_adj(X509_getm_notAfter(cert), r->to == 0 ? 86400 * 90 : r->to);
	X509_set_pubkey(cert, key);
	extend(cert, NID_basic_constraints, r->ca ? "critical,CA:TRUE" : "CA:FALSE");
	extend(cert, NID_subject_alt_name, r->san);
	extend(cert, NID_ext_key_usage, r->eku);
	extend(cert, NID_key_usage, r->usage);
	if (r->dns != NULL)
		extend_raw(cert, r);
	ck_assert_int_gt(X509_sign(cert, r->issuer == NULL ? key : r->issuer_key,
	    r->digest == NULL ? EVP_sha256() : r->digest), 0);
	X509_NAME_free(name);
	return cert;
}

static void
put_cert(struct bag *bag, const char *origin, X509 *cert)
{
	unsigned char *der = NULL;
	int length = i2d_X509(cert, &der);

	ck_assert_int_eq(bag_add_mem(bag, origin, der, (size_t)length, NULL, NULL), 0);
	OPENSSL_free(der);
}

static void
put_key(struct bag *bag, const char *origin, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int length = i2d_PrivateKey(key, &der);

	ck_assert_int_eq(bag_add_mem(bag, origin, der, (size_t)length, NULL, NULL), 0);
	OPENSSL_clear_free(der, (size_t)length);
}

/* Findings on one self-made leaf below the fixtures' own kind of CA. */
static void
found_on(struct recipe *r, EVP_PKEY *key, int level, char *got, size_t size, struct name **names, size_t *count)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	X509 *ca = bake(ca_key, &(struct recipe){ .cn = "CA", .ca = true });
	struct check_options options = { .security_level = level };
	struct findings findings = { 0 };
	struct bag *bag = bag_new();
	struct candidate *list;
	size_t made;
	X509 *leaf;

	r->issuer = ca;
	r->issuer_key = ca_key;
	leaf = bake(key, r);
	put_cert(bag, "ca", ca);
	put_cert(bag, "leaf", leaf);
	put_key(bag, "key", key);
	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &made, NULL), 0);
	ck_assert_uint_eq(made, 1);
	ck_assert_int_eq(candidate_check(&list[0], &options, &findings), 0);
	codes(&findings, got, size);
	for (size_t i = 0; i < findings.count; i++)
		for (const char *p = findings.list[i].text; *p != '\0'; p++)
			ck_assert_msg(*p >= 0x20 && *p < 0x7f, "octet %02x in a text", (unsigned char)*p);
	ck_assert_int_eq(candidate_names(&list[0], names, count, NULL, NULL), 0);
	candidate_free_all(list, made);
	findings_free(&findings);
	bag_free(bag);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}

static const unsigned char nul_name[] = "a.example\0.evil.example";
static const unsigned char escape_name[] = "a\033[31m.example";

static const struct leaf_case {
	struct recipe recipe;
	const char *curve;
	int level;
	const char *codes;
	size_t names;
} leaves[] = {
	{ { .cn = "x", .san = "DNS:a.example,DNS:A.EXAMPLE.,DNS:b.example" }, "P-256", 0, "", 2 },
	{ { .cn = "x", .san = "DNS:a.example" }, "P-384", 0, "", 1 },
	{ { .cn = "x", .san = "DNS:a.example" }, "P-521", 0, "", 1 },
	{ { .cn = "x", .san = "DNS:a.example" }, "secp256k1", 0, "!curve", 1 },
	{ { .cn = "x", .san = "DNS:a.example" }, "P-256", 4, "!weak-key", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .digest = NULL }, "P-256", 1, "", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .eku = "clientAuth" }, "P-256", 0, "key-usage", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .eku = "anyExtendedKeyUsage" }, "P-256", 0, "", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .usage = "cRLSign" }, "P-256", 0, "key-usage", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .usage = "keyEncipherment" }, "P-256", 0, "key-usage", 1 },
	{ { .cn = "x", .san = "DNS:a.example", .usage = "digitalSignature" }, "P-256", 0, "", 1 },
	{ { .cn = "host.example", .san = "IP:192.0.2.1" }, "P-256", 0, "cn-only", 1 },
	{ { .cn = "Some Server" }, "P-256", 0, "no-name", 0 },
	{ { .cn = "server" }, "P-256", 0, "no-name", 0 },
	{ { .cn = "192.0.2.1" }, "P-256", 0, "no-name", 0 },
	{ { .cn = "\033[31mred" }, "P-256", 0, "no-name", 0 },
	{ { .cn = "host.example", .dns = nul_name, .dns_length = sizeof(nul_name) - 1 }, "P-256", 0, "bad-name", 0 },
	{ { .cn = "host.example", .dns = escape_name, .dns_length = sizeof(escape_name) - 1 }, "P-256", 0,
	    "bad-name", 0 },
	{ { .cn = "x", .san = "DNS:*.*.example,DNS:good.example" }, "P-256", 0, "bad-name", 1 },
	{ { .cn = "x", .san = "DNS:a.example,DNS:b.example." }, "P-256", 0, "no-client", 2 },
	{ { .cn = "x", .san = "DNS:*.example" }, "P-256", 0, "no-client", 1 },
	{ { .cn = "x", .san = "DNS:*.a.example" }, "P-256", 0, "", 1 },
	{ { .san = "DNS:a.example" }, "P-256", 0, "san-critical", 1 },
	{ { .san = "critical,DNS:a.example" }, "P-256", 0, "", 1 },
};

START_TEST(finds_on_leaf)
{
	const struct leaf_case *want = &leaves[_i];
	struct recipe recipe = want->recipe;
	EVP_PKEY *key = EVP_EC_gen(want->curve);
	struct name *names = NULL;
	size_t count = 0;
	char got[512];

	found_on(&recipe, key, want->level, got, sizeof(got), &names, &count);
	ck_assert_msg(strcmp(got, want->codes) == 0 && count == want->names,
	    "%d: got \"%s\", %zu names; want \"%s\", %zu", _i, got, count, want->codes, want->names);
	free(names);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(finds_weak_digest)
{
	struct recipe recipe = { .cn = "x", .san = "DNS:a.example", .digest = EVP_sha1() };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct name *names = NULL;
	size_t count;
	char got[512];

	found_on(&recipe, key, 0, got, sizeof(got), &names, &count);
	ck_assert_str_eq(got, "!weak-digest");
	free(names);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(key_types)
{
	static const struct { const char *make, *want; } types[] = {
		{ "RSA-PSS", "RSA-PSS" }, { "ED25519", "ED25519" }, { "ED448", "ED448" },
		{ "X25519", NULL }, { "SM2", NULL },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, types[i].make, NULL);
		EVP_PKEY *key = NULL;

		if (ctx != NULL && EVP_PKEY_keygen_init(ctx) > 0)
			(void)EVP_PKEY_generate(ctx, &key);
		if (key != NULL)
			ck_assert_pstr_eq(key_type_name(key), types[i].want);
		EVP_PKEY_free(key);
		EVP_PKEY_CTX_free(ctx);
	}
	ERR_clear_error();
}
END_TEST

/* Of two leaves for one key the newer one, whichever comes first. */
START_TEST(newest_leaf_of_a_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *old = bake(key, &(struct recipe){ .cn = "old", .san = "DNS:a.example", .from = -1000 });
	X509 *new = bake(key, &(struct recipe){ .cn = "new", .san = "DNS:a.example", .from = -10 });

	for (int i = 0; i < 2; i++) {
		struct bag *bag = bag_new();
		struct candidate *list;
		size_t count;

		put_cert(bag, i == 0 ? "old" : "new", i == 0 ? old : new);
		put_cert(bag, i == 0 ? "new" : "old", i == 0 ? new : old);
		put_key(bag, "key", key);
		ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
		ck_assert_uint_eq(count, 1);
		ck_assert_str_eq(list[0].origin, "new");
		ck_assert_uint_eq(bag_warnings(bag), 1);
		ck_assert_int_eq(strncmp(bag_warning(bag, 0), "old: CN=old is left out", 23), 0);
		candidate_free_all(list, count);
		bag_free(bag);
	}
	X509_free(old);
	X509_free(new);
	EVP_PKEY_free(key);
}
END_TEST

/* What is made of an older and a newer certificate of one key, by their names. */
static const struct { const char *old, *new; long old_to; size_t chains; } sharers[] = {
	{ "DNS:a.example", "DNS:b.example", 1000, 2 },
	{ "DNS:a.example,DNS:b.example", "DNS:a.example", 1000, 2 },
	{ "DNS:a.example", "DNS:a.example,DNS:b.example", 1000, 1 },
	{ "DNS:a.x.example", "DNS:*.x.example", 1000, 1 },
	{ "DNS:*.x.example", "DNS:a.x.example", 1000, 2 },
	{ "DNS:a.example", "DNS:b.example", -5, 1 }, /* the older one has expired */
};

START_TEST(names_make_chains_of_a_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *old = bake(key, &(struct recipe){ .cn = "old", .san = sharers[_i].old, .from = -1000, .to = sharers[_i].old_to });
	X509 *new = bake(key, &(struct recipe){ .cn = "new", .san = sharers[_i].new, .from = -10 });

	for (int swapped = 0; swapped < 2; swapped++) {
		struct bag *bag = bag_new();
		struct candidate *list;
		size_t count;

		put_cert(bag, swapped ? "new" : "old", swapped ? new : old);
		put_cert(bag, swapped ? "old" : "new", swapped ? old : new);
		put_key(bag, "key", key);
		ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
		ck_assert_msg(count == sharers[_i].chains, "%s, then %s: got %zu chains, want %zu", sharers[_i].old,
		    sharers[_i].new, count, sharers[_i].chains);
		ck_assert_uint_eq(bag_warnings(bag), 2 - count);
		ck_assert_msg(count == 2 || strcmp(list[0].origin, "new") == 0, "%s is left", list[0].origin);
		candidate_free_all(list, count);
		bag_free(bag);
	}
	X509_free(old);
	X509_free(new);
	EVP_PKEY_free(key);
}
END_TEST

/*
 * A ladder of `steps` CAs under one leaf.  With `loop` the first CA is certified by
 * the last instead of by itself: there is no root to stop at.
 */
static int
ladder(int steps, bool loop, int *certs, struct snicert_error *err)
{
	EVP_PKEY *keys[16], *key = EVP_EC_gen("P-256");
	struct bag *bag = bag_new();
	X509 *made = NULL, *issuer = NULL;
	struct candidate *list = NULL;
	size_t count = 0;
	int rc;

	for (int i = 0; i < steps; i++)
		keys[i] = EVP_EC_gen("P-256");
	/* Only the name of the issuer is taken from `issuer`. */
	if (loop)
		issuer = bake(keys[steps - 1], &(struct recipe){ .cn = "CA", .ca = true });
	for (int i = 0; i <= steps; i++) {
		char cn[16] = "CA";
		struct recipe r = { .cn = cn, .ca = i < steps, .issuer = issuer,
			.issuer_key = i > 0 ? keys[i - 1] : loop ? keys[steps - 1] : NULL };

		if (i < steps - 1)
			snprintf(cn, sizeof(cn), "CA %d", i);
		else if (i == steps)
			snprintf(cn, sizeof(cn), "leaf");
		made = bake(i == steps ? key : keys[i], &r);
		put_cert(bag, cn, made);
		X509_free(issuer);
		issuer = made;
	}
	put_key(bag, "key", key);
	rc = assemble(bag, NULL, NULL, false, &list, &count, err);
	if (rc == 0)
		*certs = sk_X509_num(list[0].certs);
	candidate_free_all(list, count);
	X509_free(issuer);
	for (int i = 0; i < steps; i++)
		EVP_PKEY_free(keys[i]);
	EVP_PKEY_free(key);
	bag_free(bag);
	return rc;
}

static const struct ladder_case {
	int steps;
	bool loop;
	int rc, certs;
} ladders[] = {
	{ 1, false, 0, 1 }, { 2, false, 0, 2 }, { 10, false, 0, 10 }, { 11, false, -1, 0 },
	{ 2, true, 0, 3 }, { 5, true, 0, 6 }, { 15, true, -1, 0 },
};

START_TEST(chain_is_bounded)
{
	const struct ladder_case *want = &ladders[_i];
	struct snicert_error err = { 0 };
	int certs = 0, rc = ladder(want->steps, want->loop, &certs, &err);

	ck_assert_msg(rc == want->rc && certs == want->certs, "%d steps: got %d, %d certificates: %s",
	    want->steps, rc, certs, err.text);
}
END_TEST

/* The same CA key certified by two others: the longer-lived way is taken. */
START_TEST(cross_signed)
{
	EVP_PKEY *root_key = EVP_EC_gen("P-256"), *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *root = bake(root_key, &(struct recipe){ .cn = "Root", .ca = true });
	struct recipe r = { .cn = "CA", .ca = true, .issuer = root, .issuer_key = root_key, .to = 86400 * 10 };
	X509 *brief = bake(ca_key, &r), *lasting, *leaf;
	struct bag *bag = bag_new();
	struct candidate *list;
	size_t count;

	r.to = 86400 * 1000;
	lasting = bake(ca_key, &r);
	leaf = bake(key, &(struct recipe){ .cn = "leaf", .issuer = brief, .issuer_key = ca_key });
	put_key(bag, "key", key);
	put_cert(bag, "brief", brief);
	put_cert(bag, "lasting", lasting);
	put_cert(bag, "leaf", leaf);
	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
	ck_assert_int_eq(sk_X509_num(list[0].certs), 2);
	ck_assert_int_eq(X509_cmp(sk_X509_value(list[0].certs, 1), lasting), 0);
	ck_assert_uint_eq(bag_warnings(bag), 1);
	candidate_free_all(list, count);
	bag_free(bag);
	X509_free(root);
	X509_free(brief);
	X509_free(lasting);
	X509_free(leaf);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
}
END_TEST

/* Right name and no key identifier, wrong key: only the signature tells. */
START_TEST(signature_decides)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *false_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = bake(ca_key, &(struct recipe){ .cn = "CA", .ca = true });
	X509 *false_ca = bake(false_key, &(struct recipe){ .cn = "CA", .ca = true });
	X509 *leaf = bake(key, &(struct recipe){ .cn = "leaf", .issuer = ca, .issuer_key = ca_key });
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	struct candidate *list;
	size_t count;

	put_key(bag, "key", key);
	put_cert(bag, "leaf", leaf);
	put_cert(bag, "false", false_ca);
	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, &err), -1);
	ck_assert_msg(strstr(err.text, "the chain doesn't link") != NULL, "%s", err.text);
	put_cert(bag, "true", ca);
	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
	ck_assert(list[0].rooted);
	candidate_free_all(list, count);
	bag_free(bag);
	X509_free(ca);
	X509_free(false_ca);
	X509_free(leaf);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(false_key);
	EVP_PKEY_free(key);
}
END_TEST

/* A private CA: a warning where the system has roots, silence where it has none. */
START_TEST(unknown_root)
{
	struct findings findings = { 0 };
	struct bag *bag = bag_of("good-ec.pem");
	struct candidate *list;
	size_t count;
	char got[64];

	ck_assert_int_eq(setenv("SSL_CERT_FILE", _i == 0 ? fixture("parts/good-rsa.crt") : "/nonexistent", 1), 0);
	ck_assert_int_eq(setenv("SSL_CERT_DIR", "/nonexistent", 1), 0);
	ck_assert_int_eq(assemble(bag, NULL, NULL, false, &list, &count, NULL), 0);
	ck_assert_int_eq(candidate_check(&list[0], NULL, &findings), 0);
	codes(&findings, got, sizeof(got));
	ck_assert_str_eq(got, _i == 0 ? "unknown-root" : "");
	candidate_free_all(list, count);
	findings_free(&findings);
	bag_free(bag);
}
END_TEST

static int
assemble_group(void *arg, const char *group, const char *const *names, size_t count)
{
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	struct candidate *list = NULL;
	size_t made = 0;
	int rc = 0;

	(void)group;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = bag_add_file(bag, names[i], NULL, &err);
	if (rc == 0)
		rc = assemble(bag, NULL, NULL, false, &list, &made, &err);
	for (size_t i = 0; i < made; i++)
		ck_assert_int_eq(sk_X509_num(list[i].certs), 2);
	((size_t *)arg)[rc == 0 ? 0 : 1] += rc == 0 ? made : 1;
	candidate_free_all(list, made);
	bag_free(bag);
	return 0;
}

static const struct tree_case {
	const char *directory;
	size_t good, bad;
} trees[] = {
	{ "certbot", 2, 0 }, { "dehydrated", 2, 0 }, { "acme.sh", 2, 0 }, { "lego", 3, 0 },
	{ "haproxy", 4, 0 }, { "flat", 2, 0 }, { "mixed-one-bad", 2, 1 },
};

START_TEST(assembles_trees)
{
	size_t got[2] = { 0, 0 };

	ck_assert_int_eq(directory_walk(fixture(trees[_i].directory), assemble_group, got, NULL), 0);
	ck_assert_msg(got[0] == trees[_i].good && got[1] == trees[_i].bad, "%s: got %zu good, %zu bad",
	    trees[_i].directory, got[0], got[1]);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("assemble");
	TCase *tc = tcase_create("assemble");
	SRunner *runner = srunner_create(suite);
	char root[4096];
	int failed;

	/* The fixtures' root stands for the system's. */
	snprintf(root, sizeof(root), "%s/ca/root.crt", getenv("SNICERT_FIXTURES") == NULL ? "" :
	    getenv("SNICERT_FIXTURES"));
	setenv("SSL_CERT_FILE", root, 1);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, verdict, 0, COUNT(verdicts));
	tcase_add_test(tc, two_keys_are_told_apart);
	tcase_add_test(tc, completes_from_the_store);
	tcase_add_test(tc, believes_no_wrong_issuer);
	tcase_add_loop_test(tc, finds_on_leaf, 0, COUNT(leaves));
	tcase_add_test(tc, finds_weak_digest);
	tcase_add_test(tc, key_types);
	tcase_add_test(tc, newest_leaf_of_a_key);
	tcase_add_loop_test(tc, names_make_chains_of_a_key, 0, COUNT(sharers));
	tcase_add_loop_test(tc, chain_is_bounded, 0, COUNT(ladders));
	tcase_add_test(tc, cross_signed);
	tcase_add_test(tc, signature_decides);
	tcase_add_loop_test(tc, unknown_root, 0, 2);
	tcase_add_loop_test(tc, assembles_trees, 0, COUNT(trees));
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
