/* SPDX-License-Identifier: ISC */
/*
 * seal.c: seals and opens private keys under the store key.  The keys live in their own page, which
 * core dumps leave out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "error.h"
#include "held.h"
#include "hex.h"
#include "libctx.h"
#include "safety.h"
#include "seal.h"

#define LINE_TAG "snicert-store-key-v1 "
#define LINE_LENGTH (sizeof(LINE_TAG) - 1 + 2 * SEAL_ID_LENGTH + 1 + 2 * SEAL_KEY_LENGTH + 1)
#define NONCE_LENGTH 12
#define TAG_LENGTH 16
#define SEAL_VERSION 1

struct key {
	unsigned char id[SEAL_ID_LENGTH];
	unsigned char octets[SEAL_KEY_LENGTH];
};

/* In its own page. */
struct keys {
	size_t count;
	struct key key[SEAL_KEYS_MOST];
};

struct seal {
	struct keys *keys;
	size_t mapped;
	EVP_CIPHER *cipher;
	EVP_MD *sha256;
	struct held file;       /* the key file, once read */
};

struct seal *
seal_new(struct snicert_error *err)
{
	struct seal *seal = calloc(1, sizeof(*seal));
	OSSL_LIB_CTX *libctx = libctx_get();
	void *page;

	if (seal == NULL) {
		error_set(err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	seal->file = (struct held)HELD_NONE;
	seal->mapped = (size_t)sysconf(_SC_PAGESIZE);
	page = mmap(NULL, seal->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	seal->keys = page == MAP_FAILED ? NULL : page;
	if (libctx != NULL) {
		seal->cipher = EVP_CIPHER_fetch(libctx, "AES-256-GCM", NULL);
		seal->sha256 = EVP_MD_fetch(libctx, "SHA256", NULL);
	}
	if (seal->keys == NULL || seal->cipher == NULL || seal->sha256 == NULL) {
		error_openssl(err, SNICERT_EMEMORY, "can't prepare AES-256-GCM");
		seal_free(seal);
		return NULL;
	}
	madvise(page, seal->mapped, MADV_DONTDUMP);
	mlock(page, seal->mapped); /* if the limits allow */
	return seal;
}

void
seal_free(struct seal *seal)
{
	if (seal == NULL)
		return;
	if (seal->keys != NULL) {
		OPENSSL_cleanse(seal->keys, seal->mapped);
		munmap(seal->keys, seal->mapped);
	}
	held_close(&seal->file);
	EVP_CIPHER_free(seal->cipher);
	EVP_MD_free(seal->sha256);
	free(seal);
}

static int
key_identify(const struct seal *seal, const unsigned char *octets, unsigned char *id)
{
	static const char prefix[] = "snicert store key";
	unsigned char input[sizeof(prefix) - 1 + SEAL_KEY_LENGTH], digest[EVP_MAX_MD_SIZE];
	int good;

	memcpy(input, prefix, sizeof(prefix) - 1);
	memcpy(input + sizeof(prefix) - 1, octets, SEAL_KEY_LENGTH);
	good = EVP_Digest(input, sizeof(input), digest, NULL, seal->sha256, NULL);
	OPENSSL_cleanse(input, sizeof(input));
	memcpy(id, digest, SEAL_ID_LENGTH);
	return good == 1 ? 0 : -1;
}

static int
keys_add(const struct seal *seal, struct keys *keys, const unsigned char *octets,
    struct snicert_error *err)
{
	struct key *key = &keys->key[keys->count];

	if (keys->count == SEAL_KEYS_MOST)
		return error_set(err, SNICERT_EKEY, "more than %d store keys", SEAL_KEYS_MOST);
	if (key_identify(seal, octets, key->id) != 0)
		return error_openssl(err, SNICERT_EKEY, "can't digest the store key");
	memcpy(key->octets, octets, SEAL_KEY_LENGTH);
	keys->count++;
	return 0;
}

int
seal_add(struct seal *seal, const unsigned char *octets, struct snicert_error *err)
{
	return keys_add(seal, seal->keys, octets, err);
}

static int
unhex(const char *text, size_t octets, unsigned char *out)
{
	for (size_t i = 0; i < 2 * octets; i++) {
		char c = text[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0)
			return -1;
		out[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
	}
	return 0;
}

/* A line whose id does not match its key was torn during a write: skip it. */
static void
take_line(const struct seal *seal, struct keys *keys, const char *line)
{
	unsigned char id[SEAL_ID_LENGTH], wanted[SEAL_ID_LENGTH], octets[SEAL_KEY_LENGTH];
	const char *hex = line + sizeof(LINE_TAG) - 1;

	if (memcmp(line, LINE_TAG, sizeof(LINE_TAG) - 1) == 0 &&
	    unhex(hex, SEAL_ID_LENGTH, wanted) == 0 &&
	    unhex(hex + 2 * SEAL_ID_LENGTH + 1, SEAL_KEY_LENGTH, octets) == 0 &&
	    key_identify(seal, octets, id) == 0 && memcmp(id, wanted, sizeof(id)) == 0)
		keys_add(seal, keys, octets, NULL);
	OPENSSL_cleanse(octets, sizeof(octets));
}

static int
read_fd(struct seal *seal, int fd, const char *path, struct snicert_error *err)
{
	char text[SEAL_KEYS_MOST * LINE_LENGTH];
	struct keys found = {0};
	ssize_t got = pread(fd, text, sizeof(text), 0);

	if (got < 0)
		return error_system(err, "can't read the store key %s", path);
	for (size_t at = 0; at + LINE_LENGTH <= (size_t)got; at += LINE_LENGTH)
		take_line(seal, &found, text + at);
	OPENSSL_cleanse(text, sizeof(text));
	if (found.count == 0)
		return error_set(err, SNICERT_EKEY,
		    "%s holds no store key: restore the right file, or create a new store "
		    "with `snicert init`", path);
	*seal->keys = found;
	OPENSSL_cleanse(&found, sizeof(found));
	return 0;
}

int
seal_read(struct seal *seal, const char *path, uid_t trusted, struct snicert_error *err)
{
	struct snicert_error trouble = {0};
	struct stat st;
	int fd = safety_open(path, &st, &trouble);

	if (fd < 0 && held_is_ours(&seal->file))
		return read_fd(seal, seal->file.fd, path, err);
	if (fd < 0)
		return error_set(err, (enum snicert_code)trouble.code, "store key: %s", trouble.text);
	if (safety_check(path, &st, SAFETY_SECRET, trusted, err) != 0 || safety_directories(path, NULL, err) != 0 ||
	    read_fd(seal, fd, path, err) != 0) {
		close(fd);
		return -1;
	}
	held_close(&seal->file);
	seal->file = held_take(fd, &st);
	return 0;
}

const unsigned char *
seal_id(const struct seal *seal)
{
	return seal->keys->count == 0 ? NULL : seal->keys->key[seal->keys->count - 1].id;
}

const unsigned char *
seal_id_of(const struct seal *seal, size_t i)
{
	return seal->keys->key[i].id;
}

size_t
seal_count(const struct seal *seal)
{
	return seal->keys->count;
}

size_t
seal_line(const struct seal *seal, char *line, size_t size)
{
	const struct key *key;
	char *end;

	if (seal->keys->count == 0 || size < LINE_LENGTH)
		return 0;
	key = &seal->keys->key[seal->keys->count - 1];
	memcpy(line, LINE_TAG, sizeof(LINE_TAG) - 1);
	end = hex_put(line + sizeof(LINE_TAG) - 1, key->id, SEAL_ID_LENGTH);
	*end++ = ' ';
	end = hex_put(end, key->octets, SEAL_KEY_LENGTH);
	*end++ = '\n';
	return (size_t)(end - line);
}

static const struct key *
key_of(const struct seal *seal, const unsigned char *id)
{
	for (size_t i = 0; i < seal->keys->count; i++)
		if (memcmp(seal->keys->key[i].id, id, SEAL_ID_LENGTH) == 0)
			return &seal->keys->key[i];
	return NULL;
}

static const struct key *
key_find(const struct seal *seal, const unsigned char *sealed, size_t length)
{
	return length < SEAL_OVERHEAD || sealed[0] != SEAL_VERSION ? NULL : key_of(seal, sealed + 1);
}

bool
seal_knows(const struct seal *seal, const unsigned char *sealed, size_t length)
{
	return key_find(seal, sealed, length) != NULL;
}

int
seal_close(const struct seal *seal, const unsigned char *plain, size_t length,
    const unsigned char *identity, size_t identity_length, unsigned char **out, size_t *out_length,
    struct snicert_error *err)
{
	const struct key *key;
	EVP_CIPHER_CTX *ctx = NULL;
	unsigned char *sealed, *nonce, *body;
	int n;

	if (seal->keys->count == 0)
		return error_set(err, SNICERT_EKEY, "no store key");
	key = &seal->keys->key[seal->keys->count - 1];
	sealed = OPENSSL_malloc(length + SEAL_OVERHEAD);
	ctx = EVP_CIPHER_CTX_new();
	if (sealed == NULL || ctx == NULL)
		goto fail;
	nonce = sealed + 1 + SEAL_ID_LENGTH;
	body = nonce + NONCE_LENGTH;
	sealed[0] = SEAL_VERSION;
	memcpy(sealed + 1, key->id, SEAL_ID_LENGTH);
	if (RAND_bytes(nonce, NONCE_LENGTH) != 1 ||
	    EVP_EncryptInit_ex2(ctx, seal->cipher, key->octets, nonce, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, identity, (int)identity_length) != 1 ||
	    EVP_EncryptUpdate(ctx, body, &n, plain, (int)length) != 1 ||
	    EVP_EncryptFinal_ex(ctx, body + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, body + length) != 1)
		goto fail;
	EVP_CIPHER_CTX_free(ctx);
	*out = sealed;
	*out_length = length + SEAL_OVERHEAD;
	return 0;
fail:
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_free(sealed);
	return error_openssl(err, SNICERT_EKEY, "can't seal a private key");
}

int
seal_open(const struct seal *seal, const unsigned char *sealed, size_t length,
    const unsigned char *identity, size_t identity_length, unsigned char **out, size_t *out_length,
    struct snicert_error *err)
{
	const struct key *key = key_find(seal, sealed, length);
	const unsigned char *nonce, *body;
	size_t plain_length;
	unsigned char tag[TAG_LENGTH], *plain;
	EVP_CIPHER_CTX *ctx;
	int n;

	if (key == NULL)
		return error_set(err, SNICERT_EKEY,
		    seal->keys->count == 0 ? "no store key" : "sealed with another store key");
	plain_length = length - SEAL_OVERHEAD;
	nonce = sealed + 1 + SEAL_ID_LENGTH;
	body = nonce + NONCE_LENGTH;
	plain = OPENSSL_malloc(plain_length + 1);
	ctx = EVP_CIPHER_CTX_new();
	memcpy(tag, body + plain_length, TAG_LENGTH);
	if (plain == NULL || ctx == NULL ||
	    EVP_DecryptInit_ex2(ctx, seal->cipher, key->octets, nonce, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, identity, (int)identity_length) != 1 ||
	    EVP_DecryptUpdate(ctx, plain, &n, body, (int)plain_length) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH, tag) != 1 ||
	    EVP_DecryptFinal_ex(ctx, plain + n, &n) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		OPENSSL_clear_free(plain, plain_length + 1);
		return error_set(err, SNICERT_EKEY, "the sealed key is damaged");
	}
	EVP_CIPHER_CTX_free(ctx);
	*out = plain;
	*out_length = plain_length;
	return 0;
}

int
seal_prefer(struct seal *seal, const unsigned char *id, struct snicert_error *err)
{
	const struct key *key = key_of(seal, id);
	unsigned char octets[SEAL_KEY_LENGTH];
	int status;

	if (key == NULL)
		return error_set(err, SNICERT_EKEY, "the store key is another one");
	memcpy(octets, key->octets, sizeof(octets));
	status = keys_add(seal, seal->keys, octets, err);
	OPENSSL_cleanse(octets, sizeof(octets));
	return status;
}

bool
seal_has(const struct seal *seal, const unsigned char *id)
{
	return key_of(seal, id) != NULL;
}

int
seal_derive(const struct seal *seal, const unsigned char *id, const char *purpose,
    unsigned char out[SEAL_KEY_LENGTH], struct snicert_error *err)
{
	const struct key *key = key_of(seal, id);
	EVP_KDF *kdf = EVP_KDF_fetch(libctx_get(), "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	int done = 0;

	if (ctx != NULL && key != NULL) {
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key->octets,
			    SEAL_KEY_LENGTH),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)purpose,
			    strlen(purpose)),
			OSSL_PARAM_construct_end(),
		};

		done = EVP_KDF_derive(ctx, out, SEAL_KEY_LENGTH, params);
	}
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (key == NULL)
		return error_set(err, SNICERT_EKEY, "the store key is another one");
	return done == 1 ? 0 : error_openssl(err, SNICERT_EKEY, "can't derive a key");
}
