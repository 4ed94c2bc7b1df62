/* SPDX-License-Identifier: ISC */
/*
 * library.h: whether the host's TLS library is the one that we call.  A process may hold another:
 * bundled, linked statically, of another version or kind.  We must not touch its objects.
 */
#ifndef SNICERT_LIBRARY_H
#define SNICERT_LIBRARY_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "snicert.h"

/** Whether an address, a caller's code for example, is in the libcrypto we call. */
bool library_is_ours(const void *address);

/**
 * Whether a context was made by the libssl that we call, and no second libssl or libcrypto is
 * loaded that could get its calls.  Returns 0, or -1 with *err saying what is there.
 */
int library_check(const SSL_CTX *ctx, struct snicert_error *err);

#endif
