/* SPDX-License-Identifier: ISC */
/* roots.c: the roots that this system's clients know, where OpenSSL looks for them. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "intake/cert.h"
#include "intake/roots.h"

static CRYPTO_ONCE roots_once = CRYPTO_ONCE_STATIC_INIT;
static X509_STORE *roots;             /* NULL: this system has none */

static const char *
from_environment(const char *variable, const char *otherwise)
{
	const char *value = secure_getenv(variable);

	return value == NULL ? otherwise : value;
}

/* X509_STORE_set_default_paths succeeds on a system without roots, too. */
static bool
has_roots(void)
{
	const char *file = from_environment(X509_get_default_cert_file_env(), X509_get_default_cert_file());
	const char *path = from_environment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
	struct dirent *at;
	bool found = access(file, R_OK) == 0;
	DIR *dir = found ? NULL : opendir(path);

	while (dir != NULL && !found && (at = readdir(dir)) != NULL)
		found = strlen(at->d_name) > 2 && strcmp(at->d_name + strlen(at->d_name) - 2, ".0") == 0;
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void
roots_free(void)
{
	X509_STORE_free(roots);
	roots = NULL;
}

static void
roots_init(void)
{
	if (!has_roots() || (roots = X509_STORE_new()) == NULL)
		return;
	if (X509_STORE_set_default_paths(roots) != 1)
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

/* All of the issuer's name: the first may have another key, or be an older one. */
static bool
find_root_of(X509 *cert)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *list = NULL;
	time_t now = time(NULL);
	bool found = false;

	if (ctx != NULL && X509_STORE_CTX_init(ctx, roots, cert, NULL) == 1)
		list = X509_STORE_CTX_get1_certs(ctx, X509_get_issuer_name(cert));
	for (int i = 0; !found && i < sk_X509_num(list); i++) {
		X509 *root = sk_X509_value(list, i);

		found = cert_is_valid(root, now) && cert_issued(root, cert);
	}
	sk_X509_pop_free(list, X509_free);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return found;
}

/* Many chains end in the same intermediate: the last ones a root was found for. */
#define ROOTED_MOST 64

bool
roots_issued(X509 *cert)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static unsigned char rooted[ROOTED_MOST][32];
	unsigned char digest[32], *slot;
	bool found;

	if (!roots_any() || cert_digest(cert, digest) != 0)
		return false;
	slot = rooted[digest[0] % ROOTED_MOST];
	pthread_mutex_lock(&lock);
	found = memcmp(slot, digest, sizeof(digest)) == 0;
	pthread_mutex_unlock(&lock);
	if (found || !find_root_of(cert))
		return found;
	pthread_mutex_lock(&lock);
	memcpy(slot, digest, sizeof(digest));
	pthread_mutex_unlock(&lock);
	return true;
}
