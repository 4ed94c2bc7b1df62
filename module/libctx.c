/* SPDX-License-Identifier: ISC */
/*
 * libctx.c: an OpenSSL library context for everything of ours, with the default provider: ciphers,
 * digests, the decoding of certificates and keys.
 *
 * Parsing a certificate decodes its public key.  Up to OpenSSL 3.1 that starts with asking each
 * decoder of the library context about each key type, a hundred microseconds, and the result can't
 * be cached (3.2 caches it).  With fewer to ask it costs a fraction: so there the context has
 * another provider on top, which is the same except for its key types (those that chains have) and
 * its decoders (those of the public key in a certificate and of the store's keys).
 *
 * All by interfaces that provider-base(7) and OSSL_PROVIDER(3) document: the default provider's
 * algorithms are passed on, with the provider context that they need.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "libctx.h"

static const char *const key_types[] = { "RSA", "RSA-PSS", "EC", "ED25519", "ED448" };
#define KEY_TYPES (sizeof(key_types) / sizeof(key_types[0]))

static OSSL_LIB_CTX *ours, *wide;       /* the same if there is nothing to gain */
static OSSL_PROVIDER *wide_provider;

/* Terminated by an all-zero one. */
static OSSL_ALGORITHM key_managements[KEY_TYPES + 1], decoders[2 * KEY_TYPES + 1];

/* Whether one of the names in "RSA:rsaEncryption:1.2.840.113549.1.1.1" is a key type. */
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
is_key(const char *properties)
{
	(void)properties;
	return true;
}

static bool
decodes_der(const char *properties, const char *structure)
{
	return properties != NULL && strstr(properties, "input=der") != NULL && strstr(properties, structure) != NULL;
}

static bool
decodes_spki(const char *properties)
{
	return decodes_der(properties, "structure=SubjectPublicKeyInfo");
}

static bool
decodes_private(const char *properties)
{
	return decodes_der(properties, "structure=PrivateKeyInfo");
}

/* Returns how many were appended to *out: one per key type, or the library differs. */
static size_t
pick(int operation, bool (*fits)(const char *properties), OSSL_ALGORITHM *out)
{
	int no_cache = 0;
	const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(wide_provider, operation, &no_cache);
	size_t count = 0;

	for (; from != NULL && from->algorithm_names != NULL && count < KEY_TYPES; from++)
		if (is_key_type(from->algorithm_names) && fits(from->property_definition))
			out[count++] = *from;
	return count;
}

static bool
pick_all(void)
{
	return pick(OSSL_OP_KEYMGMT, is_key, key_managements) == KEY_TYPES &&
	    pick(OSSL_OP_DECODER, decodes_spki, decoders) == KEY_TYPES &&
	    pick(OSSL_OP_DECODER, decodes_private, decoders + KEY_TYPES) == KEY_TYPES;
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

/* From 3.2 on the library caches the result. */
static bool
decodes_slowly(void)
{
	return OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2;
}

/* NULL if the library lacks something, or memory. */
static OSSL_LIB_CTX *
make_narrow(void)
{
	OSSL_LIB_CTX *narrow = pick_all() ? OSSL_LIB_CTX_new() : NULL;

	if (narrow != NULL && OSSL_PROVIDER_add_builtin(narrow, LIBCTX_PROVIDER, provider_init) == 1 &&
	    OSSL_PROVIDER_load(narrow, LIBCTX_PROVIDER) != NULL)
		return narrow;
	OSSL_LIB_CTX_free(narrow);
	return NULL;
}

static void
make(void)
{
	wide = OSSL_LIB_CTX_new();
	wide_provider = wide == NULL ? NULL : OSSL_PROVIDER_load(wide, "default");
	if (wide_provider == NULL) {
		OSSL_LIB_CTX_free(wide);
		wide = NULL;
		return;
	}
	ours = decodes_slowly() ? make_narrow() : NULL;
	if (ours == NULL)
		ours = wide;
}

OSSL_LIB_CTX *
libctx_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return ours;
}

static X509 *
parse_within(OSSL_LIB_CTX *libctx, const unsigned char **at, size_t length)
{
	X509 *cert = X509_new_ex(libctx, NULL);

	/* On failure d2i_X509 frees its argument. */
	return cert == NULL ? NULL : d2i_X509(&cert, at, (long)length);
}

/* Other key types, of issuers, go to the full default provider; so does a key without a size, in
 * case the smaller context was made while memory was short. */
X509 *
libctx_parse(const unsigned char **at, size_t length)
{
	const unsigned char *from = *at;
	OSSL_LIB_CTX *libctx = libctx_get();
	X509 *cert = libctx == NULL ? NULL : parse_within(libctx, at, length);

	if (cert == NULL || libctx == wide || EVP_PKEY_get_bits(X509_get0_pubkey(cert)) > 0)
		return cert;
	X509_free(cert);
	*at = from;
	return parse_within(wide, at, length);
}
