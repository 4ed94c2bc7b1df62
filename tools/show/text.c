/* SPDX-License-Identifier: ISC */
/* text.c: UTF-8 of any origin, safe for a terminal and JSON. */
#include <string.h>

#include "show/text.h"

size_t
text_point(const char *text, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 :
	    p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	uint32_t value = length <= 1 ? p[0] : p[0] & (0x7fu >> length);

	*point = p[0];
	/* The final NUL isn't a continuation: it stops in time. */
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*point = value;
	return length;
}

struct range {
	uint32_t first, last;
};

static bool
in_ranges(uint32_t point, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	}
	return false;
}

bool
text_is_unsafe(uint32_t point)
{
	static const struct range unsafe[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
	};

	return in_ranges(point, unsafe, sizeof(unsafe) / sizeof(unsafe[0]));
}

/* Columns on a terminal; wcwidth() would need a locale.  Common scripts only. */
static size_t
point_width(uint32_t point)
{
	static const struct range none[] = {
		{ 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x64b, 0x65f },
		{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff },
		{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	};
	static const struct range wide[] = {
		{ 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf },
		{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};

	if (in_ranges(point, none, sizeof(none) / sizeof(none[0])))
		return 0;
	return in_ranges(point, wide, sizeof(wide) / sizeof(wide[0])) ? 2 : 1;
}

size_t
text_width_of(const char *text, size_t length)
{
	const char *end = text + length;
	size_t width = 0;
	uint32_t point;

	while (text < end) {
		size_t octets = text_point(text, &point);

		width += octets == 0 ? 1 : point_width(point);
		text += octets == 0 ? 1 : octets;
	}
	return width;
}

size_t
text_width(const char *text)
{
	return text_width_of(text, strlen(text));
}

size_t
text_escape(const char *text, bool json, char escape[TEXT_ESCAPE_SIZE])
{
	uint32_t point;
	size_t length = text_point(text, &point);

	escape[0] = '\0';
	if (length == 0)
		snprintf(escape, TEXT_ESCAPE_SIZE, json ? "\\ufffd" : "\\x%02x", point);
	else if (text_is_unsafe(point))
		snprintf(escape, TEXT_ESCAPE_SIZE, json || length > 1 ? "\\u%04x" : "\\x%02x", point);
	else if (json && (point == '"' || point == '\\'))
		snprintf(escape, TEXT_ESCAPE_SIZE, "\\%c", (char)point);
	return length == 0 ? 1 : length;
}

void
text_put(FILE *out, const char *text, size_t length)
{
	const char *end = text + strnlen(text, length);
	char escape[TEXT_ESCAPE_SIZE];

	while (text < end) {
		size_t octets = text_escape(text, false, escape);

		if (escape[0] != '\0')
			fputs(escape, out);
		else
			fwrite(text, 1, octets, out);
		text += octets;
	}
}
