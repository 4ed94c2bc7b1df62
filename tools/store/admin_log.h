/* SPDX-License-Identifier: ISC */
/* admin_log.h: reading the store's change log. */
#ifndef SNICERT_ADMIN_LOG_H
#define SNICERT_ADMIN_LOG_H

#include "store/admin.h"

struct admin_change {
	int64_t sequence, at;           /* Unix time */
	const char *user;               /* who ran the tool */
	const char *sudo;               /* by sudo, for this user; NULL */
	int64_t pid;                    /* 0: not known (of a release that kept none) */
	const char *what;
	const char *key;                /* a name or fallback; NULL */
	int64_t chain;                  /* 0: none */
	const char *detail;             /* NULL */
};

/** Which changes: all of these are to be fulfilled; 0 and NULL ask for nothing. */
struct admin_log_filter {
	int64_t after;                  /* sequence greater than this */
	int64_t since;                  /* Unix time */
	const char *key;
	int64_t chain;
	int64_t last;                   /* this many, the latest */
};

typedef int admin_each_change_fn(void *arg, const struct admin_change *);

/** The latest first. */
int admin_changes(struct admin *, const struct admin_log_filter *, admin_each_change_fn *, void *arg,
    struct snicert_error *err);

#endif
