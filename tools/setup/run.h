/* SPDX-License-Identifier: ISC */
/* run.h: runs the guide's commands without a shell. */
#ifndef SNICERT_RUN_H
#define SNICERT_RUN_H

#include "snicert.h"

/**
 * Run commands: words, 'words in quotes', and && or ; between commands, which must all succeed.
 * "snicert" is this program.  Returns 0, or -1 with *err telling which one failed.
 */
int run_commands(const char *line, struct snicert_error *err);

/** Run one; *code is its exit code. */
int run_words(const char *const argv[], int *code, struct snicert_error *err);

#endif
