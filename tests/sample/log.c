/* SPDX-License-Identifier: ISC */
/*
 * log.c: log lines on stderr.  A line leaves in a single write(2), so that
 * lines of several threads don't mix.  What a peer sent must pass through
 * log_escape() first.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define LINE_SIZE 1024

static bool enabled;

void
log_enable(void)
{
	enabled = true;
}

static const char *
log_level(int priority)
{
	if (priority <= LOG_ERR)
		return "error";
	if (priority == LOG_WARNING)
		return "warning";
	return priority == LOG_DEBUG ? "debug" : "info";
}

void
log_line(int priority, const char *format, ...)
{
	char line[LINE_SIZE];
	int saved = errno, used, more;
	va_list ap;

	if (!enabled)
		return;
	used = snprintf(line, sizeof(line), "sample-mta: %s: ", log_level(priority));
	va_start(ap, format);
	more = vsnprintf(line + used, sizeof(line) - (size_t)used, format, ap);
	va_end(ap);
	if (more < 0)
		more = 0;
	used += more;
	if (used > (int)sizeof(line) - 1)
		used = (int)sizeof(line) - 1;
	line[used++] = '\n';	/* in the place of the NUL, which write() needs not */
	while (write(STDERR_FILENO, line, (size_t)used) < 0 && errno == EINTR)
		;
	errno = saved;
}

void
log_module_line(void *arg, int priority, const char *text)
{
	(void)arg;
	log_line(priority, "snicert: %s", text);
}

const char *
log_escape(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 5 <= size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > 0x20 && c < 0x7f && c != '\\')
			out[used++] = (char)c;
		else
			used += (size_t)snprintf(out + used, size - used, "\\x%02x", c);
	}
	out[used] = '\0';
	return out;
}
