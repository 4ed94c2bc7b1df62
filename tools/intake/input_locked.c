/* SPDX-License-Identifier: ISC */
/* input_locked.c: encrypted input, and the passphrases that open it. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "error.h"
#include "intake/input.h"
#include "intake/legacy.h"
#include "intake/parse.h"

void
input_free_secret(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

bool
input_ask_passphrase(struct input *in)
{
	char *text = NULL;

	if (in->source != NULL && in->source->ask != NULL)
		text = in->source->ask(in->source->arg, in->origin);
	if (text == NULL)
		return false;
	input_free_secret(in->bag->passphrase);
	in->bag->passphrase = text;
	return true;
}

static const char *
reason_of(enum input_lock lock, bool asked)
{
	if (lock == INPUT_UNSUPPORTED)
		return "it is encrypted with an algorithm that this OpenSSL doesn't support, not even with its"
		    " legacy provider; decrypt it where it was made, or encrypt it with AES-256";
	return asked ? "the passphrase doesn't open it (or the file is damaged); check the passphrase"
	             : "it is encrypted and there is no passphrase; give one by prompt, file or descriptor";
}

int
input_locked(struct input *in, size_t line, enum input_lock lock, bool asked)
{
	char *where = input_origin(in->origin, line);

	error_set(in->err, SNICERT_EKEY, "%s: %s", where == NULL ? in->origin : where, reason_of(lock, asked));
	free(where);
	return -1;
}

enum input_lock
input_try(input_open *open, void *arg, const char *passphrase)
{
	OSSL_LIB_CTX *before;
	bool wanted;

	ERR_clear_error();
	if (open(arg, passphrase))
		return INPUT_OPEN;
	if (!legacy_wanted())
		return INPUT_SHUT;
	if (!legacy_enter(&before))
		return INPUT_UNSUPPORTED;
	ERR_clear_error();
	if (open(arg, passphrase)) {
		legacy_leave(before);
		return INPUT_OPEN;
	}
	wanted = legacy_wanted();
	legacy_leave(before);
	return wanted ? INPUT_UNSUPPORTED : INPUT_SHUT;
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

struct locked_key {
	const unsigned char *data;
	size_t length;
	bool pem;
	PKCS8_PRIV_KEY_INFO *info;    /* its contents: PKCS#8, */
	unsigned char *der;           /* or as the label says */
	long der_length;
	char *label;
};

static bool
open_info(struct locked_key *key, const unsigned char *der, long length, const char *passphrase)
{
	X509_SIG *sig = d2i_X509_SIG(NULL, &der, length);

	if (sig != NULL)
		key->info = PKCS8_decrypt(sig, passphrase, (int)strlen(passphrase));
	X509_SIG_free(sig);
	return key->info != NULL;
}

/* Decrypts, but makes no key. */
static bool
open_pem(struct locked_key *key, const char *passphrase)
{
	BIO *bio = BIO_new_mem_buf(key->data, (int)key->length);
	EVP_CIPHER_INFO cipher;
	char *label = NULL, *header = NULL;
	unsigned char *der = NULL;
	long length = 0, opened;
	bool good = bio != NULL && PEM_read_bio(bio, &label, &header, &der, &length) == 1;

	opened = length;
	if (good && strcmp(label, PEM_STRING_PKCS8) == 0)
		good = open_info(key, der, length, passphrase);
	else if (good)
		good = PEM_get_EVP_CIPHER_INFO(header, &cipher) == 1 &&
		    PEM_do_header(&cipher, der, &opened, lend_passphrase, (void *)passphrase) == 1;
	if (good && key->info == NULL) {
		key->label = label;
		key->der = OPENSSL_memdup(der, (size_t)opened);
		key->der_length = opened;
		good = key->der != NULL;
		label = NULL;
	}
	BIO_free(bio);
	OPENSSL_free(label);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, (size_t)length);
	return good;
}

static bool
open_key(void *arg, const char *passphrase)
{
	struct locked_key *key = arg;

	if (key->pem)
		return open_pem(key, passphrase);
	return open_info(key, key->data, (long)key->length, passphrase);
}

/* The unlocked key, in the library context of all others; frees its source. */
static EVP_PKEY *
take_key(struct locked_key *key)
{
	EVP_PKEY *found = NULL;

	if (key->info != NULL)
		found = EVP_PKCS82PKEY(key->info);
	else if (key->der != NULL)
		found = parse_key(key->label, key->der, (size_t)key->der_length, NULL);
	PKCS8_PRIV_KEY_INFO_free(key->info);
	OPENSSL_clear_free(key->der, (size_t)key->der_length);
	OPENSSL_free(key->label);
	key->info = NULL;
	key->der = NULL;
	key->label = NULL;
	ERR_clear_error();
	return found;
}

int
input_add_locked_key(struct input *in, bool pem, const unsigned char *data, size_t length, size_t line)
{
	struct locked_key locked = { .data = data, .length = length, .pem = pem };
	enum input_lock lock = INPUT_SHUT;
	EVP_PKEY *key = NULL;
	bool asked = false;

	if (in->bag->passphrase != NULL) {
		lock = input_try(open_key, &locked, in->bag->passphrase);
		key = take_key(&locked);
	}
	if (key == NULL && lock != INPUT_UNSUPPORTED && (asked = input_ask_passphrase(in))) {
		lock = input_try(open_key, &locked, in->bag->passphrase);
		key = take_key(&locked);
	}
	ERR_clear_error();
	return key != NULL ? input_add_key(in, key, line) : input_locked(in, line, lock, asked);
}
