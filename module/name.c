/* SPDX-License-Identifier: ISC */
/*
 * name.c: server names as the store keys them.  The input is data from a peer; the output is safe
 * in a log line and as an SQL value.
 */
#include <stdio.h>
#include <string.h>

#include "name.h"

#define LABEL_MAX_LENGTH 63

static bool
label_octet(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* An IPv4 literal ends in an all-digit label; no top-level domain does (RFC 3696 section 2).  IPv6
 * literals fail on their colons. */
static bool
last_label_numeric(const struct name *name)
{
	size_t i = name->length;

	while (i > 0 && name->text[i - 1] != '.') {
		i--;
		if (name->text[i] < '0' || name->text[i] > '9')
			return false;
	}
	return true;
}

bool
name_normalise(struct name *out, const char *text, size_t length)
{
	size_t label = 0;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		out->text[i] = (char)c;
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!label_octet(c) || ++label > LABEL_MAX_LENGTH) {
			return false;
		}
	}
	out->text[length] = '\0';
	out->length = length;
	return label > 0 && !last_label_numeric(out);
}

bool
name_normalise_pattern(struct name *out, const char *text, size_t length)
{
	struct name parent;

	if (length < 2 || text[0] != '*' || text[1] != '.')
		return name_normalise(out, text, length);
	if (!name_normalise(&parent, text + 2, length - 2) ||
	    parent.length > NAME_MAX_LENGTH - 2)
		return false;
	out->length = parent.length + 2;
	memcpy(out->text, "*.", 2);
	memcpy(out->text + 2, parent.text, parent.length + 1);
	return true;
}

bool
name_wildcard(struct name *out, const struct name *name)
{
	const char *dot = memchr(name->text, '.', name->length);

	if (dot == NULL || name->text[0] == '*')
		return false;
	out->length = name->length - (size_t)(dot - name->text) + 1;
	/* One octet before the dot: a first label is never empty, so it fits. */
	out->text[0] = '*';
	memcpy(out->text + 1, dot, out->length);
	return true;
}

bool
name_covers(const struct name *pattern, const struct name *name)
{
	struct name wildcard;

	if (name_equal(pattern, name))
		return true;
	return name_wildcard(&wildcard, name) && name_equal(pattern, &wildcard);
}

void
name_fallback(struct name *out, const char *address)
{
	size_t length = address == NULL ? 0 : strlen(address);

	if (length > NAME_MAX_LENGTH - 1)
		length = NAME_MAX_LENGTH - 1;
	out->text[0] = '@';
	if (length > 0)
		memcpy(out->text + 1, address, length);
	out->text[length + 1] = '\0';
	out->length = length + 1;
}

static const char *
describe(const struct name *key, char text[NAME_TEXT_SIZE], const char *between)
{
	if (key->text[0] != '@')
		return key->text;
	snprintf(text, NAME_TEXT_SIZE, "fallback%s%s", key->length == 1 ? "" : between, key->text + 1);
	return text;
}

const char *
name_describe(const struct name *key, char text[NAME_TEXT_SIZE])
{
	return describe(key, text, " ");
}

const char *
name_word(const struct name *key, char text[NAME_TEXT_SIZE])
{
	return describe(key, text, ":");
}

bool
name_equal(const struct name *a, const struct name *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}
