/* SPDX-License-Identifier: ISC */
/*
 * input_wrapped.c: PEM within something else: UTF-16, and base64 in JSON or YAML, as in Traefik's
 * acme.json and Kubernetes secrets.
 */
#include <ctype.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "error.h"
#include "intake/input.h"

const unsigned char *
input_find_utf16(const unsigned char *data, size_t length)
{
	static const unsigned char begin[] = { 'B', 0, 'E', 0, 'G', 0, 'I', 0, 'N' };

	return length < sizeof(begin) ? NULL : memmem(data, length, begin, sizeof(begin));
}

/* Its ASCII; PEM has nothing else. */
int
input_add_utf16(struct input *in, const unsigned char *data, size_t length, const unsigned char *begin)
{
	size_t low = (size_t)(begin - data) % 2, used = 0;
	unsigned char *text = OPENSSL_malloc(length / 2 + 1);
	int rc;

	if (text == NULL)
		return input_no_memory(in->err);
	for (size_t i = low; i < length; i += 2)
		text[used++] = (low == 0 ? i + 1 < length && data[i + 1] != 0 : data[i - 1] != 0) ? '?' : data[i];
	rc = input_has_pem(text, used) ? input_add_pem(in, text, used) :
	    error_set(in->err, SNICERT_EINPUT, "no certificate and no private key in %s;"
	    " it is text in UTF-16", in->origin);
	OPENSSL_clear_free(text, length / 2 + 1);
	if (rc == 0)
		bag_warn(in->bag, "%s: it is in UTF-16; it was read, but mail servers want ASCII:"
		    " iconv -f UTF-16 -t ASCII", in->origin);
	return rc;
}

/* "-----BEGIN" in base64, at its start. */
static const char base64_begin[] = "LS0tLS1CRUdJT";

const unsigned char *
input_find_base64(const unsigned char *data, size_t length)
{
	return length == 0 ? NULL : memmem(data, length, base64_begin, strlen(base64_begin));
}

static bool
is_base64(unsigned char octet)
{
	return (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') ||
	    octet == '+' || octet == '/' || octet == '=';
}

/* Azure and Windows hand out PKCS#12 and PKCS#7 as base64 without BEGIN and END.  DER begins with "MI". */
int
input_add_base64_der(struct input *in, const unsigned char *data, size_t length, bool *found)
{
	unsigned char *text;
	size_t used = 0;
	int decoded = -1, rc = 0;

	*found = false;
	while (length > 0 && isspace(*data))
		data++, length--;
	if (length < 4 || memcmp(data, "MI", 2) != 0)
		return 0;
	text = OPENSSL_malloc(2 * length);
	if (text == NULL)
		return input_no_memory(in->err);
	for (size_t i = 0; i < length && (is_base64(data[i]) || isspace(data[i])); i++) {
		if (is_base64(data[i]))
			text[used++] = data[i];
		if (i + 1 == length && used % 4 == 0)
			decoded = EVP_DecodeBlock(text + used, text, (int)used);
	}
	if (decoded > 0) /* the padding is decoded, too */
		decoded -= (text[used - 1] == '=') + (text[used - 2] == '=');
	if (decoded > 0)
		rc = input_add_der(in, text + used, (size_t)decoded, 0, found);
	OPENSSL_clear_free(text, 2 * length);
	return rc;
}

/* One string of it; moves `at` past it.  Lines may be broken (base64(1)). */
static int
add_base64(struct input *in, const unsigned char **at, const unsigned char *end)
{
	size_t room = (size_t)(end - *at), used = 0;
	unsigned char *text = OPENSSL_malloc(2 * room + 4);
	int length, rc = 0;

	if (text == NULL)
		return input_no_memory(in->err);
	for (; *at < end && (is_base64(**at) || **at == '\n' || **at == '\r'); ++*at)
		if (is_base64(**at))
			text[used++] = **at;
	used -= used % 4;
	length = used > 0 && used < (size_t)1 << 30 ? EVP_DecodeBlock(text + used, text, (int)used) : -1;
	if (length > 0 && input_has_pem(text + used, (size_t)length))
		rc = input_add_pem(in, text + used, (size_t)length);
	OPENSSL_clear_free(text, 2 * room + 4);
	return rc;
}

int
input_add_base64(struct input *in, const unsigned char *data, size_t length, const unsigned char *begin)
{
	const unsigned char *end = data + length, *counted = data, *at = begin;
	int rc = 0;

	in->line = 1;
	while (rc == 0 && at != NULL) {
		const unsigned char *next;

		while ((next = memchr(counted, '\n', (size_t)(at - counted))) != NULL) {
			counted = next + 1;
			in->line++;
		}
		rc = add_base64(in, &at, end);
		at = at < end ? input_find_base64(at, (size_t)(end - at)) : NULL;
	}
	in->line = 0;
	return rc;
}
