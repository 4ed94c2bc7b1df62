/* SPDX-License-Identifier: ISC */
/*
 * renewal.h: which names a new chain may take over from others.
 *
 * A chain *renews* another of its key type that has its lineage, its public key, its common name,
 * its names (or, without any, its IP addresses) or, of those names, serves none that this one
 * lacks; or that is certbot's twin of it (lineage.h), with a name in common.  It lasts at least as long, or the other has expired, or, of one lineage, it was issued
 * later; and clients can verify it if they can verify the other.  A chain takes over everything
 * from those it renews: the names both certify, the names bound on purpose (vanity names), and the
 * fallback.
 *
 * Any other chain with a wanted name is in the way, and stays unless forced; a chain that would
 * have renewed this one supersedes it.
 */
#ifndef SNICERT_RENEWAL_H
#define SNICERT_RENEWAL_H

#include "intake/chain_ids.h"
#include "intake/relation.h"
#include "name.h"
#include "snicert.h"
#include "store/admin.h"

/** A renewed chain. */
struct renewal_of {
	int64_t chain;
	enum renewal_why why;
};

struct renewal {
	bool force;             /* take names from chains that it doesn't renew */
	bool inherit;           /* inherit vanity names and fallbacks of renewed chains */
	bool yield;             /* leave names to chains that supersede it: no error */
	bool lenient;           /* a continuing lineage leaves strangers' names: *contested says so */
	bool existed;           /* it was there before: what left it stays where it is */
	bool blocked;           /* out: failed for a chain in the way, which may leave later */
	bool alone;             /* no other key type comes with it: its lineage has changed key types */
	const struct chain_ids *seen; /* chains to leave names to as with yield; NULL */
	int64_t kept;           /* chains up to this id outlive a roll-back; 0: all do */
	const char *origin;     /* its source, for errors; NULL */
	const char *place;      /* its lineage with links followed, beside the one it has; NULL */
	int (*moved)(void *arg, const char *key, int64_t former); /* per key it gets; former 0: none */
	void *moved_arg;        /* moved may be NULL; -1: no memory */
	int added;              /* out: names that had no chain */
	int renewed;            /* out: keys taken over */
	int unchanged;          /* out: keys it already had */
	int left;               /* out: names that left it and stay */
	int64_t superseded_by;  /* out: a chain that kept names; 0: none */
	char contested[508];    /* out: name that another chain blocks, lineage went on; "": none */
	struct renewal_of *renews; /* out: what it renews; renewal_clear() */
	size_t renews_count;
};

/** Bind a chain to names (normalised).  Returns 0, or -1 with *err naming the chain in the way. */
int renewal_bind(struct admin *, int64_t chain, const struct name *names, size_t count,
    struct renewal *, struct snicert_error *err);

/** Free what it found. */
void renewal_clear(struct renewal *);

/** A valid chain, of any key type, that serves all of these names; *by 0: none. */
int renewal_superseded(struct admin *, int64_t chain, const struct name *names, size_t count, int64_t *by,
    struct snicert_error *err);

/** "same lineage", "same key" … */
const char *renewal_why_text(enum renewal_why);

/** Whether `fresh` renews `old`. */
int renewal_is(struct admin *, int64_t fresh_id, int64_t old_id, bool *is_renewal,
    struct snicert_error *err);

#endif
