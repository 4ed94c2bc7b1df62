/* SPDX-License-Identifier: ISC */
/*
 * test_chain.c: bytes to chains, chains to connections, and whether a client
 * can use a chain: there the judge is a server that has nothing else.
 */
#include <check.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "certsigs.h"
#include "chain.h"
#include "seal.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* A key, its leaf and what the store would have of them. */
struct kit {
	const char *label, *key_type, *group;
	int bits;
	bool leaf_is_compressed, key_is_compressed;     /* the point, in each (RFC 5480 section 2.2) */
	bool is_explicit;                               /* the curve's parameters, in place of its name */
	const char *usage;                              /* of the key (RFC 5280 section 4.2.1.3); NULL: any */
	bool is_unreadable;                             /* an extension can't be parsed */
	EVP_PKEY *key;
	X509 *leaf;
	unsigned char *leaf_der, *key_der;
	int leaf_length, key_length;
};

enum { RSA2048, RSAPSS, P256, P384, P521, ED25519, ED448, COMPRESSED, LEAF_COMPRESSED, KEY_COMPRESSED, EC_AGREES, EC_UNREADABLE,
	RSA_ENCIPHERS, RSA_UNREADABLE, ED25519_AGREES, RSA1024, OTHER, EXPLICIT, KITS };

static struct kit kits[KITS] = {
	[RSA2048] = { .label = "RSA", .key_type = "RSA", .bits = 2048 },
	[RSAPSS] = { .label = "RSA-PSS", .key_type = "RSA-PSS", .bits = 2048 },
	[P256] = { .label = "P-256", .key_type = "EC", .group = "P-256" },
	[P384] = { .label = "P-384", .key_type = "EC", .group = "P-384" },
	[P521] = { .label = "P-521", .key_type = "EC", .group = "P-521" },
	[ED25519] = { .label = "Ed25519", .key_type = "ED25519" },
	[ED448] = { .label = "Ed448", .key_type = "ED448" },
	[COMPRESSED] = { .label = "P-256, compressed", .key_type = "EC", .group = "P-256", .leaf_is_compressed = true,
	    .key_is_compressed = true },
	[LEAF_COMPRESSED] = { .label = "P-256, the leaf's point compressed", .key_type = "EC", .group = "P-256",
	    .leaf_is_compressed = true },
	[KEY_COMPRESSED] = { .label = "P-256, the key's point compressed", .key_type = "EC", .group = "P-256",
	    .key_is_compressed = true },
	[EC_AGREES] = { .label = "P-256, for key agreement only", .key_type = "EC", .group = "P-256", .usage = "keyAgreement" },
	[EC_UNREADABLE] = { .label = "P-256, unreadable extension", .key_type = "EC", .group = "P-256", .is_unreadable = true },
	[RSA_ENCIPHERS] = { .label = "RSA, for encryption only", .key_type = "RSA", .bits = 2048, .usage = "keyEncipherment" },
	[RSA_UNREADABLE] = { .label = "RSA, unreadable extension", .key_type = "RSA", .bits = 2048, .is_unreadable = true },
	[ED25519_AGREES] = { .label = "Ed25519, for key agreement only", .key_type = "ED25519", .usage = "keyAgreement" },
	[RSA1024] = { .label = "RSA 1024", .key_type = "RSA", .bits = 1024 },
	[OTHER] = { .label = "another P-256", .key_type = "EC", .group = "P-256" },
	[EXPLICIT] = { .label = "P-256, explicit", .key_type = "EC", .group = "P-256", .is_explicit = true },
};

#define INTERMEDIATES 2

static EVP_PKEY *ca_key;
static X509 *intermediates[INTERMEDIATES], *own_intermediate;
static unsigned char *intermediate_der[INTERMEDIATES];
static int intermediate_length[INTERMEDIATES];
static struct seal *seal;
static char dir[] = "/tmp/snicert-chain.XXXXXX";

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* A subjectAltName that is no sequence of names. */
static void
add_unreadable(X509 *cert)
{
	static const unsigned char octets[] = { 0x30, 0x84 };
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	ASN1_OCTET_STRING_set(value, octets, sizeof(octets));
	extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

static X509 *
make_cert(EVP_PKEY *key, const char *name, const char *issuer, const struct kit *kit)
{
	static long serial;
	X509 *cert = X509_new();
	X509_NAME *dn;

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	dn = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(dn, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	dn = X509_NAME_new();
	X509_NAME_add_entry_by_txt(dn, "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
	X509_set_issuer_name(cert, dn);
	X509_NAME_free(dn);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_basic_constraints, kit == NULL ? "CA:TRUE" : "CA:FALSE");
	if (kit != NULL && kit->usage != NULL)
		add_extension(cert, NID_key_usage, kit->usage);
	if (kit != NULL && kit->is_unreadable)
		add_unreadable(cert);
	ck_assert_int_gt(X509_sign(cert, ca_key, EVP_sha256()), 0);
	return cert;
}

static void
compress(EVP_PKEY *key, bool is_compressed)
{
	if (EVP_PKEY_is_a(key, "EC") == 1)
		ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
		    is_compressed ? OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED :
		    OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED), 1);
}

static void
make_kit(struct kit *kit)
{
	PKCS8_PRIV_KEY_INFO *info;

	if (kit->group != NULL)
		kit->key = EVP_EC_gen(kit->group);
	else if (strcmp(kit->key_type, "RSA") == 0)
		kit->key = EVP_RSA_gen((unsigned)kit->bits);
	else if (strcmp(kit->key_type, "RSA-PSS") == 0)
		kit->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)kit->bits);
	else
		kit->key = EVP_PKEY_Q_keygen(NULL, NULL, kit->key_type);
	if (kit->key == NULL && strcmp(kit->key_type, "RSA-PSS") == 0) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);

		EVP_PKEY_keygen_init(ctx);
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, kit->bits);
		EVP_PKEY_keygen(ctx, &kit->key);
		EVP_PKEY_CTX_free(ctx);
	}
	ck_assert_msg(kit->key != NULL, "no %s key", kit->label);
	if (kit->is_explicit)
		ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(kit->key, OSSL_PKEY_PARAM_EC_ENCODING,
		    OSSL_PKEY_EC_ENCODING_EXPLICIT), 1);
	compress(kit->key, kit->leaf_is_compressed);
	kit->leaf = make_cert(kit->key, kit->label, "Intermediate 0", kit);
	kit->leaf_length = i2d_X509(kit->leaf, &kit->leaf_der);
	compress(kit->key, kit->key_is_compressed);
	info = EVP_PKEY2PKCS8(kit->key);
	kit->key_length = i2d_PKCS8_PRIV_KEY_INFO(info, &kit->key_der);
	PKCS8_PRIV_KEY_INFO_free(info);
}

/* Once for all tests: keys take their time. */
static void
setup(void)
{
	unsigned char octets[SEAL_KEY_LENGTH] = "any key";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ca_key = EVP_EC_gen("P-256");
	for (int i = 0; i < KITS; i++)
		make_kit(&kits[i]);
	intermediates[0] = make_cert(ca_key, "Intermediate 0", "Intermediate 1", NULL);
	intermediates[1] = make_cert(ca_key, "Intermediate 1", "Root", NULL);
	own_intermediate = make_cert(ca_key, "Own intermediate", "Root", NULL);
	for (int i = 0; i < INTERMEDIATES; i++)
		intermediate_length[i] = i2d_X509(intermediates[i], &intermediate_der[i]);
	seal = seal_new(NULL);
	ck_assert_int_eq(seal_add(seal, octets, NULL), 0);
	ERR_clear_error();
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
teardown(void)
{
	for (int i = 0; i < KITS; i++) {
		EVP_PKEY_free(kits[i].key);
		X509_free(kits[i].leaf);
		OPENSSL_free(kits[i].leaf_der);
		OPENSSL_free(kits[i].key_der);
	}
	for (int i = 0; i < INTERMEDIATES; i++) {
		X509_free(intermediates[i]);
		OPENSSL_free(intermediate_der[i]);
	}
	X509_free(own_intermediate);
	EVP_PKEY_free(ca_key);
	seal_free(seal);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
set_cert(struct store_cert *cert, const unsigned char *der, size_t length)
{
	SHA256(der, length, cert->digest);
	cert->der.data = der;
	cert->der.length = length;
}

/* What the store would hand out; free with row_free. */
static struct store_chain
row_of(int which, size_t count)
{
	const struct kit *kit = &kits[which];
	struct store_chain row = { .not_before = 1, .not_after = 4102444800, .cert_count = 1 + count };
	unsigned char *sealed = NULL;

	memset(row.identity, which + 1, sizeof(row.identity));
	snprintf(row.key_type, sizeof(row.key_type), "%s", kit->key_type);
	set_cert(&row.certs[0], kit->leaf_der, (size_t)kit->leaf_length);
	for (size_t i = 0; i < count; i++)
		set_cert(&row.certs[1 + i], intermediate_der[i], (size_t)intermediate_length[i]);
	ck_assert_int_eq(seal_close(seal, kit->key_der, (size_t)kit->key_length, row.identity,
	    sizeof(row.identity), &sealed, &row.sealed_key.length, NULL), 0);
	row.sealed_key.data = sealed;
	return row;
}

static void
row_free(struct store_chain *row)
{
	OPENSSL_free((void *)(uintptr_t)row->sealed_key.data);
}

/* Another key in a row's place, sealed as it must be. */
static void
reseal(struct store_chain *row, const unsigned char *der, size_t length)
{
	unsigned char *sealed = NULL;

	row_free(row);
	ck_assert_int_eq(seal_close(seal, der, length, row->identity, sizeof(row->identity), &sealed,
	    &row->sealed_key.length, NULL), 0);
	row->sealed_key.data = sealed;
}

/* Whether chains are as a host with the default provider has them. */
static bool pairs = true;

static struct chain *
chain_of(int which, size_t count)
{
	struct chain_codec *codec = chain_codec_new(1u << 20);
	struct store_chain row = row_of(which, count);
	struct snicert_error err = {0};
	struct chain *chain = NULL;

	ck_assert_msg(chain_decode(codec, seal, &row, &chain, &err) == 0, "%s: %s", kits[which].label,
	    err.text);
	ck_assert_msg(!pairs || chain_pair(codec, chain, &err) == 0, "%s: no pair: %s", kits[which].label, err.text);
	row_free(&row);
	chain_codec_free(codec);
	return chain;
}

START_TEST(test_decode)
{
	struct chain_codec *codec = chain_codec_new(1u << 20);
	size_t memory = 0;

	for (size_t count = 0; count <= INTERMEDIATES; count++) {
		struct store_chain row = row_of(_i, count);
		struct snicert_error err = {0};
		struct chain *chain = NULL;

		ck_assert_msg(chain_decode(codec, seal, &row, &chain, &err) == 0, "%s, %zu intermediates: %s",
		    kits[_i].label, count, err.text);
		ck_assert_int_eq(err.code, SNICERT_OK);
		ck_assert_int_eq(memcmp(chain_identity(chain), row.identity, STORE_DIGEST_LENGTH), 0);
		ck_assert_str_eq(chain_key_type(chain), kits[_i].key_type);
		ck_assert_int_eq(X509_cmp(chain_leaf(chain), kits[_i].leaf), 0);
		ck_assert_int_eq(chain_not_after(chain), 4102444800);
		memory = chain_memory(chain);
		ck_assert_msg(memory > (size_t)kits[_i].leaf_length + (size_t)kits[_i].key_length &&
		        memory < 100000, "%s: memory: got %zu", kits[_i].label, memory);
		/* It stands by itself: neither the row nor the codec is needed any longer. */
		row_free(&row);
		chain_unref(chain_ref(chain));
		chain_unref(chain);
	}
	chain_codec_free(codec);
	chain_codec_free(NULL);
	chain_unref(NULL);
}
END_TEST

/* Hosts look at the certificate that is served: digest it (RFC 5929), show it, check it. */
/* One object where both halves are written alike, and signatures are those of the leaf's key. */
START_TEST(test_pair)
{
	struct chain *chain = chain_of(_i, 0);
	EVP_PKEY *key = chain_key(chain), *of_leaf = X509_get0_pubkey(chain_leaf(chain));
	const char *digest = kits[_i].group != NULL || kits[_i].bits != 0 ? "SHA256" : NULL;
	bool alike = _i != RSAPSS && !kits[_i].is_explicit && !kits[_i].leaf_is_compressed && !kits[_i].key_is_compressed;
	unsigned char signature[1024];
	size_t length = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (kits[_i].is_unreadable)
		ERR_clear_error(); /* as who decodes does */
	ck_assert_msg((key == of_leaf) == alike, "%s: one key: %d", kits[_i].label, key == of_leaf);
	ck_assert_msg((EVP_PKEY_get0_provider(key) == EVP_PKEY_get0_provider(kits[_i].key)) == alike,
	    "%s: the key is where the host's are: %d", kits[_i].label, !alike);
	ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL), 1);
	ck_assert_int_eq(EVP_DigestSign(ctx, signature, &length, (const unsigned char *)"any", 3), 1);
	EVP_MD_CTX_free(ctx);
	ctx = EVP_MD_CTX_new();
	ck_assert_int_eq(EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, kits[_i].key, NULL), 1);
	ck_assert_int_eq(EVP_DigestVerify(ctx, signature, length, (const unsigned char *)"any", 3), 1);
	EVP_MD_CTX_free(ctx);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	chain_unref(chain);
}
END_TEST

static OSSL_PROVIDER *default_provider;

/* The default one's EC keys, under another name. */
static const OSSL_ALGORITHM *
guest_query(void *context, int operation, int *no_cache)
{
	static OSSL_ALGORITHM keys[2];
	const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(default_provider, OSSL_OP_KEYMGMT, no_cache);

	(void)context;
	while (strncmp(from->algorithm_names, "EC:", 3) != 0)
		from++;
	keys[0] = *from;
	keys[0].property_definition = "provider=guest";
	return operation == OSSL_OP_KEYMGMT ? keys : NULL;
}

static int
guest_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH dispatch[] = { { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))guest_query },
		{ 0, NULL } };

	(void)handle;
	(void)in;
	*out = dispatch;
	*context = OSSL_PROVIDER_get0_provider_ctx(default_provider);
	return 1;
}

/* A host that has another provider, and prefers it. */
START_TEST(test_pair_beside_guest)
{
	OSSL_PROVIDER *guest;
	EVP_PKEY *preferred;
	struct chain *chain;

	default_provider = OSSL_PROVIDER_load(NULL, "default");
	ck_assert_int_eq(OSSL_PROVIDER_add_builtin(NULL, "guest", guest_init), 1);
	ck_assert_ptr_nonnull(guest = OSSL_PROVIDER_load(NULL, "guest"));
	ck_assert_int_eq(EVP_set_default_properties(NULL, "?provider=guest"), 1);
	preferred = EVP_EC_gen("P-256");
	ck_assert_ptr_eq(EVP_PKEY_get0_provider(preferred), guest);
	EVP_PKEY_free(preferred);
	chain = chain_of(P256, 1);
	ck_assert_ptr_eq(EVP_PKEY_get0_provider(chain_key(chain)), default_provider);
	chain_unref(chain);
	OSSL_PROVIDER_unload(guest);
	OSSL_PROVIDER_unload(default_provider);
}
END_TEST

START_TEST(test_leaf_for_hosts)
{
	struct chain *chain = chain_of(_i, 0);
	X509 *leaf = chain_leaf(chain), *copy;
	unsigned char got[EVP_MAX_MD_SIZE], want[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned got_length = 0, want_length = 1;
	BIO *text = BIO_new(BIO_s_mem());
	const char *shown = "";
	EVP_PKEY *key;

	ck_assert(chain_leaf(chain) != kits[_i].leaf);
	ck_assert_int_eq(X509_digest(leaf, EVP_sha256(), got, &got_length), 1);
	ck_assert_int_eq(X509_digest(kits[_i].leaf, EVP_sha256(), want, &want_length), 1);
	ck_assert_uint_eq(got_length, want_length);
	ck_assert_mem_eq(got, want, want_length);
	ck_assert_int_eq(X509_verify(leaf, ca_key), 1);
	ck_assert_int_eq(X509_verify(leaf, kits[OTHER].key), 0);
	ck_assert_int_eq(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) >= 0, !kits[_i].is_unreadable);
	ck_assert_int_eq(i2d_X509(leaf, &der), kits[_i].leaf_length);
	ck_assert_mem_eq(der, kits[_i].leaf_der, (size_t)kits[_i].leaf_length);
	ck_assert_int_eq(X509_print(text, leaf), 1);
	BIO_write(text, "", 1);
	BIO_get_mem_data(text, &shown);
	ck_assert_ptr_null(strstr(shown, "rivate"));
	ck_assert_ptr_null(strstr(shown, "priv:"));

	key = X509_get0_pubkey(leaf);
	ck_assert_ptr_nonnull(key);
	ck_assert_int_eq(EVP_PKEY_eq(key, kits[_i].key), 1);
	ck_assert_int_eq(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(kits[_i].key));
	ck_assert_int_eq(EVP_PKEY_get_security_bits(key), EVP_PKEY_get_security_bits(kits[_i].key));
	ck_assert_int_eq(EVP_PKEY_get_id(key), EVP_PKEY_get_id(kits[_i].key));
	copy = X509_dup(leaf);
	ck_assert_int_eq(X509_cmp(copy, kits[_i].leaf), 0);
	ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(copy), kits[_i].key), 1);
	X509_free(copy);
	BIO_free(text);
	OPENSSL_free(der);
	chain_unref(chain);
}
END_TEST

/* What is wrong with a row, and what the error is. */
enum damage {
	WRONG_KEY, WRONG_KEY_SAME_TYPE, GARBAGE_LEAF, NO_LEAF, CUT_LEAF, LONGER_LEAF, NO_CERTS,
	GARBAGE_INTERMEDIATE, LONGER_INTERMEDIATE, NULL_INTERMEDIATE, GARBAGE_KEY, EMPTY_KEY, CUT_KEY,
	UNKNOWN_TYPE, EMPTY_TYPE, LOWER_TYPE, ANOTHER_TYPE, NO_KEY, OTHER_STORE_KEY, OTHER_IDENTITY,
	SHORT_SEALED, CERT_AS_KEY, NO_URI, ODD_URI, DAMAGES
};

static const struct {
	const char *label;
	int want_code;
} damages[DAMAGES] = {
	[WRONG_KEY] = { "the key of an RSA leaf", SNICERT_ECERT },
	[WRONG_KEY_SAME_TYPE] = { "the key of another leaf", SNICERT_ECERT },
	[GARBAGE_LEAF] = { "garbage as leaf", SNICERT_ECERT },
	[NO_LEAF] = { "a leaf of no octets", SNICERT_ECERT },
	[CUT_LEAF] = { "a leaf cut off", SNICERT_ECERT },
	[LONGER_LEAF] = { "an octet behind the leaf", SNICERT_ECERT },
	[NO_CERTS] = { "no certificates", SNICERT_ECERT },
	[GARBAGE_INTERMEDIATE] = { "garbage as intermediate", SNICERT_ECERT },
	[LONGER_INTERMEDIATE] = { "an octet behind an intermediate", SNICERT_ECERT },
	[NULL_INTERMEDIATE] = { "an intermediate of no octets", SNICERT_ECERT },
	[GARBAGE_KEY] = { "garbage as key", SNICERT_ECERT },
	[EMPTY_KEY] = { "a key of no octets", SNICERT_ECERT },
	[CUT_KEY] = { "a key cut off", SNICERT_ECERT },
	[UNKNOWN_TYPE] = { "a key type of the future", SNICERT_ECERT },
	[EMPTY_TYPE] = { "no key type", SNICERT_ECERT },
	[LOWER_TYPE] = { "a key type in lower case", SNICERT_ECERT },
	[ANOTHER_TYPE] = { "another key type than the key's", SNICERT_ECERT },
	[NO_KEY] = { "no key", SNICERT_EKEY },
	[OTHER_STORE_KEY] = { "sealed with another store key", SNICERT_EKEY },
	[OTHER_IDENTITY] = { "another row's sealed key", SNICERT_EKEY },
	[SHORT_SEALED] = { "a sealed key cut off", SNICERT_EKEY },
	[CERT_AS_KEY] = { "a certificate as key", SNICERT_ECERT },
	[NO_URI] = { "a key URI to nowhere", SNICERT_EKEY },
	[ODD_URI] = { "a key URI of no scheme known", SNICERT_EKEY },
};

static void
damage(struct store_chain *row, enum damage what, unsigned char *buffer, size_t size)
{
	static const unsigned char garbage[] = "not DER at all";
	unsigned char octets[SEAL_KEY_LENGTH] = "another key", *sealed = NULL;
	const struct kit *kit = &kits[P256];
	struct seal *other;

	switch (what) {
	case WRONG_KEY:
		reseal(row, kits[RSA2048].key_der, (size_t)kits[RSA2048].key_length);
		strcpy(row->key_type, "RSA");
		break;
	case WRONG_KEY_SAME_TYPE:
		reseal(row, kits[OTHER].key_der, (size_t)kits[OTHER].key_length);
		break;
	case GARBAGE_LEAF:
		set_cert(&row->certs[0], garbage, sizeof(garbage));
		break;
	case NO_LEAF:
		row->certs[0].der.data = NULL;
		row->certs[0].der.length = 0;
		break;
	case CUT_LEAF:
		row->certs[0].der.length--;
		break;
	case LONGER_LEAF:
	case LONGER_INTERMEDIATE: {
		struct store_cert *cert = &row->certs[what == LONGER_LEAF ? 0 : 2];

		ck_assert_uint_lt(cert->der.length, size);
		memcpy(buffer, cert->der.data, cert->der.length);
		buffer[cert->der.length] = 0;
		set_cert(cert, buffer, cert->der.length + 1);
		break;
	}
	case NO_CERTS:
		row->cert_count = 0;
		break;
	case GARBAGE_INTERMEDIATE:
		set_cert(&row->certs[2], garbage, sizeof(garbage));
		break;
	case NULL_INTERMEDIATE:
		memset(&row->certs[1], 0, sizeof(row->certs[1]));
		break;
	case GARBAGE_KEY:
		reseal(row, garbage, sizeof(garbage));
		break;
	case EMPTY_KEY:
		reseal(row, garbage, 0);
		break;
	case CUT_KEY:
		reseal(row, kit->key_der, (size_t)kit->key_length - 1);
		break;
	case CERT_AS_KEY:
		reseal(row, kit->leaf_der, (size_t)kit->leaf_length);
		break;
	case UNKNOWN_TYPE:
		strcpy(row->key_type, "ML-DSA-65");
		break;
	case EMPTY_TYPE:
		row->key_type[0] = '\0';
		break;
	case LOWER_TYPE:
		strcpy(row->key_type, "ec");
		break;
	case ANOTHER_TYPE:
		strcpy(row->key_type, "RSA");
		break;
	case NO_KEY:
		row_free(row);
		row->sealed_key.data = NULL;
		row->sealed_key.length = 0;
		break;
	case OTHER_STORE_KEY:
		other = seal_new(NULL);
		seal_add(other, octets, NULL);
		row_free(row);
		ck_assert_int_eq(seal_close(other, kit->key_der, (size_t)kit->key_length, row->identity,
		    sizeof(row->identity), &sealed, &row->sealed_key.length, NULL), 0);
		row->sealed_key.data = sealed;
		seal_free(other);
		break;
	case OTHER_IDENTITY:
		row->identity[31] ^= 1;
		break;
	case SHORT_SEALED:
		row->sealed_key.length = SEAL_OVERHEAD - 1;
		break;
	case NO_URI:
		row->key_uri = "file:/nowhere/at/all.key";
		break;
	case ODD_URI:
		row->key_uri = "odd-scheme:x";
		break;
	case DAMAGES:
		break;
	}
}

START_TEST(test_damaged)
{
	struct chain_codec *codec = chain_codec_new(1u << 20);
	struct store_chain row = row_of(P256, INTERMEDIATES), good = row_of(P256, INTERMEDIATES);
	struct snicert_error err = {0};
	struct chain *chain = NULL;
	unsigned char buffer[8192];

	damage(&row, (enum damage)_i, buffer, sizeof(buffer));
	ck_assert_msg(chain_decode(codec, seal, &row, &chain, &err) == -1, "%s: got success",
	    damages[_i].label);
	ck_assert_msg(err.code == damages[_i].want_code && err.text[0] != '\0',
	    "%s: code: got %d, want %d (%s)", damages[_i].label, err.code, damages[_i].want_code, err.text);
	ck_assert_ptr_null(chain);
	/* And the codec is as good as before. */
	memset(&err, 0, sizeof(err));
	ck_assert_msg(chain_decode(codec, seal, &good, &chain, &err) == 0, "after %s: %s",
	    damages[_i].label, err.text);
	chain_unref(chain);
	row_free(&row);
	row_free(&good);
	chain_codec_free(codec);
}
END_TEST

/* Every single octet of leaf and key changed: decoded or refused, never worse. */
START_TEST(test_flipped)
{
	struct chain_codec *codec = chain_codec_new(1u << 20);
	struct store_chain row = row_of(P256, 1);
	unsigned char leaf[4096], key[4096];

	for (int i = 0; i < kits[P256].leaf_length; i++) {
		struct chain *chain = NULL;

		memcpy(leaf, kits[P256].leaf_der, (size_t)kits[P256].leaf_length);
		leaf[i] ^= 0x81;
		set_cert(&row.certs[0], leaf, (size_t)kits[P256].leaf_length);
		if (chain_decode(codec, seal, &row, &chain, NULL) == 0)
			chain_unref(chain);
	}
	set_cert(&row.certs[0], kits[P256].leaf_der, (size_t)kits[P256].leaf_length);
	for (int i = 0; i < kits[P256].key_length; i++) {
		struct chain *chain = NULL;

		memcpy(key, kits[P256].key_der, (size_t)kits[P256].key_length);
		key[i] ^= 0x81;
		reseal(&row, key, (size_t)kits[P256].key_length);
		if (chain_decode(codec, seal, &row, &chain, NULL) == 0)
			chain_unref(chain);
	}
	row_free(&row);
	chain_codec_free(codec);
}
END_TEST

/* A key elsewhere: in the clear, behind a passphrase nobody is asked for, and not there. */
START_TEST(test_key_uri)
{
	static const char *const forms[] = { "clear", "encrypted", "public", "another", "garbage" };
	struct chain_codec *codec = chain_codec_new(1u << 20);
	struct store_chain row = row_of(P256, 1);

	row_free(&row);
	row.sealed_key.data = NULL;
	row.sealed_key.length = 0;
	for (int i = 0; i < COUNT(forms); i++) {
		char path[128], uri[160];
		struct snicert_error err = {0};
		struct chain *chain = NULL;
		FILE *out;
		int want = i == 0 ? 0 : -1, got;

		snprintf(path, sizeof(path), "%s/%s.key", dir, forms[i]);
		snprintf(uri, sizeof(uri), "file:%s", path);
		out = fopen(path, "w");
		if (i <= 1)
			PEM_write_PrivateKey(out, kits[P256].key, i == 1 ? EVP_aes_128_cbc() : NULL,
			    i == 1 ? (const unsigned char *)"secret" : NULL, i == 1 ? 6 : 0, NULL, NULL);
		else if (i == 2)
			PEM_write_PUBKEY(out, kits[P256].key);
		else if (i == 3)
			PEM_write_PrivateKey(out, kits[OTHER].key, NULL, NULL, 0, NULL, NULL);
		else
			fputs("garbage\n", out);
		fclose(out);
		row.key_uri = uri;
		alarm(20); /* a prompt would wait */
		got = chain_decode(codec, seal, &row, &chain, &err);
		alarm(0);
		ck_assert_msg(got == want, "%s: got %d, want %d (%s)", forms[i], got, want, err.text);
		ck_assert_msg(got == 0 || err.code == (i == 3 ? SNICERT_ECERT : SNICERT_EKEY),
		    "%s: code: got %d (%s)", forms[i], err.code, err.text);
		chain_unref(chain);
	}
	chain_codec_free(codec);
}
END_TEST

/* More intermediates than are kept for sharing. */
START_TEST(test_many_intermediates)
{
	struct chain_codec *codec = chain_codec_new(1u << 20);
	struct store_chain row = row_of(P256, 1);
	struct chain *first = NULL, *chain;
	unsigned char der[4096];
	size_t length = (size_t)intermediate_length[0];

	ck_assert_int_eq(chain_decode(codec, seal, &row, &first, NULL), 0);
	memcpy(der, intermediate_der[0], length);
	for (int i = 0; i < 2500; i++) {
		/* The signature's last octets: parsed, not verified. */
		der[length - 1] = (unsigned char)i;
		der[length - 2] = (unsigned char)(i >> 8);
		set_cert(&row.certs[1], der, length);
		chain = NULL;
		ck_assert_int_eq(chain_decode(codec, seal, &row, &chain, NULL), 0);
		chain_unref(chain);
	}
	chain_codec_free(codec);
	ck_assert_int_eq(X509_cmp(chain_leaf(first), kits[P256].leaf), 0);
	chain_unref(first);
	row_free(&row);
}
END_TEST

/* Shared intermediates count once, with the codec; those beyond its limit with their chain. */
START_TEST(test_shared_intermediates)
{
	struct store_chain none = row_of(P256, 0), both = row_of(P256, 2);
	size_t memory[4];

	for (int i = 0; i < 4; i++) {
		struct chain_codec *codec = chain_codec_new(i < 2 ? 1u << 20 : 0);
		struct chain *chain = NULL;

		ck_assert_int_eq(chain_decode(codec, seal, i % 2 == 0 ? &none : &both, &chain, NULL), 0);
		memory[i] = chain_memory(chain);
		chain_unref(chain);
		chain_codec_free(codec);
	}
	ck_assert_msg(memory[0] == memory[1], "shared: got %zu, want %zu", memory[1], memory[0]);
	ck_assert_msg(memory[2] == memory[0], "none: got %zu, want %zu", memory[2], memory[0]);
	ck_assert_msg(memory[3] >= memory[0] + (size_t)(intermediate_length[0] + intermediate_length[1]),
	    "its own: got %zu, and without them %zu", memory[3], memory[0]);
	row_free(&none);
	row_free(&both);
}
END_TEST

/* A client, and what else a server is told so as to speak to it at all. */
struct client {
	const char *label;
	int version;            /* the highest; 0: all */
	const char *sigalgs, *ciphers, *groups;
	const char *server_sigalgs, *server_ciphers;
	bool old;               /* security level 0, and TLS 1.0 on */
};

#define T12 TLS1_2_VERSION
#define T13 TLS1_3_VERSION

static const struct client clients[] = {
	{ .label = "any" },
	{ .label = "1.3", .version = T13 },
	{ .label = "1.3 secp256r1", .version = T13, .sigalgs = "ecdsa_secp256r1_sha256" },
	{ .label = "1.3 secp384r1", .version = T13, .sigalgs = "ecdsa_secp384r1_sha384" },
	{ .label = "1.3 secp521r1", .version = T13, .sigalgs = "ecdsa_secp521r1_sha512" },
	{ .label = "1.3 rsa_pss_rsae", .version = T13, .sigalgs = "rsa_pss_rsae_sha256" },
	{ .label = "1.3 rsa_pss_rsae_sha512", .version = T13, .sigalgs = "rsa_pss_rsae_sha512" },
	{ .label = "1.3 rsa_pss_pss", .version = T13, .sigalgs = "rsa_pss_pss_sha256" },
	{ .label = "1.3 ed25519", .version = T13, .sigalgs = "ed25519" },
	{ .label = "1.3 ed448", .version = T13, .sigalgs = "ed448" },
	{ .label = "1.3 rsa_pkcs1 and ed448", .version = T13, .sigalgs = "rsa_pkcs1_sha256:ed448" },
	{ .label = "1.3 pkcs1 and secp384r1", .version = T13,
	    .sigalgs = "rsa_pkcs1_sha256:ecdsa_secp384r1_sha384" },
	{ .label = "1.3 group X25519", .version = T13, .groups = "X25519" },
	{ .label = "1.3 group P-256", .version = T13, .groups = "P-256" },
	{ .label = "1.3, server takes ed25519 or RSA", .version = T13,
	    .server_sigalgs = "ed25519:rsa_pss_rsae_sha384" },
	{ .label = "1.2", .version = T12 },
	{ .label = "1.2 ECDHE-RSA", .version = T12, .ciphers = "ECDHE+aRSA" },
	{ .label = "1.2 ECDHE-ECDSA", .version = T12, .ciphers = "ECDHE+aECDSA" },
	{ .label = "1.2 one ECDHE-ECDSA", .version = T12, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ .label = "1.2 RSA key exchange", .version = T12, .ciphers = "AES128-GCM-SHA256" },
	{ .label = "1.2 DHE-RSA", .version = T12, .ciphers = "DHE-RSA-AES256-GCM-SHA384" },
	{ .label = "1.2 sigalgs RSA", .version = T12, .sigalgs = "RSA+SHA256" },
	{ .label = "1.2 sigalgs RSA-PSS", .version = T12, .sigalgs = "rsa_pss_rsae_sha256" },
	{ .label = "1.2 sigalgs rsa_pss_pss", .version = T12, .sigalgs = "rsa_pss_pss_sha256" },
	{ .label = "1.2 sigalgs ECDSA", .version = T12, .sigalgs = "ECDSA+SHA256" },
	{ .label = "1.2 sigalgs ECDSA+SHA384", .version = T12, .sigalgs = "ECDSA+SHA384" },
	{ .label = "1.2 sigalgs ed25519", .version = T12, .sigalgs = "ed25519" },
	{ .label = "1.2 sigalgs ed448", .version = T12, .sigalgs = "ed448" },
	{ .label = "1.2 ECDHE-ECDSA, sigalgs RSA", .version = T12, .ciphers = "ECDHE+aECDSA",
	    .sigalgs = "RSA+SHA256" },
	{ .label = "1.2 ECDHE-RSA, sigalgs ECDSA", .version = T12, .ciphers = "ECDHE+aRSA",
	    .sigalgs = "ECDSA+SHA256" },
	{ .label = "1.2 groups X25519, P-256", .version = T12, .groups = "X25519:P-256" },
	{ .label = "1.2 groups X25519", .version = T12, .groups = "X25519" },
	{ .label = "1.2 groups P-384", .version = T12, .groups = "P-384" },
	{ .label = "1.2 groups P-521, X448", .version = T12, .groups = "P-521:X448" },
	{ .label = "1.2 ECDSA, groups P-256", .version = T12, .ciphers = "ECDHE+aECDSA",
	    .groups = "P-256" },
	{ .label = "1.2, server has ECDHE-RSA only", .version = T12, .server_ciphers = "ECDHE+aRSA" },
	{ .label = "1.2, server has ECDHE-ECDSA only", .version = T12, .server_ciphers = "ECDHE+aECDSA" },
	{ .label = "1.2, ciphers don't meet", .version = T12, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
	    .server_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256" },
	{ .label = "1.2, server signs RSA only", .version = T12, .server_sigalgs = "RSA+SHA256" },
	{ .label = "old, any", .old = true },
	{ .label = "1.1", .version = TLS1_1_VERSION, .old = true },
	{ .label = "1.0", .version = TLS1_VERSION, .old = true },
	{ .label = "1.0 ECDHE-RSA", .version = TLS1_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA", .old = true },
	{ .label = "1.0 ECDHE-ECDSA", .version = TLS1_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA",
	    .old = true },
	{ .label = "1.0 groups P-256", .version = TLS1_VERSION, .groups = "P-256", .old = true },
};

static void
set_old(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0"), 1);
}

static SSL_CTX *
client_ctx(const struct client *client)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (client->old)
		set_old(ctx);
	if (client->version != 0)
		SSL_CTX_set_max_proto_version(ctx, client->version);
	if (client->version == T13)
		SSL_CTX_set_min_proto_version(ctx, T13);
	if (client->sigalgs != NULL)
		ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(ctx, client->sigalgs), 1);
	if (client->ciphers != NULL)
		ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, client->ciphers), 1);
	if (client->old)
		SSL_CTX_set_security_level(ctx, 0);
	if (client->groups != NULL)
		ck_assert_int_eq(SSL_CTX_set1_groups_list(ctx, client->groups), 1);
	return ctx;
}

static SSL_CTX *
server_ctx(const struct client *client)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (client->old)
		set_old(ctx);
	if (client->server_sigalgs != NULL)
		ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(ctx, client->server_sigalgs), 1);
	if (client->server_ciphers != NULL)
		ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, client->server_ciphers), 1);
	SSL_CTX_set_dh_auto(ctx, 1);
	return ctx;
}

/* Both ends over a pair of memory BIOs; whether it completes. */
static bool
handshake(SSL *client, SSL *server)
{
	BIO *one = NULL, *two = NULL;
	int done = 0;

	ck_assert_int_eq(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, two, two);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 50 && done != 3; i++) {
		SSL *end = i % 2 == 0 ? client : server;
		int rc = SSL_do_handshake(end), reason = SSL_get_error(end, rc);

		if (rc == 1)
			done |= i % 2 == 0 ? 1 : 2;
		else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
			break;
	}
	ERR_clear_error();
	return done == 3;
}

/* What the certificate callback of the server does, and what it saw. */
struct simulator {
	struct chain *chains[2];
	size_t count;
	bool ask_only;          /* chain_usable, no chain_install */
	int level;              /* set before installing; -1: none */
	int calls, status;
	bool usable, offered;
	struct snicert_error err;
};

/* What the ClientHello tells already. */
static int
look(SSL *ssl, int *alert, void *arg) /* NOLINT(readability-non-const-parameter): OpenSSL's type */
{
	struct simulator *served = arg;
	struct hello *hello = hello_read(ssl);

	(void)alert;
	ck_assert_ptr_nonnull(hello);
	hello->version = hello_likely_version(ssl);
	ck_assert(hello_read_ciphers(hello, ssl));
	certsigs_note(ssl);
	served->offered = chain_offered(served->chains[0], ssl, hello);
	hello_free(hello);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int
serve(SSL *ssl, void *arg)
{
	struct simulator *served = arg;
	struct chain_own *own = NULL;

	served->calls++;
	ERR_set_mark(); /* as hook.c does */
	served->usable = chain_usable(served->chains[0], ssl);
	if (served->level >= 0)
		SSL_set_security_level(ssl, served->level);
	if (!served->ask_only)
		served->status = chain_install(ssl, served->chains, served->count, &own, &served->err);
	chain_own_free(own);
	ERR_pop_to_mark();
	return 1;
}

static void
use_own(SSL_CTX *ctx, int which)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, own_intermediate);
	ck_assert_int_eq(SSL_CTX_use_cert_and_key(ctx, kits[which].leaf, kits[which].key, chain, 1), 1);
	sk_X509_free(chain);
}

/* The oracle: a server with this chain alone. -1: the library does not take the chain. */
static int
oracle(const struct client *client, int which)
{
	SSL_CTX *one = client_ctx(client), *two = server_ctx(client);
	int verdict = -1;

	if (SSL_CTX_use_cert_and_key(two, kits[which].leaf, kits[which].key, NULL, 1) == 1) {
		SSL *a = SSL_new(one), *b = SSL_new(two);

		verdict = handshake(a, b);
		SSL_free(a);
		SSL_free(b);
	}
	ERR_clear_error();
	SSL_CTX_free(one);
	SSL_CTX_free(two);
	return verdict;
}

/* By what chain_usable says of it, beside each of these own certificates. */
static void
check_usable(const struct client *client, int which, int own, int want)
{
	SSL_CTX *one = client_ctx(client), *two = server_ctx(client);
	struct simulator served = { .chains = { chain_of(which, 1) }, .count = 1, .ask_only = true,
		.level = -1 };
	SSL *a, *b;

	if (own >= 0)
		use_own(two, own);
	SSL_CTX_set_cert_cb(two, serve, &served);
	SSL_CTX_set_client_hello_cb(two, look, &served);
	a = SSL_new(one);
	b = SSL_new(two);
	handshake(a, b);
	SSL_free(a);
	SSL_free(b);
	ck_assert_msg(served.offered || want == 0, "client \"%s\", chain %s: not offered, yet it would work",
	    client->label, kits[which].label);
	/* What signatures a server is told to make can't be asked for. */
	ck_assert_msg(!served.offered || want == 1 || client->server_sigalgs != NULL,
	    "client \"%s\", chain %s: offered, and would not work", client->label, kits[which].label);
	ck_assert_msg(served.calls > 0 || want == 0, "%s, %s: never asked, yet it would work",
	    client->label, kits[which].label);
	ck_assert_msg(served.calls == 0 || served.usable == (want == 1),
	    "client \"%s\", chain %s, own %s: usable: got %d, a server with it alone: %d", client->label,
	    kits[which].label, own < 0 ? "none" : kits[own].label, served.usable, want);
	chain_unref(served.chains[0]);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}

START_TEST(test_usable)
{
	static const int owns[] = { -1, RSA2048, P256 };
	const struct client *client = &clients[_i / 2];

	pairs = _i % 2 != 0;
	for (int which = 0; which < RSA1024; which++) {
		int want = oracle(client, which);

		for (int own = 0; own < COUNT(owns) && want >= 0; own++)
			check_usable(client, which, owns[own], want);
	}
}
END_TEST

/* And what is usable, once installed, completes; what the oracle could, the module can. */
START_TEST(test_usable_completes)
{
	const struct client *client = &clients[_i / 2];

	pairs = _i % 2 != 0;
	for (int which = 0; which < RSA1024; which++) {
		SSL_CTX *one = client_ctx(client), *two = server_ctx(client);
		struct simulator served = { .chains = { chain_of(which, 1) }, .count = 1, .level = -1 };
		SSL *a, *b;
		int want = oracle(client, which);
		bool got;

		use_own(two, RSA2048);
		use_own(two, P256);
		SSL_CTX_set_cert_cb(two, serve, &served);
		a = SSL_new(one);
		b = SSL_new(two);
		got = handshake(a, b);
		ck_assert_msg(want < 0 || served.calls == 0 || got == (want == 1),
		    "client \"%s\", chain %s installed: completes: got %d, want %d", client->label,
		    kits[which].label, got, want);
		SSL_free(a);
		SSL_free(b);
		chain_unref(served.chains[0]);
		SSL_CTX_free(one);
		SSL_CTX_free(two);
	}
}
END_TEST

static void
check_presented(const char *label, SSL *client, X509 *leaf, X509 *const *others, int count)
{
	STACK_OF(X509) *got = SSL_get_peer_cert_chain(client);
	int want = 1 + count;

	ck_assert_msg(sk_X509_num(got) == want, "%s: certificates: got %d, want %d", label,
	    sk_X509_num(got), want);
	ck_assert_msg(X509_cmp(sk_X509_value(got, 0), leaf) == 0, "%s: got another leaf", label);
	for (int i = 0; i < count; i++)
		ck_assert_msg(X509_cmp(sk_X509_value(got, 1 + i), others[i]) == 0,
		    "%s: got another intermediate %d", label, i);
}

/* A server with plenty of its own: two certificates, extra ones, issuers in its store. */
static SSL_CTX *
rich_server(struct simulator *served)
{
	static const struct client plain = { .label = "plain" };
	SSL_CTX *ctx = server_ctx(&plain);

	use_own(ctx, RSA2048);
	use_own(ctx, OTHER);
	X509_up_ref(own_intermediate);
	SSL_CTX_add_extra_chain_cert(ctx, own_intermediate);
	for (int i = 0; i < INTERMEDIATES; i++)
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), intermediates[i]);
	SSL_CTX_set_cert_cb(ctx, serve, served);
	return ctx;
}

/* Precisely leaf and intermediates, however many, in TLS 1.2 and 1.3. */
START_TEST(test_install)
{
	bool from_13_on = _i == EC_AGREES || _i == EC_UNREADABLE || _i == ED25519_AGREES; /* test_usable */

	for (int version = from_13_on ? T13 : T12; version <= T13; version++) {
		for (size_t count = 0; count <= INTERMEDIATES; count++) {
			struct client client = { .label = "plain", .version = version };
			struct simulator served = { .chains = { chain_of(_i, count) }, .count = 1, .level = -1 };
			SSL_CTX *one = client_ctx(&client), *two = rich_server(&served);
			SSL *a = SSL_new(one), *b = SSL_new(two);

			if (_i == RSAPSS && version == T12)
				SSL_set_cipher_list(a, "ECDHE+aRSA");
			ck_assert_msg(handshake(a, b), "%s, 0x%x: failed (%s)", kits[_i].label,
			    (unsigned)version, served.err.text);
			ck_assert_int_eq(served.status, 0);
			check_presented(kits[_i].label, a, kits[_i].leaf, intermediates, (int)count);
			ck_assert_int_eq(X509_cmp(SSL_get_certificate(b), kits[_i].leaf), 0);
			/* The context has its own still: the next connection without the module. */
			SSL_CTX_set_cert_cb(two, NULL, NULL);
			SSL_free(a);
			SSL_free(b);
			a = SSL_new(one);
			b = SSL_new(two);
			ck_assert(handshake(a, b));
			ck_assert(X509_cmp(SSL_get_certificate(b), kits[RSA2048].leaf) == 0 ||
			    X509_cmp(SSL_get_certificate(b), kits[OTHER].leaf) == 0);
			SSL_free(a);
			SSL_free(b);
			chain_unref(served.chains[0]);
			SSL_CTX_free(one);
			SSL_CTX_free(two);
		}
	}
}
END_TEST

/* Two chains side by side: the client's abilities choose, and nothing of the host's is left. */
static const struct {
	const char *label;
	struct client client;
	int first, second;      /* chains; second -1: none */
	int want;               /* whose leaf; -1: no handshake */
} choices[] = {
	{ "both, RSA client", { .sigalgs = "rsa_pss_rsae_sha256" }, RSA2048, P384, RSA2048 },
	{ "both, P-384 client", { .sigalgs = "ecdsa_secp384r1_sha384" }, RSA2048, P384, P384 },
	{ "both, order turned", { .sigalgs = "rsa_pss_rsae_sha256" }, P384, RSA2048, RSA2048 },
	{ "both, 1.2 ECDHE-ECDSA", { .version = T12, .ciphers = "ECDHE+aECDSA" }, RSA2048, P384, P384 },
	{ "both, 1.2 ECDHE-RSA", { .version = T12, .ciphers = "ECDHE+aRSA" }, RSA2048, P384, RSA2048 },
	{ "EC and Ed25519", { .sigalgs = "ed25519" }, P256, ED25519, ED25519 },
	{ "RSA only, client with both", { .version = 0 }, RSA2048, -1, RSA2048 },
	{ "EC only, RSA client", { .sigalgs = "rsa_pss_rsae_sha256" }, P384, -1, -1 },
	{ "RSA only, P-256 client", { .sigalgs = "ecdsa_secp256r1_sha256" }, RSA2048, -1, -1 },
	{ "EC only, 1.2 RSA client", { .version = T12, .ciphers = "ECDHE+aRSA" }, P384, -1, -1 },
};

START_TEST(test_side_by_side)
{
	struct simulator served = { .chains = { chain_of(choices[_i].first, 2) }, .count = 1, .level = -1 };
	SSL_CTX *one = client_ctx(&choices[_i].client), *two = rich_server(&served);
	SSL *a = SSL_new(one), *b = SSL_new(two);
	bool got;

	if (choices[_i].second >= 0)
		served.chains[served.count++] = chain_of(choices[_i].second, 2);
	got = handshake(a, b);
	ck_assert_msg(served.status == 0 && served.calls > 0, "%s: %s", choices[_i].label,
	    served.err.text);
	ck_assert_msg(got == (choices[_i].want >= 0), "%s: completes: got %d, want %d", choices[_i].label,
	    got, choices[_i].want >= 0);
	if (got)
		check_presented(choices[_i].label, a, kits[choices[_i].want].leaf, intermediates, 2);
	SSL_free(a);
	SSL_free(b);
	for (size_t i = 0; i < served.count; i++)
		chain_unref(served.chains[i]);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* The chain is refused by the security level: the own certificates, both, are back. */
START_TEST(test_install_fails)
{
	static const char *const sigalgs[] = { "rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256" };
	static const int owns[] = { RSA2048, OTHER };
	struct client client = { .sigalgs = sigalgs[_i % 2] };
	bool with_chain = _i < 2;
	struct simulator served = { .chains = { chain_of(RSA1024, 1) }, .count = 1, .level = 2 };
	SSL_CTX *one = client_ctx(&client), *two = server_ctx(&client);
	SSL *a, *b;

	for (int i = 0; i < COUNT(owns); i++) {
		if (with_chain)
			use_own(two, owns[i]);
		else
			SSL_CTX_use_cert_and_key(two, kits[owns[i]].leaf, kits[owns[i]].key, NULL, 1);
	}
	SSL_CTX_set_mode(two, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_cert_cb(two, serve, &served);
	a = SSL_new(one);
	b = SSL_new(two);
	ck_assert_msg(handshake(a, b), "%s: the handshake failed", client.sigalgs);
	ck_assert_int_eq(served.calls, 1);
	ck_assert_int_eq(served.status, -1);
	ck_assert_msg(served.err.code == SNICERT_ECERT && served.err.text[0] != '\0',
	    "got error %d \"%s\", want %d", served.err.code, served.err.text, SNICERT_ECERT);
	check_presented(client.sigalgs, a, kits[owns[_i % 2]].leaf, &own_intermediate, with_chain ? 1 : 0);
	SSL_free(a);
	SSL_free(b);
	chain_unref(served.chains[0]);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* One of two is refused: the other is served, wherever it stands, and it is said which was not. */
START_TEST(test_install_in_part)
{
	struct client client = { .label = "plain", .version = _i < 2 ? T12 : T13 };
	struct chain *good = chain_of(P256, 2), *weak = chain_of(RSA1024, 1);
	struct simulator served = { .chains = { _i % 2 == 0 ? good : weak, _i % 2 == 0 ? weak : good }, .count = 2,
		.level = 2 };
	SSL_CTX *one = client_ctx(&client), *two = rich_server(&served);
	SSL *a = SSL_new(one), *b = SSL_new(two);

	ck_assert(handshake(a, b));
	ck_assert_int_eq(served.status, 0);
	ck_assert_msg(served.err.code == SNICERT_ECERT && strstr(served.err.text, chain_label(weak)) != NULL,
	    "got error %d \"%s\"", served.err.code, served.err.text);
	check_presented("in part", a, kits[P256].leaf, intermediates, 2);
	SSL_free(a);
	SSL_free(b);
	chain_unref(good);
	chain_unref(weak);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* What was there before the first of two chains comes back whole. */
START_TEST(test_put_back)
{
	static const struct client client = { .label = "plain" };
	struct chain *chain = chain_of(P256, 2);
	SSL_CTX *one = client_ctx(&client), *two = server_ctx(&client);
	struct chain_own *own = NULL;
	struct snicert_error err = {0};
	SSL *a, *b;

	use_own(two, RSA2048);
	a = SSL_new(one);
	b = SSL_new(two);
	ck_assert_int_eq(chain_install(b, &chain, 1, &own, &err), 0);
	chain_put_back(b, own);
	ck_assert(handshake(a, b));
	check_presented("put back", a, kits[RSA2048].leaf, &own_intermediate, 1);
	SSL_free(a);
	SSL_free(b);
	chain_unref(chain);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* A host without any certificate of its own. */
START_TEST(test_install_on_nothing)
{
	struct client client = { .label = "plain", .version = _i == 0 ? T12 : T13 };
	struct simulator served = { .chains = { chain_of(P256, 1) }, .count = 1, .level = -1 };
	SSL_CTX *one = client_ctx(&client), *two = server_ctx(&client);
	SSL *a, *b;

	SSL_CTX_set_cert_cb(two, serve, &served);
	a = SSL_new(one);
	b = SSL_new(two);
	ck_assert(handshake(a, b));
	check_presented("no own certificate", a, kits[P256].leaf, intermediates, 1);
	SSL_free(a);
	SSL_free(b);
	chain_unref(served.chains[0]);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* After a HelloRetryRequest the callback runs again: nothing doubles, nothing leaks. */
START_TEST(test_hello_retry)
{
	struct client client = { .label = "retry", .version = T13, .groups = "P-521:P-384" };
	struct simulator served = { .chains = { chain_of(P256, 2) }, .count = 1, .level = -1 };
	SSL_CTX *one = client_ctx(&client), *two = rich_server(&served);
	SSL *a, *b;

	SSL_CTX_set1_groups_list(two, "P-384");
	a = SSL_new(one);
	b = SSL_new(two);
	ck_assert(handshake(a, b));
	ck_assert_msg(served.calls == 2, "callbacks: got %d, want 2", served.calls);
	check_presented("retried", a, kits[P256].leaf, intermediates, 2);
	SSL_free(a);
	SSL_free(b);
	chain_unref(served.chains[0]);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

/* The connection keeps what it presents when the chain goes from the cache meanwhile. */
START_TEST(test_unref_while_installed)
{
	struct client client = { .label = "plain" };
	SSL_CTX *one = client_ctx(&client), *two = server_ctx(&client);
	SSL *a = SSL_new(one), *b = SSL_new(two);
	struct chain *chain = chain_of(P256, 2);
	struct chain_own *own = NULL;
	struct snicert_error err = {0};

	ck_assert_int_eq(chain_install(b, &chain, 1, &own, &err), 0);
	chain_own_free(own);
	chain_unref(chain);
	ck_assert(handshake(a, b));
	check_presented("chain gone", a, kits[P256].leaf, intermediates, 2);
	SSL_free(a);
	SSL_free(b);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("chain");
	TCase *tc = tcase_create("chain");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_decode, 0, KITS);
	tcase_add_loop_test(tc, test_pair, 0, KITS);
	tcase_add_test(tc, test_pair_beside_guest);
	tcase_add_loop_test(tc, test_leaf_for_hosts, 0, KITS);
	tcase_add_loop_test(tc, test_damaged, 0, DAMAGES);
	tcase_add_test(tc, test_flipped);
	tcase_add_test(tc, test_key_uri);
	tcase_add_test(tc, test_many_intermediates);
	tcase_add_test(tc, test_shared_intermediates);
	tcase_add_loop_test(tc, test_usable, 0, 2 * COUNT(clients));
	tcase_add_loop_test(tc, test_usable_completes, 0, 2 * COUNT(clients));
	tcase_add_loop_test(tc, test_install, 0, RSA1024);
	tcase_add_loop_test(tc, test_side_by_side, 0, COUNT(choices));
	tcase_add_loop_test(tc, test_install_fails, 0, 4);
	tcase_add_loop_test(tc, test_install_in_part, 0, 4);
	tcase_add_test(tc, test_put_back);
	tcase_add_loop_test(tc, test_install_on_nothing, 0, 2);
	tcase_add_test(tc, test_hello_retry);
	tcase_add_test(tc, test_unref_while_installed);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
