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
/** The name of one that was meant, or NULL. */
const char *simulator_meant(const char *name);

enum simulator_result {
	SIMULATOR_STORE,           /* a chain of the store */
	SIMULATOR_OWN,             /* the server's own certificate */
	SIMULATOR_REFUSED          /* unrecognized_name */
};

/**
 * One handshake; `name` NULL: no server name.  `step` (may be NULL) is told of each candidate in turn.  *certs (may be NULL) are what the
 * client got, leaf first, for sk_X509_pop_free; NULL where nothing came.
 */
int simulator_ask(struct simulator *, const char *name, const struct simulator_profile *, hook_tell_fn *step,
    void *arg, enum simulator_result *result, STACK_OF(X509) **certs, struct snicert_error *err);

#endif
