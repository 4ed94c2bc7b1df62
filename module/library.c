/* SPDX-License-Identifier: ISC */
/* library.c: whether the host's TLS library is the one that we call; see library.h. */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "library.h"

/* The file of the object at an address, and where it is loaded; NULL: none. */
static const void *
object_of(const void *address, const char **file)
{
	Dl_info info;

	if (dladdr(address, &info) == 0)
		return NULL;
	if (file != NULL)
		*file = info.dli_fname;
	return info.dli_fbase;
}

/* Uses a text in the library: a function's address may be that of a stub in the caller. */
bool
library_is_ours(const void *address)
{
	const void *object = object_of(address, NULL);

	return object != NULL && object == object_of(OpenSSL_version(OPENSSL_VERSION), NULL);
}

/* What is loaded, under the usual names of OpenSSL's libraries. */
struct loaded {
	int ssl, crypto;
};

static int
note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loaded *loaded = arg;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash == NULL ? info->dlpi_name : slash + 1;

	(void)size;
	loaded->ssl += strncmp(name, "libssl.so", 9) == 0 || strncmp(name, "libssl-", 7) == 0;
	loaded->crypto += strncmp(name, "libcrypto.so", 12) == 0 || strncmp(name, "libcrypto-", 10) == 0;
	return 0;
}

/* One of the first members in every release: safe to read whoever made the context, and not followed. */
bool
library_made(const SSL_CTX *ctx)
{
	const void *libssl = object_of(TLS_server_method(), NULL);

	return libssl != NULL && object_of(SSL_CTX_get_ssl_method(ctx), NULL) == libssl;
}

bool
library_made_ssl(const SSL *ssl)
{
	const void *libssl = object_of(TLS_server_method(), NULL);

	return libssl != NULL && object_of(SSL_get_ssl_method(ssl), NULL) == libssl;
}

static int
refuse(const char *what, const SSL_METHOD *method, struct snicert_error *err)
{
	const char *ours = "libssl", *theirs = NULL;

	object_of(TLS_server_method(), &ours);
	object_of(method, &theirs);
	return error_set(err, SNICERT_EUSAGE,
	    "the %s was made by %s, snicert calls %s: link the program with that one, or build "
	    "snicert for the program's", what, theirs == NULL ? "another TLS library" : theirs, ours);
}

/* That there is but one. */
static int
check_loaded(struct snicert_error *err)
{
	const char *ours = "libssl";
	struct loaded loaded = {0};

	dl_iterate_phdr(note_object, &loaded);
	if (loaded.ssl <= 1 && loaded.crypto <= 1)
		return 0;
	object_of(TLS_server_method(), &ours);
	return error_set(err, SNICERT_EUSAGE,
	    "%d libssl and %d libcrypto are loaded in this process, and calls of one may go to the other: "
	    "let all of it use %s", loaded.ssl, loaded.crypto, ours);
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
