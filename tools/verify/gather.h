/* SPDX-License-Identifier: ISC */
/*
 * gather.h: the findings of a store as people read them: errors first, and what many chains
 * have in common once.
 */
#ifndef SNICERT_GATHER_H
#define SNICERT_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "show/report.h"
#include "snicert.h"

struct gather;

struct gather_finding {
	bool error;
	const char *code;
	int64_t chain;          /* 0: on none */
	const char *kind;       /* findings of one code, kind and fix are equal but for their details */
	const char *what;       /* "chain 3 (a.example)", "key 1 (b.example)", or anything else */
	const char *text;
	const char *fix;       /* or NULL */
};

/** The columns of the table, which gather_report() fills. */
extern const struct report_column gather_columns[];
#define GATHER_COLUMNS 4

/**
 * Into `report`, which is borrowed.  With `each` all findings are told one by one: errors as they
 * come, warnings behind them from a temporary file.  Without it equal ones are one row, and
 * memory is needed for as many rows as there are kinds.  NULL: no memory.
 */
struct gather *gather_new(struct report *report, bool each);
void gather_add(struct gather *, const struct gather_finding *);

/** Whether some row stands for several findings that it doesn't name. */
bool gather_shortened(const struct gather *);

/** The rows that were held back.  -1: some of it was lost. */
int gather_report(struct gather *, struct snicert_error *);
void gather_free(struct gather *);

#endif
