/* SPDX-License-Identifier: ISC */
/*
 * parse.c: keys and certificates from DER, as fast as OpenSSL allows.
 *
 * Importing 100,000 chains parses the same few intermediates 100,000 times, and OpenSSL 3.0
 * searches as often for the decoder of a P-256 key, which takes longer than everything else.  So we
 * keep the last CA certificates, and the decoders of common key types, these per thread, as an
 * OSSL_DECODER_CTX isn't thread-safe.  If they fail, we try the library's own way, so that we don't
 * refuse anything that it reads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "intake/parse.h"
#include "libctx.h"

/* --- certificates -------------------------------------------------------- */

#define ISSUERS_MOST 64         /* a power of two */

static pthread_mutex_t issuers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct issuer {
	unsigned char digest[32];
	X509 *cert;
} issuers[ISSUERS_MOST];

static void
issuers_free(void)
{
	for (size_t i = 0; i < ISSUERS_MOST; i++)
		X509_free(issuers[i].cert);
	memset(issuers, 0, sizeof(issuers));
}

static void
issuers_init(void)
{
	atexit(issuers_free);
}

static struct issuer *
issuer_slot(const unsigned char digest[32])
{
	return &issuers[digest[0] % ISSUERS_MOST];
}

static X509 *
issuer_find(const unsigned char digest[32])
{
	const struct issuer *slot = issuer_slot(digest);
	X509 *found = NULL;

	pthread_mutex_lock(&issuers_lock);
	if (slot->cert != NULL && memcmp(slot->digest, digest, sizeof(slot->digest)) == 0) {
		X509_up_ref(slot->cert);
		found = slot->cert;
	}
	pthread_mutex_unlock(&issuers_lock);
	return found;
}

static void
issuer_keep(X509 *cert, const unsigned char digest[32])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct issuer *slot = issuer_slot(digest);

	pthread_once(&once, issuers_init);
	X509_up_ref(cert);
	pthread_mutex_lock(&issuers_lock);
	X509_free(slot->cert);
	slot->cert = cert;
	memcpy(slot->digest, digest, sizeof(slot->digest));
	pthread_mutex_unlock(&issuers_lock);
}

X509 *
parse_cert(const unsigned char *der, size_t length, const unsigned char digest[32])
{
	X509 *cert = issuer_find(digest);

	if (cert != NULL)
		return cert;
	cert = libctx_parse(&der, length);
	if (cert != NULL && X509_check_ca(cert) != 0)
		issuer_keep(cert, digest);
	return cert;
}

/* --- keys ---------------------------------------------------------------- */

enum decoder { RSA_INFO, EC_INFO, RSA_OWN, EC_OWN, DECODERS };

/* Where certificates are, comparing a key with its leaf's need not export it.  That context can't
 * decode what is a type's own. */
static const struct {
	int nid;
	const char *type, *structure;
	bool beside_certs;
} kinds[DECODERS] = {
	[RSA_INFO] = { EVP_PKEY_RSA, "RSA", "PrivateKeyInfo", false },
	[EC_INFO] = { EVP_PKEY_EC, "EC", "PrivateKeyInfo", true },
	[RSA_OWN] = { EVP_PKEY_RSA, "RSA", "type-specific", false },
	[EC_OWN] = { EVP_PKEY_EC, "EC", "type-specific", false },
};

/* Per thread, with room for their results. */
struct decoders {
	OSSL_DECODER_CTX *each[DECODERS];
	EVP_PKEY *made;
};

static pthread_key_t decoders_key;
static bool decoders_kept;

static void
decoders_free(void *arg)
{
	struct decoders *decoders = arg;

	for (size_t i = 0; i < DECODERS; i++)
		OSSL_DECODER_CTX_free(decoders->each[i]);
	free(decoders);
}

/* The last thread leaves by exit(), which doesn't call the destructor. */
static void
decoders_end(void)
{
	struct decoders *decoders = pthread_getspecific(decoders_key);

	if (decoders != NULL)
		decoders_free(decoders);
	pthread_setspecific(decoders_key, NULL);
}

static void
decoders_init(void)
{
	decoders_kept = pthread_key_create(&decoders_key, decoders_free) == 0;
	if (decoders_kept)
		atexit(decoders_end);
}

static struct decoders *
decoders_own(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct decoders *decoders;

	pthread_once(&once, decoders_init);
	decoders = decoders_kept ? pthread_getspecific(decoders_key) : NULL;
	if (decoders != NULL || !decoders_kept || (decoders = calloc(1, sizeof(*decoders))) == NULL)
		return decoders;
	if (pthread_setspecific(decoders_key, decoders) == 0)
		return decoders;
	free(decoders);
	return NULL;
}

static EVP_PKEY *
decode(enum decoder which, const unsigned char *der, size_t length)
{
	struct decoders *decoders = decoders_own();
	OSSL_DECODER_CTX **decoder = decoders == NULL ? NULL : &decoders->each[which];
	EVP_PKEY *key;

	if (decoder == NULL)
		return NULL;
	if (*decoder == NULL)
		*decoder = OSSL_DECODER_CTX_new_for_pkey(&decoders->made, "DER", kinds[which].structure,
		    kinds[which].type, EVP_PKEY_KEYPAIR, kinds[which].beside_certs ? libctx_get() : NULL, NULL);
	if (*decoder == NULL || OSSL_DECODER_from_data(*decoder, &der, &length) != 1)
		ERR_clear_error();
	key = decoders->made;
	decoders->made = NULL;
	return key;
}

/* What a PrivateKeyInfo says of itself. */
struct info {
	int nid;
	bool plain;                     /* no attributes, nothing after it */
};

static struct info
look_at_info(const unsigned char *der, size_t length)
{
	const unsigned char *at = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)length);
	const ASN1_OBJECT *oid = NULL;
	struct info found = { .nid = NID_undef };

	if (info != NULL && PKCS8_pkey_get0(&oid, NULL, NULL, NULL, info) == 1) {
		found.nid = OBJ_obj2nid(oid);
		found.plain = at == der + length &&
		    sk_X509_ATTRIBUTE_num(PKCS8_pkey_get0_attrs(info)) <= 0;
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return found;
}

/*
 * An EC key may lack its public half, which would be computed again at each reading.  Private key
 * and point are three field elements; without the point, the rest is shorter than two.
 */
static bool
has_point(const EVP_PKEY *key, size_t length)
{
	return length > 3 * (((size_t)EVP_PKEY_get_bits(key) + 7) / 8);
}

static EVP_PKEY *
parse_info(const unsigned char *der, size_t length, bool *storable)
{
	struct info info = look_at_info(der, length);
	const unsigned char *at = der;
	EVP_PKEY *key = NULL;

	if (info.nid == EVP_PKEY_RSA)
		key = decode(RSA_INFO, der, length);
	else if (info.nid == EVP_PKEY_EC)
		key = decode(EC_INFO, der, length);
	*storable = key != NULL && info.plain && (info.nid == EVP_PKEY_RSA || has_point(key, length));
	if (key != NULL)
		return key;
	/* Naming the type is 3 times as fast as d2i_AutoPrivateKey. */
	if (info.nid == EVP_PKEY_RSA || info.nid == EVP_PKEY_EC || info.nid == EVP_PKEY_ED25519)
		return d2i_PrivateKey(info.nid, NULL, &at, (long)length);
	return d2i_AutoPrivateKey(NULL, &at, (long)length);
}

EVP_PKEY *
parse_key(const char *label, const unsigned char *der, size_t length, bool *storable)
{
	bool rsa = strcmp(label, "RSA PRIVATE KEY") == 0, ec = strcmp(label, "EC PRIVATE KEY") == 0;
	bool unused = false;
	EVP_PKEY *key;

	storable = storable == NULL ? &unused : storable;
	*storable = false;
	if (strcmp(label, "PRIVATE KEY") == 0)
		return parse_info(der, length, storable);
	if (!rsa && !ec)
		return d2i_AutoPrivateKey(NULL, &der, (long)length);
	key = decode(rsa ? RSA_OWN : EC_OWN, der, length);
	return key != NULL ? key : d2i_PrivateKey(rsa ? EVP_PKEY_RSA : EVP_PKEY_EC, NULL, &der, (long)length);
}
