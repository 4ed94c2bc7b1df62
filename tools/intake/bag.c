/* SPDX-License-Identifier: ISC */
/*
 * bag.c: the keys and certificates found in inputs, each once.  It knows nothing of files, of which
 * belong together (assemble.c), or of stores.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "intake/input.h"
#include "intake/key_match.h"
#include "intake/torn.h"
#include "x509/cert.h"

/* Room for one more element, growing at powers of two.  NULL without memory. */
static void *
grow(void *list, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return list;
	return reallocarray(list, count == 0 ? 1 : count * 2, size);
}

struct bag *
bag_new(void)
{
	return calloc(1, sizeof(struct bag));
}

void
bag_free(struct bag *bag)
{
	if (bag == NULL)
		return;
	for (size_t i = 0; i < bag->key_count; i++) {
		EVP_PKEY_free(bag->keys[i].key);
		OPENSSL_clear_free(bag->keys[i].info, bag->keys[i].info_length);
		free(bag->keys[i].origin);
	}
	for (size_t i = 0; i < bag->cert_count; i++) {
		X509_free(bag->certs[i].cert);
		free(bag->certs[i].origin);
	}
	for (size_t i = 0; i < bag->warning_count; i++)
		free(bag->warnings[i]);
	free(bag->keys);
	free(bag->certs);
	free(bag->warnings);
	input_free_secret(bag->passphrase);
	free(bag);
}

size_t
bag_keys(const struct bag *bag)
{
	return bag->key_count;
}

size_t
bag_certs(const struct bag *bag)
{
	return bag->cert_count;
}

size_t
bag_warnings(const struct bag *bag)
{
	return bag->warning_count;
}

const struct bag_key *
bag_key(const struct bag *bag, size_t i)
{
	return &bag->keys[i];
}

const struct bag_cert *
bag_cert(const struct bag *bag, size_t i)
{
	return &bag->certs[i];
}

const char *
bag_warning(const struct bag *bag, size_t i)
{
	return bag->warnings[i];
}

/* Without memory, only the warning is lost. */
void
bag_warn(struct bag *bag, const char *format, ...)
{
	char text[1024];
	char **list = grow(bag->warnings, bag->warning_count, sizeof(*list));
	va_list ap;

	if (list == NULL)
		return;
	bag->warnings = list;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if ((list[bag->warning_count] = strdup(text)) != NULL)
		bag->warning_count++;
}

int
input_add_key(struct input *in, EVP_PKEY *key, size_t line)
{
	struct bag *bag = in->bag;
	struct bag_key found = { .key = key };
	struct bag_key *list = NULL;

	if (key_match(key, found.match) != 0) {
		EVP_PKEY_free(key);
		return error_set(in->err, SNICERT_EKEY, "%s: the private key has no public half, or is of a"
		    " type that TLS doesn't use; use an RSA, EC or Ed25519 key", in->origin);
	}
	for (size_t i = 0; i < bag->key_count; i++)
		if (memcmp(bag->keys[i].match, found.match, sizeof(found.match)) == 0 &&
		    EVP_PKEY_eq(bag->keys[i].key, key) == 1) {
			EVP_PKEY_free(key);
			return 0;
		}
	found.torn = key_is_torn(key);
	found.origin = input_origin(in->origin, line);
	if (found.origin != NULL)
		list = grow(bag->keys, bag->key_count, sizeof(*list));
	if (list == NULL) {
		free(found.origin);
		EVP_PKEY_free(key);
		return input_no_memory(in->err);
	}
	bag->keys = list;
	list[bag->key_count++] = found;
	return 0;
}

bool
bag_has_cert(const struct bag *bag, const unsigned char digest[32])
{
	for (size_t i = 0; i < bag->cert_count; i++)
		if (memcmp(bag->certs[i].digest, digest, 32) == 0)
			return true;
	return false;
}

int
input_add_cert(struct input *in, X509 *cert, size_t line)
{
	struct bag *bag = in->bag;
	struct bag_cert found = { .cert = cert };
	struct bag_cert *list = NULL;

	if (cert_digest(cert, found.digest) != 0) {
		X509_free(cert);
		return input_no_memory(in->err);
	}
	key_match_cert(cert, found.match);
	if (bag_has_cert(bag, found.digest)) {
		X509_free(cert);
		return 0;
	}
	found.origin = input_origin(in->origin, line);
	if (found.origin != NULL)
		list = grow(bag->certs, bag->cert_count, sizeof(*list));
	if (list == NULL) {
		free(found.origin);
		X509_free(cert);
		return input_no_memory(in->err);
	}
	bag->certs = list;
	list[bag->cert_count++] = found;
	return 0;
}

int
bag_add_key(struct bag *bag, EVP_PKEY *key, const char *origin, struct snicert_error *err)
{
	struct input in = { .bag = bag, .origin = origin, .err = err };

	EVP_PKEY_up_ref(key);
	return input_add_key(&in, key, 0);
}

bool
bag_found_nothing(const struct bag *bag)
{
	return bag->nothing;
}

int
bag_copy_key(struct bag *bag, const struct bag_key *key)
{
	size_t before = bag->key_count;
	struct bag_key *copy;

	if (bag_add_key(bag, key->key, key->origin, NULL) != 0)
		return -1;
	if (bag->key_count == before || key->info == NULL)
		return 0;
	copy = &bag->keys[before];
	copy->info = OPENSSL_memdup(key->info, key->info_length);
	copy->info_length = key->info_length;
	return copy->info != NULL ? 0 : -1;
}

int
bag_copy_cert(struct bag *bag, const struct bag_cert *cert)
{
	struct input in = { .bag = bag, .origin = cert->origin };

	X509_up_ref(cert->cert);
	return input_add_cert(&in, cert->cert, 0);
}

int
bag_copy(struct bag *bag, const struct bag *from)
{
	for (size_t i = 0; i < from->key_count; i++)
		if (bag_copy_key(bag, &from->keys[i]) != 0)
			return -1;
	for (size_t i = 0; i < from->cert_count; i++)
		if (bag_copy_cert(bag, &from->certs[i]) != 0)
			return -1;
	for (size_t i = 0; i < from->warning_count; i++)
		bag_warn(bag, "%s", from->warnings[i]);
	return 0;
}

void
bag_unwarn(struct bag *bag, size_t kept)
{
	while (bag->warning_count > kept)
		free(bag->warnings[--bag->warning_count]);
}
