/* SPDX-License-Identifier: ISC */
/*
 * harness.h: a temporary world for a test (a directory with configuration, store
 * and store key; chains of a throw-away CA) and handshakes within the process.
 *
 * Whatever fails in here ends the test: nothing returns an error.  Certificates
 * are known by the common name of their leaf.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <check.h>
#include <openssl/ssl.h>

#include "store/admin.h"
#include "config.h"
#include "instance.h"
#include "lookup.h"
#include "snicert.h"

#define DAY ((int64_t)86400)
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum key_kind { KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA };

/** The CA and the RSA keys; once, before the tests fork.  harness_end after them. */
void harness_start(void);
void harness_end(void);

/** Run a suite of one case; what main() returns. */
int harness_run(Suite *suite);

/* --- the world ------------------------------------------------------------ */

struct world {
	char dir[64];
	char config[96], store[96], key[96], stats[96];
};

/** `group` (gid_t)-1: store and key for the owner only. */
struct world *world_new_for(gid_t group);
struct world *world_new(void);
void world_free(struct world *);

/** Another with the store and key of one that nobody has open, and the first configuration. */
struct world *world_copy(const struct world *);

/** Write the configuration: the paths, a silent log, and `more` (may be NULL). */
void world_configure(const struct world *, const char *more);

/** Remove the store with its WAL and index. */
void world_remove_store(const struct world *);

/** Read-write; close with admin_close. */
struct admin *world_admin(const struct world *);

/** Its store key. */
struct seal *world_seal(const struct world *);

/** A chain to be made.  All zero but `cn` is P-256, of the CA, for the name `cn`, 90 days. */
struct spec {
	const char *cn;
	enum key_kind kind;
	const char *names;              /* space-separated; NULL: the cn */
	int64_t from, to;               /* seconds from now; 0: a day ago, in 90 days */
	bool self_signed;
	EVP_PKEY *key;                  /* this one instead of a new one */
	bool no_bind;
};

/** Import, as `snicert import --force` does; returns the chain's id. */
int64_t world_add(const struct world *, const struct spec *);

/** The same for WORD0.example, WORD1.example and so on. */
void world_add_numbered(const struct world *, const char *word, int count);

/** Bind one key of the store, or a fallback's "@…", and commit. */
void world_bind(const struct world *, const char *key, int64_t chain);
void world_unbind(const struct world *, const char *key);

/** Wait until another file in the store's place has to be seen (lookup_refresh). */
void world_tick(void);

/** Run SQL on the store, bypassing the tool; and wait for a tick, as it does. */
void world_sql(const struct world *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** SHA-256 over every row of every table. */
void world_digest(const struct world *, unsigned char out[32]);

/** What `snicert rekey` does. */
void world_rekey(const struct world *);

void write_file(const char *path, const char *text, mode_t mode);

/** A chain that no library could decode, for tests of rows alone. */
struct fake {
	const char *key_type;           /* NULL: EC */
	const char *subject;            /* NULL: "" */
	const char *names;              /* NULL: "" */
	int spki;                       /* equal numbers are equal keys; 0: a new one */
	int64_t from, to;               /* seconds from now; 0: a day ago, in 90 days */
	const char *lineage;            /* NULL: none */
	bool alone;                     /* for renewal_bind */
	int id;                         /* equal numbers are equal chains; 0: a new one */
};
int64_t fake_add(struct admin *, const struct fake *, bool *existed);

/* --- certificates --------------------------------------------------------- */

EVP_PKEY *key_make(enum key_kind);      /* RSA: always the same one */
X509 *cert_make(const struct spec *, EVP_PKEY *key);
void cert_cn(const X509 *, char *out, size_t size);

/** A context as a mail server makes it: own certificates "own-rsa" and "own-ec",
 * and a certificate "stranger" to be sent along. */
SSL_CTX *server_ctx(void);

/** A host's own ClientHello callback, which minds nothing. */
int host_client_hello(SSL *, int *alert, void *arg);

/* --- handshakes ----------------------------------------------------------- */

struct client {
	const char *name;               /* server name, NULL: none */
	int version;                    /* TLS1_2_VERSION: at the most; else 1.3 */
	const char *sigalgs, *ciphers, *groups;
	SSL_SESSION *session;           /* to resume */
	const char *address;            /* over TCP to this address instead of a BIO pair */
	bool mapped;                    /* … accepted by an IPv6 socket */
	SSL_CTX *ctx;                   /* instead of a new one */
};

struct outcome {
	bool done;                      /* both sides completed */
	int alert;                      /* the server's, 0: none */
	char leaf[64];                  /* common name */
	char chain[256];                /* common names as sent, with commas between */
	bool resumed;
	int hellos;                     /* ClientHellos seen: 2 after a HelloRetryRequest */
	char name[300];                 /* the server's view of the name; "" without */
	int version;
	SSL_SESSION *session;           /* the client's, to be freed by outcome_clear */
};

void handshake(SSL_CTX *server, const struct client *, struct outcome *);
void outcome_clear(struct outcome *);

/** A handshake with this name, which must complete; the leaf's name is in a buffer of the thread. */
const char *served(SSL_CTX *server, const char *name);

/** The two ends, for tests that need more than one handshake on a connection. */
struct pair {
	SSL_CTX *client_ctx;
	SSL *client, *server;
	int fds[2];
	struct outcome *outcome;
};
void pair_open(struct pair *, SSL_CTX *server, const struct client *, struct outcome *);
bool pair_shake(struct pair *);
void pair_close(struct pair *);

/* --- processes and logs --------------------------------------------------- */

/** Run in a forked child; its result (0 to 255), or -1 where it crashed. */
int in_child(int (*work)(void *arg), void *arg);

int open_fds(void);

/** CPU time of this thread, in seconds: what others do with the cores is not in it. */
double cpu_seconds(void);

/** A sink for set_log: the lines, one below the other. */
struct lines {
	char text[65536];
	size_t used;
	int count;
};
void lines_sink(void *arg, int priority, const char *text);

/** An open module on the world, with `lines` (may be NULL) as its log, attached to a new context. */
struct bench {
	struct snicert *snicert;
	SSL_CTX *ctx;
	struct lines lines;
};
void bench_open(struct bench *, const struct world *);
void bench_close(struct bench *);
struct snicert_counters bench_counters(const struct bench *);

#endif
