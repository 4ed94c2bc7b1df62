/* SPDX-License-Identifier: ISC */
/* cert.c: what a certificate says, and whether it issued another. */
#include <pthread.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "date.h"
#include "name.h"
#include "x509/cert.h"

static void
clip(char *out, size_t size, const char *text, size_t length)
{
	if (length > size - 1)
		length = size - 1;
	memcpy(out, text, length);
	out[length] = '\0';
}

/* The library escapes control and non-ASCII octets: the text may go to a terminal. */
static bool
print_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long length = 0;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) > 0)
		length = BIO_get_mem_data(bio, &text);
	if (length > 0)
		clip(out, size, text, (size_t)length);
	BIO_free(bio);
	return length > 0;
}

static bool
first_san(const X509 *cert, struct name *out)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *at = sk_GENERAL_NAME_value(list, i);

		if (at->type == GEN_DNS)
			found = name_normalise_pattern(out, (const char *)ASN1_STRING_get0_data(at->d.dNSName),
			    (size_t)ASN1_STRING_length(at->d.dNSName));
	}
	GENERAL_NAMES_free(list);
	return found;
}

void
cert_label(const X509 *cert, char *out, size_t size)
{
	struct name name;

	if (print_name(X509_get_subject_name(cert), out, size))
		return;
	if (first_san(cert, &name))
		clip(out, size, name.text, name.length);
	else
		clip(out, size, "a certificate without name", 26);
}

int64_t
cert_time(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? date_join(&tm) : 0;
}

void
cert_issuer_label(const X509 *cert, char *out, size_t size)
{
	if (!print_name(X509_get_issuer_name(cert), out, size))
		clip(out, size, "an issuer without name", 22);
}

const char *
key_type_name(const EVP_PKEY *key)
{
	static const char *const types[] = { "RSA", "RSA-PSS", "EC", "ED25519", "ED448" };

	/* By name: EVP_PKEY_get_base_id says EC for SM2. */
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (EVP_PKEY_is_a(key, types[i]))
			return types[i];
	return NULL;
}

int
cert_digest(const X509 *cert, unsigned char out[32])
{
	return X509_digest(cert, EVP_sha256(), out, NULL) == 1 ? 0 : -1;
}

int
spki_digest(X509 *cert, unsigned char out[32])
{
	unsigned char *der = NULL;
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (length > 0)
		SHA256(der, (size_t)length, out);
	OPENSSL_free(der);
	return length > 0 ? 0 : -1;
}

/* Verified signatures: many leaves share intermediates, and we examine each several times. */
#define LINKS 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct link {
	unsigned char issuer[32], cert[32];
} links[LINKS];

static bool
is_known_link(const struct link *link)
{
	bool known;

	pthread_mutex_lock(&lock);
	known = memcmp(&links[link->cert[0] % LINKS], link, sizeof(*link)) == 0;
	pthread_mutex_unlock(&lock);
	return known;
}

static void
remember_link(const struct link *link)
{
	pthread_mutex_lock(&lock);
	links[link->cert[0] % LINKS] = *link;
	pthread_mutex_unlock(&lock);
}

/* Checks names, key identifiers and signature: an equal name proves nothing. */
bool
cert_issued(X509 *issuer, X509 *cert)
{
	struct link link = {0};
	EVP_PKEY *key;
	bool ok;

	if (X509_check_issued(issuer, cert) != X509_V_OK || cert_digest(issuer, link.issuer) != 0 ||
	    cert_digest(cert, link.cert) != 0)
		return false;
	if (is_known_link(&link))
		return true;
	key = X509_get0_pubkey(issuer);
	ok = key != NULL && X509_verify(cert, key) == 1;
	ERR_clear_error();
	if (ok)
		remember_link(&link);
	return ok;
}

bool
cert_is_self_signed(X509 *cert)
{
	bool ok = X509_self_signed(cert, 1) == 1;

	ERR_clear_error();
	return ok;
}

bool
cert_is_valid(const X509 *cert, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 && X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;
}

/* Of the form that X509_NAME_cmp compares, which the library doesn't expose. */
int64_t
cert_name_hash(const X509_NAME *name)
{
	int ok = 0;
	unsigned long hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);

	ERR_clear_error();
	return ok == 1 ? (int64_t)(hash & 0xffffffff) : 0;
}

bool
cert_names_cover(const char *names, const struct name *key)
{
	struct name pattern;

	while (*names != '\0') {
		size_t length = strcspn(names, " ");

		if (name_normalise_pattern(&pattern, names, length) && name_covers(&pattern, key))
			return true;
		names += length;
		names += strspn(names, " ");
	}
	return false;
}
