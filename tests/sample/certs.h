/* SPDX-License-Identifier: ISC */
/* certs.h: snicert.so in the sample MTA. */
#ifndef SAMPLE_CERTS_H
#define SAMPLE_CERTS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "snicert.h"

struct certs {
	void *object;           /* of dlopen() */
	const struct snicert_module *module;
	struct snicert *store;
};

struct certs_options {
	const char *config;     /* NULL: the module's default */
	const char *program;    /* the section of it to go by; NULL: this program's */
	bool strict;            /* fail where configuration, store or store key can't be read */
	bool to_stderr;         /* the module logs where the sample MTA does, otherwise to syslog */
};

/**
 * Load the module at `path`, open its store and serve it on `ctx`.
 * Returns 0, or -1 with *err set.  Call certs_close() in both cases.
 */
int certs_open(struct certs *, const char *path, const struct certs_options *, SSL_CTX *ctx,
    struct snicert_error *err);

/** What a connection was served, for logs and trace lines: "exact:mx.customer.example", "own". */
const char *certs_served(const struct certs *, const SSL *ssl, char *out, size_t size);

/** After the last connection is gone. */
void certs_close(struct certs *);

#endif
