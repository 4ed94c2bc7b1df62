/* SPDX-License-Identifier: ISC */
/*
 * input.h: one input on its way into a bag; for bag.c, input.c and the formats,
 * input_*.c, alone.  Every buffer that may hold a key or a passphrase is cleansed
 * on every path.  Functions return 0, or -1 with *in->err set.
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
	char *passphrase;             /* the last one that was supplied */
	bool nothing;                 /* the last input had neither key nor certificate */
};

struct input {
	struct bag *bag;
	const char *origin;
	const struct passphrase_source *source;
	struct snicert_error *err;
	size_t line;                  /* of what it was wrapped in, for all that is found; 0: its own */
};

int input_no_memory(struct snicert_error *err);

/** "path:line", or "path" for line 0; the caller frees it. */
char *input_origin(const char *path, size_t line);

/** Put it into the bag, unless it is there; taken in any case. */
int input_add_key(struct input *, EVP_PKEY *key, size_t line);
int input_add_cert(struct input *, X509 *cert, size_t line);
bool bag_has_cert(const struct bag *, const unsigned char digest[32]);

/** Makes the source's answer the bag's passphrase.  Returns whether there is one. */
bool input_ask_passphrase(struct input *);
/** What became of a passphrase. */
enum input_lock { INPUT_OPEN, INPUT_SHUT, INPUT_UNSUPPORTED };
/** Opens with a passphrase, which PKCS#12 knows none (NULL) of, and says whether it did. */
typedef bool input_open(void *arg, const char *passphrase);
/** Tries it, and once more with what OpenSSL calls legacy where an algorithm isn't there. */
enum input_lock input_try(input_open *, void *arg, const char *passphrase);
/** The error of what stays shut; `asked`: a passphrase was there, and is wrong. */
int input_locked(struct input *, size_t line, enum input_lock, bool asked);

/** Cleanses a passphrase and frees it; NULL is none. */
void input_free_secret(char *text);

/** An encrypted key, a PEM block or DER: by the passphrase we have, else by the source's. */
int input_add_locked_key(struct input *, bool pem, const unsigned char *data, size_t length, size_t line);

/** The whole length of the DER element at `data`, or 0: not even a header, or BER without length. */
size_t input_der_length(const unsigned char *data, size_t length);

/** The formats; of DER, *found: it is one of those we know.  What follows it is left alone. */
int input_add_der(struct input *, const unsigned char *data, size_t length, size_t line, bool *found);
int input_add_pem(struct input *, const unsigned char *data, size_t length);
int input_add_pkcs12(struct input *, PKCS12 *, size_t line);
int input_add_pkcs7(struct input *, PKCS7 *, size_t line);

/** PEM that is wrapped: where it begins, or NULL. */
const unsigned char *input_find_utf16(const unsigned char *data, size_t length);
const unsigned char *input_find_base64(const unsigned char *data, size_t length);
int input_add_utf16(struct input *, const unsigned char *data, size_t length, const unsigned char *begin);
int input_add_base64(struct input *, const unsigned char *data, size_t length, const unsigned char *begin);

/** Whether there is a PEM block of a kind that a bag holds. */
bool input_has_pem(const unsigned char *data, size_t length);

#endif
