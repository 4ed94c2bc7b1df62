/* SPDX-License-Identifier: ISC */
/*
 * address.c: reverse-path and forward-path (RFC 5321 section 4.1.2), as far as
 * a server needs to understand them that delivers nowhere: brackets, quoted
 * local parts, lengths.  What comes out is printable ASCII.
 */
#include <string.h>
#include <strings.h>

#include "address.h"

const char *
address_parse(const char *text, const char *keyword, char *out)
{
	size_t used = 0;
	bool quoted = false;

	if (strncasecmp(text, keyword, strlen(keyword)) != 0)
		return NULL;
	text += strlen(keyword);
	text += strspn(text, " ");
	if (*text++ != '<')
		return NULL;
	for (; quoted || *text != '>'; text++) {
		if (*text < 0x20 || *text > 0x7e || (*text == ' ' && !quoted))
			return NULL;
		if (used + 2 > ADDRESS_MAX)
			return NULL;
		if (*text == '"')
			quoted = !quoted;
		out[used++] = *text;
		if (*text == '\\' && quoted) {
			if (text[1] < 0x20 || text[1] > 0x7e)
				return NULL;
			out[used++] = *++text;
		}
	}
	out[used] = '\0';
	text++;
	if (*text != '\0' && *text != ' ')
		return NULL;
	return text + strspn(text, " ");
}

bool
address_complete(const char *address)
{
	const char *at = strrchr(address, '@');
	size_t local = at != NULL ? (size_t)(at - address) : 0;

	return local >= 1 && local <= 64 && at[1] != '\0' && strlen(at + 1) <= 255;
}
