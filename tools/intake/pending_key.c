/* SPDX-License-Identifier: ISC */
/* pending_key.c: keys made before their certificates. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/pending_key.h"
#include "keyuri.h"
#include "x509/cert.h"

int
pending_key_make(const char *type, EVP_PKEY **out, struct snicert_error *err)
{
	static const char *const curves[] = { "P-256", "P-384", "P-521" };
	char *end = NULL;
	long bits = strncmp(type, "rsa:", 4) == 0 ? strtol(type + 4, &end, 10) : 2048;

	*out = NULL;
	if (strcmp(type, "rsa") == 0 || (end != NULL && end != type + 4 && *end == '\0')) {
		if (bits < 2048 || bits > 8192)
			return error_set(err, SNICERT_EUSAGE, "an RSA key has 2048 to 8192 bits, not %s", type + 4);
		*out = EVP_RSA_gen((size_t)bits);
	} else if (strcmp(type, "ed25519") == 0) {
		*out = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	} else if (strcmp(type, "ec") == 0) {
		*out = EVP_EC_gen("P-256");
	} else {
		size_t i = 0;

		while (i < 3 && (strncmp(type, "ec:", 3) != 0 || strcmp(type + 3, curves[i]) != 0))
			i++;
		if (i == 3)
			return error_set(err, SNICERT_EUSAGE, "%s is not a key type: ec, ec:P-384, ec:P-521, rsa, "
			    "rsa:BITS or ed25519 is wanted", type);
		*out = EVP_EC_gen(curves[i]);
	}
	return *out != NULL ? 0 : error_openssl(err, SNICERT_EKEY, "can't make a key");
}

int
pending_key_at_uri(const char *uri, EVP_PKEY **out, struct snicert_error *err)
{
	*out = keyuri_open(uri);
	return *out != NULL ? 0
	    : error_openssl(err, SNICERT_EKEY, "there is no private key at %s", uri);
}

int
pending_key_spki(EVP_PKEY *key, unsigned char out[STORE_DIGEST_LENGTH], struct snicert_error *err)
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);
	int good = length > 0 && EVP_Digest(der, (size_t)length, out, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return good ? 0 : error_openssl(err, SNICERT_EKEY, "can't encode the public key");
}

/* What binds the sealed key to its row. */
static int
identify(const unsigned char *spki, unsigned char out[STORE_DIGEST_LENGTH])
{
	static const char prefix[] = "snicert waiting key 1";
	unsigned char text[sizeof(prefix) + STORE_DIGEST_LENGTH];

	memcpy(text, prefix, sizeof(prefix));
	memcpy(text + sizeof(prefix), spki, STORE_DIGEST_LENGTH);
	return EVP_Digest(text, sizeof(text), out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

static int
seal_key(const struct seal *seal, EVP_PKEY *key, const unsigned char *identity, unsigned char **out,
    size_t *out_length, struct snicert_error *err)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int length = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	int status = -1;

	PKCS8_PRIV_KEY_INFO_free(info);
	if (length <= 0)
		error_openssl(err, SNICERT_EKEY, "the private key can't be encoded");
	else
		status = seal_close(seal, der, (size_t)length, identity, STORE_DIGEST_LENGTH, out, out_length, err);
	OPENSSL_clear_free(der, length > 0 ? (size_t)length : 0);
	return status;
}

static int
already_there(void *arg, const struct admin_pending_key *key)
{
	return error_set(arg, SNICERT_EINPUT, "that key is in the store already: it is key %" PRId64, key->id);
}

int
pending_key_add(struct admin *admin, const struct seal *seal, EVP_PKEY *key, const char *uri,
    const char *names, int64_t *id, struct snicert_error *err)
{
	unsigned char identity[STORE_DIGEST_LENGTH], spki[STORE_DIGEST_LENGTH];
	unsigned char *public_key = NULL, *sealed = NULL;
	struct admin_pending_key row = { .identity = identity, .spki = spki, .names = names, .key_uri = uri,
		.key_type = key_type_name(key) };
	int length = i2d_PUBKEY(key, &public_key), status = -1;

	if (row.key_type == NULL)
		error_set(err, SNICERT_EKEY, "a %s key can't be used for TLS: use an RSA, EC or Ed25519 key",
		    EVP_PKEY_get0_type_name(key));
	else if (length <= 0 || pending_key_spki(key, spki, err) != 0 || identify(spki, identity) != 0)
		error_set(err, SNICERT_EMEMORY, "no memory");
	else if (admin_pending_key_of(admin, spki, already_there, err, err) == 0 &&
	    (uri != NULL || seal_key(seal, key, identity, &sealed, &row.sealed_length, err) == 0)) {
		row.public_key = public_key;
		row.public_length = (size_t)length;
		row.sealed_key = sealed;
		status = admin_add_pending_key(admin, &row, id, err);
	}
	OPENSSL_free(public_key);
	OPENSSL_free(sealed);
	return status;
}

/* "a b" as a subject alternative name "DNS:a,DNS:b"; normalised names need no escaping. */
static X509_EXTENSION *
san_of(const char *names)
{
	char *text = malloc(6 * strlen(names) + 8), *at = text, *copy = strdup(names), *save = NULL;
	X509_EXTENSION *extension = NULL;

	for (char *name = text == NULL || copy == NULL ? NULL : strtok_r(copy, " ", &save); name != NULL;
	     name = strtok_r(NULL, " ", &save))
		at += sprintf(at, "%sDNS:%s", at == text ? "" : ",", name);
	if (text != NULL && copy != NULL)
		extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, text);
	free(copy);
	free(text);
	return extension;
}

/* The first name, if it fits into a common name (64 octets, RFC 5280 appendix A). */
static int
set_subject(X509_REQ *request, const char *names)
{
	size_t length = strcspn(names, " ");
	X509_NAME *subject = X509_REQ_get_subject_name(request);

	return length > 64 || X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
	    (const unsigned char *)names, (int)length, -1, 0) == 1;
}

static char *
request_text(X509_REQ *request)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data, *text = NULL;
	long length;

	if (out != NULL && PEM_write_bio_X509_REQ(out, request) == 1) {
		length = BIO_get_mem_data(out, &data);
		text = calloc(1, (size_t)length + 1);
		if (text != NULL)
			memcpy(text, data, (size_t)length);
	}
	BIO_free(out);
	return text;
}

char *
pending_key_request(EVP_PKEY *key, const char *names, struct snicert_error *err)
{
	X509_REQ *request = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *san = san_of(names);
	char *text = NULL;
	bool own_digest = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");

	if (extensions != NULL && san != NULL && sk_X509_EXTENSION_push(extensions, san) > 0)
		san = NULL;
	if (request != NULL && san == NULL && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
	    set_subject(request, names) && X509_REQ_set_pubkey(request, key) == 1 &&
	    X509_REQ_add_extensions(request, extensions) == 1 &&
	    X509_REQ_sign(request, key, own_digest ? NULL : EVP_sha256()) > 0)
		text = request_text(request);
	if (text == NULL)
		error_openssl(err, SNICERT_EKEY, "can't make the certificate request");
	X509_EXTENSION_free(san);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(request);
	return text;
}

/* PKCS#8, as in both tables. */
static int
unseal(const struct seal *seal, const unsigned char *sealed, size_t sealed_length,
    const unsigned char *identity, EVP_PKEY **out, struct snicert_error *err)
{
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	const unsigned char *at;
	size_t length = 0;

	if (seal_open(seal, sealed, sealed_length, identity, STORE_DIGEST_LENGTH, &der, &length, err) != 0)
		return -1;
	at = der;
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)length);
	*out = info == NULL ? NULL : EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	OPENSSL_clear_free(der, length);
	return *out != NULL ? 0 : error_openssl(err, SNICERT_EKEY, "a private key of the store can't be decoded");
}

int
pending_key_open(const struct admin_pending_key *key, const struct seal *seal, EVP_PKEY **out,
    struct snicert_error *err)
{
	unsigned char spki[STORE_DIGEST_LENGTH];

	*out = NULL;
	if ((key->key_uri != NULL ? pending_key_at_uri(key->key_uri, out, err)
	    : unseal(seal, key->sealed_key, key->sealed_length, key->identity, out, err)) != 0)
		return -1;
	if (pending_key_spki(*out, spki, err) == 0 && memcmp(spki, key->spki, sizeof(spki)) == 0)
		return 0;
	EVP_PKEY_free(*out);
	*out = NULL;
	return error_set(err, SNICERT_EKEY, "key %" PRId64 " is not the one that was generated", key->id);
}

struct supply {
	struct admin *admin;
	const struct seal *seal;
	struct bag *bag;
	struct pending_key_supplies *out;
	bool found;
	struct snicert_error *err;
};

/* Into the bag; a key held elsewhere stays there. */
static int
put_key(struct supply *supply, EVP_PKEY *key, const char *uri, const char *origin)
{
	struct pending_key_supplies *out = supply->out;
	void *list;

	if (uri != NULL) {
		list = realloc(out->list, (out->count + 1) * sizeof(*out->list));
		if (list == NULL)
			return error_set(supply->err, SNICERT_EMEMORY, "no memory");
		out->list = list;
		out->list[out->count].key = key;
		out->list[out->count].uri = strdup(uri);
		if (out->list[out->count++].uri == NULL)
			return error_set(supply->err, SNICERT_EMEMORY, "no memory");
	}
	return bag_add_key(supply->bag, key, origin, supply->err);
}

static int
supply_waiting(void *arg, const struct admin_pending_key *key)
{
	struct supply *supply = arg;
	EVP_PKEY *opened = NULL;
	char origin[80];
	int status = pending_key_open(key, supply->seal, &opened, supply->err);

	snprintf(origin, sizeof(origin), "key %" PRId64 " of the store", key->id);
	if (status == 0)
		status = put_key(supply, opened, key->key_uri, origin);
	EVP_PKEY_free(opened);
	supply->found = true;
	return status == 0 ? 0 : 1;
}

static int
supply_of_chain(struct supply *supply, int64_t chain)
{
	struct store_rows rows = {0};
	const struct store_chain *row = &rows.chains[0];
	EVP_PKEY *opened = NULL;
	char origin[80];
	int status = admin_load(supply->admin, chain, &rows, supply->err);

	snprintf(origin, sizeof(origin), "the key of chain %" PRId64, chain);
	if (status == 0)
		status = row->key_uri != NULL ? pending_key_at_uri(row->key_uri, &opened, supply->err)
		    : unseal(supply->seal, row->sealed_key.data, row->sealed_key.length, row->identity, &opened,
		          supply->err);
	if (status == 0)
		status = put_key(supply, opened, row->key_uri, origin);
	EVP_PKEY_free(opened);
	store_rows_free(&rows);
	return status;
}

static bool
has_key(const struct bag *bag, const struct bag_cert *cert)
{
	for (size_t i = 0; i < bag_keys(bag); i++)
		if (memcmp(bag_key(bag, i)->match, cert->match, sizeof(cert->match)) == 0)
			return true;
	return false;
}

static int
supply_cert(struct supply *supply, X509 *cert)
{
	unsigned char spki[STORE_DIGEST_LENGTH];
	int64_t chain = 0;

	supply->found = false;
	if (spki_digest(cert, spki) != 0)
		return error_set(supply->err, SNICERT_EMEMORY, "no memory");
	if (admin_pending_key_of(supply->admin, spki, supply_waiting, supply, supply->err) != 0)
		return -1;
	if (supply->found)
		return 0;
	if (admin_chain_of_key(supply->admin, spki, &chain, supply->err) != 0)
		return -1;
	return chain == 0 ? 0 : supply_of_chain(supply, chain);
}

int
pending_key_supply(struct admin *admin, const struct seal *seal, struct bag *bag,
    struct pending_key_supplies *out, struct snicert_error *err)
{
	struct supply supply = { .admin = admin, .seal = seal, .bag = bag, .out = out, .err = err };

	for (size_t i = 0; i < bag_certs(bag); i++) {
		const struct bag_cert *cert = bag_cert(bag, i);

		if (!has_key(bag, cert) && X509_check_ca(cert->cert) == 0 && supply_cert(&supply, cert->cert) != 0)
			return -1;
	}
	return 0;
}

void
pending_key_supplies_free(struct pending_key_supplies *supplies)
{
	for (size_t i = 0; i < supplies->count; i++)
		free(supplies->list[i].uri);
	free(supplies->list);
	*supplies = (struct pending_key_supplies){0};
}

const char *
pending_key_supplies_uri(const struct pending_key_supplies *supplies, const EVP_PKEY *key)
{
	for (size_t i = 0; i < supplies->count; i++)
		if (supplies->list[i].key == key)
			return supplies->list[i].uri;
	return NULL;
}

static int
note_id(void *arg, const struct admin_pending_key *key)
{
	*(int64_t *)arg = key->id;
	return 0;
}

int
pending_key_done(struct admin *admin, const unsigned char *spki, struct snicert_error *err)
{
	int64_t id = 0;
	bool found;

	if (admin_pending_key_of(admin, spki, note_id, &id, err) != 0)
		return -1;
	return id == 0 ? 0 : admin_remove_pending_key(admin, id, &found, err);
}
