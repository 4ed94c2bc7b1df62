/* SPDX-License-Identifier: ISC */
/* wrap.c: fits text to a screen's width. */
#include <string.h>

#include "show/text.h"
#include "show/wrap.h"

#define HELP_LINE 512           /* the longest line of help that we wrap */

size_t
wrap_line(const char **text, size_t width)
{
	const char *line = *text, *blank = line;
	size_t length = 0;

	/* A word of any length, then as many as fit. */
	do {
		size_t next = (size_t)(blank - line) + strcspn(blank, " ");

		if (length > 0 && text_width_of(line, next) > width)
			break;
		length = next;
		blank = line + length + strspn(line + length, " ");
	} while (*blank != '\0');
	if (*blank == '\0')
		length = strlen(line);
	*text = blank;
	return length;
}

void
wrap_put(FILE *out, const char *text, size_t column, size_t indent, size_t width)
{
	size_t begin = column;

	while (*text != '\0') {
		size_t length = strcspn(text, " "), wide = text_width_of(text, length);

		if (column > begin && column + 1 + wide > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			begin = column = indent;
		} else if (column > begin) {
			putc(' ', out);
			column++;
		}
		fwrite(text, 1, length, out);
		column += wide;
		text += length;
		text += *text == ' ';
	}
	putc('\n', out);
}

/* Where the text starts after "  --name VALUE  ": the second run of two or more spaces, or the indent. */
static size_t
text_begin(const char *line, size_t *lead)
{
	const char *gap;

	*lead = strspn(line, " ");
	gap = strstr(line + *lead, "  ");
	*lead = gap == NULL ? *lead : (size_t)(gap - line) + strspn(gap, " ");
	return text_width_of(line, *lead);
}

static void
put_help_line(FILE *out, const char *line)
{
	size_t lead, indent;

	if (text_width(line) <= WRAP_WIDTH) {
		fprintf(out, "%s\n", line);
		return;
	}
	indent = text_begin(line, &lead);
	fwrite(line, 1, lead, out);
	wrap_put(out, line + lead, indent, lead == strspn(line, " ") ? 18 : indent, WRAP_WIDTH);
}

void
wrap_help(FILE *out, const char *help)
{
	char line[HELP_LINE];

	while (*help != '\0') {
		size_t length = strcspn(help, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)length, help);
		put_help_line(out, line);
		help += length;
		help += *help == '\n';
	}
}
