/* SPDX-License-Identifier: ISC */
/* conftext.c: prepares the text of snicert.conf for libconfuse. */
#include <ctype.h>
#include <string.h>

#include "conftext.h"
#include "error.h"

static void
blank(char *text, size_t from, size_t to)
{
	for (; from < to; from++)
		if (text[from] != '\n')
			text[from] = ' ';
}

static int
line_of(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

/* After a comment that starts at `at`, or `at` if none does. */
static size_t
comment_end(const char *text, size_t length, size_t at)
{
	const char *end;

	if (text[at] == '#' || (text[at] == '/' && at + 1 < length && text[at + 1] == '/')) {
		end = memchr(text + at, '\n', length - at);
		return end == NULL ? length : (size_t)(end - text);
	}
	if (text[at] == '/' && at + 1 < length && text[at + 1] == '*') {
		end = memmem(text + at + 2, length - at - 2, "*/", 2);
		return end == NULL ? length : (size_t)(end - text) + 2;
	}
	return at;
}

/* After a quoted text that starts at `at`; 0 if unclosed. */
static size_t
quote_end(const char *text, size_t length, size_t at)
{
	for (size_t i = at + 1; i < length; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == text[at])
			return i + 1;
	}
	return 0;
}

static bool
is_quote(char c)
{
	return c == '"' || c == '\'';
}

static int
mistake(char *text, size_t length, size_t at, size_t item, const char *path, const char *what,
    struct snicert_error *err)
{
	int line = line_of(text, at);

	blank(text, item, length);
	return error_set(err, SNICERT_ECONFIG, "%s:%d: %s", path, line, what);
}

int
conftext_clean(char *text, size_t length, const char *path, struct snicert_error *err)
{
	size_t depth = 0, opened = 0, item = 0;

	for (size_t at = 0; at < length;) {
		unsigned char c = (unsigned char)text[at];
		size_t end = comment_end(text, length, at);

		if (end > at) {
			blank(text, at, end);
			at = end;
			continue;
		}
		if (depth == 0 && c == '\n')
			item = at + 1;
		if (is_quote((char)c)) {
			end = quote_end(text, length, at);
			if (end == 0)
				return mistake(text, length, at, item, path, "a quotation without its end", err);
			at = end;
			continue;
		}
		if (c == '\\' || c == 0x7f || (c < ' ' && !isspace(c)))
			return mistake(text, length, at, item, path,
			    "an octet that does not belong here: put the value in quotation marks", err);
		if (c == '{' && depth++ == 0)
			opened = at;
		if (c == '}' && depth-- == 0)
			return mistake(text, length, at, item, path, "a } too many", err);
		at++;
	}
	return depth == 0 ? 0 : mistake(text, length, opened, item, path, "a { without its }", err);
}

/* After the word or quotation that starts at `at`. */
static size_t
token_end(const char *text, size_t length, size_t at)
{
	size_t end = at;

	if (is_quote(text[at]))
		return quote_end(text, length, at);
	while (end < length && !isspace((unsigned char)text[end]) && strchr("{}()=+,\"'", text[end]) == NULL)
		end++;
	return end > at ? end : at + 1;
}

/* After the block whose { is at `at`. */
static size_t
block_end(const char *text, size_t length, size_t at)
{
	size_t depth = 0;

	while (at < length) {
		depth += text[at] == '{';
		if (text[at] == '}' && --depth == 0)
			return at + 1;
		at = token_end(text, length, at);
	}
	return length;
}

void
conftext_drop_unknown(char *text, size_t length, bool (*known)(const char *name, size_t length))
{
	size_t name = 0, name_length = 0;
	bool has_name = false, after_equals = false;

	for (size_t at = 0; at < length;) {
		size_t end;

		if (isspace((unsigned char)text[at])) {
			at++;
			continue;
		}
		end = text[at] == '{' ? block_end(text, length, at) : token_end(text, length, at);
		if (text[at] == '{') {
			if (has_name && !after_equals && !known(text + name, name_length))
				blank(text, name, end);
			has_name = after_equals = false;
		} else if (text[at] == '=') {
			after_equals = true;
		} else if (after_equals || text[at] == ')') {
			has_name = after_equals = false; /* that was the value, or a call */
		} else if (!has_name) {
			has_name = true;
			name = at;
			name_length = end - at;
		}
		at = end;
	}
}

static bool
is_of_name(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("_-./", c) != NULL);
}

bool
conftext_mentions(const char *text, const char *name)
{
	size_t length = strlen(name);

	if (length == 0)
		return false;
	for (const char *at = text; (at = strstr(at, name)) != NULL; at++)
		if ((at == text || !is_of_name(at[-1])) && !is_of_name(at[length]))
			return true;
	return false;
}
