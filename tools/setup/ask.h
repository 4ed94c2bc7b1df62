/* SPDX-License-Identifier: ISC */
/* ask.h: asking a program something: what it says, bounded in time and size. */
#ifndef SNICERT_ASK_H
#define SNICERT_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

#define ASK_TEXT_MOST (256u << 10)    /* octets kept of each stream; the rest is read and dropped */

/** What a program said: lines of printable ASCII; any other octet has become a `?`. */
struct ask_answer {
	char *out, *err;        /* standard output and standard error; never NULL on success */
	int exit_code;          /* 128 + the signal where one ended it */
};

/**
 * Run argv[0], an absolute path, without a shell: no input, a bare environment,
 * and no longer than `seconds`; then it is killed with all it has started.
 *
 * Returns 0 with *answer filled (free with ask_free), whatever the exit code;
 * -1 with *err set where it couldn't be started or was not done in time.
 */
int ask_run(const char *const argv[], unsigned seconds, struct ask_answer *answer,
    struct snicert_error *err);
void ask_free(struct ask_answer *);

#endif
