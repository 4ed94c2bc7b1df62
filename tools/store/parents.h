/* SPDX-License-Identifier: ISC */
/* parents.h: the directories above a new file. */
#ifndef SNICERT_PARENTS_H
#define SNICERT_PARENTS_H

#include "snicert.h"

/** Create the missing ones, like other system directories.  Returns 0, or -1 with *err set. */
int parents_make(const char *path, struct snicert_error *err);

#endif
