/* SPDX-License-Identifier: ISC */
/*
 * journal.h: what `snicert setup --apply` changed, in the directory setup/ beside the store: a
 * line for each change in `journal`, and the file as it was and as it became in
 * NUMBER.before and NUMBER.after.  Kinds of lines:
 *
 *     change      of a file
 *     use         of what another server's change has put in a file
 *     restarted   the server, since its last change
 */
#ifndef SNICERT_JOURNAL_H
#define SNICERT_JOURNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

struct journal_entry {
	char kind[16];
	unsigned number;        /* of its copies */
	char server[64];
	char path[PATH_MAX];    /* "-" for none */
};

struct journal {
	char directory[PATH_MAX];
	struct journal_entry *entries;
	size_t count;
	int lock;
};

/** Read what is there, and lock it until it is closed. */
int journal_open(struct journal *, const char *store_path, struct snicert_error *err);
void journal_close(struct journal *);

/** Whether there is such a line; NULL is any. */
bool journal_has(const struct journal *, const char *kind, const char *server, const char *path);

/** Record a change in advance.  Ends the server's "restarted". */
int journal_change(struct journal *, const char *server, const char *path, const char *before, const char *after,
    struct snicert_error *err);
int journal_mark(struct journal *, const char *kind, const char *server, const char *path, struct snicert_error *err);

/** A change's copies; NULL if there was no file.  The caller frees them. */
int journal_copies(const struct journal *, const struct journal_entry *, char **before, char **after,
    struct snicert_error *err);
int journal_rewrite(const struct journal *, const struct journal_entry *, const char *before, const char *after,
    struct snicert_error *err);

/** Forget a line and its copies; write all lines. */
void journal_drop(struct journal *, struct journal_entry *);
int journal_save(const struct journal *, struct snicert_error *err);

#endif
