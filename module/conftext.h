/* SPDX-License-Identifier: ISC */
/*
 * conftext.h: the text of snicert.conf, made fit for libconfuse, which lets an
 * unclosed block pass, miscounts lines behind comments, prints what its scanner
 * has no rule for, and gives up at a section that it doesn't know.
 */
#ifndef SNICERT_CONFTEXT_H
#define SNICERT_CONFTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

/**
 * Blank the comments of `text` and look at its quotes and braces; line numbers
 * stay.  On a mistake *err names `path` and line, -1 is returned, and all from
 * the item with the mistake on is blanked.
 */
int conftext_clean(char *text, size_t length, const char *path, struct snicert_error *err);

/** Blank the sections at the top of a cleaned text whose names are not known. */
void conftext_drop_unknown(char *text, size_t length, bool (*known)(const char *name, size_t length));

/** Whether a program's name stands in the text, not as a part of another nor of a path. */
bool conftext_mentions(const char *text, const char *name);

#endif
