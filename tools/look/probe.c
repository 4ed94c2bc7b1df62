/* SPDX-License-Identifier: ISC */
/*
 * probe.c: one real TLS handshake with a server.  Owns connection and SSL during a probe.  Knows
 * nothing of the store: the caller compares what we saw.
 */
#include <sys/socket.h>

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "error.h"
#include "look/probe.h"
#include "name.h"

#define TIMEOUT_DEFAULT_MS 30000
/* Time for the server's goodbye. */
#define FAREWELL_MS 500

struct probe {
	const struct probe_target *target;
	const char *name;
	long long deadline;
	struct probe_result *result;
	struct snicert_error *err;
	int fd;
	int io_errno;           /* of the last send or recv that really failed */
	bool eof;
};

static int
probe_fail(struct probe *p, enum probe_failure failure)
{
	p->result->failure = failure;
	return -1;
}

/* ---- targets ---- */

static bool
port_valid(const char *text)
{
	long port = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || p - text >= 5)
			return false;
		port = port * 10 + (*p - '0');
	}
	return port >= 1 && port <= 65535;
}

static bool
port_implicit(const char *port)
{
	static const char *const ports[] = { "443", "465", "993", "995" };

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (strcmp(port, ports[i]) == 0)
			return true;
	}
	return false;
}

/* Find the host's octets; returns what follows them: "", ":…" or other. */
static const char *
split_host(const char *text, const char **host, size_t *length)
{
	const char *colon = strchr(text, ':'), *end;

	*host = text;
	if (text[0] == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		*length = end == NULL ? 0 : (size_t)(end - *host);
		return end == NULL ? text : end + 1;
	}
	/* Two colons without brackets: IPv6 without a port. */
	if (colon != NULL && strchr(colon + 1, ':') == NULL)
		end = colon;
	else
		end = text + strlen(text);
	*length = (size_t)(end - text);
	return end;
}

int
probe_parse_target(const char *text, int protocol, enum probe_tls tls, struct probe_address *address,
    struct probe_target *target, struct snicert_error *err)
{
	const struct starttls_words *words = &starttls_words[protocol < 0 ? STARTTLS_SMTP : protocol];
	const char *host, *rest, *port = tls == PROBE_TLS_IMPLICIT ? words->implicit : words->port;
	size_t length;

	rest = split_host(text, &host, &length);
	if (length == 0 || length >= sizeof(address->host) || memchr(host, ' ', length) != NULL)
		return error_set(err, SNICERT_EUSAGE, "\"%s\" is not HOST or HOST:PORT", text);
	if (rest[0] == ':')
		port = rest + 1;
	else if (rest[0] != '\0')
		return error_set(err, SNICERT_EUSAGE, "\"%s\": only :PORT can follow \"]\"",
		    text);
	if (!port_valid(port))
		return error_set(err, SNICERT_EUSAGE, "\"%s\": a port is a number from 1 to 65535",
		    text);
	memcpy(address->host, host, length);
	address->host[length] = '\0';
	snprintf(address->port, sizeof(address->port), "%s", port);
	memset(target, 0, sizeof(*target));
	target->host = address->host;
	target->port = address->port;
	target->protocol = protocol < 0 ? starttls_of_port(port) : (enum starttls_protocol)protocol;
	target->implicit = tls == PROBE_TLS_IMPLICIT ||
	    (tls == PROBE_TLS_BY_PORT && port_implicit(port));
	return 0;
}

/* ---- TCP ---- */

/* Returns the connected socket or -1 with errno set, ETIMEDOUT at the deadline. */
static int
connect_one(const struct addrinfo *address, long long deadline)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int reason = 0, n;
	socklen_t length = sizeof(reason);

	if (fd < 0)
		return -1;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	reason = errno;
	if (reason == EINPROGRESS || reason == EINTR) {
		n = dialogue_wait(fd, POLLOUT, deadline);
		if (n == 0)
			reason = ETIMEDOUT;
		else if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length) != 0)
			reason = errno;
	}
	if (reason == 0)
		return fd;
	close(fd);
	errno = reason;
	return -1;
}

/* Each address gets its share of the time, so that a silent one (IPv6 that leads nowhere) leaves
 * some for the others. */
static int
connect_any(struct probe *p, const struct addrinfo *list)
{
	long long left, start;
	int count = 0;

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		count++;
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next, count--) {
		left = p->deadline - dialogue_deadline(0);
		start = clock_us();
		p->fd = connect_one(a, dialogue_deadline((int)(left / count)));
		if (p->fd < 0)
			continue;
		p->result->connect_us = clock_us() - start;
		p->result->connected = true;
		if (getnameinfo(a->ai_addr, a->ai_addrlen, p->result->peer_address,
		    sizeof(p->result->peer_address), NULL, 0, NI_NUMERICHOST) != 0)
			p->result->peer_address[0] = '\0';
		return 0;
	}
	return -1;
}

static int
probe_connect(struct probe *p)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	const struct probe_target *t = p->target;
	struct addrinfo *list = NULL;
	int reason = getaddrinfo(t->host, t->port, &hints, &list);

	if (reason != 0) {
		error_set(p->err, SNICERT_ESYSTEM, "no address for %s: %s", t->host,
		    reason == EAI_SYSTEM ? strerror(errno) : gai_strerror(reason));
		return probe_fail(p, PROBE_RESOLVE);
	}
	if (connect_any(p, list) != 0) {
		error_system(p->err, "can't connect to %s port %s", t->host, t->port);
		probe_fail(p, errno == ETIMEDOUT ? PROBE_TIMEOUT : PROBE_CONNECT);
	}
	freeaddrinfo(list);
	return p->fd < 0 ? -1 : 0;
}

/* ---- the socket as a BIO: OpenSSL's own would raise SIGPIPE ---- */

static int
io_done(BIO *bio, ssize_t n, int retry)
{
	struct probe *p = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
	else if (n < 0)
		p->io_errno = errno;
	return (int)n;
}

static int
io_write(BIO *bio, const char *data, int length)
{
	struct probe *p = BIO_get_data(bio);

	return io_done(bio, send(p->fd, data, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT),
	    BIO_FLAGS_WRITE);
}

static int
io_read(BIO *bio, char *data, int length)
{
	struct probe *p = BIO_get_data(bio);
	ssize_t n = recv(p->fd, data, (size_t)length, MSG_DONTWAIT);

	if (n == 0)
		p->eof = true;
	return io_done(bio, n, BIO_FLAGS_READ);
}

static long
io_ctrl(BIO *bio, int command, long number, void *pointer)
{
	struct probe *p = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || (command == BIO_CTRL_EOF && p->eof);
}

static BIO_METHOD *
io_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "probe");

	if (method != NULL) {
		BIO_meth_set_write(method, io_write);
		BIO_meth_set_read(method, io_read);
		BIO_meth_set_ctrl(method, io_ctrl);
	}
	return method;
}

/* ---- TLS ---- */

const char *
probe_alert_name(int alert, char *buffer, size_t size)
{
	const char *text = SSL_alert_desc_string_long(alert);

	/* Newer than OpenSSL's list (RFC 8446 section 6.2). */
	if (alert == 109)
		text = "missing extension";
	else if (alert == 116)
		text = "certificate required";
	if (strcmp(text, "unknown") == 0)
		snprintf(buffer, size, "alert %d", alert);
	else
		snprintf(buffer, size, "%s", text);
	for (char *c = buffer; *c != '\0' && strcmp(text, "unknown") != 0; c++) {
		if (*c == ' ')
			*c = '_';
	}
	return buffer;
}

static void
take_alert(const SSL *ssl, int where, int value)
{
	struct probe *p = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		p->result->alert = value & 0xff;
}

/* Leaves the server only one key type: by ciphers up to TLS 1.2, by signature algorithms after
 * that.  Level 0, because a probe observes. */
static int
restrict_key(SSL_CTX *ctx, enum probe_key key)
{
	static const struct {
		const char *ciphers, *algorithms;
	} offers[] = {
		[PROBE_ANY] = { "DEFAULT:@SECLEVEL=0", NULL },
		[PROBE_RSA] = { "DEFAULT:!aECDSA:!aDSS:@SECLEVEL=0",
		    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
		    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
		    "RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA224:RSA+SHA1" },
		[PROBE_ECDSA] = { "DEFAULT:!aRSA:!aDSS:@SECLEVEL=0",
		    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA224:ECDSA+SHA1" },
		/* RFC 8422: ECDSA ciphers also carry EdDSA. */
		[PROBE_ED25519] = { "DEFAULT:!aRSA:!aDSS:@SECLEVEL=0", "ed25519" },
	};

	if (SSL_CTX_set_cipher_list(ctx, offers[key].ciphers) != 1)
		return -1;
	if (offers[key].algorithms != NULL &&
	    SSL_CTX_set1_sigalgs_list(ctx, offers[key].algorithms) != 1)
		return -1;
	return 0;
}

static SSL_CTX *
client_context(enum probe_key key, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_info_callback(ctx, take_alert);
	/* Or old peers wouldn't answer: a probe must see all. */
	SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	if (SSL_CTX_set_min_proto_version(ctx, version != 0 ? version : TLS1_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1 || restrict_key(ctx, key) != 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static SSL *
client_new(struct probe *p, SSL_CTX *ctx, const BIO_METHOD *method)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = ssl == NULL ? NULL : BIO_new(method);

	if (bio == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(bio, p);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_app_data(ssl, p);
	return ssl;
}

static int
explain_tls(struct probe *p, int waited)
{
	bool fatal = ERR_GET_REASON(ERR_peek_last_error()) > SSL_AD_REASON_OFFSET;
	char alert[64];

	if (waited == 0) {
		error_set(p->err, SNICERT_ESYSTEM, "TLS handshake: timed out");
		return probe_fail(p, PROBE_TIMEOUT);
	}
	if (fatal && p->result->alert >= 0) {
		error_set(p->err, SNICERT_EINPUT, "the server ended the TLS handshake with alert %s",
		    probe_alert_name(p->result->alert, alert, sizeof(alert)));
		return probe_fail(p, PROBE_ALERT);
	}
	if (p->eof) {
		error_set(p->err, SNICERT_EINPUT, "TLS handshake: the server closed the connection");
	} else if (p->io_errno != 0) {
		errno = p->io_errno;
		error_system(p->err, "TLS handshake");
	} else {
		error_openssl(p->err, SNICERT_EINPUT, "TLS handshake");
	}
	return probe_fail(p, PROBE_TLS);
}

static int
shake_hands(struct probe *p, SSL *ssl)
{
	long long start = clock_us();
	int n, waited = 1;

	while ((n = SSL_connect(ssl)) != 1) {
		int want = SSL_get_error(ssl, n);

		if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
			break;
		waited = dialogue_wait(p->fd, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT,
		    p->deadline);
		if (waited <= 0)
			break;
	}
	if (n != 1)
		return explain_tls(p, waited);
	p->result->handshake_us = clock_us() - start;
	p->result->handshake = true;
	return 0;
}

static const char *
key_type(const X509 *leaf)
{
	const EVP_PKEY *key = X509_get0_pubkey(leaf);
	const char *type = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);

	return type == NULL ? "unknown" : type;
}

/* X509_check_host() takes no final dot. */
static bool
name_matches(X509 *leaf, const char *sent)
{
	struct name name;

	if (sent == NULL)
		return false;
	if (name_normalise(&name, sent, strlen(sent)))
		sent = name.text;
	return X509_check_host(leaf, sent, 0, 0, NULL) == 1;
}

static int
take_down(struct probe *p, SSL *ssl)
{
	struct probe_result *r = p->result;
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	X509 *leaf = chain == NULL ? NULL : sk_X509_value(chain, 0);

	if (leaf == NULL) {
		error_set(p->err, SNICERT_EINPUT, "the server presented no certificate");
		return probe_fail(p, PROBE_TLS);
	}
	r->chain = X509_chain_up_ref(chain);
	if (r->chain == NULL || X509_digest(leaf, EVP_sha256(), r->leaf, NULL) != 1) {
		error_openssl(p->err, SNICERT_EMEMORY, "can't record the server's chain");
		return probe_fail(p, PROBE_TLS);
	}
	snprintf(r->tls, sizeof(r->tls), "%s", SSL_get_version(ssl));
	snprintf(r->key_type, sizeof(r->key_type), "%s", key_type(leaf));
	r->name_matches = name_matches(leaf, p->name);
	/* OpenSSL stores the name in a client's session if the server confirms it. */
	r->acknowledged = SSL_SESSION_get0_hostname(SSL_get_session(ssl)) != NULL;
	return 0;
}

/* So that the server logs a client that left, not a lost one.  Reading takes the session tickets:
 * closing with them unread would reset the connection. */
static void
farewell(struct probe *p, SSL *ssl)
{
	long long soon = dialogue_deadline(FAREWELL_MS);
	long long deadline = soon < p->deadline ? soon : p->deadline;
	const char *quit = starttls_words[p->target->protocol].quit;
	char scrap[256];
	int n;

	if (!p->target->implicit)
		SSL_write(ssl, quit, (int)strlen(quit));
	SSL_shutdown(ssl);
	do {
		n = SSL_read(ssl, scrap, sizeof(scrap));
	} while (n > 0 ? dialogue_deadline(0) < deadline :
	    SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ &&
	    dialogue_wait(p->fd, POLLIN, deadline) == 1);
}

static int
probe_tls(struct probe *p, enum probe_key key, int version)
{
	BIO_METHOD *method = io_method();
	SSL_CTX *ctx = client_context(key, version);
	SSL *ssl = NULL;
	int rc = -1;

	if (method == NULL || ctx == NULL || (ssl = client_new(p, ctx, method)) == NULL) {
		error_openssl(p->err, SNICERT_EMEMORY, "can't set up a TLS client");
		probe_fail(p, PROBE_TLS);
		goto out;
	}
	if (p->name != NULL && SSL_set_tlsext_host_name(ssl, p->name) != 1) {
		error_set(p->err, SNICERT_EUSAGE, "a server name has 1 to 255 octets");
		probe_fail(p, PROBE_USAGE);
		goto out;
	}
	if (shake_hands(p, ssl) != 0)
		goto out;
	rc = take_down(p, ssl);
	farewell(p, ssl);
out:
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	BIO_meth_free(method);
	return rc;
}

static int
start_tls(struct probe *p)
{
	switch (starttls_run(p->target->protocol, p->fd, p->target->ehlo, p->deadline, p->err)) {
	case DIALOGUE_READY:
		return 0;
	case DIALOGUE_REFUSED:
		return probe_fail(p, PROBE_REFUSED);
	case DIALOGUE_TIMEOUT:
		return probe_fail(p, PROBE_TIMEOUT);
	case DIALOGUE_BROKEN:
		break;
	}
	return probe_fail(p, PROBE_BROKEN);
}

int
probe_run(const struct probe_target *target, const char *name, enum probe_key key,
    int tls_version, struct probe_result *result, struct snicert_error *err)
{
	int timeout = target->timeout_ms > 0 ? target->timeout_ms : TIMEOUT_DEFAULT_MS;
	struct probe p = { .target = target, .name = name, .result = result, .err = err, .fd = -1 };
	int rc;

	memset(result, 0, sizeof(*result));
	result->alert = -1;
	/* SSL_get_error() blames leftover errors in the queue on us. */
	ERR_clear_error();
	p.deadline = dialogue_deadline(timeout);
	rc = probe_connect(&p);
	if (rc == 0 && !target->implicit)
		rc = start_tls(&p);
	if (rc == 0)
		rc = probe_tls(&p, key, tls_version);
	if (p.fd >= 0)
		close(p.fd);
	ERR_clear_error();
	return rc;
}

void
probe_result_clear(struct probe_result *result)
{
	sk_X509_pop_free(result->chain, X509_free);
	memset(result, 0, sizeof(*result));
	result->alert = -1;
}
