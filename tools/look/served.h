/* SPDX-License-Identifier: ISC */
/*
 * served.h: what a client is served: a real handshake, in this process, of a
 * client like the one asked about with a server that has the module attached.
 * The answer comes from the very code that serves.
 */
#ifndef SNICERT_SERVED_H
#define SNICERT_SERVED_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "hook.h"
#include "snicert.h"

/** A server with the module. */
struct served;

struct served_options {
	const char *config_path;
	const char *address;            /* the local one, in inet_ntop's text; NULL: none */
	const char *program;            /* as configured for it; NULL: none */
	bool quiet;                     /* of the module's log, errors only go to stderr */
};

int served_open(struct served **out, const struct served_options *, struct snicert_error *err);
void served_close(struct served *);

/** What a client is able to use, by name: any, rsa, ecdsa, ed25519, tls12 …; NULL: there is no such. */
struct served_profile;
const struct served_profile *served_profile(const char *name);

enum served_result {
	SERVED_STORE,           /* a chain of the store */
	SERVED_OWN,             /* the server's own certificate */
	SERVED_REFUSED          /* unrecognized_name */
};

/** Told of each candidate in turn. */
typedef void served_step_fn(void *arg, enum hook_candidate, const struct name *key, enum hook_verdict,
    const struct answer *answer);

/**
 * One handshake; `name` NULL: no server name.  *certs (may be NULL) are what the
 * client got, leaf first, for sk_X509_pop_free; NULL where nothing came.
 */
int served_ask(struct served *, const char *name, const struct served_profile *, served_step_fn *step,
    void *arg, enum served_result *result, STACK_OF(X509) **certs, struct snicert_error *err);

#endif
