/* SPDX-License-Identifier: ISC */
/*
 * input.h: one input on its way into a bag; only for bag.c, input.c and the formats, input_*.c.
 * Every buffer that may hold a key or a passphrase is cleansed on every path.  Functions return 0,
 * or -1 with *in->err set.
 */
#ifndef SNICERT_INPUT_H
#define SNICERT_INPUT_H

#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include "intake/bag.h"

struct bag {
	struct bag_key *keys;
	size_t key_count;
	struct bag_cert *certs;
	size_t cert_count;
	char **warnings;
	size_t warning_count;
	char *passphrase;             /* the last one supplied */
	bool nothing;                 /* the last input had neither key nor certificate */
};

struct input {
	struct bag *bag;
	const char *origin;
	const struct passphrase_source *source;
	struct snicert_error *err;
	size_t line;                  /* of its wrapping, for all its contents; 0: its own */
};

int input_no_memory(struct snicert_error *err);

/** "path:line", or "path" for line 0; the caller frees it. */
char *input_origin(const char *path, size_t line);

/** Put it into the bag, unless it is there; always takes it. */
int input_add_key(struct input *, EVP_PKEY *key, size_t line);
int input_add_cert(struct input *, X509 *cert, size_t line);
bool bag_has_cert(const struct bag *, const unsigned char digest[32]);

/** Make the source's answer the bag's passphrase.  Returns whether there is one. */
bool input_ask_passphrase(struct input *);
/** The result of a passphrase. */
enum input_lock { INPUT_OPEN, INPUT_SHUT, INPUT_UNSUPPORTED };
/** Opens with a passphrase (NULL: none, for PKCS#12); returns whether it did. */
typedef bool input_open(void *arg, const char *passphrase);
/** Tries it, and again with OpenSSL's legacy algorithms if one is missing. */
enum input_lock input_try(input_open *, void *arg, const char *passphrase);
/** The error for what stays shut; `asked`: there was a passphrase, but wrong. */
int input_locked(struct input *, size_t line, enum input_lock, bool asked);

/** Cleanses and frees a passphrase; may be NULL. */
void input_free_secret(char *text);

/** An encrypted key, as a PEM block or DER: by our passphrase, else by the source's. */
int input_add_locked_key(struct input *, bool pem, const unsigned char *data, size_t length, size_t line);

/** The total length of the DER element at `data`, or 0: not even a header, or BER without length. */
size_t input_der_length(const unsigned char *data, size_t length);

/** The formats; for DER, *found: it is a known one.  Ignores what follows it. */
int input_add_der(struct input *, const unsigned char *data, size_t length, size_t line, bool *found);
int input_add_pem(struct input *, const unsigned char *data, size_t length);
int input_add_pkcs12(struct input *, PKCS12 *, size_t line);
int input_add_pkcs7(struct input *, PKCS7 *, size_t line);

/** Wrapped PEM: where it begins, or NULL. */
const unsigned char *input_find_utf16(const unsigned char *data, size_t length);
const unsigned char *input_find_base64(const unsigned char *data, size_t length);
int input_add_utf16(struct input *, const unsigned char *data, size_t length, const unsigned char *begin);
int input_add_base64(struct input *, const unsigned char *data, size_t length, const unsigned char *begin);
/** DER as base64 without any frame; *found: it was. */
int input_add_base64_der(struct input *, const unsigned char *data, size_t length, bool *found);

/** Whether there is a PEM block that a bag can hold. */
bool input_has_pem(const unsigned char *data, size_t length);

#endif
