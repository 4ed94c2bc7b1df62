/* SPDX-License-Identifier: ISC */
/*
 * simulator.h: what a client is served: a real handshake in this process, between a client like the
 * given one and a server with the module attached.  The answer comes from the real code.
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
	const char *address;            /* the local one, in inet_ntop's form; NULL: none */
	const char *program;            /* its configuration; NULL: none */
	bool quiet;                     /* print only errors of the module's log */
};

int simulator_open(struct simulator **out, const struct simulator_options *, struct snicert_error *err);
void simulator_close(struct simulator *);

/** What a client can use, by name: any, rsa, ecdsa, ecdsa-p256, ed25519, tls12 …; NULL: unknown. */
struct simulator_profile;
const struct simulator_profile *simulator_profile(const char *name);
/** The name that was meant, or NULL. */
const char *simulator_meant(const char *name);

enum simulator_result {
	SIMULATOR_STORE,           /* a chain of the store */
	SIMULATOR_OWN,             /* the server's own certificate */
	SIMULATOR_REFUSED          /* unrecognized_name */
};

/**
 * One handshake; `name` NULL: no server name.  Calls `step` (may be NULL) for each candidate in
 * turn.  *certs (may be NULL) is what the client got, leaf first, for sk_X509_pop_free; NULL if
 * nothing.
 */
int simulator_ask(struct simulator *, const char *name, const struct simulator_profile *, hook_tell_fn *step,
    void *arg, enum simulator_result *result, STACK_OF(X509) **certs, struct snicert_error *err);

#endif
