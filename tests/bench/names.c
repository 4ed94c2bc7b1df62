/* SPDX-License-Identifier: ISC */
/*
 * bench-names: any number of names with a certificate and a key of its own for
 * each, as a provider has them: P-256 or RSA with 2048 bits, an intermediate of one CA,
 * SAN, 90 days.
 *
 *     bench-names DIR --count N [--first K] [--pattern host%d.example] [--rsa] [--threads T]
 *
 * writes DIR/hostN.example.pem (key, leaf, intermediate) for N names from K on,
 * and the CA beside the directory: DIR.ca.pem (intermediate and its key) and
 * DIR.root.crt.  A CA that is there already is used, so a second run makes more
 * names, or renewals of the same ones.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define THREADS_MAX 64
#define NAME_SIZE 256

struct issuer {
	EVP_PKEY *key;
	X509 *certificate;
};

struct work {
	const char *directory, *pattern;
	unsigned long first, count;
	bool rsa;
	struct issuer issuer;
	atomic_ulong next;
};

static void
die(const char *what)
{
	fprintf(stderr, "bench-names: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
	exit(1);
}

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool good;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool
set_serial(X509 *certificate)
{
	unsigned char bytes[16];
	BIGNUM *number = NULL;
	bool good = RAND_bytes(bytes, sizeof(bytes)) == 1;

	bytes[0] &= 0x7f;
	number = good ? BN_bin2bn(bytes, sizeof(bytes), NULL) : NULL;
	good = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return good;
}

/* All but extensions and signature.  NULL for `issuer`: signed by itself. */
static X509 *
certificate_begin(const char *cn, EVP_PKEY *key, X509 *issuer, long days)
{
	X509 *c = X509_new();
	X509_NAME *subject = c != NULL ? X509_get_subject_name(c) : NULL;

	if (c == NULL || X509_set_version(c, X509_VERSION_3) != 1 || !set_serial(c) ||
	    X509_gmtime_adj(X509_getm_notBefore(c), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(c), days * 86400) == NULL ||
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(c, issuer != NULL ? X509_get_subject_name(issuer) : subject) != 1 ||
	    X509_set_pubkey(c, key) != 1)
		die("a certificate");
	return c;
}

static X509 *
authority(const char *cn, EVP_PKEY *key, const struct issuer *issuer)
{
	X509 *c = certificate_begin(cn, key, issuer != NULL ? issuer->certificate : NULL, 3650);

	if (!add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE") ||
	    !add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_extension(c, c, NID_subject_key_identifier, "hash") ||
	    X509_sign(c, issuer != NULL ? issuer->key : key, EVP_sha256()) == 0)
		die("a CA");
	return c;
}

static FILE *
open_file(const char *path, const char *mode)
{
	FILE *file = fopen(path, mode);

	if (file == NULL)
		die(path);
	return file;
}

static void
close_file(FILE *file, const char *path)
{
	if (fclose(file) != 0)
		die(path);
}

static void
issuer_make(struct issuer *issuer, const char *ca, const char *root)
{
	struct issuer top;
	FILE *file;

	top.key = EVP_EC_gen("P-256");
	issuer->key = EVP_EC_gen("P-256");
	if (top.key == NULL || issuer->key == NULL)
		die("the keys of the CA");
	top.certificate = authority("bench root", top.key, NULL);
	issuer->certificate = authority("bench intermediate", issuer->key, &top);
	file = open_file(root, "we");
	PEM_write_X509(file, top.certificate);
	close_file(file, root);
	file = open_file(ca, "we");
	PEM_write_X509(file, issuer->certificate);
	PEM_write_PrivateKey(file, issuer->key, NULL, NULL, 0, NULL, NULL);
	close_file(file, ca);
	X509_free(top.certificate);
	EVP_PKEY_free(top.key);
}

static void
issuer_open(struct issuer *issuer, const char *directory)
{
	char ca[PATH_MAX], root[PATH_MAX];
	FILE *file;

	snprintf(ca, sizeof(ca), "%s.ca.pem", directory);
	snprintf(root, sizeof(root), "%s.root.crt", directory);
	file = fopen(ca, "re");
	if (file == NULL) {
		issuer_make(issuer, ca, root);
		return;
	}
	issuer->certificate = PEM_read_X509(file, NULL, NULL, NULL);
	issuer->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	if (issuer->certificate == NULL || issuer->key == NULL)
		die(ca);
}

static void
write_chain(const struct work *work, const char *name, X509 *leaf, EVP_PKEY *key)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.pem", work->directory, name);
	file = open_file(path, "we");
	if (PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_X509(file, leaf) != 1 || PEM_write_X509(file, work->issuer.certificate) != 1)
		die(path);
	close_file(file, path);
}

static void
make_name(const struct work *work, unsigned long number)
{
	const char *mark = strstr(work->pattern, "%d");
	char name[NAME_SIZE], san[NAME_SIZE + 8];
	EVP_PKEY *key = work->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *leaf, *issuer = work->issuer.certificate;

	if (key == NULL)
		die("a key");
	snprintf(name, sizeof(name), "%.*s%lu%s", (int)(mark - work->pattern), work->pattern, number,
	    mark + 2);
	snprintf(san, sizeof(san), "DNS:%s", name);
	leaf = certificate_begin(name, key, issuer, 90);
	if (!add_extension(leaf, issuer, NID_subject_alt_name, san) ||
	    !add_extension(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_extension(leaf, issuer, NID_key_usage, "critical,digitalSignature") ||
	    !add_extension(leaf, issuer, NID_ext_key_usage, "serverAuth") ||
	    !add_extension(leaf, issuer, NID_subject_key_identifier, "hash") ||
	    !add_extension(leaf, issuer, NID_authority_key_identifier, "keyid") ||
	    X509_sign(leaf, work->issuer.key, EVP_sha256()) == 0)
		die(name);
	write_chain(work, name, leaf, key);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static void *
make_names(void *arg)
{
	struct work *work = arg;
	unsigned long i;

	while ((i = atomic_fetch_add(&work->next, 1)) < work->count)
		make_name(work, work->first + i);
	return NULL;
}

static void
usage_error(void)
{
	fputs("usage: bench-names DIR --count N [--first K] [--pattern host%d.example] [--rsa] [--threads T]\n",
	    stderr);
	exit(2);
}

static unsigned long
number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value > 100000000)
		usage_error();
	return value;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "pattern", required_argument, NULL, 'p' },
		{ "rsa", no_argument, NULL, 'r' },
		{ "threads", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	struct work work = { .pattern = "host%d.example" };
	pthread_t threads[THREADS_MAX];
	unsigned long wanted = 2, started = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n': work.count = number(optarg); break;
		case 'f': work.first = number(optarg); break;
		case 'p': work.pattern = optarg; break;
		case 'r': work.rsa = true; break;
		case 't': wanted = number(optarg); break;
		default: usage_error();
		}
	}
	if (optind != argc - 1 || work.count == 0 || wanted < 1 || wanted > THREADS_MAX ||
	    strstr(work.pattern, "%d") == NULL || strlen(work.pattern) > NAME_SIZE - 32)
		usage_error();
	work.directory = argv[optind];
	if (mkdir(work.directory, 0700) != 0 && errno != EEXIST)
		die(work.directory);
	issuer_open(&work.issuer, work.directory);
	errno = 0;
	for (; started < wanted; started++)
		if (pthread_create(&threads[started], NULL, make_names, &work) != 0)
			die("a thread");
	while (started > 0)
		pthread_join(threads[--started], NULL);
	X509_free(work.issuer.certificate);
	EVP_PKEY_free(work.issuer.key);
	return 0;
}
