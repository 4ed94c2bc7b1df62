/* SPDX-License-Identifier: ISC */
/* apply.h: carrying out the page of `snicert setup`, and undoing it. */
#ifndef SNICERT_APPLY_H
#define SNICERT_APPLY_H

#include "setup/setup.h"

/** The outcome. */
struct apply_outcome {
	unsigned changed;       /* files and commands */
	unsigned left;          /* by hand, or skipped on request */
	bool stopped;           /* the answer was to stop */
	bool found;             /* there was something to undo */
};

/**
 * Carry out one server's page: shows each step and, without `yes`, asks.  Returns 0, or -1 with
 * *err set: changes until then stay and are in the journal.
 */
int apply_server(const struct setup *, const struct setup_host *, struct setup_told *, bool yes, struct apply_outcome *,
    struct snicert_error *err);

/** Undo the changes of files for a server (NULL: all). */
int apply_undo(const struct setup *, const char *server, bool yes, struct apply_outcome *, struct snicert_error *err);

/** The commands that make the server load the change. */
int apply_restart(const struct setup *, const struct setup_host *, bool yes, struct apply_outcome *, struct snicert_error *err);

/** Whether the answer is yes; stops at the end of input, or if the user says so. */
bool apply_agreed(bool yes, struct apply_outcome *);

/** One change of a file: show, ask, record in the journal (NULL: don't), make. */
struct journal;
int apply_file(struct journal *, const char *server, const char *path, const char *before, const char *after, bool yes,
    struct apply_outcome *, struct snicert_error *err);

#endif
