/* SPDX-License-Identifier: ISC */
/* parents.h: the directories above a file that is to be made. */
#ifndef SNICERT_PARENTS_H
#define SNICERT_PARENTS_H

#include "snicert.h"

/** Make those that are missing, as any other of the system.  Returns 0, or -1 with *err set. */
int parents_make(const char *path, struct snicert_error *err);

#endif
