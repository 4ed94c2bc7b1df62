/* SPDX-License-Identifier: ISC */
/*
 * renewal.h: which names a new chain may take over from the chains that have them.
 *
 * A chain *renews* another of its key type that has its lineage, its public key, its
 * common name, its names (or, without any, its IP addresses) or, of those names, none
 * that this one lacks among what it serves.  It lasts at least as long, or the other has
 * expired, or, of one lineage, it was issued later; and clients can verify it if they can
 * verify the other.  What renews a chain takes over all that the other had: the names
 * both certify, the names bound to it on purpose (vanity names), and the fallback.
 *
 * Anything else that has a wanted name is in the way, and stays unless forced; a chain
 * that would have renewed this one supersedes it.
 */
#ifndef SNICERT_RENEWAL_H
#define SNICERT_RENEWAL_H

#include "intake/chain_ids.h"
#include "intake/relation.h"
#include "name.h"
#include "snicert.h"
#include "store/admin.h"

/** A chain that is renewed. */
struct renewal_of {
	int64_t chain;
	enum renewal_why why;
};

struct renewal {
	bool force;             /* take names from chains that this one does not renew */
	bool inherit;           /* take over vanity names and fallbacks of renewed chains */
	bool yield;             /* leave names to chains that supersede this one: no error */
	bool lenient;           /* a lineage that goes on leaves what is a stranger's: *contested says so */
	bool existed;           /* it was there before: what has left it stays where it is */
	bool blocked;           /* out: it failed for a chain in the way, which may go by what comes later */
	bool alone;             /* nothing of another key type comes beside it: its lineage has changed key types */
	const struct chain_ids *seen; /* chains to leave names to as if with yield; NULL */
	int64_t kept;           /* chains up to this id outlive a roll-back; 0: all do */
	const char *origin;     /* where it comes from, for errors; NULL */
	int (*moved)(void *arg, const char *key, int64_t former); /* of each key that comes; former 0: it had none */
	void *moved_arg;        /* moved may be NULL; -1: no memory */
	int added;              /* out: names that were bound to nobody */
	int renewed;            /* out: keys taken over */
	int unchanged;          /* out: keys it had already */
	int left;               /* out: names that have left it, and stay */
	int64_t superseded_by;  /* out: a chain that names were left to; 0: none */
	char contested[508];    /* out: a name in whose way another chain is, of a lineage that went on; "": none */
	struct renewal_of *renews; /* out: what it renews; renewal_clear() */
	size_t renews_count;
};

/** Bind a chain to names (normalised).  Returns 0, or -1 with *err naming the chain in the way. */
int renewal_bind(struct admin *, int64_t chain, const struct name *names, size_t count,
    struct renewal *, struct snicert_error *err);

/** Free what it found. */
void renewal_clear(struct renewal *);

/** A valid chain, of whatever key type, that serves all of these names; *by 0: there is none. */
int renewal_superseded(struct admin *, int64_t chain, const struct name *names, size_t count, int64_t *by,
    struct snicert_error *err);

/** "same lineage", "same key" … */
const char *renewal_why_text(enum renewal_why);

/** Whether `fresh` renews `old`. */
int renewal_is(struct admin *, int64_t fresh_id, int64_t old_id, bool *is_renewal,
    struct snicert_error *err);

#endif
