/* SPDX-License-Identifier: ISC */
/*
 * batch.h: groups of files into the store by the code of `import`, where a
 * program asks for it: a client's hook, a tree that is watched.  Nobody is there
 * to type a passphrase.
 */
#ifndef SNICERT_BATCH_H
#define SNICERT_BATCH_H

#include <getopt.h>
#include <stdbool.h>

#include "intake/intake.h"
#include "tool.h"

struct batch {
	struct tool *tool;
	struct intake in;               /* what was taken in, until batch_close */
	struct name *names;             /* --name; in.names */
	bool take;
	struct seal *seal;
};

/** The options of `import` that say what is done with what comes; for lists of options and take_option. */
#define BATCH_OPTIONS { "name", required_argument, NULL, 'n' }, { "no-bind", no_argument, NULL, 'b' }, \
	{ "stage", no_argument, NULL, 's' }, { "owner", required_argument, NULL, 'o' }

/** One of them.  Borrows optarg.  Returns 0, or -1 with *err set. */
int batch_option(struct batch *, int option, struct snicert_error *err);
int batch_options_check(const struct batch *, struct snicert_error *err);

/** Open store and key, and begin a transaction.  What fails leaves nothing open. */
int batch_begin(struct batch *, struct snicert_error *err);
/** Files that belong together; one that fails leaves nothing of it behind.  *lost: the whole batch is. */
int batch_add(struct batch *, const char *const *files, size_t count, bool *lost, struct snicert_error *err);
int batch_add_bag(struct batch *, struct bag *, bool *lost, struct snicert_error *err);
/** Commit, or undo all.  Returns -1 with *err set where nothing was committed. */
int batch_end(struct batch *, bool keep, struct snicert_error *err);

/** One line about what became of a chain, and one for each warning; with --json an object each. */
void batch_tell(struct batch *, const struct intake_chain *, const char *path);
/** The same about anything else; `path` NULL: about nothing in particular. */
void batch_say(const struct tool *, const char *event, const char *path, const char *text);

/** Close the store and forget the results; the options stay. */
void batch_close(struct batch *);
void batch_free(struct batch *);

#endif
