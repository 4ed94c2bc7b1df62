/* SPDX-License-Identifier: ISC */
/* text.h: UTF-8 of any origin, safe for a terminal and JSON. */
#ifndef SNICERT_TEXT_H
#define SNICERT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_ESCAPE_SIZE 16

/** One character of valid UTF-8 (RFC 3629): its octets; or 0, and *point is the octet. */
size_t text_point(const char *text, uint32_t *point);

/** What moves the cursor or changes text direction. */
bool text_is_unsafe(uint32_t point);

/** Columns on a terminal, for valid text. */
size_t text_width(const char *text);
size_t text_width_of(const char *text, size_t length);

/** How to write the first character of `text`: unchanged (`escape` is "") or escaped; returns its octets. */
size_t text_escape(const char *text, bool json, char escape[TEXT_ESCAPE_SIZE]);

/** `length` octets (up to a NUL) on a terminal. */
void text_put(FILE *, const char *text, size_t length);

#endif
