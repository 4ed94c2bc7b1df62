/* SPDX-License-Identifier: ISC */
/* say.c: sentences for people. */
#include <stdlib.h>
#include <string.h>

#include "show/say.h"
#include "show/text.h"

/* Newlines at the end of the format are the caller's. */
static void __attribute__((format(printf, 2, 0)))
compose(FILE *out, const char *format, va_list ap)
{
	size_t newlines = 0, end = strlen(format);
	char *text = NULL;
	int length = vasprintf(&text, format, ap);

	while (end > 0 && format[end - 1] == '\n') {
		end--;
		newlines++;
	}
	if (length >= 0 && (size_t)length >= newlines)
		text_put(out, text, (size_t)length - newlines);
	else
		fputs("out of memory", out);
	while (newlines-- > 0)
		putc('\n', out);
	if (length >= 0)
		free(text);
}

/* In one piece: on standard error others may write, too. */
static void __attribute__((format(printf, 3, 0)))
put(FILE *out, const char *before, const char *format, va_list ap, const char *after)
{
	char *text = NULL;
	size_t length = 0;
	FILE *buffer = open_memstream(&text, &length);
	FILE *to = buffer != NULL ? buffer : out;

	fputs(before, to);
	compose(to, format, ap);
	fputs(after, to);
	if (buffer == NULL)
		return;
	fclose(buffer);
	fwrite(text, 1, length, out);
	free(text);
}

void
say_list(const char *format, va_list ap)
{
	put(stderr, "snicert: ", format, ap, "\n");
}

void
say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_list(format, ap);
	va_end(ap);
}

void
say_on(FILE *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put(out, "", format, ap, "");
	va_end(ap);
}
