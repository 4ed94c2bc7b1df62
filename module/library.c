/* SPDX-License-Identifier: ISC */
/* library.c: whether the host's TLS library is the one that we call; see library.h. */
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "library.h"
#include "span.h"

/* Uses a text in the library: a function's address may be that of a stub in the caller. */
bool
library_is_ours(const void *address)
{
	struct span libcrypto;

	return span_find(&libcrypto, OpenSSL_version(OPENSSL_VERSION)) && span_has(&libcrypto, address);
}

static struct span libssl;

static void
find_libssl(void)
{
	span_find(&libssl, TLS_server_method());
}

/* Asked for each connection: to look the address up in libssl's symbols took as long as all else that
 * we do for one. */
static bool
is_of_libssl(const SSL_METHOD *method)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_libssl);
	return span_has(&libssl, method);
}

/* What is loaded, under the usual names of OpenSSL's libraries. */
struct loaded {
	int ssl, crypto;
	unsigned long long loads;       /* how often the process has loaded something */
};

/* So many there were when all was well last. */
static _Atomic unsigned long long loads_checked;

static int
note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loaded *loaded = arg;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash == NULL ? info->dlpi_name : slash + 1;

	if (size >= offsetof(struct dl_phdr_info, dlpi_subs)) {
		loaded->loads = info->dlpi_adds;
		if (loaded->loads == atomic_load_explicit(&loads_checked, memory_order_relaxed))
			return 1;
	}
	loaded->ssl += strncmp(name, "libssl.so", 9) == 0 || strncmp(name, "libssl-", 7) == 0;
	loaded->crypto += strncmp(name, "libcrypto.so", 12) == 0 || strncmp(name, "libcrypto-", 10) == 0;
	return 0;
}

/* One of the first members in every release: safe to read whoever made the context, and not followed. */
bool
library_made(const SSL_CTX *ctx)
{
	return is_of_libssl(SSL_CTX_get_ssl_method(ctx));
}

bool
library_made_ssl(const SSL *ssl)
{
	return is_of_libssl(SSL_get_ssl_method(ssl));
}

static const char *
our_libssl(void)
{
	return span_file(TLS_server_method(), "libssl");
}

static int
refuse(const char *what, const SSL_METHOD *method, struct snicert_error *err)
{
	return error_set(err, SNICERT_EUSAGE,
	    "the %s was made by %s, snicert calls %s: link the program with that one, or build "
	    "snicert for the program's", what, span_file(method, "another TLS library"), our_libssl());
}

/* That there is but one.  Stops at the first object if nothing was loaded since it was so. */
static int
check_loaded(struct snicert_error *err)
{
	struct loaded loaded = {0};

	if (dl_iterate_phdr(note_object, &loaded) != 0)
		return 0;
	if (loaded.ssl <= 1 && loaded.crypto <= 1) {
		atomic_store_explicit(&loads_checked, loaded.loads, memory_order_relaxed);
		return 0;
	}
	return error_set(err, SNICERT_EUSAGE,
	    "%d libssl and %d libcrypto are loaded in this process, and calls of one may go to the other: "
	    "let all of it use %s", loaded.ssl, loaded.crypto, our_libssl());
}

int
library_check(const SSL_CTX *ctx, struct snicert_error *err)
{
	return library_made(ctx) ? check_loaded(err) : refuse("SSL_CTX", SSL_CTX_get_ssl_method(ctx), err);
}

int
library_check_ssl(const SSL *ssl, struct snicert_error *err)
{
	return library_made_ssl(ssl) ? check_loaded(err) : refuse("SSL", SSL_get_ssl_method(ssl), err);
}
