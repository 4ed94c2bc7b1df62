/* SPDX-License-Identifier: ISC */
/* ask.h: asking a program something: its output, bounded in time and size. */
#ifndef SNICERT_ASK_H
#define SNICERT_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

#define ASK_TEXT_MOST (256u << 10)    /* octets kept of each stream; the rest is read and dropped */

/** A program's output: lines of printable ASCII, with `?` for any other octet. */
struct ask_answer {
	char *out, *err;        /* standard output and standard error; never NULL on success */
	int exit_code;          /* 128 + the signal that ended it */
};

/**
 * Run argv[0], an absolute path, without a shell: no input, a bare environment, and at most
 * `seconds`; then kill it with all its children.
 *
 * Returns 0 with *answer filled (free with ask_free), whatever the exit code; -1 with *err set if
 * it couldn't be started or wasn't done in time.
 */
int ask_run(const char *const argv[], unsigned seconds, struct ask_answer *answer,
    struct snicert_error *err);
void ask_free(struct ask_answer *);

#endif
