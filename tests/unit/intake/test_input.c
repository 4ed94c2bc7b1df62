/* SPDX-License-Identifier: ISC */
/* test_input.c: what is found in inputs of all kinds, and in directories. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "intake/bag.h"
#include "intake/directory.h"

static const char *
fixture(const char *name)
{
	static char path[4096];
	const char *root = getenv("SNICERT_FIXTURES");

	ck_assert_msg(root != NULL, "SNICERT_FIXTURES isn't set");
	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

struct secret {
	const char *text;             /* NULL: none to be had */
	int asked;
};

static char *
tell(void *arg, const char *what)
{
	struct secret *secret = arg;

	ck_assert_ptr_nonnull(what);
	secret->asked++;
	return secret->text == NULL ? NULL : strdup(secret->text);
}

static unsigned char *
slurp(const char *path, size_t *length)
{
	FILE *f = fopen(path, "rb");
	unsigned char *data = malloc(1 << 20);

	ck_assert_msg(f != NULL && data != NULL, "%s", path);
	*length = fread(data, 1, 1 << 20, f);
	fclose(f);
	return data;
}

static const struct file_case {
	const char *file, *passphrase;
	int rc;
	size_t keys, certs;
	int asked;
	const char *text;             /* has to be in the error */
} files[] = {
	{ "good-ec.pem", NULL, 0, 1, 2, 0, NULL },
	{ "good-rsa.pem", NULL, 0, 1, 2, 0, NULL },
	{ "good-ed25519.pem", NULL, 0, 1, 2, 0, NULL },
	{ "good-two-keys.pem", NULL, 0, 2, 4, 0, NULL },
	{ "good-encrypted.pem", "secret", 0, 1, 2, 1, NULL },
	{ "good-encrypted.pem", "wrong", -1, 0, 0, 1, "passphrase doesn't open it" },
	{ "good-encrypted.pem", NULL, -1, 0, 0, 1, "there is no passphrase" },
	{ "good-traditional-encrypted.pem", "secret", 0, 1, 2, 1, NULL },
	{ "good-traditional-encrypted.pem", "wrong", -1, 0, 0, 1, "passphrase doesn't open it" },
	{ "good.p12", "secret", 0, 1, 2, 1, NULL },
	{ "good.p12", "wrong", -1, 0, 0, 1, "passphrase doesn't open it" },
	{ "good.p12", NULL, -1, 0, 0, 1, "there is no passphrase" },
	{ "bad-no-cert.pem", NULL, 0, 1, 0, 0, NULL },
	{ "bad-no-key.pem", NULL, 0, 0, 2, 0, NULL },
	{ "bad-garbage.pem", NULL, -1, 0, 0, 0, "bad-garbage.pem:6: this certificate can't be decoded" },
	{ "bad-truncated.pem", NULL, -1, 0, 0, 0, "the block that begins here has no end" },
	{ "bad-binary.pem", NULL, -1, 0, 0, 0, "no certificate and no private key in" },
	{ "does-not-exist.pem", NULL, -1, 0, 0, 0, "No such file" },
	{ "flat", NULL, -1, 0, 0, 0, "not a file" },
	{ "lego/certificates/lego-a.example.json", NULL, -1, 0, 0, 0, "no certificate and no private key in" },
};

START_TEST(reads_file)
{
	const struct file_case *want = &files[_i];
	struct secret secret = { want->passphrase, 0 };
	struct passphrase_source source = { tell, &secret };
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	int rc = bag_add_file(bag, fixture(want->file), &source, &err);

	ck_assert_msg(rc == want->rc, "%s: got %d want %d: %s", want->file, rc, want->rc, err.text);
	ck_assert_msg(secret.asked == want->asked, "%s: asked %d times, want %d", want->file,
	    secret.asked, want->asked);
	if (want->text != NULL)
		ck_assert_msg(strstr(err.text, want->text) != NULL, "%s: got \"%s\" want \"…%s…\"",
		    want->file, err.text, want->text);
	if (rc == 0) {
		ck_assert_uint_eq(bag_keys(bag), want->keys);
		ck_assert_uint_eq(bag_certs(bag), want->certs);
		ck_assert_uint_eq(bag_warnings(bag), 0);
	}
	bag_free(bag);
}
END_TEST

START_TEST(origins_and_order)
{
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	char want[4200];

	ck_assert_int_eq(bag_add_file(bag, fixture("good-ec.pem"), NULL, &err), 0);
	snprintf(want, sizeof(want), "%s:1", fixture("good-ec.pem"));
	ck_assert_str_eq(bag_key(bag, 0)->origin, want);
	snprintf(want, sizeof(want), "%s:6", fixture("good-ec.pem"));
	ck_assert_str_eq(bag_cert(bag, 0)->origin, want);
	ck_assert_int_eq(X509_check_ca(bag_cert(bag, 1)->cert), 1);
	ck_assert_mem_eq(bag_cert(bag, 0)->match, bag_key(bag, 0)->match, 32);
	bag_free(bag);
}
END_TEST

START_TEST(takes_each_once)
{
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(bag_add_file(bag, fixture("good-two-keys.pem"), NULL, &err), 0);
	ck_assert_uint_eq(bag_keys(bag), 2);
	ck_assert_uint_eq(bag_certs(bag), 4);
	bag_free(bag);
}
END_TEST

START_TEST(retries_a_passphrase_before_asking)
{
	struct secret secret = { "secret", 0 };
	struct passphrase_source source = { tell, &secret };
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();

	ck_assert_int_eq(bag_add_file(bag, fixture("good-encrypted.pem"), &source, &err), 0);
	ck_assert_int_eq(bag_add_file(bag, fixture("good.p12"), &source, &err), 0);
	ck_assert_int_eq(bag_add_file(bag, fixture("good-traditional-encrypted.pem"), &source, &err), 0);
	ck_assert_int_eq(secret.asked, 1);
	ck_assert_uint_eq(bag_keys(bag), 3);
	bag_free(bag);
}
END_TEST

START_TEST(warns_of_a_public_private_key)
{
	char path[] = "/tmp/snicert-test-XXXXXX";
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	size_t length;
	unsigned char *data = slurp(fixture("good-ec.pem"), &length);
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, length), (ssize_t)length);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	close(fd);
	ck_assert_int_eq(bag_add_file(bag, path, NULL, &err), 0);
	unlink(path);
	ck_assert_uint_eq(bag_warnings(bag), 1);
	ck_assert_ptr_nonnull(strstr(bag_warning(bag, 0), "0644"));
	bag_free(bag);
	free(data);
}
END_TEST

/* DER of a certificate, of a key in each of its clothes; a cut one. */
START_TEST(reads_der)
{
	struct snicert_error err = { 0 };
	struct bag *pem = bag_new(), *bag = bag_new();
	unsigned char *der = NULL;
	int length;
	PKCS8_PRIV_KEY_INFO *info;

	ck_assert_int_eq(bag_add_file(pem, fixture("good-two-keys.pem"), NULL, &err), 0);
	length = i2d_X509(bag_cert(pem, 0)->cert, &der);
	ck_assert_int_eq(bag_add_mem(bag, "cert.der", der, (size_t)length, NULL, &err), 0);
	ck_assert_str_eq(bag_cert(bag, 0)->origin, "cert.der");
	ck_assert_int_eq(bag_add_mem(bag, "cert.der", der, (size_t)length - 7, NULL, &err), -1);
	ck_assert_msg(strstr(err.text, "cut short") != NULL, "%s", err.text);
	OPENSSL_free(der);

	for (size_t i = 0; i < 2; i++) {
		der = NULL;
		length = i2d_PrivateKey(bag_key(pem, i)->key, &der);
		ck_assert_int_eq(bag_add_mem(bag, "key.der", der, (size_t)length, NULL, &err), 0);
		OPENSSL_clear_free(der, (size_t)length);
	}
	ck_assert_uint_eq(bag_keys(bag), 2);
	info = EVP_PKEY2PKCS8(bag_key(pem, 0)->key);
	der = NULL;
	length = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	ck_assert_int_eq(bag_add_mem(bag, "key.der", der, (size_t)length, NULL, &err), 0);
	ck_assert_uint_eq(bag_keys(bag), 2);
	OPENSSL_clear_free(der, (size_t)length);
	PKCS8_PRIV_KEY_INFO_free(info);
	bag_free(bag);
	bag_free(pem);
}
END_TEST

START_TEST(reads_der_locked)
{
	struct secret secret = { "secret", 0 };
	struct passphrase_source source = { tell, &secret };
	struct snicert_error err = { 0 };
	struct bag *pem = bag_new(), *bag = bag_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long length;

	ck_assert_int_eq(bag_add_file(pem, fixture("good-ec.pem"), NULL, &err), 0);
	ck_assert_int_eq(i2d_PKCS8PrivateKey_bio(bio, bag_key(pem, 0)->key, EVP_aes_128_cbc(), "secret", 6,
	    NULL, NULL), 1);
	length = BIO_get_mem_data(bio, &data);
	ck_assert_int_eq(bag_add_mem(bag, "x", (unsigned char *)data, (size_t)length, &source, &err), 0);
	ck_assert_int_eq(secret.asked, 1);
	ck_assert_mem_eq(bag_key(bag, 0)->match, bag_key(pem, 0)->match, 32);
	BIO_free(bio);
	bag_free(bag);
	bag_free(pem);
}
END_TEST

/* Cut anywhere, or with any octet changed, an input is read or refused, never worse. */
START_TEST(survives_damage)
{
	static const char *const names[] = { "good-two-keys.pem", "good.p12" };
	struct secret secret = { "secret", 0 };
	struct passphrase_source source = { tell, &secret };
	size_t length;
	unsigned char *data = slurp(fixture(names[_i]), &length);
	size_t step = _i == 0 ? 29 : 211;

	for (size_t i = 0; i < length; i += step) {
		struct snicert_error err = { 0 };
		struct bag *bag = bag_new();
		unsigned char *cut = malloc(i + 1);

		memcpy(cut, data, i);
		if (bag_add_mem(bag, "cut", cut, i, &source, &err) != 0)
			ck_assert_msg(strncmp(err.text, "cut", 3) == 0 || strstr(err.text, " in cut") != NULL,
			    "%s", err.text);
		free(cut);
		bag_free(bag);

		bag = bag_new();
		data[i] ^= 0x15;
		(void)bag_add_mem(bag, "changed", data, length, &source, NULL);
		data[i] ^= 0x15;
		bag_free(bag);
	}
	free(data);
}
END_TEST

static const struct text_case {
	const char *what, *text;
	int rc;
	const char *want;
} texts[] = {
	{ "empty", "", -1, "no certificate and no private key in x" },
	{ "prose", "hello\n", -1, "no certificate and no private key in x" },
	{ "only a public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", -1,
	    "no certificate and no private key in x" },
	{ "only a request", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
	    -1, "no certificate and no private key in x" },
	{ "no end", "\n\n-----BEGIN CERTIFICATE-----\nAAAA\n", -1, "x:3: the block that begins here has no end" },
	{ "wrong end", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n", -1, "x:1: the block" },
	{ "BEGIN line cut", "-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n", -1, "x:1: the BEGIN line" },
	{ "no base64", "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n", -1, "x:1: this private key" },
	{ "no DER", "a\n-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", -1,
	    "x:2: this private key" },
	{ "SSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", -1, "for SSH" },
};

START_TEST(refuses_text)
{
	const struct text_case *want = &texts[_i];
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	int rc = bag_add_mem(bag, "x", (const unsigned char *)want->text, strlen(want->text), NULL, &err);

	ck_assert_msg(rc == want->rc && strstr(err.text, want->want) != NULL,
	    "%s: got %d \"%s\" want \"…%s…\"", want->what, rc, err.text, want->want);
	bag_free(bag);
}
END_TEST

/* Indented, as in a YAML file, and TRUSTED: the trust settings stay behind. */
START_TEST(reads_odd_pem)
{
	struct snicert_error err = { 0 };
	struct bag *pem = bag_new(), *bag = bag_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *indented;
	size_t used = 0;
	long length;

	ck_assert_int_eq(bag_add_file(pem, fixture("good-ec.pem"), NULL, &err), 0);
	X509_alias_set1(bag_cert(pem, 0)->cert, (const unsigned char *)"alias", 5);
	ck_assert_int_eq(PEM_write_bio_X509_AUX(bio, bag_cert(pem, 0)->cert), 1);
	length = BIO_get_mem_data(bio, &data);
	ck_assert_ptr_nonnull(memmem(data, (size_t)length, "BEGIN TRUSTED", 13));
	indented = malloc((size_t)length * 5);
	for (long i = 0; i < length; i++) {
		if (i == 0 || data[i - 1] == '\n')
			used += (size_t)sprintf(indented + used, "    ");
		indented[used++] = data[i];
	}
	ck_assert_int_eq(bag_add_mem(bag, "x", (unsigned char *)indented, used, NULL, &err), 0);
	ck_assert_int_eq(bag_add_mem(bag, "x", (unsigned char *)indented, used, NULL, &err), 0);
	ck_assert_uint_eq(bag_certs(bag), 1);
	ck_assert_mem_eq(bag_cert(bag, 0)->digest, bag_cert(pem, 0)->digest, 32);
	free(indented);
	BIO_free(bio);
	bag_free(bag);
	bag_free(pem);
}
END_TEST

START_TEST(refuses_huge)
{
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	char path[] = "/tmp/snicert-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_eq(ftruncate(fd, (off_t)BAG_INPUT_MAX + 1), 0);
	close(fd);
	ck_assert_int_eq(bag_add_file(bag, path, NULL, &err), -1);
	unlink(path);
	ck_assert_msg(strstr(err.text, "64 MiB") != NULL, "%s", err.text);
	bag_free(bag);
}
END_TEST

/* A pipe has no size to look at beforehand; "-" is the standard input. */
START_TEST(reads_standard_input)
{
	struct snicert_error err = { 0 };
	struct bag *bag = bag_new();
	size_t length;
	unsigned char *data = slurp(fixture("good-ec.pem"), &length);
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], data, length), (ssize_t)length);
	close(fds[1]);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(bag_add_file(bag, "-", NULL, &err), 0);
	ck_assert_str_eq(bag_key(bag, 0)->origin, "standard input:1");
	ck_assert_int_ge(fcntl(STDIN_FILENO, F_GETFD), 0);
	bag_free(bag);
	free(data);
}
END_TEST

/* --- directories --------------------------------------------------------- */

struct groups {
	char text[8192];              /* "group: file file\n", paths below the directory */
	size_t root;
	int stop;
};

static int
note(void *arg, const char *group, const char *const *names, size_t count)
{
	struct groups *g = arg;
	size_t used = strlen(g->text);

	used += (size_t)snprintf(g->text + used, sizeof(g->text) - used, "%s:", group + g->root);
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(g->text + used, sizeof(g->text) - used, " %s",
		    strrchr(names[i], '/') + 1);
	snprintf(g->text + used, sizeof(g->text) - used, "\n");
	return g->stop;
}

/* What lego's --pfx writes holds the same again; a lone one is all there is. */
START_TEST(drops_archives)
{
	static const char *const names[] = { "a.key", "a.crt", "a.pfx", "b.p12", "c.pem", "c.p12",
		"dh2048.pem", "ssl-dhparams.pem", "dhl.example.pem", "m-key.pem", "m.pem" };
	struct groups got = { "", 0, 0 };
	char path[] = "/tmp/snicert-test-XXXXXX";
	char file[64];

	ck_assert_ptr_nonnull(mkdtemp(path));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		fclose(fopen(file, "w"));
	}
	got.root = strlen(path);
	ck_assert_int_eq(directory_walk(path, note, &got, NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		unlink(file);
	}
	rmdir(path);
	ck_assert_str_eq(got.text, "/a: a.crt a.key\n/b: b.p12\n/c: c.p12 c.pem\n"
	    "/dhl.example: dhl.example.pem\n/m: m-key.pem m.pem\n");
}
END_TEST

static const struct directory_case {
	const char *directory, *want;
} directories[] = {
	{ "certbot",
	    "/live/certbot-a.example: cert.pem fullchain.pem privkey.pem chain.pem\n"
	    "/live/certbot-b.example: cert.pem fullchain.pem privkey.pem chain.pem\n" },
	{ "dehydrated",
	    "/certs/dehydrated-a.example: cert.pem fullchain.pem privkey.pem chain.pem\n"
	    "/certs/dehydrated-b.example: cert.pem fullchain.pem privkey.pem chain.pem\n" },
	{ "acme.sh",
	    "/acme-a.example/acme-a.example: fullchain.cer acme-a.example.cer acme-a.example.key ca.cer\n"
	    "/acme-b.example_ecc/acme-b.example: fullchain.cer acme-b.example.cer acme-b.example.key ca.cer\n" },
	{ "lego",
	    "/certificates/_.lego-c.example: _.lego-c.example.crt _.lego-c.example.issuer.crt _.lego-c.example.key\n"
	    "/certificates/lego-a.example: lego-a.example.crt lego-a.example.issuer.crt lego-a.example.key\n"
	    "/certificates/lego-b.example: lego-b.example.crt lego-b.example.issuer.crt lego-b.example.key\n" },
	{ "haproxy",
	    "/haproxy-a.example: haproxy-a.example.pem\n"
	    "/haproxy-b.example: haproxy-b.example.pem haproxy-b.example.pem.issuer haproxy-b.example.pem.key\n"
	    "/haproxy-c.example: haproxy-c.example.pem.ecdsa haproxy-c.example.pem.rsa\n" },
	{ "flat",
	    "/flat-a.example: flat-a.example.cert flat-a.example.key ca-bundle.crt\n"
	    "/flat-b.example: flat-b.example.cert flat-b.example.key ca-bundle.crt\n" },
	{ "mixed-one-bad",
	    "/mixed-a.example: mixed-a.example.pem\n"
	    "/mixed-b.example: mixed-b.example.pem\n"
	    "/mixed-c.example: mixed-c.example.pem\n" },
};

START_TEST(groups_directory)
{
	struct groups got = { "", 0, 0 };
	struct snicert_error err = { 0 };
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/", fixture(directories[_i].directory));
	got.root = strlen(path) - 1;
	rc = directory_walk(path, note, &got, &err);
	ck_assert_msg(rc == 0, "%s: %s", path, err.text);
	ck_assert_msg(strcmp(got.text, directories[_i].want) == 0, "%s: got\n%swant\n%s",
	    directories[_i].directory, got.text, directories[_i].want);
}
END_TEST

START_TEST(directory_stops_and_fails)
{
	struct groups got = { "", 0, 7 };
	struct snicert_error err = { 0 };
	char path[] = "/tmp/snicert-test-XXXXXX";
	char file[64];

	ck_assert_int_eq(directory_walk(fixture("lego"), note, &got, &err), 7);
	ck_assert_ptr_eq(strchr(got.text, '\n'), strrchr(got.text, '\n'));
	ck_assert_int_eq(directory_walk(fixture("nowhere"), note, &got, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESYSTEM);

	ck_assert_ptr_nonnull(mkdtemp(path));
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(directory_walk(path, note, &got, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EINPUT);

	/* A link to nowhere is a file whose reading fails, not a name gone missing. */
	snprintf(file, sizeof(file), "%s/gone.key", path);
	ck_assert_int_eq(symlink("nowhere", file), 0);
	got = (struct groups){ "", strlen(path), 0 };
	ck_assert_int_eq(directory_walk(path, note, &got, NULL), 0);
	ck_assert_str_eq(got.text, "/gone: gone.key\n");
	unlink(file);
	rmdir(path);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("pem");
	TCase *tc = tcase_create("pem");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, reads_file, 0, COUNT(files));
	tcase_add_test(tc, origins_and_order);
	tcase_add_test(tc, takes_each_once);
	tcase_add_test(tc, retries_a_passphrase_before_asking);
	tcase_add_test(tc, warns_of_a_public_private_key);
	tcase_add_test(tc, reads_der);
	tcase_add_test(tc, reads_der_locked);
	tcase_add_loop_test(tc, survives_damage, 0, 2);
	tcase_add_loop_test(tc, refuses_text, 0, COUNT(texts));
	tcase_add_test(tc, reads_odd_pem);
	tcase_add_test(tc, refuses_huge);
	tcase_add_test(tc, reads_standard_input);
	tcase_add_loop_test(tc, groups_directory, 0, COUNT(directories));
	tcase_add_test(tc, drops_archives);
	tcase_add_test(tc, directory_stops_and_fails);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
