/* SPDX-License-Identifier: ISC */
/*
 * admin.h: the store, write side.  Only admin*.c, module/store*.c and module/walindex.c see SQLite.
 *
 * A *key* here is what bindings belong to: a normalised name, "*.parent", or a fallback's
 * "@…" (name.h).  Every change happens within admin_begin and admin_commit: a reader sees all
 * of it or none.
 */
#ifndef SNICERT_ADMIN_H
#define SNICERT_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snicert.h"
#include "store.h"

#define ADMIN_FORMER_KEPT 3 /* former chains kept per name and key type, for roll-back */

struct admin;

enum admin_mode { ADMIN_READ, ADMIN_WRITE };

/** Create an empty store; `group` (gid_t)-1: owner only.  Fails if the file exists. */
int admin_create(const char *path, gid_t group, struct snicert_error *err);

/** Open a store; ADMIN_WRITE upgrades an older schema first. */
int admin_open(struct admin **out, const char *path, enum admin_mode mode,
    struct snicert_error *err);
void admin_close(struct admin *);

/** How long to wait for another program that writes; by default 30 seconds. */
void admin_wait(unsigned seconds);
/** Whether a line on standard error says who we wait for; by default it does. */
void admin_wait_says(bool wanted);

int admin_begin(struct admin *, struct snicert_error *err);
int admin_commit(struct admin *, struct snicert_error *err);
void admin_rollback(struct admin *);

/** Read only: everything as of the first query, until admin_rollback. */
int admin_snapshot(struct admin *, struct snicert_error *err);

/** Within a transaction: a part that can be undone alone. */
int admin_savepoint(struct admin *, struct snicert_error *err);
int admin_release(struct admin *, bool keep, struct snicert_error *err);

/** Write a line of the change log: what was done to which key and chain (0: none). */
int admin_log(struct admin *, const char *what, const char *key, int64_t chain,
    const char *detail, struct snicert_error *err);

/** How many days to keep a line of it; by default 365. */
void admin_log_days(unsigned days);

/** A chain to add.  All borrowed. */
struct admin_new_chain {
	unsigned char identity[STORE_DIGEST_LENGTH];
	unsigned char spki[STORE_DIGEST_LENGTH];
	const char *key_type;
	int64_t not_before;             /* of the leaf */
	int64_t not_after;              /* of the chain: path_end() */
	int64_t lifetime;               /* of what expires then, seconds; 0: the leaf's */
	const char *names;              /* the certificate's names, space-separated */
	const char *subject;            /* the leaf's common name, or "" */
	const char *source;             /* where it came from */
	const char *lineage;            /* where its renewals will come from; NULL: from anywhere */
	const unsigned char *sealed_key;
	size_t sealed_length;
	const char *key_uri;            /* instead of the sealed key; NULL */
	struct admin_new_cert {
		unsigned char digest[STORE_DIGEST_LENGTH];
		const unsigned char *der;
		size_t length;
		bool issuer;                    /* not the leaf: can complete other chains */
		int64_t subject_hash;           /* of an issuer: cert_name_hash() */
	} certs[STORE_CERTS_MOST];
	size_t cert_count;
};

/** Add a chain as *staged*; *existed: the same one was there. */
int admin_add(struct admin *, const struct admin_new_chain *, int64_t *id, bool *existed,
    struct snicert_error *err);

/** A chain of the store, without key and certificates.  Lent to a callback. */
struct admin_chain {
	int64_t id;
	const unsigned char *identity, *spki, *leaf;    /* SHA-256 each */
	const char *state;              /* "staged", "active", "retired" */
	const char *key_type;
	int64_t not_before, not_after, created;
	int64_t lifetime;               /* of its certificate that expires first, in seconds */
	const char *names;
	const char *subject;
	const char *source;
	const char *key_uri;
	int64_t bindings;               /* number of keys bound to it */
	const char *owner;              /* NULL: no owner */
	const char *lineage;            /* NULL: unknown */
};

typedef int admin_each_chain_fn(void *arg, const struct admin_chain *);
typedef int admin_each_key_fn(void *arg, const char *key, const char *key_type, int64_t chain);

/** The chains, by id: all (state NULL), of a state, or one (id not 0).  A callback's -1 ends it. */
int admin_chains(struct admin *, int64_t id, const char *state, admin_each_chain_fn *,
    void *arg, struct snicert_error *err);

/** The active chains that expire up to `before` (Unix time), soonest first. */
int admin_expiring(struct admin *, int64_t before, admin_each_chain_fn *, void *arg,
    struct snicert_error *err);

/** The bindings: all (key NULL), of a key, or of a chain (chain not 0). */
int admin_bindings(struct admin *, const char *key, int64_t chain, admin_each_key_fn *,
    void *arg, struct snicert_error *err);

/** The bindings of the local addresses' fallbacks. */
int admin_address_fallbacks(struct admin *, admin_each_key_fn *, void *arg, struct snicert_error *err);

/** The keys that a staged chain will be bound to. */
int admin_staged(struct admin *, int64_t chain, admin_each_key_fn *, void *arg,
    struct snicert_error *err);

/** Since when (Unix time) a chain has been staged; 0: it waits for a person. */
int admin_staged_since(struct admin *, int64_t chain, int64_t *since, struct snicert_error *err);

/** The chains staged for any name, by id. */
int admin_staged_chains(struct admin *, admin_each_chain_fn *, void *arg, struct snicert_error *err);

/** The former chains of a key, the latest first. */
int admin_formers(struct admin *, const char *key, admin_each_key_fn *, void *arg,
    struct snicert_error *err);

/**
 * Steps: chains that a key leaves or gets in one transaction have the same number, greater than all
 * before; 0 in stores of older releases.  The last step of a key that can be undone without leaving
 * it nothing, for a key type or (NULL) all; -1: none.
 */
int admin_last_step(struct admin *, const char *key, const char *key_type, int64_t *step,
    struct snicert_error *err);
/** The chains that a key had before a step, one per key type involved; 0: it had none. */
int admin_formers_at(struct admin *, const char *key, int64_t step, admin_each_key_fn *, void *arg,
    struct snicert_error *err);
/** The keys that left a chain in a step and still have none. */
int admin_left_at(struct admin *, int64_t chain, int64_t step, admin_each_key_fn *, void *arg,
    struct snicert_error *err);
/** Forget what a key had in a step. */
int admin_forget_step(struct admin *, const char *key, const char *key_type, int64_t step,
    struct snicert_error *err);

/** The chain bound to a key for a key type; 0: none. */
int admin_bound(struct admin *, const char *key, const char *key_type, int64_t *chain,
    struct snicert_error *err);

/** Find the one chain for an id or a prefix (4 digits or more) of the leaf's SHA-256. */
int admin_resolve(struct admin *, const char *text, int64_t *id, struct snicert_error *err);

/** Bind a key to a chain; remembers the chain of the same key type that it replaces. */
int admin_bind(struct admin *, const char *key, int64_t chain, struct snicert_error *err);
/** The same for roll-back: it is no step that could be undone. */
int admin_bind_back(struct admin *, const char *key, int64_t chain, struct snicert_error *err);
/** Unbind a key from its chain of a key type (NULL: all); *count tells how many. */
int admin_unbind(struct admin *, const char *key, const char *key_type, int *count,
    struct snicert_error *err);
/** Note to bind a key to a chain once it is activated; `since` 0: only when a person says so. */
int admin_stage(struct admin *, const char *key, int64_t chain, int64_t since,
    struct snicert_error *err);
int admin_unstage(struct admin *, int64_t chain, struct snicert_error *err);
/** Forget that a key was once bound to `chain`. */
int admin_forget_former(struct admin *, const char *key, int64_t chain,
    struct snicert_error *err);
/** Set a chain's state by hand (to "staged"). */
int admin_set_state(struct admin *, int64_t chain, const char *state, struct snicert_error *err);
/** Delete a chain and all that refers to it. */
int admin_remove(struct admin *, int64_t chain, struct snicert_error *err);

/** A chain's certificates and key as stored. */
int admin_load(struct admin *, int64_t id, struct store_rows *rows,
    struct snicert_error *err);

/** The DER of intermediates whose subject has this cert_name_hash(). */
int admin_issuers(struct admin *, int64_t subject_hash,
    int (*each)(void *arg, const unsigned char *der, size_t length), void *arg,
    struct snicert_error *err);

/** A key that waits for its certificate.  Lent to a callback. */
struct admin_pending_key {
	int64_t id;
	const char *key_type;
	const unsigned char *identity;  /* what it is sealed for */
	const unsigned char *spki;      /* SHA-256 of: */
	const unsigned char *public_key;/* its SubjectPublicKeyInfo */
	size_t public_length;
	const char *names;              /* space-separated */
	int64_t created;
	const unsigned char *sealed_key;
	size_t sealed_length;
	const char *key_uri;            /* instead of the sealed key; NULL */
};
typedef int admin_each_pending_key_fn(void *arg, const struct admin_pending_key *);

/** Add one (sets `id` and `created`). */
int admin_add_pending_key(struct admin *, const struct admin_pending_key *, int64_t *id,
    struct snicert_error *err);
/** All by id, or one (id not 0). */
int admin_pending_keys(struct admin *, int64_t id, admin_each_pending_key_fn *, void *arg,
    struct snicert_error *err);
/** Those for a name; that of a public key. */
int admin_pending_keys_for(struct admin *, const char *name, admin_each_pending_key_fn *, void *arg,
    struct snicert_error *err);
int admin_pending_key_of(struct admin *, const unsigned char *spki, admin_each_pending_key_fn *, void *arg,
    struct snicert_error *err);
/** Delete one; *found tells whether it was there. */
int admin_remove_pending_key(struct admin *, int64_t id, bool *found, struct snicert_error *err);
/** The newest chain of this public key; 0: none. */
int admin_chain_of_key(struct admin *, const unsigned char *spki, int64_t *chain,
    struct snicert_error *err);

/** The newest active chain of this public key; 0: none. */
int admin_active_of_key(struct admin *, const unsigned char *spki, int64_t *chain,
    struct snicert_error *err);

/**
 * Replace each sealed key that is not sealed under the store key of this id (SEAL_ID_LENGTH octets) with that of
 * `reseal`; at most `most`.  *count tells how many.
 */
typedef int admin_reseal_fn(void *arg, const unsigned char *identity, const unsigned char *sealed,
    size_t length, unsigned char **out, size_t *out_length, struct snicert_error *err);
int admin_rekey(struct admin *, const unsigned char *id, int64_t most, admin_reseal_fn *reseal, void *arg,
    int64_t *count, struct snicert_error *err);

/** Reports the progress of a backup, in pages. */
typedef void admin_copied_fn(void *arg, int done, int all);
void admin_on_copied(struct admin *, admin_copied_fn *, void *arg);

/** Copy the store to a new file, which appears when complete. */
int admin_backup(struct admin *, const char *path, struct snicert_error *err);
/**
 * Restore a backup's content into this store, if it is whole and `check` (may be NULL)
 * accepts it; it is called when nobody else can write.
 */
typedef int admin_check_fn(void *arg, struct admin *backup, struct snicert_error *);
int admin_restore(struct admin *, const char *path, admin_check_fn *check, void *arg,
    struct snicert_error *err);

/** One sealed key per store key (two if keys wait for certificates). */
typedef int admin_each_sealed_fn(void *arg, const unsigned char *sealed, size_t length);
int admin_sealed(struct admin *, admin_each_sealed_fn *, void *arg, struct snicert_error *err);

/** SQLite's own check of the file and its references: calls `each` for every fault. */
int admin_integrity(struct admin *, void (*each)(void *arg, const char *fault), void *arg,
    struct snicert_error *err);

/** Totals for a summary. */
struct admin_totals {
	int64_t chains, staged, active, retired, names, fallbacks, certs, sequence;
};
int admin_totals(struct admin *, struct admin_totals *out, struct snicert_error *err);

#endif
