/* SPDX-License-Identifier: ISC */
/*
 * log_line.c: the text of a line, a list of keys and values.  The only escapes are \xHH, and,
 * within quotes, \" and \\; so whoever parses lines by key needs no others.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "date.h"
#include "hex.h"
#include "log.h"

#define VALUE_MOST 256  /* octets of a bare value, with its NUL */
#define TAIL 40         /* reserved in a line for log_end */

static bool
is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%' && c != '=';
}

const char *
log_escape(char *out, size_t size, const char *text, size_t length)
{
	size_t used = 0, whole = 0, limit;

	if (size == 0)
		return out;
	for (size_t i = 0; i < length && whole < size; i++)
		whole += is_plain((unsigned char)text[i]) ? 1 : 4;
	/* If it does not all fit, leave room for the dots. */
	limit = whole < size ? size - 1 : size > 4 ? size - 4 : 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (used + (is_plain(c) ? 1 : 4) > limit)
			break;
		if (is_plain(c)) {
			out[used++] = (char)c;
		} else {
			out[used++] = '\\';
			out[used++] = 'x';
			hex_put(out + used, &c, 1);
			used += 2;
		}
	}
	for (int dot = 0; whole >= size && dot < 3 && used + 1 < size; dot++)
		out[used++] = '.';
	out[used] = '\0';
	return out;
}

/* " key=", if that and a little of a value fit. */
static bool
add_key(struct log_line *line, const char *key)
{
	size_t length = strlen(key);

	if (line->used + length + 8 > sizeof(line->text) - TAIL)
		return false;
	line->text[line->used++] = ' ';
	memcpy(line->text + line->used, key, length);
	line->used += length;
	line->text[line->used++] = '=';
	line->text[line->used] = '\0';
	return true;
}

void
log_word(struct log_line *line, const char *key, const char *value)
{
	size_t room;

	if (value == NULL || !add_key(line, key))
		return;
	room = sizeof(line->text) - TAIL - line->used;
	if (value[0] == '\0')
		strcpy(line->text + line->used, "\"\"");
	else
		log_escape(line->text + line->used, room < VALUE_MOST ? room : VALUE_MOST, value, strlen(value));
	line->used += strlen(line->text + line->used);
}

void
log_time(struct log_line *line, const char *key, int64_t value)
{
	int saved = errno;
	struct tm tm;
	char text[32] = "";

	if (date_split(value, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_word(line, key, text);
	errno = saved;
}

/* An octet as written within quotes. */
static const char *
quoted(char out[8], unsigned char c)
{
	if (c == '"' || c == '\\')
		snprintf(out, 8, "\\%c", c);
	else if (c >= 0x20 && c < 0x7f)
		snprintf(out, 8, "%c", c);
	else
		snprintf(out, 8, "\\x%02x", c);
	return out;
}

static void
add_sentence(struct log_line *line, const char *text)
{
	const size_t limit = sizeof(line->text) - TAIL;
	char one[8];

	if (!add_key(line, "msg"))
		return;
	line->text[line->used++] = '"';
	for (; *text != '\0'; text++) {
		size_t length = strlen(quoted(one, (unsigned char)*text));

		if (line->used + length + 4 > limit) {
			memcpy(line->text + line->used, "...", 3);
			line->used += 3;
			break;
		}
		memcpy(line->text + line->used, one, length);
		line->used += length;
	}
	line->text[line->used++] = '"';
	line->text[line->used] = '\0';
}

void
log_vsentence(struct log_line *line, const char *format, va_list ap)
{
	int saved = errno;
	char text[1024];

	if (vsnprintf(text, sizeof(text), format, ap) < 0)
		text[0] = '\0';
	add_sentence(line, text);
	errno = saved;
}

void
log_sentence(struct log_line *line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_vsentence(line, format, ap);
	va_end(ap);
}

/* One octet of a quoted value, *at after it. */
static char
unquoted(const char **at)
{
	unsigned c = (unsigned char)*(*at)++;

	if (c != '\\' || **at == '\0')
		return (char)c;
	c = (unsigned char)*(*at)++;
	if (c == 'x' && sscanf(*at, "%2x", &c) == 1)
		*at += 2;
	return (char)c;
}

const char *
log_sentence_of(const char *line, char *out, size_t size)
{
	const char *at = strstr(line, " msg=\"");
	size_t used = 0;

	if (at == NULL) {
		snprintf(out, size, "%s", line);
		return out;
	}
	for (at += strlen(" msg=\""); *at != '"' && *at != '\0' && used + 1 < size;)
		out[used++] = unquoted(&at);
	out[used] = '\0';
	return out;
}
