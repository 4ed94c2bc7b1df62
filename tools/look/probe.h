/* SPDX-License-Identifier: ISC */
/*
 * probe.h: one real TLS handshake with a server, as a mail client makes it,
 * and what the server presented in it.
 *
 * A probe observes: no certificate is verified and old protocol versions are
 * accepted, so that whatever the server has to show is seen.  What to think
 * of it is for the caller.
 */
#ifndef SNICERT_PROBE_H
#define SNICERT_PROBE_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "look/starttls.h"
#include "snicert.h"

struct probe_target {
	const char *host;       /* name or address */
	const char *port;       /* decimal */
	enum starttls_protocol protocol; /* in which TLS is started */
	bool implicit;          /* TLS from the first octet on; else STARTTLS */
	int timeout_ms;         /* for one probe as a whole; 0: 30 seconds */
	const char *ehlo;       /* who to be in EHLO or LHLO; NULL: see smtp.h */
};

/** Where a target's texts live. */
struct probe_address {
	char host[256];
	char port[6];
};

enum probe_tls {
	PROBE_TLS_BY_PORT,      /* implicit on 443, 465, 993 and 995 */
	PROBE_TLS_STARTTLS,
	PROBE_TLS_IMPLICIT
};

/** The key type that the server is made to present. */
enum probe_key { PROBE_ANY, PROBE_RSA, PROBE_ECDSA, PROBE_ED25519 };

/** What a probe failed at. */
enum probe_failure {
	PROBE_OK,
	PROBE_USAGE,            /* arguments that can't be sent; nothing was tried */
	PROBE_RESOLVE,          /* no address for the host */
	PROBE_CONNECT,          /* no address took the connection */
	PROBE_TIMEOUT,          /* the time was up, at whichever step */
	PROBE_REFUSED,          /* banner, EHLO or STARTTLS, or what the protocol has, answered with a no */
	PROBE_BROKEN,           /* another protocol, or connection lost before TLS */
	PROBE_ALERT,            /* the server sent a fatal TLS alert: `alert` */
	PROBE_TLS               /* other failures of TLS, ours included */
};

struct probe_result {
	enum probe_failure failure;
	bool connected;                 /* TCP */
	bool handshake;                 /* complete */
	int alert;                      /* the last one received but close_notify; -1: none */
	char tls[16];                   /* "TLSv1.3" */
	char key_type[16];              /* OpenSSL's word, as in the store: "RSA", "EC", "ED25519" */
	unsigned char leaf[32];         /* SHA-256 of the leaf's DER */
	STACK_OF(X509) *chain;          /* as sent, leaf first */
	bool name_matches;              /* the leaf is for the name sent (X509_check_host) */
	bool acknowledged;              /* server_name was (RFC 6066 section 3) */
	long long connect_us;           /* TCP, without the resolver */
	long long handshake_us;         /* TLS alone */
	char peer_address[64];
};

/**
 * Parse HOST, HOST:PORT, [V6], [V6]:PORT or a bare V6.
 *
 * `protocol` is an enum starttls_protocol, or -1: that of the port, SMTP where it
 * is no other's.  No port is the protocol's, with implicit TLS where `tls` is
 * PROBE_TLS_IMPLICIT.  Sets host, port, protocol and implicit of *target, which
 * then borrows *address, and zeroes the rest.  Returns 0, or -1 with *err set.
 */
int probe_parse_target(const char *text, int protocol, enum probe_tls tls, struct probe_address *address,
    struct probe_target *target, struct snicert_error *err);

/**
 * Connect, start TLS, take down what is presented, leave politely.
 *
 * `name` is sent as server name, octet by octet as given; NULL sends none.
 * `tls_version` is 0 for any, TLS1_2_VERSION or TLS1_3_VERSION.  All waiting
 * ends with the target's timeout, but for the system's resolver, which has
 * its own.  Raises no SIGPIPE; clears OpenSSL's error queue.
 *
 * Returns 0 after a complete handshake, or -1 with *err and result->failure
 * set.  *result is filled as far as the probe came; in either case it is the
 * caller's to clear.
 */
int probe_run(const struct probe_target *target, const char *name, enum probe_key key,
    int tls_version, struct probe_result *result, struct snicert_error *err);

/** Free what *result holds.  It may be cleared twice, or be all zero. */
void probe_result_clear(struct probe_result *result);

/** "handshake_failure" for 40 (RFC 8446 section 6); "alert 200" for what nobody knows. */
const char *probe_alert_name(int alert, char *buffer, size_t size);

#endif
