/* SPDX-License-Identifier: ISC */
/*
 * rollover.h: what a new key means for DANE: which names get it instead of another, and whether
 * their published TLSA records have it.
 */
#ifndef SNICERT_ROLLOVER_H
#define SNICERT_ROLLOVER_H

#include "config.h"
#include "dane/tlsa_file.h"
#include "name.h"
#include "snicert.h"
#include "store/admin.h"

/** A key of the store that got a chain. */
struct rollover_move {
	struct name key;
	int64_t former;         /* chain; 0: none */
	bool same_key;          /* the former had the same public key */
	bool published;         /* a given record has it */
};

/** Start with all zero, except `admin`, `chain` and what records need. */
struct rollover {
	struct admin *admin;
	int64_t chain;
	const struct tlsa_file *records;        /* --require-tlsa, or NULL */
	long port;                              /* whose records count */
	const struct config *config;            /* needed with records */
	char *notes;                            /* on useless records */
	struct rollover_move *moves;
	size_t count;
};

/** Notes a move; struct renewal's `moved`. */
int rollover_note(void *rollover, const char *key, int64_t former);

/**
 * After the moves: which of them change the key; and, if there are records, whether they have it.
 * -1 with *err naming the first name whose records don't (SNICERT_ENOTFOUND).
 */
int rollover_judge(struct rollover *, struct snicert_error *err);

/** "same", "changed", "new" (no name had another before), or NULL: nothing moved. */
const char *rollover_key(const struct rollover *);

/** The names with a new key that isn't known to be in their records; free() the list, not the names. */
const char **rollover_names(const struct rollover *, size_t *count);

/** What a person should know, as one sentence; free() it.  NULL: nothing. */
char *rollover_warning(const struct rollover *);

/** Harmless but useless records that we found; the caller must free().  NULL: nothing. */
char *rollover_take_notes(struct rollover *);

void rollover_clear(struct rollover *);

#endif
