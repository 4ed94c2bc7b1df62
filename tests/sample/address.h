/* SPDX-License-Identifier: ISC */
/* address.h: the arguments of MAIL and RCPT.  Pure text, no I/O. */
#ifndef SAMPLE_ADDRESS_H
#define SAMPLE_ADDRESS_H

#include <stdbool.h>

#define ADDRESS_MAX 254         /* RFC 5321 section 4.5.3.1.3, without the brackets */

/**
 * Take "FROM:<address>" or "TO:<address>" apart; `keyword` is "FROM:" or "TO:".
 *
 * Writes the address, which may be empty, to `out` of ADDRESS_MAX + 1 bytes.
 * Returns what follows the bracket and its spaces (ESMTP parameters), or NULL
 * where the syntax is off.
 */
const char *address_parse(const char *text, const char *keyword, char *out);

/** local@domain, both of a legal length. */
bool address_complete(const char *address);

#endif
