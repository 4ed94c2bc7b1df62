/* SPDX-License-Identifier: ISC */
/*
 * probe.h: one real TLS handshake with a server, like a mail client's, and what the server
 * presented.
 *
 * A probe observes: it verifies no certificate and accepts old protocol versions, to see whatever
 * the server shows.  The caller judges it.
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
	enum starttls_protocol protocol; /* that starts TLS */
	bool implicit;          /* TLS from the first octet; else STARTTLS */
	int timeout_ms;         /* for the whole probe; 0: 30 seconds */
	const char *ehlo;       /* who to be in EHLO or LHLO; NULL: see smtp.h */
};

/** Room for a target's texts. */
struct probe_address {
	char host[256];
	char port[6];
};

enum probe_tls {
	PROBE_TLS_BY_PORT,      /* implicit on 443, 465, 993 and 995 */
	PROBE_TLS_STARTTLS,
	PROBE_TLS_IMPLICIT
};

/** The key type to make the server present. */
enum probe_key { PROBE_ANY, PROBE_RSA, PROBE_ECDSA, PROBE_ED25519 };

/** Where a probe failed. */
enum probe_failure {
	PROBE_OK,
	PROBE_USAGE,            /* arguments that we can't send; tried nothing */
	PROBE_RESOLVE,          /* no address for the host */
	PROBE_CONNECT,          /* no address accepted */
	PROBE_TIMEOUT,          /* time ran out, at any step */
	PROBE_REFUSED,          /* server refused at banner, EHLO or STARTTLS, or similar */
	PROBE_BROKEN,           /* another protocol, or connection lost before TLS */
	PROBE_ALERT,            /* the server sent a fatal TLS alert: `alert` */
	PROBE_TLS               /* other failures of TLS, ours included */
};

struct probe_result {
	enum probe_failure failure;
	bool connected;                 /* TCP */
	bool handshake;                 /* complete */
	int alert;                      /* the last one except close_notify; -1: none */
	char tls[16];                   /* "TLSv1.3" */
	char key_type[16];              /* OpenSSL's word, as in the store: "RSA", "EC", "ED25519" */
	unsigned char leaf[32];         /* SHA-256 of the leaf's DER */
	STACK_OF(X509) *chain;          /* as sent, leaf first */
	bool name_matches;              /* the leaf is for the name sent (X509_check_host) */
	bool acknowledged;              /* server_name was (RFC 6066 section 3) */
	long long connect_us;           /* TCP, without the resolver */
	long long handshake_us;         /* only TLS */
	char peer_address[64];
};

/**
 * Parse HOST, HOST:PORT, [V6], [V6]:PORT or a bare V6.
 *
 * `protocol` is an enum starttls_protocol, or -1: that of the port, by default SMTP.  Without a
 * port, use the protocol's, with implicit TLS if `tls` is PROBE_TLS_IMPLICIT.  Sets host, port,
 * protocol and implicit of *target, which then borrows *address, and zeroes the rest.  Returns 0,
 * or -1 with *err set.
 */
int probe_parse_target(const char *text, int protocol, enum probe_tls tls, struct probe_address *address,
    struct probe_target *target, struct snicert_error *err);

/**
 * Connect, start TLS, record what is presented, leave politely.
 *
 * `name` is sent as server name, octet by octet as given; NULL sends none.  `tls_version` is 0 for
 * any, TLS1_2_VERSION or TLS1_3_VERSION.  All waiting ends at the target's timeout, except in the
 * system's resolver, which has its own.  Raises no SIGPIPE; clears OpenSSL's error queue.
 *
 * Returns 0 after a complete handshake, or -1 with *err and result->failure set.  Fills *result as
 * far as the probe got; the caller must always clear it.
 */
int probe_run(const struct probe_target *target, const char *name, enum probe_key key,
    int tls_version, struct probe_result *result, struct snicert_error *err);

/** Free what *result holds.  May be called twice, or on all zero. */
void probe_result_clear(struct probe_result *result);

/** "handshake_failure" for 40 (RFC 8446 section 6); "alert 200" for an unknown one. */
const char *probe_alert_name(int alert, char *buffer, size_t size);

#endif
