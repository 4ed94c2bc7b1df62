/* SPDX-License-Identifier: ISC */
/* legacy.c: a library context for old files only. */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "intake/legacy.h"

static OSSL_LIB_CTX *context;
static OSSL_PROVIDER *providers[2];

static void
unload(void)
{
	for (size_t i = 0; i < 2; i++)
		if (providers[i] != NULL)
			OSSL_PROVIDER_unload(providers[i]);
	OSSL_LIB_CTX_free(context);
	context = NULL;
}

static void
load(void)
{
	context = OSSL_LIB_CTX_new();
	if (context == NULL)
		return;
	atexit(unload);
	providers[0] = OSSL_PROVIDER_load(context, "default");
	providers[1] = OSSL_PROVIDER_load(context, "legacy");
}

bool
legacy_enter(OSSL_LIB_CTX **before)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (providers[0] == NULL || providers[1] == NULL)
		return false;
	*before = OSSL_LIB_CTX_set0_default(context);
	return *before != NULL;
}

void
legacy_leave(OSSL_LIB_CTX *before)
{
	OSSL_LIB_CTX_set0_default(before);
}

static bool
is_unsupported(unsigned long code)
{
	int library = ERR_GET_LIB(code), reason = ERR_GET_REASON(code);

	if (reason == ERR_R_UNSUPPORTED || reason == ERR_R_FETCH_FAILED)
		return true;
	if (library == ERR_LIB_EVP)
		return reason == EVP_R_UNSUPPORTED_ALGORITHM || reason == EVP_R_UNSUPPORTED_CIPHER ||
		    reason == EVP_R_UNKNOWN_PBE_ALGORITHM || reason == EVP_R_UNSUPPORTED_PRF ||
		    reason == EVP_R_UNSUPPORTED_KEY_DERIVATION_FUNCTION || reason == EVP_R_UNKNOWN_CIPHER;
	if (library == ERR_LIB_PKCS12)
		return reason == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM || reason == PKCS12_R_UNSUPPORTED_PKCS12_MODE;
	return library == ERR_LIB_PEM && reason == PEM_R_UNSUPPORTED_ENCRYPTION;
}

bool
legacy_wanted(void)
{
	unsigned long code;
	bool found = false;

	while ((code = ERR_get_error()) != 0)
		found = found || is_unsupported(code);
	return found;
}
