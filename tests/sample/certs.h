/* SPDX-License-Identifier: ISC */
/* certs.h: snicert.so in the sample MTA. */
#ifndef SAMPLE_CERTS_H
#define SAMPLE_CERTS_H

#include <openssl/ssl.h>

#include "snicert.h"

struct certs {
	void *object;           /* of dlopen() */
	const struct snicert_module *module;
	struct snicert *store;
};

/**
 * Load the module at `path`, open its store and serve it on `ctx`.
 *
 * `config` may be NULL: the module's default.  With `to_stderr` the module
 * logs where the sample MTA does, otherwise to syslog.
 * Returns 0, or -1 with *err set.  Call certs_close() in both cases.
 */
int certs_open(struct certs *, const char *path, const char *config, SSL_CTX *ctx,
    int to_stderr, struct snicert_error *err);

/** After the last connection is gone. */
void certs_close(struct certs *);

#endif
