/* SPDX-License-Identifier: ISC */
/*
 * conftext.h: prepares the text of snicert.conf for libconfuse, which accepts an unclosed block,
 * miscounts lines after comments, prints what its scanner has no rule for, and gives up at an
 * unknown section.
 */
#ifndef SNICERT_CONFTEXT_H
#define SNICERT_CONFTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"

/**
 * Blank the comments of `text` and check its quotes and braces; line numbers stay.  On a mistake
 * *err names `path` and line, the text from that item on is blanked, and -1 is returned.
 */
int conftext_clean(char *text, size_t length, const char *path, struct snicert_error *err);

/** Blank a cleaned text's top-level sections with unknown names. */
void conftext_drop_unknown(char *text, size_t length, bool (*known)(const char *name, size_t length));

/** Whether a program's name is in the text, not as part of another name or a path. */
bool conftext_mentions(const char *text, const char *name);

#endif
