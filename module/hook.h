/* SPDX-License-Identifier: ISC */
/* hook.h: the OpenSSL callbacks, and what they work with. */
#ifndef SNICERT_HOOK_H
#define SNICERT_HOOK_H

#include <stdatomic.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "config.h"
#include "log.h"
#include "lookup.h"
#include "stats.h"

/** What became of one candidate. */
enum hook_verdict {
	HOOK_SERVED,
	HOOK_NOT_BOUND,         /* nothing in the store under this key */
	HOOK_UNREADABLE,        /* the store, or every chain of the key, failed */
	HOOK_UNUSABLE,          /* the client can use none of its chains */
	HOOK_EXPIRED,           /* expired, and `expired = fallback` */
	HOOK_REJECTED           /* the library did not take the chains */
};

/** One candidate in the order of choice: the rule is in snicert(7). */
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
	_Atomic uint64_t own, refused, trouble, unusable, expired;
	_Atomic uint64_t reasons[STATS_REASONS];        /* why not the name's own; STATS_NONE not counted */
};

/** Where a context differs from the configuration. */
struct hook_policy {
	struct config_program program;          /* without its name */
	bool has_no_fallback;                   /* never the store's */
	unsigned key_types;                     /* a set of enum stats_key; 0: all */
	bool staples;                           /* OCSP responses also for the store's chains */
};

/** What the callbacks work with. */
struct hook {
	atomic_uint refs;                       /* one for the instance, one for each context */
	void (*free)(struct hook *);            /* at the last unref */
	struct hook *root;                      /* the instance's, which counts: this one, or what
	                                         * hook_derive made this one from */
	struct hook_policy policy;              /* all zero in the instance's */
	const struct config *config;
	const struct config_program *program;   /* this program's section, or NULL */
	struct log *log;
	struct lookup *lookup;
	struct stats *stats;                    /* NULL: none */
	struct hook_counters counters;
};

/** Take or drop a reference; hook->refs starts at 1. */
struct hook *hook_ref(struct hook *hook);
void hook_unref(struct hook *hook);

/**
 * Serve the store's chains on connections made from a server context from now on; the context holds
 * a reference until it is freed.  Leaves the context's own callbacks alone, except the ClientHello
 * callback where unknown names are refused.  Calling it twice does no harm.  Returns 0, or -1 with
 * *err set.
 */
int hook_attach(struct hook *hook, SSL_CTX *ctx, struct snicert_error *err);

/** The same with a context's own policy, for hook_attach.  Takes a reference to `root`; NULL if out
 * of memory. */
struct hook *hook_derive(struct hook *root, const struct hook_policy *);

/** Whether two do the same: a policy may be given repeatedly. */
bool hook_is_same(const struct hook *, const struct hook *);

/**
 * What the host knows of a connection about to begin: its local address, and its server name
 * ("": none).  NULL: forget it.  Valid for the next ClientHello and the rest of that connection.
 * Return 0, or -1 with *err set.
 */
int hook_set_local(SSL *ssl, const struct sockaddr *, size_t length, struct snicert_error *err);
int hook_set_name(SSL *ssl, const char *name, struct snicert_error *err);

/** The server name of a connection, as given or sent; NULL: none. */
const char *hook_name_of(const SSL *ssl);

/** Stop: handshakes that begin from now on are as without us. */
void hook_detach(const struct hook *hook, SSL_CTX *ctx);

/** Like hook_attach, but borrows `hook` and uses the ClientHello callback: for a context older than
 * we are, which may already have connections. */
void hook_attach_late(struct hook *hook, SSL_CTX *ctx);

/**
 * For a host's own callback: do what hook_attach would have done for this connection.  From a
 * ClientHello or servername callback it takes the connection's certificate callback, from a
 * certificate callback it installs the chain.  Returns 0, 1 if the client can use none (nothing is
 * changed), or -1 with *err set.
 */
int hook_choose(struct hook *hook, SSL *ssl, struct snicert_error *err);

/** What was chosen for a connection; borrowed from it; NULL: nothing (yet). */
struct hook_outcome;
const struct hook_outcome *hook_outcome_of(const SSL *ssl, bool *is_refused);

/** Gets a candidate; `answer` is NULL where the store gave none. */
typedef void hook_tell_fn(void *arg, enum hook_candidate, const struct name *key, enum hook_verdict,
    const struct answer *answer);

/**
 * For `snicert explain`: report, in order, the candidates tried for a connection whose handshake
 * has ended, as they were judged then.  Returns how many: none if nothing was chosen.
 */
size_t hook_retrace(struct hook *hook, SSL *ssl, hook_tell_fn *tell, void *arg);

/** What a context has attached of an instance, with its policy; else the instance's own. */
struct hook *hook_of(const SSL_CTX *ctx, struct hook *root);

/** The callbacks themselves; `arg` is a struct hook. */
int hook_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex);
int hook_certificate(SSL *ssl, void *arg);

#endif
