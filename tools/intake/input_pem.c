/* SPDX-License-Identifier: ISC */
/* input_pem.c: PEM (RFC 7468) with text around, as people have it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "error.h"
#include "intake/input.h"
#include "intake/parse.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";

struct block {
	char label[64];
	size_t line;
	unsigned char *text;          /* with no white space around lines */
	size_t length;
};

static const unsigned char *
find(const unsigned char *from, const unsigned char *end, const char *what)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): its callers have octets */
	return memmem(from, (size_t)(end - from), what, strlen(what));
}

static size_t
lines_between(const unsigned char *from, const unsigned char *to)
{
	size_t count = 0;

	while (from < to && (from = memchr(from, '\n', (size_t)(to - from))) != NULL) {
		count++;
		from++;
	}
	return count;
}

/* Copies a block, each line stripped: OpenSSL's reader knows no indentation. */
static unsigned char *
strip(const unsigned char *from, const unsigned char *end, size_t *length)
{
	unsigned char *text = OPENSSL_malloc((size_t)(end - from) + 2);
	size_t used = 0;

	if (text == NULL)
		return NULL;
	while (from < end) {
		const unsigned char *next = memchr(from, '\n', (size_t)(end - from));
		const unsigned char *stop = next == NULL ? end : next;

		while (from < stop && isspace(*from))
			from++;
		while (stop > from && isspace(stop[-1]))
			stop--;
		memcpy(text + used, from, (size_t)(stop - from));
		used += (size_t)(stop - from);
		text[used++] = '\n';
		from = next == NULL ? end : next + 1;
	}
	*length = used;
	return text;
}

/*
 * The block that begins at `from`; *next is what follows it.  The end is found by
 * its label rather than by line: `cat a.pem b.pem` glues an END line to a BEGIN
 * line where a.pem ends without newline.
 */
static int
block_read(struct input *in, const unsigned char *from, const unsigned char *end,
    struct block *block, const unsigned char **next)
{
	char mark[96];
	const unsigned char *label = from + strlen(begin_mark);
	const unsigned char *stop = find(label, end, "-----");
	const unsigned char *other;

	if (stop == NULL || (size_t)(stop - label) >= sizeof(block->label) ||
	    memchr(label, '\n', (size_t)(stop - label)) != NULL)
		return error_set(in->err, SNICERT_EINPUT,
		    "%s:%zu: the BEGIN line is damaged; copy the file again", in->origin, block->line);
	memcpy(block->label, label, (size_t)(stop - label));
	block->label[stop - label] = '\0';
	snprintf(mark, sizeof(mark), "%s%s-----", end_mark, block->label);
	other = find(stop, end, begin_mark);
	*next = find(stop, other == NULL ? end : other, mark);
	if (*next == NULL)
		return error_set(in->err, SNICERT_EINPUT,
		    "%s:%zu: the block that begins here has no end: the file is cut short or damaged;"
		    " copy it again", in->origin, block->line);
	*next += strlen(mark);
	block->text = strip(from, *next, &block->length);
	return block->text == NULL ? input_no_memory(in->err) : 0;
}

static int
damaged(struct input *in, const struct block *block, const char *what)
{
	error_openssl(in->err, SNICERT_EINPUT, "%s:%zu: %s can't be decoded, get the file again",
	    in->origin, block->line, what);
	ERR_clear_error();
	return -1;
}

/* A certificate's DER; the trust settings of a TRUSTED one are left behind. */
static int
add_block_cert(struct input *in, const struct block *block, const unsigned char *der, long length)
{
	unsigned char digest[32];
	X509 *cert;

	/* Bundles repeat themselves; decoding costs 100 times the digest. */
	SHA256(der, (size_t)length, digest);
	if (bag_has_cert(in->bag, digest))
		return 0;
	if (strcmp(block->label, "TRUSTED CERTIFICATE") == 0 && input_der_length(der, (size_t)length) != 0 &&
	    input_der_length(der, (size_t)length) < (size_t)length)
		length = (long)input_der_length(der, (size_t)length);
	if ((cert = parse_cert(der, (size_t)length, digest)) == NULL)
		return damaged(in, block, "this certificate");
	return input_add_cert(in, cert, block->line);
}

/* For the store, which would have the library write the very same. */
static int
keep_info(struct input *in, struct bag_key *key, const unsigned char *der, size_t length)
{
	key->info = OPENSSL_memdup(der, length);
	key->info_length = length;
	return key->info != NULL ? 0 : input_no_memory(in->err);
}

static int
add_block_key(struct input *in, const struct block *block, const unsigned char *der, long length)
{
	bool storable;
	EVP_PKEY *key = parse_key(block->label, der, (size_t)length, &storable);
	size_t keys = in->bag->key_count;

	if (key == NULL)
		return damaged(in, block, "this private key");
	if (input_add_key(in, key, block->line) != 0)
		return -1;
	return in->bag->key_count > keys && storable
	    ? keep_info(in, &in->bag->keys[keys], der, (size_t)length) : 0;
}

static bool
is_cert_label(const char *label)
{
	return strcmp(label, "CERTIFICATE") == 0 || strcmp(label, "X509 CERTIFICATE") == 0 ||
	    strcmp(label, "TRUSTED CERTIFICATE") == 0;
}

static bool
is_key_label(const char *label)
{
	size_t length = strlen(label);

	return length >= 11 && strcmp(label + length - 11, "PRIVATE KEY") == 0;
}

/* Whether the block has a header that says so; it is in the first lines. */
static bool
is_locked(const struct block *block)
{
	return strcmp(block->label, "ENCRYPTED PRIVATE KEY") == 0 ||
	    find(block->text, block->text + block->length, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static int
block_add(struct input *in, const struct block *block)
{
	BIO *bio = NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long length = 0;
	int rc = 0;

	if (!is_cert_label(block->label) && !is_key_label(block->label))
		return 0;
	if (strcmp(block->label, "OPENSSH PRIVATE KEY") == 0)
		return error_set(in->err, SNICERT_EKEY,
		    "%s:%zu: this is a key for SSH, not for TLS; leave it out", in->origin, block->line);
	if (is_key_label(block->label) && is_locked(block))
		return input_add_locked_key(in, input_open_pem, block->text, block->length, block->line);
	if ((bio = BIO_new_mem_buf(block->text, (int)block->length)) == NULL)
		rc = input_no_memory(in->err);
	else if (PEM_read_bio(bio, &name, &header, &der, &length) != 1)
		rc = damaged(in, block, is_key_label(block->label) ? "this private key" : "this certificate");
	else if (is_key_label(block->label))
		rc = add_block_key(in, block, der, length);
	else
		rc = add_block_cert(in, block, der, length);
	BIO_free(bio);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, (size_t)length);
	return rc;
}

int
input_add_pem(struct input *in, const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;
	const unsigned char *counted = data, *next = data;
	struct block block = { .line = 1 };
	int rc = 0;

	while (rc == 0 && (next = find(next, end, begin_mark)) != NULL) {
		block.line += lines_between(counted, next);
		counted = next;
		rc = block_read(in, next, end, &block, &next);
		if (rc == 0)
			rc = block_add(in, &block);
		OPENSSL_clear_free(block.text, block.length);
		block.text = NULL;
		block.length = 0;
	}
	return rc;
}

/* Whether an input had anything of use, for what a bag holds already is dropped. */
bool
input_has_pem(const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;

	return length > 0 && find(data, end, begin_mark) != NULL &&
	    (find(data, end, "CERTIFICATE-----") != NULL || find(data, end, "PRIVATE KEY-----") != NULL);
}
