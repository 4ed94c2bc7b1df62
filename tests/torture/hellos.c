/* SPDX-License-Identifier: ISC */
/* hellos.c: ClientHellos that are off. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "hellos.h"
#include "trial.h"

#define RECORD_MOST 16384u

SSL_CTX *
hello_client(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		abort();
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_min_proto_version(ctx, version);
	return ctx;
}

size_t
hello_make(SSL_CTX *client, const char *name, unsigned char *out, size_t size)
{
	SSL *ssl = SSL_new(client);
	int n;

	if (ssl == NULL)
		abort();
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	if (name != NULL)
		SSL_set_tlsext_host_name(ssl, name);
	SSL_do_handshake(ssl);
	n = BIO_read(SSL_get_wbio(ssl), out, (int)size);
	SSL_free(ssl);
	ERR_clear_error();
	if (n <= 0)
		abort();
	return (size_t)n;
}

static void
put16(unsigned char *at, size_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* Where the extensions' length is: behind version, random, session, ciphers, compression. */
static size_t
extensions_at(const unsigned char *hello)
{
	size_t at = 5 + 4 + 2 + 32;

	at += 1u + hello[at];
	at += 2u + (size_t)(hello[at] << 8 | hello[at + 1]);
	return at + 1u + hello[at];
}

/* In place of `old` octets as many others, of noise, as `fresh` says, with lengths of extensions,
 * message and record that fit.  The new length. */
static size_t
splice(unsigned char *hello, size_t length, size_t where, size_t old, size_t fresh)
{
	size_t at = extensions_at(hello);

	memmove(hello + where + fresh, hello + where + old, length - where - old);
	for (size_t i = 0; i < fresh; i++)
		hello[where + i] = (unsigned char)trial_draw(256);
	length = length - old + fresh;
	put16(hello + at, length - at - 2);
	put16(hello + 3, length - 5);
	put16(hello + 7, length - 9);
	return length;
}

/* An extension more, of noise. */
static size_t
add_extension(unsigned char *hello, size_t length, unsigned type, size_t body)
{
	size_t where = length;

	length = splice(hello, length, where, 0, 4 + body);
	put16(hello + where, type);
	put16(hello + where + 2, body);
	return length;
}

size_t
hello_add(unsigned char *hello, size_t length, unsigned type, const void *body, size_t size)
{
	size_t where = length + 4;

	length = add_extension(hello, length, type, size);
	if (size > 0)
		memcpy(hello + where, body, size);
	return length;
}

/* Where one of the extensions begins, by chance; *size: with type and length. */
static size_t
any_extension(const unsigned char *hello, size_t length, size_t *size)
{
	size_t found = 0, seen = 0;

	*size = 0;
	for (size_t at = extensions_at(hello) + 2, next; at + 4 <= length; at = next) {
		next = at + 4 + (size_t)(hello[at + 2] << 8 | hello[at + 3]);
		if (trial_draw(++seen) != 0)
			continue;
		found = at;
		*size = next - at;
	}
	return found;
}

/* One of them shorter or longer, gone, twice, or behind all others. */
static size_t
spoil_extension(unsigned char *hello, size_t length)
{
	unsigned char copy[4096];
	size_t size, at = any_extension(hello, length, &size), body, end;

	if (size < 4 || size > sizeof(copy))
		return length;
	switch (trial_draw(4)) {
	case 0:
		body = trial_draw(3) == 0 ? 0 : trial_draw(size + 4);
		if (body > size - 4)
			length = splice(hello, length, at + size, 0, body - (size - 4));
		else
			length = splice(hello, length, at + 4 + body, size - 4 - body, 0);
		put16(hello + at + 2, body);
		return length;
	case 1:
		return splice(hello, length, at, size, 0);
	case 2:
		memcpy(copy, hello + at, size);
		break;
	default:
		memcpy(copy, hello + at, size);
		length = splice(hello, length, at, size, 0);
		break;
	}
	end = length;
	length = splice(hello, length, end, 0, size);
	memcpy(hello + end, copy, size);
	return length;
}

/* A server_name whose lists and names are off, in ways that noise does not come by. */
static size_t
add_name(unsigned char *hello, size_t length)
{
	static const struct {
		const char *body;
		size_t size;
	} bodies[] = {
#define BODY(text) { text, sizeof(text) - 1 }
		BODY(""), BODY("\0\0"), BODY("\0\3\0\0\0"), BODY("\0\4\0\0\1a"), BODY("\0\4\1\0\1a"),
		BODY("\0\4\0\0\2a"), BODY("\0\4\0\0\1."), BODY("\0\10\0\0\1a\0\0\1b"), BODY("\0\10\1\0\1a\0\0\1b"),
		BODY("\0\10\0\0\1a\1\0\1b"), BODY("\0\6\0\0\3a\0b"), BODY("\0\4\0\0\1\0"), BODY("\0\5\0\0\1a"),
		BODY("\0\4\0\0\1ab"), BODY("\xff\xff\0\xff\xff"), BODY("\0\14\0\0\11127.0.0.1"), BODY("\0\6\0\0\3::1"),
#undef BODY
	};
	size_t i = trial_draw(sizeof(bodies) / sizeof(bodies[0])), end = length;

	length = add_extension(hello, length, TLSEXT_TYPE_server_name, bodies[i].size);
	memcpy(hello + end + 4, bodies[i].body, bodies[i].size);
	return length;
}

/* The same message in many records, some of them empty, or behind another record. */
static size_t
spoil_records(unsigned char *hello, size_t length)
{
	static const unsigned char firsts[][8] = { { 20, 3, 3, 0, 1, 1 }, { 21, 3, 3, 0, 2, 1, 0 }, { 21, 3, 3, 0, 2, 1, 112 },
		{ 23, 3, 3, 0, 1, 0 }, { 22, 3, 1, 0, 0 } };
	static unsigned char message[HELLO_SIZE];
	size_t first = trial_draw(3) == 0 ? trial_draw(5) : 5, most = length < 1000 ? 1 + trial_draw(300) : 20 + trial_draw(300);
	size_t used = 0, rest = length - 5;

	memcpy(message, hello, length);
	if (first < 5) {
		used = 5u + firsts[first][4];
		memcpy(hello, firsts[first], used);
	}
	for (size_t part, at = 5; rest > 0; at += part, rest -= part) {
		part = rest < most ? rest : most;
		if (trial_draw(200) == 0)
			part = 0;
		memcpy(hello + used, message, 3);
		put16(hello + used + 3, part);
		memcpy(hello + used + 5, message + at, part);
		used += 5 + part;
	}
	return used;
}

static size_t
spoil_message(unsigned char *hello, size_t length)
{
	size_t at;

	switch (trial_draw(10)) {
	case 0: /* octets anywhere behind the record's header */
		for (uint64_t n = 1 + trial_draw(4); n > 0; n--)
			hello[5 + trial_draw(length - 5)] = (unsigned char)trial_draw(256);
		return length;
	case 1: /* octets of the extensions */
		at = extensions_at(hello);
		for (uint64_t n = 1 + trial_draw(3); n > 0; n--)
			hello[at + trial_draw(length - at)] ^= (unsigned char)(1u << trial_draw(8));
		return length;
	case 2: /* another server_name, or the first, of noise */
		return add_extension(hello, length, 0, trial_draw(300));
	case 3: /* an extension that is known, of noise, perhaps twice */
		return add_extension(hello, length, (unsigned)trial_draw(64), trial_draw(80));
	case 4: /* one that nobody knows */
		return add_extension(hello, length, (unsigned)trial_draw(65536), trial_draw(2000));
	case 5: /* cut, with lengths that fit */
		length = 60 + trial_draw(length - 60);
		put16(hello + 3, length - 5);
		put16(hello + 7, length - 9);
		return length;
	case 6:
		return add_name(hello, length);
	case 7: /* versions: the record's, the message's */
		hello[trial_draw(2) == 0 ? 1 + trial_draw(2) : 9 + trial_draw(2)] = (unsigned char)trial_draw(6);
		return length;
	default:
		for (uint64_t n = 1 + trial_draw(3); n > 0; n--)
			length = spoil_extension(hello, length);
		return length;
	}
}

size_t
hello_spoil(unsigned char *hello, size_t length)
{
	length = spoil_message(hello, length);
	return trial_draw(8) == 0 ? spoil_records(hello, length) : length;
}

size_t
hello_draw(SSL_CTX *const clients[2], unsigned long number, unsigned char hello[HELLO_SIZE])
{
	static const char *const names[] = { NULL, "known3.example", "unknown.example" };
	size_t length = hello_make(clients[number % 2], names[number % 3], hello, 4096);

	return hello_spoil(hello, length);
}

size_t
hello_with_name(const unsigned char *hello, size_t length, const char *name, size_t name_length,
    int bare, unsigned char out[HELLO_LONG_SIZE])
{
	static unsigned char message[HELLO_LONG_SIZE];
	size_t at = extensions_at(hello) - 5, used, written = 0;
	unsigned char *extension;

	memcpy(message, hello + 5, length - 5);
	used = bare ? at + 2 : length - 5;
	extension = message + used;
	put16(extension, TLSEXT_TYPE_server_name);
	put16(extension + 2, name_length + 5);
	put16(extension + 4, name_length + 3);
	extension[6] = TLSEXT_NAMETYPE_host_name;
	put16(extension + 7, name_length);
	memcpy(extension + 9, name, name_length);
	used += 9 + name_length;
	put16(message + at, used - at - 2);
	message[1] = (unsigned char)((used - 4) >> 16);
	put16(message + 2, used - 4);
	for (size_t from = 0, part; from < used; from += part) {
		part = used - from < RECORD_MOST ? used - from : RECORD_MOST;
		memcpy(out + written, hello, 3);
		put16(out + written + 3, part);
		memcpy(out + written + 5, message + from, part);
		written += 5 + part;
	}
	return written;
}
