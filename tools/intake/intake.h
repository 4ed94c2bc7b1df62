/* SPDX-License-Identifier: ISC */
/*
 * intake.h: from a bag of keys and certificates into the store: assembled,
 * checked, sealed, bound.  The caller has the transaction.
 */
#ifndef SNICERT_INTAKE_H
#define SNICERT_INTAKE_H

#include <stdbool.h>

#include "intake/assemble.h"
#include "intake/chain_ids.h"
#include "intake/bag.h"
#include "intake/pending_key.h"
#include "name.h"
#include "seal.h"
#include "store/admin.h"

enum intake_result { INTAKE_ADDED, INTAKE_RENEWED, INTAKE_UNCHANGED, INTAKE_STAGED, INTAKE_SUPERSEDED };

/** So many are worth a table; a million are not worth the memory. */
#define INTAKE_LISTED 100

/** One chain that was taken in, or looked at. */
struct intake_chain {
	int64_t id;                     /* 0: superseded, and not in the store */
	enum intake_result result;
	int64_t superseded_by;          /* the chain that serves its names; 0: none */
	char key_type[16];
	int64_t not_after;
	unsigned char leaf[STORE_DIGEST_LENGTH];
	char *names;                    /* space-separated */
	char *lineage;                  /* NULL: none */
	char **renews;                  /* "chain 3: same lineage /etc/…" */
	size_t renews_count;
	int64_t same_key_as;            /* a chain that was active with this public key; 0: none */
	char *source;
	char **warnings;
	size_t warning_count;
};

/*
 * as_told: names may be fallbacks, and names that the certificate lacks are bound
 * with a warning, since a server was told to serve them so.  Of two chains of one
 * key type the one that came first has the name.  Nothing else is taken over from
 * what a chain renews: the source says all.
 */
struct intake {
	/* Set by the caller, borrowed: */
	struct admin *admin;
	const struct seal *seal;
	const struct name *names;       /* --name: in place of the certificates' own */
	size_t name_count;
	bool bind;                      /* false: --no-bind */
	bool as_told;                   /* another server's configuration gave the names: see below */
	bool own_too;                   /* with as_told: the certificate's own, too */
	const struct name *except;      /* with as_told: but not these */
	size_t except_count;
	bool stage;
	bool keep_root;                 /* --keep-root: sent, where it was given */
	bool force;
	bool yield;                     /* what a chain of the store supersedes is no error: of directories not all is meant */
	const char *lineage;            /* --lineage, or NULL: by where the files are */
	const char *owner;              /* --owner, or NULL */
	bool news_only;                 /* leave alone what the store has already, in whatever state */
	const char *key_uri;            /* where the one private key is, instead of in the bag */
	bool brief;                     /* beyond INTAKE_LISTED only what there is something to say of is kept */

	/* Out: */
	struct intake_chain *chains;
	size_t chain_count;
	size_t unlisted;                /* taken in, and not among them */
	struct pending_key_supplies supplies; /* of the bag at hand */
	struct chain_ids seen;          /* the chains that came in this run */
	bool may_come_later;            /* the last bag failed for what another one may fix: it has expired, or a chain is in the way */
	int64_t kept;                   /* the store's last chain before this run; -1: there was none, 0: not asked */
	char labelled[8][16];           /* key types that `lineage` was given to */
	size_t labelled_count;
	int added, renewed, unchanged;  /* keys bound */
};

/** Take in what is in a bag.  Returns 0, or -1 with *err set and nothing added to `chains`. */
int intake_bag(struct intake *, struct bag *, struct snicert_error *err);

void intake_free(struct intake *);

/** "added", "renewed", "unchanged", "staged", "superseded" */
const char *intake_result_text(enum intake_result);

#endif
