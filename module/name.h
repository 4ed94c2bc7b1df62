/* SPDX-License-Identifier: ISC */
/* name.h: server names as the store keys them.  Pure text: no I/O, no OpenSSL. */
#ifndef SNICERT_NAME_H
#define SNICERT_NAME_H

#include <stdbool.h>
#include <stddef.h>

/** The longest name, in octets without the final NUL (RFC 1035 section 2.3.4, as text). */
#define NAME_MAX_LENGTH 253

/** A key of the store: a normalised name, "*.parent", or a fallback's "@…". */
struct name {
	size_t length;
	char text[NAME_MAX_LENGTH + 1];
};

/**
 * Normalise a client's server name.
 *
 * ASCII lower case, one trailing dot dropped; letters, digits, hyphens and underscores in labels of
 * 1 to 63 octets, 253 in all.  Anything else, including an IP literal (RFC 6066 section 3 rules
 * those out), is no known name.  `text` has `length` octets, of any value.  Returns whether *out
 * was set.
 */
bool name_normalise(struct name *out, const char *text, size_t length);

/** The same, but accepts a leading "*.": a name as the store holds it. */
bool name_normalise_pattern(struct name *out, const char *text, size_t length);

/**
 * The wildcard that covers `name`: "*." and all after its first label (one label, never the apex:
 * RFC 9525 section 6.3).  Returns false for a one-label name.
 */
bool name_wildcard(struct name *out, const struct name *name);

/** Whether `pattern` (a name or "*.parent"), both normalised, covers `name`. */
bool name_covers(const struct name *pattern, const struct name *name);

/** The key of the global fallback (`address` NULL) or of a local address, in inet_ntop's text. */
void name_fallback(struct name *out, const char *address);

/** Room for what name_describe writes. */
#define NAME_TEXT_SIZE (NAME_MAX_LENGTH + 16)

/** A key as shown to people: names unchanged, "fallback", "fallback 192.0.2.1". */
const char *name_describe(const struct name *key, char text[NAME_TEXT_SIZE]);

/** The same in one word: "fallback:192.0.2.1". */
const char *name_word(const struct name *key, char text[NAME_TEXT_SIZE]);

bool name_equal(const struct name *a, const struct name *b);

#endif
