/* SPDX-License-Identifier: ISC */
/*
 * ends.h: handshakes in memory for trials with threads and forks, with nothing of
 * Check within them: its lock is not made for a fork.
 */
#ifndef TORTURE_ENDS_H
#define TORTURE_ENDS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#define LEAF_SIZE 64

/** A client's context that goes up to this version of TLS; one a thread. */
SSL_CTX *ends_client(int version);

/** Whether a handshake with this name (NULL: none) completes; the common name of the server's leaf. */
bool ends_shake(SSL_CTX *server, SSL_CTX *client, const char *name, char leaf[LEAF_SIZE]);

void ends_nap(unsigned milliseconds);

#endif
