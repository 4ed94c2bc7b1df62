/* SPDX-License-Identifier: ISC */
/*
 * store.h: the store, read side.  Bytes out; knows no X509.  Together with
 * tools/store/admin*.c, which write, the only code that sees SQLite.
 *
 * A connection must not be used by two threads at once, nor cross a fork: the
 * caller (lookup.c) holds a lock, and tells of forks.  Beside that one thread,
 * any others may ask whether the store has moved on.
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
#define STORE_SCHEMA 5                  /* user_version: what the tool of this release writes */
#define STORE_SCHEMA_OLDEST 1           /* the oldest that holds all a handshake wants */

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
	unsigned char identity[STORE_DIGEST_LENGTH];    /* of everything it consists of */
	int64_t number;                                 /* what the store calls it by; 0: not known */
	char key_type[16];                              /* "RSA", "EC", "ED25519", … */
	int64_t not_before;                             /* of the leaf, Unix time */
	int64_t not_after;                              /* of the chain: of its certificate that ends first */
	struct store_bytes sealed_key;                  /* or: */
	const char *key_uri;                            /* NULL where the key is sealed */
	struct store_cert certs[STORE_CERTS_MOST];      /* leaf first */
	size_t cert_count;
};

/** What a look-up found.  Reused from one look-up to the next; freed by store_rows_free. */
struct store_rows {
	struct store_chain chains[STORE_CHAINS_MOST];
	size_t count;
	unsigned char *arena;
	size_t used, size;
};

enum store_result { STORE_FOUND, STORE_NONE, STORE_ERROR };

/** A state of the store: two that are equal hold the same. */
struct store_version {
	uint32_t words[WALINDEX_WORDS]; /* the header of SQLite's WAL index, which each commit changes; or of the WAL file */
	uint64_t opened;        /* counts the openings by this process; 0: not open */
	bool indexed;           /* the words are of the index: the same in all processes */
	bool certain;           /* false: neither is at hand, or it is just changing: ask the store itself */
};

struct children;
struct store;

/** What to do about SQLite's `rc` for the store at `path`, to be put behind its message; or "". */
const char *store_fix(const char *path, int rc);

/** Prepare to read the store at `path`; opens nothing yet.  NULL for want of memory. */
struct store *store_new(const char *path);

/**
 * Let children that this process forks see whether the store has moved on without
 * opening it, as long as it stays open here.  Borrows `children`.
 */
void store_share(struct store *, struct children *children);
void store_free(struct store *);

/**
 * Open it, or open it again where it was replaced or this process has forked;
 * does nothing where it is open and in place.
 */
int store_open(struct store *, struct snicert_error *err);

/** Whether store_open has something to do.  Costs three stat(2); any thread, any time. */
bool store_moved(struct store *);

/** Whether it is open, or just being opened again; any thread, any time, without a system call. */
bool store_is_open(struct store *);

/** The state now, by one system call that waits for nobody; any thread, any time. */
void store_version(struct store *, struct store_version *out);
bool store_version_equal(const struct store_version *a, const struct store_version *b);

/** Who owns the file that is open; (uid_t)-1 while none is. */
uid_t store_owner(const struct store *);

/**
 * The chains bound to a key: one indexed look-up.  STORE_ERROR sets *err; a
 * store that was locked or half recovered is closed, to be opened afresh.
 */
enum store_result store_lookup(struct store *, const struct name *key, struct store_rows *rows,
    struct snicert_error *err);

/**
 * The keys that follow `after` ("": the first ones), in order: *count of them at the most, and then as
 * many as there are.  STORE_NONE where none is left.
 */
enum store_result store_keys(struct store *, const char *after, struct name *keys, size_t *count,
    struct snicert_error *err);

/** Whether any fallback by local address exists; whether any name is a wildcard. */
enum store_result store_has_address_fallback(struct store *, struct snicert_error *err);
enum store_result store_has_wildcard(struct store *, struct snicert_error *err);

/** Copy octets into the arena of the rows, and a NUL behind them; *offset, since the arena may move.  -1 without memory. */
int store_rows_keep(struct store_rows *, const void *data, size_t length, size_t *offset);

/** The number of the last change.  STORE_NONE: nothing was changed yet. */
enum store_result store_sequence(struct store *, uint64_t *out, struct snicert_error *err);

void store_rows_free(struct store_rows *);

/**
 * Around fork(): nobody is half-way through asking.  In the child the
 * connection is the parent's from then on.
 */
void store_before_fork(struct store *);
void store_after_fork(struct store *, bool in_child);
bool store_is_forked(struct store *);

/**
 * Close what was inherited.  Of all stores of the process, before any of them is
 * opened again: they share SQLite's record of the locks that the process
 * holds, which the child does not.
 */
void store_drop_inherited(struct store *);

#endif
