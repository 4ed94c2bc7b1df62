/* SPDX-License-Identifier: ISC */
/*
 * suggest.h: what in the store would serve names that nobody has bound.
 *
 * For all names at once: the store is gone through twice, however many names
 * there are on either side.
 */
#ifndef SNICERT_SUGGEST_H
#define SNICERT_SUGGEST_H

#include "name.h"
#include "store/admin.h"

enum suggest_kind {
	SUGGEST_NOTHING,        /* the store knows nothing of the kind */
	SUGGEST_BOUND,          /* it is bound by now, or a wildcard is that covers it: `near` */
	SUGGEST_COVERED,        /* the certificate of a chain has it that can be bound */
	SUGGEST_STAGED,         /* … of one that is staged, and waits to be activated */
	SUGGEST_ONE_LABEL,      /* `near` is a wildcard, and the name has one label more, or one less */
	SUGGEST_TYPO,           /* `near` is one letter away: more, less, another, or two exchanged */
	SUGGEST_KINDS
};

struct suggestion {
	const char *name;               /* set by the caller, who lends it: normalised */
	enum suggest_kind kind;
	int64_t chain;                  /* of COVERED, STAGED; else of `near` */
	unsigned char leaf[STORE_DIGEST_LENGTH];        /* of COVERED, STAGED */
	int64_t not_after;
	char near[NAME_MAX_LENGTH + 3]; /* "": none */
};

/** "nothing", "bound", "covered", … */
const char *suggest_word(enum suggest_kind);

/** Fill the rest in.  Returns 0, or -1 with *err set. */
int suggest(struct admin *, struct suggestion *list, size_t count, struct snicert_error *err);

/** Whether a name is bound, or a wildcard that covers it. */
int suggest_bound(struct admin *, const char *name, bool *bound, struct snicert_error *err);

#endif
