/* SPDX-License-Identifier: ISC */
/*
 * fuzz_seal.c: the store key's file, and sealed keys.
 *
 * The first octet chooses: the rest is a key file, or it is sealed, and the
 * sealed octets are damaged by what is left: a change that matters is noticed.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "seal.h"

static char path[200];
static struct seal *seal;

static void
start(void)
{
	unsigned char key[SEAL_KEY_LENGTH];
	struct snicert_error err = {0};

	memcpy(key, "not a secret, but 32 octets long", sizeof(key));
	fuzz_path(path, "store.key");
	seal = seal_new(&err);
	if (seal == NULL || seal_add(seal, key, &err) != 0)
		fuzz_die("%s", err.text);
}

/* A file that is read says again what it holds. */
static void
read_file(const uint8_t *data, size_t size)
{
	struct seal *other = seal_new(NULL), *again = seal_new(NULL);
	struct snicert_error err = {0};
	char line[256];
	size_t length;

	fuzz_write(path, data, size);
	if (seal_read(other, path, (uid_t)-1, &err) == 0) {
		length = seal_line(other, line, sizeof(line));
		if (length == 0 || seal_count(other) == 0 || seal_count(other) > SEAL_KEYS_MOST)
			fuzz_die("%zu keys, a line of %zu octets", seal_count(other), length);
		fuzz_write(path, line, length);
		if (seal_read(again, path, (uid_t)-1, &err) != 0 || seal_count(again) != 1 ||
		    memcmp(seal_id(again), seal_id(other), SEAL_ID_LENGTH) != 0)
			fuzz_die("a line that is not understood again: %s", err.text);
	} else if (err.code == SNICERT_OK || seal_id(other) != NULL) {
		fuzz_die("not read, but \"%s\" and %zu keys", err.text, seal_count(other));
	}
	seal_free(other);
	seal_free(again);
}

static void
open_damaged(struct fuzz_input *in)
{
	static const uint8_t whole[32] = {0};
	uint8_t identity[32] = {0}, *sealed = NULL, *before, *plain = NULL;
	size_t sealed_length = 0, plain_length = 0, length;
	const uint8_t *secret = fuzz_piece(in, &length);
	struct snicert_error err = {0};
	int status;

	if (seal_close(seal, secret, length, identity, sizeof(identity), &sealed, &sealed_length, &err) != 0)
		fuzz_die("%s", err.text);
	before = malloc(sealed_length);
	memcpy(before, sealed, sealed_length);
	while (in->size > 3)
		fuzz_edit(in, (in->data[0] & 1) != 0 ? identity : sealed,
		    (in->data[0] & 1) != 0 ? sizeof(identity) : sealed_length);
	status = seal_open(seal, sealed, sealed_length, identity, sizeof(identity), &plain, &plain_length, &err);
	if (status == 0 && (plain_length != length || memcmp(plain, secret, length) != 0 ||
	    memcmp(before, sealed, sealed_length) != 0 || memcmp(whole, identity, sizeof(identity)) != 0))
		fuzz_die("a damaged key is opened");
	if (status == 0)
		OPENSSL_clear_free(plain, plain_length);
	free(before);
	OPENSSL_free(sealed);
}

/* Octets as they are. */
static void
open_any(const uint8_t *data, size_t size)
{
	static const uint8_t identity[32] = {0};
	uint8_t *plain = NULL;
	size_t length = 0;

	seal_knows(seal, data, size);
	if (seal_open(seal, data, size, identity, sizeof(identity), &plain, &length, NULL) == 0)
		fuzz_die("somebody sealed without the key");
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned what = fuzz_octet(&in);

	if (what % 4 == 0)
		read_file(in.data, in.size);
	else if (what % 4 == 1)
		open_any(in.data, in.size);
	else
		open_damaged(&in);
	ERR_clear_error();
}

/* Lines of keys that are made up here. */
static void
seed(void)
{
	char file[1 + 3 * 256] = "";
	size_t length;

	start();
	length = seal_line(seal, file + 1, 256);
	fuzz_seed("line", file, 1 + length);
	memcpy(file + 1 + length, file + 1, length);
	fuzz_seed("two-lines", file, 1 + 2 * length);
	fuzz_seed("torn", file, 1 + length + length / 2);
	fuzz_seed("damaged", "\x02\x20" "the secret that is to be sealed.\x00\x00\x30\x01x", 39);
	seal_free(seal);
	seal = NULL;
}

const struct fuzz_target fuzz_seal = { .name = "seal", .start = start, .one = one, .seed = seed,
	.most = 600 };
