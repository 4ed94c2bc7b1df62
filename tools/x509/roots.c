/* SPDX-License-Identifier: ISC */
/* roots.c: the roots that this system's clients know, from OpenSSL's locations. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tool.h"
#include "x509/cert.h"
#include "x509/roots.h"

static CRYPTO_ONCE roots_once = CRYPTO_ONCE_STATIC_INIT;
static X509_STORE *roots;             /* NULL: none here */

static const char *
from_environment(const char *variable, const char *otherwise)
{
	const char *value = secure_getenv(variable);

	return value == NULL ? otherwise : value;
}

/* X509_STORE_set_default_paths succeeds even without roots. */
static bool
has_roots(void)
{
	const char *file = from_environment(X509_get_default_cert_file_env(), X509_get_default_cert_file());
	const char *path = from_environment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
	struct dirent *at;
	bool found = tool_may(file, R_OK);
	DIR *dir = found ? NULL : opendir(path);

	while (dir != NULL && !found && (at = readdir(dir)) != NULL)
		found = strlen(at->d_name) > 2 && strcmp(at->d_name + strlen(at->d_name) - 2, ".0") == 0;
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* Many chains end in the same intermediate: caches the last with a known root. */
#define ROOTED_MOST 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	unsigned char digest[32];
	X509 *root;
} rooted[ROOTED_MOST];

static void
roots_free(void)
{
	for (size_t i = 0; i < ROOTED_MOST; i++) {
		X509_free(rooted[i].root);
		rooted[i].root = NULL;
	}
	X509_STORE_free(roots);
	roots = NULL;
}

/*
 * Like X509_STORE_set_default_paths, but without the look-up through OSSL_STORE: it reads the whole
 * directory for each name, 100 µs and more, to find what the hashes tell.
 */
static bool
add_default_paths(X509_STORE *store)
{
	X509_LOOKUP *file = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	X509_LOOKUP *directory = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());

	if (file == NULL || directory == NULL)
		return false;
	/* Either may be missing. */
	X509_LOOKUP_load_file(file, NULL, X509_FILETYPE_DEFAULT);
	X509_LOOKUP_add_dir(directory, NULL, X509_FILETYPE_DEFAULT);
	return true;
}

static void
roots_init(void)
{
	if (!has_roots() || (roots = X509_STORE_new()) == NULL)
		return;
	if (!add_default_paths(roots))
		roots_free();
	else
		atexit(roots_free);
	ERR_clear_error();
}

bool
roots_any(void)
{
	return CRYPTO_THREAD_run_once(&roots_once, roots_init) == 1 && roots != NULL;
}

/* Check all with the name: the first may have another key, or be older. */
static X509 *
look_up(X509 *cert)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *list = NULL;
	X509 *found = NULL;
	time_t now = time(NULL);

	if (ctx != NULL && X509_STORE_CTX_init(ctx, roots, cert, NULL) == 1)
		list = X509_STORE_CTX_get1_certs(ctx, X509_get_issuer_name(cert));
	for (int i = 0; found == NULL && i < sk_X509_num(list); i++) {
		X509 *root = sk_X509_value(list, i);

		if (cert_is_valid(root, now) && cert_issued(root, cert))
			found = root;
	}
	if (found != NULL)
		X509_up_ref(found);
	sk_X509_pop_free(list, X509_free);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return found;
}

static X509 *
recall(const unsigned char digest[32])
{
	size_t slot = digest[0] % ROOTED_MOST;
	X509 *root = NULL;

	pthread_mutex_lock(&lock);
	if (rooted[slot].root != NULL && memcmp(rooted[slot].digest, digest, sizeof(rooted[slot].digest)) == 0) {
		root = rooted[slot].root;
		X509_up_ref(root);
	}
	pthread_mutex_unlock(&lock);
	return root;
}

static void
remember(const unsigned char digest[32], X509 *root)
{
	size_t slot = digest[0] % ROOTED_MOST;
	X509 *former;

	X509_up_ref(root);
	pthread_mutex_lock(&lock);
	former = rooted[slot].root;
	memcpy(rooted[slot].digest, digest, sizeof(rooted[slot].digest));
	rooted[slot].root = root;
	pthread_mutex_unlock(&lock);
	X509_free(former);
}

X509 *
roots_find(X509 *cert)
{
	unsigned char digest[32];
	X509 *root;

	if (!roots_any() || cert_digest(cert, digest) != 0)
		return NULL;
	root = recall(digest);
	if (root == NULL && (root = look_up(cert)) != NULL)
		remember(digest, root);
	return root;
}

bool
roots_issued(X509 *cert)
{
	X509 *root = roots_find(cert);

	X509_free(root);
	return root != NULL;
}
