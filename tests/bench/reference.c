/* SPDX-License-Identifier: ISC */
/*
 * bench-reference FILE…: what libcrypto alone takes to read a chain from PEM
 * and check it, with the plainest calls and in one thread, in one line:
 *     chains N cpu_us U rate R
 *
 * Each FILE has key, leaf and intermediate, as bench-names writes them.  The key
 * is compared with the leaf, and the leaf's signature verified.  This is what
 * the speed of an import is a ratio to, since times differ by machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static uint64_t
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static bool
halves_fit(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool fit = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return fit;
}

static int
check(const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key;
	X509 *leaf, *issuer;
	int good;

	if (file == NULL) {
		fprintf(stderr, "bench-reference: %s: %s\n", path, strerror(errno));
		return -1;
	}
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	leaf = PEM_read_X509(file, NULL, NULL, NULL);
	issuer = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	good = key != NULL && leaf != NULL && issuer != NULL &&
	    X509_check_private_key(leaf, key) == 1 && halves_fit(key) &&
	    X509_verify(leaf, X509_get0_pubkey(issuer)) == 1;
	X509_free(issuer);
	X509_free(leaf);
	EVP_PKEY_free(key);
	if (!good)
		fprintf(stderr, "bench-reference: %s is not a good chain\n", path);
	return good ? 0 : -1;
}

int
main(int argc, char **argv)
{
	uint64_t start = cpu_us(), taken;

	if (argc < 2) {
		fputs("usage: bench-reference FILE...\n", stderr);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		if (check(argv[i]) != 0)
			return 1;
	taken = cpu_us() - start;
	printf("chains %d cpu_us %" PRIu64 " rate %.1f\n", argc - 1, taken,
	    (argc - 1) * 1e6 / (double)taken);
	return 0;
}
