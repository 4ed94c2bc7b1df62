/* SPDX-License-Identifier: ISC */
/* error.h: filling the caller's struct snicert_error. */
#ifndef SNICERT_ERROR_H
#define SNICERT_ERROR_H

#include "snicert.h"

/**
 * Describe an error, printf-like; the first description stays.
 *
 * The most specific error comes first, so a later call changes nothing.  `err` may be NULL.
 * Allocates nothing and keeps errno.  Always returns -1, for `return error_set(err, …)`.
 */
int error_set(struct snicert_error *err, enum snicert_code code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Same, with ": " and strerror(errno) appended; code SNICERT_ESYSTEM. */
int error_system(struct snicert_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Same, with the newest reason from OpenSSL's error queue appended.  Leaves the queue unchanged.
 */
int error_openssl(struct snicert_error *err, enum snicert_code code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Reset *err for reuse. */
void error_clear(struct snicert_error *err);

#endif
