/* SPDX-License-Identifier: ISC */
/*
 * pem.c: reading what people have.  Two parts: the bag, and the formats an input
 * may have.  It knows single keys and certificates, not which files (directory.c)
 * or which of them (assemble.c) belong together, and no store.
 *
 * Every buffer that may hold a key or a passphrase is cleansed on every path.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/sha.h>

#include "error.h"
#include "intake/cert.h"
#include "intake/parse.h"
#include "intake/pem.h"
#include "intake/torn.h"

struct bag {
	struct bag_key *keys;
	size_t key_count;
	struct bag_cert *certs;
	size_t cert_count;
	char **warnings;
	size_t warning_count;
	char *passphrase;             /* the last one that was supplied */
};

/* One input on its way into a bag. */
struct input {
	struct bag *bag;
	const char *origin;
	const struct passphrase_source *source;
	struct snicert_error *err;
};

static int
no_memory(struct snicert_error *err)
{
	return error_set(err, SNICERT_EMEMORY, "out of memory");
}

/* Room for one more element, at powers of two.  Returns NULL without memory. */
static void *
grow(void *list, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return list;
	return reallocarray(list, count == 0 ? 1 : count * 2, size);
}

static void
free_secret(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

/* --- digests ------------------------------------------------------------- */

/*
 * A digest by which key and certificate find each other in big bags: of the
 * modulus, the x coordinate or the raw public key.  The SPKI would say the same,
 * but i2d_PUBKEY costs 100 µs on OpenSSL 3.0, and a point has two encodings.
 * Who needs certainty compares the keys themselves.
 */
static void
digest_number(const unsigned char *octets, size_t length, unsigned char out[32])
{
	while (length > 0 && *octets == 0) {
		octets++;
		length--;
	}
	SHA256(octets, length, out);
}

static int
digest_numbers(const EVP_PKEY *key, unsigned char out[32])
{
	bool ec = EVP_PKEY_is_a(key, "EC");
	const char *number = ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_N;
	unsigned char *octets = NULL;
	BIGNUM *bn = NULL;
	size_t length = 0;

	if (EVP_PKEY_get_bn_param(key, number, &bn) == 1) {
		length = (size_t)BN_num_bytes(bn);
		octets = OPENSSL_malloc(length + 1);
		if (octets != NULL)
			BN_bn2bin(bn, octets);
	} else if (!ec && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &length) == 1) {
		octets = OPENSSL_malloc(length + 1);
		if (octets != NULL && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, octets,
		    length, &length) != 1)
			length = 0;
	}
	if (octets != NULL && length > 0)
		digest_number(octets, length, out);
	BN_free(bn);
	OPENSSL_free(octets);
	ERR_clear_error();
	return octets != NULL && length > 0 ? 0 : -1;
}

/* A key in a token may keep its numbers to itself; its public key is there all the same. */
static int
match_digest(const EVP_PKEY *key, unsigned char out[32])
{
	unsigned char *der = NULL;
	const unsigned char *at;
	EVP_PKEY *public_key;
	int length, status;

	if (digest_numbers(key, out) == 0)
		return 0;
	length = i2d_PUBKEY(key, &der);
	at = der;
	public_key = length > 0 ? d2i_PUBKEY(NULL, &at, length) : NULL;
	status = public_key == NULL ? -1 : digest_numbers(public_key, out);
	EVP_PKEY_free(public_key);
	OPENSSL_free(der);
	ERR_clear_error();
	return status;
}

/* The same as of its key, whose x coordinate is the first of the point's (SEC 1 section
 * 2.3.3) in every encoding; the library would divide to get it. */
static void
match_cert(const X509 *cert, unsigned char out[32])
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert);
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	size_t field = key == NULL ? 0 : ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;

	if (key == NULL) /* it matches none */
		return;
	if (EVP_PKEY_is_a(key, "EC") && (size_t)ASN1_STRING_length(bits) > field)
		digest_number(ASN1_STRING_get0_data(bits) + 1, field, out);
	else
		(void)match_digest(key, out);
}

/* --- the bag ------------------------------------------------------------- */

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
	free_secret(bag->passphrase);
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

/* Without memory the warning is lost, and nothing else. */
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

/* "path:line", or "path" for line 0; the caller frees it. */
static char *
origin_new(const char *path, size_t line)
{
	size_t room = strlen(path) + 24;
	char *text = malloc(room);

	if (text != NULL && line != 0)
		snprintf(text, room, "%s:%zu", path, line);
	else if (text != NULL)
		snprintf(text, room, "%s", path);
	return text;
}

/* Takes `key`. */
static int
add_key(struct input *in, EVP_PKEY *key, size_t line)
{
	struct bag *bag = in->bag;
	struct bag_key found = { .key = key };
	struct bag_key *list = NULL;

	if (match_digest(key, found.match) != 0) {
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
	found.origin = origin_new(in->origin, line);
	if (found.origin != NULL)
		list = grow(bag->keys, bag->key_count, sizeof(*list));
	if (list == NULL) {
		free(found.origin);
		EVP_PKEY_free(key);
		return no_memory(in->err);
	}
	bag->keys = list;
	list[bag->key_count++] = found;
	return 0;
}

static bool
has_cert(const struct bag *bag, const unsigned char digest[32])
{
	for (size_t i = 0; i < bag->cert_count; i++)
		if (memcmp(bag->certs[i].digest, digest, 32) == 0)
			return true;
	return false;
}

/* Takes `cert`. */
static int
add_cert(struct input *in, X509 *cert, size_t line)
{
	struct bag *bag = in->bag;
	struct bag_cert found = { .cert = cert };
	struct bag_cert *list = NULL;

	if (cert_digest(cert, found.digest) != 0) {
		X509_free(cert);
		return no_memory(in->err);
	}
	match_cert(cert, found.match);
	if (has_cert(bag, found.digest)) {
		X509_free(cert);
		return 0;
	}
	found.origin = origin_new(in->origin, line);
	if (found.origin != NULL)
		list = grow(bag->certs, bag->cert_count, sizeof(*list));
	if (list == NULL) {
		free(found.origin);
		X509_free(cert);
		return no_memory(in->err);
	}
	bag->certs = list;
	list[bag->cert_count++] = found;
	return 0;
}

/* --- passphrases --------------------------------------------------------- */

/* Makes the source's answer the bag's passphrase.  Returns whether there is one. */
static bool
ask_passphrase(struct input *in)
{
	char *text = NULL;

	if (in->source != NULL && in->source->ask != NULL)
		text = in->source->ask(in->source->arg, in->origin);
	if (text == NULL)
		return false;
	free_secret(in->bag->passphrase);
	in->bag->passphrase = text;
	return true;
}

static int
locked(struct input *in, size_t line, bool asked)
{
	char *where = origin_new(in->origin, line);

	error_set(in->err, SNICERT_EKEY,
	    asked ? "%s: the passphrase doesn't open it (or the file is damaged); check the passphrase"
	          : "%s: it is encrypted and there is no passphrase; give one by prompt, file or descriptor",
	    where == NULL ? in->origin : where);
	free(where);
	return -1;
}

/* pem_password_cb: `arg` is the passphrase.  -1 fails the decryption. */
static int
lend_passphrase(char *out, int size, int writing, void *arg)
{
	size_t length = arg == NULL ? 0 : strlen(arg);

	(void)writing;
	if (arg == NULL || size < 0 || length > (size_t)size)
		return -1;
	memcpy(out, arg, length); /* NOLINT(bugprone-not-null-terminated-result): OpenSSL takes the length */
	return (int)length;
}

typedef EVP_PKEY *open_key(const unsigned char *data, size_t length, char *passphrase);

static EVP_PKEY *
open_pem(const unsigned char *data, size_t length, char *passphrase)
{
	BIO *bio = BIO_new_mem_buf(data, (int)length);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, lend_passphrase, passphrase);
	BIO_free(bio);
	return key;
}

static EVP_PKEY *
open_der(const unsigned char *data, size_t length, char *passphrase)
{
	BIO *bio = BIO_new_mem_buf(data, (int)length);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = d2i_PKCS8PrivateKey_bio(bio, NULL, lend_passphrase, passphrase);
	BIO_free(bio);
	return key;
}

/* An encrypted key: by the passphrase we have, else by the source's. */
static int
add_locked_key(struct input *in, open_key *open, const unsigned char *data, size_t length, size_t line)
{
	EVP_PKEY *key = NULL;
	bool asked = false;

	if (in->bag->passphrase != NULL)
		key = open(data, length, in->bag->passphrase);
	if (key == NULL && (asked = ask_passphrase(in)))
		key = open(data, length, in->bag->passphrase);
	ERR_clear_error();
	if (key == NULL)
		return locked(in, line, asked);
	return add_key(in, key, line);
}

/* --- DER ----------------------------------------------------------------- */

/* The whole length of the DER element at `data`, or 0: not even a header. */
static size_t
der_length(const unsigned char *data, size_t length)
{
	size_t octets, value = 0;

	if (length < 2 || data[0] != 0x30 || data[1] == 0x80)
		return 0;
	if (data[1] < 0x80)
		return 2 + (size_t)data[1];
	octets = data[1] & 0x7fu;
	if (octets > 4 || length < 2 + octets)
		return 0;
	for (size_t i = 0; i < octets; i++)
		value = value << 8 | data[2 + i];
	return value + 2 + octets;
}

static bool
pkcs12_opens(PKCS12 *p12, const char *passphrase)
{
	if (!PKCS12_mac_present(p12)) {
		EVP_PKEY *key = NULL;
		X509 *cert = NULL;
		int ok = PKCS12_parse(p12, passphrase, &key, &cert, NULL);

		EVP_PKEY_free(key);
		X509_free(cert);
		return ok == 1;
	}
	return PKCS12_verify_mac(p12, passphrase, passphrase == NULL ? 0 : -1) == 1;
}

/* The passphrase of a PKCS#12 file: none and "" are two different ones there. */
static int
pkcs12_passphrase(struct input *in, PKCS12 *p12, const char **out)
{
	bool asked = false;

	*out = "";
	if (pkcs12_opens(p12, ""))
		return 0;
	*out = NULL;
	if (pkcs12_opens(p12, NULL))
		return 0;
	if (in->bag->passphrase != NULL && pkcs12_opens(p12, in->bag->passphrase)) {
		*out = in->bag->passphrase;
		return 0;
	}
	asked = ask_passphrase(in);
	*out = in->bag->passphrase;
	return asked && pkcs12_opens(p12, *out) ? 0 : locked(in, 0, asked);
}

static int
add_pkcs12(struct input *in, PKCS12 *p12)
{
	const char *passphrase = NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *others = NULL;
	int rc = pkcs12_passphrase(in, p12, &passphrase);

	if (rc == 0 && PKCS12_parse(p12, passphrase, &key, &cert, &others) != 1)
		rc = error_openssl(in->err, SNICERT_EKEY,
		    "%s: can't decode the PKCS#12 file; if it is an old one, convert it with"
		    " \"openssl pkcs12 -legacy -nodes\"", in->origin);
	if (rc == 0 && key != NULL) {
		rc = add_key(in, key, 0);
		key = NULL;
	}
	if (rc == 0 && cert != NULL) {
		rc = add_cert(in, cert, 0);
		cert = NULL;
	}
	while (rc == 0 && sk_X509_num(others) > 0)
		rc = add_cert(in, sk_X509_shift(others), 0);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(others, X509_free);
	ERR_clear_error();
	return rc;
}

/* An encrypted PKCS#8 key, as `openssl pkcs8 -topk8 -outform DER` makes. */
static int
add_der_locked(struct input *in, const unsigned char *data, size_t length, bool *found)
{
	const unsigned char *at = data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &at, (long)length);

	X509_SIG_free(sig);
	*found = sig != NULL;
	return sig == NULL ? 0 : add_locked_key(in, open_der, data, length, 0);
}

static int
add_der(struct input *in, const unsigned char *data, size_t length)
{
	const unsigned char *at = data;
	X509 *cert = d2i_X509(NULL, &at, (long)length);
	PKCS12 *p12;
	EVP_PKEY *key;
	bool found = false;
	int rc;

	if (cert != NULL)
		return add_cert(in, cert, 0);
	at = data;
	if ((p12 = d2i_PKCS12(NULL, &at, (long)length)) != NULL) {
		rc = add_pkcs12(in, p12);
		PKCS12_free(p12);
		return rc;
	}
	if ((rc = add_der_locked(in, data, length, &found)) != 0 || found)
		return rc;
	if ((key = parse_key("", data, length, NULL)) != NULL)
		return add_key(in, key, 0);
	ERR_clear_error();
	return error_set(in->err, SNICERT_EINPUT,
	    "%s: it is neither a certificate, a private key nor PKCS#12; convert it to PEM", in->origin);
}

/* --- PEM ----------------------------------------------------------------- */

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
	return block->text == NULL ? no_memory(in->err) : 0;
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
	if (has_cert(in->bag, digest))
		return 0;
	if (strcmp(block->label, "TRUSTED CERTIFICATE") == 0 && der_length(der, (size_t)length) != 0 &&
	    der_length(der, (size_t)length) < (size_t)length)
		length = (long)der_length(der, (size_t)length);
	if ((cert = parse_cert(der, (size_t)length, digest)) == NULL)
		return damaged(in, block, "this certificate");
	return add_cert(in, cert, block->line);
}

/* For the store, which would have the library write the very same. */
static int
keep_info(struct input *in, struct bag_key *key, const unsigned char *der, size_t length)
{
	key->info = OPENSSL_memdup(der, length);
	key->info_length = length;
	return key->info != NULL ? 0 : no_memory(in->err);
}

static int
add_block_key(struct input *in, const struct block *block, const unsigned char *der, long length)
{
	bool storable;
	EVP_PKEY *key = parse_key(block->label, der, (size_t)length, &storable);
	size_t keys = in->bag->key_count;

	if (key == NULL)
		return damaged(in, block, "this private key");
	if (add_key(in, key, block->line) != 0)
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
		return add_locked_key(in, open_pem, block->text, block->length, block->line);
	if ((bio = BIO_new_mem_buf(block->text, (int)block->length)) == NULL)
		rc = no_memory(in->err);
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

static int
add_pem(struct input *in, const unsigned char *data, size_t length)
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

/* --- inputs -------------------------------------------------------------- */

/* Whether an input had anything of use, for what a bag holds already is dropped. */
static bool
is_useful(const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;

	return find(data, end, "CERTIFICATE-----") != NULL || find(data, end, "PRIVATE KEY-----") != NULL;
}

int
bag_add_mem(struct bag *bag, const char *origin, const unsigned char *data, size_t length,
    const struct passphrase_source *source, struct snicert_error *err)
{
	struct input in = { .bag = bag, .origin = origin, .source = source, .err = err };

	if (length > BAG_INPUT_MAX)
		return error_set(err, SNICERT_EINPUT,
		    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	if (length > 0 && der_length(data, length) == length)
		return add_der(&in, data, length);
	if (length > 0 && find(data, data + length, begin_mark) != NULL && is_useful(data, length))
		return add_pem(&in, data, length);
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): der_length() wants octets */
	if (der_length(data, length) > length && memchr(data, 0, length) != NULL)
		return error_set(err, SNICERT_EINPUT,
		    "%s: the file is cut short (%zu of %zu octets); copy it again",
		    origin, length, der_length(data, length));
	return error_set(err, SNICERT_EINPUT, "no certificate and no private key in %s;"
	    " PEM, PKCS#12 or DER is wanted", origin);
}

int
bag_add_key(struct bag *bag, EVP_PKEY *key, const char *origin, struct snicert_error *err)
{
	struct input in = { .bag = bag, .origin = origin, .err = err };

	EVP_PKEY_up_ref(key);
	return add_key(&in, key, 0);
}

/* Reads to the end of file.  *data is OPENSSL_malloc'd, and set on errors too. */
static int
read_all(int fd, const char *origin, unsigned char **data, size_t *length, size_t *room,
    struct snicert_error *err)
{
	for (;;) {
		ssize_t got;

		if (*length == *room) {
			size_t more = *room < 4096 ? 16384 : *room * 2;
			unsigned char *bigger = OPENSSL_clear_realloc(*data, *room, more);

			if (bigger == NULL)
				return no_memory(err);
			*data = bigger;
			*room = more;
		}
		got = read(fd, *data + *length, *room - *length);
		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_system(err, "%s", origin);
		*length += (size_t)got;
		if (*length > BAG_INPUT_MAX)
			return error_set(err, SNICERT_EINPUT,
			    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	}
}

static int
check_file(int fd, const char *origin, struct stat *st, struct snicert_error *err)
{
	if (fstat(fd, st) != 0)
		return error_system(err, "%s", origin);
	if (S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode))
		return error_set(err, SNICERT_EINPUT, "%s: not a file; name a file", origin);
	if (S_ISREG(st->st_mode) && st->st_size > (off_t)BAG_INPUT_MAX)
		return error_set(err, SNICERT_EINPUT,
		    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	return 0;
}

int
bag_add_file(struct bag *bag, const char *path, const struct passphrase_source *source,
    struct snicert_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	const char *origin = standard ? "standard input" : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t keys = bag->key_count, length = 0, room = 0;
	unsigned char *data = NULL;
	struct stat st;
	int rc;

	if (fd < 0)
		return error_system(err, "%s", path);
	rc = check_file(fd, origin, &st, err);
	if (rc == 0)
		rc = read_all(fd, origin, &data, &length, &room, err);
	if (!standard)
		close(fd);
	if (rc == 0)
		rc = bag_add_mem(bag, origin, data, length, source, err);
	OPENSSL_clear_free(data, room);
	if (rc == 0 && bag->key_count > keys && S_ISREG(st.st_mode) && (st.st_mode & 0007) != 0)
		bag_warn(bag, "%s: everybody on this machine may read this private key (mode %04o);"
		    " chmod o-rwx it, and think of a new key", origin, (unsigned)(st.st_mode & 07777));
	return rc;
}
