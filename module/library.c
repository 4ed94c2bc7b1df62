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

int
library_check(const SSL_CTX *ctx, struct snicert_error *err)
{
	const char *ours = "libssl", *theirs = NULL;
	const void *libssl = object_of(TLS_server_method(), &ours);
	struct loaded loaded = {0};

	/* One of the first members in every release: safe to read whoever made the context. */
	if (libssl == NULL || object_of(SSL_CTX_get_ssl_method(ctx), &theirs) != libssl)
		return error_set(err, SNICERT_EUSAGE,
		    "the SSL_CTX was made by %s, snicert calls %s: link the program with that one, or build "
		    "snicert for the program's", theirs == NULL ? "another TLS library" : theirs, ours);
	dl_iterate_phdr(note_object, &loaded);
	if (loaded.ssl > 1 || loaded.crypto > 1)
		return error_set(err, SNICERT_EUSAGE,
		    "%d libssl and %d libcrypto are loaded in this process, and calls of one may go to the other: "
		    "let all of it use %s", loaded.ssl, loaded.crypto, ours);
	return 0;
}
