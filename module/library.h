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

/** Whether a context or a connection was made by the libssl that we call; else it is not to be touched. */
bool library_made(const SSL_CTX *ctx);
bool library_made_ssl(const SSL *ssl);

/**
 * Whether it was, and no second libssl or libcrypto is loaded that could get its calls.  Returns 0, or -1
 * with *err saying what is there.
 */
int library_check(const SSL_CTX *ctx, struct snicert_error *err);
int library_check_ssl(const SSL *ssl, struct snicert_error *err);

/**
 * Whether all that we call of libssl and libcrypto is of one library.  To be asked before anything of
 * theirs is called; with the same results.
 */
int library_check_calls(struct snicert_error *err);

#endif
