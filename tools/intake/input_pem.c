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

struct block {
	char label[64];
	size_t line;
	const unsigned char *body;    /* as in the input */
	size_t body_length;
	unsigned char *text;          /* the block with base64 in lines of 64, as OpenSSL wants it */
	size_t length;
	bool escaped;                 /* its line ends were literal \n */
};

static const unsigned char *
find(const unsigned char *from, const unsigned char *end, const char *what)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): its callers have octets */
	return from >= end ? NULL : memmem(from, (size_t)(end - from), what, strlen(what));
}

/* The line ends up to `to`: newlines, or carriage returns if it has no others. */
static size_t
lines_between(const unsigned char *from, const unsigned char *to, int line_end)
{
	size_t count = 0;

	while (from < to && (from = memchr(from, line_end, (size_t)(to - from))) != NULL) {
		count++;
		from++;
	}
	return count;
}

/* "-----WORD ", or "----- WORD ", which some viewers copy; *label is what follows. */
static const unsigned char *
find_mark(const unsigned char *from, const unsigned char *end, const char *word, const unsigned char **label)
{
	const unsigned char *at = from;

	while ((at = find(at, end, word)) != NULL) {
		const unsigned char *dashes = at;

		*label = at += strlen(word);
		while (dashes > from && (dashes[-1] == ' ' || dashes[-1] == '\t'))
			dashes--;
		if (dashes - from >= 5 && memcmp(dashes - 5, "-----", 5) == 0)
			return dashes - 5;
	}
	return NULL;
}

/* The label between a mark and its dashes, trimmed; false if missing. */
static bool
read_label(const unsigned char *at, const unsigned char *end, char out[64], const unsigned char **after)
{
	const unsigned char *stop = find(at, end, "-----");

	if (stop == NULL || memchr(at, '\n', (size_t)(stop - at)) != NULL)
		return false;
	*after = stop + 5;
	while (at < stop && isblank(*at))
		at++;
	while (stop > at && isblank(stop[-1]))
		stop--;
	if (stop - at >= 64)
		return false;
	memcpy(out, at, (size_t)(stop - at));
	out[stop - at] = '\0';
	return true;
}

/*
 * A white space, also as JSON and environment variables write it: a backslash and
 * a letter.  Returns its length, or 0; a backslash before a slash is none (JSON).
 */
static size_t
blank_length(const unsigned char *at, const unsigned char *end, bool *escaped)
{
	size_t slashes = 0;

	if (isspace(*at))
		return 1;
	while (at + slashes < end && at[slashes] == '\\')
		slashes++;
	if (slashes == 0)
		return 0;
	*escaped = true;
	if (at + slashes < end && strchr("nrt", at[slashes]) != NULL && at[slashes] != '\0')
		return slashes + 1;
	return slashes;
}

/* Copies a word, up to white space. */
static const unsigned char *
copy_word(struct block *block, const unsigned char *at, const unsigned char *end)
{
	while (at < end && blank_length(at, end, &block->escaped) == 0)
		block->text[block->length++] = *at++;
	return at;
}

static const unsigned char *
skip_blanks(struct block *block, const unsigned char *at, const unsigned char *end)
{
	size_t length;

	while (at < end && (length = blank_length(at, end, &block->escaped)) > 0)
		at += length;
	return at;
}

/* The two header lines of an encrypted key, with line ends restored. */
static const unsigned char *
copy_headers(struct block *block, const unsigned char *at, const unsigned char *end)
{
	static const char *const names[] = { "Proc-Type:", "DEK-Info:" };
	size_t before = block->length;

	for (size_t i = 0; i < 2; i++) {
		at = skip_blanks(block, at, end);
		if ((size_t)(end - at) < strlen(names[i]) || memcmp(at, names[i], strlen(names[i])) != 0)
			continue;
		memcpy(block->text + block->length, names[i], strlen(names[i]));
		block->length += strlen(names[i]);
		block->text[block->length++] = ' ';
		at = skip_blanks(block, at + strlen(names[i]), end);
		at = copy_word(block, at, end);
		block->text[block->length++] = '\n';
	}
	if (block->length > before)
		block->text[block->length++] = '\n';
	return at;
}

static void
copy_base64(struct block *block, const unsigned char *at, const unsigned char *end)
{
	size_t column = 0;

	for (; (at = skip_blanks(block, at, end)) < end; at++) {
		block->text[block->length++] = *at;
		if (++column % 64 == 0)
			block->text[block->length++] = '\n';
	}
	if (column % 64 != 0)
		block->text[block->length++] = '\n';
}

static int
block_fold(struct input *in, struct block *block)
{
	const unsigned char *at = block->body, *end = at + block->body_length;

	block->text = OPENSSL_malloc(block->body_length + block->body_length / 64 + 2 * strlen(block->label) + 64);
	if (block->text == NULL)
		return input_no_memory(in->err);
	block->length = (size_t)sprintf((char *)block->text, "-----BEGIN %s-----\n", block->label);
	at = copy_headers(block, at, end);
	copy_base64(block, at, end);
	block->length += (size_t)sprintf((char *)block->text + block->length, "-----END %s-----\n", block->label);
	return 0;
}

/*
 * The block whose label is at `label`; *next follows it.  We find the end by its label, not by
 * line: `cat a.pem b.pem` joins an END line to a BEGIN line if a.pem lacks a final newline.
 */
static int
block_read(struct input *in, const unsigned char *label, const unsigned char *end,
    struct block *block, const unsigned char **next)
{
	char other[64] = "";
	const unsigned char *body, *limit, *stop;

	if (!read_label(label, end, block->label, &body))
		return error_set(in->err, SNICERT_EINPUT,
		    "%s:%zu: the BEGIN line is damaged; copy the file again", in->origin, block->line);
	limit = find_mark(body, end, "BEGIN ", &label);
	limit = limit == NULL ? end : limit;
	*next = body;
	do {
		stop = find_mark(*next, limit, "END ", &label);
		if (stop == NULL || !read_label(label, end, other, next))
			return error_set(in->err, SNICERT_EINPUT, "%s:%zu: the block that begins here has no"
			    " end: the file is cut short or damaged; copy it again", in->origin, block->line);
	} while (strcmp(other, block->label) != 0);
	block->body = body;
	block->body_length = (size_t)(stop - body);
	return 0;
}

/* What damaged a file that was once PEM. */
static const char *
hint_of(const struct block *block)
{
	const unsigned char *at = block->body, *end = at + block->body_length;

	while (end > at && isspace(end[-1]))
		end--;
	if (find(at, end, "=3D") != NULL || find(at, end, "=\n") != NULL || find(at, end, "=\r\n") != NULL)
		return ": it looks like quoted-printable, as mail has it; save the attachment, or decode it";
	if (find(at, end, "<") != NULL || find(at, end, "&") != NULL)
		return ": there is HTML in it; download it, or copy its text again";
	return ", get the file again";
}

static int
damaged(struct input *in, const struct block *block, const char *what)
{
	error_openssl(in->err, SNICERT_EINPUT, "%s:%zu: %s can't be decoded%s",
	    in->origin, block->line, what, hint_of(block));
	ERR_clear_error();
	return -1;
}

/* PKCS#12 and PKCS#7, which some tools label as certificates. */
static int
add_block_other(struct input *in, const struct block *block, const unsigned char *der, long length, const char *what)
{
	bool found;
	int rc = input_add_der(in, der, (size_t)length, block->line, &found);

	return rc != 0 || found ? rc : damaged(in, block, what);
}

/* A certificate's DER; drops the trust settings of a TRUSTED one. */
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
		return add_block_other(in, block, der, length, "this certificate");
	return input_add_cert(in, cert, block->line);
}

/* For the store: the library would write exactly the same. */
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
is_other_label(const char *label)
{
	return strcmp(label, "PKCS7") == 0 || strcmp(label, "PKCS #7 SIGNED DATA") == 0 ||
	    strcmp(label, "CMS") == 0 || strcmp(label, "CERTIFICATE CHAIN") == 0 || strcmp(label, "PKCS12") == 0;
}

static bool
is_key_label(const char *label)
{
	size_t length = strlen(label);

	return length >= 11 && strcmp(label + length - 11, "PRIVATE KEY") == 0;
}

/* Whether the block has such a header, in its first lines. */
static bool
is_locked(const struct block *block)
{
	return strcmp(block->label, "ENCRYPTED PRIVATE KEY") == 0 ||
	    find(block->text, block->text + block->length, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static int
add_block_der(struct input *in, const struct block *block, const unsigned char *der, long length)
{
	if (is_key_label(block->label))
		return add_block_key(in, block, der, length);
	if (is_other_label(block->label))
		return add_block_other(in, block, der, length, "this block");
	return add_block_cert(in, block, der, length);
}

static int
block_decode(struct input *in, const struct block *block)
{
	BIO *bio = BIO_new_mem_buf(block->text, (int)block->length);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long length = 0;
	int rc;

	if (bio == NULL)
		rc = input_no_memory(in->err);
	else if (PEM_read_bio(bio, &name, &header, &der, &length) != 1)
		rc = damaged(in, block, is_key_label(block->label) ? "this private key" :
		    is_cert_label(block->label) ? "this certificate" : "this block");
	else
		rc = add_block_der(in, block, der, length);
	BIO_free(bio);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, (size_t)length);
	return rc;
}

static int
block_add(struct input *in, struct block *block)
{
	bool key = is_key_label(block->label);
	int rc;

	if (!key && !is_cert_label(block->label) && !is_other_label(block->label))
		return 0;
	if (strcmp(block->label, "OPENSSH PRIVATE KEY") == 0)
		return error_set(in->err, SNICERT_EKEY,
		    "%s:%zu: this is a key for SSH, not for TLS; leave it out", in->origin, block->line);
	if ((rc = block_fold(in, block)) != 0)
		return rc;
	if (key && is_locked(block))
		return input_add_locked_key(in, true, block->text, block->length, block->line);
	return block_decode(in, block);
}

int
input_add_pem(struct input *in, const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length, *counted = data, *next = data, *begin, *label;
	int line_end = memchr(data, '\n', length) != NULL ? '\n' : '\r', rc = 0;
	struct block block = { .line = 1 };

	while (rc == 0 && (begin = find_mark(next, end, "BEGIN ", &label)) != NULL) {
		block.line += lines_between(counted, begin, line_end);
		counted = begin;
		block.line = in->line != 0 ? in->line : block.line;
		rc = block_read(in, label, end, &block, &next);
		if (rc == 0)
			rc = block_add(in, &block);
		OPENSSL_clear_free(block.text, block.length);
		block.text = NULL;
		block.length = 0;
	}
	if (rc == 0 && block.escaped)
		bag_warn(in->bag, "%s: its line ends are written as \\n, as JSON and environment variables have"
		    " them; it was read, but mail servers want real ones (printf %%b)", in->origin);
	return rc;
}

/* Whether an input had anything useful; duplicates in the bag are dropped. */
bool
input_has_pem(const unsigned char *data, size_t length)
{
	static const char *const kinds[] = { "CERTIFICATE", "PRIVATE KEY", "PKCS", "CMS" };
	const unsigned char *end = data + length, *label = data, *stop;

	while (find_mark(label, end, "BEGIN ", &label) != NULL) {
		stop = find(label, end, "-----");
		stop = stop == NULL ? end : stop;
		if (find(label, stop, "REQUEST") != NULL)
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (find(label, stop, kinds[i]) != NULL)
				return true;
	}
	return false;
}
