/* SPDX-License-Identifier: ISC */
/* hook.h: the OpenSSL callbacks, and the choice they make. */
#ifndef SNICERT_HOOK_H
#define SNICERT_HOOK_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "config.h"
#include "log.h"
#include "lookup.h"
#include "stats.h"

/** What became of one candidate. */
enum hook_verdict {
	HOOK_SERVED,
	HOOK_NOT_BOUND,         /* nothing in the store under this key */
	HOOK_UNREADABLE,        /* the store, or every chain of the key, is in trouble */
	HOOK_UNUSABLE,          /* the client can use none of its chains */
	HOOK_EXPIRED,           /* expired, and `expired = fallback` */
	HOOK_REJECTED           /* the library did not take the chains */
};

/** One candidate in the order of choice: DESIGN of the rule in snicert(7). */
enum hook_candidate {
	HOOK_EXACT,
	HOOK_WILDCARD,
	HOOK_ADDRESS,           /* the fallback of the local address */
	HOOK_PROGRAM,           /* the fallback of the program */
	HOOK_GLOBAL,            /* the global fallback */
	HOOK_CANDIDATES
};

struct hook_counters {
	_Atomic uint64_t served[HOOK_CANDIDATES];
	_Atomic uint64_t own, refused, trouble, unusable;
};

/** What the callbacks work with. */
struct hook {
	const struct config *config;
	const struct config_program *program;   /* this program's section, or NULL */
	struct log *log;
	struct lookup *lookup;
	struct stats *stats;                    /* NULL: none */
	struct hook_counters counters;

	/* For `snicert explain`: told of each candidate in turn; the local
	 * address to take instead of the connection's. */
	void (*trace)(void *arg, enum hook_candidate, const struct name *key, enum hook_verdict,
	    const struct answer *answer);
	void *trace_arg;
	const char *address;
};

/** Take the servername, the certificate and the ClientHello callback of a server context; borrows `hook`. */
void hook_attach(struct hook *hook, SSL_CTX *ctx);

/** The same on the context of a program that knows nothing of us, and may set the first two later. */
void hook_attach_unasked(struct hook *hook, SSL_CTX *ctx);

/**
 * Its ClientHello callback alone, from which each connection gets its
 * certificate callback: for contexts that are set up already, whose other
 * callbacks the host may need.
 */
void hook_attach_late(struct hook *hook, SSL_CTX *ctx);

/** Whom a chain is chosen for, and what is done with it.  `arg` goes to the functions. */
struct hook_peer {
	void *arg;
	const char *server_name;        /* as it was sent; NULL: none */
	bool again;                     /* asked before: counted and logged already */
	bool (*address)(void *arg, char *text, socklen_t size);         /* the local one */
	void (*ends)(void *arg, struct log_line *);     /* adds local and peer, if known; may be NULL */
	bool (*usable)(void *arg, const struct answer *);
	int (*install)(void *arg, const struct answer *, struct snicert_error *err);
};

/**
 * Install the first usable candidate.  The callbacks below end here, and so do
 * hosts whose handshakes OpenSSL does not do.  Returns whether there was one;
 * if not, the own certificate stays.
 */
bool hook_serve(struct hook *hook, const struct hook_peer *peer);

/** The callbacks themselves; `arg` is a struct hook. */
int hook_servername(SSL *ssl, int *alert, void *arg);
int hook_certificate(SSL *ssl, void *arg);

#endif
