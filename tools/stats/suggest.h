/* SPDX-License-Identifier: ISC */
/*
 * suggest.h: what in the store would serve names that nobody has bound.
 *
 * Handles all names at once: reads the store twice, however many names there are on either side.
 */
#ifndef SNICERT_SUGGEST_H
#define SNICERT_SUGGEST_H

#include "name.h"
#include "store/admin.h"

enum suggest_kind {
	SUGGEST_NOTHING,        /* the store has nothing similar */
	SUGGEST_BOUND,          /* now bound, or covered by a wildcard that is: `near` */
	SUGGEST_COVERED,        /* a chain that can be bound has it in its certificate */
	SUGGEST_STAGED,         /* … a staged one, waiting to be activated */
	SUGGEST_ONE_LABEL,      /* `near` is a wildcard, and the name has one label more or less */
	SUGGEST_TYPO,           /* `near` is one letter away: more, less, another, or two swapped */
	SUGGEST_KINDS
};

struct suggestion {
	const char *name;               /* set and lent by the caller: normalised */
	enum suggest_kind kind;
	int64_t chain;                  /* of COVERED, STAGED; else of `near` */
	unsigned char leaf[STORE_DIGEST_LENGTH];        /* of COVERED, STAGED */
	int64_t not_after;
	char near[NAME_MAX_LENGTH + 3]; /* "": none */
};

/** "nothing", "bound", "covered", … */
const char *suggest_word(enum suggest_kind);

/** Fill in the rest.  Returns 0, or -1 with *err set. */
int suggest(struct admin *, struct suggestion *list, size_t count, struct snicert_error *err);

/** Whether a name or a wildcard that covers it is bound. */
int suggest_bound(struct admin *, const char *name, bool *bound, struct snicert_error *err);

#endif
