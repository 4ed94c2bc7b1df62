/* SPDX-License-Identifier: ISC */
/*
 * library.h: whether the TLS library of the host is the one that we call.  A process may hold
 * another: bundled, linked statically, of another version or kind.  What it made must not be touched.
 */
#ifndef SNICERT_LIBRARY_H
#define SNICERT_LIBRARY_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "snicert.h"

/** Whether an address, of a caller's code say, lies in the libcrypto that we call. */
bool library_is_ours(const void *address);

/**
 * Whether a context was made by the libssl that we call, and no second libssl or libcrypto is loaded
 * that its calls may go to.  Returns 0, or -1 with *err saying what is there.
 */
int library_check(const SSL_CTX *ctx, struct snicert_error *err);

#endif
