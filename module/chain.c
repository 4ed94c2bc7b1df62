/* SPDX-License-Identifier: ISC */
/*
 * chain.c: from the store's bytes to X509 and EVP_PKEY.  Keys are decoded by a decoder built once
 * for each type: detecting the type costs OpenSSL 3.0 ten times as much as reading the key.  The
 * few intermediates that many leaves share are parsed once.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certsigs.h"
#include "chain_internal.h"
#include "error.h"
#include "hex.h"
#include "keyuri.h"
#include "libctx.h"

/* Memory of parsed objects, measured with OpenSSL 3.0 and 3.5 and rounded up: per certificate and
 * key, and per octet of DER. */
#define MEMORY_FIXED 9000
#define MEMORY_PER_OCTET 5

/* Intermediates that are parsed for children: fork() copies an entry for each page of memory. */
#define PREPARED_MOST 32

const struct chain_kind_facts chain_kinds[KIND_COUNT] = {
	[KIND_RSA] = { "RSA", NID_auth_rsa },
	[KIND_RSA_PSS] = { "RSA-PSS", NID_auth_rsa },
	[KIND_EC] = { "EC", NID_auth_ecdsa },
	[KIND_ED25519] = { "ED25519", NID_auth_ecdsa },
	[KIND_ED448] = { "ED448", NID_auth_ecdsa },
};

struct chain_interned {
	struct chain_interned *next;
	unsigned char digest[STORE_DIGEST_LENGTH];
	X509 *cert;
};

struct chain_codec *
chain_codec_new(size_t memory)
{
	struct chain_codec *codec = calloc(1, sizeof(*codec));

	if (codec == NULL)
		return NULL;
	codec->interned_limit = memory;
	return codec;
}

static size_t
cert_memory(const struct store_cert *row)
{
	return MEMORY_FIXED + MEMORY_PER_OCTET * row->der.length;
}

static void
interned_free(struct chain_codec *codec)
{
	for (size_t i = 0; i < CHAIN_INTERN_BUCKETS; i++) {
		struct chain_interned *next;

		for (struct chain_interned *it = codec->interned[i]; it != NULL; it = next) {
			next = it->next;
			X509_free(it->cert);
			free(it);
		}
	}
}

void
chain_codec_free(struct chain_codec *codec)
{
	if (codec == NULL)
		return;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		OSSL_DECODER_CTX_free(codec->decoders[i]);
		EVP_PKEY_CTX_free(codec->makers[i]);
	}
	interned_free(codec);
	free(codec);
}

static X509 *
parse_once(const struct store_cert *row)
{
	const unsigned char *at = row->der.data;
	X509 *cert = at == NULL ? NULL : libctx_parse(&at, row->der.length);

	if (cert != NULL && at == row->der.data + row->der.length)
		return cert;
	X509_free(cert);
	return NULL;
}

/* The library reads a key's properties when it makes the key: out of memory it leaves them unset,
 * with a size of zero, which no library would sign with or accept as strong. */
static bool
is_whole(const EVP_PKEY *key)
{
	return EVP_PKEY_get_bits(key) > 0 && EVP_PKEY_get_size(key) > 0;
}

/*
 * Including its extensions.  The library reads them when it first presents a certificate, and
 * caches the result: don't leave that to each child of a forking process, nor to a moment without
 * memory.
 */
static bool
is_sound(X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);

	return (X509_get_extension_flags(cert) & EXFLAG_INVALID) == 0 && key != NULL && is_whole(key);
}

/* If parsing it again won't help, leave the verdict to the library. */
static X509 *
parse_cert(const struct store_cert *row)
{
	X509 *cert = parse_once(row);

	if (cert != NULL && !is_sound(cert)) {
		X509_free(cert);
		cert = parse_once(row);
		if (cert != NULL)
			is_sound(cert); /* reads them */
	}
	return cert;
}

/* A reference to the intermediate with this digest: parsed once, shared by all.  Beyond the number
 * to keep, a chain gets its own, and *memory grows by its size. */
static X509 *
intern(struct chain_codec *codec, const struct store_cert *row, size_t *memory)
{
	struct chain_interned **bucket = &codec->interned[row->digest[0] % CHAIN_INTERN_BUCKETS], *it;
	X509 *cert;

	for (it = *bucket; it != NULL; it = it->next) {
		if (memcmp(it->digest, row->digest, sizeof(it->digest)) == 0) {
			X509_up_ref(it->cert);
			return it->cert;
		}
	}
	cert = parse_cert(row);
	if (cert == NULL)
		return NULL;
	it = codec->interned_memory + cert_memory(row) > codec->interned_limit
	    ? NULL : malloc(sizeof(*it));
	if (it != NULL && X509_up_ref(cert) == 1) {
		memcpy(it->digest, row->digest, sizeof(it->digest));
		it->cert = cert;
		it->next = *bucket;
		*bucket = it;
		codec->interned_memory += cert_memory(row);
		codec->interned_count++;
	} else {
		free(it);
		*memory += cert_memory(row);
	}
	return cert;
}

static OSSL_DECODER_CTX *
decoder_of(struct chain_codec *codec, enum chain_kind kind)
{
	OSSL_DECODER_CTX **decoder = &codec->decoders[kind];

	if (*decoder == NULL)
		*decoder = OSSL_DECODER_CTX_new_for_pkey(&codec->decoded, "DER", "PrivateKeyInfo",
		    chain_kinds[kind].key_type, EVP_PKEY_KEYPAIR, libctx_get(), NULL);
	return *decoder;
}

static EVP_PKEY *
decode_key(struct chain_codec *codec, enum chain_kind kind, const unsigned char *der, size_t length)
{
	OSSL_DECODER_CTX *decoder = decoder_of(codec, kind);
	EVP_PKEY *key;

	codec->decoded = NULL;
	if (decoder == NULL || OSSL_DECODER_from_data(decoder, &der, &length) != 1 ||
	    codec->decoded == NULL || !is_whole(codec->decoded)) {
		EVP_PKEY_free(codec->decoded);
		codec->decoded = NULL;
		/* Made while memory was short, it may be incomplete. */
		OSSL_DECODER_CTX_free(decoder);
		codec->decoders[kind] = NULL;
		return NULL;
	}
	key = codec->decoded;
	codec->decoded = NULL;
	return key;
}

static EVP_PKEY *
open_sealed_key(struct chain_codec *codec, const struct seal *seal, enum chain_kind kind,
    const struct store_chain *row, struct snicert_error *err)
{
	unsigned char *der = NULL;
	size_t length = 0;
	EVP_PKEY *key;

	if (row->sealed_key.data == NULL) {
		error_set(err, SNICERT_EKEY, "the chain has no key");
		return NULL;
	}
	if (seal_open(seal, row->sealed_key.data, row->sealed_key.length, row->identity,
	    sizeof(row->identity), &der, &length, err) != 0)
		return NULL;
	key = decode_key(codec, kind, der, length);
	OPENSSL_clear_free(der, length);
	if (key == NULL)
		error_openssl(err, SNICERT_ECERT, "the private key can't be decoded");
	return key;
}

static EVP_PKEY *
open_key_uri(const char *uri, struct snicert_error *err)
{
	EVP_PKEY *key = keyuri_open(uri);

	if (key == NULL)
		error_openssl(err, SNICERT_EKEY, "no private key at the chain's key URI");
	return key;
}

static bool
kind_of(const char *key_type, enum chain_kind *out)
{
	for (int i = 0; i < KIND_COUNT; i++) {
		if (strcmp(chain_kinds[i].key_type, key_type) == 0) {
			*out = (enum chain_kind)i;
			return true;
		}
	}
	return false;
}

int
chain_named_curve(X509 *leaf)
{
	X509_ALGOR *algorithm = NULL;
	const void *parameter = NULL;
	int type = V_ASN1_UNDEF;

	if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(leaf)) == 1)
		X509_ALGOR_get0(NULL, &type, &parameter, algorithm);
	return type == V_ASN1_OBJECT ? OBJ_obj2nid(parameter) : NID_undef;
}

/* A certificate says its curve for a few instructions; a key asks its provider, for thousands. */
static int
curve_of(X509 *leaf, EVP_PKEY *key)
{
	int curve = leaf == NULL ? NID_undef : chain_named_curve(leaf);
	char group[64];

	if (curve != NID_undef)
		return curve;
	return EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 ? OBJ_sn2nid(group) : NID_undef;
}

unsigned
chain_ec_scheme(X509 *leaf, EVP_PKEY *key)
{
	switch (curve_of(leaf, key)) {
	case NID_X9_62_prime256v1:
		return 0x0403;
	case NID_secp384r1:
		return 0x0503;
	case NID_secp521r1:
		return 0x0603;
	default:
		return 0;
	}
}

static int
decode_certs(struct chain_codec *codec, struct chain *chain, const struct store_chain *row,
    struct snicert_error *err)
{
	chain->intermediates = sk_X509_new_null();
	if (chain->intermediates == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (row->cert_count == 0 || (chain->leaf = parse_cert(&row->certs[0])) == NULL)
		return error_openssl(err, SNICERT_ECERT, "the leaf can't be decoded");
	chain->signature = certsigs_of(chain->leaf);
	chain->may_sign = (X509_get_key_usage(chain->leaf) & KU_DIGITAL_SIGNATURE) != 0;
	chain->memory = cert_memory(&row->certs[0]);
	for (size_t i = 1; i < row->cert_count; i++) {
		X509 *cert = intern(codec, &row->certs[i], &chain->memory);

		if (cert == NULL)
			return error_openssl(err, SNICERT_ECERT, "intermediate %zu can't be decoded", i);
		if (sk_X509_push(chain->intermediates, cert) == 0) {
			X509_free(cert);
			return error_set(err, SNICERT_EMEMORY, "no memory");
		}
	}
	return 0;
}

static int
check_key(struct chain *chain, struct snicert_error *err)
{
	if (EVP_PKEY_is_a(chain->key, chain_kinds[chain->kind].key_type) != 1 ||
	    X509_check_private_key(chain->leaf, chain->key) != 1)
		return error_set(err, SNICERT_ECERT, "key and leaf don't match");
	if (chain->kind == KIND_EC)
		chain->ec_scheme = chain_ec_scheme(chain->leaf, chain->key);
	return 0;
}

static int
decode_key_of(struct chain_codec *codec, const struct seal *seal, struct chain *chain,
    const struct store_chain *row, struct snicert_error *err)
{
	if (!kind_of(row->key_type, &chain->kind))
		return error_set(err, SNICERT_ECERT, "keys of type %s are not known to this release",
		    row->key_type);
	if (row->key_uri != NULL)
		return 0;
	chain->key = open_sealed_key(codec, seal, chain->kind, row, err);
	return chain->key == NULL ? -1 : check_key(chain, err);
}

int
chain_decode_here(struct chain_codec *codec, const struct seal *seal, const struct store_chain *row,
    struct chain **out, struct snicert_error *err)
{
	struct chain *chain = calloc(1, sizeof(*chain));

	if (chain == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	atomic_init(&chain->refs, 1);
	atomic_init(&chain->is_settled, row->key_uri != NULL);
	memcpy(chain->identity, row->identity, sizeof(chain->identity));
	atomic_init(&chain->number, row->number);
	chain_label_of(row->certs[0].digest, chain->label);
	if (row->cert_count > 0)
		memcpy(chain->digest, row->certs[0].digest, sizeof(chain->digest));
	chain->not_after = row->not_after;
	if (decode_certs(codec, chain, row, err) != 0 ||
	    decode_key_of(codec, seal, chain, row, err) != 0) {
		chain_unref(chain);
		return -1;
	}
	*out = chain;
	return 0;
}

int
chain_open_key(struct chain *chain, const char *uri, struct snicert_error *err)
{
	chain->key = open_key_uri(uri, err);
	return chain->key == NULL ? -1 : check_key(chain, err);
}

int
chain_decode(struct chain_codec *codec, const struct seal *seal, const struct store_chain *row,
    struct chain **out, struct snicert_error *err)
{
	struct chain *chain = NULL;

	if (chain_decode_here(codec, seal, row, &chain, err) != 0 || chain == NULL)
		return -1;
	if (row->key_uri != NULL && chain_open_key(chain, row->key_uri, err) != 0) {
		chain_unref(chain);
		return -1;
	}
	*out = chain;
	return 0;
}

void
chain_codec_prepare(struct chain_codec *codec, const struct seal *seal, const struct store_chain *row)
{
	struct chain *chain = NULL;
	enum chain_kind kind;
	size_t memory = 0;

	ERR_set_mark();
	if (kind_of(row->key_type, &kind) && codec->decoders[kind] == NULL && row->sealed_key.data != NULL &&
	    seal_knows(seal, row->sealed_key.data, row->sealed_key.length) &&
	    chain_decode_here(codec, seal, row, &chain, NULL) == 0)
		chain_unref(chain);
	for (size_t i = 1; i < row->cert_count && codec->interned_count < PREPARED_MOST; i++)
		X509_free(intern(codec, &row->certs[i], &memory));
	ERR_pop_to_mark();
}

bool
chain_is_settled(const struct chain *chain)
{
	return atomic_load_explicit(&chain->is_settled, memory_order_relaxed);
}

void
chain_settle(struct chain *chain)
{
	atomic_store_explicit(&chain->is_settled, true, memory_order_relaxed);
}

struct chain *
chain_ref(struct chain *chain)
{
	atomic_fetch_add_explicit(&chain->refs, 1, memory_order_relaxed);
	return chain;
}

void
chain_unref(struct chain *chain)
{
	if (chain == NULL || atomic_fetch_sub_explicit(&chain->refs, 1, memory_order_acq_rel) != 1)
		return;
	X509_free(chain->leaf);
	EVP_PKEY_free(chain->key);
	sk_X509_pop_free(chain->intermediates, X509_free);
	free(chain);
}

int64_t
chain_number(const struct chain *chain)
{
	return atomic_load_explicit(&chain->number, memory_order_relaxed);
}

void
chain_renumber(struct chain *chain, int64_t number)
{
	atomic_store_explicit(&chain->number, number, memory_order_relaxed);
}

const unsigned char *
chain_identity(const struct chain *chain)
{
	return chain->identity;
}

const unsigned char *
chain_digest(const struct chain *chain)
{
	return chain->digest;
}

const char *
chain_label(const struct chain *chain)
{
	return chain->label;
}

void
chain_label_of(const unsigned char *digest, char out[CHAIN_LABEL_SIZE])
{
	*hex_put(out, digest, (CHAIN_LABEL_SIZE - 1) / 2) = '\0';
}

const char *
chain_key_type(const struct chain *chain)
{
	return chain_kinds[chain->kind].key_type;
}

X509 *
chain_leaf(const struct chain *chain)
{
	return chain->leaf;
}

EVP_PKEY *
chain_key(const struct chain *chain)
{
	return chain->key;
}

int64_t
chain_not_after(const struct chain *chain)
{
	return chain->not_after;
}

size_t
chain_memory(const struct chain *chain)
{
	return chain->memory;
}

int
chain_write_pem(const struct chain *chain, BIO *out, struct snicert_error *err)
{
	int done = PEM_write_bio_X509(out, chain->leaf);

	for (int i = 0; done == 1 && i < sk_X509_num(chain->intermediates); i++)
		done = PEM_write_bio_X509(out, sk_X509_value(chain->intermediates, i));
	if (done != 1)
		return error_openssl(err, SNICERT_ECERT, "the certificates can't be written as PEM");
	if (PEM_write_bio_PKCS8PrivateKey(out, chain->key, NULL, NULL, 0, NULL, NULL) != 1)
		return error_openssl(err, SNICERT_EKEY, "the private key can't be written as PEM");
	return 0;
}
