/* SPDX-License-Identifier: ISC */
/*
 * intake.h: from a bag of keys and certificates into the store: assembles, checks, seals, binds.
 * The caller has the transaction.
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

/** This many fit in a table; a million aren't worth the memory. */
#define INTAKE_LISTED 100

/** One imported or examined chain. */
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
	int64_t same_key_as;            /* a chain already active with this public key; 0: none */
	char *source;
	char **warnings;
	size_t warning_count;
};

/*
 * as_told: names may be fallbacks, and names that the certificate lacks are bound with a warning,
 * since a server is configured to serve them.  Of two chains of one key type, the first gets the
 * name.  Nothing else is inherited from what a chain renews: the source says everything.
 */
struct intake {
	/* Set by the caller, borrowed: */
	struct admin *admin;
	const struct seal *seal;
	const struct name *names;       /* --name: instead of the certificates' own */
	size_t name_count;
	bool bind;                      /* false: --no-bind */
	bool as_told;                   /* names from another server's configuration: see above */
	bool own_too;                   /* with as_told: also the certificate's own */
	const struct name *except;      /* with as_told: but not these */
	size_t except_count;
	bool stage;
	bool keep_root;                 /* --keep-root: send it if given */
	bool force;
	bool yield;                     /* being superseded by the store is no error, as for directories */
	const char *lineage;            /* --lineage, or NULL: by where the files are */
	const char *owner;              /* --owner, or NULL */
	bool news_only;                 /* leave alone what the store already has, in any state */
	const char *key_uri;            /* where the only private key is, if not in the bag */
	bool brief;                     /* beyond INTAKE_LISTED, keep only chains with something to report */

	/* Out: */
	struct intake_chain *chains;
	size_t chain_count;
	size_t unlisted;                /* imported, but not among them */
	struct pending_key_supplies supplies; /* of the current bag */
	struct chain_ids seen;          /* chains of this run */
	bool may_come_later;            /* last bag may succeed later: expired, or a chain is in the way */
	bool is_ca;                     /* out: the failed chain is a CA's, for no host */
	int64_t kept;                   /* the store's last chain before this run; -1: none, 0: not asked */
	char labelled[8][16];           /* key types that got `lineage` */
	size_t labelled_count;
	int added, renewed, unchanged;  /* keys bound */
};

/** Import a bag's chains.  Returns 0, or -1 with *err set and nothing added to `chains`. */
int intake_bag(struct intake *, struct bag *, struct snicert_error *err);

void intake_free(struct intake *);

/** "added", "renewed", "unchanged", "staged", "superseded" */
const char *intake_result_text(enum intake_result);

#endif
