/* SPDX-License-Identifier: ISC */
/*
 * gather.h: the findings of a store for people: errors first, and what many chains share only once.
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
	int64_t chain;          /* 0: none */
	const char *kind;       /* findings with equal code, kind and fix differ only in details */
	const char *what;       /* "chain 3 (a.example)", "key 1 (b.example)", or anything else */
	const char *text;
	const char *fix;       /* or NULL */
};

/** The columns of the table, which gather_report() fills. */
extern const struct report_column gather_columns[];
#define GATHER_COLUMNS 4

/**
 * Into `report`, which is borrowed.  `each` reports all findings one by one: errors at once, then
 * warnings from a temporary file.  Otherwise equal ones share a row, and memory grows with the
 * number of kinds.  NULL: no memory.
 */
struct gather *gather_new(struct report *report, bool each);
void gather_add(struct gather *, const struct gather_finding *);

/** Whether a row stands for several findings without naming all. */
bool gather_shortened(const struct gather *);

/** The rows held back.  -1: some were lost. */
int gather_report(struct gather *, struct snicert_error *);
void gather_free(struct gather *);

#endif
