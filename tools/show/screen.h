/* SPDX-License-Identifier: ISC */
/* screen.h: a terminal's width. */
#ifndef SNICERT_SCREEN_H
#define SNICERT_SCREEN_H

#include <stdio.h>

/** The columns of `out`, if a terminal; else 0. */
size_t screen_width(FILE *out);

#endif
