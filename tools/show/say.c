/* SPDX-License-Identifier: ISC */
/* say.c: sentences for people. */
#include <stdlib.h>
#include <string.h>

#include "show/say.h"
#include "show/text.h"

/* Newlines at the end of the format are the caller's. */
static void __attribute__((format(printf, 2, 0)))
put(FILE *out, const char *format, va_list ap)
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

void
say_list(const char *format, va_list ap)
{
	fputs("snicert: ", stderr);
	put(stderr, format, ap);
	putc('\n', stderr);
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
	put(out, format, ap);
	va_end(ap);
}
