/* SPDX-License-Identifier: ISC */
/*
 * narrow.c: a library context of OpenSSL's in which a certificate is parsed fast.
 *
 * Parsing a certificate decodes its public key.  Up to OpenSSL 3.1 that starts with
 * asking each decoder of the library context about each kind of key, a hundred
 * microseconds, and its outcome can't be kept for the next one (3.2 keeps it).
 * With fewer to ask it costs a fraction: so a context of our own has one provider,
 * which is the default provider but for its key types (those that chains have)
 * and its decoders (those of the public key in a certificate).
 *
 * All of it by interfaces that provider-base(7) and OSSL_PROVIDER(3) document:
 * the default provider is loaded into a context of its own, so that the host's
 * stays as it is; its algorithms are handed on, together with the provider
 * context that they want to be called with.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "narrow.h"

#define ALGORITHMS_MOST 8

static const char *const key_types[] = { "RSA", "RSA-PSS", "EC", "ED25519", "ED448" };
#define KEY_TYPES (sizeof(key_types) / sizeof(key_types[0]))

static OSSL_LIB_CTX *narrow, *wide;
static OSSL_PROVIDER *wide_provider;

/* Ended by one that is all zero. */
static OSSL_ALGORITHM key_managements[ALGORITHMS_MOST + 1], decoders[ALGORITHMS_MOST + 1];

/* Whether one of the names in "RSA:rsaEncryption:1.2.840.113549.1.1.1" is of a key type. */
static bool
is_key_type(const char *names)
{
	for (const char *name = names; *name != '\0'; name += *name == ':') {
		size_t length = strcspn(name, ":");

		for (size_t i = 0; i < KEY_TYPES; i++)
			if (strlen(key_types[i]) == length && strncasecmp(name, key_types[i], length) == 0)
				return true;
		name += length;
	}
	return false;
}

static bool
any(const char *properties)
{
	(void)properties;
	return true;
}

static bool
decodes_spki(const char *properties)
{
	return properties != NULL && strstr(properties, "input=der") != NULL &&
	    strstr(properties, "structure=SubjectPublicKeyInfo") != NULL;
}

/* Returns whether each key type has one. */
static bool
pick(int operation, bool (*fits)(const char *properties), OSSL_ALGORITHM *out)
{
	int no_cache = 0;
	const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(wide_provider, operation, &no_cache);
	size_t count = 0;

	for (; from != NULL && from->algorithm_names != NULL && count < ALGORITHMS_MOST; from++)
		if (is_key_type(from->algorithm_names) && fits(from->property_definition))
			out[count++] = *from;
	return count == KEY_TYPES;
}

static const OSSL_ALGORITHM *
query(void *context, int operation, int *no_cache)
{
	(void)context;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return key_managements;
	case OSSL_OP_DECODER:
		return decoders;
	default:
		return OSSL_PROVIDER_query_operation(wide_provider, operation, no_cache);
	}
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **context)
{
	static const OSSL_DISPATCH dispatch[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
		{ 0, NULL },
	};

	(void)handle;
	(void)in;
	*out = dispatch;
	*context = OSSL_PROVIDER_get0_provider_ctx(wide_provider);
	return 1;
}

static void
make(void)
{
	OSSL_LIB_CTX *ctx = NULL;

	/* From 3.2 on the library keeps what it found out. */
	if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() >= 2)
		return;
	wide = OSSL_LIB_CTX_new();
	wide_provider = wide == NULL ? NULL : OSSL_PROVIDER_load(wide, "default");
	if (wide_provider != NULL && pick(OSSL_OP_KEYMGMT, any, key_managements) &&
	    pick(OSSL_OP_DECODER, decodes_spki, decoders) && (ctx = OSSL_LIB_CTX_new()) != NULL &&
	    OSSL_PROVIDER_add_builtin(ctx, "snicert", provider_init) == 1 &&
	    OSSL_PROVIDER_load(ctx, "snicert") != NULL) {
		narrow = ctx;
		return;
	}
	OSSL_LIB_CTX_free(ctx);
	if (wide_provider != NULL)
		OSSL_PROVIDER_unload(wide_provider);
	OSSL_LIB_CTX_free(wide);
	wide_provider = NULL;
	wide = NULL;
}

OSSL_LIB_CTX *
narrow_context(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return narrow;
}

static X509 *
parse_within(OSSL_LIB_CTX *libctx, const unsigned char **at, size_t length)
{
	X509 *cert = X509_new_ex(libctx, NULL);

	/* On failure d2i_X509 frees what it was given. */
	return cert == NULL ? NULL : d2i_X509(&cert, at, (long)length);
}

/* A key of a kind that is not known in our context is left to the default one; and one without
 * a size, should our context have been made while memory was short. */
X509 *
narrow_parse(const unsigned char **at, size_t length)
{
	const unsigned char *from = *at;
	OSSL_LIB_CTX *libctx = narrow_context();
	X509 *cert = parse_within(libctx, at, length);

	if (cert == NULL || libctx == NULL || EVP_PKEY_get_bits(X509_get0_pubkey(cert)) > 0)
		return cert;
	X509_free(cert);
	*at = from;
	return parse_within(NULL, at, length);
}
