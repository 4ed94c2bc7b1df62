/* SPDX-License-Identifier: ISC */
/* check_internal.h: what check.c, check_running.c and check_store.c share. */
#ifndef SNICERT_CHECK_INTERNAL_H
#define SNICERT_CHECK_INTERNAL_H

#include "setup/setup.h"

#define AS_ROOT "run it as root"

enum verdict { OK, WARN, WRONG };

struct check {
	const struct setup *setup;
	const struct setup_host *host;
	struct report *report;
	unsigned wrong;
};

/** A row. */
void check_result(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *format,
    ...) __attribute__((format(printf, 5, 6)));

/** A row in the module's own words; on owners and modes, they end in the fix. */
void check_result_of_line(struct check *, enum verdict, const char *what, const char *fix, const char *line);

/** The rows of the store. */
void check_store(struct check *);

/** Rows of what runs. */
void check_running(struct check *);

#endif
