/* SPDX-License-Identifier: ISC */
/*
 * verify.h: whether a store is whole: its file, each chain, and what keys refer to.  Only the
 * current chain is in memory.
 */
#ifndef SNICERT_VERIFY_H
#define SNICERT_VERIFY_H

#include <openssl/x509.h>

#include "chain.h"
#include "seal.h"
#include "show/report.h"
#include "store/admin.h"
#include "tool.h"
#include "verify/gather.h"

#define VERIFY_UNCOVERED 3      /* names that a finding lists */

/* An import trusts an existing chain, so remove it first. */
#define VERIFY_RESTORE "`snicert restore` a backup"
#define VERIFY_IMPORT_AGAIN "`snicert remove --force` it and import it again"

struct verify {
	struct tool *tool;
	struct admin *admin;
	struct report *report;
	struct gather *gather;          /* for people; NULL: each finding at once, for programs */
	struct seal *seal;              /* NULL: store key unreadable */
	struct chain_codec *codec;
	struct store_rows rows;
	time_t now;
	int64_t done, names, errors, warnings;
	int64_t foreign, foreign_first; /* sealed under a key we don't have */
	bool fallback;

	/* The current chain. */
	const struct admin_chain *chain;
	char what[400];
	X509 *certs[STORE_CERTS_MOST];
	int64_t uncovered;
	char uncovered_names[VERIFY_UNCOVERED * 260];
	struct snicert_error err;
};

enum verify_severity { VERIFY_WARNING, VERIFY_ERROR };

/** A finding on the current chain, or (chain NULL) on `what`.  `fix` may be NULL. */
void verify_finding(struct verify *, enum verify_severity, const char *code, const char *fix,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/** Verify the store, into v->report.  -1: it can't be read. */
int verify_all(struct verify *);

/** One chain of it. */
int verify_chain(struct verify *, const struct admin_chain *);

#endif
