/* SPDX-License-Identifier: ISC */
/* hook_given.h: what the host said of a connection before it began; overrides what we see of it. */
#ifndef SNICERT_HOOK_GIVEN_H
#define SNICERT_HOOK_GIVEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include <openssl/tls1.h>

#include "snicert.h"

/** All zero: nothing. */
struct hook_given {
	struct sockaddr_storage local;  /* AF_UNSPEC: not given */
	bool has_name;
	bool is_local_used, is_name_used;       /* by a connection that has begun */
	char name[TLSEXT_MAXLEN_host_name + 1];
};

/** A ClientHello of another connection has come: what was said of the previous one no longer holds. */
void hook_given_begin(struct hook_given *);

/** The local address; NULL: not given.  `given` may be NULL. */
const struct sockaddr_storage *hook_given_local(const struct hook_given *given);

/** The name to use if the client sent `sent`; NULL: none.  `given` may be NULL. */
const char *hook_given_name(const struct hook_given *given, const char *sent);

/** NULL: unset.  Return 0, or -1 with *err set. */
int hook_given_set_local(struct hook_given *, const struct sockaddr *, size_t length, struct snicert_error *err);
int hook_given_set_name(struct hook_given *, const char *name, struct snicert_error *err);

#endif
