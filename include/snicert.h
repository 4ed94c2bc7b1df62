/* SPDX-License-Identifier: ISC */
/**
 * snicert.h: the interface of snicert.so for authors of mail servers.
 *
 * A mail server calls dlopen() on snicert.so, looks up one symbol, opens a
 * store of certificate chains and attaches it to each server SSL_CTX that it
 * makes.  From then on every TLS handshake of such a context presents the
 * chain that the store holds for the server name (SNI, RFC 6066 section 3)
 * that the client sent, or the store's fallback chain where the client sent no
 * name or one that nobody knows (RFC 7672 section 8.1).  What the context was
 * given beforehand (its "own certificate") is presented where the store has no
 * answer at all: a handshake that succeeds without the module succeeds with it.
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

/** The version of this interface; struct snicert_module starts with it. */
#define SNICERT_ABI 1u

/** The one data symbol to look up: a `const struct snicert_module`. */
#define SNICERT_MODULE_SYMBOL "snicert_module"

/** As <sys/socket.h> has it. */
struct sockaddr;

/** An open store with its cache.  Serves any number of contexts and threads. */
struct snicert;

/** What went wrong; `code` is one of enum snicert_code, `text` is for people. */
struct snicert_error {
	int code;
	char text[508];
};

enum snicert_code {
	SNICERT_OK = 0,
	SNICERT_EUSAGE,     /* the caller's arguments are off */
	SNICERT_ECONFIG,    /* the configuration: file, line and option are named */
	SNICERT_ESYSTEM,    /* the system said no: errno's text is included */
	SNICERT_EMEMORY,    /* no memory */
	SNICERT_ESTORE,     /* the store is missing, foreign, corrupt or locked */
	SNICERT_EPERM,      /* owner or mode of a file is unsafe */
	SNICERT_EKEY,       /* a private key, or the store key, can't be used */
	SNICERT_ECERT,      /* a certificate or chain can't be used */
	SNICERT_ENOTFOUND,      /* there is no such name or chain */
	SNICERT_EINPUT      /* other input of a person or peer is not acceptable */
};

/**
 * Handshakes by what they were served, since open.  A handshake that ran into
 * trouble (`trouble`) is also counted under what it was served in the end.
 */
struct snicert_counters {
	uint64_t exact;         /* the chains of the exact name */
	uint64_t wildcard;      /* the chains of *.parent */
	uint64_t fallback;      /* a fallback: of the address, program, or global */
	uint64_t own;           /* the host's own certificate */
	uint64_t refused;       /* alert unrecognized_name (unknown = "refuse") */
	uint64_t trouble;       /* candidates passed over because of an error */
	uint64_t unusable;      /* candidates this client was not able to use */
	uint64_t cache_hits;    /* look-ups answered without the store */
	uint64_t decodes;       /* chains decoded from the store */
};

/**
 * All that is counted, since open; served by what, and why a handshake did not get its name's own
 * chains: the reasons that `snicert stats` has.  Members are only ever added.
 */
struct snicert_counters2 {
	uint64_t exact, wildcard, address, program, global, own, refused;
	uint64_t trouble, unusable;     /* as in struct snicert_counters */
	uint64_t expired;               /* handshakes that were served an expired chain */
	uint64_t cache_hits, decodes;
	uint64_t why_no_name;           /* the client sent none */
	uint64_t why_malformed;         /* what it sent is no name */
	uint64_t why_unknown;           /* nobody has bound the name */
	uint64_t why_unusable;          /* this client can use none of its chains */
	uint64_t why_expired;           /* and `expired = fallback` */
	uint64_t why_broken;            /* they don't decode, or the TLS library did not take them */
	uint64_t why_unreadable;        /* the store can't be read */
	uint64_t why_memory;
};

/** What a host is told of beside the line in the log. */
enum snicert_trouble {
	SNICERT_TROUBLE_CONFIG = 1,     /* a mistake in the configuration: the default stands */
	SNICERT_TROUBLE_STORE,          /* it can't be opened or read */
	SNICERT_TROUBLE_KEY,            /* the store key can't be read, or is none */
	SNICERT_TROUBLE_CHAIN,          /* a chain was passed over */
	SNICERT_TROUBLE_MEMORY          /* too little of it */
};

/** For open2: fail where the configuration, the store or its key can't be read as they should be. */
#define SNICERT_STRICT 1u

/** How to open; all zero but `size` is what open() does with NULL. */
struct snicert_options {
	size_t size;                    /* sizeof(struct snicert_options): members are only ever added */
	const char *config_path;        /* NULL: the compiled-in default */
	const char *program;            /* the `program` section to go by; NULL: the one of this process's name */
	unsigned flags;                 /* SNICERT_STRICT, or 0 */
	/* As with set_log, from the first line on; NULL: the configuration's target. */
	void (*sink)(void *arg, int priority, const char *text);
	void *sink_arg;
	/* Told of trouble beside the line in the log: where level or rate leave that out, of none.  `text` is
	 * the line's sentence.  Called as the sink is, until close; NULL: none. */
	void (*trouble)(void *arg, enum snicert_trouble kind, const char *text);
	void *trouble_arg;
};

/** What a client gets whose name nobody knows. */
enum snicert_unknown {
	SNICERT_UNKNOWN_CONFIGURED = 0, /* as the `program` section says */
	SNICERT_UNKNOWN_FALLBACK,
	SNICERT_UNKNOWN_OWN,            /* what the host has for it, and so for a client without a name */
	SNICERT_UNKNOWN_REFUSE          /* the alert unrecognized_name */
};

/** Types of keys, for a set. */
#define SNICERT_KEY_RSA 1u              /* RSA-PSS, too */
#define SNICERT_KEY_EC 2u
#define SNICERT_KEY_ED25519 4u
#define SNICERT_KEY_ED448 8u

/** What one context does otherwise; all zero but `size` is what attach() does. */
struct snicert_policy {
	size_t size;                    /* sizeof(struct snicert_policy): members are only ever added */
	const char *program;            /* the `program` section to go by; NULL: the one that was opened with */
	enum snicert_unknown unknown;
	/* A name of the store whose chains are served in the place of the program's fallback; "none": no
	 * fallback of the store at all, be it of the address, the program or global; NULL: the section's. */
	const char *fallback;
	unsigned key_types;             /* a set of SNICERT_KEY_…: chains of others are passed over; 0: all */
};

/** What a connection was served. */
enum snicert_outcome {
	SNICERT_SERVED_NOTHING = 0,     /* no choice: the session was resumed, or it is not time yet */
	SNICERT_SERVED_EXACT,
	SNICERT_SERVED_WILDCARD,
	SNICERT_SERVED_ADDRESS_FALLBACK,
	SNICERT_SERVED_PROGRAM_FALLBACK,
	SNICERT_SERVED_FALLBACK,        /* the global one */
	SNICERT_SERVED_OWN,             /* the host's own certificates and callbacks */
	SNICERT_SERVED_REFUSED          /* unknown = "refuse" */
};

struct snicert_served {
	size_t size;                    /* sizeof(struct snicert_served), set before the call */
	enum snicert_outcome outcome;
	int expired;                    /* not 0: one or more of the chains */
	char name[256];                 /* asked for, normalised (RFC 6066 section 3); "": none, or not a name */
	char bound[256];                /* where it was found: a name, "*.parent", "@" or "@ADDRESS"; "": nowhere */
	unsigned chain_count;           /* installed; OpenSSL took one of them by the client */
	struct {
		char key_type[16];      /* "RSA", "EC", "ED25519" … */
		unsigned char leaf_sha256[32];  /* over the DER, as `snicert show` has it */
		int64_t not_after;      /* Unix time at which the leaf expires */
	} chains[8];
	int64_t chain_numbers[8];       /* of the same, as `snicert list` has them */
};

/** What to look up; all zero but `size` is what a client without a name would be served. */
struct snicert_request {
	size_t size;                    /* sizeof(struct snicert_request) */
	const char *name;               /* as a client would send it; NULL: none */
	const char *local;              /* the local address, "192.0.2.1"; NULL: one without a fallback */
	SSL_CTX *ctx;                   /* by whose policy; NULL: as attach() has it */
};

/** How an open module is. */
struct snicert_health {
	size_t size;                    /* sizeof(struct snicert_health), set before the call */
	int is_open;                    /* not 0: the store can be read */
	int64_t since;                  /* Unix time: it is so */
	uint64_t sequence;              /* the number of the store's last change; 0: none, or it can't be read */
	uint64_t cached;                /* keys in the cache: names and fallbacks, unknown ones included */
	int64_t last_error_at;          /* Unix time of the last line logged at err or worse; 0: none */
	char last_error[512];           /* its sentence */
};

/**
 * Whether an object has a member of struct snicert_module: those from `open2` on were added, and
 * more may be.  `SNICERT_HAS(m, detach) ? … : …`
 */
#define SNICERT_HAS(module, member) \
	((module)->size >= offsetof(struct snicert_module, member) + sizeof((module)->member))

struct snicert_module {
	/** SNICERT_ABI of the object.  A host takes only the number it knows. */
	unsigned abi;
	/** Octets of this struct in the object, for SNICERT_HAS; 0 before there was this member. */
	unsigned size;
	/** The object's release, such as "0.1.0". */
	const char *version;

	/**
	 * Open a store as the configuration at `config_path` says.
	 *
	 * NULL stands for the compiled-in default path, where a missing file
	 * means all defaults.  Trouble with the store, its key or the
	 * configuration is logged and is no error: the store is tried again at
	 * each handshake, so a server may start before its store does.  Open
	 * as root, before chroot() and before privileges are dropped, and the
	 * store stays readable afterwards.
	 * Returns 0 with *out set (free it with close), or -1 with *err set.
	 */
	int (*open)(struct snicert **out, const char *config_path,
	    struct snicert_error *err);

	/**
	 * Serve the store's chains on the handshakes of a server context.
	 *
	 * Chains a security callback of its own before the context's (see
	 * SSL_CTX_set_security_callback(3)) and takes, on each connection that the
	 * store has an answer for, its certificate callback; leaves all else alone: your
	 * servername, certificate and ClientHello callbacks, set before or later, and
	 * client connections.  Where the configuration says `unknown = refuse`, it takes the
	 * context's ClientHello callback as well.  May be called for any number of
	 * contexts; serves the connections that are made of them afterwards.
	 * `ctx` may be freed any time, and keeps what it needs of `snicert` until then,
	 * closed or not.  Attached to another one it is served by that.
	 * Returns 0, or -1 with *err set: without memory, or where the context is of another
	 * TLS library than the one that snicert.so is linked with.
	 */
	int (*attach)(struct snicert *, SSL_CTX *ctx, struct snicert_error *err);

	/**
	 * Send log lines to the host's own log instead of syslog.
	 *
	 * `priority` is a syslog(3) level, `text` one line with no newline, and
	 * nothing a peer sent appears in it unescaped.  `sink` is called from
	 * any thread that handshakes, with no lock held: it may wait, and fork.
	 * NULL goes back to syslog.
	 */
	void (*set_log)(struct snicert *,
	    void (*sink)(void *arg, int priority, const char *text), void *arg);

	/** Copy the counters of this process since open. */
	void (*counters)(struct snicert *, struct snicert_counters *out);

	/**
	 * Done with; NULL is fine.  Contexts that it is attached to go on being served until
	 * they are freed or attached to another, and all of it is freed with the last of them; lines
	 * go to the configuration's target from now on.  For a new configuration open anew, attach
	 * your contexts to that, and close the old one, with no connection ended.
	 */
	void (*close)(struct snicert *);

	/**
	 * open() with options.  Strict, it returns -1 with *err saying why where the
	 * configuration has a mistake or is not there, where the store or its key can't be read or
	 * are unsafe, or a chain of the global fallback can't be used.
	 */
	int (*open2)(struct snicert **out, const struct snicert_options *, struct snicert_error *err);

	/** Serve this context no more: handshakes that begin from now on are as if it had never
	 * been attached. */
	void (*detach)(struct snicert *, SSL_CTX *ctx);

	/**
	 * Do for one connection what attach would have done, from a callback of your own: a
	 * ClientHello, servername or certificate callback of a server's handshake, on a context that is
	 * attached or not.  From the first two the chain is installed later on, by this
	 * connection's certificate callback, which is taken for that; from the third at once.
	 * Returns 0, 1 where the store has nothing that this client can use (nothing is changed; also
	 * where the configuration would have the name refused: that is yours to do), or -1 with
	 * *err set.  Never an alert.
	 */
	int (*choose)(struct snicert *, SSL *ssl, struct snicert_error *err);

	/**
	 * What was chosen for a connection, by attach or by choose; from its certificate callback on
	 * until it is freed.  Returns 0 with *out set, or -1 with *err set.
	 */
	int (*served)(struct snicert *, const SSL *ssl, struct snicert_served *out, struct snicert_error *err);

	/**
	 * attach() with a policy for this context; it is copied.  Attaching anew, by attach or
	 * attach2, replaces it for the handshakes that begin from then on.  choose goes by it, too.
	 * Returns 0, or -1 with *err set and the context as it was: what attach has, and
	 * SNICERT_EUSAGE for a value that is not known or two that contradict each other,
	 * SNICERT_ECONFIG where the configuration has no such section, SNICERT_EINPUT where the fallback is
	 * no name; of an instance that was opened strict SNICERT_ENOTFOUND or SNICERT_ESTORE where the
	 * fallback has no chains, or none that can be read.
	 */
	int (*attach2)(struct snicert *, SSL_CTX *ctx, const struct snicert_policy *, struct snicert_error *err);

	/**
	 * The local address of a connection, where there is no socket or it has another (memory BIOs, a
	 * proxy): it decides the fallback by local address, and is what the log has.  AF_INET or AF_INET6; NULL
	 * takes it back.
	 * Before the handshake.  It holds for the next ClientHello and the rest of that connection,
	 * renegotiations included; after SSL_clear(3) it is no more, unless it is set anew.
	 * Returns 0, or -1 with *err set (SNICERT_EUSAGE).
	 */
	int (*set_local)(struct snicert *, SSL *ssl, const struct sockaddr *, size_t length,
	    struct snicert_error *err);

	/**
	 * The server name of a connection, in place of what its ClientHello has: learnt in another way, such
	 * as a proxy's.  What is no name is a name that nobody knows, as from a client; "": no name;
	 * NULL takes it back.  It holds as long as set_local's address.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, or SNICERT_EINPUT for more than 255 octets.
	 */
	int (*set_name)(struct snicert *, SSL *ssl, const char *name, struct snicert_error *err);

	/**
	 * What a client would be served, without a handshake: for policy servers and pages that show it.
	 * *out is as from served(), with all chains that there are to choose from; no keys.  Nothing is counted or
	 * logged but trouble.  Any thread, any time.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, or SNICERT_ESTORE where the store can't be asked
	 * for the name, and so nobody knows.
	 */
	int (*lookup)(struct snicert *, const struct snicert_request *, struct snicert_served *out,
	    struct snicert_error *err);

	/**
	 * Load what these names are served into the cache, ahead of their handshakes; as far as it has
	 * room (`memory`).  What is no name, or nobody knows, is no error.
	 * Returns 0, or -1 with *err set: SNICERT_EUSAGE, or SNICERT_ESTORE, at the first name for which the
	 * store can't be asked.
	 */
	int (*warm)(struct snicert *, const char *const *names, size_t count, struct snicert_error *err);

	/** How things are.  Looks into the store.  Returns 0 with *out set, or -1 with *err set (SNICERT_EUSAGE). */
	int (*health)(struct snicert *, struct snicert_health *out, struct snicert_error *err);

	/** All counters; `size` octets of them, beyond those that there are zeroes.  Returns as health does. */
	int (*counters2)(struct snicert *, struct snicert_counters2 *out, size_t size, struct snicert_error *err);
};

#ifdef __cplusplus
}
#endif

#endif
