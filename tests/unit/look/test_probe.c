/* SPDX-License-Identifier: ISC */
/* test_probe.c: probes of a server thread on the loopback, and of target texts. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "look/probe.h"

/* How the server behaves, one connection after the other. */
enum manner { SMTP, IMPLICIT, REFUSES, SILENT, SILENT_TLS, GARBAGE, HANGS_UP };

struct server {
	int listener;
	char port[8];
	enum manner manner;
	SSL_CTX *fallback;              /* RSA, other.example */
	SSL_CTX *named;                 /* ECDSA, mx.example, with an intermediate */
	SSL_CTX *edwards;               /* Ed25519, ed.example */
	unsigned char leaf[3][32];
	pthread_t thread;
	char heard[64];                 /* behind the handshake */
};

static X509 *
certificate(EVP_PKEY *key, const char *host)
{
	X509 *x = X509_new();
	char san[80];
	X509_EXTENSION *extension;

	snprintf(san, sizeof(san), "DNS:%s", host);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	X509_add_ext(x, extension, -1);
	ck_assert_int_gt(X509_sign(x, key,
	    EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()), 0);
	X509_EXTENSION_free(extension);
	return x;
}

static SSL_CTX *
server_context(EVP_PKEY *key, const char *host, unsigned char *leaf)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *x = certificate(key, host);

	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, x), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	ck_assert_int_eq(X509_digest(x, EVP_sha256(), leaf, NULL), 1);
	X509_free(x);
	return ctx;
}

static int
choose(SSL *ssl, int *alert, void *argument)
{
	struct server *server = argument;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (name != NULL && strcmp(name, "refuse.example") == 0) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (name != NULL && strcmp(name, "mx.example") == 0)
		SSL_set_SSL_CTX(ssl, server->named);
	else if (name != NULL && strcmp(name, "ed.example") == 0)
		SSL_set_SSL_CTX(ssl, server->edwards);
	else
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

static bool
say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) > 0;
}

static void
hear(int fd)
{
	char c = '\0';

	while (c != '\n' && read(fd, &c, 1) == 1)
		;
}

static void
serve_tls(struct server *server, int fd)
{
	SSL *ssl = SSL_new(server->fallback);
	int n;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		n = SSL_read(ssl, server->heard, sizeof(server->heard) - 1);
		server->heard[n > 0 ? n : 0] = '\0';
		SSL_shutdown(ssl);
	}
	ERR_clear_error();
	SSL_free(ssl);
}

static void
serve(struct server *server, int fd)
{
	if (server->manner == SILENT) {
		hear(fd);
		return;
	}
	if (server->manner != IMPLICIT) {
		say(fd, "220 mx.example ESMTP\r\n");
		hear(fd);
		say(fd, "250-mx.example\r\n250-SIZE\r\n250 STARTTLS\r\n");
		hear(fd);
		say(fd, server->manner == REFUSES ? "454 no TLS today\r\n" : "220 go\r\n");
	}
	switch (server->manner) {
	case SMTP:
	case IMPLICIT:
		serve_tls(server, fd);
		break;
	case GARBAGE:
	case HANGS_UP:
		/* The ClientHello, whole: closing on unread octets would reset. */
		for (char c[1024]; read(fd, c, sizeof(c)) == (ssize_t)sizeof(c); )
			;
		if (server->manner == GARBAGE)
			say(fd, "this is no TLS at all\r\n");
		break;
	case SILENT_TLS:
		/* Till the client leaves: a ClientHello may well hold a line feed. */
		for (char c; read(fd, &c, 1) == 1; )
			;
		break;
	default:
		hear(fd);
	}
}

static void *
run(void *argument)
{
	struct server *server = argument;

	for (;;) {
		int fd = accept(server->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		serve(server, fd);
		close(fd);
	}
}

static void
server_start(struct server *server, enum manner manner)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *intermediate = certificate(rsa, "ca.example");

	memset(server, 0, sizeof(*server));
	server->manner = manner;
	server->fallback = server_context(rsa, "other.example", server->leaf[0]);
	server->named = server_context(ec, "mx.example", server->leaf[1]);
	server->edwards = server_context(ed, "ed.example", server->leaf[2]);
	ck_assert_int_eq(SSL_CTX_add_extra_chain_cert(server->named, intermediate), 1);
	SSL_CTX_set_tlsext_servername_callback(server->fallback, choose);
	SSL_CTX_set_tlsext_servername_arg(server->fallback, server);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(server->listener, (void *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(server->listener, 8), 0);
	ck_assert_int_eq(getsockname(server->listener, (void *)&address, &length), 0);
	snprintf(server->port, sizeof(server->port), "%u", ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&server->thread, NULL, run, server), 0);
}

static void
server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	SSL_CTX_free(server->fallback);
	SSL_CTX_free(server->named);
	SSL_CTX_free(server->edwards);
}

/* `leaf` is 0 for the fallback's chain, 1 for mx.example's, 2 for ed.example's. */
static const struct {
	const char *label;
	enum manner manner;
	const char *name;
	enum probe_key key;
	int version;
	int leaf, certificates;
	const char *tls, *type;
	bool matches, acknowledged;
} good[] = {
	{ "no name", SMTP, NULL, PROBE_ANY, 0, 0, 1, "TLSv1.3", "RSA", false, false },
	{ "name", SMTP, "mx.example", PROBE_ANY, 0, 1, 2, "TLSv1.3", "EC", true, true },
	{ "implicit", IMPLICIT, "mx.example", PROBE_ANY, 0, 1, 2, "TLSv1.3", "EC", true, true },
	{ "other name", SMTP, "no.example", PROBE_ANY, 0, 0, 1, "TLSv1.3", "RSA", false, false },
	{ "fallback's name", SMTP, "other.example.", PROBE_ANY, 0, 0, 1, "TLSv1.3", "RSA", true,
	    false },
	{ "TLS 1.2", SMTP, "mx.example", PROBE_ANY, TLS1_2_VERSION, 1, 2, "TLSv1.2", "EC", true,
	    true },
	{ "RSA", SMTP, NULL, PROBE_RSA, TLS1_3_VERSION, 0, 1, "TLSv1.3", "RSA", false, false },
	{ "RSA 1.2", SMTP, NULL, PROBE_RSA, TLS1_2_VERSION, 0, 1, "TLSv1.2", "RSA", false, false },
	{ "ECDSA", SMTP, "mx.example", PROBE_ECDSA, TLS1_3_VERSION, 1, 2, "TLSv1.3", "EC", true,
	    true },
	{ "ECDSA 1.2", SMTP, "mx.example", PROBE_ECDSA, TLS1_2_VERSION, 1, 2, "TLSv1.2", "EC",
	    true, true },
	{ "Ed25519", SMTP, "ed.example", PROBE_ED25519, TLS1_3_VERSION, 2, 1, "TLSv1.3", "ED25519",
	    true, true },
	{ "Ed25519 1.2", SMTP, "ed.example", PROBE_ED25519, TLS1_2_VERSION, 2, 1, "TLSv1.2",
	    "ED25519", true, true },
};

START_TEST(test_good)
{
	struct server server;
	struct probe_target target = { .host = "127.0.0.1", .timeout_ms = 10000 };
	struct probe_result r;
	struct snicert_error err = { 0 };

	server_start(&server, good[_i].manner);
	target.port = server.port;
	target.implicit = good[_i].manner == IMPLICIT;
	ck_assert_msg(probe_run(&target, good[_i].name, good[_i].key, good[_i].version, &r,
	    &err) == 0, "%s: %s", good[_i].label, err.text);
	server_stop(&server);
	ck_assert(r.failure == PROBE_OK && r.connected && r.handshake);
	ck_assert_str_eq(r.tls, good[_i].tls);
	ck_assert_str_eq(r.key_type, good[_i].type);
	ck_assert_mem_eq(r.leaf, server.leaf[good[_i].leaf], 32);
	ck_assert_int_eq(sk_X509_num(r.chain), good[_i].certificates);
	ck_assert_int_eq(r.name_matches, good[_i].matches);
	ck_assert_int_eq(r.acknowledged, good[_i].acknowledged);
	ck_assert_int_eq(r.alert, -1);
	ck_assert_str_eq(r.peer_address, "127.0.0.1");
	ck_assert(r.handshake_us > 0 && r.connect_us >= 0);
	ck_assert_str_eq(server.heard, target.implicit ? "" : "QUIT\r\n");
	ck_assert_uint_eq(ERR_peek_error(), 0);
	probe_result_clear(&r);
	probe_result_clear(&r);
}
END_TEST

static const struct {
	const char *label;
	enum manner manner;
	const char *name;
	enum probe_key key;
	int version;
	enum probe_failure failure;
	int alert, code;
	const char *text;
} bad[] = {
	{ "ECDSA of an RSA chain", SMTP, NULL, PROBE_ECDSA, TLS1_3_VERSION, PROBE_ALERT, 40,
	    SNICERT_EINPUT, "alert handshake_failure" },
	{ "ECDSA of an RSA chain, 1.2", SMTP, NULL, PROBE_ECDSA, TLS1_2_VERSION, PROBE_ALERT, 40,
	    SNICERT_EINPUT, "alert handshake_failure" },
	{ "RSA of an ECDSA chain", SMTP, "mx.example", PROBE_RSA, TLS1_3_VERSION, PROBE_ALERT, 40,
	    SNICERT_EINPUT, "alert handshake_failure" },
	{ "RSA of an ECDSA chain, 1.2", SMTP, "mx.example", PROBE_RSA, TLS1_2_VERSION, PROBE_ALERT,
	    40, SNICERT_EINPUT, "alert handshake_failure" },
	{ "Ed25519 of an ECDSA chain", SMTP, "mx.example", PROBE_ED25519, 0, PROBE_ALERT, 40,
	    SNICERT_EINPUT, "alert handshake_failure" },
	{ "unrecognized name", SMTP, "refuse.example", PROBE_ANY, 0, PROBE_ALERT, 112,
	    SNICERT_EINPUT, "alert unrecognized_name" },
	{ "STARTTLS refused", REFUSES, NULL, PROBE_ANY, 0, PROBE_REFUSED, -1,
	    SNICERT_EINPUT, "refuses STARTTLS: 454 no TLS today" },
	{ "silent", SILENT, NULL, PROBE_ANY, 0, PROBE_TIMEOUT, -1, SNICERT_ESYSTEM,
	    "SMTP banner: timed out" },
	{ "silent after STARTTLS", SILENT_TLS, NULL, PROBE_ANY, 0, PROBE_TIMEOUT, -1,
	    SNICERT_ESYSTEM, "TLS handshake: timed out" },
	{ "no TLS", GARBAGE, NULL, PROBE_ANY, 0, PROBE_TLS, -1, SNICERT_EINPUT,
	    "TLS handshake: wrong version number" },
	{ "implicit, but SMTP", SMTP, NULL, PROBE_ANY, -1, PROBE_TLS, -1, SNICERT_EINPUT,
	    "TLS handshake: wrong version number" },
	{ "hangs up", HANGS_UP, NULL, PROBE_ANY, 0, PROBE_TLS, -1, SNICERT_EINPUT,
	    "TLS handshake: the server closed the connection" },
	{ "empty name", SMTP, "", PROBE_ANY, 0, PROBE_USAGE, -1, SNICERT_EUSAGE, "server name" },
};

START_TEST(test_bad)
{
	struct server server;
	struct probe_target target = { .host = "127.0.0.1" };
	struct probe_result r;
	struct snicert_error err = { 0 };
	int version = bad[_i].version;

	server_start(&server, bad[_i].manner);
	target.port = server.port;
	target.implicit = version < 0;
	/* Where something comes first, it has the time to. */
	target.timeout_ms = bad[_i].manner == SILENT_TLS ? 3000 : bad[_i].failure == PROBE_TIMEOUT ? 300 : 10000;
	ck_assert_int_eq(probe_run(&target, bad[_i].name, bad[_i].key, version < 0 ? 0 : version,
	    &r, &err), -1);
	server_stop(&server);
	ck_assert_msg(r.failure == bad[_i].failure && err.code == bad[_i].code &&
	    r.alert == bad[_i].alert && strstr(err.text, bad[_i].text) != NULL,
	    "%s: failure %d, alert %d, code %d: %s", bad[_i].label, r.failure, r.alert, err.code,
	    err.text);
	ck_assert(r.connected && !r.handshake && r.chain == NULL);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	probe_result_clear(&r);
}
END_TEST

START_TEST(test_no_connection)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	struct probe_target target = { .host = "127.0.0.1", .timeout_ms = 5000 };
	struct snicert_error err = { 0 };
	struct probe_result r;
	char port[8];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* Bound, so nobody else's, but nobody listens. */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (void *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(fd, (void *)&address, &length), 0);
	snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
	target.port = port;
	ck_assert_int_eq(probe_run(&target, NULL, PROBE_ANY, 0, &r, &err), -1);
	ck_assert_int_eq(r.failure, PROBE_CONNECT);
	ck_assert_msg(strstr(err.text, "Connection refused") != NULL, "got %s", err.text);
	ck_assert(!r.connected);
	close(fd);
	err.code = SNICERT_OK;
	target.host = "256.256.256.256.invalid";
	ck_assert_int_eq(probe_run(&target, NULL, PROBE_ANY, 0, &r, &err), -1);
	ck_assert_int_eq(r.failure, PROBE_RESOLVE);
}
END_TEST

/* Many in a row, as for a list of names. */
START_TEST(test_many)
{
	struct server server;
	struct probe_target target = { .host = "127.0.0.1", .timeout_ms = 10000 };
	struct probe_result r;
	struct snicert_error err = { 0 };

	server_start(&server, SMTP);
	target.port = server.port;
	for (int i = 0; i < 200; i++) {
		ck_assert_msg(probe_run(&target, "mx.example", PROBE_ANY, 0, &r, &err) == 0,
		    "%d: %s", i, err.text);
		probe_result_clear(&r);
	}
	server_stop(&server);
}
END_TEST

static const struct {
	const char *text;
	int protocol;
	enum probe_tls tls;
	const char *host, *port;        /* NULL: refused */
	bool implicit;
	enum starttls_protocol want;
} targets[] = {
	{ "mx.example", -1, PROBE_TLS_BY_PORT, "mx.example", "25", false, STARTTLS_SMTP },
	{ "mx.example", -1, PROBE_TLS_IMPLICIT, "mx.example", "465", true, STARTTLS_SMTP },
	{ "mx.example:587", -1, PROBE_TLS_BY_PORT, "mx.example", "587", false, STARTTLS_SMTP },
	{ "mx.example:465", -1, PROBE_TLS_BY_PORT, "mx.example", "465", true, STARTTLS_SMTP },
	{ "mx.example:993", -1, PROBE_TLS_BY_PORT, "mx.example", "993", true, STARTTLS_IMAP },
	{ "mx.example:995", -1, PROBE_TLS_BY_PORT, "mx.example", "995", true, STARTTLS_POP3 },
	{ "mx.example:443", -1, PROBE_TLS_BY_PORT, "mx.example", "443", true, STARTTLS_SMTP },
	{ "mx.example:465", -1, PROBE_TLS_STARTTLS, "mx.example", "465", false, STARTTLS_SMTP },
	{ "mx.example:10025", -1, PROBE_TLS_IMPLICIT, "mx.example", "10025", true, STARTTLS_SMTP },
	{ "192.0.2.1:65535", -1, PROBE_TLS_BY_PORT, "192.0.2.1", "65535", false, STARTTLS_SMTP },
	{ "[2001:db8::1]:465", -1, PROBE_TLS_BY_PORT, "2001:db8::1", "465", true, STARTTLS_SMTP },
	{ "[2001:db8::1]", -1, PROBE_TLS_BY_PORT, "2001:db8::1", "25", false, STARTTLS_SMTP },
	{ "2001:db8::1", -1, PROBE_TLS_BY_PORT, "2001:db8::1", "25", false, STARTTLS_SMTP },
	{ "::1", -1, PROBE_TLS_BY_PORT, "::1", "25", false, STARTTLS_SMTP },
	{ "mx.example", STARTTLS_IMAP, PROBE_TLS_BY_PORT, "mx.example", "143", false, STARTTLS_IMAP },
	{ "mx.example", STARTTLS_IMAP, PROBE_TLS_IMPLICIT, "mx.example", "993", true, STARTTLS_IMAP },
	{ "mx.example", STARTTLS_POP3, PROBE_TLS_BY_PORT, "mx.example", "110", false, STARTTLS_POP3 },
	{ "mx.example", STARTTLS_LMTP, PROBE_TLS_BY_PORT, "mx.example", "24", false, STARTTLS_LMTP },
	{ "mx.example:143", -1, PROBE_TLS_BY_PORT, "mx.example", "143", false, STARTTLS_IMAP },
	{ "mx.example:110", -1, PROBE_TLS_BY_PORT, "mx.example", "110", false, STARTTLS_POP3 },
	{ "mx.example:24", -1, PROBE_TLS_BY_PORT, "mx.example", "24", false, STARTTLS_LMTP },
	{ "mx.example:143", STARTTLS_SMTP, PROBE_TLS_BY_PORT, "mx.example", "143", false, STARTTLS_SMTP },
	{ "mx.example:2003", STARTTLS_LMTP, PROBE_TLS_BY_PORT, "mx.example", "2003", false, STARTTLS_LMTP },
	{ "", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ ":25", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:0", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:65536", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:000025", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:smtp", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx.example:-1", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "[::1", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "[]:25", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "[::1]25", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
	{ "mx example", -1, PROBE_TLS_BY_PORT, NULL, NULL, false, STARTTLS_SMTP },
};

START_TEST(test_target)
{
	struct snicert_error err = { 0 };
	struct probe_address address;
	struct probe_target target;
	int rc = probe_parse_target(targets[_i].text, targets[_i].protocol, targets[_i].tls, &address, &target, &err);

	ck_assert_msg((rc == 0) == (targets[_i].host != NULL), "%s: %d %s", targets[_i].text, rc,
	    err.text);
	if (rc != 0) {
		ck_assert_int_eq(err.code, SNICERT_EUSAGE);
		return;
	}
	ck_assert_str_eq(target.host, targets[_i].host);
	ck_assert_str_eq(target.port, targets[_i].port);
	ck_assert_msg(target.implicit == targets[_i].implicit, "%s: implicit", targets[_i].text);
	ck_assert_msg(target.protocol == targets[_i].want, "%s: protocol: got %d want %d", targets[_i].text, target.protocol,
	    targets[_i].want);
}
END_TEST

static const struct {
	int alert;
	const char *name;
} alerts[] = {
	{ 40, "handshake_failure" }, { 70, "protocol_version" }, { 80, "internal_error" },
	{ 109, "missing_extension" }, { 112, "unrecognized_name" },
	{ 116, "certificate_required" }, { 200, "alert 200" },
};

START_TEST(test_alert)
{
	char name[64];

	ck_assert_str_eq(probe_alert_name(alerts[_i].alert, name, sizeof(name)), alerts[_i].name);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tc = tcase_create("probe");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_good, 0, (int)(sizeof(good) / sizeof(good[0])));
	tcase_add_loop_test(tc, test_bad, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tc, test_no_connection);
	tcase_add_test(tc, test_many);
	tcase_add_loop_test(tc, test_target, 0, (int)(sizeof(targets) / sizeof(targets[0])));
	tcase_add_loop_test(tc, test_alert, 0, (int)(sizeof(alerts) / sizeof(alerts[0])));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
