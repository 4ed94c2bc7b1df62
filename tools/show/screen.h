/* SPDX-License-Identifier: ISC */
/* screen.h: how wide a terminal is. */
#ifndef SNICERT_SCREEN_H
#define SNICERT_SCREEN_H

#include <stdio.h>

/** The columns of the terminal that `out` is; 0: it is none. */
size_t screen_width(FILE *out);

#endif
