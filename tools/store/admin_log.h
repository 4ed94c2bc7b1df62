/* SPDX-License-Identifier: ISC */
/* admin_log.h: reading the store's change log. */
#ifndef SNICERT_ADMIN_LOG_H
#define SNICERT_ADMIN_LOG_H

#include "store/admin.h"

struct admin_change {
	int64_t sequence, at;           /* Unix time */
	const char *user;               /* who ran the tool */
	const char *sudo;               /* the user who ran sudo; NULL */
	int64_t pid;                    /* 0: unknown (older releases kept none) */
	const char *what;
	const char *key;                /* a name or fallback; NULL */
	int64_t chain;                  /* 0: none */
	const char *detail;             /* NULL */
};

/** Which changes: must match all of these; 0 and NULL match any. */
struct admin_log_filter {
	int64_t after;                  /* sequence greater than this */
	int64_t since;                  /* Unix time */
	const char *key;
	int64_t chain;
	int64_t last;                   /* the latest so many */
};

typedef int admin_each_change_fn(void *arg, const struct admin_change *);

/** Latest first. */
int admin_changes(struct admin *, const struct admin_log_filter *, admin_each_change_fn *, void *arg,
    struct snicert_error *err);

/** Who runs this, as in the log.  May read a file or use the network: ask once. */
void admin_log_user(char *out, size_t size);

#endif
