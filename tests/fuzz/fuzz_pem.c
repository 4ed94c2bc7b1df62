/* SPDX-License-Identifier: ISC */
/*
 * fuzz_pem.c: what people import: PEM, PKCS#12, DER; from the octets to checked chains.
 * Two inputs at a time: what is behind a line "=====" is a second file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "fuzz.h"
#include "intake/assemble.h"
#include "intake/bag.h"
#include "intake/check.h"
#include "x509/cert.h"

static char *
passphrase(void *arg, const char *what)
{
	(void)arg;
	(void)what;
	return strdup("secret");
}

static void
check_candidate(const struct candidate *c)
{
	struct findings findings = {0};
	struct check_options options = {0};
	struct snicert_error err = {0};
	struct name *names = NULL;
	size_t count = 0;
	char label[200];

	if (sk_X509_num(c->certs) < 1 || X509_check_private_key(sk_X509_value(c->certs, 0), c->key) != 1)
		fuzz_die("a candidate whose key is not its leaf's");
	for (int i = 0; i < sk_X509_num(c->certs); i++)
		cert_label(sk_X509_value(c->certs, i), label, sizeof(label));
	if (candidate_names(c, &names, &count, &findings, &err) == 0)
		for (size_t i = 0; i < count; i++)
			if (strlen(names[i].text) != names[i].length || names[i].text[0] == '@')
				fuzz_die("a name that is none: %s", names[i].text);
	free(names);
	candidate_check(c, &options, &findings);
	findings_free(&findings);
}

static void
one(const uint8_t *data, size_t size)
{
	static const struct passphrase_source source = { .ask = passphrase };
	static const char border[] = "\n=====\n";
	const uint8_t *second = memmem(data, size, border, sizeof(border) - 1);
	size_t first = second == NULL ? size : (size_t)(second - data) + 1, count = 0;
	struct bag *bag = bag_new();
	struct candidate *list = NULL;
	struct snicert_error err = {0};
	int status = bag_add_mem(bag, "first", data, first, &source, &err);

	if (status == 0 && second != NULL)
		status = bag_add_mem(bag, "second", second + sizeof(border) - 1,
		    size - first - (sizeof(border) - 2), &source, &err);
	if ((status == 0) != (err.code == SNICERT_OK))
		fuzz_die("status %d, error \"%s\"", status, err.text);
	if (status == 0 && assemble(bag, NULL, NULL, false, &list, &count, &err) == 0) {
		for (size_t i = 0; i < count; i++)
			check_candidate(&list[i]);
		candidate_free_all(list, count);
	}
	bag_free(bag);
	ERR_clear_error();
}

static void
seed(void)
{
	static const char *const files[] = { "good-ec.pem", "good-rsa.pem", "good-ed25519.pem",
		"good-two-keys.pem", "good-encrypted.pem", "good-traditional-encrypted.pem",
		"good-wildcard.pem", "good.p12", "warn-cn-only.pem", "bad-mismatch.pem", "bad-garbage.pem",
		"bad-not-linked.pem" };
	static const char escaped[] = "-----BEGIN CERTIFICATE-----\\nMA==\\n-----END CERTIFICATE-----\\n";
	static const char glued[] = "----- BEGIN PKCS7-----MAsGCSqGSIb3DQEHAg==-----END PKCS7----------BEGIN CMS-----MIAAAA==-----END CMS-----";
	static const char old[] = "-----BEGIN RSA PRIVATE KEY----- Proc-Type: 4,ENCRYPTED DEK-Info: DES-CBC,0011223344556677"
	    " AAAAAAAAAAA= -----END RSA PRIVATE KEY-----";
	const char *fixtures = getenv("SNICERT_FIXTURES");
	char path[512], wide[2 * sizeof(escaped)] = "";

	for (size_t i = 0; i + 1 < sizeof(escaped); i++)
		wide[2 * i] = escaped[i];
	fuzz_seed("escaped", escaped, sizeof(escaped) - 1);
	fuzz_seed("utf16", wide, 2 * (sizeof(escaped) - 1));
	fuzz_seed("glued", glued, sizeof(glued) - 1);
	fuzz_seed("old", old, sizeof(old) - 1);
	fuzz_seed("ber", "\x30\x80\x02\x01\x03\x30\x80\x00\x00\x00\x00", 11);
	for (size_t i = 0; fixtures != NULL && i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixtures, files[i]);
		fuzz_seed_file(files[i], path);
	}
}

const struct fuzz_target fuzz_pem = { .name = "pem", .one = one, .seed = seed, .most = 8192 };
