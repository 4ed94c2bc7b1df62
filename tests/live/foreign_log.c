/* SPDX-License-Identifier: ISC */
/* foreign_log.c: says what is logged by syslog(3), for the hosts of foreign.sh. */
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

/* In place of glibc's, which has two. */
void __syslog_chk(int priority, int flag, const char *format, ...);

static void
print(const char *format, va_list ap)
{
	printf("log: ");
	vprintf(format, ap);
	printf("\n");
}

void
syslog(int priority, const char *format, ...)
{
	va_list ap;

	(void)priority;
	va_start(ap, format);
	print(format, ap);
	va_end(ap);
}

void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list ap;

	(void)priority;
	(void)flag;
	va_start(ap, format);
	print(format, ap);
	va_end(ap);
}
