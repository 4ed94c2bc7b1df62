/* SPDX-License-Identifier: ISC */
/* clients.h: ACME clients' conventions for hooks: which files are the new chain; installing a hook. */
#ifndef SNICERT_CLIENTS_H
#define SNICERT_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "snicert.h"

#define CLIENT_FILES 4

/** What a client said. */
struct renewal {
	const char *directory;             /* in: --dir, or the client's usual one */
	int status;                     /* in: --status */
	char *files[CLIENT_FILES];      /* out: key and certificates */
	size_t count;
	bool nothing;                   /* out: not about a new certificate */
	bool renewed;                   /* out: false if the client didn't need to renew */
	int exit;                       /* out: with `nothing`, the exit code */
};

struct client {
	const char *name;
	const char *directory;             /* where it keeps its files */
	/** From the client's environment and arguments. */
	int (*read)(struct renewal *, int argc, char **argv, struct snicert_error *err);
	/** A shell script to install the hook; `command` and `directory` need no quotes. */
	void (*install)(FILE *, const char *command, const char *directory);
};

/** NULL if there is none. */
const struct client *client_find(const char *name);
/** The name that was meant, or NULL. */
const char *client_meant(const char *name);
void renewal_free(struct renewal *);

#endif
