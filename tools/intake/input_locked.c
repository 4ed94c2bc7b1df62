/* SPDX-License-Identifier: ISC */
/* input_locked.c: what is encrypted, and the passphrases that open it. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "error.h"
#include "intake/input.h"

void
input_free_secret(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

/* Makes the source's answer the bag's passphrase.  Returns whether there is one. */
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

int
input_locked(struct input *in, size_t line, bool asked)
{
	char *where = input_origin(in->origin, line);

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

EVP_PKEY *
input_open_pem(const unsigned char *data, size_t length, char *passphrase)
{
	BIO *bio = BIO_new_mem_buf(data, (int)length);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, lend_passphrase, passphrase);
	BIO_free(bio);
	return key;
}

EVP_PKEY *
input_open_der(const unsigned char *data, size_t length, char *passphrase)
{
	BIO *bio = BIO_new_mem_buf(data, (int)length);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = d2i_PKCS8PrivateKey_bio(bio, NULL, lend_passphrase, passphrase);
	BIO_free(bio);
	return key;
}

/* An encrypted key: by the passphrase we have, else by the source's. */
int
input_add_locked_key(struct input *in, input_open_key *open, const unsigned char *data, size_t length, size_t line)
{
	EVP_PKEY *key = NULL;
	bool asked = false;

	if (in->bag->passphrase != NULL)
		key = open(data, length, in->bag->passphrase);
	if (key == NULL && (asked = input_ask_passphrase(in)))
		key = open(data, length, in->bag->passphrase);
	ERR_clear_error();
	if (key == NULL)
		return input_locked(in, line, asked);
	return input_add_key(in, key, line);
}
