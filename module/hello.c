/* SPDX-License-Identifier: ISC */
/* hello.c: what a ClientHello says; see hello.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hello.h"

/* OpenSSL has these since 3.2, and an object that was built with an earlier one may meet it, as after
 * an upgrade of the system.  NULL where the library has none. */
#if OPENSSL_VERSION_NUMBER < 0x30200000L
#define TLSEXT_TYPE_server_cert_type 20 /* RFC 7250 section 3 */
#define TLSEXT_cert_type_rpk 2
int SSL_get_negotiated_server_cert_type(const SSL *);
int SSL_get0_server_cert_type(const SSL *, unsigned char **types, size_t *count);
#endif
#pragma weak SSL_get_negotiated_server_cert_type
#pragma weak SSL_get0_server_cert_type

static struct hello_list
list_of(const unsigned char *octets, size_t length)
{
	struct hello_list list = { .is_there = true };

	for (size_t i = 0; i + 1 < length && list.count < HELLO_LIST_MOST; i += 2)
		list.value[list.count++] = (uint16_t)(octets[i] << 8 | octets[i + 1]);
	return list;
}

/* An extension that is a list after its length, of two octets or one.  If the library has consumed
 * it, its contents are unknown. */
static struct hello_list
read_list(SSL *ssl, unsigned type, size_t length_of_length)
{
	const unsigned char *ext;
	size_t length;

	if (SSL_client_hello_get0_ext(ssl, type, &ext, &length) != 1)
		return (struct hello_list){0};
	if (length < length_of_length)
		return (struct hello_list){ .is_there = true, .count = HELLO_LIST_MOST };
	return list_of(ext + length_of_length, length - length_of_length);
}

bool
hello_list_may_have(const struct hello_list *list, unsigned value)
{
	if (list->count == HELLO_LIST_MOST)
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (list->value[i] == value)
			return true;
	return false;
}

bool
hello_random(SSL *ssl, unsigned char random[HELLO_RANDOM_LENGTH])
{
	const unsigned char *from;

	if (SSL_client_hello_get0_random(ssl, &from) != HELLO_RANDOM_LENGTH)
		return false;
	memcpy(random, from, HELLO_RANDOM_LENGTH);
	return true;
}

/* One host_name, no longer than the library allows and without NUL. */
static bool
parse_name(const unsigned char *ext, size_t length, char *out, size_t size)
{
	if (length < 5 || (size_t)(ext[0] << 8 | ext[1]) != length - 2 || ext[2] != TLSEXT_NAMETYPE_host_name ||
	    (size_t)(ext[3] << 8 | ext[4]) != length - 5 || length - 5 >= size ||
	    memchr(ext + 5, '\0', length - 5) != NULL)
		return false; /* refused by the library */
	memcpy(out, ext + 5, length - 5);
	out[length - 5] = '\0';
	return true;
}

static bool
read_name(SSL *ssl, char *out, size_t size)
{
	const unsigned char *ext;
	const char *name;
	size_t length;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &length) != 1)
		return false;
	if (length > 0)
		return parse_name(ext, length, out, size);
	/* The library has consumed it. */
	name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	return name != NULL && snprintf(out, size, "%s", name) < (int)size;
}

/* RFC 8446 section 4.2.1. */
static bool
offers_tls13(SSL *ssl)
{
	struct hello_list versions = read_list(ssl, TLSEXT_TYPE_supported_versions, 1);

	return hello_list_may_have(&versions, TLS1_3_VERSION);
}

int
hello_highest(SSL *ssl)
{
	int most = SSL_get_max_proto_version(ssl);

	if ((SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3) != 0 && (most == 0 || most > TLS1_2_VERSION))
		return TLS1_2_VERSION;
	return most == 0 ? TLS1_3_VERSION : most;
}

int
hello_likely_version(SSL *ssl)
{
	int most = hello_highest(ssl), version = (int)SSL_client_hello_get0_legacy_version(ssl);

	if (offers_tls13(ssl))
		version = TLS1_3_VERSION;
	else if (version > TLS1_2_VERSION)
		version = TLS1_2_VERSION;
	return version < most ? version : most;
}

/*
 * Once the library has consumed them, they are kept raw, in one form even for SSLv2's; parsed ones
 * come only later, and in OpenSSL 3.5 later than the signature algorithms.
 */
bool
hello_read_ciphers(struct hello *hello, SSL *ssl)
{
	const unsigned char *octets = NULL;
	size_t length = SSL_client_hello_get0_ciphers(ssl, &octets);
	bool is_raw = length == 0;

	if (hello->ciphers != NULL)
		return true;
	if (is_raw)
		length = (size_t)SSL_get0_raw_cipherlist(ssl, &octets);
	return SSL_bytes_to_cipher_list(ssl, octets, length, !is_raw && SSL_client_hello_isv2(ssl), &hello->ciphers,
	        NULL) == 1;
}

bool
hello_agreed_on_raw_key(const SSL *ssl)
{
	return SSL_get_negotiated_server_cert_type != NULL &&
	    SSL_get_negotiated_server_cert_type(ssl) == TLSEXT_cert_type_rpk;
}

bool
hello_is_for_raw_key(SSL *ssl)
{
	const unsigned char *peer;
	unsigned char *own;
	size_t length, count;

	/* An earlier OpenSSL does not know the extension, and drops it. */
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_cert_type, &peer, &length) != 1)
		return false;
	/* GCOVR_EXCL_START: tested with OpenSSL 3.5 */
	if (length == 0) /* The library has consumed it. */
		return hello_agreed_on_raw_key(ssl);
	if (SSL_get0_server_cert_type == NULL || SSL_get0_server_cert_type(ssl, &own, &count) != 1)
		return false;
	for (size_t i = 0; i < count; i++)
		if (memchr(peer + 1, own[i], length - 1) != NULL)
			return own[i] == TLSEXT_cert_type_rpk;
	return false;
	/* GCOVR_EXCL_STOP */
}

struct hello *
hello_read(SSL *ssl)
{
	struct hello *hello = calloc(1, sizeof(*hello));

	if (hello == NULL || !hello_random(ssl, hello->random)) {
		free(hello);
		return NULL;
	}
	hello->has_name = read_name(ssl, hello->name, sizeof(hello->name));
	hello->sigalgs = read_list(ssl, TLSEXT_TYPE_signature_algorithms, 2);
	hello->groups = read_list(ssl, TLSEXT_TYPE_supported_groups, 2);
	return hello;
}

void
hello_free(struct hello *hello)
{
	if (hello == NULL)
		return;
	sk_SSL_CIPHER_free(hello->ciphers);
	free(hello);
}
