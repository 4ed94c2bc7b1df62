/* SPDX-License-Identifier: ISC */
/* error.h: filling the caller's struct snicert_error. */
#ifndef SNICERT_ERROR_H
#define SNICERT_ERROR_H

#include "snicert.h"

/**
 * Describe an error, printf-like; the first description stays.
 *
 * The most specific error is met first, so a later call on an error that is
 * already set changes nothing.  `err` may be NULL.  Allocates nothing and keeps
 * errno.  Returns -1 always, for `return error_set(err, …)`.
 */
int error_set(struct snicert_error *err, enum snicert_code code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Same, with ": " and strerror(errno) behind the text; code SNICERT_ESYSTEM. */
int error_system(struct snicert_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Same, with the newest reason of OpenSSL's error queue behind the text.
 * Reads the queue and leaves it as it is.
 */
int error_openssl(struct snicert_error *err, enum snicert_code code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Make *err ready for another use. */
void error_clear(struct snicert_error *err);

#endif
