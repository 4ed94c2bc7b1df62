/* SPDX-License-Identifier: ISC */
/*
 * simulator.h: what a client is served: a real handshake, in this process, of a
 * client like the one asked about with a server that has the module attached.
 * The answer comes from the very code that serves.
 */
#ifndef SNICERT_SIMULATOR_H
#define SNICERT_SIMULATOR_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "hook.h"
#include "snicert.h"

/** A server with the module. */
struct simulator;

struct simulator_options {
	const char *config_path;
	const char *address;            /* the local one, in inet_ntop's text; NULL: none */
	const char *program;            /* as configured for it; NULL: none */
	bool quiet;                     /* of the module's log, errors only go to stderr */
};

int simulator_open(struct simulator **out, const struct simulator_options *, struct snicert_error *err);
void simulator_close(struct simulator *);

/** What a client is able to use, by name: any, rsa, ecdsa, ecdsa-p256, ed25519, tls12 …; NULL: there is no such. */
struct simulator_profile;
const struct simulator_profile *simulator_profile(const char *name);

enum simulator_result {
	SIMULATOR_STORE,           /* a chain of the store */
	SIMULATOR_OWN,             /* the server's own certificate */
	SIMULATOR_REFUSED          /* unrecognized_name */
};

/** Told of each candidate in turn. */
typedef void simulator_step_fn(void *arg, enum hook_candidate, const struct name *key, enum hook_verdict,
    const struct answer *answer);

/**
 * One handshake; `name` NULL: no server name.  *certs (may be NULL) are what the
 * client got, leaf first, for sk_X509_pop_free; NULL where nothing came.
 */
int simulator_ask(struct simulator *, const char *name, const struct simulator_profile *, simulator_step_fn *step,
    void *arg, enum simulator_result *result, STACK_OF(X509) **certs, struct snicert_error *err);

#endif
