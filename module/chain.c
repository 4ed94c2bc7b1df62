/* SPDX-License-Identifier: ISC */
/*
 * chain.c: from the store's bytes to X509 and EVP_PKEY, and from there onto an
 * SSL.  A key is decoded by a decoder that was built once for its type: finding
 * out what a key is costs OpenSSL 3.0 ten times as much as reading it.  The few
 * intermediates that many leaves share are parsed once.
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
#include "chain.h"
#include "error.h"
#include "keyuri.h"
#include "libctx.h"

#define SLOTS_MOST 16           /* OpenSSL has 9 certificate slots, more from 3.2 on */
#define INTERN_BUCKETS 256
#define RESERVE 8192            /* octets: room to put a few certificates back */

/* What parsed objects take, measured with OpenSSL 3.0 and 3.5 and rounded up:
 * per certificate and key, and per octet of DER. */
#define MEMORY_FIXED 9000
#define MEMORY_PER_OCTET 5

enum kind { KIND_RSA, KIND_RSA_PSS, KIND_EC, KIND_ED25519, KIND_ED448, KIND_COUNT };

static const struct kind_facts {
	const char *key_type;           /* as the store and OpenSSL name it */
	int auth_nid;                   /* authentication of TLS 1.2 ciphers (RFC 8422 section 5.10) */
} kinds[KIND_COUNT] = {
	[KIND_RSA] = { "RSA", NID_auth_rsa },
	[KIND_RSA_PSS] = { "RSA-PSS", NID_auth_rsa },
	[KIND_EC] = { "EC", NID_auth_ecdsa },
	[KIND_ED25519] = { "ED25519", NID_auth_ecdsa },
	[KIND_ED448] = { "ED448", NID_auth_ecdsa },
};

struct chain {
	atomic_uint refs;
	enum kind kind;
	unsigned ec_scheme;             /* the one TLS 1.3 signature scheme of an EC key's curve */
	unsigned signature;             /* on the leaf, as certsigs.h has it */
	unsigned char identity[STORE_DIGEST_LENGTH];
	char label[CHAIN_LABEL_SIZE];
	unsigned char digest[STORE_DIGEST_LENGTH];      /* of the leaf */
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) *intermediates;  /* never NULL: an empty one keeps others' out */
	int64_t not_after;
	size_t memory;
};

struct interned {
	struct interned *next;
	unsigned char digest[STORE_DIGEST_LENGTH];
	X509 *cert;
};

struct chain_codec {
	OSSL_DECODER_CTX *decoders[KIND_COUNT];
	EVP_PKEY *decoded;              /* where the decoders leave what they made */
	struct interned *interned[INTERN_BUCKETS];
	size_t interned_memory, interned_limit;
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
	for (size_t i = 0; i < INTERN_BUCKETS; i++) {
		struct interned *next;

		for (struct interned *it = codec->interned[i]; it != NULL; it = next) {
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
	for (size_t i = 0; i < KIND_COUNT; i++)
		OSSL_DECODER_CTX_free(codec->decoders[i]);
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

/* What the library says of a key is read when the key is made: without memory it stays unsaid,
 * of a size of nothing, which no library would sign with nor take for strong enough. */
static bool
is_whole(const EVP_PKEY *key)
{
	return EVP_PKEY_get_bits(key) > 0 && EVP_PKEY_get_size(key) > 0;
}

/*
 * With its extensions.  The library reads them when a certificate is presented first, and
 * keeps what came of it: not to be left to each child of a process that forks, nor to
 * a moment without memory.
 */
static bool
is_sound(X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);

	return (X509_get_extension_flags(cert) & EXFLAG_INVALID) == 0 && key != NULL && is_whole(key);
}

/* What is no better when it is parsed once more is left to the library to judge. */
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

/* A reference to the intermediate of this digest: parsed once, shared by all.
 * Where there are more of them than shall be kept, a chain has its own, and
 * *memory grows by what it takes. */
static X509 *
intern(struct chain_codec *codec, const struct store_cert *row, size_t *memory)
{
	struct interned **bucket = &codec->interned[row->digest[0] % INTERN_BUCKETS], *it;
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
	} else {
		free(it);
		*memory += cert_memory(row);
	}
	return cert;
}

static OSSL_DECODER_CTX *
decoder_of(struct chain_codec *codec, enum kind kind)
{
	OSSL_DECODER_CTX **decoder = &codec->decoders[kind];

	if (*decoder == NULL)
		*decoder = OSSL_DECODER_CTX_new_for_pkey(&codec->decoded, "DER", "PrivateKeyInfo",
		    kinds[kind].key_type, EVP_PKEY_KEYPAIR, libctx_get(), NULL);
	return *decoder;
}

static EVP_PKEY *
decode_key(struct chain_codec *codec, enum kind kind, const unsigned char *der, size_t length)
{
	OSSL_DECODER_CTX *decoder = decoder_of(codec, kind);
	EVP_PKEY *key;

	codec->decoded = NULL;
	if (decoder == NULL || OSSL_DECODER_from_data(decoder, &der, &length) != 1 ||
	    codec->decoded == NULL || !is_whole(codec->decoded)) {
		EVP_PKEY_free(codec->decoded);
		codec->decoded = NULL;
		/* Made while memory was short, it may lack what it needs. */
		OSSL_DECODER_CTX_free(decoder);
		codec->decoders[kind] = NULL;
		return NULL;
	}
	key = codec->decoded;
	codec->decoded = NULL;
	return key;
}

static EVP_PKEY *
open_sealed_key(struct chain_codec *codec, const struct seal *seal, enum kind kind,
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
kind_of(const char *key_type, enum kind *out)
{
	for (int i = 0; i < KIND_COUNT; i++) {
		if (strcmp(kinds[i].key_type, key_type) == 0) {
			*out = (enum kind)i;
			return true;
		}
	}
	return false;
}

/* RFC 8446 section 4.2.3: in TLS 1.3 an ECDSA scheme names the curve too. */
static unsigned
ec_scheme(EVP_PKEY *key)
{
	char group[64];

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return 0;
	switch (OBJ_sn2nid(group)) {
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
	if (EVP_PKEY_is_a(chain->key, kinds[chain->kind].key_type) != 1 ||
	    X509_check_private_key(chain->leaf, chain->key) != 1)
		return error_set(err, SNICERT_ECERT, "key and leaf don't match");
	if (chain->kind == KIND_EC)
		chain->ec_scheme = ec_scheme(chain->key);
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
	memcpy(chain->identity, row->identity, sizeof(chain->identity));
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
	struct chain *chain;

	if (chain_decode_here(codec, seal, row, &chain, err) != 0)
		return -1;
	if (row->key_uri != NULL && chain_open_key(chain, row->key_uri, err) != 0) {
		chain_unref(chain);
		return -1;
	}
	*out = chain;
	return 0;
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
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < (CHAIN_LABEL_SIZE - 1) / 2; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[CHAIN_LABEL_SIZE - 1] = '\0';
}

const char *
chain_key_type(const struct chain *chain)
{
	return kinds[chain->kind].key_type;
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

/* Whether a TLS 1.3 signature scheme (RFC 8446 section 4.2.3) is one this key can make. */
static bool
scheme_fits(const struct chain *chain, unsigned scheme)
{
	switch (chain->kind) {
	case KIND_RSA:
		return scheme >= 0x0804 && scheme <= 0x0806;
	case KIND_RSA_PSS:
		return scheme >= 0x0809 && scheme <= 0x080b;
	case KIND_EC:
		return scheme == chain->ec_scheme;
	case KIND_ED25519:
		return scheme == 0x0807;
	case KIND_ED448:
		return scheme == 0x0808;
	default:
		return false;
	}
}

static bool
shares_scheme(const struct chain *chain, SSL *ssl)
{
	unsigned char low, high;
	int count = SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, &low, &high);

	for (int i = 0; i < count; i++) {
		SSL_get_shared_sigalgs(ssl, i, NULL, NULL, NULL, &low, &high);
		if (scheme_fits(chain, (unsigned)high << 8 | low))
			return true;
	}
	return false;
}

/* What a client has to offer, up to TLS 1.2. */
struct offer {
	STACK_OF(SSL_CIPHER) *ciphers;
	int version;
	bool has_group;         /* one that both have, as far as is known */
};

/*
 * Whether the library will take a cipher that both have.  ECDHE wants a group that both
 * have, too: to a client that names none OpenSSL does none, whatever RFC 8422 (section 4)
 * allows.  Whether the host has parameters for
 * DHE can't be asked: `with_dhe` says what to think.
 */
static bool
will_do(SSL *ssl, const struct offer *offer, const SSL_CIPHER *cipher, bool with_dhe)
{
	static const int bits_of_level[] = { 0, 80, 112, 128, 192, 256 };
	int level = SSL_get_security_level(ssl), kx = SSL_CIPHER_get_kx_nid(cipher);

	/* SSL_CTX_set_security_level(3); from level 3 on forward secrecy is wanted. */
	if (level > 5 || SSL_CIPHER_get_bits(cipher, NULL) < bits_of_level[level] ||
	    (level >= 3 && kx == NID_kx_rsa))
		return false;
	if (offer->version < TLS1_2_VERSION && strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.2") == 0)
		return false;
	switch (kx) {
	case NID_kx_ecdhe:
		return offer->has_group;
	case NID_kx_dhe:
		return with_dhe;
	case NID_kx_any: /* of TLS 1.3 */
		return false;
	default:
		return true;
	}
}

/* Whether they share a cipher for this authentication; auth_nid NID_auth_any: for any. */
static bool
shares_cipher_of(SSL *ssl, const struct offer *offer, int auth_nid, bool without_kx_rsa, bool with_dhe)
{
	STACK_OF(SSL_CIPHER) *peer = offer->ciphers, *own = SSL_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(peer); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(peer, i);

		if ((auth_nid != NID_auth_any && SSL_CIPHER_get_auth_nid(cipher) != auth_nid) ||
		    (without_kx_rsa && SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa) ||
		    !will_do(ssl, offer, cipher, with_dhe))
			continue;
		for (int j = 0; j < sk_SSL_CIPHER_num(own); j++)
			if (sk_SSL_CIPHER_value(own, j) == cipher)
				return true;
	}
	return false;
}

/* DHE counts where there is no other to agree on: without parameters nobody would be served. */
static bool
shares_cipher(const struct chain *chain, SSL *ssl, const struct offer *offer)
{
	int auth = kinds[chain->kind].auth_nid;
	bool without_kx_rsa = chain->kind == KIND_RSA_PSS;

	return shares_cipher_of(ssl, offer, auth, without_kx_rsa, false) ||
	    (!shares_cipher_of(ssl, offer, NID_auth_any, false, false) &&
	        shares_cipher_of(ssl, offer, auth, without_kx_rsa, true));
}

/* Before TLS 1.2 there was nothing but plain RSA and ECDSA. */
static bool
is_of_tls10(const struct chain *chain)
{
	return chain->kind == KIND_RSA || chain->kind == KIND_EC;
}

bool
chain_usable(const struct chain *chain, SSL *ssl)
{
	struct offer offer = { .ciphers = SSL_get_client_ciphers(ssl), .version = SSL_version(ssl) };
	int verdict;

	if (offer.version >= TLS1_2_VERSION && !certsigs_taken(ssl, chain->leaf, chain->key, chain->signature))
		return false;
	if (offer.version >= TLS1_3_VERSION)
		return shares_scheme(chain, ssl);
	offer.has_group = SSL_get_shared_group(ssl, 0) != NID_undef;
	if ((offer.version < TLS1_2_VERSION && !is_of_tls10(chain)) || !shares_cipher(chain, ssl, &offer))
		return false;
	/* OpenSSL's own verdict on the key type, for clients that name signature
	 * algorithms and for those too old to; and on the curve of an EC key. */
	verdict = SSL_check_chain(ssl, chain->leaf, chain->key, NULL);
	return (verdict & CERT_PKEY_SIGN) != 0 &&
	    (chain->kind != KIND_EC || (verdict & CERT_PKEY_EE_PARAM) != 0);
}

/* Whether a signature algorithm of TLS 1.2 (RFC 5246 section 7.4.1.4.1; RFC 8446 section 4.2.3
 * for those that came later) is one this key can make, whatever its curve. */
static bool
algorithm_fits(const struct chain *chain, unsigned algorithm)
{
	switch (chain->kind) {
	case KIND_RSA:
		return (algorithm & 0xff) == 1 || scheme_fits(chain, algorithm);
	case KIND_EC:
		return (algorithm & 0xff) == 3;
	default:
		return scheme_fits(chain, algorithm);
	}
}

static bool
offers_algorithm(const struct chain *chain, const struct hello *hello)
{
	const struct hello_list *list = &hello->sigalgs;

	if (list->count == HELLO_LIST_MOST)
		return true;
	if (!list->is_there)
		return hello->version < TLS1_3_VERSION && is_of_tls10(chain);
	for (size_t i = 0; i < list->count; i++)
		if (hello->version >= TLS1_3_VERSION ? scheme_fits(chain, list->value[i])
		    : algorithm_fits(chain, list->value[i]))
			return true;
	return false;
}

/* Up to TLS 1.2 a client that names groups takes no other curve in a certificate (RFC 8422
 * section 5.1); those of ec_scheme follow one another from 23 on, as their schemes do. */
static bool
offers_curve(const struct chain *chain, const struct hello *hello)
{
	return !hello->groups.is_there || chain->kind != KIND_EC || chain->ec_scheme == 0 ||
	    hello_list_may_have(&hello->groups, 23 + (chain->ec_scheme >> 8) - 4);
}

bool
chain_offered(const struct chain *chain, SSL *ssl, const struct hello *hello)
{
	struct offer offer = { .version = hello->version, .has_group = hello->groups.count > 0,
		.ciphers = hello->ciphers };

	if (hello->version >= TLS1_2_VERSION) {
		if (!certsigs_taken(ssl, chain->leaf, chain->key, chain->signature) || !offers_algorithm(chain, hello))
			return false;
	} else if (!is_of_tls10(chain)) {
		return false;
	}
	/* Where the library has read the ciphers off, and does not keep them yet, nobody knows. */
	return hello->version >= TLS1_3_VERSION ||
	    (offers_curve(chain, hello) && (offer.ciphers == NULL || shares_cipher(chain, ssl, &offer)));
}

bool
chain_own_does_tls13(SSL *ssl)
{
	EVP_PKEY *key = SSL_get_privatekey(ssl);

	return key != NULL && (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || ec_scheme(key) != 0);
}

/* What an SSL presented before, to be put back. */
struct chain_own {
	size_t count;
	struct slot {
		X509 *leaf;
		EVP_PKEY *key;
		STACK_OF(X509) *chain;
	} slot[SLOTS_MOST];
};

static bool
save_slot(SSL *ssl, struct slot *slot)
{
	STACK_OF(X509) *chain = NULL;

	slot->leaf = SSL_get_certificate(ssl);
	slot->key = SSL_get_privatekey(ssl);
	SSL_get0_chain_certs(ssl, &chain);
	slot->chain = chain == NULL ? NULL : X509_chain_up_ref(chain);
	X509_up_ref(slot->leaf);
	EVP_PKEY_up_ref(slot->key);
	return chain == NULL || slot->chain != NULL;
}

struct chain_own *
chain_own_save(SSL *ssl)
{
	struct chain_own *own = calloc(1, sizeof(*own));
	long more = own == NULL ? 0 : SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);

	while (more == 1 && own->count < SLOTS_MOST) {
		if (!save_slot(ssl, &own->slot[own->count++])) {
			chain_own_free(own);
			return NULL;
		}
		more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT);
	}
	return own;
}

void
chain_own_free(struct chain_own *own)
{
	if (own == NULL)
		return;
	for (size_t i = 0; i < own->count; i++) {
		X509_free(own->slot[i].leaf);
		EVP_PKEY_free(own->slot[i].key);
		sk_X509_pop_free(own->slot[i].chain, X509_free);
	}
	free(own);
}

void
chain_put_back(SSL *ssl, struct chain_own *own)
{
	SSL_certs_clear(ssl);
	/* Not by SSL_use_cert_and_key, which crashes OpenSSL 3.2 to 3.6 of before
	 * April 2026 where the host's own key is an ML-DSA key (openssl#30683). */
	for (size_t i = 0; i < own->count; i++) {
		struct slot *slot = &own->slot[i];

		if (SSL_use_certificate(ssl, slot->leaf) == 1 && SSL_use_PrivateKey(ssl, slot->key) == 1 &&
		    slot->chain != NULL && SSL_set0_chain(ssl, slot->chain) == 1)
			slot->chain = NULL; /* taken */
	}
	chain_own_free(own);
}

/* How many of the chains the library takes; why not, of the first that it does not, is in *err. */
static size_t
use(SSL *ssl, struct chain *const *chains, size_t count, struct snicert_error *err)
{
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		if (SSL_use_cert_and_key(ssl, chains[i]->leaf, chains[i]->key, chains[i]->intermediates, 1) == 1)
			taken++;
		else if (err != NULL && err->code == SNICERT_OK)
			error_openssl(err, SNICERT_ECERT, "the library refuses the %s chain %s",
			    kinds[chains[i]->kind].key_type, chains[i]->label);
	}
	return taken;
}

int
chain_install(SSL *ssl, struct chain *const *chains, size_t count, struct chain_own **own,
    struct snicert_error *err)
{
	struct chain_own *before = chain_own_save(ssl);
	/* What was there can only be put back with some memory: without, it is not touched. */
	void *reserve = before == NULL ? NULL : OPENSSL_malloc(RESERVE);
	size_t taken;

	if (reserve == NULL) {
		chain_own_free(before);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	/* All of the former goes, or a client might get an ECDSA certificate of
	 * the host beside our RSA one. */
	SSL_certs_clear(ssl);
	taken = use(ssl, chains, count, err);
	OPENSSL_free(reserve);
	if (taken == 0) {
		chain_put_back(ssl, before);
		return -1;
	}
	*own = before;
	return 0;
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
