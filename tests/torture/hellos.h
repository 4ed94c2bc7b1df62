/* SPDX-License-Identifier: ISC */
/*
 * hellos.h: ClientHellos, as OpenSSL makes them and then spoilt, by the chance of
 * trial.h.  They are records, ready to be sent; none knows what answers.
 */
#ifndef HELLOS_H
#define HELLOS_H

#include <stddef.h>

#include <openssl/ssl.h>

#define HELLO_SIZE 8192                 /* a spoilt one is no longer */
#define HELLO_NAME_MOST 65526u          /* the longest name for which the extensions have room */
#define HELLO_LONG_SIZE (70000u + 64u)  /* one with a name of that length */

/** A client of this version, alone. */
SSL_CTX *hello_client(int version);

/** With a server name (NULL: none). */
size_t hello_make(SSL_CTX *client, const char *name, unsigned char *out, size_t size);

/** With an extension more, behind the others; the new length. */
size_t hello_add(unsigned char *hello, size_t length, unsigned type, const void *body, size_t size);

/** Octets, lengths and extensions that are off; the new length, HELLO_SIZE at the most. */
size_t hello_spoil(unsigned char *hello, size_t length);

/** One of a list of names, or none, of TLS 1.2 or 1.3, and spoilt. */
size_t hello_draw(SSL_CTX *const clients[2], unsigned long number, unsigned char hello[HELLO_SIZE]);

/**
 * From one without a name another with a name of any length, in as many records as it
 * takes; `bare`: without any other extension, for which the longest ones leave no room.
 */
size_t hello_with_name(const unsigned char *hello, size_t length, const char *name, size_t name_length,
    int bare, unsigned char out[HELLO_LONG_SIZE]);

#endif
