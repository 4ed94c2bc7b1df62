/* SPDX-License-Identifier: ISC */
/*
 * batch.h: importing groups of files with the code of `import`, for programs: a client's hook, a
 * watched tree.  Nobody can type a passphrase.
 */
#ifndef SNICERT_BATCH_H
#define SNICERT_BATCH_H

#include <getopt.h>
#include <stdbool.h>

#include "intake/intake.h"
#include "tool.h"

struct batch {
	struct tool *tool;
	struct intake in;               /* what was imported, until batch_close */
	struct name *names;             /* --name; in.names */
	bool take;
	struct seal *seal;
};

/** The options of `import` that say what to do with chains; for lists of options and take_option. */
#define BATCH_OPTIONS { "name", required_argument, NULL, 'n' }, { "no-bind", no_argument, NULL, 'b' }, \
	{ "stage", no_argument, NULL, 's' }, { "owner", required_argument, NULL, 'o' }

/** One of them.  Borrows optarg.  Returns 0, or -1 with *err set. */
int batch_option(struct batch *, int option, struct snicert_error *err);
int batch_options_check(const struct batch *, struct snicert_error *err);

/** Open store and key, and begin a transaction.  A failure leaves nothing open. */
int batch_begin(struct batch *, struct snicert_error *err);
/** Files that belong together; a failed group leaves nothing behind.  *lost: the whole batch failed. */
int batch_add(struct batch *, const char *const *files, size_t count, bool *lost, struct snicert_error *err);
int batch_add_bag(struct batch *, struct bag *, bool *lost, struct snicert_error *err);
/** Commit, or undo all.  Returns -1 with *err set if nothing was committed. */
int batch_end(struct batch *, bool keep, struct snicert_error *err);

/** One line on what became of a chain, and one per warning; with --json an object each. */
void batch_tell(struct batch *, const struct intake_chain *, const char *path);
/** The same for anything else; `path` NULL: nothing specific. */
void batch_say(const struct tool *, const char *event, const char *path, const char *text);

/** Close the store and forget the results; keep the options. */
void batch_close(struct batch *);
void batch_free(struct batch *);

#endif
