/* SPDX-License-Identifier: ISC */
/* apply.h: carrying the page of `snicert setup` out, and taking that back. */
#ifndef SNICERT_APPLY_H
#define SNICERT_APPLY_H

#include "setup/setup.h"

/** What came of it. */
struct apply_outcome {
	unsigned changed;       /* files and commands */
	unsigned left;          /* by hand, or left out on request */
	bool stopped;           /* the answer was to stop */
	bool found;             /* there was something to undo */
};

/**
 * Carry the page of one server out: each step is shown and, but for `yes`, asked for.
 * Returns 0, or -1 with *err set: what was done by then stays and is in the journal.
 */
int apply_server(const struct setup *, const struct setup_host *, struct setup_told *, bool yes, struct apply_outcome *,
    struct snicert_error *err);

/** Take back what was changed in files for a server (NULL: all). */
int apply_undo(const struct setup *, const char *server, bool yes, struct apply_outcome *, struct snicert_error *err);

/** The commands that make the server take the change. */
int apply_restart(const struct setup *, const struct setup_host *, bool yes, struct apply_outcome *, struct snicert_error *err);

/** Whether the answer is yes; stops at the end of the input, and where that is what they say. */
bool apply_agreed(bool yes, struct apply_outcome *);

/** One change of a file: shown, asked for, noted in the journal (NULL: not), made. */
struct journal;
int apply_file(struct journal *, const char *server, const char *path, const char *before, const char *after, bool yes,
    struct apply_outcome *, struct snicert_error *err);

#endif
