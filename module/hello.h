/* SPDX-License-Identifier: ISC */
/*
 * hello.h: what a ClientHello says, before the library has decided anything: while it chooses the
 * protocol version, and until it has read the extensions.
 */
#ifndef SNICERT_HELLO_H
#define SNICERT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define HELLO_RANDOM_LENGTH 32

#define HELLO_LIST_MOST 64

/** A list of code points. */
struct hello_list {
	bool is_there;                  /* the extension */
	size_t count;                   /* HELLO_LIST_MOST: could be any */
	uint16_t value[HELLO_LIST_MOST];
};

struct hello {
	unsigned char random[HELLO_RANDOM_LENGTH];
	bool has_name;                  /* a host_name (RFC 6066 section 3) that the library accepts, too */
	char name[TLSEXT_MAXLEN_host_name + 1];
	int version;                    /* protocol version, as far as known; set by the caller */
	struct hello_list sigalgs;      /* signature_algorithms (RFC 8446 section 4.2.3) */
	struct hello_list groups;       /* supported_groups (RFC 8446 section 4.2.7) */
	STACK_OF(SSL_CIPHER) *ciphers;  /* see hello_read_ciphers */
};

/**
 * Whether a ClientHello is being processed, and its random if so: the same after a
 * HelloRetryRequest (RFC 8446 section 4.1.2), another one in a renegotiation.
 */
bool hello_random(SSL *, unsigned char random[HELLO_RANDOM_LENGTH]);

/** Read it; free with hello_free.  NULL if out of memory, or if there is none. */
struct hello *hello_read(SSL *ssl);
void hello_free(struct hello *);

/** Read its ciphers too, which matter up to TLS 1.2.  False if no memory. */
bool hello_read_ciphers(struct hello *, SSL *ssl);

/** Whether the host, by its own order, will present a raw public key (RFC 7250), which excludes
 * chains. */
bool hello_is_for_raw_key(SSL *ssl);

/** Whether it will, once the ClientHello's extensions are read. */
bool hello_agreed_on_raw_key(const SSL *ssl);

/** The highest version `ssl` does. */
int hello_highest(SSL *ssl);

/** The version that the library will choose, by the ClientHello, if there is a certificate for it.
 * Only in the ClientHello callback: later, the library has consumed its input. */
int hello_likely_version(SSL *ssl);

bool hello_list_may_have(const struct hello_list *, unsigned value);

#endif
