/* SPDX-License-Identifier: ISC */
/*
 * store.h: the store, read side.  Bytes out; knows no X509.  With tools/store/admin*.c, which
 * write, the only code that sees SQLite.
 *
 * A connection must not be used by two threads at once, nor cross a fork: the caller (lookup.c)
 * holds a lock and reports forks.  Meanwhile any other thread may ask whether the store has
 * changed.
 */
#ifndef SNICERT_STORE_H
#define SNICERT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "name.h"
#include "snicert.h"
#include "walindex.h"

#define STORE_APPLICATION_ID 0x534e4963 /* "SNIc" */
#define STORE_SCHEMA 6                  /* user_version: what the tool of this release writes */
#define STORE_SCHEMA_OLDEST 1           /* the oldest with all that a handshake needs */

#define STORE_DIGEST_LENGTH 32          /* SHA-256 */
#define STORE_CHAINS_MOST 8             /* key types under one name */
#define STORE_CERTS_MOST 11             /* leaf and ten intermediates */

/** Octets lent by a struct store_rows. */
struct store_bytes {
	const unsigned char *data;
	size_t length;
};

struct store_cert {
	unsigned char digest[STORE_DIGEST_LENGTH];      /* of the DER */
	struct store_bytes der;
};

/** One chain as the store holds it. */
struct store_chain {
	unsigned char identity[STORE_DIGEST_LENGTH];    /* of everything in it */
	int64_t number;                                 /* the store's number for it; 0: unknown */
	char key_type[16];                              /* "RSA", "EC", "ED25519", … */
	int64_t not_before;                             /* of the leaf, Unix time */
	int64_t not_after;                              /* of the chain: its certificate that expires first */
	struct store_bytes sealed_key;                  /* or: */
	const char *key_uri;                            /* NULL where the key is sealed */
	struct store_cert certs[STORE_CERTS_MOST];      /* leaf first */
	size_t cert_count;
};

/** What a look-up found.  Reused by later look-ups; freed by store_rows_free. */
struct store_rows {
	struct store_chain chains[STORE_CHAINS_MOST];
	size_t count;
	unsigned char *arena;
	size_t used, size;
};

enum store_result { STORE_FOUND, STORE_NONE, STORE_ERROR };

/** A state of the store: equal ones have equal contents. */
struct store_version {
	uint32_t words[WALINDEX_WORDS]; /* SQLite's WAL index header, changed by each commit; or the WAL's */
	uint64_t opened;        /* counts the openings by this process; 0: not open */
	bool indexed;           /* the words are the index's: the same in all processes */
	bool certain;           /* false: neither is there, or it is changing now: ask the store itself */
};

struct children;
struct store;

/** What to do about SQLite's `rc` for the store at `path`, to append to its message; or "". */
const char *store_fix(const char *path, int rc);

/** Prepare to read the store at `path`; opens nothing yet.  NULL if out of memory. */
struct store *store_new(const char *path);

/**
 * Let children forked by this process see whether the store has changed without opening it, while
 * it stays open here.  Borrows `children`.
 */
void store_share(struct store *, struct children *children);
void store_free(struct store *);

/**
 * Open it, or reopen it if it was replaced or this process has forked; does nothing if it is open
 * and in place.
 */
int store_open(struct store *, struct snicert_error *err);

/** Whether store_open has something to do.  Costs three stat(2); any thread, any time. */
bool store_moved(struct store *);

/** Whether it is open, or just being reopened; any thread, any time, without a system call. */
bool store_is_open(struct store *);

/** The state now, by one system call that never waits; any thread, any time. */
void store_version(struct store *, struct store_version *out);
bool store_version_equal(const struct store_version *a, const struct store_version *b);

/** Owner of the open file; (uid_t)-1 while none is open. */
uid_t store_owner(const struct store *);

/**
 * The chains bound to a key: one indexed look-up.  STORE_ERROR sets *err; a locked or half
 * recovered store is closed, to be reopened.
 */
enum store_result store_lookup(struct store *, const struct name *key, struct store_rows *rows,
    struct snicert_error *err);

/**
 * The keys that follow `after` ("": the first ones), in order: at most *count, which is then set to
 * their number.  STORE_NONE if none is left.
 */
enum store_result store_keys(struct store *, const char *after, struct name *keys, size_t *count,
    struct snicert_error *err);

/** Whether any fallback by local address exists; whether any name is a wildcard. */
enum store_result store_has_address_fallback(struct store *, struct snicert_error *err);
enum store_result store_has_wildcard(struct store *, struct snicert_error *err);

/** Copy octets into the rows' arena, and a NUL behind them; *offset, since the arena may move.  -1
 * if no memory. */
int store_rows_keep(struct store_rows *, const void *data, size_t length, size_t *offset);

/** The number of the last change.  STORE_NONE: nothing changed yet. */
enum store_result store_sequence(struct store *, uint64_t *out, struct snicert_error *err);

void store_rows_free(struct store_rows *);

/**
 * Around fork(): no thread is half-way through asking.  In the child the connection is then the
 * parent's.
 */
void store_before_fork(struct store *);
void store_after_fork(struct store *, bool in_child);
bool store_is_forked(struct store *);

/**
 * Close what was inherited.  Do it for all stores of the process before reopening any: they share
 * SQLite's record of the process's locks, which the child does not hold.
 */
void store_drop_inherited(struct store *);

#endif
