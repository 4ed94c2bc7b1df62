/* SPDX-License-Identifier: ISC */
/*
 * error.c: filling the caller's struct snicert_error.  No allocation, so that it can report running
 * out of memory too.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "error.h"

static int __attribute__((format(printf, 4, 0)))
error_fill(struct snicert_error *err, enum snicert_code code, const char *tail,
    const char *format, va_list ap)
{
	size_t used;

	if (err == NULL || err->code != SNICERT_OK)
		return -1;
	err->code = code;
	if (vsnprintf(err->text, sizeof(err->text), format, ap) < 0)
		err->text[0] = '\0';
	used = strlen(err->text);
	if (tail != NULL && used < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - used, ": %s", tail);
	return -1;
}

int
error_set(struct snicert_error *err, enum snicert_code code, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	error_fill(err, code, NULL, format, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

/* GNU's strerror_r may return a static string instead. */
static inline const char *
answer_of_gnu(const char *text, const char *buffer)
{
	(void)buffer;
	return text;
}

/* POSIX's fills the buffer, even if it fails. */
static inline const char *
answer_of_posix(int status, const char *buffer)
{
	return status == 0 || status == EINVAL ? buffer : NULL;
}

int
error_system(struct snicert_error *err, const char *format, ...)
{
	int saved = errno;
	char reason[128] = "";
	va_list ap;

	const char *text = _Generic(strerror_r(saved, reason, sizeof(reason)), char *: answer_of_gnu, int: answer_of_posix)(
	    strerror_r(saved, reason, sizeof(reason)), reason);

	va_start(ap, format);
	error_fill(err, SNICERT_ESYSTEM, text, format, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int
error_openssl(struct snicert_error *err, enum snicert_code code, const char *format, ...)
{
	int saved = errno;
	unsigned long packed = ERR_peek_last_error();
	const char *reason = packed != 0 ? ERR_reason_error_string(packed) : NULL;
	va_list ap;

	va_start(ap, format);
	error_fill(err, code, reason, format, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

void
error_clear(struct snicert_error *err)
{
	if (err != NULL) {
		err->code = SNICERT_OK;
		err->text[0] = '\0';
	}
}
