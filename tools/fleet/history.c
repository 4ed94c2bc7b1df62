/* SPDX-License-Identifier: ISC */
/* history.c: MACs of changes and snapshots. */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "error.h"
#include "fleet/history.h"
#include "hex.h"

#define PURPOSE "snicert fleet history 1"
#define TEXT_MOST 1024

/* What a MAC is of: numbers and texts, each told from the next. */
struct text {
	unsigned char octets[TEXT_MOST];
	size_t length;
};

static void
add_octets(struct text *text, const void *octets, size_t length)
{
	unsigned char size = (unsigned char)length;

	text->octets[text->length++] = size;
	memcpy(text->octets + text->length, octets, length);
	text->length += length;
}

static void
add_text(struct text *text, const char *words)
{
	add_octets(text, words, strlen(words));
}

static void
add_number(struct text *text, int64_t number)
{
	uint64_t wide = htobe64((uint64_t)number);

	add_octets(text, &wide, sizeof(wide));
}

static int
mac_of(const struct seal *seal, const unsigned char *id, const struct text *text, unsigned char out[ADMIN_MAC_LENGTH],
    struct snicert_error *err)
{
	unsigned char key[SEAL_KEY_LENGTH];
	unsigned length = 0;
	bool good;

	if (seal_derive(seal, id, PURPOSE, key, err) != 0)
		return -1;
	good = HMAC(EVP_sha256(), key, sizeof(key), text->octets, text->length, out, &length) != NULL &&
	    length == ADMIN_MAC_LENGTH;
	OPENSSL_cleanse(key, sizeof(key));
	return good ? 0 : error_openssl(err, SNICERT_EKEY, "can't make a MAC");
}

static int
change_mac(const struct seal *seal, const char *fleet, const struct history_change *change,
    unsigned char out[ADMIN_MAC_LENGTH], struct snicert_error *err)
{
	struct text text = {0};

	add_text(&text, "change");
	add_text(&text, fleet);
	add_number(&text, change->kind);
	add_number(&text, change->epoch);
	add_number(&text, change->seq);
	add_number(&text, change->at);
	add_text(&text, change->node);
	add_text(&text, change->who);
	add_number(&text, change->schema);
	add_number(&text, change->size);
	add_octets(&text, change->previous, sizeof(change->previous));
	add_octets(&text, change->digest, sizeof(change->digest));
	return mac_of(seal, change->key, &text, out, err);
}

static int
snapshot_mac(const struct seal *seal, const char *fleet, const struct history_snapshot *snapshot,
    unsigned char out[ADMIN_MAC_LENGTH], struct snicert_error *err)
{
	struct text text = {0};

	add_text(&text, "snapshot");
	add_text(&text, fleet);
	add_number(&text, snapshot->epoch);
	add_number(&text, snapshot->seq);
	add_number(&text, snapshot->at);
	add_number(&text, snapshot->schema);
	add_number(&text, snapshot->size);
	add_octets(&text, snapshot->history, sizeof(snapshot->history));
	add_octets(&text, snapshot->digest, sizeof(snapshot->digest));
	return mac_of(seal, snapshot->key, &text, out, err);
}

int
history_sign_change(const struct seal *seal, const char *fleet, struct history_change *change,
    struct snicert_error *err)
{
	memcpy(change->key, seal_id(seal), sizeof(change->key));
	return change_mac(seal, fleet, change, change->mac, err);
}

int
history_sign_snapshot(const struct seal *seal, const char *fleet, struct history_snapshot *snapshot,
    struct snicert_error *err)
{
	memcpy(snapshot->key, seal_id(seal), sizeof(snapshot->key));
	return snapshot_mac(seal, fleet, snapshot, snapshot->mac, err);
}

static int
lacks_key(const char *what, int64_t seq, const unsigned char *id, struct snicert_error *err)
{
	char text[2 * SEAL_ID_LENGTH + 1];

	*hex_put(text, id, SEAL_ID_LENGTH) = '\0';
	return error_set(err, SNICERT_EKEY, "%s %lld is of the store key %s, which this node's key file lacks: copy the key "
	    "file from a node that has it", what, (long long)seq, text);
}

int
history_check_change(const struct seal *seal, const char *fleet, const struct history_change *change,
    struct snicert_error *err)
{
	unsigned char mac[ADMIN_MAC_LENGTH];

	if (!seal_has(seal, change->key))
		return lacks_key("change", change->seq, change->key, err);
	if (change_mac(seal, fleet, change, mac, err) != 0)
		return -1;
	if (CRYPTO_memcmp(mac, change->mac, sizeof(mac)) == 0)
		return 0;
	return error_set(err, SNICERT_ESTORE, "change %lld in the database is forged or damaged: its MAC is wrong",
	    (long long)change->seq);
}

int
history_check_snapshot(const struct seal *seal, const char *fleet, const struct history_snapshot *snapshot,
    struct snicert_error *err)
{
	unsigned char mac[ADMIN_MAC_LENGTH];

	if (!seal_has(seal, snapshot->key))
		return lacks_key("snapshot", snapshot->seq, snapshot->key, err);
	if (snapshot_mac(seal, fleet, snapshot, mac, err) != 0)
		return -1;
	if (CRYPTO_memcmp(mac, snapshot->mac, sizeof(mac)) == 0)
		return 0;
	return error_set(err, SNICERT_ESTORE, "snapshot %lld in the database is forged or damaged: its MAC is wrong",
	    (long long)snapshot->seq);
}

int
history_start(const struct seal *seal, const char *fleet, unsigned char out[ADMIN_MAC_LENGTH],
    struct snicert_error *err)
{
	struct text text = {0};

	add_text(&text, "start");
	add_text(&text, fleet);
	return mac_of(seal, seal_id(seal), &text, out, err);
}

/* --- digests ------------------------------------------------------------------- */

struct history_digest *
history_digest_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return (struct history_digest *)ctx;
}

void
history_digest_add(struct history_digest *digest, const void *octets, size_t length)
{
	if (digest != NULL)
		EVP_DigestUpdate((EVP_MD_CTX *)digest, octets, length);
}

void
history_digest_end(struct history_digest *digest, unsigned char out[32])
{
	memset(out, 0, 32);
	if (digest != NULL)
		EVP_DigestFinal_ex((EVP_MD_CTX *)digest, out, NULL);
	EVP_MD_CTX_free((EVP_MD_CTX *)digest);
}

int
history_new_id(char out[ADMIN_ID_LENGTH + 1], struct snicert_error *err)
{
	unsigned char octets[ADMIN_ID_LENGTH / 2];

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return error_openssl(err, SNICERT_ESYSTEM, "no random numbers");
	*hex_put(out, octets, sizeof(octets)) = '\0';
	return 0;
}
