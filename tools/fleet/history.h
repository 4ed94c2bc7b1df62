/* SPDX-License-Identifier: ISC */
/*
 * history.h: the fleet's history, one change after another, and how a node knows that it is genuine.
 *
 * Each change has an HMAC-SHA-256, under a key derived from the store key, which PostgreSQL never sees: of
 * where it stands, who made it, what is in it, and the MAC of the change before it.  So a change that
 * somebody made, altered, moved or repeated in the database is no change, and two nodes whose last MACs
 * are equal have had the same history.
 */
#ifndef SNICERT_HISTORY_H
#define SNICERT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seal.h"
#include "snicert.h"
#include "store/admin_fleet.h"

#define HISTORY_PART (1u << 20) /* octets of a change or snapshot in one row */
#define HISTORY_WHO 64

/** What a change is. */
enum history_kind {
	HISTORY_ROWS,           /* rows of the store, for admin_apply */
	HISTORY_STORE,          /* another store in its place: the snapshot of the same number */
	HISTORY_EPOCH           /* nothing; the database may have lost changes before this one */
};

struct history_change {
	enum history_kind kind;
	int64_t epoch, seq;
	int64_t at;                             /* when: Unix time */
	char node[HISTORY_WHO], who[HISTORY_WHO];       /* where, and which user */
	int64_t schema;                         /* of the store that it was made in */
	int64_t size;                           /* octets */
	unsigned char key[SEAL_ID_LENGTH];      /* id of the store key behind the MAC */
	unsigned char previous[ADMIN_MAC_LENGTH];       /* the change before it */
	unsigned char digest[32];               /* SHA-256 of its octets, or of the store's */
	unsigned char mac[ADMIN_MAC_LENGTH];
};

/** A whole store. */
struct history_snapshot {
	int64_t epoch, seq, at;                 /* after that change */
	int64_t schema, size;
	unsigned char key[SEAL_ID_LENGTH];
	unsigned char history[ADMIN_MAC_LENGTH];
	unsigned char digest[32];
	unsigned char mac[ADMIN_MAC_LENGTH];
};

/** Fill `key` and `mac`. */
int history_sign_change(const struct seal *, const char *fleet, struct history_change *, struct snicert_error *err);
int history_sign_snapshot(const struct seal *, const char *fleet, struct history_snapshot *, struct snicert_error *err);

/** Whether it is genuine: 0, or -1 with *err saying what it is instead. */
int history_check_change(const struct seal *, const char *fleet, const struct history_change *,
    struct snicert_error *err);
int history_check_snapshot(const struct seal *, const char *fleet, const struct history_snapshot *,
    struct snicert_error *err);

/** Where a fleet's history begins, before its first change. */
int history_start(const struct seal *, const char *fleet, unsigned char out[ADMIN_MAC_LENGTH],
    struct snicert_error *err);

/** A digest in the making. */
struct history_digest;
struct history_digest *history_digest_new(void);
void history_digest_add(struct history_digest *, const void *octets, size_t length);
/** Ends and frees it. */
void history_digest_end(struct history_digest *, unsigned char out[32]);

/** A new random id. */
int history_new_id(char out[ADMIN_ID_LENGTH + 1], struct snicert_error *err);

#endif
