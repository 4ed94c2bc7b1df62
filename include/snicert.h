/* SPDX-License-Identifier: ISC */
/**
 * snicert.h: the interface of snicert.so for authors of mail servers.
 *
 * A mail server calls dlopen() on snicert.so, looks up one symbol, opens a
 * store of certificate chains and attaches it to each server SSL_CTX that it
 * makes.  From then on, every TLS handshake of such a context presents the
 * chain that the store has for the server name (SNI, RFC 6066 section 3)
 * that the client sent, or the store's fallback if the client sent no
 * name or an unknown one (RFC 7672 section 8.1).  If the store has no
 * answer at all, the handshake presents what the context had before (its "own
 * certificate"): a handshake that succeeds without the module succeeds with it.
 *
 *     void *so = dlopen("/usr/lib/snicert/snicert.so", RTLD_NOW | RTLD_LOCAL);
 *     const struct snicert_module *m = dlsym(so, SNICERT_MODULE_SYMBOL);
 *     struct snicert *certs = NULL;
 *     struct snicert_error err = {0};
 *
 *     if (m == NULL || m->abi != SNICERT_ABI ||
 *         m->open(&certs, NULL, &err) != 0 ||
 *         m->attach(certs, server_ctx, &err) != 0)
 *             log_warning("no certificates by name: %s", err.text);
 *
 * `pkg-config --variable=module snicert` prints the path of snicert.so.
 */
#ifndef SNICERT_H
#define SNICERT_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this interface; struct snicert_module begins with it. */
#define SNICERT_ABI 1u

/** The one data symbol to look up: a `const struct snicert_module`. */
#define SNICERT_MODULE_SYMBOL "snicert_module"

/** From <sys/socket.h>. */
struct sockaddr;

/** An open store with its cache.  Serves any number of contexts and threads. */
struct snicert;

/** What went wrong: `code` is one of enum snicert_code, `text` says it in words. */
struct snicert_error {
	int code;
	char text[508];
};

enum snicert_code {
	SNICERT_OK = 0,
	SNICERT_EUSAGE,     /* the caller's arguments are wrong */
	SNICERT_ECONFIG,    /* the configuration is wrong: the text names file, line and option */
	SNICERT_ESYSTEM,    /* a system call failed: the text includes errno's */
	SNICERT_EMEMORY,    /* no memory */
	SNICERT_ESTORE,     /* the store is missing, foreign, corrupt or locked */
	SNICERT_EPERM,      /* the owner or mode of a file is unsafe */
	SNICERT_EKEY,       /* a private key, or the store key, can't be used */
	SNICERT_ECERT,      /* a certificate or chain can't be used */
	SNICERT_ENOTFOUND,      /* there is no such name or chain */
	SNICERT_EINPUT      /* other input from a person or peer is invalid */
};

/**
 * Handshakes by what they were served, since open.  A handshake that had
 * trouble (`trouble`) also counts under what it was served in the end.
 */
struct snicert_counters {
	uint64_t exact;         /* the chains of the exact name */
	uint64_t wildcard;      /* the chains of *.parent */
	uint64_t fallback;      /* a fallback: of the address, program, or global */
	uint64_t own;           /* the program's own certificate */
	uint64_t refused;       /* alert unrecognized_name (unknown = "refuse") */
	uint64_t trouble;       /* candidates skipped because of an error */
	uint64_t unusable;      /* candidates that this client could not use */
	uint64_t cache_hits;    /* look-ups answered without the store */
	uint64_t decodes;       /* chains decoded from the store */
};

/**
 * All counters, since open: what handshakes were served, and why they did not get their name's own
 * chains, with the reasons of `snicert stats`.  New releases only add members.
 */
struct snicert_counters2 {
	uint64_t exact, wildcard, address, program, global, own, refused;
	uint64_t trouble, unusable;     /* as in struct snicert_counters */
	uint64_t expired;               /* handshakes that were served an expired chain */
	uint64_t cache_hits, decodes;
	uint64_t why_no_name;           /* the client sent none */
	uint64_t why_malformed;         /* what it sent is not a name */
	uint64_t why_unknown;           /* nobody has bound the name */
	uint64_t why_unusable;          /* this client can use none of its chains */
	uint64_t why_expired;           /* they have expired, and `expired = fallback` */
	uint64_t why_broken;            /* they don't decode, or OpenSSL did not accept them */
	uint64_t why_unreadable;        /* the store can't be read */
	uint64_t why_memory;
};

/** What the `trouble` function is called for, besides the line in the log. */
enum snicert_trouble {
	SNICERT_TROUBLE_CONFIG = 1,     /* a mistake in the configuration: the default is used */
	SNICERT_TROUBLE_STORE,          /* the store can't be opened or read */
	SNICERT_TROUBLE_KEY,            /* the store key can't be read, or is not a store key */
	SNICERT_TROUBLE_CHAIN,          /* a chain was skipped */
	SNICERT_TROUBLE_MEMORY          /* too little memory */
};

/** For open2: fail if the configuration, the store or its key has a problem; see open2. */
#define SNICERT_STRICT 1u

/** Options for open2; all zero except `size` does what open() does with NULL. */
struct snicert_options {
	size_t size;                    /* sizeof(struct snicert_options): new releases only add members */
	const char *config_path;        /* NULL: the compiled-in default */
	const char *program;            /* the `program` section to use; NULL: the one with this process's name */
	unsigned flags;                 /* SNICERT_STRICT, or 0 */
	/* As with set_log, from the first line on; NULL: the configuration's target. */
	void (*sink)(void *arg, int priority, const char *text);
	void *sink_arg;
	/* Called for trouble, besides the line in the log; not called if level or rate suppress that line.
	 * `text` is the line's sentence.  Called like the sink, until close; NULL: none. */
	void (*trouble)(void *arg, enum snicert_trouble kind, const char *text);
	void *trouble_arg;
};

/** What a client with an unknown name gets. */
enum snicert_unknown {
	SNICERT_UNKNOWN_CONFIGURED = 0, /* what the `program` section says */
	SNICERT_UNKNOWN_FALLBACK,
	SNICERT_UNKNOWN_OWN,            /* what the program itself has for it; also for a client without a name */
	SNICERT_UNKNOWN_REFUSE          /* the alert unrecognized_name */
};

/** Key types, for a set. */
#define SNICERT_KEY_RSA 1u              /* includes RSA-PSS */
#define SNICERT_KEY_EC 2u
#define SNICERT_KEY_ED25519 4u
#define SNICERT_KEY_ED448 8u

/* In `flags`: the OCSP response of your status callback (SSL_CTX_set_tlsext_status_cb(3)) is for the
 * certificate that SSL_get_certificate(3) returns.  Without it the callback is not called where a chain of
 * the store is presented, as a response for your own certificate makes clients refuse another. */
#define SNICERT_STAPLES 1u

/** A policy for one context; all zero except `size` does what attach() does. */
struct snicert_policy {
	size_t size;                    /* sizeof(struct snicert_policy): new releases only add members */
	const char *program;            /* the `program` section to use; NULL: the one used by open */
	enum snicert_unknown unknown;
	/* A name in the store whose chains are served instead of the program's fallback; "none": no
	 * fallback from the store at all (address, program or global); NULL: the section's fallback. */
	const char *fallback;
	unsigned key_types;             /* a set of SNICERT_KEY_…: chains of other types are skipped; 0: all */
	size_t flags;                   /* a set of SNICERT_STAPLES; 0: none */
};

/** What a connection was served. */
enum snicert_outcome {
	SNICERT_SERVED_NOTHING = 0,     /* no choice: the session was resumed, or it is too early */
	SNICERT_SERVED_EXACT,
	SNICERT_SERVED_WILDCARD,
	SNICERT_SERVED_ADDRESS_FALLBACK,
	SNICERT_SERVED_PROGRAM_FALLBACK,
	SNICERT_SERVED_FALLBACK,        /* the global one */
	SNICERT_SERVED_OWN,             /* the program's own certificates and callbacks */
	SNICERT_SERVED_REFUSED          /* unknown = "refuse" */
};

struct snicert_served {
	size_t size;                    /* sizeof(struct snicert_served), set before the call */
	enum snicert_outcome outcome;
	int expired;                    /* not 0: one or more of the chains have expired */
	char name[256];                 /* asked for, normalised (RFC 6066 section 3); "": none, or not a name */
	char bound[256];                /* where it was found: a name, "*.parent", "@" or "@ADDRESS"; "": nowhere */
	unsigned chain_count;           /* installed chains; OpenSSL chose one of them for the client */
	struct {
		char key_type[16];      /* "RSA", "EC", "ED25519" … */
		unsigned char leaf_sha256[32];  /* of the leaf's DER, as in `snicert show` */
		int64_t not_after;      /* Unix time when the chain expires: its first certificate to do so */
	} chains[8];
	int64_t chain_numbers[8];       /* of the same chains, as in `snicert list` */
};

/** What to look up; all zero except `size` means a client without a name. */
struct snicert_request {
	size_t size;                    /* sizeof(struct snicert_request) */
	const char *name;               /* as a client would send it; NULL: none */
	const char *local;              /* the local address, such as "192.0.2.1"; NULL: one without a fallback */
	SSL_CTX *ctx;                   /* the context whose policy to use; NULL: the policy of attach() */
};

/** The state of an open module. */
struct snicert_health {
	size_t size;                    /* sizeof(struct snicert_health), set before the call */
	int is_open;                    /* not 0: the store can be read */
	int64_t since;                  /* Unix time since when this is so */
	uint64_t sequence;              /* the number of the store's last change; 0: none, or the store can't be read */
	uint64_t cached;                /* keys in the cache: names and fallbacks, including unknown names */
	int64_t last_error_at;          /* Unix time of the last line logged at err or worse; 0: never */
	char last_error[512];           /* the sentence of that line */
};

/**
 * Whether the module has a member of struct snicert_module: those from `open2` on were added later, and
 * more may follow.  `SNICERT_HAS(m, detach) ? … : …`
 */
#define SNICERT_HAS(module, member) \
	((module)->size >= offsetof(struct snicert_module, member) + sizeof((module)->member))

struct snicert_module {
	/** SNICERT_ABI of the module.  Use the module only if you know the number. */
	unsigned abi;
	/** The size of this struct in the module, in octets, for SNICERT_HAS; 0 in modules older than this member. */
	unsigned size;
	/** The module's release, such as "0.1.0". */
	const char *version;

	/**
	 * Open a store as the configuration at `config_path` says.
	 *
	 * NULL means the compiled-in default path; if that file is missing, all
	 * options have their defaults.  Trouble with the store, its key or the
	 * configuration is logged and is not an error: each handshake tries the
	 * store again, so a server may start before its store exists.  If you open
	 * as root, before chroot() and before you drop privileges, the
	 * store stays readable afterwards.
	 * Returns 0 with *out set (free it with close), or -1 with *err set:
	 * SNICERT_EMEMORY; or SNICERT_EUSAGE, also if the program exports functions of a
	 * TLS library of its own, so that some of snicert.so's calls go there and some do not.
	 */
	int (*open)(struct snicert **out, const char *config_path,
	    struct snicert_error *err);

	/**
	 * Serve the store's chains in the handshakes of a server context.
	 *
	 * Puts its own security callback before the context's (see
	 * SSL_CTX_set_security_callback(3)), and takes the certificate callback of each
	 * connection for which the store has an answer.  Leaves everything else alone: your
	 * servername, certificate and ClientHello callbacks, set before or later, and
	 * client connections.  If the configuration says `unknown = refuse`, it also takes the
	 * context's ClientHello callback.  You may call it for any number of
	 * contexts; it serves the connections that you make from them afterwards.
	 * You may free `ctx` at any time; until then it keeps what it needs of the instance,
	 * closed or not.  If you attach it to another instance, that one serves it.
	 * Returns 0, or -1 with *err set: SNICERT_EMEMORY, or SNICERT_EUSAGE if the context
	 * belongs to another TLS library than the one that snicert.so is linked with, or the
	 * process has loaded two libssl or libcrypto.
	 */
	int (*attach)(struct snicert *, SSL_CTX *ctx, struct snicert_error *err);

	/**
	 * Send log lines to the program's own log instead of the configuration's target.
	 *
	 * `priority` is a syslog(3) level, `text` is one line without a newline, in which
	 * everything that a peer sent is escaped.  Any thread that does a handshake may
	 * call `sink`, with no lock held: it may wait, and fork; several may call it at once.
	 * NULL restores the configuration's target.  Lines that other threads were about to write may
	 * still come to the former sink afterwards, also after close().
	 */
	void (*set_log)(struct snicert *,
	    void (*sink)(void *arg, int priority, const char *text), void *arg);

	/** Copy the counters of this process since open. */
	void (*counters)(struct snicert *, struct snicert_counters *out);

	/**
	 * Close the instance; NULL is allowed.  Attached contexts are served until you free them or
	 * attach them to another instance; the last of them frees the rest.  From now on, lines
	 * go to the configuration's target.  For a new configuration, open another instance, attach
	 * your contexts to it, and close the old one: no connection is closed.
	 */
	void (*close)(struct snicert *);

	/**
	 * Do the same as open(), with options.  With SNICERT_STRICT, also returns -1 with *err set
	 * if the configuration has a mistake or is unsafe, or the one at `config_path` does not exist
	 * (SNICERT_ECONFIG, SNICERT_EPERM, SNICERT_ESYSTEM); or if the store or its key can't be read or
	 * is unsafe, or a chain of the global fallback can't be used (SNICERT_ESTORE).
	 */
	int (*open2)(struct snicert **out, const struct snicert_options *, struct snicert_error *err);

	/** Stop serving this context: handshakes that begin from now on are as if you had never
	 * attached it. */
	void (*detach)(struct snicert *, SSL_CTX *ctx);

	/**
	 * Do for one connection what attach would have done.  Call it in your own ClientHello,
	 * servername or certificate callback of a server's handshake; the context may be attached or not.
	 * From the first two, the chain is installed later, by this connection's certificate
	 * callback, which choose takes for that; from the third, at once.
	 * Returns 0; 1 if the store has nothing that this client can use, with nothing changed (also
	 * if the configuration says to refuse the name: you have to do that); or -1 with
	 * *err set: SNICERT_EUSAGE or SNICERT_EMEMORY.  Never sends an alert.
	 */
	int (*choose)(struct snicert *, SSL *ssl, struct snicert_error *err);

	/**
	 * Get what attach or choose chose for a connection; known from its certificate callback on
	 * until it is freed.  Returns 0 with *out set, or -1 with *err set (SNICERT_EUSAGE).
	 */
	int (*served)(struct snicert *, const SSL *ssl, struct snicert_served *out, struct snicert_error *err);

	/**
	 * Do the same as attach(), with a policy for this context, which is copied.  If you attach the
	 * context again, with attach or attach2, that replaces the policy for the handshakes that begin from
	 * then on.  choose also uses it.
	 * Returns 0, or -1 with *err set and the context as it was: the errors of attach;
	 * SNICERT_EUSAGE for an unknown value or two that contradict each other;
	 * SNICERT_ECONFIG if the configuration has no such section; SNICERT_EINPUT if the fallback is
	 * not a name; and, if the instance was opened with SNICERT_STRICT, SNICERT_ENOTFOUND or
	 * SNICERT_ESTORE if the fallback has no chains, or none that can be read.
	 */
	int (*attach2)(struct snicert *, SSL_CTX *ctx, const struct snicert_policy *, struct snicert_error *err);

	/**
	 * Set the local address of a connection without a socket (memory BIOs) or with a different one (a
	 * proxy): it determines the fallback by local address, and appears in the log.  AF_INET or AF_INET6;
	 * NULL withdraws it.
	 * Call it before the handshake.  It applies to the next ClientHello and the rest of that connection,
	 * including renegotiations; after SSL_clear(3), set it again.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE or SNICERT_EMEMORY.
	 */
	int (*set_local)(struct snicert *, SSL *ssl, const struct sockaddr *, size_t length,
	    struct snicert_error *err);

	/**
	 * Set the server name of a connection, instead of the one in its ClientHello, if you learnt it in
	 * another way, such as from a proxy.  An invalid name counts as an unknown one, as from a client;
	 * "" means no name; NULL withdraws it.  It applies as long as set_local's address.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, SNICERT_EMEMORY, or SNICERT_EINPUT for more than
	 * 255 octets.
	 */
	int (*set_name)(struct snicert *, SSL *ssl, const char *name, struct snicert_error *err);

	/**
	 * Get what a client would be served, without a handshake, for policy servers and status pages.
	 * *out is like that of served(), with all chains to choose from; no keys.  Counts nothing, and logs
	 * only trouble.  Any thread may call it at any time.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, or SNICERT_ESTORE if the store can't be asked
	 * for the name, so that the answer is not known.
	 */
	int (*lookup)(struct snicert *, const struct snicert_request *, struct snicert_served *out,
	    struct snicert_error *err);

	/**
	 * Load the chains of these names into the cache before their handshakes, as far as it has
	 * room (`memory`).  An invalid or unknown name is not an error.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, or SNICERT_ESTORE at the first name for which the
	 * store can't be asked.
	 */
	int (*warm)(struct snicert *, const char *const *names, size_t count, struct snicert_error *err);

	/** Get the module's state; checks the store.  Returns 0 with *out set, or -1 with *err set (SNICERT_EUSAGE). */
	int (*health)(struct snicert *, struct snicert_health *out, struct snicert_error *err);

	/** Get all counters, in `size` octets; members that the module does not have are 0.  Returns as health does. */
	int (*counters2)(struct snicert *, struct snicert_counters2 *out, size_t size, struct snicert_error *err);
};

#ifdef __cplusplus
}
#endif

#endif
