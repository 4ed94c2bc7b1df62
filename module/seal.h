/* SPDX-License-Identifier: ISC */
/*
 * seal.h: private keys at rest.  A sealed key is AES-256-GCM under the store key, with a random
 * nonce per record and the record's identity as associated data, so that one row's key can't
 * replace another's.
 *
 *     version (1) | key id (8) | nonce (12) | ciphertext | tag (16)
 *
 * The store key file is text: one line "snicert-store-key-v1 ID KEY" in hex, ID being the first 8
 * octets of SHA-256("snicert store key" | KEY).  During a `rekey` it has two lines, the old key's
 * and the new one's.
 */
#ifndef SNICERT_SEAL_H
#define SNICERT_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "snicert.h"

#define SEAL_KEY_LENGTH 32
#define SEAL_ID_LENGTH 8
#define SEAL_OVERHEAD (1 + SEAL_ID_LENGTH + 12 + 16)
#define SEAL_KEYS_MOST 4

/** The loaded store keys. */
struct seal;

struct seal *seal_new(struct snicert_error *err);
void seal_free(struct seal *);

/**
 * Read the store key file, replacing the loaded keys, which stay if it is unreadable.  The file
 * stays open, so that it can be reread from within a chroot.  `trusted` is another acceptable owner
 * (safety_check).
 */
int seal_read(struct seal *, const char *path, uid_t trusted, struct snicert_error *err);

/** Add a key of SEAL_KEY_LENGTH octets, which becomes the one that seals. */
int seal_add(struct seal *, const unsigned char *octets, struct snicert_error *err);

/** Make a loaded key the one that seals. */
int seal_prefer(struct seal *, const unsigned char *id, struct snicert_error *err);

/** The id of the key that seals: the file's last. NULL if none. */
const unsigned char *seal_id(const struct seal *);

/** The id of key `i` of seal_count(). */
const unsigned char *seal_id_of(const struct seal *, size_t i);

/** How many keys the file has: more than one during a `rekey`, or after a broken one. */
size_t seal_count(const struct seal *);

/** Write the last key's line, with newline, into `line`; returns its length, 0 without a key. */
size_t seal_line(const struct seal *, char *line, size_t size);

/** Seal; caller frees *out. */
int seal_close(const struct seal *, const unsigned char *plain, size_t length,
    const unsigned char *identity, size_t identity_length, unsigned char **out, size_t *out_length,
    struct snicert_error *err);

/** Whether the key that sealed `sealed` is loaded. */
bool seal_knows(const struct seal *, const unsigned char *sealed, size_t length);

/** Open; the caller frees *out with OPENSSL_clear_free(*out, *out_length). */
int seal_open(const struct seal *, const unsigned char *sealed, size_t length,
    const unsigned char *identity, size_t identity_length, unsigned char **out, size_t *out_length,
    struct snicert_error *err);

/** Whether the store key of this id is loaded. */
bool seal_has(const struct seal *, const unsigned char *id);

/**
 * A key for another purpose, derived from the store key of this id: HKDF-SHA-256 (RFC 5869).  The caller
 * cleanses `out`.
 */
int seal_derive(const struct seal *, const unsigned char *id, const char *purpose,
    unsigned char out[SEAL_KEY_LENGTH], struct snicert_error *err);

#endif
